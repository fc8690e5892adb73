package api

import (
	"context"
	"net/http"
	"slices"

	"kumoi/internal/kernel/httpx"
	"kumoi/internal/network"
)

// tagRoutes serve the tags of every collection that has them.
func (a *api) tagRoutes() []httpx.Route {
	var out []httpx.Route
	for _, c := range network.TagCollections() {
		base := "/v2.0/" + c + "/{resource_id}/tags"
		one := base + "/{tag}"
		h := &tagHandlers{a, c}
		rule := func(verb string) string { return network.TagRule(verb, c) }
		out = append(out,
			httpx.Route{Method: http.MethodGet, Path: base, Policy: rule("get"), Handler: h.list},
			httpx.Route{Method: http.MethodPut, Path: base, Policy: rule("update"), Handler: h.replace},
			httpx.Route{Method: http.MethodPost, Path: base, Policy: rule("create"), Handler: h.addMany},
			httpx.Route{Method: http.MethodDelete, Path: base, Policy: rule("delete"), Handler: h.clear},
			httpx.Route{Method: http.MethodGet, Path: one, Policy: rule("get"), Handler: h.check},
			httpx.Route{Method: http.MethodPut, Path: one, Policy: rule("update"), Handler: h.add},
			httpx.Route{Method: http.MethodDelete, Path: one, Policy: rule("delete"), Handler: h.remove},
		)
	}
	return out
}

type tagHandlers struct {
	*api
	collection string
}

func (h *tagHandlers) change(ctx context.Context, req *httpx.Request, verb string, f func([]string) ([]string, error)) ([]string, error) {
	return h.svc.Tags.Change(ctx, verb, h.collection, req.Var("resource_id"), f)
}

func (h *tagHandlers) list(ctx context.Context, req *httpx.Request) (*httpx.Response, error) {
	tags, err := h.svc.Tags.Show(ctx, h.collection, req.Var("resource_id"))
	if err != nil {
		return nil, err
	}
	return httpx.JSON(http.StatusOK, map[string]any{"tags": append([]string{}, tags...)}), nil
}

func (h *tagHandlers) check(ctx context.Context, req *httpx.Request) (*httpx.Response, error) {
	tags, err := h.svc.Tags.Show(ctx, h.collection, req.Var("resource_id"))
	if err != nil {
		return nil, err
	}
	if !slices.Contains(tags, req.Var("tag")) {
		return nil, network.NoTag(req.Var("tag"))
	}
	return httpx.NoContent(), nil
}

func (h *tagHandlers) read(req *httpx.Request) ([]string, error) {
	body, err := bodyOf(req, "tags")
	if err != nil {
		return nil, err
	}
	list, ok := body["tags"].([]any)
	if !ok {
		return nil, badRequest("Invalid tags body: 'tags' must be a list")
	}
	tags, err := listOf(toTag)(list)
	if err != nil {
		return nil, badRequest("Invalid input for tags. Reason: %s.", err)
	}
	return unique(tags), nil
}

func unique(list []string) []string {
	out := []string{}
	for _, t := range list {
		if !slices.Contains(out, t) {
			out = append(out, t)
		}
	}
	return out
}

func (h *tagHandlers) replace(ctx context.Context, req *httpx.Request) (*httpx.Response, error) {
	tags, err := h.read(req)
	if err != nil {
		return nil, err
	}
	if tags, err = h.change(ctx, req, "update", func([]string) ([]string, error) { return tags, nil }); err != nil {
		return nil, err
	}
	return httpx.JSON(http.StatusOK, map[string]any{"tags": tags}), nil
}

func (h *tagHandlers) addMany(ctx context.Context, req *httpx.Request) (*httpx.Response, error) {
	more, err := h.read(req)
	if err != nil {
		return nil, err
	}
	tags, err := h.change(ctx, req, "create", func(have []string) ([]string, error) { return unique(append(have, more...)), nil })
	if err != nil {
		return nil, err
	}
	return httpx.JSON(http.StatusOK, map[string]any{"tags": tags}), nil
}

func (h *tagHandlers) clear(ctx context.Context, req *httpx.Request) (*httpx.Response, error) {
	if _, err := h.change(ctx, req, "delete", func([]string) ([]string, error) { return nil, nil }); err != nil {
		return nil, err
	}
	return httpx.NoContent(), nil
}

func (h *tagHandlers) add(ctx context.Context, req *httpx.Request) (*httpx.Response, error) {
	tag, err := toTag(req.Var("tag"))
	if err != nil {
		return nil, badRequest("Invalid input for operation: %s.", err)
	}
	if _, err := h.change(ctx, req, "update", func(have []string) ([]string, error) { return unique(append(have, tag)), nil }); err != nil {
		return nil, err
	}
	return httpx.Empty(http.StatusCreated), nil
}

func (h *tagHandlers) remove(ctx context.Context, req *httpx.Request) (*httpx.Response, error) {
	tag := req.Var("tag")
	_, err := h.change(ctx, req, "delete", func(have []string) ([]string, error) {
		i := slices.Index(have, tag)
		if i < 0 {
			return nil, network.NoTag(tag)
		}
		return slices.Delete(have, i, i+1), nil
	})
	if err != nil {
		return nil, err
	}
	return httpx.NoContent(), nil
}
