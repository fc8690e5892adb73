package volume

import (
	"context"
	"slices"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

// Contents are volumes' bytes, and what is done to them where they lie.
type Contents struct{ s *Service }

// Extend grows a volume; inUse allows it while a client has it.
func (f *Contents) Extend(ctx context.Context, id string, sizeGiB int, inUse bool) error {
	return f.s.write(ctx, func(tx *store.Tx) error {
		v, err := f.s.Volumes.get(ctx, tx, "volume:extend", id)
		if err != nil {
			return err
		}
		if inUse && v.Status == InUse {
			if err := f.s.policy.Check(ctx, "volume:extend_attached_volume", v.target()); err != nil {
				return err
			}
		}
		if sizeGiB <= v.SizeGiB {
			return errs.New(errs.Invalid, "Invalid input received: New size for extend must be greater than current size. (current: %d, extended: %d).", v.SizeGiB, sizeGiB)
		}
		if v.Status != Available && (!inUse || v.Status != InUse) || migrating(v) {
			return invalid("Volume %s status must be 'available' to extend, currently %s.", v.ID, v.Status)
		}
		if err := f.s.Volumes.frozen(ctx, tx, v.Host); err != nil {
			return err
		}
		kind, err := f.s.parts.typeByID(ctx, tx, v.TypeID)
		if err != nil {
			return err
		}
		if err := f.s.parts.spend(ctx, tx, Demand{Project: v.ProjectID, Type: kind.Name, GiB: sizeGiB - v.SizeGiB, PerVolume: sizeGiB}); err != nil {
			return err
		}
		was := v.Status
		v.Status, v.PreviousStatus = Extending, was
		if err := f.s.Volumes.save(ctx, tx, v); err != nil {
			return err
		}
		return f.s.begin(ctx, tx, kindExtend, resource(v.ID), Work{Volume: v.ID, Place: v.Host, Size: sizeGiB, Was: was})
	})
}

// CompleteExtend is what Cinder's compute says when a server has seen the new
// size. Here nobody waits for that.
func (f *Contents) CompleteExtend(ctx context.Context, id string) error {
	v, err := f.s.Volumes.ShowBy(ctx, "volume_extension:volume_admin_actions:extend_volume_completion", id)
	if err == nil && v.Status != Extending {
		err = invalid("Volume %s is not being extended.", v.ID)
	}
	return err
}

// Revert gives a volume the bytes of its newest snapshot.
func (f *Contents) Revert(ctx context.Context, id, snapshot string) error {
	return f.s.write(ctx, func(tx *store.Tx) error {
		v, err := f.s.Volumes.get(ctx, tx, "volume:revert_to_snapshot", id)
		if err != nil {
			return err
		}
		snaps, err := f.s.tables.Snapshots.All(ctx, tx, store.Eq("volume_id", v.ID))
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
		if err := f.s.Volumes.save(ctx, tx, v); err != nil {
			return err
		}
		newest.Status = "restoring"
		if err := f.s.Snapshots.save(ctx, tx, newest); err != nil {
			return err
		}
		return f.s.begin(ctx, tx, kindRevert, resource(v.ID), Work{Volume: v.ID, Place: v.Host, Snapshot: snapshot})
	})
}

// Reimage writes an image over a volume; reserved allows it for one that is
// reserved for a server that is being rebuilt.
func (f *Contents) Reimage(ctx context.Context, id, imageID string, reserved bool) error {
	err := f.s.read(ctx, func(tx *store.Tx) error {
		_, err := f.s.Volumes.get(ctx, tx, "volume:reimage", id)
		return err
	})
	if err != nil {
		return err // whose volume it is comes before what is to be in it
	}
	img, err := f.s.Volumes.sourceImage(ctx, imageID)
	if err != nil {
		return err
	}
	return f.s.write(ctx, func(tx *store.Tx) error {
		v, err := f.s.Volumes.get(ctx, tx, "volume:reimage", id)
		if err != nil {
			return err
		}
		if v.Status == Reserved {
			if err := f.s.policy.Check(ctx, "volume:reimage_reserved", v.target()); err != nil {
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
		snaps, err := f.s.tables.Snapshots.Any(ctx, tx, store.Eq("volume_id", v.ID))
		if err != nil {
			return err
		}
		if snaps {
			return invalid("Volume %s has snapshots: an image cannot be written over it.", v.ID)
		}
		was := v.Status
		v.Status, v.PreviousStatus = Downloading, was
		if err := f.s.Volumes.save(ctx, tx, v); err != nil {
			return err
		}
		return f.s.begin(ctx, tx, kindReimage, resource(v.ID), Work{Volume: v.ID, Place: v.Host, Image: rootDisk(img, v.SizeGiB), Was: was, ImageMeta: imageMetadata(img)})
	})
}
