package api_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"kumoi/internal/image"
	"kumoi/internal/image/backend/fake"
	"kumoi/internal/kernel/store"
	"kumoi/internal/kernel/store/storetest"
)

func withFake(t *testing.T, f func(t *testing.T, c *cloud, b *fake.Store)) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		b := fake.New("x")
		f(t, newCloud(t, db, func(d *image.Deps) {
			d.Stores = []image.NamedStore{{ID: "fake", Backend: b}}
			d.Config.VirtualSizeCap = 1 << 40
			d.Config.SizeCap = 1 << 20
			d.Config.CacheSize = 0
		}), b)
	})
}

// queued checks that nothing is left of an upload that failed.
func (c *cloud) queued(t *testing.T, b *fake.Store, id string) {
	t.Helper()
	img := c.show("alice", id)
	if img["status"] != "queued" || img["size"] != nil || img["checksum"] != nil || img["stores"] != nil {
		t.Errorf("after a failed upload: %v", img)
	}
	until(t, "the store is empty", func() bool { return len(b.Keys()) == 0 })
}

func TestRefusedData(t *testing.T) {
	t.Parallel()
	withFake(t, func(t *testing.T, c *cloud, b *fake.Store) {
		qcow := func(change func([]byte)) []byte {
			h := make([]byte, 70000)
			copy(h, "QFI\xfb\x00\x00\x00\x03")
			h[23], h[28], h[103] = 16, 1, 104
			change(h)
			return h
		}
		for _, tc := range []struct {
			name, format string
			data         []byte
			status       int
		}{
			{"good qcow2", "qcow2", qcow(func([]byte) {}), 204},
			{"backing file", "qcow2", qcow(func(h []byte) { h[15] = 1 }), 415},
			{"data file", "qcow2", qcow(func(h []byte) { h[79] = 4 }), 415},
			{"backing file declared as raw", "raw", qcow(func(h []byte) { h[15] = 1 }), 415},
			{"claims too much", "qcow2", qcow(func(h []byte) { h[26] = 4 }), 413},
			{"vmdk descriptor", "vmdk", []byte("# Disk DescriptorFile\ncreateType=\"monolithicFlat\"\nRW 1 FLAT \"/etc/shadow\" 0\n"), 415},
			{"qcow2 declared as vmdk", "vmdk", qcow(func([]byte) {}), 415},
			{"too large", "raw", make([]byte, 1<<20+1), 413},
			{"empty", "raw", []byte{}, 204},
		} {
			id := c.create("alice", "disk_format", tc.format)
			a := c.As("alice").Do("PUT", "/v2/images/"+id+"/file", tc.data)
			if a.Status != tc.status {
				t.Errorf("%s: %d, want %d: %s", tc.name, a.Status, tc.status, a.Raw)
			}
			if tc.status != 204 {
				c.queued(t, b, id)
			} else {
				c.As("alice").Want(204, "DELETE", "/v2/images/"+id, nil)
				until(t, "the store is empty", func() bool { return len(b.Keys()) == 0 })
			}
		}
		id, _ := c.As("alice").Want(201, "POST", "/v2/images", map[string]any{"name": "bare"}).Get("id").(string)
		c.As("alice").Want(400, "PUT", "/v2/images/"+id+"/file", noise(10))
		c.As("alice").Want(400, "PUT", "/v2/images/"+c.create("alice")+"/file", noise(10), "X-Image-Meta-Store", "nowhere")
	})
}

func TestStoreFaults(t *testing.T) {
	t.Parallel()
	withFake(t, func(t *testing.T, c *cloud, b *fake.Store) {
		id := c.create("alice")
		b.SetFull(1000)
		c.As("alice").Want(413, "PUT", "/v2/images/"+id+"/file", noise(5000))
		c.queued(t, b, id)
		b.SetFull(-1)
		b.SetAway(true)
		c.As("alice").Want(503, "PUT", "/v2/images/"+id+"/file", noise(5000))
		b.SetAway(false)
		c.queued(t, b, id)
		c.As("alice").Want(204, "PUT", "/v2/images/"+id+"/file", noise(5000))

		// Deleting works while the store is away; the bytes follow later.
		b.SetAway(true)
		c.As("alice").Want(503, "GET", "/v2/images/"+id+"/file", nil)
		c.As("alice").Want(204, "DELETE", "/v2/images/"+id, nil)
		c.As("alice").Want(404, "GET", "/v2/images/"+id, nil)
		if len(b.Keys()) != 1 {
			t.Error("the store lost data while it was away")
		}
		b.SetAway(false)
		until(t, "the bytes follow", func() bool { return len(b.Keys()) == 0 })
	})
}

