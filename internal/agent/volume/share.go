package volume

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"golang.org/x/sys/unix"

	"kumoi/internal/agent/disk"
)

// share is where folders of volumes are: a folder of the host, which a mount
// may have brought there, or an NFS share that the kernel does not know of.
// Names are relative to it.
type share interface {
	list(ctx context.Context, dir string) ([]string, error)
	read(ctx context.Context, name string) ([]byte, error)
	// write puts data into a file, all of it or nothing, to last.
	write(ctx context.Context, name string, data []byte) error
	mkdir(ctx context.Context, name string) error
	// rename gives a file or folder another name, to last.
	rename(ctx context.Context, from, to string) error
	link(ctx context.Context, from, to string) error
	// remove removes a file or an empty folder, if it is there.
	remove(ctx context.Context, name string) error
	stat(ctx context.Context, name string) (attr, error)
	room(ctx context.Context) (total, free int64, err error)

	// overlay makes a disk that shows backing, a file beside it, until it is
	// written to; without one, zeros.
	overlay(ctx context.Context, name string, size int64, backing, format string) error
	// allocate makes a file, or has one take size bytes of room.
	allocate(ctx context.Context, name string, size int64) error
	// put moves a file of the host into the share.
	put(ctx context.Context, local, name string) error
	// borrow gives a file as one of the host, until done is called.
	borrow(ctx context.Context, name string) (local string, done func() error, err error)
	// node says how QEMU opens a file.
	node(name string) object
}

// attr is what can be told of a file.
type attr struct {
	dir, regular bool
	links        int
	size, used   int64
}

// there tells whether a file is in the share.
func there(ctx context.Context, s share, name string) (bool, error) {
	_, err := s.stat(ctx, name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// removeAll removes a file, or a folder with its files.
func removeAll(ctx context.Context, s share, name string) error {
	a, err := s.stat(ctx, name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if a.dir {
		names, err := s.list(ctx, name)
		if err != nil {
			return err
		}
		for _, n := range names {
			if err := removeAll(ctx, s, path.Join(name, n)); err != nil {
				return err
			}
		}
	}
	return s.remove(ctx, name)
}

// localFile is how QEMU opens a file of the host.
func localFile(path string) object {
	// A lower layer is opened to be written to only while one is merged into it.
	return object{"driver": "file", "filename": path, "auto-read-only": true, "discard": "unmap"}
}

// folder is a share that is a folder of the host.
type folder string

var _ share = folder("")

func (f folder) at(name string) string { return filepath.Join(string(f), filepath.FromSlash(name)) }

func (f folder) list(_ context.Context, dir string) ([]string, error) {
	entries, err := os.ReadDir(f.at(dir))
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return names, err
}

func (f folder) read(_ context.Context, name string) ([]byte, error) { return os.ReadFile(f.at(name)) }

func (f folder) write(_ context.Context, name string, data []byte) error {
	file, err := os.OpenFile(f.at(name)+".new", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	err = errors.Join(err, file.Sync(), file.Close())
	if err == nil {
		err = os.Rename(f.at(name)+".new", f.at(name))
	}
	if err == nil {
		err = syncFile(filepath.Dir(f.at(name)))
	}
	return err
}

func (f folder) mkdir(_ context.Context, name string) error { return os.Mkdir(f.at(name), 0o700) }

func (f folder) rename(_ context.Context, from, to string) error {
	err := errors.Join(os.Rename(f.at(from), f.at(to)), syncFile(filepath.Dir(f.at(to))))
	if a, b := filepath.Dir(f.at(from)), filepath.Dir(f.at(to)); a != b {
		err = errors.Join(err, syncFile(a))
	}
	return err
}

func (f folder) link(_ context.Context, from, to string) error { return os.Link(f.at(from), f.at(to)) }

func (f folder) remove(_ context.Context, name string) error {
	if err := os.Remove(f.at(name)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func (f folder) stat(_ context.Context, name string) (attr, error) {
	var st unix.Stat_t
	if err := unix.Lstat(f.at(name), &st); err != nil {
		return attr{}, &fs.PathError{Op: "stat", Path: f.at(name), Err: err}
	}
	kind := st.Mode & unix.S_IFMT
	return attr{dir: kind == unix.S_IFDIR, regular: kind == unix.S_IFREG, links: int(st.Nlink), size: st.Size, used: st.Blocks * 512}, nil
}

func (f folder) room(context.Context) (total, free int64, err error) { return disk.Free(string(f)) }

func (f folder) overlay(_ context.Context, name string, size int64, backing, format string) error {
	if err := disk.CreateOverlay(f.at(name), size, backing, format); err != nil {
		return err
	}
	return syncFile(f.at(name))
}

func (f folder) allocate(_ context.Context, name string, size int64) error {
	file, err := os.OpenFile(f.at(name), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	info, err := file.Stat()
	if err == nil {
		mode := uint32(0)
		if info.Size() > 0 { // it grows later
			mode = unix.FALLOC_FL_KEEP_SIZE
		}
		err = unix.Fallocate(int(file.Fd()), mode, 0, size)
	}
	return errors.Join(err, file.Sync(), file.Close())
}

func (f folder) put(_ context.Context, local, name string) error {
	err := os.Rename(local, f.at(name))
	if errors.Is(err, unix.EXDEV) {
		if err = copyFile(local, f.at(name)); err == nil {
			err = os.Remove(local)
		}
	}
	return err
}

func (f folder) borrow(_ context.Context, name string) (string, func() error, error) {
	return f.at(name), func() error { return nil }, nil
}

func (f folder) node(name string) object { return localFile(f.at(name)) }

// syncFile makes a file, or the names in a folder, last.
func syncFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// copyFile copies a file and keeps its holes.
func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	info, err := in.Stat()
	if err == nil {
		err = copyHoles(in, out, info.Size())
	}
	return errors.Join(err, out.Sync(), out.Close())
}

// copyHoles copies a file's data and leaves out what was never written.
func copyHoles(in, out *os.File, size int64) error {
	if err := out.Truncate(size); err != nil {
		return err
	}
	for at := int64(0); at < size; {
		data, err := unix.Seek(int(in.Fd()), at, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) {
			return nil
		}
		if err != nil {
			return err
		}
		end, err := unix.Seek(int(in.Fd()), data, unix.SEEK_HOLE)
		if err != nil {
			return err
		}
		if _, err := in.Seek(data, 0); err != nil {
			return err
		}
		if _, err := out.Seek(data, 0); err != nil {
			return err
		}
		if _, err := out.ReadFrom(io.LimitReader(in, end-data)); err != nil {
			return err
		}
		at = end
	}
	return nil
}
