package volume

import (
	"context"
	"maps"
	"slices"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

// SetBootable says whether servers may boot from the volume.
func (s *Service) SetBootable(ctx context.Context, id string, yes bool) error {
	_, err := s.change(ctx, "volume_extension:volume_actions:set_bootable", id, func(_ *store.Tx, v *Volume) error {
		v.Bootable = yes
		return nil
	})
	return err
}

// SetReadOnly says whether clients may write.
func (s *Service) SetReadOnly(ctx context.Context, id string, yes bool) error {
	_, err := s.change(ctx, "volume:update_readonly_flag", id, func(_ *store.Tx, v *Volume) error {
		if v.Status != Available {
			return invalid("Volume %s status must be available to update readonly flag, but current status is: %s.", v.ID, v.Status)
		}
		v.ReadOnly = yes
		next := maps.Clone(v.Metadata) // where clients look for it
		if next == nil {
			next = map[string]string{}
		}
		next["readonly"] = map[bool]string{true: "True", false: "False"}[yes]
		v.Metadata = next
		return nil
	})
	return err
}

// ImageMetadata returns what a volume remembers of its image.
func (s *Service) ImageMetadata(ctx context.Context, id string) (map[string]string, error) {
	v, err := s.ShowBy(ctx, "volume_extension:volume_image_metadata:show", id)
	if err != nil {
		return nil, err
	}
	return v.ImageMetadata, nil
}

// SetImageMetadata adds to that.
func (s *Service) SetImageMetadata(ctx context.Context, id string, m map[string]string) (map[string]string, error) {
	v, err := s.change(ctx, "volume_extension:volume_image_metadata:set", id, func(_ *store.Tx, v *Volume) error {
		next := maps.Clone(v.ImageMetadata)
		if next == nil {
			next = map[string]string{}
		}
		maps.Copy(next, m)
		v.ImageMetadata = next
		return nil
	})
	if err != nil {
		return nil, err
	}
	return v.ImageMetadata, nil
}

// UnsetImageMetadata removes a key of it.
func (s *Service) UnsetImageMetadata(ctx context.Context, id, key string) error {
	_, err := s.change(ctx, "volume_extension:volume_image_metadata:remove", id, func(_ *store.Tx, v *Volume) error {
		if _, ok := v.ImageMetadata[key]; !ok {
			return errs.New(errs.NotFound, "Metadata does not exist.")
		}
		next := maps.Clone(v.ImageMetadata)
		delete(next, key)
		v.ImageMetadata = next
		return nil
	})
	return err
}

// Reset is the administrators' word about a volume; "" leaves a field.
type Reset struct{ Status, AttachStatus, MigrationStatus string }

// ResetStatus changes what is recorded of a volume, and nothing else.
func (s *Service) ResetStatus(ctx context.Context, id string, r Reset) error {
	_, err := s.change(ctx, "volume_extension:volume_admin_actions:reset_status", id, func(tx *store.Tx, v *Volume) error {
		if r.Status != "" {
			v.Status = r.Status
		}
		if r.MigrationStatus != "" {
			if v.MigrationStatus = r.MigrationStatus; r.MigrationStatus == "none" {
				v.MigrationStatus = ""
			}
		}
		if r.AttachStatus == "" {
			return nil
		}
		v.AttachStatus = r.AttachStatus
		if r.AttachStatus != "detached" {
			return nil
		}
		v.Attachments = nil
		_, err := s.tables.Attachments.DeleteWhere(ctx, tx, store.Eq("volume_id", v.ID))
		return err
	})
	return err
}

// Extend grows a volume; inUse allows it while a client has it.
func (s *Service) Extend(ctx context.Context, id string, sizeGiB int, inUse bool) error {
	return s.write(ctx, func(tx *store.Tx) error {
		v, err := s.get(ctx, tx, "volume:extend", id)
		if err != nil {
			return err
		}
		if inUse && v.Status == InUse {
			if err := s.policy.Check(ctx, "volume:extend_attached_volume", v.target()); err != nil {
				return err
			}
		}
		if sizeGiB <= v.SizeGiB {
			return errs.New(errs.Invalid, "Invalid input received: New size for extend must be greater than current size. (current: %d, extended: %d).", v.SizeGiB, sizeGiB)
		}
		if v.Status != Available && (!inUse || v.Status != InUse) || migrating(v) {
			return invalid("Volume %s status must be 'available' to extend, currently %s.", v.ID, v.Status)
		}
		if err := s.frozen(ctx, tx, v.Host); err != nil {
			return err
		}
		kind, err := s.parts.typeByID(ctx, tx, v.TypeID)
		if err != nil {
			return err
		}
		if err := s.parts.spend(ctx, tx, Demand{Project: v.ProjectID, Type: kind.Name, GiB: sizeGiB - v.SizeGiB, PerVolume: sizeGiB}); err != nil {
			return err
		}
		was := v.Status
		v.Status, v.PreviousStatus = Extending, was
		if err := s.save(ctx, tx, v); err != nil {
			return err
		}
		return s.begin(ctx, tx, kindExtend, resource(v.ID), Work{Volume: v.ID, Place: v.Host, Size: sizeGiB, Was: was})
	})
}

// CompleteExtend is what Cinder's compute says when a server has seen the new
// size. Here nobody waits for that.
func (s *Service) CompleteExtend(ctx context.Context, id string) error {
	v, err := s.ShowBy(ctx, "volume_extension:volume_admin_actions:extend_volume_completion", id)
	if err == nil && v.Status != Extending {
		err = invalid("Volume %s is not being extended.", v.ID)
	}
	return err
}

// Revert gives a volume the bytes of its newest snapshot.
func (s *Service) Revert(ctx context.Context, id, snapshot string) error {
	return s.write(ctx, func(tx *store.Tx) error {
		v, err := s.get(ctx, tx, "volume:revert_to_snapshot", id)
		if err != nil {
			return err
		}
		snaps, err := s.tables.Snapshots.All(ctx, tx, store.Eq("volume_id", v.ID))
		if err != nil {
			return err
		}
		if len(snaps) == 0 {
			return errs.New(errs.Invalid, "Volume %s doesn't have any snapshots.", v.ID)
		}
		newest := slices.MaxFunc(snaps, func(a, b *Snapshot) int { return a.CreatedAt.Compare(b.CreatedAt) })
		switch {
		case newest.ID != snapshot:
			return errs.New(errs.Invalid, "Specified snapshot %s is None or not the latest one of volume %s.", snapshot, v.ID)
		case v.SizeGiB != newest.SizeGiB:
			return errs.New(errs.Invalid, "Can't revert volume %s to its latest snapshot %s. The volume size must be equal to the snapshot size.", v.ID, snapshot)
		case v.Status != Available:
			return errs.New(errs.Conflict, "Can't revert volume %s to its latest snapshot %s. Volume's status must be 'available'.", v.ID, snapshot)
		case newest.Status != Available:
			return errs.New(errs.Conflict, "Can't revert volume %s to its latest snapshot %s. Snapshot's status must be 'available'.", v.ID, snapshot)
		}
		v.Status = Reverting
		if err := s.save(ctx, tx, v); err != nil {
			return err
		}
		newest.Status = "restoring"
		if err := s.Snapshots.save(ctx, tx, newest); err != nil {
			return err
		}
		return s.begin(ctx, tx, kindRevert, resource(v.ID), Work{Volume: v.ID, Place: v.Host, Snapshot: snapshot})
	})
}

// Reimage writes an image over a volume; reserved allows it for one that is
// reserved for a server that is being rebuilt.
func (s *Service) Reimage(ctx context.Context, id, imageID string, reserved bool) error {
	err := s.read(ctx, func(tx *store.Tx) error {
		_, err := s.get(ctx, tx, "volume:reimage", id)
		return err
	})
	if err != nil {
		return err // whose volume it is comes before what is to be in it
	}
	img, err := s.sourceImage(ctx, imageID)
	if err != nil {
		return err
	}
	return s.write(ctx, func(tx *store.Tx) error {
		v, err := s.get(ctx, tx, "volume:reimage", id)
		if err != nil {
			return err
		}
		if v.Status == Reserved {
			if err := s.policy.Check(ctx, "volume:reimage_reserved", v.target()); err != nil {
				return err
			}
		}
		if len(v.Attachments) > 1 {
			return errs.New(errs.Conflict, "Cannot re-image a volume which is attached to more than one server.")
		}
		if v.Status != Available && v.Status != Error && (!reserved || v.Status != Reserved) {
			return invalid("Volume %s status must be available or error, but current status is %s.", v.ID, v.Status)
		}
		n := NewVolume{SizeGiB: v.SizeGiB}
		if err := (source{image: img}).size(&n); err != nil {
			return err
		}
		snaps, err := s.tables.Snapshots.Any(ctx, tx, store.Eq("volume_id", v.ID))
		if err != nil {
			return err
		}
		if snaps {
			return invalid("Volume %s has snapshots: an image cannot be written over it.", v.ID)
		}
		was := v.Status
		v.Status, v.PreviousStatus = Downloading, was
		if err := s.save(ctx, tx, v); err != nil {
			return err
		}
		return s.begin(ctx, tx, kindReimage, resource(v.ID), Work{Volume: v.ID, Place: v.Host, Image: rootDisk(img, v.SizeGiB), Was: was, ImageMeta: imageMetadata(img)})
	})
}
