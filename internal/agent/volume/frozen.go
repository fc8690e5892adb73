package volume

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"kumoi/internal/agent/disk"
	"kumoi/internal/agent/volume/nbd"
	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/errs"
)

// A volume is read as it was at one moment while its clients write on: before
// they change something, its old bytes go to a file aside, the fleece, through
// which the reader looks. The reader does not hold the volume's turn.
const (
	fleece = "fleece"
	frozen = "frozen"
)

func (v *volume) fleece() string { return filepath.Join(v.b.cfg.Dir, ".new-fleece-"+v.rec.ID) }

func (f *folders) read(ctx context.Context, ref hostapi.VolumeRef, want view, use func(s still) error) error {
	b := f.b
	var socket string
	changes := false
	err := b.with(ctx, ref, func(v *volume) error {
		if want.plain {
			if err := v.checkKey(want.key); err != nil {
				return err
			}
		}
		if v.state.readers > 0 {
			return errs.New(errs.Unavailable, "Volume %s is being read for something else; try again.", ref.ID)
		}
		return v.serving(ctx, func(q *qmp) (err error) {
			socket = v.daemon().socket()
			if changes, err = v.freeze(ctx, q, want); err == nil {
				v.state.readers++
			} else {
				err = errors.Join(err, v.thaw(context.WithoutCancel(ctx), q, want, false))
			}
			return err
		})
	})
	if err != nil {
		return err
	}
	contexts := []string{nbd.Allocation}
	if changes {
		contexts = append(contexts, nbd.Dirty(want.since))
	}
	c, err := nbd.Dial(ctx, socket, frozen, contexts...)
	if err == nil {
		s := still{Client: c}
		if changes {
			s.changed = func(f func(e nbd.Extent) error) error {
				return c.Extents(nbd.Dirty(want.since), func(e nbd.Extent) error {
					if e.Flags&nbd.Changed == 0 {
						return nil
					}
					return f(e)
				})
			}
		}
		err = use(s)
		_ = c.Close() // it only reads
	}
	rest := context.WithoutCancel(ctx)
	return errors.Join(err, b.with(rest, ref, func(v *volume) error {
		v.state.readers--
		return v.serving(rest, func(q *qmp) error { return v.thaw(rest, q, want, err == nil) })
	}))
}

// freeze begins a moment: in one transaction the fleece takes what is
// overwritten from now on, and changes are marked for another backup.
func (v *volume) freeze(ctx context.Context, q *qmp, want view) (changes bool, err error) {
	if err := v.thaw(ctx, q, view{}, false); err != nil { // what an agent that died has left
		return false, err
	}
	device, size := v.rec.active().node(), v.rec.bytes()
	if want.plain {
		if device, err = v.plain(ctx, q, want.key); err != nil {
			return false, err
		}
		size = int64(v.rec.SizeGiB) << 30
	}
	if err := disk.CreateOverlay(v.fleece(), size, "", ""); err != nil {
		return false, err
	}
	if err := q.addFile(ctx, "-"+fleece, localFile(v.fleece()), "qcow2", device, false); err != nil {
		return false, err
	}
	var actions []object
	export := object{"type": "nbd", "id": frozen, "node-name": "l-" + fleece, "name": frozen}
	if want.backup != "" {
		marks, err := v.settle(ctx, q)
		if err != nil {
			return false, err
		}
		if changes = want.since != "" && want.since == v.rec.Bitmap && marks[want.since]; changes {
			actions = append(actions, object{"type": "block-dirty-bitmap-disable", "data": object{"node": device, "name": want.since}})
			export["bitmaps"] = []string{want.since}
		}
		actions = append(actions, object{"type": "block-dirty-bitmap-add", "data": object{
			"node": device, "name": want.backup, "persistent": v.rec.active().Format == "qcow2",
		}})
	}
	actions = append(actions, object{"type": "blockdev-backup", "data": object{
		"job-id": fleece, "device": device, "target": "l-" + fleece, "sync": "none", "auto-dismiss": false,
	}})
	if err := q.do(ctx, "transaction", object{"actions": actions}, nil); err != nil {
		return false, err
	}
	if err := q.listen(ctx, object{"type": "unix", "data": object{"path": v.daemon().socket()}}, ""); err != nil {
		return false, err
	}
	return changes, q.do(ctx, "block-export-add", export, nil)
}

