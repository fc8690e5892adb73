package api_test

import (
	"bytes"
	"crypto/md5"
	"crypto/sha512"
	"encoding/hex"
	"math/rand/v2"
	"strings"
	"testing"
)

func noise(n int) []byte {
	b := make([]byte, n)
	r := rand.New(rand.NewPCG(1, uint64(n)))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

func TestUploadAndDownload(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, c *cloud) {
		id := c.create("alice")
		c.As("alice").Want(204, "GET", "/v2/images/"+id+"/file", nil)
		data := noise(700_001)
		c.As("alice").Want(415, "PUT", "/v2/images/"+id+"/file", `{}`)
		c.As("alice").Want(204, "PUT", "/v2/images/"+id+"/file", data)
		img := c.show("alice", id)
		sum5, sum512 := md5.Sum(data), sha512.Sum512(data)
		for k, want := range map[string]any{
			"status": "active", "size": 700001.0, "virtual_size": 700001.0, "os_hash_algo": "sha512", "stores": "file",
			"checksum": hex.EncodeToString(sum5[:]), "os_hash_value": hex.EncodeToString(sum512[:]),
		} {
			if img[k] != want {
				t.Errorf("%s = %v, want %v", k, img[k], want)
			}
		}
		got := c.As("alice").Want(200, "GET", "/v2/images/"+id+"/file", nil)
		if !bytes.Equal(got.Raw, data) || got.Header.Get("Content-Md5") != img["checksum"] {
			t.Errorf("download differs: %d bytes, headers %v", len(got.Raw), got.Header)
		}
		for _, tc := range []struct {
			header      string
			status      int
			first, last int
		}{
			{"bytes=0-9", 206, 0, 10},
			{"bytes=700000-", 206, 700000, 700001},
			{"bytes=-3", 206, 699998, 700001},
			{"bytes=100-9999999", 206, 100, 700001},
			{"bytes=700001-", 416, 0, 0},
			{"bytes=5-2", 416, 0, 0},
			{"lines=1-2", 416, 0, 0},
		} {
			a := c.As("alice").Do("GET", "/v2/images/"+id+"/file", nil, "Range", tc.header)
			if a.Status != tc.status || a.Status == 206 && !bytes.Equal(a.Raw, data[tc.first:tc.last]) {
				t.Errorf("%s: %d with %d bytes", tc.header, a.Status, len(a.Raw))
			}
		}
		c.As("alice").Want(409, "PUT", "/v2/images/"+id+"/file", data)
		c.As("alice").Want(204, "DELETE", "/v2/images/"+id, nil)
		c.As("alice").Want(404, "GET", "/v2/images/"+id, nil)
		c.As("alice").Want(404, "DELETE", "/v2/images/"+id, nil)
	})
}

func TestPatch(t *testing.T) {
	t.Parallel()
	const v20, v21 = "application/openstack-images-v2.0-json-patch", "application/openstack-images-v2.1-json-patch"
	each(t, func(t *testing.T, c *cloud) {
		id := c.create("alice", "os_distro", "debian", "tags", []string{"b", "a"})
		for _, tc := range []struct {
			name, kind, body string
			status           int
		}{
			{"replace", v21, `[{"op":"replace","path":"/name","value":"new"}]`, 200},
			{"old form", v20, `[{"replace":"/name","value":"newer"}]`, 200},
			{"add property", v21, `[{"op":"add","path":"/a~1b","value":"x"}]`, 200},
			{"old add is strict", v20, `[{"add":"/os_distro","value":"x"}]`, 409},
			{"new add is not", v21, `[{"op":"add","path":"/os_distro","value":"x"}]`, 200},
			{"remove", v21, `[{"op":"remove","path":"/os_distro"}]`, 200},
			{"remove again", v21, `[{"op":"remove","path":"/os_distro"}]`, 409},
			{"remove attribute", v21, `[{"op":"remove","path":"/name"}]`, 403},
			{"replace missing", v21, `[{"op":"replace","path":"/nothing","value":"x"}]`, 409},
			{"read only", v21, `[{"op":"replace","path":"/size","value":1}]`, 403},
			{"reserved", v21, `[{"op":"add","path":"/os_glance_x","value":"1"}]`, 403},
			{"owner", v21, `[{"op":"replace","path":"/owner","value":"p-bob"}]`, 403},
			{"publish", v21, `[{"op":"replace","path":"/visibility","value":"public"}]`, 403},
			{"wrong type", v21, `[{"op":"replace","path":"/min_disk","value":"1"}]`, 400},
			{"property of wrong type", v21, `[{"op":"add","path":"/p","value":1}]`, 400},
			{"no list", v21, `{"op":"add"}`, 400},
			{"no value", v21, `[{"op":"add","path":"/x"}]`, 400},
			{"bad pointer", v21, `[{"op":"add","path":"x","value":"1"}]`, 400},
			{"bad escape", v21, `[{"op":"add","path":"/x~2","value":"1"}]`, 400},
			{"deep pointer", v21, `[{"op":"add","path":"/tags/-","value":"1"}]`, 400},
			{"bad op", v21, `[{"op":"move","path":"/x","value":"1"}]`, 400},
			{"media type", "application/json", `[]`, 415},
			{"all or nothing", v21, `[{"op":"replace","path":"/name","value":"lost"},{"op":"remove","path":"/nothing"}]`, 409},
		} {
			if a := c.As("alice").Do("PATCH", "/v2/images/"+id, tc.body, "Content-Type", tc.kind); a.Status != tc.status {
				t.Errorf("%s: %d, want %d: %s", tc.name, a.Status, tc.status, a.Raw)
			}
		}
		img := c.show("alice", id)
		if img["name"] != "newer" || img["a/b"] != "x" || img["os_distro"] != nil {
			t.Errorf("after patches: %v", img)
		}
	})
}

