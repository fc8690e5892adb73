package compute

import (
	"context"
	"time"

	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/saga"
	"kumoi/internal/kernel/store"
)

// powerAction is an action that changes what the host is told to do with an
// existing guest, and nothing else.
type powerAction struct {
	task  TaskState
	to    VMState
	power hostapi.Power
	event string
	// count adds to one of the reboot counters.
	count func(srv *Server)
}

var powerActions = map[string]powerAction{
	"start":   {task: TaskStarting, to: VMActive, power: hostapi.PowerRunning, event: "compute_start_instance"},
	"stop":    {task: TaskStopping, to: VMStopped, power: hostapi.PowerStopped, event: "compute_stop_instance"},
	"pause":   {task: TaskPausing, to: VMPaused, power: hostapi.PowerPaused, event: "compute_pause_instance"},
	"unpause": {task: TaskUnpausing, to: VMActive, power: hostapi.PowerRunning, event: "compute_unpause_instance"},
	"suspend": {task: TaskSuspending, to: VMSuspended, power: hostapi.PowerSuspended, event: "compute_suspend_instance"},
	"resume":  {task: TaskResuming, to: VMActive, power: hostapi.PowerRunning, event: "compute_resume_instance"},
	"reboot": {
		task: TaskRebooting, to: VMActive, power: hostapi.PowerRunning, event: "compute_reboot_instance",
		count: func(srv *Server) { srv.Boot++ },
	},
	"reboot_hard": {
		task: TaskRebootingHard, to: VMActive, power: hostapi.PowerRunning, event: "compute_reboot_instance",
		count: func(srv *Server) { srv.HardBoot++ },
	},
	"unrescue": {task: TaskUnrescuing, to: VMActive, power: hostapi.PowerRunning, event: "compute_unrescue_instance"},
	"rebuild":  {task: TaskRebuilding, to: VMActive, power: hostapi.PowerRunning, event: "compute_rebuild_instance"},
	"rescue":   {task: TaskRescuing, to: VMRescued, power: hostapi.PowerRunning, event: "compute_rescue_instance"},
}

// Switch starts, stops, reboots, pauses, unpauses, suspends or resumes a server.
func (s *Power) Switch(ctx context.Context, id, action string) error {
	return s.write(ctx, func(tx *store.Tx) error {
		srv, err := s.load(ctx, tx, id, policyOf(action))
		if err != nil {
			return err
		}
		return s.begin(ctx, tx, srv, action, func(srv *Server) {})
	})
}

// begin begins a power action on a loaded server; adjust changes what else the host is told.
func (s *Power) begin(ctx context.Context, tx *store.Tx, srv *Server, action string, adjust func(srv *Server)) error {
	if err := s.permit(ctx, srv, action); err != nil {
		return err
	}
	if srv.Host == "" || srv.LaunchedAt.IsZero() {
		return errs.New(errs.Conflict, "Instance %s is not ready: it was never built on a host.", srv.ID)
	}
	a := powerActions[action]
	j := &powering{To: a.to, Back: srv.VMState, BackPower: string(srv.Power)}
	if action == "rebuild" && srv.VMState == VMStopped {
		j.To, a.power = VMStopped, hostapi.PowerStopped
	}
	srv.TaskState, srv.Power = a.task, a.power
	srv.Generation++
	if a.count != nil {
		a.count(srv)
	}
	adjust(srv)
	return s.journal.begin(ctx, tx, srv, kindPower, action, j)
}

// powerSaga has the host bring a guest into the state that the request wrote down.
func (s *Power) powerSaga() saga.Definition[powering] {
	return saga.Definition[powering]{
		Kind: kindPower, Version: 1,
		Steps: []saga.Step[powering]{{
			Name: "ensure", Timeout: 15 * time.Minute,
			Do: func(ctx context.Context, j *powering) error {
				return step(s.core, powerActions[j.Name].event, s.machines.spawn)(ctx, &j.job)
			},
		}},
		Done: finish(s.core, func(_ context.Context, _ *store.Tx, j *powering, srv *Server) error {
			srv.VMState = j.To
			if j.To != VMError {
				srv.Fault = nil
			}
			switch j.Name {
			case "rebuild":
				srv.LaunchedAt, srv.AdminPass = s.now().UTC(), ""
			case "unrescue":
				srv.Rescue = nil
			case "rescue":
				srv.AdminPass = ""
			}
			return nil
		}),
		Failed: fail(s.core, func(_ context.Context, _ *store.Tx, j *powering, srv *Server, cause *errs.Error) error {
			srv.VMState, srv.Power = j.Back, hostapi.Power(j.BackPower)
			srv.Generation++
			switch j.Name {
			case "rebuild", "rescue", "unrescue": // the disk may be neither the old nor the new
				srv.VMState = VMError
				s.journal.setFault(srv, j.Host, cause)
			case "reboot", "reboot_hard", "start":
				s.journal.setFault(srv, j.Host, cause)
			}
			if j.Name == "rescue" {
				srv.Rescue = nil
			}
			return nil
		}),
	}
}
