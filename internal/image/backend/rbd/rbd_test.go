package rbd_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"kumoi/internal/image/backend"
	"kumoi/internal/image/backend/backendtest"
	"kumoi/internal/image/backend/rbd"
	"kumoi/internal/kernel/errs"
)

// TestSuite runs against a pretended cluster, and TestCluster against the one of
// KUMOI_TEST_CEPH, the path of a ceph.conf, in its pool "images".
func TestSuite(t *testing.T) {
	backendtest.Run(t, func(t *testing.T) backend.Backend { return newCluster(t).store(t) })
}

func TestCluster(t *testing.T) {
	conf := os.Getenv("KUMOI_TEST_CEPH")
	if conf == "" || !rbd.Available() {
		t.Skip("KUMOI_TEST_CEPH does not name a cluster, or Ceph's tools are not installed")
	}
	backendtest.Run(t, func(t *testing.T) backend.Backend {
		s, err := rbd.New(context.Background(), rbd.Config{Conf: conf, Pool: "images"})
		if err != nil {
			t.Fatal(err)
		}
		return s
	})
}

func TestConfig(t *testing.T) {
	c := newCluster(t)
	ctx := t.Context()
	for _, pool := range []string{"", "-x", "a/b", "a b"} {
		if _, err := rbd.New(ctx, rbd.Config{Pool: pool}); err == nil {
			t.Errorf("the pool %q is accepted", pool)
		}
	}
	s, err := rbd.New(ctx, rbd.Config{Pool: "images"})
	if err != nil {
		t.Fatal(err)
	}
	if p := s.Properties(); p["chunk_size"] != 8 || p["pool"] != "images" || p["fsid"] != fsid || s.Type() != "rbd" || s.ReadOnly() {
		t.Errorf("%s with %v", s.Type(), p)
	}
	if u := s.URL("key"); u != "rbd://"+fsid+"/images/key/snap" {
		t.Errorf("an image lies at %s", u)
	}
	// The cluster's name is taken from the settings before it is looked for.
	if s, err := rbd.New(ctx, rbd.Config{Pool: "images", FSID: "named", ChunkSize: 4}); err != nil || s.Properties()["fsid"] != "named" || s.Properties()["chunk_size"] != 4 {
		t.Errorf("a cluster that is named: %v", err)
	}
	c.set(t, "fsid", "not a name\n")
	if _, err := rbd.New(ctx, rbd.Config{Pool: "images"}); err == nil {
		t.Error("a cluster without a name is accepted")
	}
	c.set(t, "broken", "ceph-conf=1")
	if _, err := rbd.New(ctx, rbd.Config{Pool: "images"}); err == nil || !strings.Contains(err.Error(), "fsid") {
		t.Errorf("a configuration without the cluster: %v", err)
	}
	t.Setenv("PATH", t.TempDir())
	if _, err := rbd.New(ctx, rbd.Config{Pool: "images", FSID: "named"}); !errs.Is(err, errs.Unsupported) {
		t.Errorf("without the tools: %v", err)
	}
}

// What a tool says by its exit becomes what users and operators are told.
func TestFailures(t *testing.T) {
	for _, tc := range []struct {
		broken string
		kind   errs.Kind
	}{{"2", errs.NotFound}, {"17", errs.Exists}, {"16", errs.Conflict}, {"28", errs.TooLarge}, {"122", errs.TooLarge}, {"110", errs.Unavailable}, {"1", errs.Unavailable}} {
		for _, step := range []string{"rbd import", "rbd rename", "rbd snap create", "rbd snap protect"} {
			c := newCluster(t)
			s := c.store(t)
			c.set(t, "broken", step+"="+tc.broken)
			_, err := s.Put(t.Context(), "key", bytes.NewReader(backendtest.Noise(1000)), -1)
			if !errs.Is(err, tc.kind) || !strings.Contains(errText(err), "it is broken") {
				t.Errorf("put, when %s exits with %s: %v", step, tc.broken, err)
			}
			if left := c.images(t); len(left) > 0 {
				t.Errorf("put, when %s exits with %s: left are %v", step, tc.broken, left)
			}
		}
		c := newCluster(t)
		s := c.store(t)
		c.set(t, "broken", "rbd info="+tc.broken)
		if _, err := s.Open(t.Context(), s.URL("key")); !errs.Is(err, tc.kind) {
			t.Errorf("open, when it exits with %s: %v", tc.broken, err)
		}
		c.set(t, "broken", "rbd ls="+tc.broken)
		if err := s.Check(t.Context()); !errs.Is(err, tc.kind) {
			t.Errorf("check, when it exits with %s: %v", tc.broken, err)
		}
		c.set(t, "broken", "rbd rm="+tc.broken)
		if err := s.Delete(t.Context(), s.URL("key")); (err == nil) != (tc.kind == errs.NotFound) || err != nil && !errs.Is(err, tc.kind) {
			t.Errorf("delete, when it exits with %s: %v", tc.broken, err)
		}
	}
}

