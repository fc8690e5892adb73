package catalogue

import (
	"bytes"
	"context"
	"crypto/sha512"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
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
