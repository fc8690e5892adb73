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
		j := job{Migration: m.ID, OldHost: m.SourceHost, WasOn: srv.OldVMState == VMActive, Back: srv.OldVMState}
		return s.begin(ctx, tx, srv, kind, action, j)
	})
}

func (s *Service) confirmSaga() saga.Definition[job] {
	return saga.Definition[job]{
		Kind: kindConfirm, Version: 1,
		Steps: []saga.Step[job]{{
			Name: "clean", Timeout: 3 * time.Minute, Skip: func(j *job) bool { return j.Host == j.OldHost },
			Do: s.step("compute_confirm_resize", func(ctx context.Context, j *job) error {
				return s.removeFrom(ctx, j.OldHost, j.Server)
			}),
		}},
		Done: s.finish(func(ctx context.Context, tx *store.Tx, j *job, srv *Server) error {
			m, err := s.migration(ctx, tx, j)
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
		Failed: s.fail(s.resizeStays),
	}
}

// resizeStays lets a server whose confirmation or reversal failed wait for the next try.
func (s *Service) resizeStays(ctx context.Context, tx *store.Tx, j *job, _ *Server, _ *errs.Error) error {
	m, err := s.migration(ctx, tx, j)
	if err != nil {
		return err
	}
	m.Status = "finished"
	return s.saveMigration(ctx, tx, m)
}

func (s *Service) revertSaga() saga.Definition[job] {
	moved := func(j *job) bool { return j.Host == j.OldHost }
	return saga.Definition[job]{
		Kind: kindRevert, Version: 1,
		Steps: []saga.Step[job]{
			{
				Name: "remove", Timeout: 3 * time.Minute, Skip: moved,
				Do: s.step("compute_revert_resize", func(ctx context.Context, j *job) error {
					return s.removeFrom(ctx, j.Host, j.Server)
				}),
			},
			{Name: "claim", Do: func(ctx context.Context, j *job) error {
				return s.withMigration(ctx, j, func(tx *store.Tx, srv *Server, m *Migration) error {
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
			{Name: "bind", Skip: moved, Do: func(ctx context.Context, j *job) error {
				return s.network.BindPorts(ctx, j.Server, j.OldHost)
			}},
			{Name: "start", Timeout: 10 * time.Minute, Do: s.step("compute_finish_revert_resize", func(ctx context.Context, j *job) error {
				_, err := s.ensure(ctx, j.OldHost, j.Server)
				return err
			})},
		},
		Done: s.finish(func(_ context.Context, _ *store.Tx, j *job, srv *Server) error {
			srv.VMState, srv.OldVMState = j.Back, ""
			return nil
		}),
		Failed: s.fail(func(_ context.Context, _ *store.Tx, j *job, srv *Server, cause *errs.Error) error {
			srv.VMState = VMError
			s.setFault(srv, j, cause)
			return nil
		}),
	}
}
