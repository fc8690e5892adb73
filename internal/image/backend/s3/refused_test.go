package s3_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"kumoi/internal/image/backend"
	"kumoi/internal/image/backend/backendtest"
	"kumoi/internal/image/backend/s3"
	"kumoi/internal/kernel/errs"
)

// TestPretended is the suite in memory, where no server is built.
func TestPretended(t *testing.T) {
	p, n := newPretended(t), 0
	backendtest.Run(t, func(t *testing.T) backend.Backend {
		n++
		return p.store(t, fmt.Sprintf("bucket-%d", n), nil)
	})
	if objects, uploads := p.left(); len(objects)+uploads > 0 {
		t.Errorf("left are %v and %d uploads", objects, uploads)
	}
}

func TestSettings(t *testing.T) {
	p := newPretended(t)
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("b\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := p.store(t, "bucket", func(c *s3.Config) { c.Prefix, c.PartSize, c.SecretKey, c.SecretFile = "", 0, "", secret })
	host := strings.TrimPrefix(p.server.URL, "https://")
	if u := s.URL("key"); u != "s3://"+host+"/bucket/key" {
		t.Errorf("without a prefix an object lies at %s", u)
	}
	if v := s.Properties(); v["s3_store_large_object_size"] != int64(16<<20) || v["s3_store_thread_pools"] != 1 || v["bucket"] != "bucket" || s.Type() != "s3" || s.ReadOnly() {
		t.Errorf("%s with %v", s.Type(), v)
	}
	if u := p.store(t, "bucket", nil).URL("key"); u != "s3://"+host+"/bucket/images/key" {
		t.Errorf("with a prefix an object lies at %s", u)
	}
	// A bucket is made only where that is wanted, and once.
	ctx := t.Context()
	strict := p.store(t, "bucket", func(c *s3.Config) { c.CreateBucket = false })
	if err := strict.Check(ctx); !errs.Is(err, errs.Unavailable) {
		t.Errorf("without its bucket: %v", err)
	}
	if _, err := strict.Put(ctx, "key", strings.NewReader("data"), 4); !errs.Is(err, errs.Unavailable) {
		t.Errorf("put without a bucket: %v", err)
	}
	if err := s.Check(ctx); err != nil {
		t.Fatal(err)
	}
	p.refuseWith(http.StatusConflict, "BucketAlreadyExists", func(r *http.Request) bool { return r.Method == http.MethodPut })
	for _, s := range []*s3.Store{s, strict} {
		if err := s.Check(ctx); err != nil {
			t.Errorf("a bucket that is there: %v", err)
		}
	}
}

// Parts are as large as they have to be, no larger.
func TestParts(t *testing.T) {
	p := newPretended(t)
	s := p.store(t, "bucket", nil)
	ctx := t.Context()
	if err := s.Check(ctx); err != nil {
		t.Fatal(err)
	}
	const part = 5 << 20
	for _, size := range []int{part - 1, part, part + 1, 2 * part, 2*part + 1} {
		data := backendtest.Noise(size)
		p.largest = 0
		if n, err := s.Put(ctx, "key", bytes.NewReader(data), int64(size)); err != nil || n != int64(size) {
			t.Fatalf("%d bytes: %d, %v", size, n, err)
		}
		if got := p.objects["bucket/images/key"]; !bytes.Equal(got, data) {
			t.Errorf("%d bytes: %d other ones are stored", size, len(got))
		}
		if p.largest != min(part, size) {
			t.Errorf("%d bytes: the largest part has %d", size, p.largest)
		}
	}
	// Ten thousand parts are the most: of what is announced as larger than that, parts are larger.
	p.largest = 0
	if _, err := s.Put(ctx, "key", bytes.NewReader(backendtest.Noise(11<<20)), part*9000+1); err != nil || p.largest != 2*part {
		t.Errorf("of what is announced as large the largest part has %d, %v", p.largest, err)
	}
	p.largest = 0
	if _, err := s.Put(ctx, "key", bytes.NewReader(backendtest.Noise(11<<20)), part*9000); err != nil || p.largest != part {
		t.Errorf("of what just fits the largest part has %d, %v", p.largest, err)
	}
}

// What the server refuses is told by its kind, and leaves nothing behind.
func TestRefused(t *testing.T) {
	isPart := func(r *http.Request) bool { return r.Method == http.MethodPut && r.URL.Query().Has("uploadId") }
	data := backendtest.Noise(11 << 20)
	for _, tc := range []struct {
		status int
		code   string
		kind   errs.Kind
	}{
		{http.StatusInsufficientStorage, "x", errs.TooLarge},
		{http.StatusForbidden, "QuotaExceeded", errs.TooLarge},
		{http.StatusBadRequest, "XMinioStorageFull", errs.TooLarge},
		{http.StatusForbidden, "AccessDenied", errs.Unavailable},
		{http.StatusNotFound, "NoSuchBucket", errs.Unavailable},
	} {
		for name, where := range map[string]func(r *http.Request) bool{
			"a small object": func(r *http.Request) bool { return r.Method == http.MethodPut && r.URL.RawQuery == "" },
			"a new upload":   func(r *http.Request) bool { return r.Method == http.MethodPost && r.URL.Query().Has("uploads") },
			"a part":         isPart,
			"a later part":   func(r *http.Request) bool { return isPart(r) && r.URL.Query().Get("partNumber") == "2" },
			"the last call":  func(r *http.Request) bool { return r.Method == http.MethodPost && r.URL.Query().Has("uploadId") },
		} {
			p := newPretended(t)
			s := p.store(t, "bucket", nil)
			if err := s.Check(t.Context()); err != nil {
				t.Fatal(err)
			}
			p.refuseWith(tc.status, tc.code, where)
			send := data
			if name == "a small object" {
				send = data[:100]
			}
			if _, err := s.Put(t.Context(), "key", bytes.NewReader(send), -1); !errs.Is(err, tc.kind) {
				t.Errorf("%d %s at %s: %v", tc.status, tc.code, name, err)
			}
			if objects, uploads := p.left(); len(objects)+uploads > 0 {
				t.Errorf("%d %s at %s: left are %v and %d uploads", tc.status, tc.code, name, objects, uploads)
			}
		}
	}
}

func TestDelete(t *testing.T) {
	p := newPretended(t)
	s := p.store(t, "bucket", nil)
	ctx := t.Context()
	if err := s.Check(ctx); err != nil {
		t.Fatal(err)
	}
	// A process that died in the middle leaves an upload, which Delete gives up.
	p.uploads["dead"], p.keys["dead"] = map[string][]byte{}, "bucket/images/key"
	if err := s.Delete(ctx, s.URL("key")); err != nil {
		t.Fatal(err)
	}
	if _, uploads := p.left(); uploads != 0 {
		t.Errorf("left are %d uploads", uploads)
	}
	for name, tc := range map[string]struct {
		where  func(r *http.Request) bool
		status int
		code   string
		fine   bool
	}{
		"it":                 {func(r *http.Request) bool { return r.Method == http.MethodDelete && r.URL.RawQuery == "" }, 403, "AccessDenied", false},
		"its uploads":        {func(r *http.Request) bool { return r.Method == http.MethodGet }, 403, "AccessDenied", false},
		"an upload":          {func(r *http.Request) bool { return r.Method == http.MethodDelete && r.URL.RawQuery != "" }, 403, "AccessDenied", false},
		"what is gone":       {func(r *http.Request) bool { return r.Method == http.MethodDelete && r.URL.RawQuery == "" }, 404, "NoSuchKey", true},
		"an upload gone":     {func(r *http.Request) bool { return r.Method == http.MethodDelete && r.URL.RawQuery != "" }, 404, "NoSuchUpload", true},
		"a bucket not there": {func(r *http.Request) bool { return r.Method == http.MethodDelete && r.URL.RawQuery == "" }, 404, "NoSuchBucket", false},
	} {
		p.uploads["dead"], p.keys["dead"] = map[string][]byte{}, "bucket/images/key"
		p.refuseWith(tc.status, tc.code, tc.where)
		if err := s.Delete(ctx, s.URL("key")); tc.fine != (err == nil) || err != nil && !errs.Is(err, errs.Unavailable) {
			t.Errorf("delete of %s: %v", name, err)
		}
	}
}

// A reader of an object that is replaced meanwhile does not get some of each.
func TestReplacedMeanwhile(t *testing.T) {
	p := newPretended(t)
	s := p.store(t, "bucket", nil)
	ctx := t.Context()
	if err := s.Check(ctx); err != nil {
		t.Fatal(err)
	}
	put := func(text string) {
		t.Helper()
		if _, err := s.Put(ctx, "key", strings.NewReader(text), -1); err != nil {
			t.Fatal(err)
		}
	}
	put("0123456789")
	o, err := s.Open(ctx, s.URL("key"))
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 4)
	for off, want := range map[int64]string{0: "0123", 3: "3456", 6: "6789"} {
		if n, err := o.ReadAt(buf, off); n != 4 || err != nil || string(buf) != want {
			t.Errorf("at %d: %q, %v", off, buf[:n], err)
		}
	}
	for _, off := range []int64{10, 11} {
		if n, err := o.ReadAt(buf, off); n != 0 || err != io.EOF { //nolint:errorlint // io.ReaderAt's contract
			t.Errorf("at %d: %d, %v", off, n, err)
		}
	}
	put("abcdefghij")
	if n, err := o.ReadAt(buf, 0); err == nil {
		t.Errorf("of another object: %q", buf[:n])
	}
	p.refuseWith(500, "InternalError", func(r *http.Request) bool { return r.Method == http.MethodGet })
	if _, err := o.ReadAt(buf, 0); !errs.Is(err, errs.Unavailable) {
		t.Errorf("while the server is broken: %v", err)
	}
}

// Who sends is told what went wrong on his side, not on the server's.
func TestSenders(t *testing.T) {
	p := newPretended(t)
	s := p.store(t, "bucket", nil)
	if err := s.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	typed := errs.New(errs.Invalid, "the sender broke off")
	for _, size := range []int{0, 10, 5 << 20, 6 << 20} {
		if n, err := s.Put(t.Context(), "key", io.MultiReader(bytes.NewReader(backendtest.Noise(size)), iotest.ErrReader(typed)), -1); !errors.Is(err, typed) || n > int64(size) {
			t.Errorf("after %d bytes: %d, %v", size, n, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Put(ctx, "key", strings.NewReader("x"), 1); !errors.Is(err, context.Canceled) {
		t.Errorf("what nobody waits for: %v", err)
	}
	if _, err := s.Put(t.Context(), "../key", strings.NewReader("x"), 1); !errs.Is(err, errs.Invalid) {
		t.Errorf("a key that leads elsewhere: %v", err)
	}
	if objects, uploads := p.left(); slices.Contains(objects, "bucket/images/key") || uploads > 0 {
		t.Errorf("left are %v and %d uploads", objects, uploads)
	}
}