// A client that goes away in the middle leaves a queued image and no data.
func TestClientBreaksOff(t *testing.T) {
	t.Parallel()
	withFake(t, func(t *testing.T, c *cloud, b *fake.Store) {
		for _, announced := range []int64{-1, 100_000} {
			id := c.create("alice")
			// The power goes once the service is at it; before, there is nothing to break.
			r := io.MultiReader(bytes.NewReader(noise(50_000)), readerFunc(func([]byte) (int, error) {
				until(t, "the upload begins", func() bool { return c.show("alice", id)["status"] == "saving" })
				return 0, errors.New("power cut")
			}))
			req, err := http.NewRequest("PUT", c.url+"/v2/images/"+id+"/file", r)
			if err != nil {
				t.Fatal(err)
			}
			req.ContentLength = announced
			req.Header.Set("Content-Type", "application/octet-stream")
			req.Header.Set("X-Auth-Token", "alice")
			if resp, err := http.DefaultClient.Do(req); err == nil {
				resp.Body.Close()
				t.Errorf("a broken upload got an answer: %d", resp.StatusCode)
			}
			until(t, "the image is queued again", func() bool { return c.show("alice", id)["status"] == "queued" })
			c.queued(t, b, id)
		}
	})
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// An image that is deleted while its data arrives leaves nothing behind.
func TestDeletedDuringUpload(t *testing.T) {
	t.Parallel()
	withFake(t, func(t *testing.T, c *cloud, b *fake.Store) {
		id := c.create("alice")
		b.Hold = func() {
			b.Hold = nil
			c.As("alice").Want(409, "PUT", "/v2/images/"+id+"/file", noise(10))
			c.As("alice").Want(204, "DELETE", "/v2/images/"+id, nil)
		}
		c.As("alice").Want(410, "PUT", "/v2/images/"+id+"/file", noise(5000))
		until(t, "the store is empty", func() bool { return len(b.Keys()) == 0 })
	})
}

// A copy whose bytes have changed is not taken for the image.
func TestCorruptCopy(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		one, two := fake.New("one"), fake.New("two")
		c := newCloud(t, db, func(d *image.Deps) {
			d.Stores = []image.NamedStore{{ID: "one", Backend: one}, {ID: "two", Backend: two}}
			d.Config.CacheSize = 0
		})
		id := c.create("alice")
		c.As("alice").Want(204, "PUT", "/v2/images/"+id+"/file", noise(5000))
		one.Corrupt()
		c.importBy(202, "admin", id, "copy-image", map[string]any{"stores": []string{"two"}})
		c.settle()
		img := c.show("alice", id)
		if img["stores"] != "one" || img["status"] != "active" || img["os_glance_failed_import"] != "two" {
			t.Errorf("after copying corrupt bytes: %v", img)
		}
		until(t, "the second store is empty", func() bool { return len(two.Keys()) == 0 })

		// One of two stores away: the other still gets the data if that is enough.
		two.SetAway(true)
		for must, status := range map[bool]string{true: "queued", false: "active"} {
			id := c.create("alice")
			c.As("alice").Want(204, "PUT", "/v2/images/"+id+"/stage", noise(100))
			c.importBy(202, "alice", id, "glance-direct", map[string]any{"all_stores": true, "all_stores_must_succeed": must})
			c.settle()
			if img := c.show("alice", id); img["status"] != status {
				t.Errorf("must succeed %v: %v", must, img)
			}
		}
	})
}

func TestHTMLAndJSONFaults(t *testing.T) {
	t.Parallel()
	c := newCloud(t, storetest.SQLite(t))
	a := c.As("alice").Want(404, "GET", "/v2/images/<b>", nil)
	if !strings.Contains(string(a.Raw), "<title>404 Not Found</title>") || strings.Contains(string(a.Raw), "<b>") {
		t.Errorf("HTML: %s", a.Raw)
	}
	a = c.As("alice").Want(404, "GET", "/v2/images/x", nil, "Accept", "application/json")
	if a.Get("code") != "404 Not Found" {
		t.Errorf("JSON: %s", a.Raw)
	}
	c.As("alice").Want(404, "GET", "/v2/images/", nil)
	for _, path := range []string{"/", "/versions"} {
		a := c.As("").Do("GET", path, nil)
		if list := a.Get("versions").([]any); len(list) != 19 || list[0].(map[string]any)["id"] != "v2.18" {
			t.Errorf("%s: %s", path, a.Raw)
		}
	}
	if a := c.As("").Do("GET", "/healthcheck", nil); string(a.Raw) != "OK" {
		t.Errorf("healthcheck: %s", a.Raw)
	}
}

