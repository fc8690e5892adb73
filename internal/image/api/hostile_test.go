package api_test

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kumoi/internal/image"
	"kumoi/internal/image/backend/fake"
	"kumoi/internal/kernel/store/storetest"
)

// hostileQcow is a qcow2 of version 3 with one thing wrong.
func hostileQcow(change func(h []byte)) []byte {
	h := make([]byte, 70_000)
	copy(h, "QFI\xfb\x00\x00\x00\x03")
	h[23], h[28], h[103] = 16, 1, 104
	change(h)
	return h
}

// TestHostileImports sends what the known attacks on image services send, by
// every way that data comes in, to a cloud that converts. It is refused before
// qemu-img is started, and nothing of it is kept.
func TestHostileImports(t *testing.T) {
	// A qemu-img that takes everything: whatever is given to it becomes an image.
	tools := t.TempDir()
	script := "#!/bin/sh\nfor out; do :; done\necho converted >\"$out\"\n"
	if err := os.WriteFile(filepath.Join(tools, "qemu-img"), []byte(script), 0o755); err != nil { //nolint:gosec // it must be executable
		t.Fatal(err)
	}
	t.Setenv("PATH", tools+":"+os.Getenv("PATH"))
	flat := "# Disk DescriptorFile\nversion=1\ncreateType=\"monolithicFlat\"\nRW 2048 FLAT \"/etc/shadow\" 0\n"
	sparse := make([]byte, 64<<10)
	copy(sparse, "KDMV\x01")
	sparse[13], sparse[28], sparse[36] = 8, 1, 20
	copy(sparse[512:], flat)
	var data []byte
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(data) }))
	defer web.Close()
	b := fake.New("x")
	c := newCloud(t, storetest.SQLite(t), func(d *image.Deps) {
		d.Stores = []image.NamedStore{{ID: "fake", Backend: b}}
		d.Config.WebAllow = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
		d.Config.Convert, d.Config.CacheSize, d.Config.VirtualSizeCap = "raw", 0, 1<<40
	})
	for _, tc := range []struct {
		name, format string
		data         []byte
	}{
		{"CVE-2015-5163: a backing file", "qcow2", hostileQcow(func(h []byte) { h[14], h[19] = 1, 11; copy(h[256:], "/etc/shadow") })},
		{"the same, declared as raw", "raw", hostileQcow(func(h []byte) { h[14], h[19] = 1, 11; copy(h[256:], "/etc/shadow") })},
		{"CVE-2022-47951: a vmdk of another file", "vmdk", []byte(flat)},
		{"the same within a sparse vmdk", "vmdk", sparse},
		{"CVE-2024-32498: an external data file", "qcow2", hostileQcow(func(h []byte) { h[79] = 4; copy(h[104:], "\x44\x41\x54\x41\x00\x00\x00\x0b/etc/shadow") })},
		{"the same, declared as raw", "raw", hostileQcow(func(h []byte) { h[79] = 4; copy(h[104:], "\x44\x41\x54\x41\x00\x00\x00\x0b/etc/shadow") })},
		{"an unknown feature", "qcow2", hostileQcow(func(h []byte) { h[78] = 1 })},
		{"a disk beyond the limit", "qcow2", hostileQcow(func(h []byte) { h[26] = 4 })},
	} {
		refused := func(way, id string, status int) {
			t.Helper()
			c.settle()
			img := c.show("alice", id)
			if img["status"] != "queued" || img["size"] != nil || img["stores"] != nil {
				t.Errorf("%s by %s: %v", tc.name, way, img)
			}
			if status != 0 && status != 415 && status != 413 {
				t.Errorf("%s by %s: status %d", tc.name, way, status)
			}
			until(t, "nothing is stored", func() bool { return len(b.Keys()) == 0 })
		}
		id := c.create("alice", "disk_format", tc.format)
		refused("upload", id, c.As("alice").Do("PUT", "/v2/images/"+id+"/file", tc.data).Status)
		id = c.create("alice", "disk_format", tc.format)
		c.As("alice").Want(204, "PUT", "/v2/images/"+id+"/stage", tc.data)
		c.importBy(202, "alice", id, "glance-direct", nil)
		refused("glance-direct", id, 0)
		id, data = c.create("alice", "disk_format", tc.format), tc.data
		c.importBy(202, "alice", id, "web-download", map[string]any{"uri": web.URL + "/x"})
		refused("web-download", id, 0)
		tasks := c.As("alice").Want(200, "GET", "/v2/images/"+id+"/tasks", nil).Get("tasks").([]any)
		if task := tasks[0].(map[string]any); task["status"] != "failure" || strings.Contains(task["message"].(string), "root:") {
			t.Errorf("%s: %v", tc.name, task)
		}
	}
	// An honest image is what it is started for.
	id := c.create("alice", "disk_format", "qcow2")
	c.As("alice").Want(204, "PUT", "/v2/images/"+id+"/stage", hostileQcow(func([]byte) {}))
	c.importBy(202, "alice", id, "glance-direct", nil)
	c.settle()
	if img := c.show("alice", id); img["status"] != "active" || img["size"] != float64(len("converted\n")) {
		t.Errorf("an honest image is not converted: %v", img)
	}
}
