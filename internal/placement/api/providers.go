package api

import (
	"context"
	"net/http"
	"time"

	"github.com/google/uuid"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/ids"
	"kumoi/internal/placement"
)

func uuidLike(text string) error {
	if !ids.IsUUID(text) {
		return errs.New(errs.Invalid, "is not a UUID")
	}
	return nil
}

// dashed brings a UUID into the form we keep.
func dashed(text string) string {
	if u, err := uuid.Parse(text); err == nil {
		return u.String()
	}
	return text
}

var (
	providerName   = object{"type": "string", "minLength": 1, "maxLength": 200}
	parentOrNone   = object{"type": []string{"string", "null"}, "format": "uuid-like"}
	newProvider    = compile(body([]string{"name"}, object{"name": providerName, "uuid": uuidText}))
	newProvider14  = compile(body([]string{"name"}, object{"name": providerName, "uuid": uuidText, "parent_provider_uuid": parentOrNone}))
	someProvider   = compile(body([]string{"name"}, object{"name": providerName}))
	someProvider14 = compile(body([]string{"name"}, object{"name": providerName, "parent_provider_uuid": parentOrNone}))
)

func viewProvider(r *httpx.Request, p placement.Provider) object {
	self := func(more ...string) string { return path(append([]string{"resource_providers", p.ID}, more...)...) }
	links := []object{
		{"rel": "self", "href": self()},
		{"rel": "inventories", "href": self("inventories")},
		{"rel": "usages", "href": self("usages")},
	}
	for _, l := range []struct {
		minor int
		rel   string
	}{{1, "aggregates"}, {6, "traits"}, {11, "allocations"}} {
		if r.AtLeast(1, l.minor) {
			links = append(links, object{"rel": l.rel, "href": self(l.rel)})
		}
	}
	v := object{"uuid": p.ID, "name": p.Name, "generation": p.Generation, "links": links}
	if r.AtLeast(1, 14) {
		v["root_provider_uuid"], v["parent_provider_uuid"] = p.RootID, orNull(p.ParentID)
	}
	return v
}

func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func (a *api) listProviders(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	f, err := providerFilter(r)
	if err != nil {
		return nil, err
	}
	list, err := a.svc.ListProviders(ctx, f)
	if err != nil {
		return nil, err
	}
	var newest time.Time
	views := make([]object, 0, len(list))
	for _, p := range list {
		views = append(views, viewProvider(r, p))
		if p.UpdatedAt.After(newest) {
			newest = p.UpdatedAt
		}
	}
	return dated(r, httpx.JSON(http.StatusOK, object{"resource_providers": views}), newest), nil
}

func providerFilter(r *httpx.Request) (placement.ProviderFilter, error) {
	var f placement.ProviderFilter
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
		return f, err
	}
	f.Name = param(r, "name")
	for name, into := range map[string]*string{"uuid": &f.ID, "in_tree": &f.InTree} {
		if text := param(r, name); r.Query.Has(name) {
			if !ids.IsUUID(text) {
				return f, badValue("Invalid query string parameters: %s is %.100q, which is not a UUID.", name, text)
			}
			*into = dashed(text)
		}
	}
	inTree := f.InTree
	var err error
	f.Constraints, err = constraints(r, "")
	f.InTree = inTree
	return f, err
}

func (a *api) createProvider(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	var in struct {
		Name   string  `json:"name"`
		UUID   string  `json:"uuid"`
		Parent *string `json:"parent_provider_uuid"`
	}
	s := newProvider
	if r.AtLeast(1, 14) {
		s = newProvider14
	}
	if err := decode(r, s, &in); err != nil {
		return nil, err
	}
	parent := ""
	if in.Parent != nil {
		parent = dashed(*in.Parent)
	}
	p, err := a.svc.CreateProvider(ctx, dashed(in.UUID), in.Name, parent)
	if err != nil {
		return nil, err
	}
	resp := httpx.Empty(http.StatusCreated)
	if r.AtLeast(1, 20) {
		resp = dated(r, httpx.JSON(http.StatusOK, viewProvider(r, p)), p.UpdatedAt)
	}
	return resp.With("Location", location(r, "resource_providers", p.ID)), nil
}

