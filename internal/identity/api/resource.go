package api

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"kumoi/internal/identity"
	"kumoi/internal/kernel/change"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/rest"
	"kumoi/internal/kernel/schema"
	"kumoi/internal/kernel/store"
)

// resource is an ordinary family of identity's: bodies are open, so that what is
// made and what is changed is a patch.
type resource[T any] = rest.Resource[T, change.Patch[T], change.Patch[T]]

// useCases are those of an ordinary family.
type useCases[T any] interface {
	List(ctx context.Context, q store.Query) (store.Page[T], error)
	Show(ctx context.Context, id string) (*T, error)
	Create(ctx context.Context, in change.Patch[T]) (*T, error)
	Update(ctx context.Context, id string, in change.Patch[T]) (*T, error)
	Delete(ctx context.Context, id string) error
}

// ordinary completes a resource from its use cases, its schemas, how a body
// applies to a row, and where a row's id is.
func ordinary[T any](c resource[T], use useCases[T], create, update *schema.Schema, apply func(o object, v *T) error, id func(v *T) *string) *resource[T] {
	c.List, c.Show, c.Create, c.Update, c.Delete = use.List, use.Show, use.Create, use.Update, use.Delete
	if c.Rule == nil {
		c.Rule = rules(c.One, c.Many)
	}
	c.ID = func(v *T) string { return *id(v) }
	noun := c.One
	switch noun { // where Keystone's older words begin with a capital
	case "project", "domain", "credential":
		noun = strings.ToUpper(noun[:1]) + noun[1:]
	}
	c.ReadNew = func(r *httpx.Request) (change.Patch[T], error) {
		o, err := readObject(r, c.One, create)
		given := r.Var(c.Item) // where PUT creates
		if err == nil && given != "" {
			err = sameID(o, given, noun)
		}
		return change.Patch[T]{Apply: func(v *T) error {
			if given != "" {
				*id(v) = given
			}
			return apply(o, v)
		}}, err
	}
	c.ReadPatch = func(r *httpx.Request) (change.Patch[T], error) {
		o, err := readObject(r, c.One, update)
		if err == nil {
			err = sameID(o, r.Var(c.Item), noun)
		}
		return change.Patch[T]{Apply: func(v *T) error { return apply(o, v) }}, err
	}
	return &c
}

// rules names the policies of a family.
func rules(one, many string) func(verb string) string {
	return func(verb string) string {
		switch verb {
		case "list":
			return "identity:list_" + many
		case "show":
			verb = "get"
		}
		return "identity:" + verb + "_" + one
	}
}

// putCreates is the route that makes one with the id of its path.
func putCreates[T any](c *resource[T]) httpx.Route {
	return route(http.MethodPut, c.Path+"/{"+c.Item+"}", c.Rule("create"), func(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
		in, err := c.ReadNew(r)
		if err != nil {
			return nil, err
		}
		v, err := c.Create(ctx, in)
		return c.Answer(ctx, r, http.StatusCreated, v, err)
	})
}

// withPut is a family whose rows are made by PUT alone.
func withPut[T any](c *resource[T]) []httpx.Route {
	all := slices.DeleteFunc(c.Routes(), func(r httpx.Route) bool { return r.Method == http.MethodPost })
	return append(all, putCreates(c))
}

// view is a View that needs nothing but the row.
func view[T any](row func(w *rest.Writer, r *httpx.Request, v *T)) func(context.Context, *httpx.Request, []*T) (func(*rest.Writer, *T), error) {
	return func(_ context.Context, r *httpx.Request, _ []*T) (func(*rest.Writer, *T), error) {
		return func(w *rest.Writer, v *T) { row(w, r, v) }, nil
	}
}

// shown are rows that handlers of their own answer with, alone under one or listed under many.
func shown[T any](one, many string, row func(w *rest.Writer, r *httpx.Request, v *T)) *resource[T] {
	return &resource[T]{One: one, Many: many, Query: listOf(), View: view(row)}
}

