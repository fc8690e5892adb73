package volume

import (
	"context"

	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/audit"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/ids"
	"kumoi/internal/kernel/saga"
	"kumoi/internal/kernel/store"
)

// NewManagedSnapshot takes over a snapshot of a volume that lies in its backend
// under a name.
type NewManagedSnapshot struct {
	VolumeID, Ref     string
	Name, Description string
	Metadata          map[string]string
}

// Manage makes a snapshot of what a volume's backend has kept of it.
func (f *Snapshots) Manage(ctx context.Context, n NewManagedSnapshot) (p *Snapshot, err error) {
	if err := f.s.Check(ctx, "snapshot_extension:snapshot_manage"); err != nil {
		return nil, err
	}
	err = f.s.write(ctx, func(tx *store.Tx) error {
		v, err := f.s.Volumes.get(ctx, tx, "volume:get", n.VolumeID)
		if err != nil {
			return err
		}
		if migrating(v) || v.Status != Available && v.Status != InUse {
			return invalid("Volume %s status must be available or in-use, and it must not be migrating; it is %s.", v.ID, v.Status)
		}
		if _, err := f.s.Managed.backend(ctx, tx, v.Host); err != nil {
			return err
		}
		kind, err := f.s.parts.typeByID(ctx, tx, v.TypeID)
		if err != nil {
			return err
		}
		if err := f.s.parts.spend(ctx, tx, Demand{Project: v.ProjectID, Type: kind.Name, Snapshots: 1, GiB: v.SizeGiB}); err != nil {
			return err
		}
		p = &Snapshot{
			ID: ids.New(), VolumeID: v.ID, ProjectID: v.ProjectID, UserID: actor.From(ctx).UserID, Name: n.Name, Description: n.Description,
			Status: Creating, Progress: "0%", SizeGiB: v.SizeGiB, TypeID: v.TypeID, EncryptionKeyID: v.EncryptionKeyID, Metadata: n.Metadata, CreatedAt: f.s.now(),
		}
		if err := f.s.tables.Snapshots.Insert(ctx, tx, p); err != nil {
			return err
		}
		audit.Created(ctx, p.ID)
		return f.s.begin(ctx, tx, kindAdoptSnapshot, "snapshot/"+p.ID, Work{Volume: v.ID, Place: v.Host, Snapshot: p.ID, Name: n.Ref})
	})
	return p, err
}

func (f *Snapshots) adoptSaga() saga.Definition[Work] {
	return saga.Definition[Work]{
		Kind: kindAdoptSnapshot, Version: 1,
		Steps: []step{f.s.Managed.adopting(
			func(ctx context.Context, h hostapi.VolumeHost, w *Work) (*hostapi.VolumeBytes, error) {
				return h.AdoptSnapshot(ctx, w.snapRef(), w.Name)
			},
			func(ctx context.Context, h hostapi.VolumeHost, w *Work) error {
				return h.ReleaseSnapshot(ctx, w.snapRef(), w.Name)
			},
		)},
		Done: func(ctx context.Context, tx *store.Tx, w *Work) error {
			return f.settle(func(ctx context.Context, tx *store.Tx, p *Snapshot) error {
				p.Status, p.Progress, p.SizeGiB = Available, "100%", w.Size
				return f.save(ctx, tx, p)
			})(ctx, tx, w)
		},
		Failed: f.fail(Error, actSnapshot, snapshotFailed),
	}
}

// Unmanage forgets a snapshot and leaves it in the backend under its id.
func (f *Snapshots) Unmanage(ctx context.Context, id string) error {
	return f.s.write(ctx, func(tx *store.Tx) error {
		p, err := f.get(ctx, tx, "snapshot_extension:snapshot_unmanage", id)
		if err != nil {
			return err
		}
		if p.GroupSnapshotID != "" {
			return errs.New(errs.Invalid, "Invalid snapshot: Unable to unmanage snapshot %s because it is part of a group snapshot.", id)
		}
		return f.end(ctx, tx, p, false, Unmanaging, kindReleaseSnapshot, "snapshot-"+p.ID)
	})
}

func (f *Snapshots) releaseSaga() saga.Definition[Work] {
	return saga.Definition[Work]{
		Kind: kindReleaseSnapshot, Version: 1,
		Steps: []step{f.s.Managed.releasing(func(ctx context.Context, h hostapi.VolumeHost, w *Work) error {
			return h.ReleaseSnapshot(ctx, w.snapRef(), w.Name)
		})},
		Done:   f.settle(f.forget),
		Failed: f.fail(ErrorDeleting, actDropSnapshot, dropFailed),
	}
}

// Manageable lists the snapshots in a backend.
func (f *Snapshots) Manageable(ctx context.Context, place string) ([]hostapi.ManageableSnapshot, error) {
	h, err := f.s.Managed.host(ctx, "snapshot_extension:list_manageable", place)
	if err != nil {
		return nil, err
	}
	return h.ManageableSnapshots(ctx, ParsePlace(place).Backend)
}
