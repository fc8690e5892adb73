package volume

import (
	"context"
	"slices"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/ids"
	"kumoi/internal/kernel/store"
)

// The volume actions by which clients of before attachments connect: each step
// is a request of its own, and the volume's status says which comes next.

// Connections are the steps of clients that know no attachments.
type Connections struct{ s *Service }

const actionRule = "volume_extension:volume_actions:"

// Reserve takes a volume for somebody who will attach it.
func (f *Connections) Reserve(ctx context.Context, id string) error {
	_, err := f.s.Volumes.change(ctx, actionRule+"reserve", id, func(_ *store.Tx, v *Volume) error {
		if v.Status != Available && (!v.Multiattach || v.Status != InUse) {
			want := Available
			if v.Multiattach {
				want = "available or in-use"
			}
			return invalid("Volume status must be %s to reserve, but the status is %s.", want, v.Status)
		}
		v.Status = Attaching
		return nil
	})
	return err
}

// Unreserve gives up what Reserve took; a volume that is not reserved stays as it is.
func (f *Connections) Unreserve(ctx context.Context, id string) error {
	_, err := f.s.Volumes.change(ctx, actionRule+"unreserve", id, func(_ *store.Tx, v *Volume) error {
		if v.Status == Attaching {
			v.settle()
		}
		return nil
	})
	return err
}

// BeginDetaching marks a volume as about to be detached.
func (f *Connections) BeginDetaching(ctx context.Context, id string) error {
	_, err := f.s.Volumes.change(ctx, actionRule+"begin_detaching", id, func(_ *store.Tx, v *Volume) error {
		if v.Status != InUse || v.AttachStatus != Attached || migrating(v) {
			return invalid("Unable to detach volume. Volume status must be 'in-use' and attach_status must be 'attached' to detach.")
		}
		v.Status = Detaching
		return nil
	})
	return err
}

// RollDetaching takes that back.
func (f *Connections) RollDetaching(ctx context.Context, id string) error {
	_, err := f.s.Volumes.change(ctx, actionRule+"roll_detaching", id, func(_ *store.Tx, v *Volume) error {
		if v.Status == Detaching {
			v.Status = InUse
		}
		return nil
	})
	return err
}

// Attach records that a server or a host has the volume.
func (f *Connections) Attach(ctx context.Context, id, instance, host, mountpoint, mode string) error {
	_, err := f.s.Volumes.change(ctx, actionRule+"attach", id, func(tx *store.Tx, v *Volume) error {
		if v.ReadOnly && mode != "ro" {
			return errs.New(errs.Invalid, "Invalid attaching mode '%s' for volume %s.", mode, v.ID)
		}
		if !slices.Contains([]string{Available, Attaching}, v.Status) && (!v.Multiattach || v.Status != InUse) {
			return invalid("Error attaching volume - InvalidVolume: status must be available or attaching, not %s", v.Status)
		}
		a := &Attachment{
			ID: ids.New(), VolumeID: v.ID, ProjectID: v.ProjectID, InstanceID: instance, AttachedHost: host, Mountpoint: mountpoint, Mode: mode,
			Status: Attached, AttachedAt: f.s.now(), CreatedAt: f.s.now(),
		}
		v.Attachments = append(v.Attachments, a)
		v.settle()
		return f.s.tables.Attachments.Insert(ctx, tx, a)
	})
	return err
}

// Detach ends an attachment; "" is the only one.
func (f *Connections) Detach(ctx context.Context, id, attachment string) error {
	return f.detach(ctx, actionRule+"detach", id, attachment, false)
}

// ForceDetach ends an attachment whatever its host says.
func (f *Connections) ForceDetach(ctx context.Context, id, attachment string) error {
	return f.detach(ctx, "volume_extension:volume_admin_actions:force_detach", id, attachment, true)
}

func (f *Connections) detach(ctx context.Context, rule, id, attachment string, force bool) error {
	v, err := f.s.Volumes.ShowBy(ctx, rule, id)
	if err != nil {
		return err
	}
	if attachment == "" {
		switch len(v.Attachments) {
		case 0: // nobody has it: its status says so then
			_, err := f.s.Volumes.change(ctx, rule, id, func(_ *store.Tx, v *Volume) error {
				if slices.Contains([]string{Attaching, Detaching, InUse, Reserved}, v.Status) {
					v.settle()
				}
				return nil
			})
			return err
		case 1:
			attachment = v.Attachments[0].ID
		default:
			return invalid("Detach volume failed: More than one attachment, but no attachment_id provided.")
		}
	}
	i := slices.IndexFunc(v.Attachments, func(a *Attachment) bool { return a.ID == attachment })
	if i < 0 {
		return errs.New(errs.Invalid, "Error detaching volume - VolumeAttachmentNotFound: there is no attachment %s of it", attachment)
	}
	if err := f.s.Attachments.mayEnd(ctx, v.Attachments[i]); err != nil {
		return err
	}
	_, err = f.s.Attachments.drop(ctx, attachment, force)
	return err
}

// Initialize lets a host open a volume, for services alone.
func (f *Connections) Initialize(ctx context.Context, id string, connector map[string]any) (*Attachment, error) {
	v, err := f.confided(ctx, actionRule+"initialize_connection", id)
	if err != nil {
		return nil, err
	}
	host, _ := connector["host"].(string)
	if host == "" {
		return nil, errs.New(errs.Invalid, "Invalid input received: The connector does not say its host.")
	}
	a := &Attachment{ID: ids.Derive("volume connection", v.ID, host), VolumeID: v.ID, Mode: "rw", AttachedHost: host}
	if v.ReadOnly {
		a.Mode = "ro"
	}
	var open opening
	err = f.s.read(ctx, func(tx *store.Tx) (err error) {
		open, err = f.s.Attachments.opening(ctx, tx, v, a.ID, host, v.ReadOnly)
		return err
	})
	if err != nil {
		return nil, err
	}
	a.Connection, err = f.s.Attachments.export(ctx, v.Host, open)
	return a, err
}

// confided reads a volume for those who may open it.
func (f *Connections) confided(ctx context.Context, rule, id string) (*Volume, error) {
	v, err := f.s.Volumes.ShowBy(ctx, rule, id)
	if err == nil && !f.s.confides(ctx) {
		err = errs.New(errs.Forbidden, "How a volume is reached is told to services and administrators only.")
	}
	return v, err
}

// Terminate ends what InitializeConnection has begun.
func (f *Connections) Terminate(ctx context.Context, id string, connector map[string]any) error {
	v, err := f.confided(ctx, actionRule+"terminate_connection", id)
	if err != nil {
		return err
	}
	for _, a := range v.Attachments {
		if err := f.s.Attachments.mayEnd(ctx, a); err != nil {
			return err
		}
	}
	host, _ := connector["host"].(string)
	if host != "" && v.Host != "" {
		if err := f.s.Attachments.unexport(ctx, v, ids.Derive("volume connection", v.ID, host)); err != nil {
			return err
		}
	}
	return f.Unreserve(ctx, id)
}
