package volume

import (
	"bytes"
	"context"
	"os"
	"path"
	"path/filepath"

	"github.com/google/uuid"

	"kumoi/internal/agent/disk"
	"kumoi/internal/agent/volume/nfs3"
	"kumoi/internal/kernel/errs"
)

// unmounted is an NFS share that the kernel does not know of: QEMU's own driver
// opens its disks, and the folders are kept by calls of ours.
type unmounted struct {
	host, export string
	client       *nfs3.Client
	scratch      string // for files on their way
}

var _ share = (*unmounted)(nil)

func (u *unmounted) list(ctx context.Context, dir string) ([]string, error) {
	return u.client.List(ctx, dir)
}

func (u *unmounted) read(ctx context.Context, name string) ([]byte, error) {
	var b buffer
	_, err := u.client.Read(ctx, name, &b)
	return b, err
}

// buffer grows as it is written to.
type buffer []byte

func (b *buffer) WriteAt(p []byte, at int64) (int, error) {
	if end := at + int64(len(p)); end > int64(len(*b)) {
		*b = append(*b, make([]byte, end-int64(len(*b)))...)
	}
	return copy((*b)[at:], p), nil
}

func (u *unmounted) write(ctx context.Context, name string, data []byte) error {
	next := name + ".new"
	if err := u.client.Write(ctx, next, bytes.NewReader(data), int64(len(data))); err != nil {
		return err
	}
	return u.client.Rename(ctx, next, name)
}

func (u *unmounted) mkdir(ctx context.Context, name string) error { return u.client.Mkdir(ctx, name) }

func (u *unmounted) rename(ctx context.Context, from, to string) error {
	return u.client.Rename(ctx, from, to)
}

func (u *unmounted) link(ctx context.Context, from, to string) error {
	return u.client.Link(ctx, from, to)
}

func (u *unmounted) remove(ctx context.Context, name string) error { return u.client.Remove(ctx, name) }

func (u *unmounted) stat(ctx context.Context, name string) (attr, error) {
	a, err := u.client.Stat(ctx, name)
	return attr{dir: a.Dir, regular: a.Regular, links: a.Links, size: a.Size, used: a.Used}, err
}

func (u *unmounted) room(ctx context.Context) (total, free int64, err error) {
	return u.client.Room(ctx)
}

// overlay makes the disk here, where it is some clusters, and moves it there.
func (u *unmounted) overlay(ctx context.Context, name string, size int64, backing, format string) error {
	local := u.aside()
	if err := disk.CreateOverlay(local, size, backing, format); err != nil {
		return err
	}
	return u.put(ctx, local, name)
}

func (u *unmounted) allocate(context.Context, string, int64) error {
	return errs.New(errs.Invalid, "A share that is not mounted has no volumes that have their room at once.")
}

func (u *unmounted) aside() string { return filepath.Join(u.scratch, ".new-file-"+uuid.NewString()) }

func (u *unmounted) put(ctx context.Context, local, name string) error {
	f, err := os.Open(local)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if err := u.client.Write(ctx, name, f, info.Size()); err != nil {
		return err
	}
	return os.Remove(local)
}

func (u *unmounted) borrow(ctx context.Context, name string) (local string, done func() error, err error) {
	local = u.aside()
	f, err := os.OpenFile(local, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return "", nil, err
	}
	size, err := u.client.Read(ctx, name, f)
	if err == nil {
		err = f.Truncate(size)
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err != nil {
		_ = os.Remove(local)
		return "", nil, disk.Full(err)
	}
	return local, func() error { return os.Remove(local) }, nil
}

func (u *unmounted) node(name string) object {
	return object{
		"driver": "nfs", "server": object{"type": "inet", "host": u.host}, "path": path.Join(u.export, name),
		"user": 0, "group": 0, "auto-read-only": true,
	}
}