// thaw ends the moment. Once a backup is kept, changes count from it.
func (v *volume) thaw(ctx context.Context, q *qmp, want view, kept bool) error {
	err := errors.Join(q.unexport(ctx, frozen), q.end(ctx, fleece), q.remove(ctx, "l-"+fleece, "f-"+fleece))
	if err != nil {
		return err
	}
	if exists(v.fleece()) {
		if err := os.Remove(v.fleece()); err != nil {
			return err
		}
	}
	if want.backup == "" {
		return nil
	}
	if kept && v.rec.Bitmap != want.backup {
		v.rec.Bitmap = want.backup
		if err := v.save(ctx); err != nil {
			return err
		}
	}
	_, err = v.settle(ctx, q)
	return err
}

// settle leaves one bitmap at most on the layer that is written to: that of the
// record. What another has marked, one of a backup that failed, counts for it.
func (v *volume) settle(ctx context.Context, q *qmp) (map[string]bool, error) {
	node := v.rec.active().node()
	all, err := q.bitmaps(ctx, node)
	if err != nil {
		return nil, err
	}
	for name, good := range all {
		at := object{"node": node, "name": name}
		switch {
		case name == v.rec.Bitmap && good:
			continue
		case good && all[v.rec.Bitmap]:
			merge := object{"node": node, "target": v.rec.Bitmap, "bitmaps": []string{name}}
			if err := q.do(ctx, "block-dirty-bitmap-merge", merge, nil); err != nil {
				return nil, err
			}
		}
		if err := q.do(ctx, "block-dirty-bitmap-remove", at, nil); err != nil {
			return nil, err
		}
		delete(all, name)
	}
	if all[v.rec.Bitmap] {
		return all, q.do(ctx, "block-dirty-bitmap-enable", object{"node": node, "name": v.rec.Bitmap}, nil)
	}
	return all, nil
}

// bitmaps are those of a node, and whether they can be trusted: one that was
// open when its daemon was killed cannot.
func (q *qmp) bitmaps(ctx context.Context, node string) (map[string]bool, error) {
	var list []struct {
		Name    string `json:"node-name"`
		Bitmaps []struct {
			Name         string `json:"name"`
			Inconsistent bool   `json:"inconsistent"`
		} `json:"dirty-bitmaps"`
	}
	if err := q.do(ctx, "query-named-block-nodes", object{"flat": true}, &list); err != nil {
		return nil, err
	}
	out := map[string]bool{}
	for _, n := range list {
		if n.Name == node {
			for _, b := range n.Bitmaps {
				out[b.Name] = !b.Inconsistent
			}
		}
	}
	return out, nil
}

// readSnapshot calls f with a snapshot. Its bytes never change, so a daemon of
// its own reads them.
func (b *Backend) readSnapshot(ctx context.Context, s hostapi.VolumeSnapshotRef, f func(c *nbd.Client) error) error {
	d := daemon{b.cfg.RunDir, "s-" + short(s.ID+s.SnapshotID)}
	err := b.with(ctx, s.VolumeRef, func(v *volume) error {
		at := v.rec.snapshot(s.SnapshotID)
		if at < 0 {
			return errs.New(errs.NotFound, "Volume %s has no snapshot %s.", s.ID, s.SnapshotID)
		}
		return d.begin(ctx, func(q *qmp) error {
			node, err := b.store.openSnapshot(ctx, v, q, at)
			if err != nil {
				return err
			}
			if err := q.listen(ctx, object{"type": "unix", "data": object{"path": d.socket()}}, ""); err != nil {
				return err
			}
			return q.do(ctx, "block-export-add", object{"type": "nbd", "id": frozen, "node-name": node, "name": frozen}, nil)
		})
	})
	if err != nil {
		return err
	}
	c, err := nbd.Dial(ctx, d.socket(), frozen, nbd.Allocation)
	if err == nil {
		err = f(c)
		_ = c.Close() // it only reads
	}
	return errors.Join(err, d.stop(context.WithoutCancel(ctx)))
}
