package compute

import (
	"context"
	"slices"

	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/policy"
	"kumoi/internal/kernel/store"
)

// permit tells whether the action may begin on the server now: not locked
// against the actor, in a state that allows it, with nothing else at work.
func (s *core) permit(ctx context.Context, srv *Server, action string) error {
	r := actions[action]
	if srv.Locked && !r.unlocked && !s.isAdmin(ctx) && actor.From(ctx).System == "" {
		return errs.New(errs.Conflict, "Instance %s is locked", srv.ID)
	}
	if !slices.Contains(r.from, srv.VMState) {
		return wrongState(srv, action, "vm_state", string(srv.VMState))
	}
	if srv.TaskState != TaskNone && !r.busy {
		return wrongState(srv, action, "task_state", string(srv.TaskState))
	}
	return nil
}

// justStarted tells whether hosts may not have had the time to report yet.
func (s *core) justStarted() bool { return s.now().Sub(s.started) < hostapi.DownAfter }

// checkProject refuses quotas of projects that do not exist.
func (s *core) checkProject(ctx context.Context, projectID string) error {
	if s.identity == nil || projectID == actor.From(ctx).ProjectID {
		return nil
	}
	return s.read(ctx, func(tx *store.Tx) error {
		ok, err := s.identity.ProjectExists(ctx, tx, projectID)
		if err == nil && !ok {
			err = errs.New(errs.Invalid, "Project ID %s is not a valid project.", projectID)
		}
		return err
	})
}

// load reads a server for the context's actor and checks a rule about it.
// Servers of other projects do not exist for anybody but administrators.
func (s *core) load(ctx context.Context, tx *store.Tx, id, rule string) (*Server, error) {
	return s.loadFrom(ctx, tx, s.servers, id, rule)
}

func (s *core) loadFrom(ctx context.Context, tx *store.Tx, table *store.Table[Server], id, rule string) (*Server, error) {
	srv, err := table.Get(ctx, tx, id)
	if err != nil {
		return nil, notFound(err, "Instance %s could not be found.", id)
	}
	if srv.Deleted || srv.ProjectID != actor.From(ctx).ProjectID && !s.isAdmin(ctx) && actor.From(ctx).System == "" {
		return nil, serverNotFound(id)
	}
	return srv, s.checkServer(ctx, srv, rule)
}

func (s *core) checkServer(ctx context.Context, srv *Server, rule string) error {
	return s.check(ctx, rule, policy.Target{"project_id": srv.ProjectID, "user_id": srv.UserID})
}

// change reads a server, lets f change it and writes it, in one transaction.
func (s *core) change(ctx context.Context, id, rule string, f func(tx *store.Tx, srv *Server) error) (*Server, error) {
	var srv *Server
	err := s.write(ctx, func(tx *store.Tx) (err error) {
		if srv, err = s.load(ctx, tx, id, rule); err != nil {
			return err
		}
		if err := f(tx, srv); err != nil {
			return err
		}
		return s.save(ctx, tx, srv)
	})
	return srv, err
}

// save writes a server that was changed.
func (s *core) save(ctx context.Context, tx *store.Tx, srv *Server) error {
	srv.UpdatedAt = s.now().UTC()
	return s.servers.Update(ctx, tx, srv)
}

// read and write run one transaction.
func (s *core) read(ctx context.Context, f func(tx *store.Tx) error) error {
	return s.db.Read(ctx, f)
}

func (s *core) write(ctx context.Context, f func(tx *store.Tx) error) error {
	return s.db.Write(ctx, f)
}
