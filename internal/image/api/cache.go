package api

import (
	"context"
	"net/http"
	"strings"
	"time"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/httpx"
)

func (a *api) cache() []httpx.Route {
	const one = "/v2/cache/{image_id}"
	return []httpx.Route{
		route("GET", "/v2/cache", "cache_list", a.listCache),
		route("DELETE", "/v2/cache", "cache_delete", a.clearCache),
		route("PUT", one, "cache_image", a.queueCache),
		route("DELETE", one, "cache_delete", a.dropCache),
		route("GET", "/v2/cache/nodes/{image_id}", "list_cached_nodes", a.cacheNodes),
		route("POST", "/v2/cache/clean", "cache_clean", a.cleanCache),
		route("POST", "/v2/cache/prune", "cache_prune", a.pruneCache),
		// The paths that Glance had before, and that its older tools use.
		route("GET", "/v2/cached_images", "cache_list", a.listCached),
		route("DELETE", "/v2/cached_images", "cache_delete", a.clearOld(true, false)),
		route("DELETE", "/v2/cached_images/{image_id}", "cache_delete", a.dropCache),
		route("GET", "/v2/queued_images", "cache_list", a.listQueued),
		route("PUT", "/v2/queued_images/{image_id}", "cache_image", a.queueOld),
		route("DELETE", "/v2/queued_images", "cache_delete", a.clearOld(false, true)),
		route("DELETE", "/v2/queued_images/{image_id}", "cache_delete", a.dropCache),
	}
}

func (a *api) listCache(ctx context.Context, _ *httpx.Request) (*httpx.Response, error) {
	cached, queued, err := a.cacheState(ctx)
	if err != nil {
		return nil, err
	}
	return httpx.JSON(http.StatusOK, object{"cached_images": cached, "queued_images": queued}), nil
}

func (a *api) listCached(ctx context.Context, _ *httpx.Request) (*httpx.Response, error) {
	cached, _, err := a.cacheState(ctx)
	if err != nil {
		return nil, err
	}
	return httpx.JSON(http.StatusOK, object{"cached_images": cached}), nil
}

func (a *api) listQueued(ctx context.Context, _ *httpx.Request) (*httpx.Response, error) {
	_, queued, err := a.cacheState(ctx)
	if err != nil {
		return nil, err
	}
	return httpx.JSON(http.StatusOK, object{"queued_images": queued}), nil
}

// clearOld empties one half of the cache's state and says how much went.
func (a *api) clearOld(cached, queued bool) httpx.Handler {
	return func(ctx context.Context, _ *httpx.Request) (*httpx.Response, error) {
		n, err := a.svc.ClearCache(ctx, cached, queued)
		if err != nil {
			return nil, err
		}
		return httpx.JSON(http.StatusOK, object{"num_deleted": n}), nil
	}
}

func (a *api) queueOld(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	if err := a.svc.QueueForCache(ctx, r.Var("image_id")); err != nil {
		return nil, err
	}
	return httpx.Empty(http.StatusOK), nil
}

// cacheState is what the cache holds and what is queued for it.
func (a *api) cacheState(ctx context.Context) ([]object, []string, error) {
	entries, err := a.svc.Cache(ctx)
	if err != nil {
		return nil, nil, err
	}
	seconds := func(t time.Time) float64 { return float64(t.UnixMicro()) / 1e6 }
	cached, queued := []object{}, []string{}
	for _, e := range entries {
		if !e.Cached {
			queued = append(queued, e.ImageID)
			continue
		}
		cached = append(cached, object{
			"image_id": e.ImageID, "hits": e.Hits, "size": e.Size,
			"last_accessed": seconds(e.LastAccessed), "last_modified": seconds(e.LastModified),
		})
	}
	return cached, queued, nil
}

func (a *api) queueCache(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	if err := a.svc.QueueForCache(ctx, r.Var("image_id")); err != nil {
		return nil, err
	}
	return httpx.Empty(http.StatusAccepted), nil
}

func (a *api) dropCache(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	return done(a.svc.DropFromCache(ctx, r.Var("image_id")))
}

func (a *api) clearCache(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	target := strings.ToLower(r.HTTP.Header.Get("X-Image-Cache-Clear-Target"))
	if target != "" && target != "cache" && target != "queue" {
		return nil, errs.New(errs.Invalid, "If provided 'x-image-cache-clear-target' must be 'cache', 'queue' or empty string.")
	}
	_, err := a.svc.ClearCache(ctx, target != "queue", target != "cache")
	return done(err)
}

func (a *api) cacheNodes(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	nodes, err := a.svc.CachedNodes(ctx, r.Var("image_id"))
	if err != nil {
		return nil, err
	}
	return httpx.JSON(http.StatusOK, nodes), nil
}

func (a *api) cleanCache(ctx context.Context, _ *httpx.Request) (*httpx.Response, error) {
	if err := a.svc.CleanCache(ctx); err != nil {
		return nil, err
	}
	return httpx.Empty(http.StatusOK), nil
}

func (a *api) pruneCache(ctx context.Context, _ *httpx.Request) (*httpx.Response, error) {
	files, bytes, err := a.svc.PruneCache(ctx)
	if err != nil {
		return nil, err
	}
	return httpx.JSON(http.StatusOK, object{"total_files_pruned": files, "total_bytes_pruned": bytes}), nil
}
