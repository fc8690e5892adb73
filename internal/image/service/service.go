// Package service puts the image service together: rules, tables and API.
package service

import (
	"context"
	"maps"
	"slices"

	"kumoi/internal/image"
	"kumoi/internal/image/api"
	"kumoi/internal/image/sqlstore"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/service"
	"kumoi/internal/kernel/store"
)

// New makes the service with its tables, and says what a cloud has to know of it.
func New(d image.Deps) (*image.Service, service.Descriptor, error) {
	d.Tables = sqlstore.Tables()
	s, err := image.New(d)
	if err != nil {
		return nil, service.Descriptor{}, err
	}
	return s, service.Descriptor{
		Name: "image", Migrations: sqlstore.Migrations(), APIs: []*httpx.Service{api.New(s)},
		Catalog: []service.Endpoint{{Type: "image", Name: "glance", Path: "/image"}},
		Quotas:  s.QuotaDefaults(),
		Counts:  []service.Count{service.Rows("images", d.Tables.Images, store.Ne("status", string(image.Deleted)))},
		Health:  func(context.Context) []service.Health { return stores(s) },
		Start:   s.Start, Stop: s.Stop,
	}, nil
}

// stores are where images' data lies, as upkeep has last found it.
func stores(s *image.Service) []service.Health {
	states := s.Stores.States()
	var out []service.Health
	for _, id := range slices.Sorted(maps.Keys(states)) {
		out = append(out, service.Health{Name: "image store " + id, Managed: "operator", Err: states[id]})
	}
	return out
}