// Data that disks were cloned from stays, and can be removed once they are gone.
func TestClones(t *testing.T) {
	c := newCluster(t)
	s := c.store(t)
	if _, err := s.Put(t.Context(), "key", strings.NewReader("data"), 4); err != nil {
		t.Fatal(err)
	}
	if c.get("images/key@snap") != "protected" {
		t.Errorf("in the pool: %v", c.images(t))
	}
	if _, err := s.Put(t.Context(), "../key", strings.NewReader("data"), 4); !errs.Is(err, errs.Invalid) {
		t.Errorf("a key that leads elsewhere: %v", err)
	}
	c.set(t, "clones", "x")
	if err := s.Delete(t.Context(), s.URL("key")); !errs.Is(err, errs.Conflict) || !slices.Contains(c.images(t), "key") {
		t.Errorf("delete of what is in use: %v, left are %v", err, c.images(t))
	}
	c.set(t, "clones", "")
	if err := s.Delete(t.Context(), s.URL("key")); err != nil || len(c.images(t)) > 0 {
		t.Errorf("delete: %v, left are %v", err, c.images(t))
	}
	// A process that died may have left any part of an image.
	c.set(t, "images/key.part", "x")
	c.set(t, "images/key", "x")
	c.set(t, "images/key@snap", "open")
	if err := s.Delete(t.Context(), s.URL("key")); err != nil || len(c.images(t)) > 0 {
		t.Errorf("delete of parts: %v, left are %v", err, c.images(t))
	}
}

// What the tools answer is not believed where it makes no sense.
func TestAnswersNotUnderstood(t *testing.T) {
	c := newCluster(t)
	s := c.store(t)
	data := backendtest.Noise(3*objectSize + 10)
	clear(data[objectSize : 2*objectSize])
	if _, err := s.Put(t.Context(), "key", bytes.NewReader(data), -1); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"x", "{}", `{"size":1,"object_size":0,"block_name_prefix":"x"}`, `{"size":1,"object_size":1,"block_name_prefix":""}`} {
		c.set(t, "info", text)
		if _, err := s.Open(t.Context(), s.URL("key")); !errs.Is(err, errs.Unavailable) {
			t.Errorf("%s: %v", text, err)
		}
	}
	c.set(t, "info", "")
	o, err := s.Open(t.Context(), s.URL("key"))
	if err != nil {
		t.Fatal(err)
	}
	// Reads that begin and end anywhere, across objects and holes.
	for _, r := range [][2]int{{0, 10}, {objectSize - 5, 10}, {2*objectSize - 5, 10}, {objectSize + 3, 100}, {5, 3 * objectSize}, {3 * objectSize, 10}} {
		buf := make([]byte, r[1])
		for i := range buf {
			buf[i] = 0xff
		}
		if n, err := o.ReadAt(buf, int64(r[0])); n != r[1] || err != nil || !bytes.Equal(buf, data[r[0]:r[0]+r[1]]) {
			t.Errorf("%d bytes at %d: %d, %v", r[1], r[0], n, err)
		}
	}
	if n, err := o.ReadAt(make([]byte, 1), int64(len(data))); n != 0 || err != io.EOF { //nolint:errorlint // io.ReaderAt's contract
		t.Errorf("behind the end: %d, %v", n, err)
	}
	// Going on within an object asks for nothing more, so a store that is away is not noticed.
	if _, err := o.ReadAt(make([]byte, 1), 2*objectSize); err != nil {
		t.Fatal(err)
	}
	c.set(t, "broken", "rados=110")
	if _, err := o.ReadAt(make([]byte, 10), 2*objectSize+10); err != nil {
		t.Errorf("going on: %v", err)
	}
	if n, err := o.ReadAt(make([]byte, objectSize), 2*objectSize+10); !errs.Is(err, errs.Unavailable) || n != objectSize-10 {
		t.Errorf("an object of a store that is away: %d, %v", n, err)
	}
	c.set(t, "broken", "")
	c.set(t, "long", "x")
	if _, err := o.ReadAt(make([]byte, 1), 0); !errs.Is(err, errs.Unavailable) {
		t.Errorf("an object that is too long: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Check(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("what nobody waits for any more: %v", err)
	}
}
