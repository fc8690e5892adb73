package compute

import (
	"context"
	"slices"
	"time"

	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/ids"
	"kumoi/internal/kernel/quota"
	"kumoi/internal/kernel/saga"
	"kumoi/internal/kernel/store"
)

// Resize gives a server another flavor, on its own host if there is room,
// else on another. The owner then confirms or reverts.
func (s *Service) Resize(ctx context.Context, id, flavorID, diskConfig string) error {
	return s.write(ctx, func(tx *store.Tx) error {
		srv, err := s.load(ctx, tx, id, policyOf("resize"))
		if err != nil {
			return err
		}
		f, err := s.flavorFor(ctx, tx, flavorID)
		if err != nil {
			return err
		}
		if err := s.permit(ctx, srv, "resize"); err != nil {
			return err
		}
		switch {
		case f.ID == srv.Flavor.ID:
			return errs.New(errs.Invalid, "When resizing, instances must change flavor!")
		case f.Disk < srv.Flavor.Disk && srv.ImageID != "":
			return errs.New(errs.Invalid, "Resize to a smaller disk is not allowed: flavor %s has %d GiB, the server %d GiB.", f.Name, f.Disk, srv.Flavor.Disk)
		case f.Ephemeral < srv.Flavor.Ephemeral && len(srv.ephemeral()) > 0:
			return errs.New(errs.Invalid, "Resize to a smaller ephemeral disk is not allowed: flavor %s has %d GiB, the server %d GiB.", f.Name, f.Ephemeral, srv.Flavor.Ephemeral)
		}
		account, err := s.quotas.Account(ctx, tx, quota.Holder{Project: srv.ProjectID}, "cores", "ram")
		if err != nil {
			return err
		}
		if err := overQuota(account, map[string]int{"cores": f.VCPUs - srv.Flavor.VCPUs, "ram": f.RAM - srv.Flavor.RAM}); err != nil {
			return err
		}
		if diskConfig != "" {
			srv.DiskConfig = diskConfig
		}
		return s.move(ctx, tx, srv, "resize", "", f)
	})
}

// Migrate moves a server to another host; the owner's operator confirms or reverts.
func (s *Service) Migrate(ctx context.Context, id, host string) error {
	return s.write(ctx, func(tx *store.Tx) error {
		srv, err := s.load(ctx, tx, id, policyOf("migrate"))
		if err != nil {
			return err
		}
		if host != "" {
			if err := s.checkServer(ctx, srv, "os-migrate-server:migrate:host"); err != nil {
				return err
			}
		}
		if err := s.permit(ctx, srv, "migrate"); err != nil {
			return err
		}
		hosts, err := s.hostsTx(ctx, tx)
		if err != nil {
			return err
		}
		others := slices.DeleteFunc(hosts, func(h *Host) bool { return h.Name == srv.Host || !h.Usable() })
		switch {
		case host != "" && host == srv.Host:
			return errs.New(errs.Invalid, "The target host can't be the same one.")
		case host != "" && !slices.ContainsFunc(others, func(h *Host) bool { return h.Name == host }):
			return errs.New(errs.Invalid, "Compute host %s could not be found.", host)
		case len(others) == 0:
			return errs.New(errs.Invalid, "No valid host was found. The server is on the only host that is up and enabled, so there is none to migrate it to.")
		}
		return s.move(ctx, tx, srv, "migration", host, srv.Flavor)
	})
}

// move writes the migration's record and begins its saga. A host that was
// insisted on when the server was made holds it no longer; host does, if given.
func (s *Service) move(ctx context.Context, tx *store.Tx, srv *Server, kind, host string, to *Flavor) error {
	if srv.Host == "" || srv.LaunchedAt.IsZero() {
		return errs.New(errs.Conflict, "Instance %s is not ready: it was never built on a host.", srv.ID)
	}
	m, err := s.newMigration(ctx, tx, srv, kind, to)
	if err != nil {
		return err
	}
	j := &moving{
		Migration: m.ID, OldHost: srv.Host, Back: srv.VMState, BackPower: string(srv.Power),
		WasOn: srv.VMState == VMActive, Image: ids.New(),
	}
	srv.TaskState, srv.OldVMState, srv.RequestedHost = TaskResizePrep, srv.VMState, host
	return s.begin(ctx, tx, srv, kindResize, moves[kind], j)
}

