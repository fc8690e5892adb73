package api_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"testing"
	"time"

	"kumoi/internal/image"
)

// settle waits until no import runs.
func (c *cloud) settle() {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := c.sagas.WaitIdle(ctx); err != nil {
		c.t.Fatal(err)
	}
}

func (c *cloud) importBy(status int, who, id, method string, more map[string]any) {
	c.t.Helper()
	m := map[string]any{"name": method}
	body := map[string]any{"method": m}
	for k, v := range more {
		if k == "stores" || k == "all_stores" || k == "all_stores_must_succeed" {
			body[k] = v
		} else {
			m[k] = v
		}
	}
	c.As(who).Want(status, "POST", "/v2/images/"+id+"/import", body)
}

// twoStores is a cloud with files in two places, which may fetch from this machine.
func twoStores(t *testing.T, f func(t *testing.T, c *cloud), options ...option) {
	each(t, f, append([]option{inTwoStores(t)}, options...)...)
}

func inTwoStores(t *testing.T) option {
	return func(d *image.Deps) {
		d.Stores = []image.NamedStore{{ID: "one", Backend: fileStore(t)}, {ID: "two", Weight: 5, Backend: fileStore(t)}}
		d.Config.WebAllow = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
		d.Config.Decompress = true
	}
}

func TestImport(t *testing.T) {
	t.Parallel()
	data := noise(100_000)
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/raw":
			_, _ = w.Write(data)
		case "/gz":
			z := gzip.NewWriter(w)
			_, _ = z.Write(data)
			_ = z.Close()
		case "/cut":
			w.Header().Set("Content-Length", "5000")
			_, _ = w.Write(data[:1000])
		default:
			http.NotFound(w, r)
		}
	}))
	defer web.Close()
	twoStores(t, func(t *testing.T, c *cloud) {
		download := func(who, id string) []byte {
			t.Helper()
			return c.As(who).Want(200, "GET", "/v2/images/"+id+"/file", nil).Raw
		}
		t.Run("glance-direct", func(t *testing.T) {
			id := c.create("alice")
			c.importBy(409, "alice", id, "glance-direct", nil)
			c.As("alice").Want(204, "PUT", "/v2/images/"+id+"/stage", data)
			if img := c.show("alice", id); img["status"] != "uploading" || img["size"] != 100000.0 {
				t.Errorf("staged: %v", img)
			}
			c.As("alice").Want(409, "PUT", "/v2/images/"+id+"/stage", data)
			c.importBy(404, "bob", id, "glance-direct", nil)
			c.importBy(202, "alice", id, "glance-direct", map[string]any{"all_stores": true})
			c.settle()
			img := c.show("alice", id)
			if img["status"] != "active" || img["stores"] != "one,two" || img["os_glance_import_task"] != nil {
				t.Errorf("imported: %v", img)
			}
			if !bytes.Equal(download("alice", id), data) {
				t.Error("the data differs")
			}
			tasks := c.As("alice").Want(200, "GET", "/v2/images/"+id+"/tasks", nil).Get("tasks").([]any)
			if len(tasks) != 1 || tasks[0].(map[string]any)["status"] != "success" {
				t.Errorf("tasks: %v", tasks)
			}
			if left, _ := filepath.Glob(filepath.Join(c.svc.Config().DataDir, "staging", "*")); len(left) > 0 {
				t.Errorf("left in staging: %v", left)
			}
			c.As("alice").Want(403, "DELETE", "/v2/stores/one/"+id, nil)
			c.As("admin").Want(204, "DELETE", "/v2/stores/one/"+id, nil)
			c.As("admin").Want(403, "DELETE", "/v2/stores/two/"+id, nil)
			c.As("admin").Want(409, "DELETE", "/v2/stores/three/"+id, nil)
		})
		t.Run("web-download", func(t *testing.T) {
			for _, tc := range []struct{ path, status string }{{"/raw", "active"}, {"/gz", "active"}, {"/cut", "queued"}, {"/none", "queued"}} {
				id := c.create("alice")
				c.importBy(202, "alice", id, "web-download", map[string]any{"uri": web.URL + tc.path})
				c.settle()
				img := c.show("alice", id)
				if img["status"] != tc.status {
					t.Errorf("%s: %v", tc.path, img)
				}
				if tc.status == "active" && !bytes.Equal(download("alice", id), data) {
					t.Errorf("%s: the data differs", tc.path)
				}
				if tc.status == "queued" && img["os_glance_failed_import"] != "one" {
					t.Errorf("%s: failure is not shown: %v", tc.path, img)
				}
			}
			id := c.create("alice")
			c.importBy(400, "alice", id, "web-download", map[string]any{"uri": "file:///etc/passwd"})
			c.importBy(400, "alice", id, "web-download", map[string]any{"uri": "http://10.0.0.1/x"})
			c.importBy(400, "alice", id, "magic", nil)
			c.importBy(409, "alice", id, "web-download", map[string]any{"uri": web.URL + "/raw", "stores": []string{"three"}})
		})
		t.Run("copy-image", func(t *testing.T) {
			id := c.create("alice")
			c.importBy(403, "alice", id, "copy-image", nil)
			c.As("alice").Want(204, "PUT", "/v2/images/"+id+"/file", data)
			c.importBy(403, "alice", id, "copy-image", map[string]any{"stores": []string{"two"}})
			c.importBy(400, "admin", id, "copy-image", map[string]any{"stores": []string{"one"}})
			c.importBy(202, "admin", id, "copy-image", map[string]any{"all_stores": true})
			c.settle()
			if img := c.show("alice", id); img["stores"] != "one,two" || img["status"] != "active" {
				t.Errorf("copied: %v", img)
			}
			c.As("alice").Want(200, "GET", "/v2/images/"+id+"/file?prefer=two", nil)
			c.As("alice").Want(400, "GET", "/v2/images/"+id+"/file?prefer=three", nil)
		})
		t.Run("glance-download", func(t *testing.T) {
			src := c.create("alice", "os_distro", "debian", "speed", "fast")
			c.As("alice").Want(204, "PUT", "/v2/images/"+src+"/file", data)
			for _, tc := range []struct{ who, region, status string }{{"alice", "RegionOne", "active"}, {"bob", "RegionOne", "queued"}, {"alice", "elsewhere", "queued"}} {
				id := c.create(tc.who, "disk_format", "iso", "container_format", "ovf")
				c.importBy(400, tc.who, id, "glance-download", map[string]any{"glance_region": tc.region, "glance_image_id": "x"})
				c.importBy(202, tc.who, id, "glance-download", map[string]any{"glance_region": tc.region, "glance_image_id": src})
				c.settle()
				img := c.show(tc.who, id)
				if img["status"] != tc.status {
					t.Errorf("%s from %s: %v", tc.who, tc.region, img)
				}
				if tc.status == "active" && (img["disk_format"] != "raw" || img["os_distro"] != "debian" || img["speed"] != nil) {
					t.Errorf("copied record: %v", img)
				}
			}
		})
		t.Run("task", func(t *testing.T) {
			body := map[string]any{"type": "import", "input": map[string]any{
				"import_from": web.URL + "/raw", "import_from_format": "raw",
				"image_properties": map[string]any{"name": "by task", "container_format": "bare"},
			}}
			c.As("alice").Want(403, "POST", "/v2/tasks", body)
			task := c.As("admin").Want(201, "POST", "/v2/tasks", body).Object()
			c.settle()
			shown := c.As("admin").Want(200, "GET", "/v2/tasks/"+task["id"].(string), nil).Object()
			if shown["status"] != "success" {
				t.Errorf("task: %v", shown)
			}
			if img := c.show("admin", shown["image_id"].(string)); img["status"] != "active" {
				t.Errorf("image of task: %v", img)
			}
			page := c.As("admin").Want(200, "GET", "/v2/tasks?limit=1&sort_key=created_at&sort_dir=asc", nil).Object()
			if len(page["tasks"].([]any)) != 1 || page["next"] == nil {
				t.Errorf("page of tasks: %v", page)
			}
			c.As("admin").Want(204, "DELETE", "/v2/tasks/"+task["id"].(string), nil)
			c.As("admin").Want(404, "GET", "/v2/tasks/"+task["id"].(string), nil)
			c.As("alice").Want(403, "GET", "/v2/tasks", nil)
		})
		c.As("alice").Want(409, "DELETE", "/v2/stores/x/y", nil)
	})
}
