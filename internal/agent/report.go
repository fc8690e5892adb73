package agent

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"kumoi/internal/agent/disk"
	"kumoi/internal/agent/hypervisor"
	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/errs"
)

// observe looks at the guest and tells the control plane if it has changed.
func (a *Agent) observe(ctx context.Context, s *server) hostapi.ServerReport {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	g, err := a.hv.Guest(ctx, s.id)
	if err != nil && !errs.Is(err, errs.NotFound) {
		a.log.DebugContext(ctx, "guest cannot be seen", "server", s.id, "error", err)
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.report
	}
	report, changed := a.note(s, g, err == nil)
	if changed {
		if err := a.bus.Publish(ctx, hostapi.ReportSubject(a.cfg.Host, hostapi.ReportServer), report); err != nil {
			a.log.DebugContext(ctx, "report not sent; the next heartbeat carries it", "server", s.id, "error", err)
		}
	}
	return report
}

// note keeps what was seen of a guest. A removed server has nothing to report.
func (a *Agent) note(s *server, g hypervisor.Guest, exists bool) (hostapi.ServerReport, bool) {
	s.mu.Lock()
	last := s.report
	if s.returning = s.returning && !(exists && active(g.Power)); s.returning {
		s.mu.Unlock()
		return last, false
	}
	r := &s.report
	switch {
	case exists:
		r.Power, r.Domain, r.StartedAt = g.Power, g.Name, g.Mark.StartedAt
	case s.spec != nil:
		r.Power, r.Domain = hostapi.PowerStopped, ""
	default:
		r.Power, r.Domain = hostapi.PowerMissing, ""
	}
	r.Orphan = exists && s.spec == nil
	if s.spec != nil {
		r.Generation = s.spec.Generation
	}
	r.Password = s.state.Password
	changed := r.Sequence == 0 || r.Power != last.Power || r.Generation != last.Generation || r.Orphan != last.Orphan ||
		r.Domain != last.Domain || !r.StartedAt.Equal(last.StartedAt) || s.news || r.Password != last.Password || r.Fault != last.Fault
	if changed {
		r.Sequence, s.news = a.sequence.next(), false
	}
	report, removed := *r, s.removed
	s.mu.Unlock()
	if err := s.remember(func(st *state) { st.BootID, st.Power = a.bootID, report.Power }); err != nil {
		a.log.Warn("state not kept", "server", s.id, "error", err)
	}
	return report, changed && !removed
}

// onEvent looks at what the hypervisor says has changed. While the agent works
// on a guest itself, the change is likely its own and not the last: a guest that
// is off for a moment, because it is being rebooted, is no news. The end of the
// work is reported in any case.
func (a *Agent) onEvent(ctx context.Context, e hypervisor.Event) {
	if e.ServerID == "" {
		a.survey(ctx)
		return
	}
	a.mu.Lock()
	s := a.servers[e.ServerID]
	a.mu.Unlock()
	if s == nil {
		return
	}
	s.wake()
	if !s.busy() {
		a.observe(ctx, s)
	}
}

// survey looks at all guests, also those that nobody told of.
func (a *Agent) survey(ctx context.Context) {
	guests, err := a.hv.Guests(ctx)
	if err != nil {
		a.log.WarnContext(ctx, "guests cannot be seen", "error", err)
		return
	}
	seen := map[string]bool{}
	for _, g := range guests {
		seen[g.Mark.ServerID] = true
		s, err := a.server(g.Mark.ServerID)
		if err != nil {
			continue
		}
		s.wake()
		if s.busy() {
			continue
		}
		if report, changed := a.note(s, g, true); changed {
			_ = a.bus.Publish(ctx, hostapi.ReportSubject(a.cfg.Host, hostapi.ReportServer), report)
		}
	}
	for _, s := range a.all() {
		if !seen[s.id] && !s.busy() {
			a.note(s, hypervisor.Guest{}, false)
		}
	}
}

