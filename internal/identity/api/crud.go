package api

import (
	"context"
	"net/http"

	"kumoi/internal/identity"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/schema"
)

// useCases are what identity does with one kind of resource. identity.Simple
// has them; verbs makes them of methods with names of their own.
type useCases[T any] interface {
	List(ctx context.Context, q identity.Query) (identity.Page[T], error)
	Create(ctx context.Context, v T) (T, error)
	Get(ctx context.Context, id string) (T, error)
	Update(ctx context.Context, id string, change func(v *T) error) (T, error)
	Delete(ctx context.Context, id string) error
}

type verbs[T any] struct {
	list   func(ctx context.Context, q identity.Query) (identity.Page[T], error)
	create func(ctx context.Context, v T) (T, error)
	get    func(ctx context.Context, id string) (T, error)
	update func(ctx context.Context, id string, change func(v *T) error) (T, error)
	remove func(ctx context.Context, id string) error
}

func (v verbs[T]) List(ctx context.Context, q identity.Query) (identity.Page[T], error) {
	return v.list(ctx, q)
}
func (v verbs[T]) Create(ctx context.Context, t T) (T, error)    { return v.create(ctx, t) }
func (v verbs[T]) Get(ctx context.Context, id string) (T, error) { return v.get(ctx, id) }
func (v verbs[T]) Delete(ctx context.Context, id string) error   { return v.remove(ctx, id) }
func (v verbs[T]) Update(ctx context.Context, id string, change func(t *T) error) (T, error) {
	return v.update(ctx, id, change)
}

// resource describes the routes of one kind of resource: the words of its URLs
// and bodies, its schemas, and how bodies and answers map to it.
type resource[T any] struct {
	path           string // "/v3/regions"
	idVar          string // "region_id"
	key, plural    string // in bodies: "region", "regions"
	rule, ruleAll  string // in policies, where they differ from key and plural
	create, update *schema.Schema
	filters        []string
	putCreates     bool // PUT on the item creates it with that id (federation)
	noPost         bool
	use            useCases[T]
	id             func(v T) string
	view           func(r *httpx.Request, v T) object
	apply          func(o object, v *T) error
	fresh          func(id string) T // what a body is applied to; nil: the zero value
}

func (c resource[T]) routes() []httpx.Route {
	if c.rule == "" {
		c.rule, c.ruleAll = c.key, c.plural
	}
	item := c.path + "/{" + c.idVar + "}"
	rule := func(verb, noun string) string { return "identity:" + verb + "_" + noun }
	out := []httpx.Route{
		get(c.path, rule("list", c.ruleAll), c.list),
		get(item, rule("get", c.rule), c.show),
		route(http.MethodPatch, item, rule("update", c.rule), c.change),
		route(http.MethodDelete, item, rule("delete", c.rule), done(c.remove)),
	}
	if !c.noPost {
		out = append(out, route(http.MethodPost, c.path, rule("create", c.rule), c.add))
	}
	if c.putCreates {
		out = append(out, route(http.MethodPut, item, rule("create", c.rule), c.add))
	}
	return out
}

func (c resource[T]) answer(r *httpx.Request, status int, v T, err error) (*httpx.Response, error) {
	if err != nil {
		return nil, err
	}
	return httpx.JSON(status, object{c.key: c.view(r, v)}), nil
}

func (c resource[T]) list(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	q, err := filters(r, c.filters...)
	if err != nil {
		return nil, err
	}
	page, err := c.use.List(ctx, q)
	if err != nil {
		return nil, err
	}
	return collection(r, c.plural, page, c.id, c.view), nil
}

func (c resource[T]) add(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	o, err := body(r, c.key, c.create)
	if err != nil {
		return nil, err
	}
	id := r.Var(c.idVar)
	if id != "" {
		if err := sameID(o, id, c.key); err != nil {
			return nil, err
		}
	}
	var v T
	if c.fresh != nil {
		v = c.fresh(id)
	}
	if err := c.apply(o, &v); err != nil {
		return nil, err
	}
	v, err = c.use.Create(ctx, v)
	return c.answer(r, http.StatusCreated, v, err)
}

func (c resource[T]) show(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	v, err := c.use.Get(ctx, r.Var(c.idVar))
	return c.answer(r, http.StatusOK, v, err)
}

func (c resource[T]) change(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	o, err := body(r, c.key, c.update)
	if err != nil {
		return nil, err
	}
	if err := sameID(o, r.Var(c.idVar), c.key); err != nil {
		return nil, err
	}
	v, err := c.use.Update(ctx, r.Var(c.idVar), func(v *T) error { return c.apply(o, v) })
	return c.answer(r, http.StatusOK, v, err)
}

func (c resource[T]) remove(ctx context.Context, r *httpx.Request) error {
	return c.use.Delete(ctx, r.Var(c.idVar))
}
