package api_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"kumoi/internal/image"
	"kumoi/internal/kernel/store/storetest"
)

const patch21 = "application/openstack-images-v2.1-json-patch"

// add is the body of a patch that adds one value.
func add(name string, value any) []any {
	return []any{map[string]any{"op": "add", "path": "/" + name, "value": value}}
}

// What an attribute may be at most is taken, the next is not, when an image is
// made and when it is changed.
func TestAttributesAreBounded(t *testing.T) {
	t.Parallel()
	c := newCloud(t, storetest.SQLite(t))
	long := func(n int) string { return strings.Repeat("é", n) }
	tags := func(n int) (out []string) {
		for i := range n {
			out = append(out, fmt.Sprint(i))
		}
		return out
	}
	for _, tc := range []struct {
		name           string
		good, bad, too []any // too: there are limits beside the schema
	}{
		{"name", []any{"", nil, long(255)}, []any{long(256), "a\x00", 1, true}, nil},
		{"owner", []any{long(255)}, []any{long(256), "a\x00", 1}, nil},
		{"min_disk", []any{0, 1, 1<<31 - 1}, []any{-1, 1 << 31, 1.5, "1", nil, true, int64(1) << 62}, nil},
		{"min_ram", []any{0, 1, 1<<31 - 1}, []any{-1, 1 << 31, 1.5, "1", nil}, nil},
		{"protected", []any{true, false}, []any{"true", nil, 1}, nil},
		{"os_hidden", []any{true, false}, []any{"true", nil, 1}, nil},
		{"visibility", []any{"private", "shared", "community", "public"}, []any{"", nil, "Public", 1}, nil},
		{"disk_format", []any{nil, "raw", "ploop"}, []any{"", "RAW", "bare", 1}, nil},
		{"container_format", []any{nil, "bare", "compressed"}, []any{"", "raw", 1}, nil},
		{"tags", []any{[]string{}, []string{"", "a", "a"}, []string{long(255)}, tags(128)}, []any{nil, "a", []string{long(256)}, []any{1}, []string{"a\x00"}}, []any{tags(129)}},
		{"a property", []any{"", strings.Repeat("x", 65535)}, []any{nil, 1, true, strings.Repeat("x", 65536), "a\x00"}, nil},
		{"kernel_id", []any{nil, "11111111-2222-3333-4444-555555555555"}, []any{"", "x", 1}, nil},
		{"ramdisk_id", []any{nil, "11111111-2222-3333-4444-555555555555"}, []any{"", "x"}, nil},
		{"instance_uuid", []any{nil, "x"}, []any{1}, nil},
		{long(255), []any{"x"}, []any{nil}, nil},
		{long(256), nil, []any{"x"}, nil},
		{"nul\x00", nil, []any{"x"}, nil},
	} {
		id := c.create("admin")
		for status, values := range map[int][]any{201: tc.good, 400: tc.bad, 413: tc.too} {
			for _, v := range values {
				told := fmt.Sprintf("%.20q as %.20v", tc.name, v)
				if a := c.As("admin").Do("POST", "/v2/images", map[string]any{tc.name: v}); a.Status != status {
					t.Errorf("%s: made with status %d, want %d: %s", told, a.Status, status, a.Raw)
				}
				a := c.As("admin").Do("PATCH", "/v2/images/"+id, add(tc.name, v), "Content-Type", patch21)
				if want := map[int]int{201: 200, 400: 400, 413: 413}[status]; a.Status != want {
					t.Errorf("%s: changed with status %d, want %d: %s", told, a.Status, want, a.Raw)
				}
			}
		}
	}
	c.As("alice").Want(400, "POST", "/v2/images", map[string]any{"": "x"})
	for id, status := range map[any]int{"11111111-2222-3333-4444-555555555555": 201, "1111-2222": 400, "": 400, 1: 400} {
		c.As("alice").Want(status, "POST", "/v2/images", map[string]any{"id": id})
	}
	// Tags are kept once each, sorted.
	id := c.create("alice", "tags", []string{"b", "a", "b"})
	c.As("alice").Want(204, "PUT", "/v2/images/"+id+"/tags/c", nil)
	c.As("alice").Want(204, "PUT", "/v2/images/"+id+"/tags/a", nil)
	if got := fmt.Sprint(c.show("alice", id)["tags"]); got != "[a b c]" {
		t.Errorf("tags: %s", got)
	}
	c.As("alice").Want(204, "PUT", "/v2/images/"+id+"/tags/"+long(255), nil)
	c.As("alice").Want(400, "PUT", "/v2/images/"+id+"/tags/"+long(256), nil)
	c.As("alice").Want(400, "PUT", "/v2/images/"+id+"/tags/%00", nil)
	for _, tag := range []string{"b", "a", "c"} {
		c.As("alice").Want(204, "DELETE", "/v2/images/"+id+"/tags/"+tag, nil)
		c.As("alice").Want(404, "DELETE", "/v2/images/"+id+"/tags/"+tag, nil)
	}
	if got := c.show("alice", id)["tags"].([]any); len(got) != 1 {
		t.Errorf("tags: %v", got)
	}
	// What a request repeats of itself in an answer is cut.
	for name, n := range map[string]int{strings.Repeat("x", 255): 255, strings.Repeat("x", 300): 255} {
		a := c.As("alice").Want(404, "GET", "/v2/images/"+name, nil, "Accept", "application/json").Text("message")
		if got := strings.Count(a, "x"); got != n || strings.Contains(a, "…") != (len(name) > n) {
			t.Errorf("of %d characters %d come back: %s", len(name), got, a)
		}
	}
}