// heartbeats looks and sends reports of a kind until ctx ends. Each kind has a
// loop of its own: storage that hangs does not make the host look dead.
func (a *Agent) heartbeats(ctx context.Context, kind string, look func(context.Context) (any, error)) {
	tick := time.NewTicker(a.cfg.Heartbeat)
	defer tick.Stop()
	for {
		report, err := look(ctx)
		if err == nil {
			err = a.bus.Publish(ctx, hostapi.ReportSubject(a.cfg.Host, kind), report)
		}
		if err != nil && ctx.Err() == nil {
			a.log.WarnContext(ctx, "heartbeat failed", "report", kind, "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (a *Agent) hostReport(ctx context.Context) (any, error) {
	report, err := a.Report(ctx, nil)
	if err != nil {
		return nil, err
	}
	for i := range report.Servers {
		report.Servers[i].Steps = nil // for those who ask; a heartbeat stays small
	}
	return report, nil
}

func (a *Agent) volumeReport(ctx context.Context) (any, error) {
	return hostapi.VolumeReport{Backends: a.volumes.backends(ctx)}, nil
}

// Report says what the host is and what it has.
func (a *Agent) Report(ctx context.Context, _ *struct{}) (*hostapi.HostReport, error) {
	info, err := a.hostInfo(ctx)
	if err != nil {
		return nil, err
	}
	total, free, err := disk.Free(a.cfg.DataDir)
	if err != nil {
		return nil, err
	}
	uptime, load := uptime()
	r := &hostapi.HostReport{
		Host: a.cfg.Host, StartedAt: a.started, BootID: a.bootID, At: a.now(), Version: a.cfg.Version,
		HypervisorType: info.Type, HypervisorVer: info.Version, VirtType: info.VirtType, Arch: info.Arch,
		CPUModel: info.CPUModel, CPUVendor: info.CPUVendor, CPUFeatures: info.CPUFeatures,
		CPUSockets: info.Sockets, CPUCores: info.Cores, CPUThreads: info.Threads, VCPUs: info.CPUs,
		MemoryMiB: info.MemoryMiB, MemoryUsedMiB: info.MemoryMiB - availableMiB(),
		DiskGiB: int(total >> 30), DiskFreeGiB: int(free >> 30), DiskUsedGiB: int((total - free) >> 30),
		Address: a.cfg.Address, ChassisID: a.cfg.ChassisID, BridgeMappings: a.cfg.BridgeMappings,
		UptimeSeconds: uptime, Load: load, ImageCacheBytes: a.images.Bytes(),
	}
	for _, s := range a.all() {
		s.mu.Lock()
		if s.report.Sequence > 0 && !s.removed {
			r.Servers = append(r.Servers, s.report)
		}
		s.mu.Unlock()
	}
	r.Sequence = a.sequence.next()
	return r, nil
}

// hostInfo asks the hypervisor once a minute at most: hosts rarely change.
func (a *Agent) hostInfo(ctx context.Context) (hypervisor.Info, error) {
	a.mu.Lock()
	info, at := a.info, a.infoAt
	a.mu.Unlock()
	if !at.IsZero() && a.now().Sub(at) < time.Minute {
		return info, nil
	}
	fresh, err := a.hv.Info(ctx)
	switch {
	case err != nil && !at.IsZero() && a.now().Sub(at) < 5*time.Minute:
		return info, nil // a hypervisor that is being restarted is still the same
	case err != nil:
		return info, fmt.Errorf("describe host: %w", err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.info, a.infoAt = fresh, a.now()
	return fresh, nil
}

// availableMiB is the memory that new guests could use.
func availableMiB() int {
	data, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(data)) {
		if rest, ok := strings.CutPrefix(line, "MemAvailable:"); ok {
			kib, _ := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(rest), " kB"))
			return kib >> 10
		}
	}
	return 0
}

func uptime() (seconds int64, load string) {
	up, _ := os.ReadFile(filepath.Join("/proc", "uptime"))
	first, _, _ := strings.Cut(string(up), ".")
	seconds, _ = strconv.ParseInt(first, 10, 64)
	avg, _ := os.ReadFile(filepath.Join("/proc", "loadavg"))
	if f := strings.Fields(string(avg)); len(f) >= 3 {
		load = strings.Join(f[:3], ", ")
	}
	return seconds, load
}
