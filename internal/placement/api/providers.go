package api

import (
	"context"
	"net/http"
	"time"

	"kumoi/internal/kernel/change"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/ids"
	"kumoi/internal/kernel/rest"
	"kumoi/internal/kernel/schema"
	"kumoi/internal/kernel/store"
	"kumoi/internal/placement"
)

var (
	newProvider  = bodySchema(func(minor int) schema.Object { return providerBody(minor, true) })
	someProvider = bodySchema(func(minor int) schema.Object { return providerBody(minor, false) })
)

func providerBody(minor int, isNew bool) schema.Object {
	fields := schema.Object{"name": schema.Object{"type": "string", "minLength": 1, "maxLength": 200}}
	if isNew {
		fields["uuid"] = uuidText
	}
	if minor >= 14 {
		fields["parent_provider_uuid"] = schema.Object{"type": []string{"string", "null"}, "format": "uuid-like"}
	}
	return objectSchema([]string{"name"}, fields)
}

// provider is the body of one.
type provider struct {
	Name   string                  `json:"name"`
	UUID   string                  `json:"uuid"`
	Parent change.Optional[string] `json:"parent_provider_uuid"`
}

func viewProvider(r *httpx.Request, w *rest.Writer, p *placement.Provider) {
	w.Text("uuid", p.ID)
	w.Text("name", p.Name)
	w.Int("generation", p.Generation)
	if r.AtLeast(1, 14) {
		w.Text("root_provider_uuid", p.RootID)
		w.TextOrNull("parent_provider_uuid", p.ParentID)
	}
	w.List("links", func() {
		self := path("resource_providers", p.ID)
		w.Link("self", self)
		for _, l := range []struct {
			minor int
			rel   string
		}{{0, "inventories"}, {0, "usages"}, {1, "aggregates"}, {6, "traits"}, {11, "allocations"}} {
			if r.AtLeast(1, l.minor) {
				w.Link(l.rel, self+"/"+l.rel)
			}
		}
	})
}

func oneProvider(r *httpx.Request, p *placement.Provider, err error) (*httpx.Response, error) {
	if err != nil {
		return nil, err
	}
	return answer(r, http.StatusOK, p.UpdatedAt, func(w *rest.Writer) { viewProvider(r, w, p) }), nil
}

func (a *api) listProviders(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	q, err := providerQuery(r)
	if err != nil {
		return nil, err
	}
	page, err := a.svc.Providers.List(ctx, q)
	if err != nil {
		return nil, err
	}
	var newest time.Time
	for _, p := range page.Rows {
		newest = later(newest, p.UpdatedAt)
	}
	return answer(r, http.StatusOK, newest, func(w *rest.Writer) {
		w.List("resource_providers", func() {
			for _, p := range page.Rows {
				w.Object("", func() { viewProvider(r, w, p) })
			}
		})
	}), nil
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// providerQuery reads what a list is to be filtered by. There are no pages.
func providerQuery(r *httpx.Request) (store.Query, error) {
	q := store.Query{Sort: []store.Sort{{Field: "name"}}}
	known := []string{"name", "uuid"}
	for _, p := range []struct {
		minor int
		name  string
	}{{3, "member_of"}, {4, "resources"}, {14, "in_tree"}, {18, "required"}} {
		if r.AtLeast(1, p.minor) {
			known = append(known, p.name)
		}
	}
	if err := onlyParams(r, known...); err != nil {
		return q, err
	}
	if name := param(r, "name"); name != "" {
		q = q.Filter(store.Eq("name", name))
	}
	for _, name := range []string{"uuid", "in_tree"} {
		if text := param(r, name); r.Query.Has(name) && !ids.IsUUID(text) {
			return q, badValue("Invalid query string parameters: %s is %.100q, which is not a UUID.", name, text)
		}
	}
	if id := param(r, "uuid"); id != "" {
		q = q.Filter(store.Eq("id", dashed(id)))
	}
	c, err := constraints(r, "")
	return q.Filter(c.Conds()...), err
}

func (a *api) createProvider(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	in, err := rest.Body[provider](r, newProvider)
	if err != nil {
		return nil, err
	}
	p, err := a.svc.Providers.Create(ctx, placement.NewProvider{ID: dashed(in.UUID), Name: in.Name, ParentID: dashed(in.Parent.Value)})
	if err != nil {
		return nil, err
	}
	resp := httpx.Empty(http.StatusCreated)
	if r.AtLeast(1, 20) {
		resp, err = oneProvider(r, p, nil)
	}
	return located(r, resp, "resource_providers", p.ID), err
}

func (a *api) showProvider(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	p, err := a.svc.Providers.Show(ctx, r.Var("uuid"))
	return oneProvider(r, p, err)
}

func (a *api) updateProvider(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	in, err := rest.Body[provider](r, someProvider)
	if err != nil {
		return nil, err
	}
	in.Parent.Value = dashed(in.Parent.Value)
	p, err := a.svc.Providers.Update(ctx, r.Var("uuid"), placement.ProviderPatch{Name: in.Name, Parent: in.Parent, Reparent: r.AtLeast(1, 37)})
	return oneProvider(r, p, err)
}

func (a *api) deleteProvider(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	return done(a.svc.Providers.Delete(ctx, r.Var("uuid")))
}
