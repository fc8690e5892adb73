package agent

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"kumoi/internal/agent/hypervisor"
	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/errs"
)

// Ensure makes the server on this host like spec and returns when it is.
func (a *Agent) Ensure(ctx context.Context, spec *hostapi.ServerSpec) (*hostapi.ServerReport, error) {
	if err := validate(spec); err != nil {
		return nil, err
	}
	s, err := a.admit(spec.ID, spec.Generation)
	if err != nil {
		return nil, err
	}
	ctx, end, err := s.begin(ctx, spec.Generation)
	if err != nil {
		return nil, err
	}
	defer end()
	s.mu.Lock()
	removed, current := s.removed, s.spec
	s.mu.Unlock()
	switch {
	case removed: // while we waited; its place in the map is free again
		return nil, errSuperseded()
	case current != nil && current.Generation > spec.Generation:
		return nil, errs.New(errs.Precondition, "Generation %d of server %s is older than %d, which the host has.", spec.Generation, spec.ID, current.Generation)
	}
	st := &steps{now: a.now}
	begin := a.now()
	err = a.converge(ctx, s, spec, st)
	s.mu.Lock()
	s.report.Steps, s.news = st.list, true
	if !errs.Is(err, errs.Unavailable) && ctx.Err() == nil {
		s.returning = false
	}
	s.report.Fault = ""
	if err != nil && !errs.Is(err, errs.Unavailable) && ctx.Err() == nil {
		s.report.Fault = errs.As(err).Msg
	}
	s.mu.Unlock()
	switch {
	case err != nil && ctx.Err() != nil:
		a.log.InfoContext(ctx, "work on a server ended early", "server", spec.ID, "generation", spec.Generation, "cause", context.Cause(ctx))
	case err != nil:
		a.log.ErrorContext(ctx, "server not as it should be", "server", spec.ID, "generation", spec.Generation, "error", err)
	default:
		a.log.InfoContext(ctx, "server ensured", "server", spec.ID, "generation", spec.Generation, "power", spec.Power, "took", a.now().Sub(begin).Round(time.Millisecond))
	}
	// What is, is reported, also if it is not what should be.
	report := a.observe(context.WithoutCancel(ctx), s)
	if err != nil {
		return nil, err
	}
	return &report, nil
}

func validate(spec *hostapi.ServerSpec) error {
	switch {
	case spec.VCPUs < 1, spec.MemoryMiB < 1:
		return errs.New(errs.Invalid, "A server needs at least one CPU and 1 MiB of memory.")
	case spec.Root.ImageID == "" && !bootsFromVolume(spec):
		return errs.New(errs.Invalid, "The server has nothing to boot from.")
	}
	for _, n := range spec.NICs {
		if n.PortID == "" || n.NetworkID == "" || n.MAC == "" {
			return errs.New(errs.Invalid, "A NIC of the server lacks its port, network or MAC.")
		}
	}
	for _, v := range spec.Volumes {
		if v.ID == "" || v.AttachmentID == "" || v.DeviceType != "" && v.DeviceType != "disk" && v.DeviceType != "cdrom" {
			return errs.New(errs.Invalid, "A volume of the server lacks its id or attachment, or cannot be a %q.", v.DeviceType)
		}
	}
	switch spec.Power {
	case hostapi.PowerRunning, hostapi.PowerStopped, hostapi.PowerPaused, hostapi.PowerSuspended:
		return nil
	}
	return errs.New(errs.Invalid, "A server cannot be made %q.", spec.Power)
}

func bootsFromVolume(spec *hostapi.ServerSpec) bool {
	for _, v := range spec.Volumes {
		if v.Boot {
			return true
		}
	}
	return false
}

