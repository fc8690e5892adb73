package api_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"

	"kumoi/internal/image"
	"kumoi/internal/image/backend/fake"
	"kumoi/internal/image/service"
	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/ids"
	"kumoi/internal/kernel/store"
	"kumoi/internal/kernel/store/storetest"
)

// Hosts read images in parts, up to their end and not beyond it.
func TestHostsReadParts(t *testing.T) {
	t.Parallel()
	c := newCloud(t, storetest.SQLite(t))
	id := c.create("alice", "visibility", "private")
	if _, err := c.svc.Hosts.ReadImage(t.Context(), id, 0, 10); !errs.Is(err, errs.NotFound) {
		t.Errorf("an image without data: %v", err)
	}
	c.As("alice").Want(204, "PUT", "/v2/images/"+id+"/file", []byte("0123456789"))
	for _, tc := range []struct {
		off  int64
		n    int
		want string
	}{{0, 4, "0123"}, {3, 4, "3456"}, {6, 4, "6789"}, {6, 5, "6789"}, {9, 1, "9"}, {9, 100, "9"}, {10, 1, ""}, {11, 1, ""}, {0, 0, ""}, {0, 100, "0123456789"}} {
		if got, err := c.svc.Hosts.ReadImage(t.Context(), id, tc.off, tc.n); err != nil || string(got) != tc.want {
			t.Errorf("%d bytes at %d: %q, %v, want %q", tc.n, tc.off, got, err, tc.want)
		}
	}
	if _, err := c.svc.Hosts.ReadImage(t.Context(), ids.New(), 0, 10); !errs.Is(err, errs.NotFound) {
		t.Errorf("no image: %v", err)
	}
}

// Hosts write in order: a part that comes twice is taken once, one that is
// missing is noticed, and what is given up is as if it had not begun.
func TestHostsWriteParts(t *testing.T) {
	t.Parallel()
	b := fake.New("x")
	c := newCloud(t, storetest.SQLite(t), func(d *image.Deps) { d.Stores = []image.NamedStore{{ID: "x", Backend: b}} })
	alice := actor.With(t.Context(), &actor.Actor{UserID: "u-alice", ProjectID: "p-alice", Roles: []string{"member", "reader"}})
	snapshot := func(properties map[string]string) string {
		id := ids.New()
		if err := c.db.Write(alice, func(tx *store.Tx) error {
			return c.svc.Images.CreateSnapshot(alice, tx, image.Snapshot{
				ID: id, Name: "disk", DiskFormat: "raw", ContainerFormat: "bare", MinDisk: 7, MinRAM: 512, Properties: properties,
			})
		}); err != nil {
			t.Fatal(err)
		}
		return id
	}
	write := func(id string, off int64, text string, done bool) error {
		return c.svc.Hosts.WriteImage(alice, id, off, []byte(text), done, "")
	}
	id := snapshot(map[string]string{"image_type": "snapshot", "name": "not this", "visibility": "public"})
	if img := c.show("alice", id); img["name"] != "disk" || img["visibility"] != "private" || img["min_disk"] != 7.0 || img["min_ram"] != 512.0 || img["image_type"] != "snapshot" {
		t.Errorf("a snapshot: %v", img)
	}
	for _, p := range []struct {
		off  int64
		text string
	}{{0, "0123"}, {0, "0123"}, {2, "2345"}, {6, ""}, {4, "4"}, {6, "6789"}} {
		if err := write(id, p.off, p.text, false); err != nil {
			t.Fatalf("%q at %d: %v", p.text, p.off, err)
		}
	}
	if err := write(id, 11, "x", false); !errs.Is(err, errs.Conflict) || !strings.Contains(err.Error(), "10 is next") {
		t.Errorf("a part is missing: %v", err)
	}
	if img := c.show("alice", id); img["status"] != "saving" {
		t.Errorf("in the middle: %v", img)
	}
	if err := write(id, 10, "", true); err != nil {
		t.Fatal(err)
	}
	if got := c.As("alice").Want(200, "GET", "/v2/images/"+id+"/file", nil); string(got.Raw) != "0123456789" {
		t.Errorf("the image has %q", got.Raw)
	}

	id = snapshot(nil)
	if err := write(id, 0, "0123", false); err != nil {
		t.Fatal(err)
	}
	if err := c.svc.Hosts.WriteImage(alice, id, 4, nil, false, "the disk is gone"); err != nil {
		t.Fatal(err)
	}
	c.queuedOnly(t, id)
	b.SetFull(3)
	if err := write(id, 0, "0123", true); !errs.Is(err, errs.TooLarge) {
		t.Errorf("of a store that is full: %v", err)
	}
	b.SetFull(-1)
	b.SetAway(true)
	until(t, "a part fails", func() bool { return errs.Is(write(id, 0, "0123", false), errs.Unavailable) })
	b.SetAway(false)
	until(t, "the image is queued again", func() bool { return c.show("alice", id)["status"] == "queued" })
	if err := write(ids.New(), 0, "x", true); !errs.Is(err, errs.NotFound) {
		t.Errorf("no image: %v", err)
	}
}

