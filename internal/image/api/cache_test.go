package api_test

import (
	"bytes"
	"testing"
	"time"

	"kumoi/internal/image"
	"kumoi/internal/image/backend/fake"
	"kumoi/internal/kernel/store"
	"kumoi/internal/kernel/store/storetest"
	"kumoi/internal/kernel/waittest"
)

// until waits for a condition.
func until(t *testing.T, what string, cond func() bool) {
	t.Helper()
	waittest.True(t, 20*time.Second, what, cond)
}

func TestCache(t *testing.T) {
	t.Parallel()
	far := fake.New("far")
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		far.SetAway(false)
		c := newCloud(t, db, func(d *image.Deps) {
			d.Stores = []image.NamedStore{{ID: "far", Backend: far}}
			d.Config.CacheSize = 250_000
		})
		cached := func() (n int) {
			return len(c.As("admin").Want(200, "GET", "/v2/cache", nil).Get("cached_images").([]any))
		}
		data := noise(100_000)
		var images []string
		for range 3 {
			id := c.create("alice")
			c.As("admin").Want(400, "PUT", "/v2/cache/"+id, nil)
			c.As("alice").Want(204, "PUT", "/v2/images/"+id+"/file", data)
			images = append(images, id)
		}
		c.As("alice").Want(403, "GET", "/v2/cache", nil)
		c.As("alice").Want(403, "PUT", "/v2/cache/"+images[0], nil)
		c.As("bob").Want(404, "PUT", "/v2/cache/"+images[0], nil)
		c.As("admin").Want(404, "PUT", "/v2/cache/nothing", nil)
		c.As("admin").Want(202, "PUT", "/v2/cache/"+images[0], nil)
		until(t, "caching", func() bool { return cached() == 1 })
		nodes := string(c.As("admin").Want(200, "GET", "/v2/cache/nodes/"+images[0], nil).Raw)
		if nodes != `["kumoi"]` {
			t.Errorf("nodes: %s", nodes)
		}

		// With the store away the cached image is there, others say what is wrong.
		far.SetAway(true)
		got := c.As("alice").Want(200, "GET", "/v2/images/"+images[0]+"/file", nil)
		if !bytes.Equal(got.Raw, data) {
			t.Error("the cached data differs")
		}
		c.As("alice").Want(503, "GET", "/v2/images/"+images[1]+"/file", nil)
		c.As("alice").Want(200, "GET", "/v2/images/"+images[1], nil)
		c.As("alice").Want(200, "GET", "/v2/images", nil)
		far.SetAway(false)

		// Reading queues by itself; the limit drops the one that was read longest ago.
		c.As("alice").Want(200, "GET", "/v2/images/"+images[1]+"/file", nil)
		until(t, "caching of what was read", func() bool { return cached() == 2 })
		c.As("admin").Want(202, "PUT", "/v2/cache/"+images[2], nil)
		until(t, "pruning", func() bool {
			state := c.As("admin").Want(200, "GET", "/v2/cache", nil).Object()
			return len(state["cached_images"].([]any)) == 2 && len(state["queued_images"].([]any)) == 0
		})
		c.As("admin").Want(200, "POST", "/v2/cache/prune", nil)
		c.As("admin").Want(200, "POST", "/v2/cache/clean", nil)
		c.As("admin").Want(400, "DELETE", "/v2/cache", nil, "X-Image-Cache-Clear-Target", "all")
		c.As("admin").Want(204, "DELETE", "/v2/cache/"+images[2], nil)
		c.As("admin").Want(204, "DELETE", "/v2/cache", nil)

		// The older paths do the same.
		c.As("admin").Want(200, "PUT", "/v2/queued_images/"+images[0], nil)
		until(t, "caching by the older path", func() bool {
			state := c.As("admin").Want(200, "GET", "/v2/cached_images", nil).Object()
			return len(state["cached_images"].([]any)) == 1
		})
		if state := c.As("admin").Want(200, "GET", "/v2/queued_images", nil).Object(); len(state["queued_images"].([]any)) != 0 {
			t.Errorf("queued: %v", state)
		}
		if n := c.As("admin").Want(200, "DELETE", "/v2/queued_images", nil).Get("num_deleted"); n != 0.0 {
			t.Errorf("dropped from the queue: %v", n)
		}
		if n := c.As("admin").Want(200, "DELETE", "/v2/cached_images", nil).Get("num_deleted"); n != 1.0 {
			t.Errorf("dropped from the cache: %v", n)
		}
		if n := cached(); n != 0 {
			t.Errorf("%d images are cached after the cache was cleared", n)
		}
	})
}
