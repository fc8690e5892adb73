package compute

import (
	"context"

	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/policy"
	"kumoi/internal/kernel/store"
)

// load reads a server for the context's actor and checks a rule about it.
// Servers of other projects do not exist for anybody but administrators.
func (s *Service) load(ctx context.Context, tx *store.Tx, id, rule string) (*Server, error) {
	srv, err := s.servers.Get(ctx, tx, id)
	if err != nil {
		return nil, notFound(err, "Instance %s could not be found.", id)
	}
	if srv.Deleted || srv.ProjectID != actor.From(ctx).ProjectID && !s.isAdmin(ctx) && actor.From(ctx).System == "" {
		return nil, serverNotFound(id)
	}
	return srv, s.checkServer(ctx, srv, rule)
}

func (s *Service) checkServer(ctx context.Context, srv *Server, rule string) error {
	return s.check(ctx, rule, policy.Target{"project_id": srv.ProjectID, "user_id": srv.UserID})
}

// Show returns a server for the context's actor, with its groups and tags.
func (s *Servers) Show(ctx context.Context, id, rule string) (*Server, error) {
	var srv *Server
	err := s.read(ctx, func(tx *store.Tx) (err error) {
		srv, err = s.load(ctx, tx, id, rule)
		return err
	})
	return srv, err
}

// change reads a server, lets f change it and writes it, in one transaction.
func (s *Service) change(ctx context.Context, id, rule string, f func(tx *store.Tx, srv *Server) error) (*Server, error) {
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
func (s *Service) save(ctx context.Context, tx *store.Tx, srv *Server) error {
	srv.UpdatedAt = s.now().UTC()
	return s.servers.Update(ctx, tx, srv)
}
