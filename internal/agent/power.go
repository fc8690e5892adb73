package agent

import (
	"context"
	"fmt"
	"time"

	"kumoi/internal/agent/hypervisor"
	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/errs"
)

// pressAgain is how often a guest's power button is pressed: one that is still
// starting does not notice the first time.
const pressAgain = 5 * time.Second

// ensurePower brings the guest to the power state that the spec wants, by way
// of the reboots and the rebuild that it has not seen yet. disks says that the
// disks could not be made ready while the guest was running.
func (a *Agent) ensurePower(ctx context.Context, s *server, spec *hostapi.ServerSpec, g hypervisor.Guest, disks bool, st *steps) error {
	g, err := a.leave(ctx, s, spec, g, st)
	if err != nil {
		return err
	}
	if disks {
		if err := st.do(ctx, "disks", func() error { return a.ensureDisks(ctx, s, spec, !active(g.Power)) }); err != nil {
			return err
		}
	}
	switch spec.Power {
	case hostapi.PowerStopped:
		return a.stopped(ctx, s, spec, g, st)
	case hostapi.PowerSuspended:
		if active(g.Power) {
			return st.do(ctx, "suspend", func() error { return a.hv.Suspend(ctx, s.id) })
		}
		return nil
	}
	pause := spec.Power == hostapi.PowerPaused
	switch g.Power {
	case hostapi.PowerSuspended:
		if err := st.do(ctx, "wake", func() error { return a.hv.Start(ctx, s.id, pause) }); err != nil {
			return err
		}
		return nil
	case hostapi.PowerRunning, hostapi.PowerPaused:
		if err := st.do(ctx, "devices", func() error { return a.ensureDevices(ctx, s, spec) }); err != nil {
			return err
		}
		switch {
		case pause && g.Power == hostapi.PowerRunning:
			return st.do(ctx, "pause", func() error { return a.hv.Pause(ctx, s.id) })
		case !pause && g.Power == hostapi.PowerPaused:
			return st.do(ctx, "resume", func() error { return a.hv.Resume(ctx, s.id) })
		}
		return nil
	}
	return a.start(ctx, s, spec, pause, st)
}

// leave ends an incarnation of the guest that is to be replaced by another.
func (a *Agent) leave(ctx context.Context, s *server, spec *hostapi.ServerSpec, g hypervisor.Guest, st *steps) (hypervisor.Guest, error) {
	at := func(power hostapi.Power) hypervisor.Guest { g.Power = power; return g }
	rebuild, hard := g.Mark.Rebuild < spec.Rebuild, g.Mark.HardBoot < spec.HardBoot
	if g.Power == hostapi.PowerSuspended && (rebuild || hard) {
		err := st.do(ctx, "drop saved memory", func() error { return a.hv.DropSaved(ctx, s.id) })
		return at(hostapi.PowerStopped), err
	}
	if !active(g.Power) {
		return g, nil
	}
	switch {
	case rebuild, hard:
		err := st.do(ctx, "switch off", func() error { return a.hv.Destroy(ctx, s.id) })
		return at(hostapi.PowerStopped), err
	case g.Mark.Boot < spec.Boot:
		err := st.do(ctx, "shut down", func() error { return a.shutDown(ctx, s, g.Power, spec.StopGrace) })
		return at(hostapi.PowerStopped), err
	}
	return g, nil
}

func (a *Agent) stopped(ctx context.Context, s *server, spec *hostapi.ServerSpec, g hypervisor.Guest, st *steps) error {
	switch {
	case active(g.Power):
		if err := st.do(ctx, "shut down", func() error { return a.shutDown(ctx, s, g.Power, spec.StopGrace) }); err != nil {
			return err
		}
	case g.Power == hostapi.PowerSuspended:
		if err := st.do(ctx, "drop saved memory", func() error { return a.hv.DropSaved(ctx, s.id) }); err != nil {
			return err
		}
	}
	return nil
}

// start runs the guest from its definition, made anew so that it carries all
// that the spec says by now.
func (a *Agent) start(ctx context.Context, s *server, spec *hostapi.ServerSpec, paused bool, st *steps) error {
	if err := st.do(ctx, "define", func() error { return a.define(ctx, s, spec, a.now()) }); err != nil {
		return err
	}
	err := st.do(ctx, "start", func() error { return a.hv.Start(ctx, s.id, paused) })
	if !errs.Is(err, errs.Conflict) {
		return err
	}
	// Somebody else was faster; what counts is that it runs.
	if g, e := a.hv.Guest(ctx, s.id); e == nil && active(g.Power) {
		return nil
	}
	return err
}

// shutDown lets the guest end its work, for as long as grace, then switches it
// off. A paused guest cannot hear that it should.
func (a *Agent) shutDown(ctx context.Context, s *server, power hostapi.Power, grace time.Duration) error {
	if grace > 0 && power == hostapi.PowerRunning {
		off, err := a.askToStop(ctx, s, grace)
		if err != nil || off {
			return err
		}
		a.log.InfoContext(ctx, "guest did not shut down in time", "server", s.id, "grace", grace)
	}
	return a.hv.Destroy(ctx, s.id)
}

// askToStop presses the power button until the guest is off or grace is over.
func (a *Agent) askToStop(ctx context.Context, s *server, grace time.Duration) (off bool, err error) {
	enough := time.NewTimer(grace)
	defer enough.Stop()
	press := time.NewTicker(pressAgain)
	defer press.Stop()
	look := time.NewTicker(time.Second) // events may be lost with their connection
	defer look.Stop()
	again := true
	for {
		if again {
			again = false
			if err := a.hv.Shutdown(ctx, s.id); err != nil && !errs.Is(err, errs.Conflict) {
				return false, fmt.Errorf("shut down: %w", err)
			}
		}
		g, err := a.hv.Guest(ctx, s.id)
		if err != nil || !active(g.Power) {
			return err == nil, err
		}
		select {
		case <-ctx.Done():
			return false, context.Cause(ctx)
		case <-enough.C:
			return false, nil
		case <-press.C:
			again = true
		case <-s.changed:
		case <-look.C:
		}
	}
}
