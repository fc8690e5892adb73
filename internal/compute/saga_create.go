package compute

import (
	"context"
	"errors"
	"slices"
	"time"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/saga"
	"kumoi/internal/kernel/store"
)

// The kinds of sagas, as they stand in the database.
const (
	kindCreate    = "server.create"
	kindDelete    = "server.delete"
	kindPower     = "server.power"
	kindSnapshot  = "server.snapshot"
	kindResize    = "server.resize"
	kindConfirm   = "server.resize.confirm"
	kindRevert    = "server.resize.revert"
	kindShelve    = "server.shelve"
	kindUnshelve  = "server.unshelve"
	kindInterface = "server.interface"
	kindApply     = "server.apply"
	kindEvacuate  = "server.evacuate"
	kindVolume    = "server.volume"
)

func (s *Service) registerSagas() {
	saga.Register(s.sagas, s.createSaga())
	saga.Register(s.sagas, s.deleteSaga())
	saga.Register(s.sagas, s.powerSaga())
	saga.Register(s.sagas, s.snapshotSaga())
	saga.Register(s.sagas, s.resizeSaga())
	saga.Register(s.sagas, s.confirmSaga())
	saga.Register(s.sagas, s.revertSaga())
	saga.Register(s.sagas, s.shelveSaga())
	saga.Register(s.sagas, s.unshelveSaga())
	saga.Register(s.sagas, s.Interfaces.interfaceSaga())
	saga.Register(s.sagas, s.refresh.applySaga())
	saga.Register(s.sagas, s.evacuateSaga())
	saga.Register(s.sagas, s.VolumeAttachments.volumeSaga())
}

// createSaga builds a server on a host. When the build fails there, the saga
// goes back to the choice of the host and tries another.
func (s *Service) createSaga() saga.Definition[placing] {
	return saga.Definition[placing]{
		Kind: kindCreate, Version: 1,
		Steps: []saga.Step[placing]{
			// The ports were allocated with the request, and the volumes begun.
			{Name: "allocate", Do: each[placing](s.connections.await), Undo: each[placing](s.deallocate), Timeout: 12 * time.Hour},
			{Name: "schedule", Do: step(s, "conductor_schedule_instance", s.schedule), Undo: each[placing](s.unschedule)},
			{Name: "bind", Do: step(s, "compute_bind_ports", each[placing](s.bindPorts)), Undo: each[placing](s.unbindPorts)},
			{Name: "image", Do: step(s, "compute_prepare_image", tryHere(s, each[placing](s.prefetch))), Timeout: 30 * time.Minute},
			{Name: "spawn", Do: step(s, "compute__do_build_and_run_instance", tryHere(s, each[placing](s.spawn))), Undo: each[placing](s.removeGuest), Timeout: 15 * time.Minute},
			{Name: "vifs", Do: step(s, "compute_wait_for_vifs", tryHere(s, each[placing](s.waitVIFs))), Timeout: 5 * time.Minute},
		},
		Done: finish(s, func(_ context.Context, _ *store.Tx, _ *placing, srv *Server) error {
			srv.VMState, srv.PowerState = VMActive, PowerRunning
			srv.LaunchedAt, srv.AdminPass, srv.Fault = s.now().UTC(), "", nil
			return nil
		}),
		Failed: fail(s, func(_ context.Context, _ *store.Tx, j *placing, srv *Server, cause *errs.Error) error {
			srv.VMState, srv.PowerState = VMError, PowerUnknown
			s.setFaultOf(srv, j.Host, j.LastError, cause)
			return nil
		}),
	}
}

// patience is how often a host that does not answer is asked again before
// another one is tried.
const patience = 4

// tryHere sends a failed build back to the choice of a host, unless the request
// itself is wrong or enough hosts were tried.
func tryHere[S any, P seeking[S]](s *Service, do func(context.Context, *S) error) func(context.Context, *S) error {
	return func(ctx context.Context, v *S) error {
		j, err := P(v).search(), do(ctx, v)
		if err == nil || ctx.Err() != nil {
			return err
		}
		j.LastError = onHost(j.Host, err)
		if errs.Is(err, errs.Invalid) {
			return err
		}
		// A host that is away may be back in a moment: its agent, or this
		// process, was restarted. The engine tries again for a while.
		if errs.Is(err, errs.Unavailable) && j.Away < patience {
			j.Away++
			return err
		}
		j.Away = 0
		if !slices.Contains(j.Tried, j.Host) {
			j.Tried = append(j.Tried, j.Host)
		}
		if len(j.Tried) >= s.cfg.MaxBuildAttempts {
			return errs.Wrap(errs.NoCapacity, err, "Exceeded maximum number of retries. The server could not be built on %d hosts; the last one said: %s",
				len(j.Tried), errs.As(err).Msg)
		}
		return saga.Retry("schedule", err)
	}
}

