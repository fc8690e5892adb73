// Package service puts the network service together: rules, tables and API.
package service

import (
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/service"
	"kumoi/internal/network"
	"kumoi/internal/network/api"
	"kumoi/internal/network/sqlstore"
)

// New makes the service with its tables, and says what a cloud has to know of it.
func New(d network.Deps) (*network.Service, service.Descriptor, error) {
	d.Tables = sqlstore.Tables()
	s, err := network.New(d)
	if err != nil {
		return nil, service.Descriptor{}, err
	}
	return s, service.Descriptor{
		Name: "network", Migrations: sqlstore.Migrations(), APIs: []*httpx.Service{api.New(s)},
		Catalog: []service.Endpoint{{Type: "network", Name: "neutron", Path: "/network"}},
		Quotas:  network.DefaultQuotas,
		Counts:  []service.Count{service.Rows("networks", d.Tables.Networks), service.Rows("ports", d.Tables.Ports)},
		Start:   s.Start, Stop: s.Stop,
	}, nil
}