// moves are the actions of the history by the kinds of migrations.
var moves = map[string]string{"resize": "resize", "migration": "migrate"}

func (s *Service) newMigration(ctx context.Context, tx *store.Tx, srv *Server, kind string, to *Flavor) (*Migration, error) {
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

func (s *Service) migration(ctx context.Context, tx *store.Tx, serverID string, id int64) (*Migration, error) {
	m, err := s.migrations.First(ctx, tx, store.Eq("server_id", serverID), store.Eq("id", id))
	return m, notFound(err, "Migration %d for server %s could not be found.", id, serverID)
}

// withMigration changes a server and a migration of it in one transaction.
func (s *Service) withMigration(ctx context.Context, serverID string, id int64, f func(tx *store.Tx, srv *Server, m *Migration) error) error {
	return s.write(ctx, func(tx *store.Tx) error {
		srv, err := s.servers.Get(ctx, tx, serverID)
		if err != nil {
			return err
		}
		m, err := s.migration(ctx, tx, serverID, id)
		if err != nil {
			return err
		}
		if err := f(tx, srv, m); err != nil {
			return err
		}
		if err := s.saveMigration(ctx, tx, m); err != nil {
			return err
		}
		return s.save(ctx, tx, srv)
	})
}

func (s *Service) saveMigration(ctx context.Context, tx *store.Tx, m *Migration) error {
	m.UpdatedAt = s.now().UTC()
	return s.migrations.Update(ctx, tx, m)
}

// resizeSaga stops the guest, takes its disks along if the host changes, and
// starts it with the new flavor. The old host keeps its guest until the owner
// confirms.
func (s *Service) resizeSaga() saga.Definition[moving] {
	sameHost := func(j *moving) bool { return j.Host == j.OldHost }
	return saga.Definition[moving]{
		Kind: kindResize, Version: 1,
		Steps: []saga.Step[moving]{
			{Name: "schedule", Do: step(s, "conductor_migrate_server", s.scheduleMove), Undo: s.unscheduleMove},
			{Name: "stop", Do: step(s, "compute_prep_resize", s.stopForMove), Undo: s.restartOld, Timeout: 10 * time.Minute},
			{Name: "image", Do: s.makeMoveImages, Undo: s.dropMoveImages, Skip: sameHost},
			{Name: "copy", Do: step(s, "compute_resize_instance", s.copyForMove), Timeout: 2 * time.Hour, Skip: sameHost},
			{Name: "switch", Do: s.switchOver, Undo: s.switchBack},
			{Name: "finish", Do: step(s, "compute_finish_resize", s.finishMove), Undo: s.unfinishMove, Timeout: 30 * time.Minute},
			{Name: "clean", Do: s.dropMoveImages, Skip: sameHost},
		},
		Done: finish(s, func(ctx context.Context, tx *store.Tx, j *moving, srv *Server) error {
			m, err := s.migration(ctx, tx, j.Server, j.Migration)
			if err != nil {
				return err
			}
			m.Status = "finished"
			srv.VMState, srv.AutoResizeWindow, srv.Fault, srv.SnapshotImageID = VMResized, s.now().UTC(), nil, ""
			srv.RequestedHost, srv.Local.Carriers = "", nil
			return s.saveMigration(ctx, tx, m)
		}),
		Failed: fail(s, func(ctx context.Context, tx *store.Tx, j *moving, srv *Server, cause *errs.Error) error {
			m, err := s.migration(ctx, tx, j.Server, j.Migration)
			if err != nil {
				return err
			}
			m.Status = "error"
			srv.VMState, srv.OldVMState, srv.SnapshotImageID, srv.RequestedHost = j.Back, "", "", ""
			srv.Local.Carriers = nil
			s.setFault(srv, j.Host, cause)
			return s.saveMigration(ctx, tx, m)
		}),
	}
}

// scheduleMove finds room for the new flavor. The migration holds the old
// claim until the owner has decided.
func (s *Service) scheduleMove(ctx context.Context, j *moving) error {
	return s.withMigration(ctx, j.Server, j.Migration, func(tx *store.Tx, srv *Server, m *Migration) error {
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
			d, err = s.claim(ctx, tx, &home, srv.ID, target.resources(), nil)
		}
		if d == nil || err != nil && errs.Is(err, errs.NoCapacity) {
			d, err = s.claim(ctx, tx, &target, srv.ID, target.resources(), []string{srv.Host})
		}
		if err != nil {
			return noHost(err, false)
		}
		j.Host, j.Decision, m.DestHost, m.Status = d.Host, d, d.Host, "migrating"
		return nil
	})
}

