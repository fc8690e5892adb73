package compute

import (
	"context"

	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/ids"
	"kumoi/internal/kernel/policy"
	"kumoi/internal/kernel/store"
)

// List lists moves of servers, newest first.
func (m *Migrations) List(ctx context.Context, q store.Query) (page store.Page[Migration], err error) {
	if err := m.checkOwn(ctx, "os-migrations:index"); err != nil {
		return page, err
	}
	err = m.read(ctx, func(tx *store.Tx) (err error) {
		page, err = m.migrations.List(ctx, tx, q)
		return err
	})
	return page, err
}

// of lists the moves of a server, newest first.
func (s *Migrations) of(ctx context.Context, tx *store.Tx, serverID string) ([]*Migration, error) {
	page, err := s.migrations.List(ctx, tx, store.Query{Where: []store.Cond{store.Eq("server_id", serverID)}, Sort: newest})
	return page.Rows, err
}

// InProgress lists the live migrations of a server in progress: none, as
// this cloud moves servers only while they are stopped.
func (s *Migrations) InProgress(ctx context.Context, id, rule string) error {
	return s.read(ctx, func(tx *store.Tx) error {
		srv, err := s.servers.Get(ctx, tx, id)
		if err != nil || srv.Deleted {
			return serverNotFound(id)
		}
		return s.check(ctx, rule, policy.Target{"project_id": srv.ProjectID})
	})
}

// finished finds the migration that waits for the owner's word.
func (s *Migrations) finished(ctx context.Context, tx *store.Tx, srv *Server) (*Migration, error) {
	page, err := s.migrations.List(ctx, tx, store.Query{Where: []store.Cond{
		store.Eq("server_id", srv.ID), store.Eq("status", "finished"), store.In("type", []string{"resize", "migration"}),
	}, Sort: newest, Limit: 1})
	if err != nil {
		return nil, err
	}
	if len(page.Rows) == 0 {
		return nil, errs.New(errs.Invalid, "Instance has not been resized.")
	}
	return page.Rows[0], nil
}

func (s *Migrations) insert(ctx context.Context, tx *store.Tx, srv *Server, kind string, to *Flavor) (*Migration, error) {
	n, err := s.store.Next(ctx, tx, "migration")
	if err != nil {
		return nil, err
	}
	who, now := actor.From(ctx), s.now().UTC()
	m := &Migration{
		ID: n, UUID: ids.New(), ServerID: srv.ID, ProjectID: who.ProjectID, UserID: who.UserID, Type: kind,
		Status: "pre-migrating", SourceHost: srv.Host, OldFlavor: srv.Flavor, NewFlavor: to, CreatedAt: now, UpdatedAt: now,
	}
	return m, s.migrations.Insert(ctx, tx, m)
}

func (s *Migrations) get(ctx context.Context, tx *store.Tx, serverID string, id int64) (*Migration, error) {
	m, err := s.migrations.First(ctx, tx, store.Eq("server_id", serverID), store.Eq("id", id))
	return m, notFound(err, "Migration %d for server %s could not be found.", id, serverID)
}

// with changes a server and a migration of it in one transaction.
func (s *Migrations) with(ctx context.Context, serverID string, id int64, f func(tx *store.Tx, srv *Server, m *Migration) error) error {
	return s.write(ctx, func(tx *store.Tx) error {
		srv, err := s.servers.Get(ctx, tx, serverID)
		if err != nil {
			return err
		}
		m, err := s.get(ctx, tx, serverID, id)
		if err != nil {
			return err
		}
		if err := f(tx, srv, m); err != nil {
			return err
		}
		if err := s.put(ctx, tx, m); err != nil {
			return err
		}
		return s.save(ctx, tx, srv)
	})
}

func (s *Migrations) put(ctx context.Context, tx *store.Tx, m *Migration) error {
	m.UpdatedAt = s.now().UTC()
	return s.migrations.Update(ctx, tx, m)
}
