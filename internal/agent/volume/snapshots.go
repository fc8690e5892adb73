package volume

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"golang.org/x/sys/unix"

	"kumoi/internal/agent/disk"
	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/errs"
)

// CreateVolumeSnapshot freezes the layer that is written to. The record has the
// new layer before the daemon: until it writes there, an empty overlay shows
// what lies below.
func (b *Backend) CreateVolumeSnapshot(ctx context.Context, s hostapi.VolumeSnapshotRef) error {
	return b.with(ctx, s.VolumeRef, func(v *volume) error {
		if s.SnapshotID == "" {
			return errs.New(errs.Invalid, "A snapshot has an id.")
		}
		if v.rec.snapshot(s.SnapshotID) < 0 {
			if len(v.rec.Layers) >= maxLayers {
				return errs.New(errs.Conflict, "Volume %s has %d layers, which is as many as it can have; delete snapshots of it.", s.ID, maxLayers)
			}
			at := len(v.rec.Layers) - 1
			_ = os.Remove(v.path(layer{N: v.rec.Next}.file())) // of an attempt that was cut short
			if err := v.addLayer(); err != nil {
				return err
			}
			v.rec.Layers[at].Snapshot, v.rec.Layers[at].SizeGiB = s.SnapshotID, v.rec.SizeGiB
			if err := v.rec.save(v.dir); err != nil {
				return err
			}
		}
		if _, ok := v.daemon().pid(); !ok && v.rec.Bitmap == "" {
			return nil
		}
		return v.serving(ctx, func(*qmp) error { return nil }) // opening catches up with the record
	})
}

// maxLayers bounds the chain that each read may go down.
const maxLayers = 200

// DeleteVolumeSnapshot forgets a snapshot and merges its layer into the one above.
func (b *Backend) DeleteVolumeSnapshot(ctx context.Context, s hostapi.VolumeSnapshotRef) error {
	err := b.with(ctx, s.VolumeRef, func(v *volume) error {
		if at := v.rec.snapshot(s.SnapshotID); at >= 0 {
			v.rec.Layers[at].Snapshot = ""
			if err := v.rec.save(v.dir); err != nil {
				return err
			}
		}
		return v.merge(ctx)
	})
	if errs.Is(err, errs.NotFound) {
		return nil
	}
	return err
}

// merge removes layers that are nobody's snapshot any more. One below a layer
// that a clone has too has to stay until that is gone.
func (v *volume) merge(ctx context.Context) error {
	for i := 0; i+1 < len(v.rec.Layers); i++ {
		if v.rec.Layers[i].Snapshot != "" || shared(v.path(v.rec.Layers[i+1].file())) {
			continue
		}
		if err := v.serving(ctx, func(q *qmp) error { return v.pull(ctx, q, i) }); err != nil {
			return disk.Full(fmt.Errorf("merge a layer of volume %s: %w", v.rec.ID, err))
		}
		i--
	}
	return nil
}

func shared(path string) bool {
	var st unix.Stat_t
	return unix.Stat(path, &st) != nil || st.Nlink > 1
}

// pull copies layer i into the one above and takes it out of the chain. The
// layer itself does not change, so that a crash finds the chain as good as before.
func (v *volume) pull(ctx context.Context, q *qmp, i int) error {
	const job = "merge"
	l, above := v.rec.Layers[i], v.rec.Layers[i+1]
	if err := q.end(ctx, job); err != nil {
		return err
	}
	args := object{"job-id": job, "device": above.node(), "auto-dismiss": false}
	switch {
	case i > 0:
		args["base-node"] = v.rec.Layers[i-1].node()
	case v.rec.Base != "":
		args["base-node"] = "lb"
	}
	err := q.do(ctx, "block-stream", args, nil)
	if err == nil {
		err = q.finish(ctx, job)
	}
	if err != nil {
		return errors.Join(err, q.end(context.WithoutCancel(ctx), job))
	}
	v.rec.Layers = slices.Delete(slices.Clone(v.rec.Layers), i, i+1)
	if err := v.rec.save(v.dir); err != nil {
		return err
	}
	if err := q.remove(ctx, l.node(), "f"+l.node()[1:]); err != nil {
		return err
	}
	return os.Remove(v.path(l.file()))
}

// RevertVolume begins a new layer on the newest snapshot and drops what was
// written since.
func (b *Backend) RevertVolume(ctx context.Context, s hostapi.VolumeSnapshotRef) error {
	return b.with(ctx, s.VolumeRef, func(v *volume) error {
		at := v.rec.snapshot(s.SnapshotID)
		if at < 0 {
			return errs.New(errs.NotFound, "Volume %s has no snapshot %s.", s.ID, s.SnapshotID)
		}
		if slices.ContainsFunc(v.rec.Layers[at+1:], func(l layer) bool { return l.Snapshot != "" }) {
			return errs.New(errs.Conflict, "Snapshot %s is not the newest of volume %s.", s.SnapshotID, s.ID)
		}
		if err := v.idle(); err != nil {
			return err
		}
		if err := v.daemon().stop(ctx); err != nil {
			return err
		}
		old := slices.Clone(v.rec.Layers[at+1:])
		v.rec.Layers, v.rec.Bitmap = slices.Clone(v.rec.Layers[:at+1]), ""
		_ = os.Remove(v.path(layer{N: v.rec.Next}.file()))
		if err := v.addLayer(); err != nil {
			return err
		}
		if err := v.rec.save(v.dir); err != nil {
			return err
		}
		for _, l := range old {
			if err := os.Remove(v.path(l.file())); err != nil {
				return err
			}
		}
		return nil
	})
}