// What belongs to an image is counted; what the service itself writes there is not.
func TestCountsAreBounded(t *testing.T) {
	t.Parallel()
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(noise(10)))
	}))
	t.Cleanup(web.Close)
	withWeb(t, func(t *testing.T, c *cloud) {
		over := func(attempted int, a int, text string) {
			t.Helper()
			if want := fmt.Sprintf("Attempted: %d, Maximum: %d", attempted, a); !strings.Contains(text, want) {
				t.Errorf("%s: want %s", text, want)
			}
		}
		body := map[string]any{"disk_format": "raw", "container_format": "bare"}
		for i := range 128 {
			body[fmt.Sprintf("p%d", i)] = "x"
		}
		id := c.As("alice").Want(201, "POST", "/v2/images", body).Text("id")
		over(129, 128, string(c.As("alice").Want(413, "PATCH", "/v2/images/"+id, add("more", "x"), "Content-Type", patch21).Raw))
		c.importBy(202, "alice", id, "web-download", map[string]any{"uri": web.URL})
		c.settle()
		if img := c.show("alice", id); img["status"] != "active" || img["os_glance_failed_import"] == nil {
			t.Errorf("imported: %v", img)
		}
		c.As("alice").Want(200, "PATCH", "/v2/images/"+id, add("p1", "y"), "Content-Type", patch21)
		body["more"] = "x"
		over(129, 128, string(c.As("alice").Want(413, "POST", "/v2/images", body).Raw))

		id = c.create("alice")
		for i := range 128 {
			c.As("alice").Want(204, "PUT", fmt.Sprintf("/v2/images/%s/tags/%d", id, i), nil)
			c.As("alice").Want(200, "POST", "/v2/images/"+id+"/members", map[string]any{"member": fmt.Sprint("p-", i)})
		}
		over(129, 128, string(c.As("alice").Want(413, "PUT", "/v2/images/"+id+"/tags/more", nil).Raw))
		over(129, 128, string(c.As("alice").Want(413, "POST", "/v2/images/"+id+"/members", map[string]any{"member": "p-more"}).Raw))
		id = c.create("alice")
		for member, status := range map[any]int{strings.Repeat("é", 255): 200, strings.Repeat("é", 256): 400, "": 400, "x\x00": 400, 1: 400, nil: 400} {
			c.As("alice").Want(status, "POST", "/v2/images/"+id+"/members", map[string]any{"member": member})
		}
		at := func(i int) map[string]any {
			return map[string]any{"url": fmt.Sprintf("%s/%d", web.URL, i), "metadata": map[string]any{}}
		}
		for i := range 10 {
			c.As("alice").Want(200, "PATCH", "/v2/images/"+id, add("locations/-", at(i)), "Content-Type", patch21)
		}
		over(11, 10, string(c.As("alice").Want(413, "PATCH", "/v2/images/"+id, add("locations/-", at(10)), "Content-Type", patch21).Raw))
		for n, status := range map[int]int{4096: 202, 4097: 403} {
			url := web.URL + "/"
			url += strings.Repeat("x", n-len(url))
			c.As("alice").Want(status, "POST", "/v2/images/"+c.create("alice")+"/locations", map[string]any{"url": url})
		}
		c.settle()
	})
}

// qcow2 is an image of a disk of so many bytes.
func qcow2(disk int64) []byte {
	return hostileQcow(func(h []byte) { binary.BigEndian.PutUint64(h[24:], uint64(disk)) })
}

