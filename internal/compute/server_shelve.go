package compute

import (
	"context"
	"time"

	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/ids"
	"kumoi/internal/kernel/saga"
	"kumoi/internal/kernel/store"
)

// Shelve keeps a server's disk as an image and frees its host.
func (s *Service) Shelve(ctx context.Context, id string) error {
	return s.write(ctx, func(tx *store.Tx) error {
		srv, err := s.load(ctx, tx, id, policyOf("shelve"))
		if err != nil {
			return err
		}
		if err := s.permit(ctx, srv, "shelve"); err != nil {
			return err
		}
		srv.TaskState = TaskShelving
		j := shelving{Back: srv.VMState, BackPower: string(srv.Power)}
		if srv.volumeBacked() { // its disk stays where it is
			return s.begin(ctx, tx, srv, kindShelve, "shelve", &j)
		}
		srv.ShelvedImageID = ids.New()
		j.Image = srv.ShelvedImageID
		return s.snapshot(ctx, tx, srv, "shelve", kindShelve, srv.Name+"-shelved", nil, j.Image, &j)
	})
}

// ShelveOffload frees the host of a shelved server. Shelving does that by
// itself here, so there is never anything left to free.
func (s *Service) ShelveOffload(ctx context.Context, id string) error {
	srv, err := s.Server(ctx, id, policyOf("shelveOffload"))
	if err != nil {
		return err
	}
	return s.permit(ctx, srv, "shelveOffload")
}

func (s *Service) shelveSaga() saga.Definition[shelving] {
	return saga.Definition[shelving]{
		Kind: kindShelve, Version: 1,
		Steps: []saga.Step[shelving]{
			{Name: "stop", Timeout: 10 * time.Minute, Do: step(s, "compute_shelve_instance", func(ctx context.Context, j *shelving) error {
				if err := s.setPower(ctx, j.Server, hostapi.PowerStopped); err != nil {
					return err
				}
				return s.spawn(ctx, &j.job)
			}), Undo: func(ctx context.Context, j *shelving) error {
				// The guest may be removed by now, and comes back as a newer one.
				err := s.write(ctx, func(tx *store.Tx) error {
					srv, err := s.servers.Get(ctx, tx, j.Server)
					if err != nil {
						return err
					}
					srv.Power = hostapi.Power(j.BackPower)
					srv.Generation++
					return s.save(ctx, tx, srv)
				})
				if err != nil {
					return err
				}
				return s.spawn(ctx, &j.job)
			}},
			{
				Name: "copy", Timeout: 2 * time.Hour, Skip: func(j *shelving) bool { return j.Image == "" },
				Do:   step(s, "compute_snapshot_instance", func(ctx context.Context, j *shelving) error { return s.copyDisk(ctx, &j.job, j.Image) }),
				Undo: func(ctx context.Context, j *shelving) error { return s.dropImage(ctx, j.Image) },
			},
			{Name: "remove", Do: step(s, "compute_shelve_offload_instance", each[shelving](s.removeGuest)), Timeout: 3 * time.Minute},
			{Name: "unbind", Do: each[shelving](s.unbindPorts)},
		},
		Done: finish(s, func(ctx context.Context, tx *store.Tx, _ *shelving, srv *Server) error {
			srv.VMState, srv.PowerState = VMShelvedOffloaded, PowerShutdown
			srv.Host, srv.Domain, srv.SnapshotImageID, srv.HostSequence = "", "", "", 0
			srv.AvailabilityZone = srv.PinnedZone
			if err := s.connections.park(ctx, tx, srv.ID); err != nil {
				return err
			}
			return s.placement.Release(ctx, tx, srv.ID)
		}),
		Failed: fail(s, func(_ context.Context, _ *store.Tx, j *shelving, srv *Server, _ *errs.Error) error {
			srv.VMState, srv.SnapshotImageID, srv.ShelvedImageID = j.Back, "", ""
			return nil
		}),
	}
}

// Unshelve builds a shelved server again, on a host of the zone if one is given.
func (s *Service) Unshelve(ctx context.Context, id string, zone *string, unpin bool, host string) error {
	return s.write(ctx, func(tx *store.Tx) error {
		srv, err := s.load(ctx, tx, id, policyOf("unshelve"))
		if err != nil {
			return err
		}
		if host != "" {
			if err := s.checkServer(ctx, srv, "os-shelve:unshelve_to_host"); err != nil {
				return err
			}
		}
		if err := s.permit(ctx, srv, "unshelve"); err != nil {
			return err
		}
		if zone != nil {
			srv.PinnedZone = *zone
		}
		if unpin {
			srv.PinnedZone = ""
		}
		srv.RequestedHost = host
		if err := s.checkTarget(ctx, tx, CreateServer{Zone: srv.PinnedZone, Host: host}); err != nil {
			return err
		}
		srv.TaskState, srv.Power = TaskUnshelving, hostapi.PowerRunning
		srv.Generation++
		return s.begin(ctx, tx, srv, kindUnshelve, "unshelve", &unshelving{Image: srv.ShelvedImageID})
	})
}

