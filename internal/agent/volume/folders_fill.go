package volume

import (
	"context"
	"errors"
	"io/fs"
	"path"

	"kumoi/internal/agent/disk"
	"kumoi/internal/agent/imagecache"
	"kumoi/internal/kernel/errs"
)

// blank makes a volume of zeros.
func (f *folders) blank(ctx context.Context, v *volume, thick bool) error {
	if !thick {
		return f.addLayer(ctx, v)
	}
	if !f.thick {
		return errs.New(errs.Invalid, "Backend %s makes no volumes that have their room at once.", f.b.cfg.Name)
	}
	l := v.rec.grow("raw")
	return disk.Full(f.share.allocate(ctx, v.in(l.file()), v.rec.bytes()))
}

func (f *folders) reserve(ctx context.Context, v *volume, size int64) error {
	if l := v.rec.active(); l.Format == "raw" {
		return disk.Full(f.share.allocate(ctx, v.in(l.file()), size))
	}
	return nil
}

// addLayer makes the next layer to write to, an empty one.
func (f *folders) addLayer(ctx context.Context, v *volume) error {
	backing, format := "", ""
	if n := len(v.rec.Layers); n > 0 {
		backing, format = v.rec.active().file(), v.rec.active().Format
	} else if v.rec.Base != "" {
		backing, format = "base", v.rec.Base
	}
	l := v.rec.grow("qcow2")
	return disk.Full(f.share.overlay(ctx, v.in(l.file()), v.rec.bytes(), backing, format))
}

// base links the image into the volume. In a share of several hosts it is kept
// aside once for all volumes that are based on it.
func (f *folders) base(ctx context.Context, v *volume, local, key string, image imagecache.Image) error {
	v.rec.Base = image.Format
	if !f.b.shared {
		if err := f.share.put(ctx, local, v.in("base")); err != nil {
			return err
		}
		return f.addLayer(ctx, v)
	}
	v.rec.Image = key
	kept := path.Join(imagesDir, key)
	err := f.share.link(ctx, kept, v.in("base"))
	for try := 0; errors.Is(err, fs.ErrNotExist) && try < 5; try++ { // another host may find it unused meanwhile
		part := path.Join(imagesDir, f.aside(key))
		if err = f.share.put(ctx, local, part); err != nil {
			break
		}
		if err = f.share.link(ctx, part, v.in("base")); err == nil {
			err = f.share.rename(ctx, part, kept)
		}
	}
	if err != nil {
		return disk.Full(err)
	}
	return f.addLayer(ctx, v)
}

// cloneSnapshot shares the layers of a snapshot.
func (f *folders) cloneSnapshot(ctx context.Context, v, from *volume, at int) error {
	if v.rec.Base, v.rec.Image = from.rec.Base, from.rec.Image; v.rec.Base != "" {
		if err := f.share.link(ctx, from.in("base"), v.in("base")); err != nil {
			return err
		}
	}
	for _, l := range from.rec.Layers[:at+1] {
		shared := v.rec.grow(l.Format)
		if err := f.share.link(ctx, from.in(l.file()), v.in(shared.file())); err != nil {
			return err
		}
	}
	return f.addLayer(ctx, v)
}

// cloneVolume copies a volume as it is at a moment, also while it is written.
func (f *folders) cloneVolume(ctx context.Context, v, from *volume) error {
	copied := v.rec.grow("qcow2")
	name := v.in(copied.file())
	if err := f.share.overlay(ctx, name, from.rec.bytes(), "", ""); err != nil {
		return err
	}
	err := from.serving(ctx, func(q *qmp) error {
		const job = "clone"
		if err := errors.Join(q.end(ctx, job), q.remove(ctx, "l-clone", "f-clone")); err != nil {
			return err
		}
		if err := q.addFile(ctx, "-clone", f.share.node(name), "qcow2", "", false); err != nil {
			return err
		}
		err := q.do(ctx, "blockdev-backup", object{
			"job-id": job, "device": from.rec.active().node(), "target": "l-clone", "sync": "full", "auto-dismiss": false,
		}, nil)
		if err == nil {
			err = q.finish(ctx, job)
		}
		rest := context.WithoutCancel(ctx)
		return errors.Join(err, q.end(rest, job), q.remove(rest, "l-clone", "f-clone"))
	})
	if err != nil {
		return disk.Full(err)
	}
	if from.rec.SizeGiB == v.rec.SizeGiB {
		return nil
	}
	return f.addLayer(ctx, v)
}
