package api

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/audit"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/store"
	"kumoi/internal/network"
)

type api struct {
	svc *network.Service
	db  writer
}

type writer interface {
	Write(ctx context.Context, f func(tx *store.Tx) error) error
}

// routes are the rows of the table for one collection.
func routes[R, V any](a *api, r *resource[R, V]) []httpx.Route {
	r.index()
	h := &handlers[R, V]{a, r}
	one := r.path + "/{" + strings.ReplaceAll(r.member, "-", "_") + "_id}"
	rule := r.member
	var out []httpx.Route
	add := func(method, path, rule string, f httpx.Handler, variants ...string) {
		out = append(out, httpx.Route{Method: method, Path: path, Policy: rule, Handler: f, Variants: variants})
	}
	if r.list != nil {
		add(http.MethodGet, r.path, "get_"+rule, h.list)
	}
	if r.show != nil {
		add(http.MethodGet, one, "get_"+rule, h.show)
	}
	if r.create != nil {
		if r.createBulk {
			add(http.MethodPost, r.path, "create_"+rule, h.create, "bulk")
		} else {
			add(http.MethodPost, r.path, "create_"+rule, h.create)
		}
	}
	if r.update != nil {
		add(http.MethodPut, one, "update_"+rule, h.update)
	}
	if r.remove != nil {
		add(http.MethodDelete, one, "delete_"+rule, h.remove)
	}
	return out
}

type handlers[R, V any] struct {
	*api
	r *resource[R, V]
}

// idOf is the last placeholder of a request's path.
func idOf(req *httpx.Request) string {
	segs := strings.Split(strings.Trim(req.Route.Path, "/"), "/")
	for i := len(segs) - 1; i >= 0; i-- {
		if name, ok := strings.CutPrefix(segs[i], "{"); ok {
			return req.Var(strings.TrimSuffix(name, "}"))
		}
	}
	return ""
}

// sees remembers what the actor may see within one answer.
func (a *api) sees(ctx context.Context) func(string) bool {
	memo := map[string]bool{}
	project := actor.From(ctx).ProjectID
	return func(rule string) bool {
		ok, known := memo[rule]
		if !known {
			ok = a.svc.Sees(ctx, rule, project)
			memo[rule] = ok
		}
		return ok
	}
}

func (h *handlers[R, V]) list(ctx context.Context, req *httpx.Request) (*httpx.Response, error) {
	l, err := h.r.parse(req.Query)
	if err != nil {
		return nil, err
	}
	vs, err := h.r.read(ctx, l)
	if err != nil {
		return nil, err
	}
	out, err := h.views(ctx, vs, l.fields)
	if err != nil {
		return nil, err
	}
	body := map[string]any{h.r.collection: out}
	if l.paginate {
		if links := h.r.links(req, l, vs); len(links) > 0 {
			body[h.r.collection+"_links"] = links
		}
	}
	return httpx.JSON(http.StatusOK, body), nil
}

func (h *handlers[R, V]) show(ctx context.Context, req *httpx.Request) (*httpx.Response, error) {
	v, err := h.r.show(ctx, idOf(req))
	if err != nil {
		return nil, err
	}
	return h.answer(ctx, http.StatusOK, v, req.Query["fields"])
}

func (h *handlers[R, V]) answer(ctx context.Context, status int, v *V, fields []string) (*httpx.Response, error) {
	out, err := h.views(ctx, []*V{v}, fields)
	if err != nil {
		return nil, err
	}
	return httpx.JSON(status, map[string]any{h.r.member: out[0]}), nil
}

// views shows resources as the actor may see them.
func (h *handlers[R, V]) views(ctx context.Context, vs []*V, fields []string) ([]map[string]any, error) {
	if h.r.complete != nil {
		if err := h.r.complete(ctx, vs); err != nil {
			return nil, err
		}
	}
	sees := h.sees(ctx)
	out := make([]map[string]any, len(vs))
	for i, v := range vs {
		out[i] = h.r.view(v, fields, sees)
	}
	return out, nil
}

// bodyOf reads a body that has no other keys than these: what nobody would look
// at is a mistake.
func bodyOf(req *httpx.Request, keys ...string) (map[string]any, error) {
	body, err := req.Object()
	if err != nil {
		return nil, err
	}
	for k := range body {
		if !slices.Contains(keys, k) {
			return nil, badRequest("Unexpected '%.60s' in request body; expected is %s.", k, strings.Join(keys, " or "))
		}
	}
	return body, nil
}

