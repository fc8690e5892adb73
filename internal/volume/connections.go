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

const actionRule = "volume_extension:volume_actions:"

// Reserve takes a volume for somebody who will attach it.
func (s *Service) Reserve(ctx context.Context, id string) error {
	_, err := s.change(ctx, actionRule+"reserve", id, func(_ *store.Tx, v *Volume) error {
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
func (s *Service) Unreserve(ctx context.Context, id string) error {
	_, err := s.change(ctx, actionRule+"unreserve", id, func(_ *store.Tx, v *Volume) error {
		if v.Status == Attaching {
			v.settle()
		}
		return nil
	})
	return err
}

// BeginDetaching marks a volume as about to be detached.
func (s *Service) BeginDetaching(ctx context.Context, id string) error {
	_, err := s.change(ctx, actionRule+"begin_detaching", id, func(_ *store.Tx, v *Volume) error {
		if v.Status != InUse || v.AttachStatus != Attached || migrating(v) {
			return invalid("Unable to detach volume. Volume status must be 'in-use' and attach_status must be 'attached' to detach.")
		}
		v.Status = Detaching
		return nil
	})
	return err
}

// RollDetaching takes that back.
func (s *Service) RollDetaching(ctx context.Context, id string) error {
	_, err := s.change(ctx, actionRule+"roll_detaching", id, func(_ *store.Tx, v *Volume) error {
		if v.Status == Detaching {
			v.Status = InUse
		}
		return nil
	})
	return err
}

// Attach records that a server or a host has the volume.
func (s *Service) Attach(ctx context.Context, id, instance, host, mountpoint, mode string) error {
	_, err := s.change(ctx, actionRule+"attach", id, func(tx *store.Tx, v *Volume) error {
		if v.ReadOnly && mode != "ro" {
			return errs.New(errs.Invalid, "Invalid attaching mode '%s' for volume %s.", mode, v.ID)
		}
		if !slices.Contains([]string{Available, Attaching}, v.Status) && (!v.Multiattach || v.Status != InUse) {
			return invalid("Error attaching volume - InvalidVolume: status must be available or attaching, not %s", v.Status)
		}
		a := &Attachment{
			ID: ids.New(), VolumeID: v.ID, ProjectID: v.ProjectID, InstanceID: instance, AttachedHost: host, Mountpoint: mountpoint, Mode: mode,
			Status: Attached, AttachedAt: s.now(), CreatedAt: s.now(),
		}
		v.Attachments = append(v.Attachments, a)
		v.settle()
		return s.tables.Attachments.Insert(ctx, tx, a)
	})
	return err
}

// Detach ends an attachment; "" is the only one.
func (s *Service) Detach(ctx context.Context, id, attachment string) error {
	return s.detach(ctx, actionRule+"detach", id, attachment, false)
}

// ForceDetach ends an attachment whatever its host says.
func (s *Service) ForceDetach(ctx context.Context, id, attachment string) error {
	return s.detach(ctx, "volume_extension:volume_admin_actions:force_detach", id, attachment, true)
}

func (s *Service) detach(ctx context.Context, rule, id, attachment string, force bool) error {
	v, err := s.ShowBy(ctx, rule, id)
	if err != nil {
		return err
	}
	if attachment == "" {
		switch len(v.Attachments) {
		case 0: // nobody has it: its status says so then
			_, err := s.change(ctx, rule, id, func(_ *store.Tx, v *Volume) error {
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
	if err := s.Attachments.mayEnd(ctx, v.Attachments[i]); err != nil {
		return err
	}
	return s.Attachments.drop(ctx, attachment, force)
}

// InitializeConnection lets a host open a volume, for services alone.
func (s *Service) InitializeConnection(ctx context.Context, id string, connector map[string]any) (*Attachment, error) {
	v, err := s.confided(ctx, actionRule+"initialize_connection", id)
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
	err = s.read(ctx, func(tx *store.Tx) (err error) {
		open, err = s.openingTx(ctx, tx, v, a.ID, host, v.ReadOnly)
		return err
	})
	if err != nil {
		return nil, err
	}
	a.Connection, err = s.export(ctx, v.Host, open)
	return a, err
}

// confided reads a volume for those who may open it.
func (s *Service) confided(ctx context.Context, rule, id string) (*Volume, error) {
	v, err := s.ShowBy(ctx, rule, id)
	if err == nil && !s.Confides(ctx) {
		err = errs.New(errs.Forbidden, "How a volume is reached is told to services and administrators only.")
	}
	return v, err
}

// TerminateConnection ends what InitializeConnection has begun.
func (s *Service) TerminateConnection(ctx context.Context, id string, connector map[string]any) error {
	v, err := s.confided(ctx, actionRule+"terminate_connection", id)
	if err != nil {
		return err
	}
	for _, a := range v.Attachments {
		if err := s.Attachments.mayEnd(ctx, a); err != nil {
			return err
		}
	}
	host, _ := connector["host"].(string)
	if host != "" && v.Host != "" {
		if err := s.unexport(ctx, v, ids.Derive("volume connection", v.ID, host)); err != nil {
			return err
		}
	}
	return s.Unreserve(ctx, id)
}
