package rest

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"kumoi/internal/kernel/change"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/store"
)

// Resource is an ordinary family: its routes follow from its use cases, the
// words of its API, and how its bodies are read and its rows are written. T is
// the domain's type, New and Patch are what its use cases take. A use case that
// is nil has no route; what is out of the ordinary is a route of its own beside.
type Resource[T, New, Patch any] struct {
	Path string // of the collection: "/v2.0/address-scopes"
	Item string // placeholder of one: "address_scope_id"
	// One and Many are the keys of bodies; without One, a row is the body.
	One, Many string
	// Rule names the policy rule of a verb: list, show, create, update, delete.
	Rule func(verb string) string

	// The use cases.
	List   func(ctx context.Context, q store.Query) (store.Page[T], error)
	Show   func(ctx context.Context, id string) (*T, error)
	Create func(ctx context.Context, n New) (*T, error)
	Update func(ctx context.Context, id string, p Patch) (*T, error)
	Delete func(ctx context.Context, id string) error

	// Bind sets the use cases of a family that lies within something else that the
	// request names, such as the members of an image: it is called on a copy, for
	// each request. Verbs then says which use cases there are: "list show delete".
	Bind  func(c *Resource[T, New, Patch], r *httpx.Request)
	Verbs string

	Query *List // what the list's query string may say
	// ReadNew and ReadPatch read bodies.
	ReadNew   func(r *httpx.Request) (New, error)
	ReadPatch func(r *httpx.Request) (Patch, error)
	// View returns what writes one row, made once for an answer with these rows.
	View func(ctx context.Context, r *httpx.Request, rows []*T) (func(w *Writer, v *T), error)
	ID   func(v *T) string // the marker that stands for a row

	// CreateMany and ReadMany make several at once; ReadMany finds none in a
	// body that is for Create. The two are one route, whose bodies differ.
	CreateMany func(ctx context.Context, many []New) ([]*T, error)
	ReadMany   func(r *httpx.Request) ([]New, error)
	// Expected reads the generation that a change demands, such as If-Match's.
	Expected func(r *httpx.Request) (generation int64, demanded bool, err error)

	// What differs from the common answers: PATCH, 201, 204.
	UpdateMethod     string
	Created, Deleted func(r *httpx.Request) int
}

// Routes are the rows of the service's table.
func (c *Resource[T, New, Patch]) Routes() []httpx.Route {
	item := c.Path + "/{" + c.Item + "}"
	update := c.UpdateMethod
	if update == "" {
		update = http.MethodPatch
	}
	var out []httpx.Route
	add := func(there bool, verb, method, path string, h httpx.Handler) {
		if there {
			out = append(out, httpx.Route{Method: method, Path: path, Policy: c.Rule(verb), Handler: h})
		}
	}
	add(c.List != nil || c.has("list"), "list", http.MethodGet, c.Path, c.list)
	add(c.Show != nil || c.has("show"), "show", http.MethodGet, item, c.show)
	add(c.Create != nil || c.has("create"), "create", http.MethodPost, c.Path, c.create)
	if c.CreateMany != nil {
		out[len(out)-1].Variants = []string{"bulk"}
	}
	add(c.Update != nil || c.has("update"), "update", update, item, c.update)
	add(c.Delete != nil || c.has("delete"), "delete", http.MethodDelete, item, c.remove)
	return out
}

func (c *Resource[T, New, Patch]) has(verb string) bool {
	return c.Bind != nil && slices.Contains(strings.Fields(c.Verbs), verb)
}

// bound is the resource with the use cases for a request.
func (c *Resource[T, New, Patch]) bound(r *httpx.Request) *Resource[T, New, Patch] {
	if c.Bind == nil {
		return c
	}
	own := *c
	own.Bind(&own, r)
	return &own
}