// listIn reads the list of an action's body: under its name, or inside the
// resource, as some clients wrap it. It has to be there.
func listIn(req *httpx.Request, member, name string) ([]any, error) {
	body, err := bodyOf(req, name, member)
	if err != nil {
		return nil, err
	}
	raw, ok := body[name]
	if wrapped, is := body[member]; is && !ok {
		m, err := object(wrapped, name)
		if err != nil {
			return nil, badRequest("Invalid input for %s. Reason: %s.", member, err)
		}
		raw, ok = m[name]
	}
	if !ok {
		return nil, badRequest("Unable to find '%s' in request body", name)
	}
	list, isList := raw.([]any)
	if !isList {
		return nil, badRequest("Invalid input for %s. Reason: '%v' is not a list.", name, show(raw))
	}
	return list, nil
}

// objects finds the body's resource, or resources of a bulk request.
func objects(req *httpx.Request, one, many string, bulk bool) (list []map[string]any, isBulk bool, err error) {
	keys := []string{one}
	if bulk {
		keys = append(keys, many)
	}
	body, err := bodyOf(req, keys...)
	if err != nil {
		return nil, false, err
	}
	if len(body) > 1 {
		return nil, false, badRequest("Request body has both '%s' and '%s'", one, many)
	}
	if raw, ok := body[one]; ok {
		m, ok := raw.(map[string]any)
		if !ok {
			return nil, false, badRequest("Invalid input for operation: '%s' must be a dictionary.", one)
		}
		return []map[string]any{m}, false, nil
	}
	raw, ok := body[many].([]any)
	if !ok || !bulk {
		return nil, false, badRequest("Unable to find '%s' in request body", one)
	}
	if len(raw) == 0 {
		return nil, false, badRequest("Resources required")
	}
	for _, x := range raw {
		m, ok := x.(map[string]any)
		if !ok {
			return nil, false, badRequest("Invalid input for operation: each of '%s' must be a dictionary.", many)
		}
		if wrapped, ok := m[one].(map[string]any); ok && len(m) == 1 {
			m = wrapped // {"ports": [{"port": {…}}]} is an old way to say it
		}
		list = append(list, m)
	}
	return list, true, nil
}

func (h *handlers[R, V]) create(ctx context.Context, req *httpx.Request) (*httpx.Response, error) {
	objects, bulk, err := objects(req, h.r.member, h.r.collection, h.r.createBulk)
	if err != nil {
		return nil, err
	}
	var made []*V
	err = h.db.Write(ctx, func(tx *store.Tx) error {
		made = made[:0]
		for _, o := range objects {
			r := h.r.begin()
			asked, err := h.r.fill(r, o, post)
			if err != nil {
				return err
			}
			v, err := h.r.create(ctx, tx, r, network.Change{Attrs: asked})
			if err != nil {
				return err
			}
			audit.Created(ctx, h.r.id(v))
			made = append(made, v)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if !bulk {
		return h.answer(ctx, http.StatusCreated, made[0], nil)
	}
	out, err := h.views(ctx, made, nil)
	if err != nil {
		return nil, err
	}
	return httpx.JSON(http.StatusCreated, map[string]any{h.r.collection: out}), nil
}

// revision reads If-Match: revision_number=N.
func revision(req *httpx.Request) (*int64, error) {
	text := req.HTTP.Header.Get("If-Match")
	if text == "" {
		return nil, nil
	}
	num, ok := strings.CutPrefix(strings.Trim(text, `" `), "revision_number=")
	n, err := strconv.ParseInt(num, 10, 64)
	if !ok || err != nil {
		return nil, badRequest("Invalid value '%s' for If-Match: expected revision_number=N.", text)
	}
	return &n, nil
}

func (h *handlers[R, V]) update(ctx context.Context, req *httpx.Request) (*httpx.Response, error) {
	objects, _, err := objects(req, h.r.member, h.r.collection, false)
	if err != nil {
		return nil, err
	}
	rev, err := revision(req)
	if err != nil {
		return nil, err
	}
	// Once without a resource, to know which attributes are meant and that they are right.
	asked, err := h.r.fill(h.r.begin(), objects[0], put)
	if err != nil {
		return nil, err
	}
	var v *V
	err = h.db.Write(ctx, func(tx *store.Tx) (err error) {
		v, err = h.r.update(ctx, tx, idOf(req), network.Change{Attrs: asked, Revision: rev}, func(r *R) error {
			_, err := h.r.fill(r, objects[0], put)
			return err
		})
		return err
	})
	if err != nil {
		return nil, err
	}
	return h.answer(ctx, http.StatusOK, v, nil)
}

func (h *handlers[R, V]) remove(ctx context.Context, req *httpx.Request) (*httpx.Response, error) {
	rev, err := revision(req)
	if err != nil {
		return nil, err
	}
	err = h.db.Write(ctx, func(tx *store.Tx) error {
		return h.r.remove(ctx, tx, idOf(req), network.Change{Revision: rev})
	})
	if err != nil {
		return nil, err
	}
	return httpx.NoContent(), nil
}
