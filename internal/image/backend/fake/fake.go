// Package fake keeps image data in memory and misbehaves on command.
package fake

import (
	"bytes"
	"context"
	"io"
	"strings"
	"sync"

	"kumoi/internal/image/backend"
	"kumoi/internal/kernel/errs"
)

// Store is a store in memory.
type Store struct {
	name string
	mu   sync.Mutex
	data map[string][]byte
	away bool
	full int64 // -1: never
	// Hold, if set, is called in the middle of each Put, after the first bytes.
	Hold func()
}

var _ backend.Backend = (*Store)(nil)

// New makes an empty store; name distinguishes it in URLs.
func New(name string) *Store { return &Store{name: name, data: map[string][]byte{}, full: -1} }

// SetAway makes everything fail as if the store could not be reached.
func (s *Store) SetAway(away bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.away = away
}

// SetFull makes the store full when one object has so many bytes; -1: never.
func (s *Store) SetFull(n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.full = n
}

// Corrupt changes a byte of every object.
func (s *Store) Corrupt() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, b := range s.data {
		if len(b) > 0 {
			b[len(b)/2] ^= 1
		}
	}
}

// Truncate cuts every object to half.
func (s *Store) Truncate() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for k, b := range s.data {
		s.data[k] = b[:len(b)/2]
	}
}

// Keys lists what is stored.
func (s *Store) Keys() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	for k := range s.data {
		out = append(out, k)
	}
	return out
}

// Type is "fake".
func (s *Store) Type() string { return "fake" }

// ReadOnly is false.
func (s *Store) ReadOnly() bool { return false }

// URL names an object.
func (s *Store) URL(key string) string { return "fake://" + s.name + "/" + key }

// Owns tells whether the URL is this store's.
func (s *Store) Owns(u string) bool {
	_, err := s.key(u)
	return err == nil
}

// Properties are none.
func (s *Store) Properties() map[string]any { return map[string]any{} }

// Check tells whether the store is away.
func (s *Store) Check(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reachable()
}

func (s *Store) reachable() error {
	if s.away {
		return errs.New(errs.Unavailable, "The image store cannot be reached at the moment.")
	}
	return nil
}

// Put keeps the data.
func (s *Store) Put(ctx context.Context, key string, r io.Reader, _ int64) (int64, error) {
	if err := s.Check(ctx); err != nil {
		return 0, err
	}
	var b bytes.Buffer
	n, err := io.CopyN(&b, r, 1)
	if s.Hold != nil {
		s.Hold()
	}
	if err == nil {
		var more int64
		more, err = io.Copy(&b, r)
		n += more
	} else if err == io.EOF { //nolint:errorlint // of CopyN itself
		err = nil
	}
	if err == nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		return n, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.reachable(); err != nil {
		return n, err
	}
	if s.full >= 0 && n >= s.full {
		return n, errs.New(errs.TooLarge, "Image storage media is full.")
	}
	s.data[key] = b.Bytes()
	return n, nil
}

func (s *Store) key(u string) (string, error) {
	key, ok := strings.CutPrefix(u, s.URL(""))
	if !ok || strings.Trim(key, ".") == "" || strings.Contains(key, "/") {
		return "", errs.New(errs.Invalid, "The location %.200q is not in this store.", u)
	}
	return key, nil
}

// Open opens an object.
func (s *Store) Open(_ context.Context, u string) (backend.Object, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key, err := s.key(u)
	if err != nil {
		return nil, err
	}
	if err := s.reachable(); err != nil {
		return nil, err
	}
	b, ok := s.data[key]
	if !ok {
		return nil, errs.New(errs.NotFound, "The image's data is not in its store.")
	}
	return object{bytes.NewReader(b)}, nil
}

// Delete removes an object.
func (s *Store) Delete(_ context.Context, u string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	key, err := s.key(u)
	if err == nil {
		err = s.reachable()
	}
	if err == nil {
		delete(s.data, key)
	}
	return err
}

type object struct{ *bytes.Reader }

func (o object) Close() error { return nil }
func (o object) Range(_ context.Context, off, n int64) (io.ReadCloser, error) {
	return io.NopCloser(io.NewSectionReader(o.Reader, off, n)), nil
}
