package compute

import (
	"context"
	"errors"

	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/policy"
	"kumoi/internal/kernel/store"
)

// ExternalEvent is news about a server from another service.
type ExternalEvent struct {
	ServerID, Name, Tag, Status string
	Code                        int // set by TakeEvents: 200, 404 or 422
}

// TakeEvents takes note of external events. Kumoi's own services do not need
// them, so few have an effect; what matters is that every sender gets an answer.
func (s *Service) TakeEvents(ctx context.Context, events []ExternalEvent) ([]ExternalEvent, error) {
	if err := s.Check(ctx, "os-server-external-events:create"); err != nil {
		return nil, err
	}
	for i := range events {
		e := &events[i]
		var srv *Server
		err := s.read(ctx, func(tx *store.Tx) (err error) {
			srv, err = s.servers.Get(ctx, tx, e.ServerID)
			return err
		})
		switch {
		case errors.Is(err, store.ErrNoRows) || err == nil && srv.Deleted:
			e.Code, e.Status = 404, "failed"
			continue
		case err != nil:
			return nil, err
		case srv.Host == "":
			e.Code, e.Status = 422, "failed"
			continue
		}
		e.Code = 200
		if e.Status == "" {
			e.Status = "completed"
		}
		switch e.Name {
		case "network-changed", "volume-extended":
			err = s.refresh.server(ctx, e.ServerID)
		case "power-update":
			err = s.powerUpdate(ctx, e.ServerID, e.Tag)
		}
		if err != nil {
			return nil, err
		}
	}
	return events, nil
}

// powerUpdate follows a machine that was switched outside of compute.
func (s *Service) powerUpdate(ctx context.Context, id, tag string) error {
	power := map[string]hostapi.Power{"POWER_ON": hostapi.PowerRunning, "POWER_OFF": hostapi.PowerStopped}[tag]
	return s.write(ctx, func(tx *store.Tx) error {
		srv, err := s.servers.Get(ctx, tx, id)
		if err != nil || srv.TaskState != TaskNone || power == "" {
			return err
		}
		srv.PowerState = observed(power)
		follow(srv, power)
		return s.save(ctx, tx, srv)
	})
}

// Migrations are the use cases of moves of servers.
type Migrations struct{ s *Service }

// List lists moves of servers, newest first.
func (m Migrations) List(ctx context.Context, q store.Query) (page store.Page[Migration], err error) {
	if err := m.s.Check(ctx, "os-migrations:index"); err != nil {
		return page, err
	}
	err = m.s.read(ctx, func(tx *store.Tx) (err error) {
		page, err = m.s.migrations.List(ctx, tx, q)
		return err
	})
	return page, err
}

// movesOf lists the moves of a server, newest first.
func (s *Service) movesOf(ctx context.Context, tx *store.Tx, serverID string) ([]*Migration, error) {
	page, err := s.migrations.List(ctx, tx, store.Query{Where: []store.Cond{store.Eq("server_id", serverID)}, Sort: newest})
	return page.Rows, err
}

// ServerMigrations lists the live migrations of a server in progress: none, as
// this cloud moves servers only while they are stopped.
func (s *Service) ServerMigrations(ctx context.Context, id, rule string) error {
	return s.read(ctx, func(tx *store.Tx) error {
		srv, err := s.servers.Get(ctx, tx, id)
		if err != nil || srv.Deleted {
			return serverNotFound(id)
		}
		return s.check(ctx, rule, policy.Target{"project_id": srv.ProjectID})
	})
}
