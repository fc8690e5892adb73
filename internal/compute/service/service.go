// Package service puts compute together: rules, tables, API and consoles.
package service

import (
	"kumoi/internal/compute"
	"kumoi/internal/compute/api"
	"kumoi/internal/compute/console"
	"kumoi/internal/compute/sqlstore"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/service"
	"kumoi/internal/kernel/store"
)

// New makes the service with its tables, and says what a cloud has to know of it.
func New(d compute.Deps, c console.Config) (*compute.Service, service.Descriptor, error) {
	d.Store, d.Tables = sqlstore.New(), sqlstore.Tables()
	s, err := compute.New(d)
	if err != nil {
		return nil, service.Descriptor{}, err
	}
	consoles := console.New(s.Consoles, c, d.Log)
	return s, service.Descriptor{
		Name: "compute", Migrations: sqlstore.Migrations(), APIs: []*httpx.Service{api.New(s), consoles.API()},
		Catalog:  []service.Endpoint{{Type: "compute", Name: "nova", Path: "/compute/v2.1"}},
		Quotas:   s.Quotas.BuiltIn(),
		Counts:   []service.Count{service.Rows("servers", d.Tables.Servers, store.Eq("deleted", false))},
		Explains: []service.Explainer{servers(s)},
		Hears:    s.Hosts.SeenSince,
		Start:    s.Start,
		Stop: func() {
			consoles.Stop() // what is open there has left the HTTP server's sight
			s.Stop()
		},
	}, nil
}