func (c *Resource[T, New, Patch]) list(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	q, err := c.Query.Query(r)
	if err != nil {
		return nil, err
	}
	page, err := c.bound(r).List(ctx, q)
	if err != nil {
		return nil, c.Query.Marked(err, q)
	}
	return c.Rows(ctx, r, http.StatusOK, page, q)
}

// Rows answers with a page.
func (c *Resource[T, New, Patch]) Rows(ctx context.Context, r *httpx.Request, status int, page store.Page[T], q store.Query) (*httpx.Response, error) {
	row, err := c.View(ctx, r, page.Rows)
	if err != nil {
		return nil, err
	}
	return Answer(status, func(w *Writer) {
		w.Object("", func() {
			w.List(c.Many, func() {
				from := len(w.b)
				for i, v := range page.Rows {
					w.makeRoom(from, i, len(page.Rows))
					w.Object("", func() { row(w, v) })
				}
			})
			if c.Query == nil || c.Query.Links == nil {
				return
			}
			p := Part{Rows: len(page.Rows), Limit: max(q.Limit, 0), More: page.More, Reverse: q.Reverse, Truncated: page.Truncated}
			if p.Rows > 0 && c.ID != nil {
				p.First, p.Last = c.ID(page.Rows[0]), c.ID(page.Rows[p.Rows-1])
			}
			c.Query.Links(w, r, c.Many, p)
		})
	}), nil
}

// Answer answers with one row, or with the error that came instead.
func (c *Resource[T, New, Patch]) Answer(ctx context.Context, r *httpx.Request, status int, v *T, err error) (*httpx.Response, error) {
	if err != nil {
		return nil, err
	}
	row, err := c.View(ctx, r, []*T{v})
	if err != nil {
		return nil, err
	}
	return Answer(status, func(w *Writer) {
		w.Object("", func() {
			if c.One == "" {
				row(w, v)
			} else {
				w.Object(c.One, func() { row(w, v) })
			}
		})
	}), nil
}

func (c *Resource[T, New, Patch]) show(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	v, err := c.bound(r).Show(ctx, r.Var(c.Item))
	return c.Answer(ctx, r, http.StatusOK, v, err)
}

func (c *Resource[T, New, Patch]) create(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	if c.CreateMany != nil {
		many, err := c.ReadMany(r)
		if err != nil {
			return nil, err
		}
		if many != nil {
			made, err := c.CreateMany(ctx, many)
			if err != nil {
				return nil, err
			}
			return c.Rows(ctx, r, http.StatusCreated, store.Page[T]{Rows: made}, store.Query{})
		}
	}
	n, err := c.ReadNew(r)
	if err != nil {
		return nil, err
	}
	v, err := c.bound(r).Create(ctx, n)
	return c.Answer(ctx, r, status(c.Created, r, http.StatusCreated), v, err)
}

func (c *Resource[T, New, Patch]) update(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	p, err := c.ReadPatch(r)
	if err != nil {
		return nil, err
	}
	if ctx, err = c.expect(ctx, r); err != nil {
		return nil, err
	}
	v, err := c.bound(r).Update(ctx, r.Var(c.Item), p)
	return c.Answer(ctx, r, http.StatusOK, v, err)
}

func (c *Resource[T, New, Patch]) remove(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	ctx, err := c.expect(ctx, r)
	if err != nil {
		return nil, err
	}
	if err := c.bound(r).Delete(ctx, r.Var(c.Item)); err != nil {
		return nil, err
	}
	return httpx.Empty(status(c.Deleted, r, http.StatusNoContent)), nil
}

func status(own func(*httpx.Request) int, r *httpx.Request, common int) int {
	if own != nil {
		return own(r)
	}
	return common
}

// expect puts the generation that a request demands into the context.
func (c *Resource[T, New, Patch]) expect(ctx context.Context, r *httpx.Request) (context.Context, error) {
	if c.Expected == nil {
		return ctx, nil
	}
	n, demanded, err := c.Expected(r)
	if err == nil && demanded {
		ctx = change.Expect(ctx, n)
	}
	return ctx, err
}
