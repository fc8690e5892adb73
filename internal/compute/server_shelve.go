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
func (s *Shelves) Shelve(ctx context.Context, id string) error {
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
			return s.journal.begin(ctx, tx, srv, kindShelve, "shelve", &j)
		}
		srv.ShelvedImageID = ids.New()
		j.Image = srv.ShelvedImageID
		return s.Snapshots.begin(ctx, tx, srv, "shelve", kindShelve, srv.Name+"-shelved", nil, j.Image, &j)
	})
}

// Offload frees the host of a shelved server. Shelving does that by
// itself here, so there is never anything left to free.
func (s *Shelves) Offload(ctx context.Context, id string) error {
	srv, err := s.Servers.Show(ctx, id, policyOf("shelveOffload"))
	if err != nil {
		return err
	}
	return s.permit(ctx, srv, "shelveOffload")
}

func (s *Shelves) shelveSaga() saga.Definition[shelving] {
	return saga.Definition[shelving]{
		Kind: kindShelve, Version: 1,
		Steps: []saga.Step[shelving]{
			{Name: "stop", Timeout: 10 * time.Minute, Do: step(s.core, "compute_shelve_instance", func(ctx context.Context, j *shelving) error {
				if err := s.machines.setPower(ctx, j.Server, hostapi.PowerStopped); err != nil {
					return err
				}
				return s.machines.spawn(ctx, &j.job)
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
				return s.machines.spawn(ctx, &j.job)
			}},
			{
				Name: "copy", Timeout: 2 * time.Hour, Skip: func(j *shelving) bool { return j.Image == "" },
				Do:   step(s.core, "compute_snapshot_instance", func(ctx context.Context, j *shelving) error { return s.Snapshots.copyDisk(ctx, &j.job, j.Image) }),
				Undo: func(ctx context.Context, j *shelving) error { return s.Snapshots.dropImage(ctx, j.Image) },
			},
			{Name: "remove", Do: step(s.core, "compute_shelve_offload_instance", each[shelving](s.machines.remove)), Timeout: 3 * time.Minute},
			{Name: "unbind", Do: each[shelving](s.machines.unbindPorts)},
		},
		Done: finish(s.core, func(ctx context.Context, tx *store.Tx, _ *shelving, srv *Server) error {
			srv.VMState, srv.PowerState = VMShelvedOffloaded, PowerShutdown
			srv.Host, srv.Domain, srv.SnapshotImageID, srv.HostSequence = "", "", "", 0
			srv.AvailabilityZone = srv.PinnedZone
			if err := s.connections.park(ctx, tx, srv.ID); err != nil {
				return err
			}
			return s.placement.Release(ctx, tx, srv.ID)
		}),
		Failed: fail(s.core, func(_ context.Context, _ *store.Tx, j *shelving, srv *Server, _ *errs.Error) error {
			srv.VMState, srv.SnapshotImageID, srv.ShelvedImageID = j.Back, "", ""
			return nil
		}),
	}
}

// Unshelve builds a shelved server again, on a host of the zone if one is given.
func (s *Shelves) Unshelve(ctx context.Context, id string, zone *string, unpin bool, host string) error {
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
		if err := s.orders.checkTarget(ctx, tx, CreateServer{Zone: srv.PinnedZone, Host: host}); err != nil {
			return err
		}
		srv.TaskState, srv.Power = TaskUnshelving, hostapi.PowerRunning
		srv.Generation++
		return s.journal.begin(ctx, tx, srv, kindUnshelve, "unshelve", &unshelving{Image: srv.ShelvedImageID})
	})
}

func (s *Shelves) unshelveSaga() saga.Definition[unshelving] {
	return saga.Definition[unshelving]{
		Kind: kindUnshelve, Version: 1,
		Steps: []saga.Step[unshelving]{
			{Name: "schedule", Do: step(s.core, "conductor_unshelve_instance", at[unshelving](s.builder.schedule)), Undo: each[unshelving](s.builder.unschedule)},
			{Name: "bind", Do: each[unshelving](s.machines.bindPorts), Undo: each[unshelving](s.machines.unbindPorts)},
			{Name: "spawn", Do: step(s.core, "compute_unshelve_instance", tryHere(s.core, s.spawn)), Undo: each[unshelving](s.machines.remove), Timeout: 30 * time.Minute},
			{Name: "vifs", Do: tryHere(s.core, each[unshelving](s.builder.waitVIFs)), Timeout: 5 * time.Minute},
			// The image goes in the transaction that ends the saga: while the saga
			// may be undone, the disk is nowhere else.
			{Name: "image", Do: func(context.Context, *unshelving) error { return nil }},
		},
		Done: finish(s.core, func(ctx context.Context, tx *store.Tx, j *unshelving, srv *Server) error {
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
		Failed: fail(s.core, func(_ context.Context, _ *store.Tx, j *unshelving, srv *Server, cause *errs.Error) error {
			srv.VMState, srv.Power, srv.RequestedHost = VMShelvedOffloaded, hostapi.PowerStopped, ""
			s.journal.setFaultOf(srv, j.Host, j.LastError, cause)
			return nil
		}),
	}
}

// spawn builds the guest with the disk that the shelved image kept.
func (s *Shelves) spawn(ctx context.Context, j *unshelving) error {
	_, err := s.machines.ensureAs(ctx, j.Host, j.Server, func(spec *hostapi.ServerSpec, _ *Server) error {
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
