package api

import (
	"context"

	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/rest"
	"kumoi/internal/kernel/schema"
	"kumoi/internal/placement"
)

var reshaper = bodySchema(func(minor int) schema.Object {
	return objectSchema([]string{"inventories", "allocations"}, schema.Object{
		"inventories": mapOf(uuidPattern, inventoriesBody()), "allocations": mapOf(uuidPattern, claimBody(minor, false)),
	})
})

func (a *api) reshape(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	in, err := rest.Body[struct {
		Inventories map[string]inventories `json:"inventories"`
		Allocations claims                 `json:"allocations"`
	}](r, reshaper)
	if err != nil {
		return nil, err
	}
	out := placement.Reshaping{Inventories: map[string]placement.ReshapedProvider{}}
	for id, p := range in.Inventories {
		list, err := p.lift(r)
		if err != nil {
			return nil, err
		}
		out.Inventories[dashed(id)] = placement.ReshapedProvider{Expect: p.Generation, Inventories: list}
	}
	if out.Allocations, err = in.Allocations.lift(r); err != nil {
		return nil, err
	}
	return done(a.svc.Reshape(ctx, out))
}
