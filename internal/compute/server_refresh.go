package compute

import (
	"context"
	"encoding/json"
	"errors"

	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/event"
	"kumoi/internal/kernel/saga"
	"kumoi/internal/kernel/store"
	"kumoi/internal/network"
	"kumoi/internal/volume"
)

// applySaga tells a server's host what its guest may read about itself now.
// It does not hold up any action: a change that comes while another saga runs is
// carried by the repair. Of what is applied, a volume's growth alone is an action
// of the history, as Nova has it.
func (s *refresh) applySaga() saga.Definition[job] {
	grow := step(s.core, "compute_extend_volume", s.machines.spawn)
	return saga.Definition[job]{
		Kind: kindApply, Version: 1,
		Steps: []saga.Step[job]{{Name: "ensure", Do: func(ctx context.Context, j *job) error {
			if j.Action == 0 {
				return s.machines.spawn(ctx, j)
			}
			return grow(ctx, j)
		}}},
		Done: func(ctx context.Context, tx *store.Tx, j *job) error { return s.ended(ctx, tx, j, "") },
		Failed: func(ctx context.Context, tx *store.Tx, j *job, cause *errs.Error) error {
			return s.ended(ctx, tx, j, cause.Msg)
		},
	}
}

// ended ends the action that the applying belongs to, if it belongs to one.
func (s *refresh) ended(ctx context.Context, tx *store.Tx, j *job, message string) error {
	if j.Action == 0 {
		return nil
	}
	return s.journal.finishAction(ctx, tx, j.Action, message)
}

// apply begins the applying of a changed server, if it has a guest. The caller
// has raised the generation and saves the server.
func (s *refresh) apply(ctx context.Context, tx *store.Tx, srv *Server) error {
	_, err := s.applyFor(ctx, tx, srv, 0)
	return err
}

// applyFor is apply for an entry of the history; begun says whether the saga will end that.
func (s *refresh) applyFor(ctx context.Context, tx *store.Tx, srv *Server, action int64) (begun bool, err error) {
	if srv.Host == "" || !settled(srv) || srv.TaskState != TaskNone {
		return false, nil
	}
	_, busy, err := s.sagas.Active(ctx, tx, srv.ID+"/apply")
	if err != nil || busy {
		tx.AfterCommit(func() { s.tasks.Wake(repairTaskName) })
		return false, err
	}
	_, err = s.sagas.Start(ctx, tx, kindApply, srv.ID+"/apply", &job{Server: srv.ID, Host: srv.Host, Action: action})
	return err == nil, err
}

// follow has hosts apply what the network and the volume service change about their servers.
func (s *refresh) follow(l *event.Log) {
	if l == nil {
		return
	}
	l.Subscribe(event.Subscriber{
		Name: "compute", Filter: event.Filter{Type: network.ServerChanged},
		Handle: func(ctx context.Context, e event.Event) error { return s.server(ctx, e.Resource) },
		Lost:   s.all,
	}, event.Subscriber{
		Name: "compute.volumes", Filter: event.Filter{Type: volume.ServerChanged},
		Handle: func(ctx context.Context, e event.Event) error {
			var grown volume.Grown
			if len(e.State) > 0 {
				if err := json.Unmarshal(e.State, &grown); err != nil {
					s.log.WarnContext(ctx, "an event's state is not what it should be", "type", e.Type, "error", err)
				}
			}
			if grown.VolumeID == "" {
				return s.server(ctx, e.Resource)
			}
			return s.grown(actor.With(ctx, &actor.Actor{UserID: e.User, ProjectID: e.Project, RequestID: e.Request}), e.Resource)
		},
		Lost: s.all,
	})
}

// grown is server, with an entry of the history. Every process is told; the
// first to come writes it.
func (s *refresh) grown(ctx context.Context, id string) error {
	const extend = "extend_volume"
	return s.write(ctx, func(tx *store.Tx) error {
		return s.changed(ctx, tx, id, func(srv *Server) error {
			known, err := s.actions.Any(ctx, tx, store.Eq("server_id", id), store.Eq("action", extend), store.Eq("request_id", actor.From(ctx).RequestID))
			if err != nil {
				return err
			}
			if known {
				return s.apply(ctx, tx, srv)
			}
			action, err := s.journal.record(ctx, tx, srv, extend)
			if err != nil {
				return err
			}
			begun, err := s.applyFor(ctx, tx, srv, action)
			if err != nil || begun {
				return err
			}
			// There is no guest, or the repair has it find the size.
			now := s.now().UTC()
			err = s.journal.recordEvent(ctx, tx, &Event{
				ActionID: action, Name: "compute_extend_volume", Host: srv.Host, Result: "Success", StartedAt: now, EndedAt: now,
			})
			if err != nil {
				return err
			}
			return s.journal.finishAction(ctx, tx, action, "")
		})
	})
}

// all refreshes every server that has a guest.
func (s *refresh) all(ctx context.Context) error {
	var all []*Server
	err := s.read(ctx, func(tx *store.Tx) (err error) {
		all, err = s.shownServers.All(ctx, tx, store.Eq("deleted", false), store.Ne("host", ""))
		return err
	})
	for _, srv := range all {
		if err == nil {
			err = s.server(ctx, srv.ID)
		}
	}
	return err
}

// server raises a server's generation and has its host apply what it is now:
// the network, or the volume service, has changed something about it.
func (s *refresh) server(ctx context.Context, id string) error {
	return s.write(ctx, func(tx *store.Tx) error { return s.serverTx(ctx, tx, id) })
}

// serverTx is server inside the caller's transaction.
func (s *refresh) serverTx(ctx context.Context, tx *store.Tx, id string) error {
	return s.changed(ctx, tx, id, func(srv *Server) error { return s.apply(ctx, tx, srv) })
}

// changed raises a server's generation, has it applied and saves it; a server that
// is gone has nothing to refresh.
func (s *refresh) changed(ctx context.Context, tx *store.Tx, id string, apply func(srv *Server) error) error {
	srv, err := s.servers.Get(ctx, tx, id)
	if errors.Is(err, store.ErrNoRows) || err == nil && srv.Deleted {
		return nil
	}
	if err != nil {
		return err
	}
	srv.Generation++
	if err := apply(srv); err != nil {
		return err
	}
	return s.save(ctx, tx, srv)
}