// schedule chooses a host and takes what the server needs there.
func (s *Service) schedule(ctx context.Context, j *placing) error {
	return s.write(ctx, func(tx *store.Tx) error {
		srv, err := s.servers.Get(ctx, tx, j.Server)
		if err != nil {
			return err
		}
		d, err := s.claim(ctx, tx, srv, srv.ID, srv.resources(), j.Tried)
		if err != nil {
			return noHost(err, j.LastError != "")
		}
		if err := s.place(ctx, tx, srv, d.Host); err != nil {
			return err
		}
		j.Host, j.Decision = d.Host, d
		srv.TaskState = TaskNetworking
		return s.save(ctx, tx, srv)
	})
}

// noHost words the absence of a host for the server's owner.
func noHost(err error, tried bool) error {
	if !errs.Is(err, errs.NoCapacity) {
		return err
	}
	msg := "No valid host was found. " + errs.As(err).Msg
	if tried {
		msg += " A host was tried, but the build failed there."
	}
	return errs.Wrap(errs.NoCapacity, err, "%s", msg)
}

// place notes where the server is from now on.
func (s *Service) place(ctx context.Context, tx *store.Tx, srv *Server, host string) error {
	zones, err := s.store.Zones(ctx, tx)
	if err != nil {
		return err
	}
	srv.Host, srv.AvailabilityZone = host, s.zoneOf(zones, host)
	srv.Generation++
	srv.HostSequence = 0
	return nil
}

func (s *Service) unschedule(ctx context.Context, j *job) error {
	return s.write(ctx, func(tx *store.Tx) error {
		if err := s.placement.Release(ctx, tx, j.Server); err != nil {
			return err
		}
		srv, err := s.servers.Get(ctx, tx, j.Server)
		if err != nil {
			return err
		}
		srv.Host, srv.Domain = "", ""
		if srv.TaskState != TaskDeleting {
			srv.TaskState = TaskScheduling
		}
		return s.save(ctx, tx, srv)
	})
}

func (s *Service) bindPorts(ctx context.Context, j *job) error {
	return s.network.BindPorts(ctx, j.Server, j.Host)
}

func (s *Service) unbindPorts(ctx context.Context, j *job) error {
	return s.network.UnbindPorts(ctx, j.Server)
}

func (s *Service) deallocate(ctx context.Context, j *job) error {
	if err := s.network.ReleasePorts(ctx, j.Server); err != nil {
		return err
	}
	return s.connections.abandon(ctx, j)
}

// prefetch brings the image to the host. A host that has it says so at once.
func (s *Service) prefetch(ctx context.Context, j *job) error {
	var srv *Server
	err := s.write(ctx, func(tx *store.Tx) (err error) {
		if srv, err = s.servers.Get(ctx, tx, j.Server); err != nil {
			return err
		}
		if srv.TaskState != TaskDeleting {
			srv.TaskState = TaskSpawning
		}
		return s.save(ctx, tx, srv)
	})
	if err != nil || srv.Root.ImageID == "" {
		return err
	}
	return s.hosts.Prefetch(ctx, j.Host, srv.Root)
}

func (s *Service) spawn(ctx context.Context, j *job) error {
	_, err := s.ensure(ctx, j.Host, j.Server)
	return err
}

// removeGuest removes the guest from its host. A host that is away removes it
// when it is back: it is told so by the repair of differences.
func (s *Service) removeGuest(ctx context.Context, j *job) error {
	return s.removeFrom(ctx, j.Host, j.Server)
}

func (s *Service) removeFrom(ctx context.Context, host, server string) error {
	if host == "" {
		return nil
	}
	var generation int64
	err := s.read(ctx, func(tx *store.Tx) error {
		srv, err := s.servers.Get(ctx, tx, server)
		if errors.Is(err, store.ErrNoRows) {
			return nil
		}
		if err == nil {
			generation = srv.Generation
		}
		return err
	})
	if err != nil {
		return err
	}
	err = s.hosts.RemoveServer(ctx, host, server, generation)
	if errs.Is(err, errs.NotFound) {
		err = nil
	}
	if errs.Is(err, errs.Unavailable) {
		if silent, herr := s.silent(ctx, host); herr == nil && silent {
			s.log.WarnContext(ctx, "guest left on a host that is away", "host", host, "server", server)
			err = nil
		}
	}
	if err != nil {
		return err
	}
	return s.connections.disconnect(ctx, host, server)
}

// vifTimeout is how long the network may take to connect a server's ports.
const vifTimeout = 2 * time.Minute

func (s *Service) waitVIFs(ctx context.Context, j *job) error {
	wait, cancel := context.WithTimeout(ctx, vifTimeout)
	defer cancel()
	err := s.network.WaitPortsUp(wait, j.Server)
	if err != nil && wait.Err() != nil && ctx.Err() == nil {
		return errs.Wrap(errs.NoCapacity, err, "The network did not connect the server's ports within %s.", vifTimeout)
	}
	return err
}
