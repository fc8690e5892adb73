package compute

import (
	"context"
	"errors"
	"fmt"
	"time"

	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/saga"
	"kumoi/internal/kernel/store"
	"kumoi/internal/kernel/task"
)

// Confirm keeps a server's new shape and removes what is left of the old.
func (s *Moves) Confirm(ctx context.Context, id string) error {
	return s.end(ctx, id, "confirmResize", kindConfirm, "confirming", TaskNone)
}

// Revert returns a server to its old shape and host.
func (s *Moves) Revert(ctx context.Context, id string) error {
	return s.end(ctx, id, "revertResize", kindRevert, "reverting", TaskResizeReverting)
}

func (s *Moves) end(ctx context.Context, id, action, kind, status string, task TaskState) error {
	return s.write(ctx, func(tx *store.Tx) error {
		srv, err := s.load(ctx, tx, id, policyOf(action))
		if err != nil {
			return err
		}
		if err := s.permit(ctx, srv, action); err != nil {
			return err
		}
		m, err := s.Migrations.finished(ctx, tx, srv)
		if err != nil {
			return err
		}
		m.Status, srv.TaskState = status, task
		if err := s.Migrations.put(ctx, tx, m); err != nil {
			return err
		}
		if kind == kindConfirm {
			return s.journal.begin(ctx, tx, srv, kind, action, &confirmation{Migration: m.ID, OldHost: m.SourceHost})
		}
		return s.journal.begin(ctx, tx, srv, kind, action, &reversal{
			Migration: m.ID, OldHost: m.SourceHost, WasOn: srv.OldVMState == VMActive, Back: srv.OldVMState,
		})
	})
}

func (s *Moves) confirmSaga() saga.Definition[confirmation] {
	return saga.Definition[confirmation]{
		Kind: kindConfirm, Version: 1,
		Steps: []saga.Step[confirmation]{{
			Name: "clean", Timeout: 3 * time.Minute, Skip: func(j *confirmation) bool { return j.Host == j.OldHost },
			Do: step(s.core, "compute_confirm_resize", func(ctx context.Context, j *confirmation) error {
				return s.machines.removeFrom(ctx, j.OldHost, j.Server)
			}),
		}},
		Done: finish(s.core, func(ctx context.Context, tx *store.Tx, j *confirmation, srv *Server) error {
			m, err := s.Migrations.get(ctx, tx, j.Server, j.Migration)
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
			return s.Migrations.put(ctx, tx, m)
		}),
		Failed: fail(s.core, s.stays),
	}
}

// stays lets a server whose confirmation or reversal failed wait for the next try.
func (s *Moves) stays(ctx context.Context, tx *store.Tx, j *confirmation, _ *Server, _ *errs.Error) error {
	m, err := s.Migrations.get(ctx, tx, j.Server, j.Migration)
	if err != nil {
		return err
	}
	m.Status = "finished"
	return s.Migrations.put(ctx, tx, m)
}

func (s *Moves) revertSaga() saga.Definition[reversal] {
	moved := func(j *reversal) bool { return j.Host == j.OldHost }
	return saga.Definition[reversal]{
		Kind: kindRevert, Version: 1,
		Steps: []saga.Step[reversal]{
			{
				Name: "remove", Timeout: 3 * time.Minute, Skip: moved,
				Do: step(s.core, "compute_revert_resize", func(ctx context.Context, j *reversal) error {
					return s.machines.removeFrom(ctx, j.Host, j.Server)
				}),
			},
			{Name: "claim", Do: func(ctx context.Context, j *reversal) error {
				return s.Migrations.with(ctx, j.Server, j.Migration, func(tx *store.Tx, srv *Server, m *Migration) error {
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
			{Name: "start", Timeout: 10 * time.Minute, Do: step(s.core, "compute_finish_revert_resize", func(ctx context.Context, j *reversal) error {
				_, err := s.machines.ensure(ctx, j.OldHost, j.Server)
				return err
			})},
		},
		Done: finish(s.core, func(_ context.Context, _ *store.Tx, j *reversal, srv *Server) error {
			srv.VMState, srv.OldVMState = j.Back, ""
			return nil
		}),
		Failed: fail(s.core, func(_ context.Context, _ *store.Tx, j *reversal, srv *Server, cause *errs.Error) error {
			srv.VMState = VMError
			s.journal.setFault(srv, j.Host, cause)
			return nil
		}),
	}
}

// confirmTask confirms resizes whose owner did not, after a day.
func (s *Moves) confirmTask() task.Task {
	return task.Task{Name: "compute-auto-confirm", Every: 10 * time.Minute, Run: func(ctx context.Context) (string, error) {
		var due []string
		err := s.read(ctx, func(tx *store.Tx) error {
			list, err := s.servers.All(ctx, tx, store.Eq("vm_state", string(VMResized)), store.Eq("deleted", false))
			for _, srv := range list {
				if srv.TaskState == TaskNone && s.now().Sub(srv.AutoResizeWindow) > 24*time.Hour {
					due = append(due, srv.ID)
				}
			}
			return err
		})
		for _, id := range due {
			if cerr := s.Confirm(ctx, id); cerr != nil && !errs.Is(cerr, errs.Conflict) {
				err = errors.Join(err, cerr)
			}
		}
		if len(due) == 0 {
			return "", err
		}
		return fmt.Sprintf("%d resizes confirmed", len(due)), err
	}}
}
