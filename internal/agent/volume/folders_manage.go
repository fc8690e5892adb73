package volume

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"path/filepath"
	"strings"

	"kumoi/internal/agent/disk"
	"kumoi/internal/diskimage"
	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/errs"
)

func (f *folders) manageable(ctx context.Context) ([]hostapi.ManageableVolume, error) {
	if err := f.prepare(ctx); err != nil {
		return nil, err
	}
	names, err := f.share.list(ctx, parkedDir)
	if err != nil {
		return nil, err
	}
	var out []hostapi.ManageableVolume
	for _, name := range names {
		if at, err := parked(name); err == nil {
			out = append(out, f.judge(ctx, at))
		}
	}
	ids, err := volumesIn(ctx, f.share, "")
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		if rec, err := f.load(ctx, id); err == nil {
			out = append(out, hostapi.ManageableVolume{Name: id, SizeGiB: rec.SizeGiB, Reason: "already managed", Volume: id})
		}
	}
	return out, nil
}

// judge tells what something that is parked is.
func (f *folders) judge(ctx context.Context, at string) hostapi.ManageableVolume {
	m := hostapi.ManageableVolume{Name: path.Base(at), Safe: true}
	a, err := f.share.stat(ctx, at)
	switch {
	case err != nil:
		m.Safe, m.Reason = false, "it cannot be read"
	case a.dir:
		rec, err := f.loadAt(ctx, at)
		if err != nil {
			m.Safe, m.Reason = false, "its record cannot be read"
		} else {
			m.SizeGiB = rec.SizeGiB
		}
	case f.far(at) && strings.HasSuffix(at, ".raw"):
		m.SizeGiB = gib(a.size)
	case f.far(at):
		m.Safe, m.Reason = false, "on a share that is not mounted only .raw files are looked at; it can be managed all the same"
	default:
		_, rep, done, err := f.accept(ctx, at)
		if err != nil {
			m.Safe, m.Reason = false, errs.As(err).Msg
		} else {
			m.SizeGiB = gib(rep.VirtualSize)
			_ = done()
		}
	}
	return m
}

// far tells whether a file has to be fetched to be looked at.
func (f *folders) far(string) bool { _, near := f.share.(folder); return !near }

func gib(size int64) int { return int((size + 1<<30 - 1) >> 30) }

// accept judges an operator's file as what its name says that it is, and gives
// it as a file of the host until done is called.
func (f *folders) accept(ctx context.Context, at string) (local string, rep *diskimage.Report, done func() error, err error) {
	a, err := f.share.stat(ctx, at)
	if err != nil {
		return "", nil, nil, err
	}
	if !a.regular {
		return "", nil, nil, errs.New(errs.Invalid, "It is no regular file.")
	}
	format := strings.TrimPrefix(path.Ext(at), ".")
	if format != "raw" && format != "qcow2" {
		return "", nil, nil, errs.New(errs.Invalid, "Files whose names end in .raw or .qcow2 can be managed.")
	}
	local, done, err = f.share.borrow(ctx, at)
	if err != nil {
		return "", nil, nil, err
	}
	if rep, err = diskimage.Accept(local, format); err != nil {
		return "", nil, nil, errors.Join(err, done())
	}
	return local, rep, done, nil
}

func (f *folders) adopt(ctx context.Context, id, name string) error {
	at, err := parked(name)
	if err != nil {
		return err
	}
	if err := f.prepare(ctx); err != nil {
		return err
	}
	a, err := f.share.stat(ctx, at)
	if err != nil {
		return err
	}
	if a.dir {
		return f.adoptFolder(ctx, id, at)
	}
	return f.adoptFile(ctx, id, at)
}

// adoptFolder gives a released volume another id.
func (f *folders) adoptFolder(ctx context.Context, id, at string) error {
	rec, err := f.loadAt(ctx, at)
	if err != nil {
		return err
	}
	rec.ID = id
	v := &volume{b: f.b, dir: at, rec: rec}
	if err := f.save(ctx, v); err != nil {
		return err
	}
	return f.commit(ctx, v)
}

// adoptFile copies an operator's file into a volume and removes it then.
func (f *folders) adoptFile(ctx context.Context, id, at string) error {
	local, rep, done, err := f.accept(ctx, at)
	if err != nil {
		return err
	}
	v := &volume{b: f.b, rec: &record{ID: id, SizeGiB: gib(rep.VirtualSize)}}
	err = f.begin(ctx, v)
	if err == nil {
		err = f.convert(ctx, v, diskimage.Layer{Path: local, Format: rep.Format}, rep.VirtualSize)
	}
	if err = errors.Join(err, done()); err == nil {
		err = f.addLayer(ctx, v)
	}
	if err == nil {
		err = f.save(ctx, v)
	}
	if err == nil {
		err = f.commit(ctx, v)
	}
	if err != nil {
		return errors.Join(err, removeAll(context.WithoutCancel(ctx), f.share, v.dir))
	}
	return f.share.remove(ctx, at)
}

// convert makes the first layer of what an operator has left.
func (f *folders) convert(ctx context.Context, v *volume, from diskimage.Layer, size int64) error {
	l := v.rec.grow("qcow2")
	local := filepath.Join(f.b.cfg.Dir, ".new-adopted-"+v.rec.ID)
	if err := disk.Convert(ctx, []diskimage.Layer{from}, size, local); err != nil {
		return err
	}
	return disk.Full(f.share.put(ctx, local, v.in(l.file())))
}

func (f *folders) release(ctx context.Context, v *volume, name string) error {
	at, err := parked(name)
	if err != nil {
		return err
	}
	taken, err := there(ctx, f.share, at)
	if err != nil {
		return err
	}
	if taken {
		return &fs.PathError{Op: "release", Path: at, Err: fs.ErrExist}
	}
	return f.share.rename(ctx, v.dir, at)
}
