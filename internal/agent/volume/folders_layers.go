package volume

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"kumoi/internal/agent/disk"
	"kumoi/internal/kernel/errs"
)

// maxLayers bounds the chain that each read may go down.
const maxLayers = 200

// open adds the layers that the daemon does not have yet. If it has the lower
// ones it is serving them, and the others become overlays.
func (f *folders) open(ctx context.Context, v *volume, q *qmp) error {
	have, err := q.nodes(ctx)
	if err != nil {
		return err
	}
	below := ""
	if v.rec.Base != "" {
		below = "lb"
		if !have[below] {
			if err := q.addFile(ctx, "b", f.share.node(v.in("base")), v.rec.Base, "", true); err != nil {
				return err
			}
		}
	}
	serving := slices.ContainsFunc(v.rec.Layers, func(l layer) bool { return have[l.node()] })
	for i, l := range v.rec.Layers {
		last := i == len(v.rec.Layers)-1
		switch {
		case have[l.node()]:
		case serving:
			if err := f.overlay(ctx, v, q, below, l); err != nil {
				return err
			}
		default:
			if err := q.addFile(ctx, fmt.Sprint(l.N), f.share.node(v.in(l.file())), l.Format, below, !last); err != nil {
				return err
			}
		}
		below = l.node()
	}
	return nil
}

func (f *folders) openSnapshot(ctx context.Context, v *volume, q *qmp, at int) (string, error) {
	below := ""
	if v.rec.Base != "" {
		below = "lb"
		if err := q.addFile(ctx, "b", f.share.node(v.in("base")), v.rec.Base, "", true); err != nil {
			return "", err
		}
	}
	for _, l := range v.rec.Layers[:at+1] {
		if err := q.addFile(ctx, fmt.Sprint(l.N), f.share.node(v.in(l.file())), l.Format, below, true); err != nil {
			return "", err
		}
		below = l.node()
	}
	return below, nil
}

// overlay puts a new layer on the one that is written to. The bitmap goes with
// it, so that it marks all changes since its backup.
func (f *folders) overlay(ctx context.Context, v *volume, q *qmp, below string, l layer) error {
	if err := q.addFile(ctx, fmt.Sprint(l.N), f.share.node(v.in(l.file())), l.Format, "", false); err != nil {
		return err
	}
	snapshot := object{"type": "blockdev-snapshot", "data": object{"node": below, "overlay": l.node()}}
	if v.rec.Bitmap != "" {
		err := q.do(ctx, "block-dirty-bitmap-add", object{"node": l.node(), "name": v.rec.Bitmap, "persistent": true}, nil)
		if err == nil {
			merge := object{"node": l.node(), "target": v.rec.Bitmap, "bitmaps": []object{{"node": below, "name": v.rec.Bitmap}}}
			err = q.do(ctx, "transaction", object{"actions": []object{{"type": "block-dirty-bitmap-merge", "data": merge}, snapshot}}, nil)
		}
		if err == nil {
			return nil
		}
		// Without its bitmap the next backup is a full one.
		_ = q.do(ctx, "block-dirty-bitmap-remove", object{"node": l.node(), "name": v.rec.Bitmap}, nil)
		v.rec.Bitmap = ""
		if err := v.save(ctx); err != nil {
			return err
		}
	}
	return q.do(ctx, "transaction", object{"actions": []object{snapshot}}, nil)
}

// snapshot freezes the layer that is written to. The record has the new layer
// before the daemon: until it writes there, an empty overlay shows what lies below.
func (f *folders) snapshot(ctx context.Context, v *volume, id string) error {
	if v.rec.snapshot(id) < 0 {
		if len(v.rec.Layers) >= maxLayers {
			return errs.New(errs.Conflict, "Volume %s has %d layers, which is as many as it can have; delete snapshots of it.", v.rec.ID, maxLayers)
		}
		at := len(v.rec.Layers) - 1
		if err := f.nextLayer(ctx, v); err != nil {
			return err
		}
		v.rec.Layers[at].Snapshot, v.rec.Layers[at].SizeGiB = id, v.rec.SizeGiB
		if err := v.save(ctx); err != nil {
			return err
		}
	}
	if _, ok := v.daemon().pid(); !ok && v.rec.Bitmap == "" {
		return nil
	}
	return v.serving(ctx, func(*qmp) error { return nil }) // opening catches up with the record
}

// nextLayer is addLayer after an attempt that may have been cut short.
func (f *folders) nextLayer(ctx context.Context, v *volume) error {
	if err := f.share.remove(ctx, v.in(layer{N: v.rec.Next}.file())); err != nil {
		return err
	}
	return f.addLayer(ctx, v)
}

// unsnapshot merges layers that are nobody's snapshot any more. One below a layer
// that a clone has too has to stay until that is gone.
func (f *folders) unsnapshot(ctx context.Context, v *volume, id string) error {
	if at := v.rec.snapshot(id); at >= 0 {
		v.rec.Layers[at].Snapshot = ""
		if err := v.save(ctx); err != nil {
			return err
		}
	}
	for i := 0; i+1 < len(v.rec.Layers); i++ {
		if v.rec.Layers[i].kept() {
			continue
		}
		above, err := f.share.stat(ctx, v.in(v.rec.Layers[i+1].file()))
		if err != nil {
			return err
		}
		if above.links > 1 {
			continue
		}
		if err := v.serving(ctx, func(q *qmp) error { return f.pull(ctx, v, q, i) }); err != nil {
			return disk.Full(fmt.Errorf("merge a layer of volume %s: %w", v.rec.ID, err))
		}
		i--
	}
	return nil
}

// pull copies layer i into the one above and takes it out of the chain. The
// layer itself does not change, so that a crash finds the chain as good as before.
func (f *folders) pull(ctx context.Context, v *volume, q *qmp, i int) error {
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
	if err := v.save(ctx); err != nil {
		return err
	}
	if err := q.remove(ctx, l.node(), "f"+l.node()[1:]); err != nil {
		return err
	}
	return f.share.remove(ctx, v.in(l.file()))
}

// revert begins a new layer on a snapshot and drops what was written since.
func (f *folders) revert(ctx context.Context, v *volume, at int) error {
	old := slices.Clone(v.rec.Layers[at+1:])
	v.rec.Layers, v.rec.Bitmap = slices.Clone(v.rec.Layers[:at+1]), ""
	if err := f.nextLayer(ctx, v); err != nil {
		return err
	}
	if err := v.save(ctx); err != nil {
		return err
	}
	for _, l := range old {
		if err := f.share.remove(ctx, v.in(l.file())); err != nil {
			return err
		}
	}
	return nil
}
