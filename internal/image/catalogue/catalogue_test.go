package catalogue

import (
	"bytes"
	"context"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"kumoi/internal/kernel/errs"
)

func TestEntries(t *testing.T) {
	seen := map[string]bool{}
	for _, e := range List() {
		u, err := url.Parse(strings.ReplaceAll(e.URL, "{arch}", "x"))
		if err != nil || u.Scheme != "https" || e.Sums == "" || e.Title == "" || e.DiskFormat != "qcow2" || e.Arches["x86_64"] == "" || seen[e.Name] {
			t.Errorf("%+v", e)
		}
		seen[e.Name] = true
		a := e.Attributes("x86_64")
		if a["os_distro"] == "" || a["architecture"] != "x86_64" || a["name"] != e.Name {
			t.Errorf("%s: %v", e.Name, a)
		}
	}
	if _, err := Find("windows-3.11"); !errs.Is(err, errs.NotFound) || !strings.Contains(err.Error(), "debian-12") {
		t.Error(err)
	}
}

func TestFetch(t *testing.T) {
	data := bytes.Repeat([]byte("image"), 100_000)
	digest := sha512.Sum512(data)
	sums := fmt.Sprintf("%x  other-amd64.qcow2\n%s  disk-amd64.qcow2\n", sha512.Sum512(nil), hex.EncodeToString(digest[:]))
	served := data
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/x/SHA512SUMS":
			fmt.Fprint(w, sums)
		case "/x/disk-amd64.qcow2":
			_, _ = w.Write(served)
		case "/x/cut-amd64.qcow2":
			w.Header().Set("Content-Length", "1000")
			_, _ = w.Write(data[:10])
		default:
			http.NotFound(w, r)
		}
	}))
	defer server.Close()
	e := Entry{Name: "test", URL: server.URL + "/x/disk-{arch}.qcow2", Sums: "SHA512SUMS", Arches: debianArches}
	fetch := func(e Entry, arch string) (string, error) {
		var out bytes.Buffer
		var last int64
		err := e.Fetch(context.Background(), server.Client(), arch, &out, func(done, _ int64) { last = done })
		if err == nil && last != int64(out.Len()) {
			t.Errorf("progress ends at %d of %d", last, out.Len())
		}
		return out.String(), err
	}
	if got, err := fetch(e, "x86_64"); err != nil || got != string(data) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if _, err := fetch(e, "sparc"); !errs.Is(err, errs.Invalid) {
		t.Errorf("unknown architecture: %v", err)
	}
	if _, err := fetch(e, "aarch64"); !errs.Is(err, errs.Unavailable) {
		t.Errorf("without a hash: %v", err)
	}
	served = append(bytes.Clone(data), 'x')
	if _, err := fetch(e, "x86_64"); !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), "not what its maker published") {
		t.Errorf("changed data: %v", err)
	}
	e.Sums = "nothing"
	if _, err := fetch(e, "x86_64"); !errs.Is(err, errs.Unavailable) {
		t.Errorf("without a list: %v", err)
	}
	sums += strings.Replace(strings.Split(sums, "\n")[1], "disk", "cut", 1) + "\n"
	e.Sums, e.URL = "SHA512SUMS", server.URL+"/x/cut-{arch}.qcow2"
	if _, err := fetch(e, "x86_64"); !errs.Is(err, errs.Unavailable) {
		t.Errorf("cut off: %v", err)
	}
}

func TestParseSum(t *testing.T) {
	h := strings.Repeat("ab", 32)
	for line, ok := range map[string]bool{
		h + "  x.img": true, h + " *x.img": true, "SHA256 (x.img) = " + h: true, strings.ToUpper(h) + "  x.img": true,
		h + "  y.img": false, "zz  x.img": false, h[:10] + "  x.img": false, "": false, "# " + h + "  x.img": false,
	} {
		if _, got := parseSum(line, "x.img"); got != ok {
			t.Errorf("%q: %v", line, got)
		}
	}
}

// A mirror takes the place of the maker's server; the path, and the list of
// hashes beside the data, stay.
func TestMirror(t *testing.T) {
	e, err := Find("debian-12")
	if err != nil {
		t.Fatal(err)
	}
	for _, base := range []string{"http://mirror.example", "https://mirror.example/", "https://mirror.example/debian/"} {
		at, err := e.At(base)
		if want := strings.TrimSuffix(base, "/") + "/images/cloud/bookworm/latest/debian-12-genericcloud-{arch}.qcow2"; err != nil || at.URL != want || at.Sums != e.Sums {
			t.Errorf("%s: %s, %v, want %s", base, at.URL, err, want)
		}
	}
	for _, base := range []string{"", "mirror.example", "ftp://mirror.example/", "http://", "https:///x", "http://%zz/"} {
		if _, err := e.At(base); !errs.Is(err, errs.Invalid) {
			t.Errorf("%q: %v", base, err)
		}
	}
	e.URL = "http://%zz/"
	if _, err := e.At("http://mirror.example"); err == nil {
		t.Error("an entry without a URL is taken")
	}
}

