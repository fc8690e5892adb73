package api_test

import (
	"bytes"
	"testing"
	"time"

	"kumoi/internal/image"
	"kumoi/internal/image/backend/fake"
	"kumoi/internal/kernel/store"
	"kumoi/internal/kernel/store/storetest"
)

// until waits for a condition.
func until(t *testing.T, what string, cond func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !cond(); {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not in 20 s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func TestCache(t *testing.T) {
	far := fake.New("far")
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		far.SetAway(false)
		c := newCloud(t, db, func(d *image.Deps) {
			d.Stores = []image.NamedStore{{ID: "far", Backend: far}}
			d.Config.CacheSize = 250_000
		})
		cached := func() (n int) {
			return len(c.must(200, "admin", "GET", "/v2/cache", nil).object(t)["cached_images"].([]any))
		}
		data := noise(100_000)
		var images []string
		for range 3 {
			id := c.create("alice")
			c.must(400, "admin", "PUT", "/v2/cache/"+id, nil)
			c.must(204, "alice", "PUT", "/v2/images/"+id+"/file", data)
			images = append(images, id)
		}
		c.must(403, "alice", "GET", "/v2/cache", nil)
		c.must(403, "alice", "PUT", "/v2/cache/"+images[0], nil)
		c.must(404, "bob", "PUT", "/v2/cache/"+images[0], nil)
		c.must(404, "admin", "PUT", "/v2/cache/nothing", nil)
		c.must(202, "admin", "PUT", "/v2/cache/"+images[0], nil)
		until(t, "caching", func() bool { return cached() == 1 })
		nodes := string(c.must(200, "admin", "GET", "/v2/cache/nodes/"+images[0], nil).body)
		if nodes != `["kumoi"]` {
			t.Errorf("nodes: %s", nodes)
		}

		// With the store away the cached image is there, others say what is wrong.
		far.SetAway(true)
		got := c.must(200, "alice", "GET", "/v2/images/"+images[0]+"/file", nil)
		if !bytes.Equal(got.body, data) {
			t.Error("the cached data differs")
		}
		c.must(503, "alice", "GET", "/v2/images/"+images[1]+"/file", nil)
		c.must(200, "alice", "GET", "/v2/images/"+images[1], nil)
		c.must(200, "alice", "GET", "/v2/images", nil)
		far.SetAway(false)

		// Reading queues by itself; the limit drops the one that was read longest ago.
		c.must(200, "alice", "GET", "/v2/images/"+images[1]+"/file", nil)
		until(t, "caching of what was read", func() bool { return cached() == 2 })
		c.must(202, "admin", "PUT", "/v2/cache/"+images[2], nil)
		until(t, "pruning", func() bool {
			state := c.must(200, "admin", "GET", "/v2/cache", nil).object(t)
			return len(state["cached_images"].([]any)) == 2 && len(state["queued_images"].([]any)) == 0
		})
		c.must(200, "admin", "POST", "/v2/cache/prune", nil)
		c.must(200, "admin", "POST", "/v2/cache/clean", nil)
		c.must(400, "admin", "DELETE", "/v2/cache", nil, "X-Image-Cache-Clear-Target", "all")
		c.must(204, "admin", "DELETE", "/v2/cache/"+images[2], nil)
		c.must(204, "admin", "DELETE", "/v2/cache", nil)

		// The older paths do the same.
		c.must(200, "admin", "PUT", "/v2/queued_images/"+images[0], nil)
		until(t, "caching by the older path", func() bool {
			state := c.must(200, "admin", "GET", "/v2/cached_images", nil).object(t)
			return len(state["cached_images"].([]any)) == 1
		})
		if state := c.must(200, "admin", "GET", "/v2/queued_images", nil).object(t); len(state["queued_images"].([]any)) != 0 {
			t.Errorf("queued: %v", state)
		}
		if n := c.must(200, "admin", "DELETE", "/v2/queued_images", nil).object(t)["num_deleted"]; n != 0.0 {
			t.Errorf("dropped from the queue: %v", n)
		}
		if n := c.must(200, "admin", "DELETE", "/v2/cached_images", nil).object(t)["num_deleted"]; n != 1.0 {
			t.Errorf("dropped from the cache: %v", n)
		}
		if n := cached(); n != 0 {
			t.Errorf("%d images are cached after the cache was cleared", n)
		}
	})
}
