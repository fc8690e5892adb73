package api_test

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"kumoi/internal/image"
	"kumoi/internal/kernel/store"
	"kumoi/internal/kernel/store/storetest"
)

// TestAdvisories tries what Glance's published security advisories were about,
// as far as no other test does. The list, by class:
//
// Data that names files of the host:
//
//	CVE-2015-5163, CVE-2022-47951, CVE-2024-32498 (OSSA-2024-001), CVE-2024-40767 (OSSA-2024-002)
//	               backing files, flat and sparse VMDKs, external data files, declared as raw or not: TestHostileImports
//
// Places that the service would fetch from:
//
//	CVE-2026-34881 (OSSA-2026-004)
//	               redirects of web-download and glance-download, and addresses written as numbers: here and internal/image/webget
//	CVE-2017-7200, CVE-2014-9493, CVE-2015-1195
//	               ports inside by copy_from, and file:, filesystem: and swift+config: as locations: TestLocations and here
//
// What is another project's:
//
//	CVE-2012-4573, -5482, CVE-2013-1840, -4354, -4428
//	               deletion, locations, members and cached copies of images of others: here, TestRoles and internal/image/api/cache_test.go
//	CVE-2015-8234, CVE-2016-0757, CVE-2022-4134
//	               data that changes under an image: locations of an active image are not replaced, TestLocations;
//	               a checksum proves the data where it is claimed
//	OSSN-0075      an id that is free again: TestIDsAreNeverFreeAgain
//	CVE-2021-20236 and others of shared links: there are none
//
// Exhaustion: CVE-2014-0162 (commands in locations), CVE-2014-5356, -9623, -9684,
// CVE-2015-1881, -5251, -5286, CVE-2016-8611 (quotas and statuses by-passed):
// TestQuotas and the uploads' leases; a status is set by no request: here.
func TestAdvisories(t *testing.T) {
	t.Parallel()
	hidden := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("secret")) }))
	t.Cleanup(hidden.Close)
	outside := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, strings.Replace(hidden.URL, "127.0.0.1", r.URL.Query().Get("to"), 1), http.StatusFound)
	}))
	t.Cleanup(outside.Close)
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := newCloud(t, db, func(d *image.Deps) {
			// As if the redirecting server were public, and all else of this machine not.
			d.Config.WebAllow = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
			d.Config.ShowLocations = true
		})
		t.Run("redirects of web-download", func(t *testing.T) {
			for _, to := range []string{"127.0.0.2", "[::1]", "0x7f000002", "2130706434", "169.254.169.254"} {
				id := c.create("alice")
				c.importBy(202, "alice", id, "web-download", map[string]any{"uri": outside.URL + "/?to=" + to})
				c.settle()
				if img := c.show("alice", id); img["status"] != "queued" || img["size"] != nil {
					t.Errorf("a redirect to %s was followed: %v", to, img)
				}
			}
		})
		t.Run("places inside", func(t *testing.T) {
			for _, uri := range []string{
				"file:///etc/passwd", "http://127.0.0.2/", "http://2130706434/", "http://0x7f.0.0.2/", "http://[::ffff:127.0.0.2]/",
			} {
				c.importBy(400, "alice", c.create("alice"), "web-download", map[string]any{"uri": uri})
			}
			const patch = "application/openstack-images-v2.1-json-patch"
			for _, uri := range []string{"file:///etc/passwd", "filesystem:///etc/passwd", "swift+config://x/y", "cinder://x", "rbd://a/b/c/d", "vsphere://x/y"} {
				id := c.create("alice")
				value := map[string]any{"url": uri, "metadata": map[string]any{}}
				c.As("alice").Want(400, "PATCH", "/v2/images/"+id, []any{map[string]any{"op": "add", "path": "/locations/-", "value": value}}, "Content-Type", patch)
			}
		})
		t.Run("what no request sets", func(t *testing.T) {
			id := c.create("alice")
			const patch = "application/openstack-images-v2.1-json-patch"
			for name, value := range map[string]any{
				"status": "active", "size": 1, "checksum": strings.Repeat("0", 32), "os_hash_value": strings.Repeat("0", 128),
				"created_at": "2020-01-01T00:00:00Z", "direct_url": "file:///etc/passwd", "os_glance_import_task": "x", "id": id, "stores": "file",
			} {
				c.As("alice").Want(403, "PATCH", "/v2/images/"+id, []any{map[string]any{"op": "replace", "path": "/" + name, "value": value}}, "Content-Type", patch)
			}
			c.As("alice").Want(403, "PATCH", "/v2/images/"+id, []any{map[string]any{"op": "replace", "path": "/owner", "value": "p-bob"}}, "Content-Type", patch)
		})
		t.Run("images of others", func(t *testing.T) {
			private, community := c.create("alice", "visibility", "private"), c.create("alice", "visibility", "community")
			c.As("alice").Want(204, "PUT", "/v2/images/"+private+"/file", noise(100))
			c.As("alice").Want(204, "PUT", "/v2/images/"+community+"/file", noise(100))
			shared := c.create("alice")
			c.As("alice").Want(200, "POST", "/v2/images/"+shared+"/members", map[string]any{"member": "p-bob"})
			for _, tc := range []struct {
				id                   string
				show, data, mutation int
			}{{private, 404, 404, 404}, {community, 200, 200, 403}, {shared, 200, 204, 403}} {
				at := "/v2/images/" + tc.id
				c.As("bob").Want(tc.show, "GET", at, nil)
				c.As("bob").Want(tc.data, "GET", at+"/file", nil)
				c.As("bob").Want(tc.mutation, "DELETE", at, nil)
				c.As("bob").Want(tc.mutation, "PUT", at+"/tags/x", nil)
				c.As("bob").Want(tc.mutation, "POST", at+"/actions/deactivate", nil)
				for _, member := range []string{"p-bob", "p-carol"} {
					if a := c.As("bob").Do("POST", at+"/members", map[string]any{"member": member}); a.Status != 403 && a.Status != 404 {
						t.Errorf("bob shares %s with %s: %d %s", tc.id, member, a.Status, a.Raw)
					}
				}
			}
			// A member sees itself alone, and decides for itself alone.
			c.As("alice").Want(200, "POST", "/v2/images/"+shared+"/members", map[string]any{"member": "p-carol"})
			if seen := c.As("bob").Want(200, "GET", "/v2/images/"+shared+"/members", nil).Get("members").([]any); len(seen) != 1 {
				t.Errorf("a member sees %v", seen)
			}
			c.As("bob").Want(404, "PUT", "/v2/images/"+shared+"/members/p-carol", map[string]any{"status": "accepted"})
			c.As("alice").Want(403, "PUT", "/v2/images/"+shared+"/members/p-bob", map[string]any{"status": "accepted"})
			// What is shared stays out of the member's lists until it is accepted.
			if list := c.As("bob").Want(200, "GET", "/v2/images", nil).Get("images").([]any); len(list) != 0 {
				t.Errorf("unasked for, bob's list shows %v", list)
			}
		})
		t.Run("whence an image comes", func(t *testing.T) {
			id := c.create("alice", "visibility", "community")
			c.importBy(202, "alice", id, "web-download", map[string]any{"uri": outside.URL + "/?to=127.0.0.1&signature=secret"})
			c.settle()
			tasks := func(who string) int {
				return len(c.As(who).Want(200, "GET", "/v2/images/"+id+"/tasks", nil).Get("tasks").([]any))
			}
			if tasks("alice") != 1 || tasks("admin") != 1 || tasks("bob") != 0 {
				t.Errorf("tasks seen: %d by the owner, %d by an administrator, %d by another project", tasks("alice"), tasks("admin"), tasks("bob"))
			}
		})
	})
}

// An id that was once somebody's image never names another: whoever boots by
// it would run what a stranger put there.
func TestIDsAreNeverFreeAgain(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, c *cloud) {
		id := c.create("alice", "visibility", "community")
		again := map[string]any{"name": "trap", "id": id, "disk_format": "raw", "container_format": "bare", "visibility": "community"}
		c.As("bob").Want(409, "POST", "/v2/images", again)
		c.As("alice").Want(204, "DELETE", "/v2/images/"+id, nil)
		for _, who := range []string{"bob", "alice", "admin"} {
			for _, same := range []string{id, strings.ToUpper(id)} {
				again["id"] = same
				c.As(who).Want(409, "POST", "/v2/images", again)
			}
		}
		c.As("alice").Want(404, "GET", "/v2/images/"+id, nil)
	})
}
