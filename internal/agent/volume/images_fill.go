package volume

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"kumoi/internal/agent/imagecache"
	"kumoi/internal/kernel/errs"
)

// baseSnapshot is what volumes are clones of that are made from an image.
const baseSnapshot = "base"

func baseOf(key string) string { return "image-" + key }

// maxDepth is how long a chain of clones may become before one is given its own
// bytes: each read may go down all of it.
const maxDepth = 8

func (i *images) blank(ctx context.Context, v *volume, thick bool) error {
	if thick {
		return errs.New(errs.Invalid, "Backend %s makes no volumes that have their room at once.", i.b.cfg.Name)
	}
	v.rec.grow("raw")
	return i.create(ctx, imageOf(v.rec.ID), v.rec.bytes())
}

func (i *images) create(ctx context.Context, name string, size int64) error {
	return i.rbd(ctx, "create", "--size", fmt.Sprintf("%dB", size), i.at(name))
}

// clone makes a volume of a snapshot, copy on write.
func (i *images) clone(ctx context.Context, v *volume, from string) error {
	v.rec.grow("raw")
	name := imageOf(v.rec.ID)
	if err := i.rbd(ctx, "clone", "--rbd-default-clone-format", "2", i.at(from), i.at(name)); err != nil {
		return err
	}
	if err := i.resize(ctx, name, v.rec.bytes()); err != nil {
		return err
	}
	if v.rec.Depth <= maxDepth {
		return nil
	}
	v.rec.Depth, v.rec.Image = 0, ""
	_, err := i.ceph(ctx, nil, "rbd", "flatten", "--no-progress", i.at(name))
	return err
}

func (i *images) cloneSnapshot(ctx context.Context, v, from *volume, at int) error {
	v.rec.Depth, v.rec.Image = from.rec.Depth+1, from.rec.Image
	return i.clone(ctx, v, imageOf(from.rec.ID)+"@"+from.rec.Layers[at].Snapshot)
}

// cloneVolume makes a clone of a snapshot that nobody else sees.
func (i *images) cloneVolume(ctx context.Context, v, from *volume) error {
	moment := "clone-" + v.rec.ID
	if err := i.unmark(ctx, from, moment); err != nil { // of an attempt before, which was earlier
		return err
	}
	if err := i.mark(ctx, from, moment); err != nil {
		return err
	}
	v.rec.Depth, v.rec.Image = from.rec.Depth+1, from.rec.Image
	err := i.clone(ctx, v, imageOf(from.rec.ID)+"@"+moment)
	return errors.Join(err, i.unmark(context.WithoutCancel(ctx), from, moment))
}

// base makes a clone of the image, which is brought to the pool once.
func (i *images) base(ctx context.Context, v *volume, local, key string, image imagecache.Image) error {
	v.rec.Image, v.rec.Depth = key, 1
	i.mu.Lock()
	defer i.mu.Unlock()
	err := i.clone(ctx, v, baseOf(key)+"@"+baseSnapshot)
	for try := 0; errors.Is(err, fs.ErrNotExist) && try < 3; try++ { // another host may find it unused meanwhile
		if err = i.bring(ctx, local, key, image); err != nil {
			return err
		}
		v.rec.Layers, v.rec.Next = nil, 0
		err = i.clone(ctx, v, baseOf(key)+"@"+baseSnapshot)
	}
	return err
}

// bring copies an image into the pool, where it appears whole.
func (i *images) bring(ctx context.Context, local, key string, image imagecache.Image) error {
	part := baseOf(key) + "." + i.b.cfg.Host
	if err := i.drop(ctx, part); err != nil {
		return err
	}
	if err := i.create(ctx, part, (image.VirtualSize+511)&^511); err != nil {
		return err
	}
	if err := i.fill(ctx, part, local, image); err != nil {
		return errors.Join(err, i.drop(context.WithoutCancel(ctx), part))
	}
	if err := i.rbd(ctx, "snap", "create", "--no-progress", i.at(part+"@"+baseSnapshot)); err != nil {
		return err
	}
	err := i.rbd(ctx, "rename", i.at(part), i.at(baseOf(key)))
	if errors.Is(err, fs.ErrExist) { // another host was faster
		return i.drop(ctx, part)
	}
	return err
}

// fill has a daemon of its own copy an image's disk into an image of the pool.
func (i *images) fill(ctx context.Context, name, local string, image imagecache.Image) error {
	d := daemon{i.b.cfg.RunDir, "s-" + short(i.b.cfg.Name+name)}
	return d.during(ctx, func(q *qmp) error {
		if err := q.addFile(ctx, "b", localFile(local), image.Format, "", true); err != nil {
			return err
		}
		if err := q.addFile(ctx, "-to", i.node(name, ""), "raw", "", false); err != nil {
			return err
		}
		return d.pour(ctx, q, "lb", "l-to")
	})
}
