package volume

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/errs"
)

// ManageableVolumes lists what no volume owns, and the volumes.
func (b *Backend) ManageableVolumes(ctx context.Context, backend string) ([]hostapi.ManageableVolume, error) {
	if backend != b.cfg.Name {
		return nil, errs.New(errs.Invalid, "The host has no backend %q for volumes.", backend)
	}
	return b.store.manageable(ctx)
}

// AdoptVolume makes a volume of what is parked.
func (b *Backend) AdoptVolume(ctx context.Context, ref hostapi.VolumeRef, name string) (*hostapi.VolumeBytes, error) {
	s, end, err := b.turn(ctx, ref)
	if err != nil {
		return nil, err
	}
	defer end()
	v, err := b.load(ctx, ref, s)
	if err == nil {
		return v.describe(ctx), nil
	}
	if !errs.Is(err, errs.NotFound) {
		return nil, err
	}
	if err := b.store.adopt(ctx, ref.ID, name); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, errs.Wrap(errs.NotFound, err, "Backend %s has no %s to manage.", b.cfg.Name, name)
		}
		return nil, fmt.Errorf("manage %s: %w", name, err)
	}
	if v, err = b.load(ctx, ref, s); err != nil {
		return nil, err
	}
	return v.describe(ctx), nil
}

// ReleaseVolume parks a volume under a name.
func (b *Backend) ReleaseVolume(ctx context.Context, ref hostapi.VolumeRef, name string) error {
	s, end, err := b.turn(ctx, ref)
	if err != nil {
		return err
	}
	defer end()
	v, err := b.load(ctx, ref, s)
	if errs.Is(err, errs.NotFound) {
		list, e := b.store.manageable(ctx)
		for _, m := range list {
			if m.Name == name && m.Volume == "" {
				return nil // it was released
			}
		}
		return errors.Join(err, e)
	}
	if err != nil {
		return err
	}
	if err := v.idle(); err != nil {
		return err
	}
	if n := v.rec.snapshots(); n > 0 {
		return errs.New(errs.Conflict, "Volume %s has %d snapshots.", ref.ID, n)
	}
	if err := v.daemon().stop(ctx); err != nil {
		return err
	}
	if err := b.store.release(ctx, v, name); errors.Is(err, fs.ErrExist) {
		return errs.Wrap(errs.Exists, err, "Backend %s has a %s already.", b.cfg.Name, name)
	} else if err != nil {
		return err
	}
	return nil
}
