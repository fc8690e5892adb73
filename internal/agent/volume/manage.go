package volume

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"kumoi/internal/agent/disk"
	"kumoi/internal/diskimage"
	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/errs"
)

// parkedDir holds what no volume owns: folders of released volumes, and image
// files (NAME.raw, NAME.qcow2) that an operator has put there to be taken over.
const parkedDir = "parked"

// parked is where something that no volume owns lies.
func (b *Backend) parked(name string) (string, error) {
	if name == "" || name != filepath.Base(name) || strings.HasPrefix(name, ".") || len(name) > 200 {
		return "", errs.New(errs.Invalid, "%q is no name of something that can be managed.", name)
	}
	return filepath.Join(b.cfg.Dir, parkedDir, name), nil
}

// VolumeBackends says how much room there is, and what is missing.
func (b *Backend) VolumeBackends(context.Context) ([]hostapi.VolumeBackend, error) {
	total, free, err := disk.Free(b.cfg.Dir)
	if err != nil {
		return nil, err
	}
	out := hostapi.VolumeBackend{
		Name: b.cfg.Name, Driver: "file", Pool: b.cfg.Name, TotalGiB: int(total >> 30), FreeGiB: int(free >> 30),
		UsedGiB: int((total - free) >> 30), Thin: true, Thick: true,
	}
	if _, err := exec.LookPath(program); err != nil {
		out.Fault = program + " is not installed."
	}
	return []hostapi.VolumeBackend{out}, nil
}

// ManageableVolumes lists what is parked, and the volumes.
func (b *Backend) ManageableVolumes(_ context.Context, backend string) ([]hostapi.ManageableVolume, error) {
	if backend != b.cfg.Name {
		return nil, errs.New(errs.Invalid, "The host has no backend %q for volumes.", backend)
	}
	entries, err := os.ReadDir(filepath.Join(b.cfg.Dir, parkedDir))
	if err != nil {
		return nil, err
	}
	var out []hostapi.ManageableVolume
	for _, e := range entries {
		if path, err := b.parked(e.Name()); err == nil {
			out = append(out, manageable(path, e))
		}
	}
	ids, err := b.ids()
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		if rec, err := loadRecord(b.dir(id)); err == nil {
			out = append(out, hostapi.ManageableVolume{Name: id, SizeGiB: rec.SizeGiB, Reason: "already managed", Volume: id})
		}
	}
	return out, nil
}

func manageable(path string, e os.DirEntry) hostapi.ManageableVolume {
	m := hostapi.ManageableVolume{Name: e.Name(), Safe: true}
	if e.IsDir() {
		rec, err := loadRecord(path)
		if err != nil {
			m.Safe, m.Reason = false, "its record cannot be read"
		} else {
			m.SizeGiB = rec.SizeGiB
		}
		return m
	}
	rep, err := acceptFile(path)
	if err != nil {
		m.Safe, m.Reason = false, errs.As(err).Msg
	} else {
		m.SizeGiB = int((rep.VirtualSize + 1<<30 - 1) >> 30)
	}
	return m
}

// acceptFile judges an operator's file as what its name says that it is.
func acceptFile(path string) (*diskimage.Report, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errs.New(errs.Invalid, "It is no regular file.")
	}
	format := strings.TrimPrefix(filepath.Ext(path), ".")
	if format != "raw" && format != "qcow2" {
		return nil, errs.New(errs.Invalid, "Files whose names end in .raw or .qcow2 can be managed.")
	}
	return diskimage.Accept(path, format)
}

// AdoptVolume makes a volume of what is parked.
func (b *Backend) AdoptVolume(ctx context.Context, ref hostapi.VolumeRef, name string) (*hostapi.VolumeBytes, error) {
	path, err := b.parked(name)
	if err != nil {
		return nil, err
	}
	s, end, err := b.turn(ctx, ref)
	if err != nil {
		return nil, err
	}
	defer end()
	v, err := b.load(ref, s)
	if err == nil {
		return v.describe(), nil
	}
	if !errs.Is(err, errs.NotFound) {
		return nil, err
	}
	info, err := os.Lstat(path)
	switch {
	case err != nil:
		return nil, errs.Wrap(errs.NotFound, err, "Backend %s has no %s to manage.", b.cfg.Name, name)
	case info.IsDir():
		err = b.adoptFolder(ref.ID, path)
	default:
		err = b.adoptFile(ctx, ref.ID, path)
	}
	if err != nil {
		return nil, fmt.Errorf("manage %s: %w", name, err)
	}
	if v, err = b.load(ref, s); err != nil {
		return nil, err
	}
	return v.describe(), nil
}

// adoptFolder gives a released volume another id.
func (b *Backend) adoptFolder(id, path string) error {
	rec, err := loadRecord(path)
	if err != nil {
		return err
	}
	rec.ID = id
	if err := rec.save(path); err != nil {
		return err
	}
	return errors.Join(os.Rename(path, b.dir(id)), syncDir(b.cfg.Dir))
}

// adoptFile copies an operator's file into a volume and removes it then.
func (b *Backend) adoptFile(ctx context.Context, id, path string) error {
	rep, err := acceptFile(path)
	if err != nil {
		return err
	}
	dir := filepath.Join(b.cfg.Dir, ".new-"+id)
	if err := errors.Join(os.RemoveAll(dir), os.Mkdir(dir, 0o700)); err != nil {
		return disk.Full(err)
	}
	v := &volume{b: b, dir: dir, rec: &record{ID: id, SizeGiB: int((rep.VirtualSize + 1<<30 - 1) >> 30)}}
	copied := v.rec.grow("qcow2")
	err = disk.Convert(ctx, []diskimage.Layer{{Path: path, Format: rep.Format}}, rep.VirtualSize, v.path(copied.file()))
	if err == nil {
		err = v.addLayer()
	}
	if err == nil {
		err = v.rec.save(dir)
	}
	if err == nil {
		err = errors.Join(os.Rename(dir, b.dir(id)), syncDir(b.cfg.Dir))
	}
	if err != nil {
		return errors.Join(err, os.RemoveAll(dir))
	}
	return os.Remove(path)
}

// ReleaseVolume parks a volume under a name.
func (b *Backend) ReleaseVolume(ctx context.Context, ref hostapi.VolumeRef, name string) error {
	path, err := b.parked(name)
	if err != nil {
		return err
	}
	s, end, err := b.turn(ctx, ref)
	if err != nil {
		return err
	}
	defer end()
	v, err := b.load(ref, s)
	switch {
	case errs.Is(err, errs.NotFound) && exists(path):
		return nil
	case err != nil:
		return err
	case exists(path):
		return errs.New(errs.Exists, "Backend %s has a %s already.", b.cfg.Name, name)
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
	return errors.Join(os.Rename(v.dir, path), syncDir(b.cfg.Dir), syncDir(filepath.Dir(path)))
}
