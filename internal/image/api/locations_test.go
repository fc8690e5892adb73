package api_test

import (
	"bytes"
	"crypto/sha512"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"

	"kumoi/internal/image"
	"kumoi/internal/image/backend/web"
	"kumoi/internal/image/webget"
)

// withWeb is a cloud that shows where images lie, and takes places on this machine.
func withWeb(t *testing.T, f func(t *testing.T, c *cloud)) {
	allow := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	each(t, f, func(d *image.Deps) {
		d.Stores = []image.NamedStore{{ID: "file", Backend: fileStore(t)}, {ID: "web", Backend: web.New(webget.Rules{Allow: allow})}}
		d.Config.ShowLocations, d.Config.WebAllow, d.Config.CacheSize = true, allow, 0
	})
}

func TestLocations(t *testing.T) {
	t.Parallel()
	data := noise(100_000)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.ServeContent(w, r, "x", time.Time{}, bytes.NewReader(data))
	}))
	t.Cleanup(server.Close)
	withWeb(t, func(t *testing.T, c *cloud) {
		patch := func(status int, who, id string, ops ...map[string]any) {
			t.Helper()
			c.As(who).Want(status, "PATCH", "/v2/images/"+id, ops, "Content-Type", patch21)
		}
		at := func(url string, meta map[string]any) map[string]any {
			return map[string]any{"url": url, "metadata": meta}
		}
		id := c.create("alice")
		for _, bad := range []string{"gopher://x/", "file:///etc/passwd", "x", "http://"} {
			patch(400, "alice", id, map[string]any{"op": "add", "path": "/locations/-", "value": at(bad, map[string]any{})})
		}
		patch(403, "alice", id, map[string]any{"op": "replace", "path": "/locations", "value": []any{}})
		patch(200, "alice", id, map[string]any{"op": "add", "path": "/locations/-", "value": at(server.URL+"/x", map[string]any{"a": "b"})})
		img := c.show("alice", id)
		if img["status"] != "active" || img["size"] != 100000.0 || img["stores"] != "web" {
			t.Errorf("with a location: %v", img)
		}
		if got := c.As("alice").Want(206, "GET", "/v2/images/"+id+"/file", nil, "Range", "bytes=5-9"); !bytes.Equal(got.Raw, data[5:10]) {
			t.Errorf("a part by location: %x", got.Raw)
		}
		if got := c.As("alice").Want(200, "GET", "/v2/images/"+id+"/file", nil); !bytes.Equal(got.Raw, data) {
			t.Errorf("by location: %d bytes", len(got.Raw))
		}
		patch(400, "alice", id, map[string]any{"op": "add", "path": "/locations/-", "value": at(server.URL+"/x", map[string]any{})})
		patch(200, "alice", id, map[string]any{"op": "add", "path": "/locations/0", "value": at(server.URL+"/y", map[string]any{})})
		patch(400, "alice", id, map[string]any{"op": "replace", "path": "/locations", "value": []any{at(server.URL+"/z", map[string]any{})}})
		patch(400, "alice", id, map[string]any{"op": "replace", "path": "/locations", "value": []any{at(server.URL+"/x", map[string]any{})}})
		patch(200, "alice", id, map[string]any{"op": "replace", "path": "/locations", "value": []any{at(server.URL+"/x", map[string]any{"c": "d"}), at(server.URL+"/y", map[string]any{})}})
		patch(403, "alice", id, map[string]any{"op": "remove", "path": "/locations/0"})
		patch(400, "admin", id, map[string]any{"op": "remove", "path": "/locations/7"})
		patch(200, "admin", id, map[string]any{"op": "remove", "path": "/locations/1"})
		patch(403, "admin", id, map[string]any{"op": "remove", "path": "/locations/0"})
		locations := c.show("alice", id)["locations"].([]any)
		if len(locations) != 1 || locations[0].(map[string]any)["metadata"].(map[string]any)["c"] != "d" {
			t.Errorf("locations: %v", locations)
		}

		// The newer form hashes what is there before it believes anything.
		sum := sha512.Sum512(data)
		for _, tc := range []struct {
			hash, status string
		}{{hex.EncodeToString(sum[:]), "active"}, {hex.EncodeToString(make([]byte, 64)), "queued"}} {
			id := c.create("alice")
			path := "/v2/images/" + id + "/locations"
			claim := map[string]any{"os_hash_algo": "sha512", "os_hash_value": tc.hash}
			c.As("alice").Want(400, "POST", path, map[string]any{"validation_data": claim})
			c.As("bob").Want(404, "POST", path, map[string]any{"url": server.URL})
			c.As("alice").Want(400, "POST", path, map[string]any{"url": server.URL, "validation_data": map[string]any{"os_hash_value": "short"}})
			c.As("alice").Want(202, "POST", path, map[string]any{"url": server.URL + "/x", "validation_data": claim})
			c.settle()
			img := c.show("alice", id)
			if img["status"] != tc.status || tc.status == "active" && img["os_hash_value"] != tc.hash {
				t.Errorf("claimed %.8s: %v", tc.hash, img)
			}
			c.As("alice").Want(403, "GET", path, nil)
			c.As("admin").Want(200, "GET", path, nil)
		}
		c.As("alice").Want(403, "POST", "/v2/images/"+c.create("alice")+"/locations", map[string]any{"url": "file:///etc/passwd"})
	})
}
