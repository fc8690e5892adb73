// Package service puts the network service together: rules, tables and API.
package service

import (
	"context"

	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/service"
	"kumoi/internal/kernel/store"
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
		Counts:  []service.Count{{Name: "networks", Of: rows("network")}, {Name: "ports", Of: rows("network_port")}},
		Start:   s.Start, Stop: s.Stop,
	}, nil
}

func rows(table string) func(ctx context.Context, tx *store.Tx) (int64, error) {
	return func(ctx context.Context, tx *store.Tx) (int64, error) {
		return store.One(ctx, tx, store.Value[int64], "SELECT COUNT(*) FROM "+table)
	}
}
