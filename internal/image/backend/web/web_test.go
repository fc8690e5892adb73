package web_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"

	"kumoi/internal/image/backend/backendtest"
	"kumoi/internal/image/backend/web"
	"kumoi/internal/image/webget"
	"kumoi/internal/kernel/errs"
)

func TestRead(t *testing.T) {
	data := backendtest.Noise(100_000)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/ranges":
			http.ServeContent(w, r, "x", time.Time{}, bytes.NewReader(data))
		case "/whole": // knows no ranges
			w.Header().Set("Content-Length", "100000")
			_, _ = w.Write(data)
		case "/endless":
			w.(http.Flusher).Flush()
			_, _ = w.Write(data)
		default:
			http.NotFound(w, r)
		}
	}))
	defer server.Close()
	s, ctx := web.New(webget.Rules{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}), t.Context()
	for _, path := range []string{"/ranges", "/whole"} {
		o, err := s.Open(ctx, server.URL+path)
		if err != nil || o.Size() != 100_000 {
			t.Fatalf("%s: %v", path, err)
		}
		for _, r := range [][2]int64{{0, 100_000}, {0, 10}, {50_000, 1000}, {99_999, 1}} {
			body, err := o.Range(ctx, r[0], r[1])
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(body)
			body.Close()
			if err != nil || !bytes.Equal(got, data[r[0]:r[0]+r[1]]) {
				t.Errorf("%s %v: %d bytes differ, %v", path, r, len(got), err)
			}
		}
		buf := make([]byte, 100)
		if n, err := o.ReadAt(buf, 99_960); n != 40 || err != io.EOF || !bytes.Equal(buf[:40], data[99_960:]) { //nolint:errorlint // ReaderAt's contract
			t.Errorf("%s: read at the end: %d, %v", path, n, err)
		}
		o.Close()
	}
	if _, err := s.Open(ctx, server.URL+"/nothing"); err == nil {
		t.Error("what is not there opens")
	}
	if _, err := s.Open(ctx, server.URL+"/endless"); !errs.Is(err, errs.Invalid) {
		t.Errorf("a size that is not told: %v", err)
	}
	if _, err := s.Put(ctx, "x", bytes.NewReader(nil), 0); !errs.Is(err, errs.Unsupported) {
		t.Errorf("put: %v", err)
	}
	if _, err := web.New(webget.Rules{}).Open(ctx, server.URL+"/whole"); err == nil {
		t.Error("an address of this machine is read without leave")
	}
	if !s.Owns("https://example.com/x") || s.Owns("file:///etc/passwd") || !s.ReadOnly() {
		t.Error("what the store owns")
	}
}

// A server that broke is told as such; of what it still says nothing is made up.
func TestBrokenServer(t *testing.T) {
	size, broken := 10, false
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if broken {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Content-Length", fmt.Sprint(size))
		_, _ = w.Write([]byte("0123456789")[:min(size, 4)])
	}))
	defer server.Close()
	s, ctx := web.New(webget.Rules{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}), t.Context()
	o, err := s.Open(ctx, server.URL)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := o.Range(ctx, 5, 2); !errs.Is(err, errs.Unavailable) {
		t.Errorf("it breaks off before what is asked for: %v", err)
	}
	if n, err := o.ReadAt(make([]byte, 6), 2); n != 2 || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("it breaks off within: %d, %v", n, err)
	}
	for _, off := range []int64{10, 11} {
		if n, err := o.ReadAt(make([]byte, 1), off); n != 0 || err != io.EOF { //nolint:errorlint // ReaderAt's contract
			t.Errorf("at %d, behind the end: %d, %v", off, n, err)
		}
	}
	broken = true
	if _, err := o.Range(ctx, 0, 10); !errs.Is(err, errs.Unavailable) {
		t.Errorf("a range of a broken server: %v", err)
	}
	if n, err := o.ReadAt(make([]byte, 1), 0); n != 0 || !errs.Is(err, errs.Unavailable) {
		t.Errorf("a read of a broken server: %d, %v", n, err)
	}
	broken, size = false, 0
	if o, err := s.Open(ctx, server.URL); err != nil || o.Size() != 0 {
		t.Errorf("nothing at all is a size: %v", err)
	}
	if s.Type() != "http" || s.URL("x") != "" || s.Check(ctx) != nil || s.Delete(ctx, server.URL) != nil || len(s.Properties()) != 0 {
		t.Error("what the store says of itself")
	}
}