func (c *cloud) queuedOnly(t *testing.T, id string) {
	t.Helper()
	if img := c.show("alice", id); img["status"] != "queued" || img["size"] != nil {
		t.Errorf("an image: %v", img)
	}
}

// What other services ask of an image, with and without data.
func TestSizesForOthers(t *testing.T) {
	t.Parallel()
	c := newCloud(t, storetest.SQLite(t))
	ctx := actor.AsSystem(t.Context(), "test")
	look := func(id string) *image.Image {
		img, err := c.svc.Images.Show(ctx, id)
		if err != nil {
			t.Fatal(err)
		}
		return img
	}
	id := c.create("alice", "disk_format", "qcow2")
	c.queuedOnly(t, id)
	if img := look(id); img.Bytes() != 0 || img.DiskBytes() != 0 || img.SHA512() != "" {
		t.Errorf("without data: %d, %d, %q", img.Bytes(), img.DiskBytes(), img.SHA512())
	}
	c.As("alice").Want(204, "PUT", "/v2/images/"+id+"/file", qcow2(1<<30))
	if img := look(id); img.Bytes() != 70_000 || img.DiskBytes() != 1<<30 || img.SHA512() != img.HashValue || len(img.HashValue) != 128 {
		t.Errorf("a large disk: %d, %d, %q", img.Bytes(), img.DiskBytes(), img.SHA512())
	}
	id = c.create("alice", "disk_format", "qcow2")
	c.As("alice").Want(204, "PUT", "/v2/images/"+id+"/file", qcow2(512))
	if img := look(id); img.Bytes() != 70_000 || img.DiskBytes() != 70_000 {
		t.Errorf("a small disk: %d, %d", img.Bytes(), img.DiskBytes())
	}
	id = c.create("alice", "container_format", "ova")
	c.As("alice").Want(204, "PUT", "/v2/images/"+id+"/file", noise(10))
	if img := look(id); img.Bytes() != 10 || img.DiskBytes() != 10 || img.VirtualSize != nil {
		t.Errorf("a disk of unknown size: %d, %d", img.Bytes(), img.DiskBytes())
	}

	// A server's backups are its project's, of its kind, the newest first.
	backup := func(who, server, kind, what string) string {
		return c.create(who, "instance_uuid", server, "backup_type", kind, "image_type", what)
	}
	first := backup("alice", "s", "daily", "backup")
	for _, other := range [][4]string{{"bob", "s", "daily", "backup"}, {"alice", "other", "daily", "backup"}, {"alice", "s", "weekly", "backup"}, {"alice", "s", "daily", "snapshot"}} {
		backup(other[0], other[1], other[2], other[3])
	}
	second := backup("alice", "s", "daily", "backup")
	if got, err := c.svc.Images.ListBackups(ctx, "p-alice", "s", "daily"); err != nil || fmt.Sprint(got) != fmt.Sprint([]string{second, first}) {
		t.Errorf("backups: %v, %v, want %s and %s", got, err, second, first)
	}
	if err := storetest.Failing(t, func(ctx context.Context) error {
		_, err := c.svc.Images.ListBackups(actor.AsSystem(ctx, "test"), "p-alice", "s", "daily")
		return err
	}); err != nil {
		t.Error(err)
	}

	// Properties are changed together or not at all.
	if err := c.svc.Images.ChangeProperties(ctx, first, map[string]string{"a": "1", "b": "2"}, []string{"backup_type"}); err != nil {
		t.Fatal(err)
	}
	if err := c.svc.Images.ChangeProperties(ctx, first, map[string]string{"a": "3"}, []string{"nothing"}); !errs.Is(err, errs.Conflict) {
		t.Errorf("one of several cannot be removed: %v", err)
	}
	before := c.show("alice", first)
	if before["a"] != "1" || before["b"] != "2" || before["backup_type"] != nil || before["instance_uuid"] != "s" {
		t.Errorf("properties: %v", before)
	}
	for _, id := range []string{first, ids.New()} {
		if err := c.svc.Images.ChangeProperties(ctx, id, nil, nil); err != nil {
			t.Errorf("no change: %v", err)
		}
	}
}

