// Package service puts placement together: rules, tables and API.
package service

import (
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/service"
	"kumoi/internal/placement"
	"kumoi/internal/placement/api"
	"kumoi/internal/placement/sqlstore"
)

// New makes the service with its tables, and says what a cloud has to know of it.
func New(d placement.Deps) (*placement.Service, service.Descriptor, error) {
	d.Tables = sqlstore.Tables()
	s := placement.New(d)
	return s, service.Descriptor{
		Name: "placement", Migrations: sqlstore.Migrations(), APIs: []*httpx.Service{api.New(s)},
		Catalog: []service.Endpoint{{Type: "placement", Name: "placement", Path: "/placement"}},
	}, nil
}