// converge brings the server to the spec, part by part. Each part looks first.
func (a *Agent) converge(ctx context.Context, s *server, spec *hostapi.ServerSpec, st *steps) error {
	if err := st.do(ctx, "save spec", func() error { return s.saveSpec(spec) }); err != nil {
		return err
	}
	guest, err := a.hv.Guest(ctx, s.id)
	if err != nil && !errs.Is(err, errs.NotFound) {
		return err
	}
	exists := err == nil
	if !exists {
		if err := checkAsked(spec); err != nil {
			return err
		}
	}
	a.metadata.Set(s.guest(spec))

	// The parts that need nothing of each other.
	g, together := errgroup.WithContext(ctx)
	// A disk that is to be replaced waits until its guest is off.
	disksLater := exists && guest.Mark.Rebuild < spec.Rebuild && active(guest.Power)
	if !disksLater {
		g.Go(func() error {
			return st.do(together, "disks", func() error { return a.ensureDisks(together, s, spec, !active(guest.Power)) })
		})
	}
	if len(spec.Volumes) > 0 && spec.Power != hostapi.PowerStopped {
		g.Go(func() error {
			return st.do(together, "volumes", func() error { return a.connectVolumes(together, s, spec) })
		})
	}
	g.Go(func() error {
		return st.do(together, "network", func() error { return a.networks.ensure(together, spec) })
	})
	if err := g.Wait(); err != nil {
		return err
	}
	if !exists {
		guest = hypervisor.Guest{Power: hostapi.PowerStopped}
	}
	if off := spec.Power == hostapi.PowerStopped || spec.Power == hostapi.PowerSuspended; off && !exists {
		// Operators should see it; what starts is defined anew by its start.
		if err := st.do(ctx, "define", func() error { return a.define(ctx, s, spec, time.Time{}) }); err != nil {
			return err
		}
	}
	if err := a.ensurePower(ctx, s, spec, guest, disksLater, st); err != nil {
		return err
	}
	return a.disconnectVolumes(ctx, s, spec)
}

// active tells whether a guest has a process.
func active(p hostapi.Power) bool { return p == hostapi.PowerRunning || p == hostapi.PowerPaused }

// define tells the hypervisor what to start next.
func (a *Agent) define(ctx context.Context, s *server, spec *hostapi.ServerSpec, startedAt time.Time) error {
	disks, err := s.disks(spec)
	if err != nil {
		return err
	}
	m := hypervisor.Machine{
		Mark: hypervisor.Mark{
			ServerID: spec.ID, Name: spec.Name, ProjectID: spec.ProjectID, UserID: spec.UserID, Flavor: spec.FlavorName,
			Generation: spec.Generation, Boot: spec.Boot, HardBoot: spec.HardBoot, Rebuild: spec.Rebuild, StartedAt: startedAt,
		},
		VCPUs: spec.VCPUs, MemoryMiB: spec.MemoryMiB, Hints: spec.Hints,
		Disks: disks, Console: s.path("console.log"), Serial: s.path("console.sock"), Screen: spec.Console.VNC,
	}
	for _, nic := range spec.NICs {
		m.NICs = append(m.NICs, a.vif.NIC(nic))
	}
	return a.hv.Define(ctx, m)
}

// Remove removes every trace of the server from the host.
func (a *Agent) Remove(ctx context.Context, ref *hostapi.ServerRef) (*hostapi.ServerReport, error) {
	s, err := a.server(ref.ServerID)
	if err != nil {
		return nil, err
	}
	ctx, end, err := s.begin(ctx, removal)
	if err != nil {
		return nil, err
	}
	defer end()
	if err := a.remove(ctx, s); err != nil {
		return nil, fmt.Errorf("remove server %s: %w", s.id, err)
	}
	s.mu.Lock()
	s.spec = nil
	s.report.Power, s.report.Sequence = hostapi.PowerMissing, a.sequence.next()
	s.report.Fault, s.report.Steps, s.report.Domain = "", nil, ""
	report := s.report
	s.mu.Unlock()
	a.depart(s, ref.Generation)
	a.log.InfoContext(ctx, "server removed", "server", s.id)
	return &report, nil
}

// remove takes the server away in the order in which its parts depend on each
// other. The files, which name the ports and networks, go last.
func (a *Agent) remove(ctx context.Context, s *server) error {
	if err := a.hv.Destroy(ctx, s.id); err != nil && !errs.Is(err, errs.NotFound) {
		return err
	}
	if err := a.hv.Undefine(ctx, s.id); err != nil && !errs.Is(err, errs.NotFound) {
		return err
	}
	a.metadata.Forget(s.id)
	if err := a.disconnectVolumes(ctx, s, nil); err != nil {
		return err
	}
	var ports []string
	if spec := s.current(); spec != nil {
		for _, nic := range spec.NICs {
			ports = append(ports, nic.PortID)
		}
	}
	if err := errors.Join(a.vif.Unplug(ctx, ports...), a.networks.leave(ctx, s.id)); err != nil {
		return err
	}
	s.setRemoved(true) // from here on nobody writes to its directory
	if err := s.removeFiles(); err != nil {
		s.setRemoved(false)
		return err
	}
	return nil
}
