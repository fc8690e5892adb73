// Package service puts identity together: rules, tables and API.
package service

import (
	"kumoi/internal/identity"
	"kumoi/internal/identity/api"
	"kumoi/internal/identity/sqlstore"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/service"
	"kumoi/internal/kernel/store"
)

// New makes the service with its tables, and says what a cloud has to know of it.
func New(d identity.Deps) (*identity.Service, service.Descriptor, error) {
	d.Store = sqlstore.New()
	s, err := identity.New(d)
	if err != nil {
		return nil, service.Descriptor{}, err
	}
	return s, service.Descriptor{
		Name: "identity", Migrations: sqlstore.Migrations(), APIs: []*httpx.Service{api.New(s)},
		Catalog: []service.Endpoint{{Type: "identity", Name: "keystone", Path: "/identity"}},
		Counts: []service.Count{
			service.Rows("projects", d.Store.Projects.Table, store.Eq("is_domain", false)),
			service.Rows("users", d.Store.Users.Table),
		},
		Start: s.Start, Stop: s.Stop,
	}, nil
}