func TestVisibility(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, c *cloud) {
		private := c.create("alice", "visibility", "private")
		shared := c.create("alice")
		community := c.create("alice", "visibility", "community")
		c.As("alice").Want(403, "POST", "/v2/images", map[string]any{"visibility": "public"})
		public := c.create("admin", "visibility", "public", "name", "public")
		listed := func(who, query string) string {
			var names []string
			for _, v := range c.As(who).Want(200, "GET", "/v2/images?"+query, nil).Get("images").([]any) {
				id := v.(map[string]any)["id"]
				for name, known := range map[string]string{"private": private, "shared": shared, "community": community, "public": public} {
					if id == known {
						names = append(names, name)
					}
				}
			}
			return strings.Join(names, " ")
		}
		for _, tc := range []struct{ who, query, want string }{
			{"alice", "", "public community shared private"},
			{"reader", "", "public community shared private"},
			{"bob", "", "public"},
			{"bob", "visibility=all", "public community"},
			{"bob", "visibility=community", "community"},
			{"bob", "visibility=shared", ""},
			{"admin", "", "public shared private"},
			{"admin", "visibility=all", "public community shared private"},
			{"admin", "visibility=private", "private"},
		} {
			if got := listed(tc.who, tc.query); got != tc.want {
				t.Errorf("%s lists ?%s: %q, want %q", tc.who, tc.query, got, tc.want)
			}
		}
		c.As("bob").Want(404, "GET", "/v2/images/"+private, nil)
		c.As("bob").Want(404, "DELETE", "/v2/images/"+private, nil)
		c.As("bob").Want(404, "GET", "/v2/images/"+shared, nil)
		c.As("bob").Want(200, "GET", "/v2/images/"+community, nil)
		c.As("bob").Want(403, "DELETE", "/v2/images/"+community, nil)
		c.As("none").Want(403, "GET", "/v2/images", nil)
		c.As("none").Want(404, "GET", "/v2/images/"+private, nil)
		c.As("").Want(401, "GET", "/v2/images", nil)

		path := "/v2/images/" + shared + "/members"
		c.As("alice").Want(403, "POST", "/v2/images/"+private+"/members", map[string]any{"member": "p-bob"})
		c.As("alice").Want(200, "POST", path, map[string]any{"member": "p-bob"})
		c.As("alice").Want(409, "POST", path, map[string]any{"member": "p-bob"})
		if got := listed("bob", ""); got != "public" {
			t.Errorf("a pending image is listed: %q", got)
		}
		if got := listed("bob", "visibility=shared&member_status=pending"); got != "shared" {
			t.Errorf("pending images: %q", got)
		}
		c.As("bob").Want(200, "GET", "/v2/images/"+shared, nil)
		c.As("alice").Want(403, "PUT", path+"/p-bob", map[string]any{"status": "accepted"})
		c.As("bob").Want(400, "PUT", path+"/p-bob", map[string]any{"status": "perhaps"})
		c.As("bob").Want(200, "PUT", path+"/p-bob", map[string]any{"status": "accepted"})
		if got := listed("bob", ""); got != "public shared" {
			t.Errorf("an accepted image is not listed: %q", got)
		}
		c.As("bob").Want(403, "DELETE", path+"/p-bob", nil)
		c.As("alice").Want(204, "DELETE", path+"/p-bob", nil)
		c.As("bob").Want(404, "GET", "/v2/images/"+shared, nil)
	})
}
