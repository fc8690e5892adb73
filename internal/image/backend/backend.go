// Package backend says what a store of image data must do. Implementations are
// file (the embedded default), s3, rbd, web (read only) and fake; each passes
// the suite in backendtest.
package backend

import (
	"context"
	"io"
	"os"
)

// Backend keeps objects under URLs of its own making.
type Backend interface {
	// Type is the store's kind as the API names it: "file", "s3", "rbd", "http".
	Type() string
	// ReadOnly tells that Put and Delete are not offered.
	ReadOnly() bool
	// URL says where Put will keep the object of a key.
	URL(key string) string
	// Put writes the whole of r as a new object, durably. If it fails, nothing
	// of it remains; if the process dies, Delete removes what does. size is a
	// hint, -1 when unknown.
	Put(ctx context.Context, key string, r io.Reader, size int64) (int64, error)
	// Open opens an object for reading; NotFound if it is not there.
	Open(ctx context.Context, url string) (Object, error)
	// Delete removes an object and all traces of an unfinished Put. An object
	// that is not there is no error.
	Delete(ctx context.Context, url string) error
	// Owns tells whether the URL is of this store's making.
	Owns(url string) bool
	// Check tells whether the store can be reached.
	Check(ctx context.Context) error
	// Properties describe the store to administrators.
	Properties() map[string]any
}

// Object is stored data, open for reading.
type Object interface {
	io.ReaderAt
	io.Closer
	// Size is the object's length in bytes.
	Size() int64
	// Range streams n bytes from off.
	Range(ctx context.Context, off, n int64) (io.ReadCloser, error)
}

// Filer is an Object whose data is a plain file, which the kernel can send by itself.
type Filer interface {
	File() *os.File
}

// Deduplicator is a backend that can keep equal objects once. Dedup is told an
// object's digest after Put; it may fail without harm.
type Deduplicator interface {
	Dedup(ctx context.Context, url, digest string) error
}

// Fill reads until buf is full or r fails. Unlike io.ReadFull it passes r's error
// on as it is, so that a stream that broke is not taken for one that ended.
func Fill(r io.Reader, buf []byte) (int, error) {
	n := 0
	for n < len(buf) {
		k, err := r.Read(buf[n:])
		n += k
		if err != nil {
			return n, err
		}
	}
	return n, nil
}
