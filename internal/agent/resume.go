package agent

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"

	"kumoi/internal/diskimage"
	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/errs"
)

// resume takes up the host's servers after the agent's start: networks first,
// so that running guests find their metadata again, then guests that a reboot
// of the host has ended, then what the control plane wants by now.
func (a *Agent) resume(ctx context.Context) {
	if err := diskimage.Confinement(); err != nil {
		a.log.WarnContext(ctx, "images from users are worked on less shut in than they should be", "why", err)
	}
	a.watchVolumes(ctx)
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
	a.bringBack(ctx, again)
}

// bringBack starts guests again and catches up with the control plane. If it
// answers, it is asked first: a server may have been given to another host
// while this one was down, and must not run twice. If it does not, the guests
// come back without it.
func (a *Agent) bringBack(ctx context.Context, lost []*hostapi.ServerSpec) {
	ask, cancel := context.WithTimeout(ctx, askFirst)
	wanted, err := a.wanted(ask)
	cancel()
	if err != nil {
		a.ensureAll(ctx, lost)
		if wanted, err = a.catchUp(ctx); err != nil {
			return
		}
		lost = nil
	}
	newest := map[string]*hostapi.ServerSpec{}
	for _, spec := range wanted {
		newest[spec.ID] = spec
	}
	var ensure []*hostapi.ServerSpec
	for _, spec := range lost {
		switch n := newest[spec.ID]; {
		case n == nil:
			a.log.WarnContext(ctx, "server not started again: the control plane has it elsewhere", "server", spec.ID)
			a.staysOff(ctx, spec.ID)
		case n.Generation <= spec.Generation:
			ensure = append(ensure, spec)
		}
	}
	for _, spec := range wanted {
		if s, err := a.known(spec.ID); err != nil || s.current().Generation < spec.Generation {
			ensure = append(ensure, spec)
		}
	}
	a.ensureAll(ctx, ensure)
}

// staysOff has the guest of a server that is not started again reported as it is.
func (a *Agent) staysOff(ctx context.Context, id string) {
	s, err := a.known(id)
	if err != nil {
		return
	}
	s.mu.Lock()
	s.returning = false
	s.mu.Unlock()
	a.observe(ctx, s)
}

// askFirst is how long guests of a rebooted host wait for the control plane.
const askFirst = 3 * time.Second

// wanted asks the control plane for the specs of this host.
func (a *Agent) wanted(ctx context.Context) (specs []*hostapi.ServerSpec, err error) {
	err = a.bus.Request(ctx, hostapi.ControlSubject(a.cfg.Host, hostapi.ControlSpecs), nil, &specs)
	return specs, err
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
	a.metadata.Set(s.guest(spec))
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

// endedByReboot tells whether the guest should run, ran when it was last seen,
// and the host was rebooted since. One that ended by itself while nobody looked is
// reported, not restarted.
func (a *Agent) endedByReboot(spec *hostapi.ServerSpec, last state) bool {
	if spec.Power != hostapi.PowerRunning && spec.Power != hostapi.PowerPaused {
		return false
	}
	return last.BootID != a.bootID && (last.BootID == "" || active(last.Power))
}

// lostByReboot is endedByReboot for a guest that the hypervisor was asked about.
func (a *Agent) lostByReboot(ctx context.Context, s *server, spec *hostapi.ServerSpec) bool {
	if !a.endedByReboot(spec, s.loaded) {
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

// catchUp asks the control plane until it answers.
func (a *Agent) catchUp(ctx context.Context) ([]*hostapi.ServerSpec, error) {
	for pause := 100 * time.Millisecond; ; pause = min(2*pause, 10*time.Second) {
		specs, err := a.wanted(ctx)
		if err == nil || ctx.Err() != nil {
			return specs, err
		}
		a.log.DebugContext(ctx, "specs not received", "error", err)
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(pause):
		}
	}
}
