package volume

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"sync"
	"syscall"

	"kumoi/internal/agent/disk"
	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/errs"
)

// images keeps volumes as images of a Ceph pool. Clones and snapshots are
// Ceph's, copy on write. A record is an object beside the images. Of the layers
// in it the last is the image itself; those before are its snapshots.
type images struct {
	b *Backend
	RBD

	mu sync.Mutex // while an image that volumes are based on is made
}

var _ store = (*images)(nil)

var poolName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)

// NewRBD opens a backend in a Ceph pool. The cluster may be away; the backend
// says so then.
func NewRBD(cfg Config, r RBD) (*Backend, error) {
	if !poolName.MatchString(r.Pool) {
		return nil, errs.New(errs.Invalid, "%q is no name of a Ceph pool.", r.Pool)
	}
	b, err := open(cfg)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Join(cfg.Dir, servingDir), 0o700); err != nil {
		return nil, fmt.Errorf("volumes: %w", err)
	}
	b.store, b.shared = &images{b: b, RBD: r}, true
	return b, nil
}

// imageOf is a volume's image, under the name that Cinder gives.
func imageOf(id string) string { return "volume-" + id }

func (i *images) node(name, snapshot string) object {
	n := object{"driver": "rbd", "pool": i.Pool, "image": name, "auto-read-only": true, "discard": "unmap"}
	if snapshot != "" {
		n["snapshot"], n["read-only"] = snapshot, true
	}
	if i.Conf != "" {
		n["conf"] = i.Conf
	}
	if i.User != "" {
		n["user"] = i.User
	}
	return n
}

func (i *images) self() hostapi.VolumeBackend {
	return hostapi.VolumeBackend{Name: i.b.cfg.Name, Driver: "rbd", Pool: i.Pool, Shared: true, Thin: true}
}

func (i *images) report(ctx context.Context, to *hostapi.VolumeBackend) error {
	if err := needModule("rbd"); err != nil {
		return err
	}
	total, free, err := i.room(ctx)
	to.TotalGiB, to.FreeGiB, to.UsedGiB = int(total>>30), int(free>>30), int((total-free)>>30)
	return err
}

func (i *images) load(ctx context.Context, id string) (*record, error) {
	return i.loadAt(ctx, imageOf(id))
}

func (i *images) loadAt(ctx context.Context, name string) (*record, error) {
	data, err := i.rados(ctx, nil, "get", name, "-")
	if err != nil {
		return nil, err
	}
	return parseRecord(name, data)
}

func (i *images) save(ctx context.Context, v *volume) error {
	if err := v.noteServed(); err != nil {
		return err
	}
	return i.saveAt(ctx, imageOf(v.rec.ID), v.rec)
}

// saveAt replaces a record at once: it is one object that is written whole.
func (i *images) saveAt(ctx context.Context, name string, r *record) error {
	data, err := json.Marshal(r)
	if err == nil {
		_, err = i.rados(ctx, data, "put", name, "-")
	}
	return err
}

