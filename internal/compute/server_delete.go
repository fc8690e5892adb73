package compute

import (
	"context"
	"time"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/saga"
	"kumoi/internal/kernel/store"
)

// Delete begins the end of a server. What is being done about it is
// cancelled and unwinds first. Deleting twice is no error.
func (s *Servers) Delete(ctx context.Context, id, action string) error {
	return s.write(ctx, func(tx *store.Tx) error {
		srv, err := s.load(ctx, tx, id, policyOf(action))
		if err != nil {
			return err
		}
		if err := s.permit(ctx, srv, action); err != nil {
			return err
		}
		if srv.DeleteRequested {
			return nil
		}
		srv.DeleteRequested, srv.TaskState = true, TaskDeleting
		busy, err := s.sagas.Cancel(ctx, tx, srv.ID)
		if err != nil {
			return err
		}
		if !busy {
			return s.journal.begin(ctx, tx, srv, kindDelete, action, &job{})
		}
		// The end of the saga in progress starts the deletion, see settle.
		if _, err := s.journal.record(ctx, tx, srv, action); err != nil {
			return err
		}
		return s.save(ctx, tx, srv)
	})
}

// deleteSaga takes a server away. There is no way back: steps have no undo,
// and one that fails leaves the server in ERROR, to be deleted again.
func (s *Servers) deleteSaga() saga.Definition[job] {
	return saga.Definition[job]{
		Kind: kindDelete, Version: 1,
		Steps: []saga.Step[job]{
			{Name: "guest", Do: step(s.core, "compute_terminate_instance", s.removeGuests), Timeout: 3 * time.Minute},
			{Name: "ports", Do: step(s.core, "compute_deallocate_network", s.dropPorts)},
			{Name: "image", Do: s.Shelves.dropImage},
		},
		Done: func(ctx context.Context, tx *store.Tx, j *job) error {
			srv, err := s.servers.Get(ctx, tx, j.Server)
			if err != nil {
				return err
			}
			if err := s.releaseClaims(ctx, tx, srv); err != nil {
				return err
			}
			if err := s.connections.release(ctx, tx, srv.ID); err != nil {
				return err
			}
			if _, err := s.consoles.DeleteWhere(ctx, tx, store.Eq("server_id", srv.ID)); err != nil {
				return err
			}
			now := s.now().UTC()
			srv.VMState, srv.TaskState, srv.PowerState = VMDeleted, TaskNone, PowerUnknown
			srv.Deleted, srv.DeletedAt, srv.TerminatedAt = true, now, now
			srv.AdminPass, srv.Files, srv.UserData = "", nil, ""
			if err := s.journal.finishAction(ctx, tx, j.Action, ""); err != nil {
				return err
			}
			return s.save(ctx, tx, srv)
		},
		Failed: fail(s.core, func(_ context.Context, _ *store.Tx, j *job, srv *Server, cause *errs.Error) error {
			srv.DeleteRequested, srv.VMState = false, VMError
			s.journal.setFault(srv, j.Host, cause)
			return nil
		}),
	}
}

// removeGuests removes the guest wherever one may be: a resize that was not
// confirmed has left one on the old host, too.
func (s *Servers) removeGuests(ctx context.Context, j *job) error {
	var hosts []string
	err := s.read(ctx, func(tx *store.Tx) error {
		hosts = nil
		srv, err := s.servers.Get(ctx, tx, j.Server)
		if err != nil {
			return err
		}
		if srv.Host != "" {
			hosts = append(hosts, srv.Host)
		}
		moves, err := s.Migrations.of(ctx, tx, srv.ID)
		for _, m := range moves {
			if m.Status == "finished" && m.SourceHost != srv.Host {
				hosts = append(hosts, m.SourceHost)
			}
		}
		return err
	})
	if err != nil {
		return err
	}
	for _, h := range hosts {
		if err := s.machines.removeFrom(ctx, h, j.Server); err != nil {
			return err
		}
	}
	return s.connections.disconnect(ctx, "", j.Server) // wherever they are still connected to
}

func (s *Servers) dropPorts(ctx context.Context, j *job) error {
	return s.network.ReleasePorts(ctx, j.Server)
}

func (s *Shelves) dropImage(ctx context.Context, j *job) error {
	var image string
	err := s.read(ctx, func(tx *store.Tx) error {
		srv, err := s.servers.Get(ctx, tx, j.Server)
		if err == nil {
			image = srv.ShelvedImageID
		}
		return err
	})
	if err != nil || image == "" {
		return err
	}
	if err := s.images.Delete(ctx, image); err != nil && !errs.Is(err, errs.NotFound) {
		s.log.WarnContext(ctx, "image of a shelved server was not deleted", "image", image, "error", err)
	}
	return nil
}

// releaseClaims gives back what a server and its unfinished moves hold.
func (s *Servers) releaseClaims(ctx context.Context, tx *store.Tx, srv *Server) error {
	if err := s.placement.Release(ctx, tx, srv.ID); err != nil {
		return err
	}
	moves, err := s.Migrations.of(ctx, tx, srv.ID)
	if err != nil {
		return err
	}
	for _, m := range moves {
		switch m.Status {
		case "confirmed", "reverted", "error", "failed", "completed", "deleted":
			continue
		}
		if err := s.placement.Release(ctx, tx, m.UUID); err != nil {
			return err
		}
		m.Status, m.UpdatedAt = "deleted", s.now().UTC()
		if err := s.migrations.Update(ctx, tx, m); err != nil {
			return err
		}
	}
	return nil
}
