package compute

import (
	"context"
	"time"

	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/saga"
	"kumoi/internal/kernel/store"
)

// finished finds the migration that waits for the owner's word.
func (s *Service) finished(ctx context.Context, tx *store.Tx, srv *Server) (*Migration, error) {
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

// ConfirmResize keeps a server's new shape and removes what is left of the old.
func (s *Service) ConfirmResize(ctx context.Context, id string) error {
	return s.endResize(ctx, id, "confirmResize", kindConfirm, "confirming", TaskNone)
}

// RevertResize returns a server to its old shape and host.
func (s *Service) RevertResize(ctx context.Context, id string) error {
	return s.endResize(ctx, id, "revertResize", kindRevert, "reverting", TaskResizeReverting)
}

func (s *Service) endResize(ctx context.Context, id, action, kind, status string, task TaskState) error {
	return s.write(ctx, func(tx *store.Tx) error {
		srv, err := s.load(ctx, tx, id, policyOf(action))
		if err != nil {
			return err
		}
		if err := s.permit(ctx, srv, action); err != nil {
			return err
		}
		m, err := s.finished(ctx, tx, srv)
		if err != nil {
			return err
		}
		m.Status, srv.TaskState = status, task
		if err := s.saveMigration(ctx, tx, m); err != nil {
			return err
		}
		if kind == kindConfirm {
			return s.begin(ctx, tx, srv, kind, action, &confirmation{Migration: m.ID, OldHost: m.SourceHost})
		}
		return s.begin(ctx, tx, srv, kind, action, &reversal{
			Migration: m.ID, OldHost: m.SourceHost, WasOn: srv.OldVMState == VMActive, Back: srv.OldVMState,
		})
	})
}

func (s *Service) confirmSaga() saga.Definition[confirmation] {
	return saga.Definition[confirmation]{
		Kind: kindConfirm, Version: 1,
		Steps: []saga.Step[confirmation]{{
			Name: "clean", Timeout: 3 * time.Minute, Skip: func(j *confirmation) bool { return j.Host == j.OldHost },
			Do: step(s, "compute_confirm_resize", func(ctx context.Context, j *confirmation) error {
				return s.removeFrom(ctx, j.OldHost, j.Server)
			}),
		}},
		Done: finish(s, func(ctx context.Context, tx *store.Tx, j *confirmation, srv *Server) error {
			m, err := s.migration(ctx, tx, j.Server, j.Migration)
			if err != nil {
				return err
			}
			if err := s.placement.Release(ctx, tx, m.UUID); err != nil {
				return err
			}
			m.Status = "confirmed"
			srv.VMState, srv.OldVMState = VMActive, ""
			if srv.Power == hostapi.PowerStopped {
				srv.VMState = VMStopped
			}
			return s.saveMigration(ctx, tx, m)
		}),
		Failed: fail(s, s.resizeStays),
	}
}

// resizeStays lets a server whose confirmation or reversal failed wait for the next try.
func (s *Service) resizeStays(ctx context.Context, tx *store.Tx, j *confirmation, _ *Server, _ *errs.Error) error {
	m, err := s.migration(ctx, tx, j.Server, j.Migration)
	if err != nil {
		return err
	}
	m.Status = "finished"
	return s.saveMigration(ctx, tx, m)
}

func (s *Service) revertSaga() saga.Definition[reversal] {
	moved := func(j *reversal) bool { return j.Host == j.OldHost }
	return saga.Definition[reversal]{
		Kind: kindRevert, Version: 1,
		Steps: []saga.Step[reversal]{
			{
				Name: "remove", Timeout: 3 * time.Minute, Skip: moved,
				Do: step(s, "compute_revert_resize", func(ctx context.Context, j *reversal) error {
					return s.removeFrom(ctx, j.Host, j.Server)
				}),
			},
			{Name: "claim", Do: func(ctx context.Context, j *reversal) error {
				return s.withMigration(ctx, j.Server, j.Migration, func(tx *store.Tx, srv *Server, m *Migration) error {
					if m.Status == "reverted" { // done before a crash
						return nil
					}
					if err := s.placement.Release(ctx, tx, srv.ID); err != nil {
						return err
					}
					if err := s.placement.Move(ctx, tx, m.UUID, srv.ID); err != nil {
						return err
					}
					m.Status = "reverted"
					return s.takeShape(ctx, tx, srv, j.OldHost, m.OldFlavor, j.WasOn)
				})
			}},
			{Name: "bind", Skip: moved, Do: func(ctx context.Context, j *reversal) error {
				return s.network.BindPorts(ctx, j.Server, j.OldHost)
			}},
			{Name: "start", Timeout: 10 * time.Minute, Do: step(s, "compute_finish_revert_resize", func(ctx context.Context, j *reversal) error {
				_, err := s.ensure(ctx, j.OldHost, j.Server)
				return err
			})},
		},
		Done: finish(s, func(_ context.Context, _ *store.Tx, j *reversal, srv *Server) error {
			srv.VMState, srv.OldVMState = j.Back, ""
			return nil
		}),
		Failed: fail(s, func(_ context.Context, _ *store.Tx, j *reversal, srv *Server, cause *errs.Error) error {
			srv.VMState = VMError
			s.setFault(srv, j.Host, cause)
			return nil
		}),
	}
}
