package volume

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/errs"
)

// ManageableSnapshots lists the snapshots of all volumes.
func (b *Backend) ManageableSnapshots(ctx context.Context, backend string) ([]hostapi.ManageableSnapshot, error) {
	if backend != b.cfg.Name {
		return nil, errs.New(errs.Invalid, "The host has no backend %q for volumes.", backend)
	}
	return b.store.manageableSnapshots(ctx)
}

// AdoptSnapshot makes a snapshot of what a volume was once and nobody manages.
func (b *Backend) AdoptSnapshot(ctx context.Context, s hostapi.VolumeSnapshotRef, name string) (made *hostapi.VolumeBytes, err error) {
	err = b.with(ctx, s.VolumeRef, func(v *volume) error {
		if s.SnapshotID == "" {
			return errs.New(errs.Invalid, "A snapshot has an id.")
		}
		if v.rec.snapshot(s.SnapshotID) < 0 {
			err := b.store.adoptSnapshot(ctx, v, s.SnapshotID, name)
			if errors.Is(err, fs.ErrNotExist) {
				return errs.Wrap(errs.NotFound, err, "Volume %s has no snapshot %q to manage.", s.ID, name)
			}
			if err != nil {
				return fmt.Errorf("manage snapshot %s of volume %s: %w", name, s.ID, err)
			}
		}
		made = &hostapi.VolumeBytes{SizeGiB: v.rec.Layers[v.rec.snapshot(s.SnapshotID)].SizeGiB}
		return nil
	})
	return made, err
}

// ReleaseSnapshot forgets whose a snapshot is, and keeps it.
func (b *Backend) ReleaseSnapshot(ctx context.Context, s hostapi.VolumeSnapshotRef, name string) error {
	return b.with(ctx, s.VolumeRef, func(v *volume) error {
		if name == "" || len(name) > 200 {
			return errs.New(errs.Invalid, "%q is no name for a snapshot that nobody manages.", name)
		}
		strays, err := b.store.strays(ctx, v)
		if err != nil {
			return err
		}
		released := false
		for _, m := range strays {
			released = released || m.Name == name
		}
		switch managed := v.rec.snapshot(s.SnapshotID) >= 0; {
		case managed:
			err = b.store.releaseSnapshot(ctx, v, s.SnapshotID, name)
		case released:
			return nil
		default:
			return errs.New(errs.NotFound, "Volume %s has no snapshot %s.", s.ID, s.SnapshotID)
		}
		if errors.Is(err, fs.ErrExist) {
			return errs.Wrap(errs.Exists, err, "Volume %s has a snapshot %s already.", s.ID, name)
		}
		return err
	})
}

// snapshotsOf are the snapshots that a record names.
func (r *record) snapshotsOf() (out []hostapi.ManageableSnapshot) {
	for _, l := range r.Layers {
		switch {
		case l.Snapshot != "":
			out = append(out, hostapi.ManageableSnapshot{Name: l.Snapshot, Volume: r.ID, SizeGiB: l.SizeGiB, Reason: "already managed", Snapshot: l.Snapshot})
		case l.Released != "":
			out = append(out, hostapi.ManageableSnapshot{Name: l.Released, Volume: r.ID, SizeGiB: l.SizeGiB, Safe: true})
		}
	}
	return out
}

func (f *folders) manageableSnapshots(ctx context.Context) (out []hostapi.ManageableSnapshot, err error) {
	if err := f.prepare(ctx); err != nil {
		return nil, err
	}
	ids, err := volumesIn(ctx, f.share, "")
	for _, id := range ids {
		if rec, err := f.load(ctx, id); err == nil {
			out = append(out, rec.snapshotsOf()...)
		}
	}
	return out, err
}

func (f *folders) strays(_ context.Context, v *volume) (out []hostapi.ManageableSnapshot, err error) {
	for _, m := range v.rec.snapshotsOf() {
		if m.Snapshot == "" {
			out = append(out, m)
		}
	}
	return out, nil
}

func (f *folders) adoptSnapshot(ctx context.Context, v *volume, id, name string) error {
	at := v.rec.released(name)
	if at < 0 {
		return fs.ErrNotExist
	}
	l := &v.rec.Layers[at]
	l.Snapshot, l.Released = id, ""
	return v.save(ctx)
}

func (f *folders) releaseSnapshot(ctx context.Context, v *volume, id, name string) error {
	if v.rec.released(name) >= 0 {
		return fs.ErrExist
	}
	l := &v.rec.Layers[v.rec.snapshot(id)]
	l.Snapshot, l.Released = "", name
	return v.save(ctx)
}
