package agent

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"

	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/errs"
)

// resume takes up the host's servers after the agent's start: networks first,
// so that running guests find their metadata again, then guests that a reboot
// of the host has ended, then what the control plane wants by now.
func (a *Agent) resume(ctx context.Context) {
	a.awaitHypervisor(ctx)
	var again []*hostapi.ServerSpec
	for _, s := range a.all() {
		if spec := a.resumeServer(ctx, s); spec != nil {
			again = append(again, spec)
		}
	}
	if err := a.networks.sweep(ctx); err != nil {
		a.log.WarnContext(ctx, "remains of networks not removed", "error", err)
	}
	a.ensureAll(ctx, again)
	a.catchUp(ctx)
}

// resumeServer has the server's metadata served again. It gives the spec if the
// guest is to be started again, too.
func (a *Agent) resumeServer(ctx context.Context, s *server) *hostapi.ServerSpec {
	ctx, end, err := s.begin(ctx, 0)
	if err != nil {
		return nil
	}
	defer end()
	spec := s.current()
	if spec == nil {
		return nil
	}
	a.metadata.Set(spec)
	if err := a.networks.ensure(ctx, spec); err != nil && ctx.Err() == nil {
		a.log.ErrorContext(ctx, "metadata service not resumed", "server", s.id, "error", err)
	}
	if !a.lostByReboot(ctx, s, spec) {
		return nil
	}
	return spec
}

// awaitHypervisor waits until the hypervisor answers.
func (a *Agent) awaitHypervisor(ctx context.Context) {
	for pause := 50 * time.Millisecond; ; pause = min(2*pause, 5*time.Second) {
		if _, err := a.hv.Guests(ctx); err == nil || ctx.Err() != nil {
			break
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
	a.survey(ctx)
}

// lostByReboot tells whether the guest should run, ran when it was last seen,
// and has been ended by a reboot of the host since. One that ended by itself
// while nobody looked is reported, not restarted.
func (a *Agent) lostByReboot(ctx context.Context, s *server, spec *hostapi.ServerSpec) bool {
	if spec.Power != hostapi.PowerRunning && spec.Power != hostapi.PowerPaused {
		return false
	}
	s.mu.Lock()
	last := s.loaded
	s.mu.Unlock()
	if last.BootID == a.bootID || last.BootID != "" && !active(last.Power) {
		return false
	}
	g, err := a.hv.Guest(ctx, s.id)
	if err != nil {
		return errs.Is(err, errs.NotFound)
	}
	return !active(g.Power)
}

// ensureAll brings several servers to their specs, a few at a time: all guests
// of a host starting at once would each start slowly.
func (a *Agent) ensureAll(ctx context.Context, specs []*hostapi.ServerSpec) {
	var g errgroup.Group
	g.SetLimit(4)
	for _, spec := range specs {
		g.Go(func() error {
			ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
			defer cancel()
			_, _ = a.Ensure(ctx, spec) // logs what goes wrong
			return nil
		})
	}
	_ = g.Wait()
}

// catchUp asks the control plane for the specs of this host and brings servers
// to those that are newer than what the host has. Servers that the control
// plane does not know are left alone: the host reports them, and is told.
func (a *Agent) catchUp(ctx context.Context) {
	var specs []*hostapi.ServerSpec
	for pause := 100 * time.Millisecond; ; pause = min(2*pause, 10*time.Second) {
		err := a.bus.Request(ctx, hostapi.ControlSubject(a.cfg.Host, hostapi.ControlSpecs), nil, &specs)
		if err == nil {
			break
		}
		a.log.DebugContext(ctx, "specs not received", "error", err)
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
	var newer []*hostapi.ServerSpec
	for _, spec := range specs {
		if s, err := a.known(spec.ID); err != nil || s.current().Generation < spec.Generation {
			newer = append(newer, spec)
		}
	}
	a.ensureAll(ctx, newer)
}
