package volume

import (
	"context"
	"slices"

	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/audit"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/ids"
	"kumoi/internal/kernel/saga"
	"kumoi/internal/kernel/store"
)

// Managed are bytes in backends that become volumes, or were ones.
type Managed struct{ s *Service }

// NewManaged takes over what lies in a backend under a name.
type NewManaged struct {
	Place, Name              string // in the backend
	DisplayName, Description string
	Type, Zone               string
	Metadata                 map[string]string
	Bootable                 bool
}

// Create makes a volume of what lies in a backend.
func (f *Managed) Create(ctx context.Context, n NewManaged) (v *Volume, err error) {
	if err := f.s.Check(ctx, "volume_extension:volume_manage"); err != nil {
		return nil, err
	}
	err = f.s.write(ctx, func(tx *store.Tx) error {
		b, err := f.backend(ctx, tx, n.Place)
		if err != nil {
			return err
		}
		kind, err := f.s.parts.typeOf(ctx, tx, n.Type)
		if err != nil {
			return err
		}
		who := actor.From(ctx)
		v = &Volume{
			ID: ids.New(), ProjectID: who.ProjectID, UserID: who.UserID, Name: n.DisplayName, Description: n.Description, Status: Managing,
			Zone: f.s.cfg.Zone, TypeID: kind.ID, TypeName: kind.Name, Host: b.Place().String(), Metadata: n.Metadata, Bootable: n.Bootable, AttachStatus: "detached", CreatedAt: f.s.now(),
		}
		if err := f.s.parts.spend(ctx, tx, Demand{Project: v.ProjectID, Type: kind.Name, Volumes: 1}); err != nil {
			return err
		}
		if err := f.s.tables.Volumes.Insert(ctx, tx, v); err != nil {
			return err
		}
		audit.Created(ctx, v.ID)
		return f.s.begin(ctx, tx, kindAdopt, resource(v.ID), Work{Volume: v.ID, Place: v.Host, Name: n.Name})
	})
	return v, err
}

// backend finds a backend that answers by its place.
func (f *Managed) backend(ctx context.Context, tx *store.Tx, place string) (*Backend, error) {
	list, err := f.s.Backends.all(ctx, tx)
	if err != nil {
		return nil, err
	}
	b := backendOf(list, place)
	if b == nil {
		return nil, errs.New(errs.Invalid, "Service cinder-volume could not be found on host %s.", place)
	}
	if why := f.s.Backends.Fault(b); why != "" {
		return nil, errs.New(errs.Unavailable, "Service is unavailable at this time: %s: %s.", place, why)
	}
	return b, nil
}

func (f *Managed) adoptSaga() saga.Definition[Work] {
	return saga.Definition[Work]{
		Kind: kindAdopt, Version: 1,
		Steps: []step{f.adopting(
			func(ctx context.Context, h hostapi.VolumeHost, w *Work) (*hostapi.VolumeBytes, error) {
				return h.AdoptVolume(ctx, w.ref(), w.Name)
			},
			func(ctx context.Context, h hostapi.VolumeHost, w *Work) error {
				return h.ReleaseVolume(ctx, w.ref(), w.Name)
			},
		)},
		Done: f.s.finish(func(_ context.Context, _ *store.Tx, w *Work, v *Volume) error {
			v.Status, v.SizeGiB, v.LaunchedAt = Available, w.Size, f.s.now() // whatever the quota says: it is there already
			return nil
		}),
		Failed: func(ctx context.Context, tx *store.Tx, w *Work, cause *errs.Error) error {
			return f.s.finish(func(ctx context.Context, tx *store.Tx, _ *Work, v *Volume) error {
				v.Status, v.Host = ErrorManaging, ""
				return f.s.message(ctx, tx, "VOLUME", v.ID, v.ProjectID, actSchedule, detailOf(cause, createFailed))
			})(ctx, tx, w)
		},
	}
}

// adopting is the step that takes something over from a backend, or lets go of it
// again. A host that is away then has it under its new name.
func (f *Managed) adopting(
	adopt func(ctx context.Context, h hostapi.VolumeHost, w *Work) (*hostapi.VolumeBytes, error),
	release func(ctx context.Context, h hostapi.VolumeHost, w *Work) error,
) step {
	return step{
		Name: "adopt",
		Do: f.s.onHost(func(ctx context.Context, h hostapi.VolumeHost, w *Work) error {
			b, err := adopt(ctx, h, w)
			if err == nil {
				w.Size = b.SizeGiB
			}
			return err
		}),
		Undo: f.s.onHost(func(ctx context.Context, h hostapi.VolumeHost, w *Work) error {
			if err := gone(release(ctx, h, w)); !away(err) {
				return err
			}
			return nil
		}),
	}
}

// releasing is the step that lets go of something for good; what is nowhere needs none.
func (f *Managed) releasing(release func(ctx context.Context, h hostapi.VolumeHost, w *Work) error) step {
	do := f.s.onHost(func(ctx context.Context, h hostapi.VolumeHost, w *Work) error { return gone(release(ctx, h, w)) })
	return step{Name: "release", Do: func(ctx context.Context, w *Work) error {
		if w.Place == "" {
			return nil
		}
		return do(ctx, w)
	}}
}

// Release forgets a volume and leaves its bytes in the backend under its id.
func (f *Managed) Release(ctx context.Context, id string) error {
	return f.s.write(ctx, func(tx *store.Tx) error {
		v, err := f.s.Volumes.get(ctx, tx, "volume_extension:volume_unmanage", id)
		if err != nil {
			return err
		}
		snaps, err := f.s.tables.Snapshots.Any(ctx, tx, store.Eq("volume_id", v.ID))
		if err != nil {
			return err
		}
		if v.Encrypted {
			return invalid("Unmanaging encrypted volumes is not supported.")
		}
		if snaps || len(v.Attachments) > 0 || migrating(v) || v.GroupID != "" || !slices.Contains(deletable, v.Status) {
			return invalid("Volume status must be available or error and it must not be migrating, attached, belong to a group or have snapshots.")
		}
		v.Status = Unmanaging
		if err := f.s.Volumes.save(ctx, tx, v); err != nil {
			return err
		}
		return f.s.begin(ctx, tx, kindRelease, resource(v.ID), Work{Volume: v.ID, Place: v.Host, Name: "volume-" + v.ID})
	})
}

func (f *Managed) releaseSaga() saga.Definition[Work] {
	return saga.Definition[Work]{
		Kind: kindRelease, Version: 1,
		Steps: []step{f.releasing(func(ctx context.Context, h hostapi.VolumeHost, w *Work) error {
			return h.ReleaseVolume(ctx, w.ref(), w.Name)
		})},
		Done:   f.s.Volumes.forget,
		Failed: f.s.fail(Error, "006", unknownError),
	}
}

// List lists what lies in a backend.
func (f *Managed) List(ctx context.Context, place string) ([]hostapi.ManageableVolume, error) {
	h, err := f.host(ctx, "volume_extension:list_manageable", place)
	if err != nil {
		return nil, err
	}
	return h.ManageableVolumes(ctx, ParsePlace(place).Backend)
}

// host is the host of a backend that answers, for an actor who may do what the rule names.
func (f *Managed) host(ctx context.Context, rule, place string) (hostapi.VolumeHost, error) {
	if err := f.s.Check(ctx, rule); err != nil {
		return nil, err
	}
	err := f.s.read(ctx, func(tx *store.Tx) error {
		_, err := f.backend(ctx, tx, place)
		return err
	})
	if err != nil {
		return nil, err
	}
	return f.s.host(place)
}
