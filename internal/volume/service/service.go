// Package service puts the volume service together: rules, tables and API.
package service

import (
	"context"
	"errors"

	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/service"
	"kumoi/internal/volume"
	"kumoi/internal/volume/api"
	"kumoi/internal/volume/sqlstore"
)

// New makes the service with its tables, and says what a cloud has to know of it.
// master is the cloud's master key.
func New(d volume.Deps, master [32]byte) (*volume.Service, service.Descriptor, error) {
	d.Tables, d.Secrets = sqlstore.Tables(), secrets{master}
	s, err := volume.New(d)
	if err != nil {
		return nil, service.Descriptor{}, err
	}
	return s, service.Descriptor{
		Name: "volume", Migrations: sqlstore.Migrations(), APIs: []*httpx.Service{api.New(s)},
		Catalog: []service.Endpoint{
			{Type: "block-storage", Name: "cinder", Path: "/volume/v3/$(project_id)s"},
			{Type: "volumev3", Name: "cinderv3", Path: "/volume/v3/$(project_id)s"}, // as older clients look for it
		},
		Quotas:   s.Quotas.BuiltIn(),
		Counts:   []service.Count{service.Rows("volumes", d.Tables.Volumes), service.Rows("volume snapshots", d.Tables.Snapshots)},
		Health:   func(ctx context.Context) []service.Health { return backends(ctx, s) },
		Explains: []service.Explainer{volumes(s)},
		Hears:    s.Backends.SeenSince,
		Start:    s.Start, Stop: s.Stop,
	}, nil
}

// backends are where volumes lie, as their hosts have last reported them.
func backends(ctx context.Context, s *volume.Service) []service.Health {
	list, err := s.Backends.States(ctx)
	if err != nil {
		return []service.Health{{Name: "volume backends", Managed: "kumoi", Err: err}}
	}
	out := make([]service.Health, 0, len(list))
	for _, b := range list {
		h := service.Health{Name: "volumes " + b.Place().String(), Managed: "operator", Version: b.Report.Driver}
		if why := s.Backends.Fault(b); why != "" {
			h.Err = errors.New(why)
		}
		out = append(out, h)
	}
	return out
}
