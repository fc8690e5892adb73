// Package backendtest is the suite that every store of image data passes.
package backendtest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"testing"
	"testing/iotest"

	"kumoi/internal/image/backend"
	"kumoi/internal/kernel/errs"
)

// Run tests stores that open makes; each call must give an empty one.
func Run(t *testing.T, open func(t *testing.T) backend.Backend) {
	tests := map[string]func(*testing.T, backend.Backend){
		"RoundTrip": roundTrip, "Broken": broken, "Absent": absent, "Foreign": foreign, "Cancelled": cancelled,
	}
	for name, f := range tests {
		t.Run(name, func(t *testing.T) { f(t, open(t)) })
	}
}

// Noise is n bytes that do not compress and are always the same.
func Noise(n int) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{byte(n)})
	_, _ = r.Read(b)
	return b
}

func roundTrip(t *testing.T, b backend.Backend) {
	ctx := context.Background()
	if err := b.Check(ctx); err != nil {
		t.Fatal(err)
	}
	sizes := []int{0, 1, 4096, 300_000, 20<<20 + 7}
	for _, size := range sizes {
		data := Noise(size)
		if size > 1<<20 {
			clear(data[1<<20 : 3<<20]) // a hole
			clear(data[len(data)-100_000:])
		}
		key := "object-" + string(rune('a'+size%26))
		for _, hint := range []int64{int64(size), -1} {
			n, err := b.Put(ctx, key, iotest.HalfReader(bytes.NewReader(data)), hint)
			if err != nil || n != int64(size) {
				t.Fatalf("put %d bytes: %d, %v", size, n, err)
			}
			u := b.URL(key)
			if !b.Owns(u) {
				t.Errorf("the store does not own its own %s", u)
			}
			check(t, b, u, data)
			if err := b.Delete(ctx, u); err != nil {
				t.Fatal(err)
			}
			if _, err := b.Open(ctx, u); !errs.Is(err, errs.NotFound) {
				t.Errorf("a deleted object opens: %v", err)
			}
			if err := b.Delete(ctx, u); err != nil {
				t.Errorf("a second delete: %v", err)
			}
		}
	}
}

func check(t *testing.T, b backend.Backend, u string, data []byte) {
	t.Helper()
	ctx := context.Background()
	obj, err := b.Open(ctx, u)
	if err != nil {
		t.Fatal(err)
	}
	defer obj.Close()
	if obj.Size() != int64(len(data)) {
		t.Fatalf("size %d, want %d", obj.Size(), len(data))
	}
	for _, r := range [][2]int{{0, len(data)}, {0, min(10, len(data))}, {len(data) / 2, len(data) - len(data)/2}, {max(0, len(data)-3), min(3, len(data))}} {
		rc, err := obj.Range(ctx, int64(r[0]), int64(r[1]))
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(rc)
		rc.Close()
		if err != nil || !bytes.Equal(got, data[r[0]:r[0]+r[1]]) {
			t.Fatalf("range %v: %d bytes differ, %v", r, len(got), err)
		}
	}
	buf := make([]byte, 100)
	n, err := obj.ReadAt(buf, int64(max(0, len(data)-40)))
	if want := min(40, len(data)); n != want || !errors.Is(err, io.EOF) || !bytes.Equal(buf[:n], data[len(data)-want:]) {
		t.Errorf("read at the end: %d bytes, %v", n, err)
	}
}

var errBroke = errs.New(errs.Invalid, "the sender broke off")

func broken(t *testing.T, b backend.Backend) {
	ctx := context.Background()
	if err := b.Check(ctx); err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{0, 100, 300_000, 20 << 20} {
		for _, cause := range []error{errBroke, io.ErrUnexpectedEOF} {
			r := io.MultiReader(bytes.NewReader(Noise(size)), iotest.ErrReader(cause))
			if _, err := b.Put(ctx, "broken", r, -1); !errors.Is(err, cause) {
				t.Errorf("after %d bytes: %v, want %v", size, err, cause)
			}
			if _, err := b.Open(ctx, b.URL("broken")); !errs.Is(err, errs.NotFound) {
				t.Errorf("after %d bytes a broken object is there: %v", size, err)
			}
		}
	}
	if _, err := b.Put(ctx, "broken", bytes.NewReader(Noise(10)), 10); err != nil {
		t.Errorf("the key cannot be used again: %v", err)
	}
	if err := b.Delete(ctx, b.URL("broken")); err != nil {
		t.Error(err)
	}
}

func absent(t *testing.T, b backend.Backend) {
	ctx := context.Background()
	if err := b.Check(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Open(ctx, b.URL("nothing")); !errs.Is(err, errs.NotFound) {
		t.Errorf("open: %v", err)
	}
	if err := b.Delete(ctx, b.URL("nothing")); err != nil {
		t.Errorf("delete: %v", err)
	}
}

// foreign makes sure that no URL leads out of the store.
func foreign(t *testing.T, b backend.Backend) {
	ctx := context.Background()
	for _, u := range []string{
		"", "file:///etc/passwd", "http://127.0.0.1/", "s3://other/bucket/key", b.URL("") + "../../etc/passwd",
		b.URL("../escape"), b.URL("a/b"), b.URL(".."), "rbd://x/y/z", b.URL("x") + "/../../y",
	} {
		if b.Owns(u) {
			t.Errorf("the store owns %q", u)
		}
		if _, err := b.Open(ctx, u); err == nil {
			t.Errorf("the store opens %q", u)
		}
		if err := b.Delete(ctx, u); err == nil {
			t.Errorf("the store deletes %q", u)
		}
	}
}

func cancelled(t *testing.T, b backend.Backend) {
	if err := b.Check(context.Background()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := b.Put(ctx, "cancelled", bytes.NewReader(Noise(1<<20)), -1); err == nil {
		t.Error("a cancelled put succeeds")
	}
	if _, err := b.Open(context.Background(), b.URL("cancelled")); !errs.Is(err, errs.NotFound) {
		t.Errorf("a cancelled put leaves an object: %v", err)
	}
}
