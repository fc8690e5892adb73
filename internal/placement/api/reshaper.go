package api

import (
	"context"

	"kumoi/internal/kernel/httpx"
	"kumoi/internal/placement"
)

func reshaping(allocations object) object {
	provider := body([]string{"inventories", "resource_provider_generation"},
		object{"inventories": inventoriesOf, "resource_provider_generation": anyInt})
	consumers := object{"type": "object", "additionalProperties": false, "patternProperties": object{uuidPattern: allocations}}
	return body([]string{"inventories", "allocations"}, object{
		"inventories": object{"type": "object", "additionalProperties": false, "patternProperties": object{uuidPattern: provider}},
		"allocations": consumers,
	})
}

func (a *api) reshape(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	var in struct {
		Inventories map[string]struct {
			Inventories map[string]inventory `json:"inventories"`
			Generation  int64                `json:"resource_provider_generation"`
		} `json:"inventories"`
		Allocations map[string]claim `json:"allocations"`
	}
	if err := decode(r, pick(r, reshaper), &in); err != nil {
		return nil, err
	}
	out := placement.Reshaping{Inventories: map[string]placement.ReshapedProvider{}}
	for id, p := range in.Inventories {
		list, err := liftAll(r, p.Inventories)
		if err != nil {
			return nil, err
		}
		out.Inventories[dashed(id)] = placement.ReshapedProvider{Expect: p.Generation, Inventories: list}
	}
	var err error
	if out.Allocations, err = liftClaims(r, in.Allocations); err != nil {
		return nil, err
	}
	return done(a.svc.Reshape(ctx, out))
}
