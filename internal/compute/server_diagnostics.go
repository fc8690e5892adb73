package compute

import (
	"context"
	"strings"

	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/errs"
)

// Topology is what a server's guest may know of its host's shape.
type Topology struct{ HostShown bool }

// Topology returns a server's.
func (s *Servers) Topology(ctx context.Context, id string) (Topology, error) {
	if _, err := s.Show(ctx, id, "server-topology:index"); err != nil {
		return Topology{}, err
	}
	return Topology{HostShown: s.may(ctx, "server-topology:host:index")}, nil
}

// Diagnostics asks the server's host what it measures of the guest.
func (s *Servers) Diagnostics(ctx context.Context, id string) (*hostapi.Diagnostics, *Server, error) {
	srv, err := s.Servers.Show(ctx, id, "os-server-diagnostics")
	if err != nil {
		return nil, nil, err
	}
	if srv.Host == "" || srv.VMState == VMBuilding {
		return nil, nil, errs.New(errs.Conflict, "Instance %s is not ready", id)
	}
	d, err := s.hosts.Diagnostics(ctx, srv.Host, id)
	if errs.Is(err, errs.Unavailable) || errs.Is(err, errs.NotFound) {
		return nil, nil, errs.Wrap(errs.Conflict, err, "Instance %s cannot be measured now: %s", id, strings.TrimSuffix(errs.As(err).Msg, "."))
	}
	return d, srv, err
}
