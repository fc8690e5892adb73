package compute

import (
	"context"
	"errors"

	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/store"
)

// ExternalEvent is news about a server from another service.
type ExternalEvent struct {
	ServerID, Name, Tag, Status string
	Code                        int // set by TakeEvents: 200, 404 or 422
}

// Take takes note of external events. Kumoi's own services do not need
// them, so few have an effect; what matters is that every sender gets an answer.
func (s *ExternalEvents) Take(ctx context.Context, events []ExternalEvent) ([]ExternalEvent, error) {
	if err := s.checkOwn(ctx, "os-server-external-events:create"); err != nil {
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
func (s *ExternalEvents) powerUpdate(ctx context.Context, id, tag string) error {
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
