// Package file keeps image data in plain files: one folder, one file per
// object. It is the embedded default.
//
// An object is written under a temporary name, made durable, then renamed, so
// that a file with its final name is whole. Runs of zeros become holes. Objects
// with the same content become one file with several names, which costs
// nothing on any file system with hard links.
package file

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"kumoi/internal/image/backend"
	"kumoi/internal/kernel/errs"
)

// Store is a folder with objects.
type Store struct {
	dir string
}

var (
	_ backend.Backend      = (*Store)(nil)
	_ backend.Deduplicator = (*Store)(nil)
)

const (
	incoming = ".incoming" // unfinished objects
	byDigest = ".sha512"   // a further name of each object: its digest
)

// New opens the store in dir, which is made if it is missing.
func New(dir string) (*Store, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	for _, d := range []string{dir, filepath.Join(dir, incoming), filepath.Join(dir, byDigest)} {
		if err := os.MkdirAll(d, 0o750); err != nil {
			return nil, fmt.Errorf("image store: %w", err)
		}
	}
	return &Store{dir: dir}, nil
}

// Type is "file".
func (s *Store) Type() string { return "file" }

// ReadOnly is false.
func (s *Store) ReadOnly() bool { return false }

// URL is the object's path as a file URL.
func (s *Store) URL(key string) string {
	return (&url.URL{Scheme: "file", Path: filepath.Join(s.dir, key)}).String()
}

// Owns tells whether the URL is a file in the store's folder.
func (s *Store) Owns(u string) bool {
	_, err := s.name(u)
	return err == nil
}

// name is the object's key; URLs of other places are refused, so that a
// location can never name any other file of the machine.
func (s *Store) name(u string) (string, error) {
	parsed, err := url.Parse(u)
	if err == nil && parsed.Scheme == "file" && parsed.Host == "" {
		dir, name := filepath.Split(parsed.Path)
		if filepath.Clean(dir) == s.dir && name != "" && !strings.HasPrefix(name, ".") {
			return name, nil
		}
	}
	return "", errs.New(errs.Invalid, "The location %.200q is not in this store.", u)
}

// Check tells whether the folder can be written to.
func (s *Store) Check(context.Context) error {
	if err := unix.Access(filepath.Join(s.dir, incoming), unix.W_OK); err != nil {
		return errs.Wrap(errs.Unavailable, err, "The image store's folder cannot be written to.")
	}
	return nil
}

// Properties tell administrators where the files are.
func (s *Store) Properties() map[string]any {
	return map[string]any{"data_dir": s.dir, "chunk_size": chunk, "thin_provisioning": true}
}

// Delete removes the object, its unfinished form, and its digest's name once
// nobody shares it.
func (s *Store) Delete(_ context.Context, u string) error {
	name, err := s.name(u)
	if err != nil {
		return err
	}
	for _, path := range []string{filepath.Join(s.dir, incoming, name), filepath.Join(s.dir, name)} {
		digest := digestOf(path)
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return translate(err)
		}
		if digest != "" {
			s.release(digest)
		}
	}
	return nil
}

// translate gives a file system's errors a kind.
func translate(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT), errors.Is(err, syscall.EFBIG):
		return errs.Wrap(errs.TooLarge, err, "Image storage media is full.")
	case errors.Is(err, os.ErrNotExist):
		return errs.Wrap(errs.NotFound, err, "The image's data is not in its store.")
	case errors.Is(err, os.ErrPermission), errors.Is(err, syscall.EROFS), errors.Is(err, syscall.EIO):
		return errs.Wrap(errs.Unavailable, err, "The image storage media cannot be used at the moment.")
	}
	return err
}

// object is an open file.
type object struct {
	f    *os.File
	size int64
}

var _ backend.Filer = (*object)(nil)

// Open opens an object.
func (s *Store) Open(_ context.Context, u string) (backend.Object, error) {
	name, err := s.name(u)
	if err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(s.dir, name), os.O_RDONLY|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return nil, translate(err)
	}
	st, err := f.Stat()
	if err != nil || !st.Mode().IsRegular() {
		f.Close()
		return nil, errs.Wrap(errs.Unavailable, err, "The image's data in its store is not a file.")
	}
	return &object{f: f, size: st.Size()}, nil
}

func (o *object) ReadAt(p []byte, off int64) (int, error) { return o.f.ReadAt(p, off) }
func (o *object) Close() error                            { return o.f.Close() }
func (o *object) Size() int64                             { return o.size }
func (o *object) File() *os.File                          { return o.f }

func (o *object) Range(_ context.Context, off, n int64) (io.ReadCloser, error) {
	return io.NopCloser(io.NewSectionReader(o.f, off, n)), nil
}