// A store that has got another name still delivers what it has.
func TestStoreRenamed(t *testing.T) {
	t.Parallel()
	db, one, two := storetest.SQLite(t), fake.New("one"), fake.New("two")
	named := func(a, b string) option {
		return func(d *image.Deps) {
			d.Stores = []image.NamedStore{{ID: a, Backend: one}, {ID: b, Backend: two}}
			d.Config.CacheSize = 0
		}
	}
	c := newCloud(t, db, named("a", "b"))
	here, there := c.create("alice"), c.create("alice")
	c.As("alice").Want(204, "PUT", "/v2/images/"+here+"/file", []byte("here"))
	c.As("alice").Want(204, "PUT", "/v2/images/"+there+"/file", []byte("there"), "X-Image-Meta-Store", "b")
	c = newCloud(t, db, named("x", "y"))
	for id, want := range map[string]string{here: "here", there: "there"} {
		if got := c.As("alice").Want(200, "GET", "/v2/images/"+id+"/file", nil); string(got.Raw) != want {
			t.Errorf("%q is delivered, want %q", got.Raw, want)
		}
	}
	c = newCloud(t, db, func(d *image.Deps) { d.Stores = []image.NamedStore{{ID: "x", Backend: one}}; d.Config.CacheSize = 0 })
	c.As("alice").Want(503, "GET", "/v2/images/"+there+"/file", nil)
}

// A copy is removed from a store that has one, not from one without, and never the last.
func TestDeleteFromStore(t *testing.T) {
	t.Parallel()
	c := newCloud(t, storetest.SQLite(t), func(d *image.Deps) {
		for _, id := range []string{"one", "two", "three"} {
			d.Stores = append(d.Stores, image.NamedStore{ID: id, Backend: fake.New(id)})
		}
	})
	id := c.create("alice")
	c.As("admin").Want(409, "DELETE", "/v2/stores/one/"+id, nil)
	c.As("alice").Want(204, "PUT", "/v2/images/"+id+"/stage", noise(10))
	c.importBy(202, "alice", id, "glance-direct", map[string]any{"stores": []string{"one", "two"}})
	c.settle()
	c.As("admin").Want(404, "DELETE", "/v2/stores/three/"+id, nil)
	c.As("admin").Want(204, "DELETE", "/v2/stores/one/"+id, nil)
	c.As("admin").Want(403, "DELETE", "/v2/stores/three/"+id, nil)
	c.As("admin").Want(403, "DELETE", "/v2/stores/two/"+id, nil)
	if img := c.show("alice", id); img["stores"] != "two" {
		t.Errorf("left is %v", img)
	}
}

// Formats are judged by content: a signature that is missing is let pass unless
// the operator is strict, one of another format never.
func TestFormatsAreJudged(t *testing.T) {
	t.Parallel()
	for _, strict := range []bool{false, true} {
		c := newCloud(t, storetest.SQLite(t), func(d *image.Deps) { d.Config.StrictFormats = strict })
		lacks := map[bool]int{false: 204, true: 415}[strict]
		for _, tc := range []struct {
			disk, container string
			data            []byte
			status          int
			size            any
		}{
			{"raw", "bare", noise(600), 204, 600.0},
			{"raw", "bare", qcow2(1 << 20), 204, 70000.0},
			{"qcow2", "bare", qcow2(1 << 20), 204, float64(1 << 20)},
			{"qcow2", "bare", noise(600), lacks, nil},
			{"vmdk", "bare", noise(600), lacks, nil},
			{"iso", "bare", noise(600), lacks, nil},
			{"aki", "bare", noise(600), 204, nil},
			{"ami", "bare", noise(600), 204, nil},
			{"ari", "bare", noise(600), 204, nil},
			{"vmdk", "bare", qcow2(1 << 20), 415, nil},
			{"ami", "bare", qcow2(1 << 20), 415, nil},
			{"qcow2", "ova", noise(600), 204, nil},
			{"vmdk", "docker", qcow2(1 << 20), 204, nil},
		} {
			id := c.create("alice", "disk_format", tc.disk, "container_format", tc.container)
			a := c.As("alice").Do("PUT", "/v2/images/"+id+"/file", tc.data)
			img := c.show("alice", id)
			if a.Status != tc.status || img["virtual_size"] != tc.size && tc.status == 204 {
				t.Errorf("strict %v: %s in %s: %d, virtual size %v, want %d and %v: %s", strict, tc.disk, tc.container, a.Status, img["virtual_size"], tc.status, tc.size, a.Raw)
			}
		}
	}
}

