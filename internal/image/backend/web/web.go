// Package web reads image data at places on the web: a store that is read only.
package web

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"

	"kumoi/internal/image/backend"
	"kumoi/internal/image/webget"
	"kumoi/internal/kernel/errs"
)

// Store reaches what its rules allow.
type Store struct {
	rules  webget.Rules
	client *http.Client
}

var _ backend.Backend = (*Store)(nil)

// New makes the store.
func New(rules webget.Rules) *Store { return &Store{rules: rules, client: rules.Client()} }

// Type is "http".
func (s *Store) Type() string { return "http" }

// ReadOnly is true.
func (s *Store) ReadOnly() bool { return true }

// URL is empty: nothing is put here.
func (s *Store) URL(string) string { return "" }

// Owns tells whether the URL is one on the web.
func (s *Store) Owns(u string) bool {
	return strings.HasPrefix(u, "http://") || strings.HasPrefix(u, "https://")
}

// Put is not offered.
func (s *Store) Put(context.Context, string, io.Reader, int64) (int64, error) {
	return 0, errs.New(errs.Unsupported, "Nothing can be stored on the web.")
}

// Delete leaves alone what is not ours.
func (s *Store) Delete(context.Context, string) error { return nil }

// Check has nobody to ask.
func (s *Store) Check(context.Context) error { return nil }

// Properties are none.
func (s *Store) Properties() map[string]any { return map[string]any{} }

// Open asks the server for the size, which it must tell.
func (s *Store) Open(ctx context.Context, u string) (backend.Object, error) {
	if _, err := s.rules.Check(u); err != nil {
		return nil, err
	}
	body, size, err := webget.Get(ctx, s.client, u, nil)
	if err != nil {
		return nil, err
	}
	body.Close()
	if size < 0 {
		return nil, errs.New(errs.Invalid, "The server at %.255q does not tell how much data it has.", u)
	}
	return &object{s: s, ctx: ctx, url: u, size: size}, nil
}

type object struct {
	s    *Store
	ctx  context.Context //nolint:containedctx // ReadAt has none; the reader's life is the request's
	url  string
	size int64
}

func (o *object) Size() int64  { return o.size }
func (o *object) Close() error { return nil }

// Range streams a part; of a server that knows no ranges, what comes before is skipped.
func (o *object) Range(ctx context.Context, off, n int64) (io.ReadCloser, error) {
	h := http.Header{}
	if off > 0 || n < o.size {
		h.Set("Range", fmt.Sprintf("bytes=%d-%d", off, off+n-1))
	}
	body, length, err := webget.Get(ctx, o.s.client, o.url, h)
	if err != nil {
		return nil, err
	}
	if length == o.size && n < o.size {
		if _, err := io.CopyN(io.Discard, body, off); err != nil {
			body.Close()
			return nil, errs.Wrap(errs.Unavailable, err, "The server at %.255q broke off.", o.url)
		}
	}
	return &limited{io.LimitReader(body, n), body}, nil
}

type limited struct {
	io.Reader
	io.Closer
}

func (o *object) ReadAt(p []byte, off int64) (int, error) {
	n := min(int64(len(p)), o.size-off)
	if n <= 0 {
		return 0, io.EOF
	}
	r, err := o.Range(o.ctx, off, n)
	if err != nil {
		return 0, err
	}
	defer r.Close()
	got, err := io.ReadFull(r, p[:n])
	if err == nil && got < len(p) {
		err = io.EOF
	}
	return got, err
}
