package api_test

import (
	"bytes"
	"compress/gzip"
	"crypto/md5"
	"crypto/sha512"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"kumoi/internal/image"
	"kumoi/internal/image/backend/fake"
	"kumoi/internal/kernel/store/storetest"
)

// What is claimed of data at a place must have the form of a hash, agree with
// what is known, and be true before the image is active.
func TestClaims(t *testing.T) {
	t.Parallel()
	data := noise(5000)
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
	}))
	t.Cleanup(web.Close)
	sum5, sum512 := md5.Sum(data), sha512.Sum512(data)
	checksum, hash := hex.EncodeToString(sum5[:]), hex.EncodeToString(sum512[:])
	type claim map[string]any
	withWeb(t, func(t *testing.T, c *cloud) {
		for _, tc := range []struct {
			claim  any
			post   int // by the newer API
			patch  int
			proven bool
		}{
			{nil, 202, 200, true},
			{claim{}, 202, 200, true},
			{claim{"os_hash_algo": "sha512", "os_hash_value": hash, "checksum": checksum}, 202, 200, true},
			{claim{"os_hash_value": hash}, 202, 200, true},
			{claim{"os_hash_value": strings.ToUpper(hash), "checksum": strings.ToUpper(checksum)}, 202, 200, true},
			{claim{"checksum": checksum}, 202, 200, true},
			{claim{"checksum": strings.Repeat("0", 32)}, 202, 200, false},
			{claim{"checksum": strings.Repeat("0", 32), "os_hash_value": hash}, 202, 200, false},
			{claim{"checksum": checksum, "os_hash_value": strings.Repeat("9aAfF", 25) + "000"}, 202, 200, false},
			{claim{"os_hash_algo": "sha512"}, 202, 200, true},
			{claim{"os_hash_algo": "sha256", "os_hash_value": hash}, 409, 409, false},
			{claim{"os_hash_value": hash[1:]}, 400, 400, false},
			{claim{"os_hash_value": hash + "0"}, 400, 400, false},
			{claim{"os_hash_value": "g" + hash[1:]}, 400, 400, false},
			{claim{"os_hash_value": "G" + hash[1:]}, 400, 400, false},
			{claim{"os_hash_value": "/" + hash[1:]}, 400, 400, false},
			{claim{"os_hash_value": ":" + hash[1:]}, 400, 400, false},
			{claim{"os_hash_value": "@" + hash[1:]}, 400, 400, false},
			{claim{"os_hash_value": "`" + hash[1:]}, 400, 400, false},
			{claim{"checksum": checksum[1:]}, 400, 400, false},
			{claim{"checksum": 1}, 400, 400, false},
			{claim{"more": "x"}, 400, 400, false},
			{"x", 400, 400, false},
		} {
			id := c.create("alice")
			c.As("alice").Want(tc.post, "POST", "/v2/images/"+id+"/locations", map[string]any{"url": web.URL, "validation_data": tc.claim})
			c.settle()
			img := c.show("alice", id)
			if active := img["status"] == "active"; active != tc.proven || active && (img["os_hash_value"] != hash || img["checksum"] != checksum || img["virtual_size"] != 5000.0) {
				t.Errorf("with the claim %v: %v", tc.claim, img)
			}
			id = c.create("alice")
			at := map[string]any{"url": web.URL, "metadata": map[string]any{}}
			if tc.claim != nil {
				at["validation_data"] = tc.claim
			}
			c.As("alice").Want(tc.patch, "PATCH", "/v2/images/"+id, add("locations/-", at), "Content-Type", patch21)
			c.As("alice").Want(tc.patch, "PATCH", "/v2/images/"+c.create("alice"), []any{map[string]any{"op": "replace", "path": "/locations", "value": []any{at}}}, "Content-Type", patch21)
		}
		// What is known of an image is not claimed otherwise, nor anew once it is active.
		id := c.create("alice")
		at := func(path string, v claim) map[string]any {
			return map[string]any{"url": web.URL + path, "metadata": map[string]any{}, "validation_data": v}
		}
		c.As("alice").Want(200, "PATCH", "/v2/images/"+id, add("locations/-", at("/a", claim{"checksum": checksum})), "Content-Type", patch21)
		one := map[string]any{"url": web.URL + "/a", "metadata": map[string]any{}}
		other := map[string]any{"url": web.URL + "/z", "metadata": map[string]any{}}
		for _, list := range [][]any{{one, other}, {other}, {}} {
			if a := c.As("alice").Do("PATCH", "/v2/images/"+id, []any{map[string]any{"op": "replace", "path": "/locations", "value": list}}, "Content-Type", patch21); a.Status != 400 && a.Status != 403 {
				t.Errorf("other places for an active image: %d", a.Status)
			}
		}
		for status, claims := range map[int][]claim{200: {{"checksum": checksum}, {}}, 409: {{"checksum": strings.Repeat("0", 32)}, {"os_hash_value": hash}}} {
			for i, v := range claims {
				c.As("alice").Want(status, "PATCH", "/v2/images/"+id, add("locations/-", at(fmt.Sprintf("/%d-%d", status, i), v)), "Content-Type", patch21)
			}
		}
		if img := c.show("alice", id); img["checksum"] != checksum || len(img["locations"].([]any)) != 3 {
			t.Errorf("after claims: %v", img)
		}
		// Places at which something may be put, and from which it may be taken.
		locations := func(status int, who, op, path string, value any) {
			t.Helper()
			m := map[string]any{"op": op, "path": "/locations" + path}
			if op != "remove" {
				m["value"] = value
			}
			c.As(who).Want(status, "PATCH", "/v2/images/"+id, []any{m}, "Content-Type", patch21)
		}
		for _, path := range []string{"/4", "/-1", "/x", "/9"} {
			locations(400, "alice", "add", path, at("/new", nil))
			locations(400, "admin", "remove", path, nil)
		}
		locations(400, "admin", "remove", "/3", nil)
		locations(200, "alice", "add", "/3", at("/last", nil))
		locations(200, "alice", "add", "/0", at("/first", nil))
		var order string
		for _, l := range c.show("alice", id)["locations"].([]any) {
			order += strings.TrimPrefix(l.(map[string]any)["url"].(string), web.URL) + " "
		}
		if order != "/first /a /200-0 /200-1 /last " {
			t.Errorf("locations are at %s", order)
		}
		locations(200, "admin", "remove", "/-", nil)
		locations(200, "admin", "remove", "/0", nil)
		for _, bad := range []any{"x", []any{"x"}, []any{map[string]any{"url": web.URL}}, []any{map[string]any{"url": "", "metadata": map[string]any{}}}, []any{at("/a", nil), at("/a", nil)}} {
			locations(400, "alice", "replace", "", bad)
		}
		locations(403, "reader", "replace", "", []any{at("/a", nil)})
		id = c.create("alice")
		locations(409, "admin", "remove", "/0", nil)
		locations(409, "admin", "remove", "/-", nil)
		c.As("alice").Want(200, "PATCH", "/v2/images/"+id, []any{map[string]any{"op": "replace", "path": "/locations", "value": []any{at("/a", claim{}), at("/b", claim{})}}}, "Content-Type", patch21)
		if img := c.show("alice", id); img["status"] != "active" || img["size"] != 5000.0 || len(img["locations"].([]any)) != 2 {
			t.Errorf("with two places: %v", img)
		}
		c.As("alice").Want(204, "POST", "/v2/images/"+id+"/actions/deactivate", nil)
		locations(409, "alice", "add", "/-", at("/c", nil))
		// An image that needs a format before it has data needs it here too.
		bare := c.As("alice").Want(201, "POST", "/v2/images", map[string]any{"disk_format": "raw"}).Text("id")
		c.As("alice").Want(400, "PATCH", "/v2/images/"+bare, add("locations/-", at("/a", claim{})), "Content-Type", patch21)
	})
	// Where records do not show places, patches do not set them.
	c := newCloud(t, storetest.SQLite(t))
	id := c.create("alice")
	at := map[string]any{"url": web.URL, "metadata": map[string]any{}}
	c.As("alice").Want(403, "PATCH", "/v2/images/"+id, add("locations/-", at), "Content-Type", patch21)
	c.As("alice").Want(403, "POST", "/v2/images", map[string]any{"locations": []any{at}})
	if img := c.show("alice", id); img["locations"] != nil {
		t.Errorf("it shows where it lies: %v", img)
	}
}

