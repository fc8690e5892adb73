package compute

import (
	"context"
	"time"

	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/saga"
	"kumoi/internal/kernel/store"
)

// resizeSaga stops the guest, takes its disks along if the host changes, and
// starts it with the new flavor. The old host keeps its guest until the owner
// confirms.
func (s *Moves) resizeSaga() saga.Definition[moving] {
	sameHost := func(j *moving) bool { return j.Host == j.OldHost }
	return saga.Definition[moving]{
		Kind: kindResize, Version: 1,
		Steps: []saga.Step[moving]{
			{Name: "schedule", Do: step(s.core, "conductor_migrate_server", s.schedule), Undo: s.unschedule},
			{Name: "stop", Do: step(s.core, "compute_prep_resize", s.stop), Undo: s.restartOld, Timeout: 10 * time.Minute},
			{Name: "image", Do: s.makeImages, Undo: s.dropImages, Skip: sameHost},
			{Name: "copy", Do: step(s.core, "compute_resize_instance", s.copy), Timeout: 2 * time.Hour, Skip: sameHost},
			{Name: "switch", Do: s.switchOver, Undo: s.switchBack},
			{Name: "finish", Do: step(s.core, "compute_finish_resize", s.build), Undo: s.unbuild, Timeout: 30 * time.Minute},
			{Name: "clean", Do: s.dropImages, Skip: sameHost},
		},
		Done: finish(s.core, func(ctx context.Context, tx *store.Tx, j *moving, srv *Server) error {
			m, err := s.Migrations.get(ctx, tx, j.Server, j.Migration)
			if err != nil {
				return err
			}
			m.Status = "finished"
			srv.VMState, srv.AutoResizeWindow, srv.Fault, srv.SnapshotImageID = VMResized, s.now().UTC(), nil, ""
			srv.RequestedHost, srv.Local.Carriers = "", nil
			return s.Migrations.put(ctx, tx, m)
		}),
		Failed: fail(s.core, func(ctx context.Context, tx *store.Tx, j *moving, srv *Server, cause *errs.Error) error {
			m, err := s.Migrations.get(ctx, tx, j.Server, j.Migration)
			if err != nil {
				return err
			}
			m.Status = "error"
			srv.VMState, srv.OldVMState, srv.SnapshotImageID, srv.RequestedHost = j.Back, "", "", ""
			srv.Local.Carriers = nil
			s.journal.setFault(srv, j.Host, cause)
			return s.Migrations.put(ctx, tx, m)
		}),
	}
}

// schedule finds room for the new flavor. The migration holds the old
// claim until the owner has decided.
func (s *Moves) schedule(ctx context.Context, j *moving) error {
	return s.Migrations.with(ctx, j.Server, j.Migration, func(tx *store.Tx, srv *Server, m *Migration) error {
		if m.DestHost != "" { // done before a crash
			j.Host = m.DestHost
			return nil
		}
		if err := s.placement.Move(ctx, tx, srv.ID, m.UUID); err != nil {
			return err
		}
		target := *srv
		target.Flavor = m.NewFlavor
		var d *Decision
		var err error
		if m.Type == "resize" { // at home, if there is room
			home := target
			home.RequestedHost = srv.Host
			d, err = s.scheduler.claim(ctx, tx, &home, srv.ID, target.resources(), nil)
		}
		if d == nil || err != nil && errs.Is(err, errs.NoCapacity) {
			d, err = s.scheduler.claim(ctx, tx, &target, srv.ID, target.resources(), []string{srv.Host})
		}
		if err != nil {
			return noHost(err, false)
		}
		j.Host, j.Decision, m.DestHost, m.Status = d.Host, d, d.Host, "migrating"
		return nil
	})
}

func (s *Moves) unschedule(ctx context.Context, j *moving) error {
	return s.Migrations.with(ctx, j.Server, j.Migration, func(tx *store.Tx, srv *Server, m *Migration) error {
		if m.DestHost == "" {
			return nil
		}
		if err := s.placement.Release(ctx, tx, srv.ID); err != nil {
			return err
		}
		m.DestHost = ""
		return s.placement.Move(ctx, tx, m.UUID, srv.ID)
	})
}

// stop has the old host stop the guest.
func (s *Moves) stop(ctx context.Context, j *moving) error {
	if err := s.machines.setPower(ctx, j.Server, hostapi.PowerStopped); err != nil {
		return err
	}
	_, err := s.machines.ensure(ctx, j.OldHost, j.Server)
	return err
}

func (s *Moves) restartOld(ctx context.Context, j *moving) error {
	if err := s.machines.setPower(ctx, j.Server, hostapi.Power(j.BackPower)); err != nil {
		return err
	}
	_, err := s.machines.ensure(ctx, j.OldHost, j.Server)
	return err
}

// switchOver makes the new host and flavor the server's.
func (s *Moves) switchOver(ctx context.Context, j *moving) error {
	if j.Host != j.OldHost {
		if err := s.network.BindPorts(ctx, j.Server, j.Host); err != nil {
			return err
		}
	}
	return s.Migrations.with(ctx, j.Server, j.Migration, func(tx *store.Tx, srv *Server, m *Migration) error {
		srv.TaskState, m.Status = TaskResizeFinish, "post-migrating"
		return s.takeShape(ctx, tx, srv, j.Host, m.NewFlavor, j.WasOn)
	})
}

func (s *Moves) switchBack(ctx context.Context, j *moving) error {
	if j.Host != j.OldHost {
		if err := s.network.BindPorts(ctx, j.Server, j.OldHost); err != nil {
			return err
		}
	}
	return s.Migrations.with(ctx, j.Server, j.Migration, func(tx *store.Tx, srv *Server, m *Migration) error {
		srv.TaskState = TaskResizePrep
		return s.takeShape(ctx, tx, srv, j.OldHost, m.OldFlavor, false)
	})
}

// takeShape gives a server a host and a flavor, and says whether it runs.
func (s *Moves) takeShape(ctx context.Context, tx *store.Tx, srv *Server, host string, f *Flavor, on bool) error {
	if srv.Host != host {
		if err := s.builder.place(ctx, tx, srv, host); err != nil {
			return err
		}
	}
	srv.Flavor, srv.Root.SizeGiB = f, f.Disk
	srv.Power = hostapi.PowerStopped
	if on {
		srv.Power = hostapi.PowerRunning
	}
	srv.Generation++
	return nil
}

// build builds the guest in its new shape; on another host its disks are
// made from the images that carried them.
func (s *Moves) build(ctx context.Context, j *moving) error {
	_, err := s.machines.ensureAs(ctx, j.Host, j.Server, func(spec *hostapi.ServerSpec, srv *Server) error {
		if j.Host == j.OldHost {
			return nil
		}
		return s.carried(ctx, srv, spec)
	})
	return err
}

func (s *Moves) unbuild(ctx context.Context, j *moving) error {
	if j.Host == j.OldHost {
		return nil // the old shape is ensured by the undo of "stop"
	}
	return s.machines.removeFrom(ctx, j.Host, j.Server)
}