// brokenWriter takes so many bytes.
type brokenWriter int

func (w *brokenWriter) Write(p []byte) (int, error) {
	if *w -= brokenWriter(len(p)); *w < 0 {
		return 0, io.ErrShortWrite
	}
	return len(p), nil
}

// Every way that a download can go wrong is told; the bytes so far are told with their whole.
func TestBrokenDownloads(t *testing.T) {
	data := bytes.Repeat([]byte("x"), 3<<20)
	sum := fmt.Sprintf("%x  disk\n", sha512.Sum512(data))
	sums, length, status := sum, -1, 200
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/SUMS" {
			fmt.Fprint(w, sums)
			return
		}
		if length >= 0 {
			w.Header().Set("Content-Length", fmt.Sprint(length))
		}
		w.WriteHeader(status)
		w.(http.Flusher).Flush()
		_, _ = w.Write(data)
	}))
	defer server.Close()
	e := Entry{URL: server.URL + "/disk", Sums: "SUMS", Arches: plainArches}
	fetch := func(w io.Writer, progress func(done, total int64)) error {
		return e.Fetch(t.Context(), server.Client(), "x86_64", w, progress)
	}
	var told []int64
	for _, length = range []int{-1, len(data)} {
		told = nil
		if err := fetch(io.Discard, func(done, total int64) {
			if total != int64(length) {
				t.Errorf("the whole is told as %d, want %d", total, length)
			}
			told = append(told, done)
		}); err != nil || len(told) < 2 || !slices.IsSorted(told) || told[len(told)-1] != int64(len(data)) {
			t.Errorf("with the length %d: %v, progress %v", length, err, told)
		}
	}
	if err := fetch(io.Discard, nil); err != nil {
		t.Errorf("without progress: %v", err)
	}
	w := brokenWriter(1000)
	if err := fetch(&w, nil); !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("to a disk that is full: %v", err)
	}
	length = len(data) + 1
	if err := fetch(io.Discard, nil); !errs.Is(err, errs.Unavailable) || !strings.Contains(err.Error(), "broke off") {
		t.Errorf("cut: %v", err)
	}
	length, status = -1, 404
	if err := fetch(io.Discard, nil); !errs.Is(err, errs.Unavailable) || !strings.Contains(err.Error(), "404") {
		t.Errorf("not there: %v", err)
	}
	status, sums = 200, strings.Repeat("x", 100_000)
	if err := fetch(io.Discard, nil); !errs.Is(err, errs.Unavailable) || !strings.Contains(err.Error(), "cannot be read") {
		t.Errorf("a list with a line that never ends: %v", err)
	}
	sums = strings.Repeat("0\n", 600_000) + sum
	if err := fetch(io.Discard, nil); !errs.Is(err, errs.Unavailable) || !strings.Contains(err.Error(), "does not name") {
		t.Errorf("a list that never ends: %v", err)
	}
	server.Close()
	if err := fetch(io.Discard, nil); !errs.Is(err, errs.Unavailable) || !strings.Contains(err.Error(), "cannot be reached") {
		t.Errorf("a server that is away: %v", err)
	}
	e.URL = "http://%zz/x"
	if err := fetch(io.Discard, nil); err == nil {
		t.Error("what is no URL is fetched")
	}
}

// The kind of hash is known by its length; a list may have another's too.
func TestKindsOfSums(t *testing.T) {
	for digits, name := range map[int]string{32: "md5", 64: "sha256", 128: "sha512"} {
		s, ok := parseSum(strings.Repeat("a", digits)+"  x", "x")
		if !ok || s.algorithm().Size() != digits/2 {
			t.Errorf("%d digits are not %s", digits, name)
		}
	}
	if s, ok := parseSum("SHA256 (x) = "+strings.Repeat("A", 64), "x"); !ok || s.digest != strings.Repeat("a", 64) {
		t.Errorf("in brackets: %v, %v", s.digest, ok)
	}
}

// What a minimal disk and memory of an image are, as they are registered.
func TestSizes(t *testing.T) {
	got := map[string][2]any{}
	for _, e := range List() {
		a := e.Attributes("x86_64")
		got[e.Name] = [2]any{a["min_disk"], a["min_ram"]}
		if !strings.HasPrefix(e.String(), e.Name+" ") || !strings.HasSuffix(e.String(), e.Title) {
			t.Errorf("described as %q", e)
		}
	}
	want := map[string][2]any{
		"debian-12": {2, 256}, "debian-13": {2, 256}, "ubuntu-22.04": {4, 512}, "ubuntu-24.04": {4, 512},
		"rocky-9": {10, 1024}, "almalinux-9": {10, 1024}, "cirros-0.6.2": {1, 128},
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("sizes are %v, want %v", got, want)
	}
}