// Data may be as long as the limit by each way in, and what it claims to be as large.
func TestSizesAreBounded(t *testing.T) {
	t.Parallel()
	const limit = 100_000
	var data []byte
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(data) }))
	t.Cleanup(web.Close)
	c := newCloud(t, storetest.SQLite(t), func(d *image.Deps) {
		d.Config.SizeCap, d.Config.VirtualSizeCap = limit, 1<<30
		d.Config.WebAllow = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	})
	for n, good := range map[int]bool{limit: true, limit + 1: false} {
		data = noise(n)
		upload := map[bool]int{true: 204, false: 413}[good]
		state := map[bool]string{true: "active", false: "queued"}[good]
		for _, send := range []func() any{func() any { return data }, func() any { return io.MultiReader(bytes.NewReader(data)) }} {
			id := c.create("alice")
			c.As("alice").Want(upload, "PUT", "/v2/images/"+id+"/file", send())
			if img := c.show("alice", id); img["status"] != state {
				t.Errorf("%d bytes uploaded: %v", n, img)
			}
			c.As("alice").Want(upload, "PUT", "/v2/images/"+c.create("alice")+"/stage", send())
		}
		id := c.create("alice")
		c.importBy(202, "alice", id, "web-download", map[string]any{"uri": web.URL})
		c.settle()
		if img := c.show("alice", id); img["status"] != state {
			t.Errorf("%d bytes downloaded: %v", n, img)
		}
	}
	for disk, status := range map[int64]int{1 << 30: 204, 1<<30 + 512: 413} {
		id := c.create("alice", "disk_format", "qcow2")
		c.As("alice").Want(status, "PUT", "/v2/images/"+id+"/file", qcow2(disk))
		if img := c.show("alice", id); status == 204 && img["virtual_size"] != float64(disk) {
			t.Errorf("a disk of %d bytes: %v", disk, img)
		}
	}
	// What is announced must come.
	for header, status := range map[string]int{"10": 204, "9": 400, "11": 400, "-1": 400, "x": 400, "0": 400} {
		for _, way := range []string{"file", "stage"} {
			id := c.create("alice")
			c.As("alice").Want(status, "PUT", "/v2/images/"+id+"/"+way, noise(10), "X-Openstack-Image-Size", header)
			if img := c.show("alice", id); status == 400 && img["status"] != "queued" {
				t.Errorf("%s bytes announced by %s: %v", header, way, img)
			}
		}
	}
	// Nothing at all is data too.
	id := c.create("alice")
	c.As("alice").Want(204, "PUT", "/v2/images/"+id+"/file", []byte{})
	if img := c.show("alice", id); img["status"] != "active" || img["size"] != 0.0 || img["virtual_size"] != 0.0 {
		t.Errorf("empty data: %v", img)
	}
	if a := c.As("alice").Want(200, "GET", "/v2/images/"+id+"/file", nil); len(a.Raw) != 0 || a.Header.Get("Content-Length") != "0" {
		t.Errorf("empty data comes back as %d bytes", len(a.Raw))
	}
}

// Every form of a range, at its edges.
func TestRanges(t *testing.T) {
	t.Parallel()
	c := newCloud(t, storetest.SQLite(t))
	id := c.create("alice")
	c.As("alice").Want(204, "PUT", "/v2/images/"+id+"/file", []byte("0123456789"))
	for _, tc := range []struct {
		header, value, want, told string
	}{
		{"Range", "bytes=0-0", "0", "bytes 0-0/10"},
		{"Range", "bytes=5-5", "5", "bytes 5-5/10"},
		{"Range", "bytes=9-9", "9", "bytes 9-9/10"},
		{"Range", "bytes=8-10", "89", "bytes 8-9/10"},
		{"Range", "bytes=9-", "9", "bytes 9-9/10"},
		{"Range", " bytes=0-9 ", "0123456789", "bytes 0-9/10"},
		{"Range", "bytes=-1", "9", "bytes 9-9/10"},
		{"Range", "bytes=-10", "0123456789", "bytes 0-9/10"},
		{"Range", "bytes=-11", "0123456789", "bytes 0-9/10"},
		{"Range", "bytes=-0", "", ""},
		{"Range", "bytes=--1", "", ""},
		{"Range", "bytes=10-", "", ""},
		{"Range", "bytes=10-11", "", ""},
		{"Range", "bytes=5-4", "", ""},
		{"Range", "bytes=5", "", ""},
		{"Range", "bytes=-", "", ""},
		{"Range", "bytes=x-5", "", ""},
		{"Range", "bytes=5-x", "", ""},
		{"Range", "bytes=0-1,3-4", "", ""},
		{"Content-Range", "bytes 5-6/10", "56", "bytes 5-6/10"},
		{"Content-Range", "bytes 5-6/*", "56", "bytes 5-6/10"},
		{"Content-Range", "bytes 10-11/12", "", ""},
	} {
		a := c.As("alice").Do("GET", "/v2/images/"+id+"/file", nil, tc.header, tc.value)
		if tc.want == "" {
			if a.Status != 416 {
				t.Errorf("%s: %s: %d", tc.header, tc.value, a.Status)
			}
		} else if a.Status != 206 || string(a.Raw) != tc.want || a.Header.Get("Content-Range") != tc.told {
			t.Errorf("%s: %s: %d, %s as %s", tc.header, tc.value, a.Status, a.Raw, a.Header.Get("Content-Range"))
		}
	}
}