func (s *Service) unscheduleMove(ctx context.Context, j *moving) error {
	return s.withMigration(ctx, j.Server, j.Migration, func(tx *store.Tx, srv *Server, m *Migration) error {
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

// stopForMove has the old host stop the guest.
func (s *Service) stopForMove(ctx context.Context, j *moving) error {
	if err := s.setPower(ctx, j.Server, hostapi.PowerStopped); err != nil {
		return err
	}
	_, err := s.ensure(ctx, j.OldHost, j.Server)
	return err
}

// setPower changes what a server's host is to be told.
func (s *Service) setPower(ctx context.Context, id string, p hostapi.Power) error {
	return s.write(ctx, func(tx *store.Tx) error {
		srv, err := s.servers.Get(ctx, tx, id)
		if err != nil || srv.Power == p {
			return err
		}
		srv.Power = p
		srv.Generation++
		return s.save(ctx, tx, srv)
	})
}

func (s *Service) restartOld(ctx context.Context, j *moving) error {
	if err := s.setPower(ctx, j.Server, hostapi.Power(j.BackPower)); err != nil {
		return err
	}
	_, err := s.ensure(ctx, j.OldHost, j.Server)
	return err
}

// switchOver makes the new host and flavor the server's.
func (s *Service) switchOver(ctx context.Context, j *moving) error {
	if j.Host != j.OldHost {
		if err := s.network.BindPorts(ctx, j.Server, j.Host); err != nil {
			return err
		}
	}
	return s.withMigration(ctx, j.Server, j.Migration, func(tx *store.Tx, srv *Server, m *Migration) error {
		srv.TaskState, m.Status = TaskResizeFinish, "post-migrating"
		return s.takeShape(ctx, tx, srv, j.Host, m.NewFlavor, j.WasOn)
	})
}

func (s *Service) switchBack(ctx context.Context, j *moving) error {
	if j.Host != j.OldHost {
		if err := s.network.BindPorts(ctx, j.Server, j.OldHost); err != nil {
			return err
		}
	}
	return s.withMigration(ctx, j.Server, j.Migration, func(tx *store.Tx, srv *Server, m *Migration) error {
		srv.TaskState = TaskResizePrep
		return s.takeShape(ctx, tx, srv, j.OldHost, m.OldFlavor, false)
	})
}

// takeShape gives a server a host and a flavor, and says whether it runs.
func (s *Service) takeShape(ctx context.Context, tx *store.Tx, srv *Server, host string, f *Flavor, on bool) error {
	if srv.Host != host {
		if err := s.place(ctx, tx, srv, host); err != nil {
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

// finishMove builds the guest in its new shape; on another host its disks are
// made from the images that carried them.
func (s *Service) finishMove(ctx context.Context, j *moving) error {
	_, err := s.ensureAs(ctx, j.Host, j.Server, func(spec *hostapi.ServerSpec, srv *Server) error {
		if j.Host == j.OldHost {
			return nil
		}
		return s.carried(ctx, srv, spec)
	})
	return err
}

func (s *Service) unfinishMove(ctx context.Context, j *moving) error {
	if j.Host == j.OldHost {
		return nil // the old shape is ensured by the undo of "stop"
	}
	return s.removeFrom(ctx, j.Host, j.Server)
}
