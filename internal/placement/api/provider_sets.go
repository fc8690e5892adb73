package api

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"time"

	"kumoi/internal/kernel/change"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/rest"
	"kumoi/internal/kernel/schema"
	"kumoi/internal/placement"
)

// Aggregates are a list until version 1.18, and then an object with the generation.
var aggregateBody = bodySchema(func(minor int) schema.Object {
	list := schema.Object{"type": "array", "items": uuidText, "uniqueItems": true}
	if minor < 19 {
		return list
	}
	return objectSchema([]string{"aggregates", "resource_provider_generation"}, schema.Object{"aggregates": list, "resource_provider_generation": anyInt})
})

type aggregates struct {
	List       []string `json:"aggregates"`
	Generation *int64   `json:"resource_provider_generation"`
}

// UnmarshalJSON reads both forms.
func (a *aggregates) UnmarshalJSON(b []byte) error {
	if b[0] == '[' {
		return json.Unmarshal(b, &a.List)
	}
	type plain aggregates
	return json.Unmarshal(b, (*plain)(a))
}

// expecting demands the generation that a body names.
func expecting(ctx context.Context, generation *int64) context.Context {
	if generation == nil {
		return ctx
	}
	return change.Expect(ctx, *generation)
}

func viewAggregates(r *httpx.Request, p *placement.Provider, list []string, err error) (*httpx.Response, error) {
	if err != nil {
		return nil, err
	}
	return answer(r, http.StatusOK, time.Time{}, func(w *rest.Writer) {
		w.Texts("aggregates", list)
		if r.AtLeast(1, 19) {
			w.Int("resource_provider_generation", p.Generation)
		}
	}), nil
}

func (a *api) listAggregates(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	p, list, err := a.svc.Providers.Aggregates(ctx, r.Var("uuid"))
	return viewAggregates(r, p, list, err)
}

func (a *api) setAggregates(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	in, err := rest.Body[aggregates](r, aggregateBody)
	if err != nil {
		return nil, err
	}
	list := []string{}
	for _, id := range in.List {
		if id = dashed(id); !slices.Contains(list, id) {
			list = append(list, id)
		}
	}
	p, err := a.svc.Providers.SetAggregates(expecting(ctx, in.Generation), r.Var("uuid"), list)
	return viewAggregates(r, p, list, err)
}

var providerTraits = bodySchema(func(int) schema.Object {
	return objectSchema([]string{"traits", "resource_provider_generation"}, schema.Object{
		"traits": schema.Object{"type": "array", "uniqueItems": true, "items": className}, "resource_provider_generation": anyInt,
	})
})

func viewProviderTraits(r *httpx.Request, p *placement.Provider, traits []string, err error) (*httpx.Response, error) {
	if err != nil {
		return nil, err
	}
	return answer(r, http.StatusOK, time.Time{}, func(w *rest.Writer) {
		w.Texts("traits", traits)
		w.Int("resource_provider_generation", p.Generation)
	}), nil
}

func (a *api) listProviderTraits(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	p, traits, err := a.svc.Providers.Traits(ctx, r.Var("uuid"))
	return viewProviderTraits(r, p, traits, err)
}

func (a *api) setProviderTraits(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	in, err := rest.Body[struct {
		Traits     []string `json:"traits"`
		Generation int64    `json:"resource_provider_generation"`
	}](r, providerTraits)
	if err != nil {
		return nil, err
	}
	p, err := a.svc.Providers.SetTraits(change.Expect(ctx, in.Generation), r.Var("uuid"), in.Traits)
	return viewProviderTraits(r, p, in.Traits, err)
}

func (a *api) deleteProviderTraits(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	return done(a.svc.Providers.DeleteTraits(ctx, r.Var("uuid")))
}