// all answers with a list that is never cut.
func all[T any](ctx context.Context, r *httpx.Request, c *resource[T], rows []T, err error) (*httpx.Response, error) {
	if err != nil {
		return nil, err
	}
	page := store.Page[T]{Rows: make([]*T, len(rows))}
	for i := range rows {
		page.Rows[i] = &rows[i]
	}
	return c.Rows(ctx, r, http.StatusOK, page, store.Query{})
}

// paged answers with what a use case lists of a query string, where that is not
// the resource's own list.
func paged[T, N, P any](ctx context.Context, r *httpx.Request, c *rest.Resource[T, N, P], l *rest.List, list func(context.Context, store.Query) (store.Page[T], error)) (*httpx.Response, error) {
	q, err := l.Query(r)
	if err != nil {
		return nil, err
	}
	page, err := list(ctx, q)
	if err != nil {
		return nil, err
	}
	return c.Rows(ctx, r, http.StatusOK, page, q)
}

// keystone is Keystone's dialect of lists: unknown filters are ignored, and a
// page goes on behind a row that is gone.
var keystone = rest.Dialect{
	Alone: "id", LostMarker: true, Operator: operator, Links: rest.KeystoneLinks,
	BadDir: func(dir string) error { return errs.New(errs.Invalid, "Invalid sort_dir %q: use asc or desc.", dir) },
}

// operator splits the comparison off a filter's name: name__contains.
func operator(name, value string) (field string, op store.Op, rest string) {
	field, o, _ := strings.Cut(name, "__")
	switch op := store.Op(o); op {
	case store.Contains, store.StartsWith, store.EndsWith, store.IContains, store.IStartsWith, store.IEndsWith:
		if field != "enabled" && field != "is_domain" {
			return field, op, value
		}
	}
	return name, store.Equal, value
}

// listOf is what the query string of a list may say: filters, which are also the
// keys of orders, and further fields that are not told by their names alone.
func listOf(names ...string) *rest.List {
	d := keystone
	d.BadSort = func(key string) error {
		return errs.New(errs.Invalid, "Invalid sort_key %q: lists are sorted by id, %s.", key, strings.Join(names, ", "))
	}
	l := &rest.List{Dialect: &d}
	for _, n := range names {
		f := rest.Field{Name: n}
		switch n {
		case "enabled", "is_domain":
			f.Read = func(text string) (any, error) { return truth(text), nil }
		case "parent_region_id":
			f.At = "parent_id"
		case "idp_id", "protocol_id", "unique_id": // of a user's federated identities; to sort by them is to sort by id
			f.At, f.Filter = "id", func(values []string) ([]store.Cond, error) {
				return []store.Cond{store.Is(n, values[0])}, nil
			}
		}
		l.Fields = append(l.Fields, f)
	}
	if !slices.Contains(names, "id") {
		l.Fields = append(l.Fields, rest.Field{Name: "id", NoFilter: true})
	}
	return l
}

// also adds a filter with conditions of its own; an empty value is none.
func also(l *rest.List, name string, conds func(value string) ([]store.Cond, error)) *rest.List {
	l.Fields = append(l.Fields, rest.Field{Name: name, NoSort: true, Filter: func(values []string) ([]store.Cond, error) {
		if values[0] == "" {
			return nil, nil
		}
		return conds(values[0])
	}})
	return l
}

// links writes where a row is.
func links(w *rest.Writer, r *httpx.Request, path string) {
	w.Object("links", func() { w.Text("self", v3(r, "%s", path)) })
}

// extra writes what a client stored on a row beyond its own attributes.
func extra(w *rest.Writer, more identity.Attrs, known ...string) {
	for k, v := range more {
		if k != "id" && k != "links" && !slices.Contains(known, k) {
			w.Any(k, v)
		}
	}
}

// attrs writes an object of attributes, never null.
func attrs(w *rest.Writer, key string, a identity.Attrs) {
	if a == nil {
		a = identity.Attrs{}
	}
	w.Any(key, a)
}
