package compute

import (
	"context"
	"errors"

	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

// setPower changes what a server's host is to be told.
func (s *machines) setPower(ctx context.Context, id string, p hostapi.Power) error {
	return s.write(ctx, func(tx *store.Tx) error {
		srv, err := s.servers.Get(ctx, tx, id)
		if err != nil || srv.Power == p {
			return err
		}
		srv.Power = p
		srv.Generation++
		return s.save(ctx, tx, srv)
	})
}

// ensure has the host make the server as it should be, and takes note of what it says.
func (s *machines) ensure(ctx context.Context, host, id string) (*hostapi.ServerReport, error) {
	return s.ensureAs(ctx, host, id, func(*hostapi.ServerSpec, *Server) error { return nil })
}

// ensureAs is ensure with a last word about the spec.
func (s *machines) ensureAs(ctx context.Context, host, id string, adjust func(*hostapi.ServerSpec, *Server) error) (*hostapi.ServerReport, error) {
	devices, err := s.connections.connect(ctx, host, id)
	if err != nil {
		return nil, err
	}
	spec, srv, err := s.spec(ctx, id)
	if err != nil {
		return nil, err
	}
	if err := adjust(spec, srv); err != nil {
		return nil, err
	}
	report, err := s.hosts.EnsureServer(ctx, host, spec)
	if err != nil {
		return nil, err
	}
	return report, errors.Join(s.Reports.observe(ctx, host, report), s.connections.complete(ctx, devices))
}

func (s *machines) bindPorts(ctx context.Context, j *job) error {
	return s.network.BindPorts(ctx, j.Server, j.Host)
}

func (s *machines) unbindPorts(ctx context.Context, j *job) error {
	return s.network.UnbindPorts(ctx, j.Server)
}

func (s *machines) spawn(ctx context.Context, j *job) error {
	_, err := s.ensure(ctx, j.Host, j.Server)
	return err
}

// remove removes the guest from its host. A host that is away removes it
// when it is back: it is told so by the repair of differences.
func (s *machines) remove(ctx context.Context, j *job) error {
	return s.removeFrom(ctx, j.Host, j.Server)
}

func (s *machines) removeFrom(ctx context.Context, host, server string) error {
	if host == "" {
		return nil
	}
	var generation int64
	err := s.read(ctx, func(tx *store.Tx) error {
		srv, err := s.servers.Get(ctx, tx, server)
		if errors.Is(err, store.ErrNoRows) {
			return nil
		}
		if err == nil {
			generation = srv.Generation
		}
		return err
	})
	if err != nil {
		return err
	}
	err = s.hosts.RemoveServer(ctx, host, server, generation)
	if errs.Is(err, errs.NotFound) {
		err = nil
	}
	if errs.Is(err, errs.Unavailable) {
		if silent, herr := s.Hosts.silent(ctx, host); herr == nil && silent {
			s.log.WarnContext(ctx, "guest left on a host that is away", "host", host, "server", server)
			err = nil
		}
	}
	if err != nil {
		return err
	}
	return s.connections.disconnect(ctx, host, server)
}