// Packed data is unpacked as far as its limit goes, what only looks packed is
// told, and what is too short to tell is taken as it is.
func TestPackedImports(t *testing.T) {
	t.Parallel()
	pack := func(b []byte) []byte {
		var out bytes.Buffer
		z := gzip.NewWriter(&out)
		_, _ = z.Write(b)
		_ = z.Close()
		return out.Bytes()
	}
	whole := pack(noise(5000))
	changed := func(i int) []byte {
		b := bytes.Clone(whole)
		b[len(b)-i] ^= 1
		return b
	}
	c := newCloud(t, storetest.SQLite(t), func(d *image.Deps) { d.Config.Decompress, d.Config.SizeCap = true, 100_000 })
	for _, tc := range []struct {
		name, container string
		data            []byte
		size            any // of the image; nil: it is refused
		why             string
	}{
		{"whole", "bare", whole, 5000.0, ""},
		{"twice", "bare", pack(whole), float64(len(whole)), ""},
		{"in a container", "ova", whole, float64(len(whole)), ""},
		{"short", "bare", whole[:5], 5.0, ""},
		{"cut", "bare", whole[:len(whole)-20], nil, "broken"},
		{"no end", "bare", whole[:len(whole)-8], nil, "broken"},
		{"another sum", "bare", changed(8), nil, "broken"},
		{"another length", "bare", changed(1), nil, "broken"},
		{"no header", "bare", whole[:8], nil, "broken"},
		{"a bomb", "bare", pack(make([]byte, 100_001)), nil, "too large"},
		{"as large as may be", "bare", pack(make([]byte, 100_000)), 100_000.0, ""},
		{"another method", "bare", append([]byte{0x1f, 0x8b, 9}, whole[3:]...), nil, "broken"},
	} {
		id := c.create("alice", "container_format", tc.container)
		c.As("alice").Want(204, "PUT", "/v2/images/"+id+"/stage", tc.data)
		c.importBy(202, "alice", id, "glance-direct", nil)
		c.settle()
		img := c.show("alice", id)
		task := c.As("alice").Want(200, "GET", "/v2/images/"+id+"/tasks", nil)
		if img["size"] != tc.size || !strings.Contains(task.Text("tasks.0.message"), tc.why) {
			t.Errorf("%s: %v, %s", tc.name, img, task.Raw)
		}
	}
}

