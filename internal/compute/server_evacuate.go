package compute

import (
	"context"
	"time"

	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/saga"
	"kumoi/internal/kernel/store"
)

// Evacuate builds a server of a dead host again on another one, from its
// image: the disk was on the host.
func (s *Moves) Evacuate(ctx context.Context, id, host, password string) (string, error) {
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
		hosts, err := s.Hosts.all(ctx, tx)
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
		m, err := s.Migrations.insert(ctx, tx, srv, "evacuation", srv.Flavor)
		if err != nil {
			return err
		}
		srv.TaskState, srv.RequestedHost, srv.AdminPass = TaskRebuilding, host, password
		srv.Power = hostapi.PowerStopped
		if srv.VMState == VMActive {
			srv.Power = hostapi.PowerRunning
		}
		return s.journal.begin(ctx, tx, srv, kindEvacuate, "evacuate", &evacuation{Migration: m.ID, placing: placing{Tried: []string{srv.Host}}})
	})
}

func (s *Moves) evacuateSaga() saga.Definition[evacuation] {
	return saga.Definition[evacuation]{
		Kind: kindEvacuate, Version: 1,
		Steps: []saga.Step[evacuation]{
			{Name: "schedule", Do: step(s.core, "conductor_rebuild_instance", at[evacuation](s.builder.schedule))},
			{Name: "bind", Do: each[evacuation](s.machines.bindPorts)},
			{Name: "spawn", Do: step(s.core, "compute_rebuild_instance", each[evacuation](s.machines.spawn)), Timeout: 30 * time.Minute},
		},
		Done: finish(s.core, func(ctx context.Context, tx *store.Tx, j *evacuation, srv *Server) error {
			srv.VMState, srv.RequestedHost, srv.AdminPass, srv.Fault = VMStopped, "", "", nil
			if srv.Power == hostapi.PowerRunning {
				srv.VMState, srv.LaunchedAt = VMActive, s.now().UTC()
			}
			m, err := s.Migrations.get(ctx, tx, j.Server, j.Migration)
			if err != nil {
				return err
			}
			m.Status, m.DestHost = "done", srv.Host
			return s.Migrations.put(ctx, tx, m)
		}),
		Failed: fail(s.core, func(ctx context.Context, tx *store.Tx, j *evacuation, srv *Server, cause *errs.Error) error {
			srv.VMState, srv.RequestedHost = VMError, ""
			s.journal.setFaultOf(srv, j.Host, j.LastError, cause)
			m, err := s.Migrations.get(ctx, tx, j.Server, j.Migration)
			if err != nil {
				return err
			}
			m.Status = "failed"
			return s.Migrations.put(ctx, tx, m)
		}),
	}
}