// Lists and filters have their edges too.
func TestListsAreBounded(t *testing.T) {
	t.Parallel()
	c := newCloud(t, storetest.SQLite(t), func(d *image.Deps) { d.Config.PageDefault, d.Config.PageMax = 2, 3 })
	for range 4 {
		c.create("alice")
	}
	for query, n := range map[string]int{"": 2, "?limit=3": 3, "?limit=4": 3, "?limit=1": 1, "?limit=0": 0} {
		a := c.As("alice").Want(200, "GET", "/v2/images"+query, nil)
		if got := len(a.Get("images").([]any)); got != n || (a.Object()["next"] != nil) != (n > 0) {
			t.Errorf("%q: %d images, next %v", query, got, a.Object()["next"])
		}
	}
	for n, status := range map[int]int{64 << 10: 200, 64<<10 + 1: 400} {
		c.As("alice").Want(status, "GET", "/v2/images?x="+strings.Repeat("y", n), nil)
	}
	for n, status := range map[int]int{1000: 200, 1001: 400} {
		c.As("alice").Want(status, "GET", "/v2/images?name=in:"+strings.Repeat("y,", n-1)+"y", nil)
	}
	for query, status := range map[string]int{
		`name=in:%22a%22`: 200, `name=in:%22a%22,b`: 200, `name=in:%22a%22b`: 400, `name=in:a%22b`: 400, `name=in:%22a`: 400,
	} {
		c.As("alice").Want(status, "GET", "/v2/images?"+query, nil)
	}
}

// What holds without a word of the operator's.
func TestDefaults(t *testing.T) {
	t.Parallel()
	const gib = 1 << 30
	got := image.DefaultConfig("/x")
	if err := got.Validate(); err != nil {
		t.Error(err)
	}
	for name, same := range map[string]bool{
		"size":            got.SizeCap == 1024*gib && got.VirtualSizeCap == 8192*gib,
		"counts":          got.MaxProperties == 128 && got.MaxTags == 128 && got.MaxMembers == 128 && got.MaxLocations == 10,
		"pages":           got.PageDefault == 25 && got.PageMax == 1000,
		"times":           got.Lease == 20*time.Second && got.TaskLife == 48*time.Hour,
		"cache":           got.CacheSize == 10*gib,
		"imports":         len(got.ImportMethods) == 4 && got.Convert == "" && !got.Decompress,
		"formats":         !got.StrictFormats && !got.ShowLocations,
		"names":           got.Node == "kumoi" && got.Region == "RegionOne" && got.DataDir == "/x" && got.DefaultStore == "",
		"what is copied":  strings.Join(got.CopyProperties, " ") == "hw_* trait:* os_distro os_secure_boot os_type",
		"what is allowed": len(got.WebAllow)+len(got.WebHosts)+len(got.Inject) == 0,
	} {
		if !same {
			t.Errorf("%s: %+v", name, got)
		}
	}
	for name, change := range map[string]func(*image.Config){
		"folder": func(c *image.Config) { c.DataDir = "x" }, "format": func(c *image.Config) { c.Convert = "vmdk" },
		"method": func(c *image.Config) { c.ImportMethods = []string{"glance-direct", "magic"} },
	} {
		bad := got
		if change(&bad); bad.Validate() == nil {
			t.Errorf("a wrong %s is taken", name)
		}
	}
	for _, format := range []string{"", "raw", "qcow2"} {
		good := got
		if good.Convert = format; good.Validate() != nil {
			t.Errorf("the format %q is not taken", format)
		}
	}
}
