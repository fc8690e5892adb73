package file

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"

	"kumoi/internal/image/backend"
	"kumoi/internal/kernel/errs"
)

const (
	chunk = 256 << 10
	// flushEvery is how much is written before the kernel is asked to begin
	// putting it on the disk, so that the last sync has little left to do.
	flushEvery = 16 << 20
)

var (
	zeros   = make([]byte, chunk)
	buffers = sync.Pool{New: func() any { b := make([]byte, chunk); return &b }}
)

// Put writes r as a new object.
func (s *Store) Put(ctx context.Context, key string, r io.Reader, size int64) (int64, error) {
	name, err := s.name(s.URL(key))
	if err != nil {
		return 0, err
	}
	if err := s.room(size); err != nil {
		return 0, err
	}
	temp := filepath.Join(s.dir, incoming, name)
	f, err := os.OpenFile(temp, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o640)
	if errors.Is(err, os.ErrExist) {
		return 0, errs.New(errs.Exists, "The data of %s is being written already.", name)
	}
	if err != nil {
		return 0, translate(err)
	}
	n, err := s.write(ctx, f, r)
	if cerr := f.Close(); err == nil {
		err = translate(cerr)
	}
	if err == nil {
		err = translate(unix.Renameat2(unix.AT_FDCWD, temp, unix.AT_FDCWD, filepath.Join(s.dir, name), unix.RENAME_NOREPLACE))
	}
	if err != nil {
		os.Remove(temp)
		return n, err
	}
	return n, s.syncDir()
}

// room refuses early what cannot fit.
func (s *Store) room(size int64) error {
	var st unix.Statfs_t
	if size <= 0 || unix.Statfs(s.dir, &st) != nil {
		return nil
	}
	if free := int64(st.Bavail) * st.Bsize; size > free {
		return errs.New(errs.TooLarge, "Image storage media is full: %d bytes are free, %d needed.", free, size)
	}
	return nil
}

// write copies r to f, leaving holes for zeros, and makes it durable.
func (s *Store) write(ctx context.Context, f *os.File, r io.Reader) (int64, error) {
	bp := buffers.Get().(*[]byte)
	defer buffers.Put(bp)
	buf := *bp
	var n, flushed int64
	for {
		if err := context.Cause(ctx); err != nil {
			return n, err
		}
		k, err := backend.Fill(r, buf)
		if k > 0 && !bytes.Equal(buf[:k], zeros[:k]) {
			if _, werr := f.WriteAt(buf[:k], n); werr != nil {
				return n, translate(werr)
			}
		}
		n += int64(k)
		if n-flushed >= flushEvery {
			_ = unix.SyncFileRange(int(f.Fd()), flushed, n-flushed, unix.SYNC_FILE_RANGE_WRITE)
			flushed = n
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return n, err
		}
	}
	if err := f.Truncate(n); err != nil {
		return n, translate(err)
	}
	return n, translate(f.Sync())
}

func (s *Store) syncDir() error {
	d, err := os.Open(s.dir)
	if err != nil {
		return translate(err)
	}
	defer d.Close()
	return translate(d.Sync())
}