func (i *images) forget(ctx context.Context, name string) error {
	if _, err := i.rados(ctx, nil, "rm", name); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func (i *images) served(ctx context.Context) ([]string, error) {
	return volumesIn(ctx, folder(i.b.cfg.Dir), servingDir)
}

// begin removes what an attempt that was cut short has left.
func (i *images) begin(ctx context.Context, v *volume) error { return i.drop(ctx, imageOf(v.rec.ID)) }

func (i *images) commit(context.Context, *volume) error { return nil } // its record was saved

func (i *images) remove(ctx context.Context, v *volume) error {
	if err := i.drop(ctx, imageOf(v.rec.ID)); err != nil {
		return err
	}
	if err := i.forget(ctx, imageOf(v.rec.ID)); err != nil {
		return err
	}
	return i.sweep(ctx, v.rec.Image)
}

// drop removes an image. One that others are clones of goes to Ceph's trash until
// the last of them is gone.
func (i *images) drop(ctx context.Context, name string) error {
	err := i.rbd(ctx, "rm", "--no-progress", i.at(name))
	if errors.Is(err, syscall.ENOTEMPTY) {
		if err = i.rbd(ctx, "snap", "purge", "--no-progress", i.at(name)); err == nil || errors.Is(err, syscall.ENOTEMPTY) {
			err = i.rbd(ctx, "rm", "--no-progress", i.at(name))
		}
	}
	if errors.Is(err, syscall.ENOTEMPTY) {
		err = i.rbd(ctx, "trash", "mv", i.at(name))
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// sweep removes what only the clones have kept that are gone now: the image that
// a volume was based on, and what is in the trash.
func (i *images) sweep(ctx context.Context, key string) error {
	if key != "" {
		var clones []any
		switch err := i.ask(ctx, &clones, "rbd", "children", i.at(baseOf(key)+"@"+baseSnapshot)); {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return err
		case len(clones) == 0:
			if err := i.drop(ctx, baseOf(key)); err != nil {
				return err
			}
		}
	}
	for again := true; again; { // one in the trash may be the last clone of another
		var trash []struct {
			ID   string `json:"id"`
			Name string `json:"name"`
		}
		if err := i.ask(ctx, &trash, "rbd", "trash", "ls", i.Pool); err != nil {
			return err
		}
		again = false
		for _, t := range trash {
			if !ours.MatchString(t.Name) {
				continue
			}
			if err := i.rbd(ctx, "trash", "rm", "--no-progress", i.at(t.ID)); err != nil {
				i.b.log.DebugContext(ctx, "an image has clones still", "image", t.Name, "error", err)
			} else {
				again = true
			}
		}
	}
	return nil
}

// ours are the names of images that the backend makes.
var ours = regexp.MustCompile(`^(volume-[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|image-[0-9a-f]{16}(\..*)?)$`)

func (i *images) used(ctx context.Context, v *volume) (n int64) {
	var out struct {
		Images []struct {
			Used int64 `json:"used_size"`
		} `json:"images"`
	}
	if err := i.ask(ctx, &out, "rbd", "du", i.at(imageOf(v.rec.ID))); err != nil {
		return 0
	}
	for _, one := range out.Images {
		n += one.Used
	}
	return n
}

func (i *images) open(ctx context.Context, v *volume, q *qmp) error {
	have, err := q.nodes(ctx)
	if l := v.rec.active(); err == nil && !have[l.node()] {
		err = q.addFile(ctx, fmt.Sprint(l.N), i.node(imageOf(v.rec.ID), ""), "raw", "", false)
	}
	return err
}

func (i *images) openSnapshot(ctx context.Context, v *volume, q *qmp, at int) (string, error) {
	return i.openAt(ctx, v, q, v.rec.Layers[at].Snapshot)
}

func (i *images) openAt(ctx context.Context, v *volume, q *qmp, snapshot string) (string, error) {
	return "l-still", q.addFile(ctx, "-still", i.node(imageOf(v.rec.ID), snapshot), "raw", "", true)
}

// mark makes a snapshot, if there is none of that name.
func (i *images) mark(ctx context.Context, v *volume, snapshot string) error {
	err := i.rbd(ctx, "snap", "create", "--no-progress", i.at(imageOf(v.rec.ID)+"@"+snapshot))
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	return err
}

func (i *images) unmark(ctx context.Context, v *volume, snapshot string) error {
	err := i.rbd(ctx, "snap", "rm", "--no-progress", i.at(imageOf(v.rec.ID)+"@"+snapshot))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func (i *images) snapshot(ctx context.Context, v *volume, id string) error {
	if v.rec.snapshot(id) >= 0 {
		return nil
	}
	if err := i.mark(ctx, v, id); err != nil {
		return err
	}
	head := len(v.rec.Layers) - 1
	v.rec.Layers = slices.Insert(slices.Clone(v.rec.Layers), head, layer{N: v.rec.Next, Format: "raw", Snapshot: id, SizeGiB: v.rec.SizeGiB})
	v.rec.Next++
	return v.save(ctx)
}

// unsnapshot leaves a snapshot that has clones in Ceph's trash.
func (i *images) unsnapshot(ctx context.Context, v *volume, id string) error {
	if err := i.unmark(ctx, v, id); err != nil {
		return err
	}
	at := v.rec.snapshot(id)
	if at < 0 {
		return nil
	}
	v.rec.Layers = slices.Delete(slices.Clone(v.rec.Layers), at, at+1)
	return v.save(ctx)
}

// revert writes a snapshot's bytes over the image, which has its own size.
func (i *images) revert(ctx context.Context, v *volume, at int) error {
	name := imageOf(v.rec.ID)
	if _, err := i.ceph(ctx, nil, "rbd", "snap", "rollback", "--no-progress", i.at(name+"@"+v.rec.Layers[at].Snapshot)); err != nil {
		return err
	}
	return disk.Full(i.resize(ctx, name, v.rec.bytes()))
}

// resize gives an image another size; rbd refuses the one that it has.
func (i *images) resize(ctx context.Context, name string, size int64) error {
	var info struct {
		Size int64 `json:"size"`
	}
	if err := i.ask(ctx, &info, "rbd", "info", i.at(name)); err != nil || info.Size == size {
		return err
	}
	return i.rbd(ctx, "resize", "--no-progress", "--allow-shrink", "--size", fmt.Sprintf("%dB", size), i.at(name))
}

func (i *images) reserve(context.Context, *volume, int64) error { return nil }