// What the operator adds to imports of users comes with them, not with his own.
func TestInjected(t *testing.T) {
	t.Parallel()
	c := newCloud(t, storetest.SQLite(t), func(d *image.Deps) { d.Config.Inject = map[string]string{"checked": "no"} })
	for who, want := range map[string]any{"alice": "no", "admin": nil} {
		id := c.create(who)
		c.As(who).Want(204, "PUT", "/v2/images/"+id+"/stage", noise(10))
		c.importBy(202, who, id, "glance-direct", nil)
		c.settle()
		if img := c.show(who, id); img["checked"] != want || img["status"] != "active" {
			t.Errorf("by %s: %v", who, img)
		}
	}
}

// Which imports are refused, and with which word.
func TestRefusedImports(t *testing.T) {
	t.Parallel()
	one, two := fake.New("one"), fake.New("two")
	c := newCloud(t, storetest.SQLite(t), func(d *image.Deps) {
		d.Stores = []image.NamedStore{{ID: "one", Backend: one}, {ID: "two", Backend: two}}
		d.Config.WebAllow = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	})
	web := map[string]any{"uri": "http://127.0.0.1:1/"}
	with := func(more ...any) map[string]any {
		out := map[string]any{"uri": "http://127.0.0.1:1/"}
		for i := 0; i < len(more); i += 2 {
			out[more[i].(string)] = more[i+1]
		}
		return out
	}
	queued, staged, active := c.create("alice"), c.create("alice"), c.create("alice")
	c.As("alice").Want(204, "PUT", "/v2/images/"+staged+"/stage", noise(10))
	c.As("alice").Want(204, "PUT", "/v2/images/"+active+"/file", noise(10))
	plain := c.As("alice").Want(201, "POST", "/v2/images", map[string]any{"container_format": "bare"}).Text("id")
	bare := c.As("alice").Want(201, "POST", "/v2/images", map[string]any{"disk_format": "raw"}).Text("id")
	for _, tc := range []struct {
		status          int
		who, id, method string
		more            map[string]any
	}{
		{409, "alice", active, "web-download", web},
		{409, "alice", active, "glance-direct", nil},
		{409, "admin", queued, "copy-image", nil},
		{409, "admin", staged, "copy-image", nil},
		{409, "alice", staged, "web-download", web},
		{409, "alice", queued, "glance-direct", nil},
		{409, "alice", plain, "web-download", web},
		{409, "alice", bare, "web-download", web},
		{403, "reader", queued, "web-download", web},
		{403, "reader", active, "web-download", web},
		{404, "bob", queued, "web-download", web},
		{403, "alice", active, "copy-image", with("all_stores", true)},
		{400, "alice", queued, "web-download", nil},
		{400, "alice", queued, "web-download", map[string]any{"uri": "x"}},
		{400, "alice", queued, "web-download", with("all_stores", true, "stores", []string{"one"})},
		{400, "alice", queued, "web-download", with("stores", []string{"one", "one"})},
		{409, "alice", queued, "web-download", with("stores", []string{"one", "none"})},
		{400, "alice", queued, "glance-download", map[string]any{"glance_image_id": active}},
		{400, "alice", queued, "glance-download", map[string]any{"glance_region": "RegionOne"}},
		{400, "admin", active, "copy-image", with("stores", []string{"one"})},
		{400, "admin", active, "copy-image", nil},
		{400, "admin", active, "copy-image", with("stores", []string{"two", "two"})},
	} {
		c.importBy(tc.status, tc.who, tc.id, tc.method, tc.more)
	}
	for _, bad := range []any{map[string]any{}, map[string]any{"method": nil}, map[string]any{"method": map[string]any{}}, map[string]any{"method": "x"}, map[string]any{"method": map[string]any{"name": "web-download"}, "stores": "x"}} {
		c.As("alice").Want(400, "POST", "/v2/images/"+queued+"/import", bad)
	}
	// The header of an upload names the store where the body names none.
	c.As("alice").Want(202, "POST", "/v2/images/"+staged+"/import", map[string]any{"method": map[string]any{"name": "glance-direct"}}, "X-Image-Meta-Store", "two")
	c.settle()
	if img := c.show("alice", staged); img["stores"] != "two" {
		t.Errorf("imported with a header: %v", img)
	}
	// An image that is where it shall be copied to has nothing to wait for.
	c.importBy(202, "admin", active, "copy-image", map[string]any{"all_stores": true})
	c.settle()
	c.importBy(202, "admin", active, "copy-image", map[string]any{"all_stores": true})
	if img := c.show("alice", active); img["stores"] != "one,two" || img["os_glance_importing_to_stores"] != "" || img["os_glance_failed_import"] != "" || img["os_glance_import_task"] != nil {
		t.Errorf("copied twice: %v", img)
	}
	if img := c.show("alice", queued); img["status"] != "queued" || img["os_glance_import_task"] != nil {
		t.Errorf("what was refused leaves %v", img)
	}
}