// The service tells how it fares: to load balancers, to operators, in counts.
func TestHealth(t *testing.T) {
	t.Parallel()
	near, far := fake.New("near"), fake.New("far")
	stores := []image.NamedStore{{ID: "near", Description: "here", Backend: near}, {ID: "far", Weight: 9, Backend: far}}
	c := newCloud(t, storetest.SQLite(t), func(d *image.Deps) { d.Stores = stores })
	list := c.As("alice").Want(200, "GET", "/v2/info/stores", nil)
	if got, want := string(list.Raw), `{"stores":[{"id":"near","description":"here","default":"true"},{"id":"far"}]}`; strings.TrimSpace(got) != want {
		t.Errorf("stores: %s, want %s", got, want)
	}
	list = c.As("admin").Want(200, "GET", "/v2/info/stores/detail", nil)
	if got, want := string(list.Raw), `{"stores":[{"id":"near","description":"here","default":"true","type":"fake","weight":0,"properties":{}},{"id":"far","type":"fake","weight":9,"properties":{}}]}`; strings.TrimSpace(got) != want {
		t.Errorf("stores: %s, want %s", got, want)
	}
	far.SetAway(true)
	c.As("").Want(200, "GET", "/healthcheck", nil)
	near.SetAway(true)
	c.As("").Want(503, "GET", "/healthcheck", nil)
	near.SetAway(false)
	c.As("").Want(200, "GET", "/healthcheck", nil)
	err := storetest.Failing(t, c.svc.Stores.Healthy)
	if err != nil {
		t.Error(err)
	}

	bad := image.Deps{Config: image.Config{DataDir: "x"}}
	if _, _, err := service.New(bad); err == nil {
		t.Error("a service with a wrong configuration is made")
	}
}

// Which copy is read is the wish of who reads, then the operator's.
func TestPreference(t *testing.T) {
	t.Parallel()
	stores := map[string]*fake.Store{}
	c := newCloud(t, storetest.SQLite(t), func(d *image.Deps) {
		d.Config.CacheSize = 0
		for i, id := range []string{"light", "heavy", "middle"} {
			stores[id] = fake.New(id)
			d.Stores = append(d.Stores, image.NamedStore{ID: id, Weight: []int{1, 9, 5}[i], Backend: stores[id]})
		}
	})
	id := c.create("alice")
	c.As("alice").Want(204, "PUT", "/v2/images/"+id+"/stage", noise(10))
	c.importBy(202, "alice", id, "glance-direct", map[string]any{"all_stores": true})
	c.settle()
	for _, tc := range []struct{ prefer, away, status string }{
		{"", "", "200"}, {"", "heavy", "200"}, {"", "heavy middle", "200"}, {"", "heavy middle light", "503"}, {"light", "heavy middle", "200"}, {"middle, light", "heavy", "200"},
	} {
		for name, s := range stores {
			s.SetAway(strings.Contains(tc.away, name))
		}
		a := c.As("alice").Do("GET", "/v2/images/"+id+"/file?prefer="+strings.ReplaceAll(tc.prefer, " ", "%20"), nil)
		if fmt.Sprint(a.Status) != tc.status {
			t.Errorf("preferring %q with %q away: %d", tc.prefer, tc.away, a.Status)
		}
	}
	for _, s := range stores {
		s.SetAway(false)
	}
	// The store that is read is the one whose corruption is seen.
	for prefer, from := range map[string]string{"": "heavy", "light": "light", "middle,light": "middle", "light,middle": "light"} {
		for name, s := range stores {
			s.SetAway(false)
			s.Corrupt()
			got := c.As("alice").Want(200, "GET", "/v2/images/"+id+"/file?prefer="+prefer, nil).Raw
			s.Corrupt() // once more is as it was
			if corrupt := !bytes.Equal(got, noise(10)); corrupt != (name == from) {
				t.Errorf("preferring %q: whether %s is read is %v", prefer, name, corrupt)
			}
		}
	}
}
