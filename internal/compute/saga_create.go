package compute

import (
	"context"
	"slices"
	"time"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/saga"
	"kumoi/internal/kernel/store"
)

// createSaga builds a server on a host. When the build fails there, the saga
// goes back to the choice of the host and tries another.
func (s *builder) createSaga() saga.Definition[placing] {
	return saga.Definition[placing]{
		Kind: kindCreate, Version: 1,
		Steps: []saga.Step[placing]{
			// The ports were allocated with the request, and the volumes begun.
			{Name: "allocate", Do: each[placing](s.connections.await), Undo: each[placing](s.deallocate), Timeout: 12 * time.Hour},
			{Name: "schedule", Do: step(s.core, "conductor_schedule_instance", s.schedule), Undo: each[placing](s.unschedule)},
			{Name: "bind", Do: step(s.core, "compute_bind_ports", each[placing](s.machines.bindPorts)), Undo: each[placing](s.machines.unbindPorts)},
			{Name: "image", Do: step(s.core, "compute_prepare_image", tryHere(s.core, each[placing](s.prefetch))), Timeout: 30 * time.Minute},
			{Name: "spawn", Do: step(s.core, "compute__do_build_and_run_instance", tryHere(s.core, each[placing](s.machines.spawn))), Undo: each[placing](s.machines.remove), Timeout: 15 * time.Minute},
			{Name: "vifs", Do: step(s.core, "compute_wait_for_vifs", tryHere(s.core, each[placing](s.waitVIFs))), Timeout: 5 * time.Minute},
		},
		Done: finish(s.core, func(_ context.Context, _ *store.Tx, _ *placing, srv *Server) error {
			srv.VMState, srv.PowerState = VMActive, PowerRunning
			srv.LaunchedAt, srv.AdminPass, srv.Fault = s.now().UTC(), "", nil
			return nil
		}),
		Failed: fail(s.core, func(_ context.Context, _ *store.Tx, j *placing, srv *Server, cause *errs.Error) error {
			srv.VMState, srv.PowerState = VMError, PowerUnknown
			s.journal.setFaultOf(srv, j.Host, j.LastError, cause)
			return nil
		}),
	}
}

// patience is how often a host that does not answer is asked again before
// another one is tried.
const patience = 4

// tryHere sends a failed build back to the choice of a host, unless the request
// itself is wrong or enough hosts were tried.
func tryHere[S any, P seeking[S]](s *core, do func(context.Context, *S) error) func(context.Context, *S) error {
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
func (s *builder) schedule(ctx context.Context, j *placing) error {
	return s.write(ctx, func(tx *store.Tx) error {
		srv, err := s.servers.Get(ctx, tx, j.Server)
		if err != nil {
			return err
		}
		d, err := s.scheduler.claim(ctx, tx, srv, srv.ID, srv.resources(), j.Tried)
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
func (s *builder) place(ctx context.Context, tx *store.Tx, srv *Server, host string) error {
	zones, err := s.store.Zones(ctx, tx)
	if err != nil {
		return err
	}
	srv.Host, srv.AvailabilityZone = host, s.Hosts.zoneOf(zones, host)
	srv.Generation++
	srv.HostSequence = 0
	return nil
}

func (s *builder) unschedule(ctx context.Context, j *job) error {
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

func (s *builder) deallocate(ctx context.Context, j *job) error {
	if err := s.network.ReleasePorts(ctx, j.Server); err != nil {
		return err
	}
	return s.connections.abandon(ctx, j)
}

// prefetch brings the image to the host. A host that has it says so at once.
func (s *builder) prefetch(ctx context.Context, j *job) error {
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

// vifTimeout is how long the network may take to connect a server's ports.
const vifTimeout = 2 * time.Minute

func (s *builder) waitVIFs(ctx context.Context, j *job) error {
	wait, cancel := context.WithTimeout(ctx, vifTimeout)
	defer cancel()
	err := s.network.WaitPortsUp(wait, j.Server)
	if err != nil && wait.Err() != nil && ctx.Err() == nil {
		return errs.Wrap(errs.NoCapacity, err, "The network did not connect the server's ports within %s.", vifTimeout)
	}
	return err
}