func (a *api) showProvider(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	p, err := a.svc.ShowProvider(ctx, r.Var("uuid"))
	if err != nil {
		return nil, err
	}
	return dated(r, httpx.JSON(http.StatusOK, viewProvider(r, p)), p.UpdatedAt), nil
}

func (a *api) updateProvider(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	var in struct {
		Name   string  `json:"name"`
		Parent *string `json:"parent_provider_uuid"`
	}
	s := someProvider
	if r.AtLeast(1, 14) {
		s = someProvider14
	}
	if err := decode(r, s, &in); err != nil {
		return nil, err
	}
	given, err := r.Object()
	if err != nil {
		return nil, err
	}
	change := placement.ProviderChange{Name: in.Name, Reparent: r.AtLeast(1, 37)}
	if _, ok := given["parent_provider_uuid"]; ok {
		parent := ""
		if in.Parent != nil {
			parent = dashed(*in.Parent)
		}
		change.Parent = &parent
	}
	p, err := a.svc.UpdateProvider(ctx, r.Var("uuid"), change)
	if err != nil {
		return nil, err
	}
	return dated(r, httpx.JSON(http.StatusOK, viewProvider(r, p)), p.UpdatedAt), nil
}

func (a *api) deleteProvider(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	return done(a.svc.DeleteProvider(ctx, r.Var("uuid")))
}

var (
	aggregateList = object{"type": "array", "items": uuidText, "uniqueItems": true}
	aggregates    = compile(aggregateList)
	aggregates19  = compile(body([]string{"aggregates", "resource_provider_generation"},
		object{"aggregates": aggregateList, "resource_provider_generation": anyInt}))
)

func viewAggregates(r *httpx.Request, p placement.Provider, list []string) *httpx.Response {
	v := object{"aggregates": list}
	if r.AtLeast(1, 19) {
		v["resource_provider_generation"] = p.Generation
	}
	return dated(r, httpx.JSON(http.StatusOK, v), time.Time{})
}

func (a *api) listAggregates(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	p, list, err := a.svc.ProviderAggregates(ctx, r.Var("uuid"))
	if err != nil {
		return nil, err
	}
	return viewAggregates(r, p, list), nil
}

func (a *api) setAggregates(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	var in struct {
		Aggregates []string `json:"aggregates"`
		Generation *int64   `json:"resource_provider_generation"`
	}
	var err error
	if r.AtLeast(1, 19) {
		err = decode(r, aggregates19, &in)
	} else {
		err = decode(r, aggregates, &in.Aggregates)
	}
	if err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	list := []string{}
	for _, id := range in.Aggregates {
		if id = dashed(id); !seen[id] {
			seen[id] = true
			list = append(list, id)
		}
	}
	p, err := a.svc.SetProviderAggregates(ctx, r.Var("uuid"), in.Generation, list)
	if err != nil {
		return nil, err
	}
	return viewAggregates(r, p, list), nil
}

var providerTraits = compile(body([]string{"traits", "resource_provider_generation"}, object{
	"traits":                       object{"type": "array", "uniqueItems": true, "items": object{"type": "string", "minLength": 1, "maxLength": 255, "pattern": classPattern}},
	"resource_provider_generation": anyInt,
}))

func viewProviderTraits(r *httpx.Request, p placement.Provider, traits []string) *httpx.Response {
	return dated(r, httpx.JSON(http.StatusOK, object{"traits": traits, "resource_provider_generation": p.Generation}), time.Time{})
}

func (a *api) listProviderTraits(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	p, traits, err := a.svc.ProviderTraits(ctx, r.Var("uuid"))
	if err != nil {
		return nil, err
	}
	return viewProviderTraits(r, p, traits), nil
}

func (a *api) setProviderTraits(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	var in struct {
		Traits     []string `json:"traits"`
		Generation int64    `json:"resource_provider_generation"`
	}
	if err := decode(r, providerTraits, &in); err != nil {
		return nil, err
	}
	p, err := a.svc.SetProviderTraits(ctx, r.Var("uuid"), &in.Generation, in.Traits)
	if err != nil {
		return nil, err
	}
	return viewProviderTraits(r, p, in.Traits), nil
}

func (a *api) deleteProviderTraits(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	return done(a.svc.DeleteProviderTraits(ctx, r.Var("uuid")))
}
