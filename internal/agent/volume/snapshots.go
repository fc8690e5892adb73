package volume

import (
	"context"
	"slices"

	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/errs"
)

// CreateVolumeSnapshot keeps the volume's bytes as they are now.
func (b *Backend) CreateVolumeSnapshot(ctx context.Context, s hostapi.VolumeSnapshotRef) error {
	return b.with(ctx, s.VolumeRef, func(v *volume) error {
		if s.SnapshotID == "" {
			return errs.New(errs.Invalid, "A snapshot has an id.")
		}
		return b.store.snapshot(ctx, v, s.SnapshotID)
	})
}

// DeleteVolumeSnapshot forgets a snapshot and gives back what only it held.
func (b *Backend) DeleteVolumeSnapshot(ctx context.Context, s hostapi.VolumeSnapshotRef) error {
	err := b.with(ctx, s.VolumeRef, func(v *volume) error {
		return b.store.unsnapshot(ctx, v, s.SnapshotID)
	})
	if errs.Is(err, errs.NotFound) {
		return nil
	}
	return err
}

// RevertVolume drops what was written since the newest snapshot.
func (b *Backend) RevertVolume(ctx context.Context, s hostapi.VolumeSnapshotRef) error {
	return b.with(ctx, s.VolumeRef, func(v *volume) error {
		at := v.rec.snapshot(s.SnapshotID)
		if at < 0 {
			return errs.New(errs.NotFound, "Volume %s has no snapshot %s.", s.ID, s.SnapshotID)
		}
		if slices.ContainsFunc(v.rec.Layers[at+1:], layer.kept) {
			return errs.New(errs.Conflict, "Snapshot %s is not the newest of volume %s.", s.SnapshotID, s.ID)
		}
		if err := v.idle(); err != nil {
			return err
		}
		if err := v.daemon().stop(ctx); err != nil {
			return err
		}
		return b.store.revert(ctx, v, at)
	})
}
