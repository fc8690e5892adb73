package api

import (
	"context"
	"net/http"
	"strings"
	"time"

	"kumoi/internal/image"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/rest"
)

func (a *api) cache() []httpx.Route {
	const one = "/v2/cache/{image_id}"
	return []httpx.Route{
		route("GET", "/v2/cache", "cache_list", a.listCache("cached_images", "queued_images")),
		route("DELETE", "/v2/cache", "cache_delete", a.clearCache),
		route("PUT", one, "cache_image", a.queueCache(http.StatusAccepted)),
		route("DELETE", one, "cache_delete", a.dropCache),
		route("GET", "/v2/cache/nodes/{image_id}", "list_cached_nodes", a.cacheNodes),
		route("POST", "/v2/cache/clean", "cache_clean", a.cleanCache),
		route("POST", "/v2/cache/prune", "cache_prune", a.pruneCache),
		// The paths that Glance had before, and that its older tools use.
		route("GET", "/v2/cached_images", "cache_list", a.listCache("cached_images", "")),
		route("DELETE", "/v2/cached_images", "cache_delete", a.clearOld(true, false)),
		route("DELETE", "/v2/cached_images/{image_id}", "cache_delete", a.dropCache),
		route("GET", "/v2/queued_images", "cache_list", a.listCache("", "queued_images")),
		route("PUT", "/v2/queued_images/{image_id}", "cache_image", a.queueCache(http.StatusOK)),
		route("DELETE", "/v2/queued_images", "cache_delete", a.clearOld(false, true)),
		route("DELETE", "/v2/queued_images/{image_id}", "cache_delete", a.dropCache),
	}
}

// listCache shows what the cache holds and what is queued for it, each under
// its key if it has one.
func (a *api) listCache(cached, queued string) httpx.Handler {
	return func(ctx context.Context, _ *httpx.Request) (*httpx.Response, error) {
		entries, err := a.svc.Cache.List(ctx)
		if err != nil {
			return nil, err
		}
		return rest.Answer(http.StatusOK, func(w *rest.Writer) {
			w.Object("", func() {
				if cached != "" {
					w.List(cached, func() { viewCached(w, entries) })
				}
				if queued != "" {
					w.List(queued, func() { viewQueued(w, entries) })
				}
			})
		}), nil
	}
}

func viewCached(w *rest.Writer, entries []*image.CacheEntry) {
	seconds := func(t time.Time) float64 { return float64(t.UnixMicro()) / 1e6 }
	for _, e := range entries {
		if !e.Cached {
			continue
		}
		w.Object("", func() {
			w.Text("image_id", e.ImageID)
			w.Int("hits", e.Hits)
			w.Int("size", e.Size)
			w.Any("last_accessed", seconds(e.LastAccessed))
			w.Any("last_modified", seconds(e.LastModified))
		})
	}
}

func viewQueued(w *rest.Writer, entries []*image.CacheEntry) {
	for _, e := range entries {
		if !e.Cached {
			w.Text("", e.ImageID)
		}
	}
}

// clearOld empties one half of the cache's state and says how much went.
func (a *api) clearOld(cached, queued bool) httpx.Handler {
	return func(ctx context.Context, _ *httpx.Request) (*httpx.Response, error) {
		n, err := a.svc.Cache.Clear(ctx, cached, queued)
		if err != nil {
			return nil, err
		}
		return httpx.JSON(http.StatusOK, object{"num_deleted": n}), nil
	}
}

func (a *api) queueCache(status int) httpx.Handler {
	return func(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
		if err := a.svc.Cache.Queue(ctx, r.Var("image_id")); err != nil {
			return nil, err
		}
		return httpx.Empty(status), nil
	}
}

func (a *api) dropCache(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	return done(a.svc.Cache.Drop(ctx, r.Var("image_id")))
}

func (a *api) clearCache(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	target := strings.ToLower(r.HTTP.Header.Get("X-Image-Cache-Clear-Target"))
	if target != "" && target != "cache" && target != "queue" {
		return nil, errs.New(errs.Invalid, "If provided 'x-image-cache-clear-target' must be 'cache', 'queue' or empty string.")
	}
	_, err := a.svc.Cache.Clear(ctx, target != "queue", target != "cache")
	return done(err)
}

func (a *api) cacheNodes(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	nodes, err := a.svc.Cache.Nodes(ctx, r.Var("image_id"))
	if err != nil {
		return nil, err
	}
	return httpx.JSON(http.StatusOK, nodes), nil
}

func (a *api) cleanCache(ctx context.Context, _ *httpx.Request) (*httpx.Response, error) {
	if err := a.svc.Cache.Clean(ctx); err != nil {
		return nil, err
	}
	return httpx.Empty(http.StatusOK), nil
}

func (a *api) pruneCache(ctx context.Context, _ *httpx.Request) (*httpx.Response, error) {
	files, bytes, err := a.svc.Cache.Prune(ctx)
	if err != nil {
		return nil, err
	}
	return httpx.JSON(http.StatusOK, object{"total_files_pruned": files, "total_bytes_pruned": bytes}), nil
}
