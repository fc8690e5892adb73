package service_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"strings"
	"testing"
	"testing/fstest"

	"kumoi/internal/dashboard/service"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/httpx/httpxtest"
	"kumoi/internal/kernel/logx"
	"kumoi/internal/kernel/policy"
)

var script = strings.Repeat("export const answer = 42; // ", 100)

// page is the service with a few files, behind a gateway.
func page(t *testing.T) httpxtest.Client {
	t.Helper()
	d, err := service.New(service.Deps{Policy: policy.New(), Files: fstest.MapFS{
		"index.html":            {Data: []byte("<!doctype html><title>Kumoi</title>")},
		"theme.js":              {Data: []byte("document")},
		"assets/index-1a2b3.js": {Data: []byte(script)},
		"assets/_odd-4c5d6.css": {Data: []byte("p{}")},
		"assets/font-7e8f9.bin": {Data: []byte{0, 1, 2}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	gw, err := httpx.NewGateway(httpx.Config{Services: d.APIs, Log: logx.Discard()})
	if err != nil {
		t.Fatal(err)
	}
	return httpxtest.Direct(t, gw, "")
}

func TestFiles(t *testing.T) {
	c := page(t)
	const lasting, asked = "public, max-age=31536000, immutable", "no-cache"
	for _, tc := range []struct{ path, kind, cache, begins string }{
		{"/ui/", "text/html; charset=utf-8", asked, "<!doctype"},
		{"/ui", "text/html; charset=utf-8", asked, "<!doctype"},
		{"/ui/p/0123/RegionOne/servers", "text/html; charset=utf-8", asked, "<!doctype"},
		{"/ui/p/0123/RegionOne/servers/a.b?q=web&sort=name", "text/html; charset=utf-8", asked, "<!doctype"},
		{"/ui/index.html", "text/html; charset=utf-8", asked, "<!doctype"},
		{"/ui/theme.js", "text/javascript; charset=utf-8", asked, "document"},
		{"/ui/assets/index-1a2b3.js", "text/javascript; charset=utf-8", lasting, "export"},
		{"/ui/assets/_odd-4c5d6.css", "text/css; charset=utf-8", lasting, "p{}"},
		{"/ui/assets/font-7e8f9.bin", "application/octet-stream", lasting, "\x00"},
	} {
		a := c.Want(200, "GET", tc.path, nil)
		if a.Header.Get("Content-Type") != tc.kind || a.Header.Get("Cache-Control") != tc.cache || !strings.HasPrefix(string(a.Raw), tc.begins) || a.Header.Get("ETag") == "" {
			t.Errorf("%s: %v %.40q", tc.path, a.Header, a.Raw)
		}
		if head := c.Want(200, "HEAD", tc.path, nil); len(head.Raw) != 0 || head.Header.Get("Content-Length") != a.Header.Get("Content-Length") {
			t.Errorf("HEAD %s: %v %q", tc.path, head.Header, head.Raw)
		}
		tag := a.Header.Get("ETag")
		for _, sent := range []string{tag, "W/" + tag, `"x", ` + tag, "*"} {
			if b := c.Want(304, "GET", tc.path, nil, "If-None-Match", sent); len(b.Raw) != 0 || b.Header.Get("ETag") != tag || b.Header.Get("Cache-Control") != tc.cache || b.Header.Get("Content-Length") != "" {
				t.Errorf("%s has %s: %v", tc.path, sent, b.Header)
			}
		}
		c.Want(200, "GET", tc.path, nil, "If-None-Match", `"x"`)
	}
	// What is gone is not another thing, and nothing is served from outside.
	for _, path := range []string{"/ui/assets/index-00000.js", "/ui/assets/", "/ui/assets", "/ui/assets/../index.html", "/ui/assets/..%2findex.html"} {
		if a := c.Want(404, "GET", path, nil); a.Text("error.title") != "Not Found" || a.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %v %s", path, a.Header, a.Raw)
		}
	}
	for _, path := range []string{"/ui/../../etc/passwd", "/ui/..%2f..%2fetc%2fpasswd"} {
		if a := c.Do("GET", path, nil); strings.Contains(string(a.Raw), "root:") {
			t.Errorf("%s: %s", path, a.Raw)
		}
	}
	c.Want(405, "POST", "/ui/p/0123", []byte("{}"))
}

func TestFilesAreCompressed(t *testing.T) {
	c := page(t)
	a := c.Want(200, "GET", "/ui/assets/index-1a2b3.js", nil, "Accept-Encoding", "br, gzip")
	z, err := gzip.NewReader(bytes.NewReader(a.Raw))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(z)
	if err != nil || string(text) != script || a.Header.Get("Content-Encoding") != "gzip" || a.Header.Get("Vary") != "Accept-Encoding" || len(a.Raw) > 500 {
		t.Errorf("%v: %v, %d bytes", err, a.Header, len(a.Raw))
	}
	plain := c.Want(200, "GET", "/ui/assets/index-1a2b3.js", nil, "Accept-Encoding", "gzip;q=0")
	if string(plain.Raw) != script || plain.Header.Get("Content-Encoding") != "" || plain.Header.Get("Vary") != "Accept-Encoding" {
		t.Errorf("%v", plain.Header)
	}
	if plain.Header.Get("ETag") == a.Header.Get("ETag") {
		t.Error("both encodings have one tag")
	}
	if a = c.Want(200, "GET", "/ui/assets/_odd-4c5d6.css", nil, "Accept-Encoding", "gzip"); a.Header.Get("Content-Encoding") != "" {
		t.Errorf("what grows is compressed: %v", a.Header)
	}
}

// Every answer below the page's address says what the page may do.
func TestHeaders(t *testing.T) {
	c := page(t)
	want := map[string]string{
		"Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; font-src 'self'; " +
			"worker-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types kumoi",
		"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cross-Origin-Opener-Policy": "same-origin", "X-Frame-Options": "DENY",
	}
	for _, path := range []string{"/ui/", "/ui/p/1/RegionOne/servers", "/ui/assets/index-1a2b3.js", "/ui/assets/none.js"} {
		a := c.Do("GET", path, nil)
		for name, value := range want {
			if got := a.Header[name]; len(got) != 1 || got[0] != value {
				t.Errorf("%s: %s is %q", path, name, got)
			}
		}
	}
}

func TestBookmarksOfHorizon(t *testing.T) {
	c := page(t)
	for _, path := range []string{"/auth/login/", "/auth/login", "/auth/login/?next=/project/"} {
		if a := c.Want(302, "GET", path, nil); a.Header.Get("Location") != "/ui/" {
			t.Errorf("%s: %v", path, a.Header)
		}
	}
}