// With one store away, its images say so; everything else goes on.
func TestOneStoreAway(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		near, far := fake.New("near"), fake.New("far")
		c := newCloud(t, db, func(d *image.Deps) {
			d.Stores = []image.NamedStore{{ID: "near", Backend: near}, {ID: "far", Weight: 9, Backend: far}}
			d.Config.CacheSize = 0
		})
		here, there, both := c.create("alice"), c.create("alice"), c.create("alice")
		data := noise(5000)
		c.As("alice").Want(204, "PUT", "/v2/images/"+here+"/file", data)
		c.As("alice").Want(204, "PUT", "/v2/images/"+there+"/file", data, "X-Image-Meta-Store", "far")
		c.As("alice").Want(204, "PUT", "/v2/images/"+both+"/file", data)
		c.importBy(202, "admin", both, "copy-image", map[string]any{"stores": []string{"far"}})
		c.settle()
		far.SetAway(true)
		c.tasks.Wake("image.stores")
		until(t, "upkeep sees it", func() bool {
			states := c.svc.Stores.States()
			return states["far"] != nil && states["near"] == nil
		})

		a := c.As("alice").Want(503, "GET", "/v2/images/"+there+"/file", nil)
		if !strings.Contains(string(a.Raw), "try again later") {
			t.Errorf("an image that is away says: %s", a.Raw)
		}
		for _, id := range []string{here, both} { // the heavier store is away, the other delivers
			if got := c.As("alice").Want(200, "GET", "/v2/images/"+id+"/file", nil); !bytes.Equal(got.Raw, data) {
				t.Error("other data is delivered")
			}
		}
		c.As("alice").Want(200, "GET", "/v2/images/"+there, nil)
		c.As("alice").Want(200, "GET", "/v2/images", nil)
		c.As("alice").Want(200, "GET", "/v2/info/stores", nil)
		c.As("admin").Want(200, "GET", "/v2/info/stores/detail", nil)
		c.As("").Want(200, "GET", "/healthcheck", nil)
		next := c.create("alice")
		c.As("alice").Want(503, "PUT", "/v2/images/"+next+"/file", data, "X-Image-Meta-Store", "far")
		c.As("alice").Want(204, "PUT", "/v2/images/"+next+"/file", data)
		c.As("alice").Want(204, "DELETE", "/v2/images/"+there, nil)
		c.As("admin").Want(204, "DELETE", "/v2/stores/far/"+both, nil)
		far.SetAway(false)
		until(t, "what was deleted meanwhile is gone", func() bool { return len(far.Keys()) == 0 })
	})
}

// A copy that was cut short is not delivered: another one is, or none.
func TestTruncatedCopy(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		one, two := fake.New("one"), fake.New("two")
		c := newCloud(t, db, func(d *image.Deps) {
			d.Stores = []image.NamedStore{{ID: "one", Weight: 1, Backend: one}, {ID: "two", Backend: two}}
			d.Config.CacheSize = 0
		})
		id, data := c.create("alice"), noise(5000)
		c.As("alice").Want(204, "PUT", "/v2/images/"+id+"/stage", data)
		c.importBy(202, "alice", id, "glance-direct", map[string]any{"all_stores": true})
		c.settle()
		one.Truncate()
		if got := c.As("alice").Want(200, "GET", "/v2/images/"+id+"/file", nil); !bytes.Equal(got.Raw, data) {
			t.Errorf("%d bytes of a cut copy are delivered", len(got.Raw))
		}
		two.Truncate()
		c.As("alice").Want(503, "GET", "/v2/images/"+id+"/file", nil)
	})
}

// A full disk under the staging area is told as such, to the client or by the
// import, and nothing is left there.
func TestStagingDiskFull(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("mounting a small disk needs root")
	}
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(noise(4 << 20)) }))
	defer web.Close()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := newCloud(t, db, inTwoStores(t))
		dir := filepath.Join(c.svc.Config().DataDir, "staging")
		if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
			t.Skipf("mount: %v", err)
		}
		t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
		empty := func() {
			t.Helper()
			if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
				t.Errorf("left in the staging area: %v, %v", left, err)
			}
		}
		id := c.create("alice")
		c.As("alice").Want(413, "PUT", "/v2/images/"+id+"/stage", noise(4<<20))
		if img := c.show("alice", id); img["status"] != "queued" {
			t.Errorf("after staging: %v", img)
		}
		empty()
		c.importBy(202, "alice", id, "web-download", map[string]any{"uri": web.URL + "/x"})
		c.settle()
		if img := c.show("alice", id); img["status"] != "queued" || img["os_glance_failed_import"] != "one" {
			t.Errorf("after the import: %v", img)
		}
		tasks := c.As("alice").Want(200, "GET", "/v2/images/"+id+"/tasks", nil).Get("tasks").([]any)
		if task := tasks[0].(map[string]any); task["status"] != "failure" || !strings.Contains(task["message"].(string), "full") {
			t.Errorf("task: %v", task)
		}
		empty()
		c.As("alice").Want(204, "PUT", "/v2/images/"+id+"/stage", noise(1000))
		c.importBy(202, "alice", id, "glance-direct", nil)
		c.settle()
		if img := c.show("alice", id); img["status"] != "active" {
			t.Errorf("a small image after that: %v", img)
		}
	})
}