func (s *Service) unshelveSaga() saga.Definition[unshelving] {
	return saga.Definition[unshelving]{
		Kind: kindUnshelve, Version: 1,
		Steps: []saga.Step[unshelving]{
			{Name: "schedule", Do: step(s, "conductor_unshelve_instance", at[unshelving](s.schedule)), Undo: each[unshelving](s.unschedule)},
			{Name: "bind", Do: each[unshelving](s.bindPorts), Undo: each[unshelving](s.unbindPorts)},
			{Name: "spawn", Do: step(s, "compute_unshelve_instance", tryHere(s, s.spawnShelved)), Undo: each[unshelving](s.removeGuest), Timeout: 30 * time.Minute},
			{Name: "vifs", Do: tryHere(s, each[unshelving](s.waitVIFs)), Timeout: 5 * time.Minute},
			// The image goes in the transaction that ends the saga: while the saga
			// may be undone, the disk is nowhere else.
			{Name: "image", Do: func(context.Context, *unshelving) error { return nil }},
		},
		Done: finish(s, func(ctx context.Context, tx *store.Tx, j *unshelving, srv *Server) error {
			if j.Image != "" {
				// One that its owner protected meanwhile stays.
				if err := s.images.DeleteTx(ctx, tx, j.Image); err != nil {
					s.log.WarnContext(ctx, "image of an unshelved server was not deleted", "image", j.Image, "error", err)
				}
			}
			srv.VMState, srv.PowerState, srv.ShelvedImageID, srv.RequestedHost = VMActive, PowerRunning, "", ""
			srv.LaunchedAt, srv.Fault = s.now().UTC(), nil
			return nil
		}),
		Failed: fail(s, func(_ context.Context, _ *store.Tx, j *unshelving, srv *Server, cause *errs.Error) error {
			srv.VMState, srv.Power, srv.RequestedHost = VMShelvedOffloaded, hostapi.PowerStopped, ""
			s.setFaultOf(srv, j.Host, j.LastError, cause)
			return nil
		}),
	}
}

// spawnShelved builds the guest with the disk that the shelved image kept.
func (s *Service) spawnShelved(ctx context.Context, j *unshelving) error {
	_, err := s.ensureAs(ctx, j.Host, j.Server, func(spec *hostapi.ServerSpec, _ *Server) error {
		if j.Image == "" {
			return nil
		}
		image, err := s.images.Show(ctx, j.Image)
		if err != nil {
			return errs.Wrap(errs.Invalid, err, "The image of the shelved server could not be found: %s", errs.As(err).Msg)
		}
		spec.Root = carriedBy(image, spec.Root)
		return nil
	})
	return err
}

// Evacuate builds a server of a dead host again on another one, from its
// image: the disk was on the host.
func (s *Service) Evacuate(ctx context.Context, id, host, password string) (string, error) {
	if password == "" {
		password = newPassword()
	}
	return password, s.write(ctx, func(tx *store.Tx) error {
		srv, err := s.load(ctx, tx, id, policyOf("evacuate"))
		if err != nil {
			return err
		}
		if err := s.permit(ctx, srv, "evacuate"); err != nil {
			return err
		}
		hosts, err := s.hostsTx(ctx, tx)
		if err != nil {
			return err
		}
		known := host == ""
		for _, h := range hosts {
			known = known || h.Name == host
			if h.Name == srv.Host && h.Up {
				return errs.New(errs.Invalid, "Compute service of %s is still in use.", srv.Host)
			}
		}
		switch {
		case !known:
			return errs.New(errs.NotFound, "Compute host %s not found.", host)
		case host != "" && host == srv.Host:
			return errs.New(errs.Invalid, "The target host can't be the same one.")
		}
		m, err := s.newMigration(ctx, tx, srv, "evacuation", srv.Flavor)
		if err != nil {
			return err
		}
		srv.TaskState, srv.RequestedHost, srv.AdminPass = TaskRebuilding, host, password
		srv.Power = hostapi.PowerStopped
		if srv.VMState == VMActive {
			srv.Power = hostapi.PowerRunning
		}
		return s.begin(ctx, tx, srv, kindEvacuate, "evacuate", &evacuation{Migration: m.ID, placing: placing{Tried: []string{srv.Host}}})
	})
}

func (s *Service) evacuateSaga() saga.Definition[evacuation] {
	return saga.Definition[evacuation]{
		Kind: kindEvacuate, Version: 1,
		Steps: []saga.Step[evacuation]{
			{Name: "schedule", Do: step(s, "conductor_rebuild_instance", at[evacuation](s.schedule))},
			{Name: "bind", Do: each[evacuation](s.bindPorts)},
			{Name: "spawn", Do: step(s, "compute_rebuild_instance", each[evacuation](s.spawn)), Timeout: 30 * time.Minute},
		},
		Done: finish(s, func(ctx context.Context, tx *store.Tx, j *evacuation, srv *Server) error {
			srv.VMState, srv.RequestedHost, srv.AdminPass, srv.Fault = VMStopped, "", "", nil
			if srv.Power == hostapi.PowerRunning {
				srv.VMState, srv.LaunchedAt = VMActive, s.now().UTC()
			}
			m, err := s.migration(ctx, tx, j.Server, j.Migration)
			if err != nil {
				return err
			}
			m.Status, m.DestHost = "done", srv.Host
			return s.saveMigration(ctx, tx, m)
		}),
		Failed: fail(s, func(ctx context.Context, tx *store.Tx, j *evacuation, srv *Server, cause *errs.Error) error {
			srv.VMState, srv.RequestedHost = VMError, ""
			s.setFaultOf(srv, j.Host, j.LastError, cause)
			m, err := s.migration(ctx, tx, j.Server, j.Migration)
			if err != nil {
				return err
			}
			m.Status = "failed"
			return s.saveMigration(ctx, tx, m)
		}),
	}
}
