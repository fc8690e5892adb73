// Package computetest is a cloud around the compute service for tests: a real
// database, bus, saga engine, placement and network; images in memory; and
// agents that behave like real hosts but run nothing.
package computetest

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/bus"
	"kumoi/internal/kernel/errs"
)

// Agent is a host that keeps guests as they are told to be.
type Agent struct {
	Name string
	conn bus.Conn

	work     sync.Mutex
	mu       sync.Mutex
	sequence int64
	guests   map[string]*hostapi.ServerSpec
	power    map[string]hostapi.Power
	gone     map[string]int64 // generations that were removed
	fail     map[string]error // verb → what it answers
	calls    map[string]int
	hold     map[string]chan struct{}
	started  time.Time
	vcpus    int
}

// NewAgent starts a host on the bus that reports itself once.
func NewAgent(t testing.TB, conn bus.Conn, name string) *Agent {
	t.Helper()
	a := &Agent{
		Name: name, conn: conn, guests: map[string]*hostapi.ServerSpec{}, power: map[string]hostapi.Power{}, gone: map[string]int64{},
		fail: map[string]error{}, calls: map[string]int{}, hold: map[string]chan struct{}{}, started: time.Now(), vcpus: 16,
	}
	handle := func(verb string, h func(m *bus.Msg) (any, error)) {
		sub, err := conn.Handle(hostapi.HostSubject(name, verb), "", func(ctx context.Context, m *bus.Msg) (any, error) {
			if verb == hostapi.VerbEnsure || verb == hostapi.VerbRemove {
				a.work.Lock() // a host does one thing at a time to a guest
				defer a.work.Unlock()
			}
			if err := a.enter(ctx, verb); err != nil {
				return nil, err
			}
			return h(m)
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = sub.Unsubscribe() })
	}
	handle(hostapi.VerbEnsure, a.ensure)
	handle(hostapi.VerbRemove, a.remove)
	handle(hostapi.VerbPrefetch, func(*bus.Msg) (any, error) { return nil, nil })
	handle(hostapi.VerbImages, func(*bus.Msg) (any, error) { return hostapi.ImageCache{}, nil })
	handle(hostapi.VerbReport, func(*bus.Msg) (any, error) { return a.Report(), nil })
	handle(hostapi.VerbConsoleLog, func(*bus.Msg) (any, error) { return hostapi.ConsoleLog{Text: "login: \n"}, nil })
	handle(hostapi.VerbSnapshot, a.snapshot)
	handle(hostapi.VerbDiagnostics, func(*bus.Msg) (any, error) {
		return hostapi.Diagnostics{Power: hostapi.PowerRunning, Driver: "libvirt", Hypervisor: "qemu", CPUTimeNs: []int64{1}, MemoryMiB: 64}, nil
	})
	return a
}

// enter counts a call, waits if the verb is held, and fails it if so told.
func (a *Agent) enter(ctx context.Context, verb string) error {
	a.mu.Lock()
	a.calls[verb]++
	err, gate := a.fail[verb], a.hold[verb]
	a.mu.Unlock()
	if gate != nil {
		select {
		case <-gate:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return err
}

// Fail has a verb answer err until Fail is called with nil.
func (a *Agent) Fail(verb string, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.fail[verb] = err
}

// Hold has a verb wait until the returned function is called.
func (a *Agent) Hold(verb string) (release func()) {
	gate := make(chan struct{})
	a.mu.Lock()
	defer a.mu.Unlock()
	a.hold[verb] = gate
	return sync.OnceFunc(func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		delete(a.hold, verb)
		close(gate)
	})
}

// Calls tells how often a verb was asked for.
func (a *Agent) Calls(verb string) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.calls[verb]
}

// Guest returns what the host was told about a server last; nil if it has none.
func (a *Agent) Guest(id string) *hostapi.ServerSpec {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.guests[id]
}

// Guests counts the guests.
func (a *Agent) Guests() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.guests)
}

// Die has a guest switch itself off, and reports it.
func (a *Agent) Die(ctx context.Context, id string) error {
	a.mu.Lock()
	a.power[id] = hostapi.PowerStopped
	r := a.reportOf(id)
	a.mu.Unlock()
	return a.conn.Publish(ctx, hostapi.ReportSubject(a.Name, hostapi.ReportServer), r)
}

// Lose forgets a guest, as a host that was set up anew would.
func (a *Agent) Lose(id string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.guests, id)
	delete(a.power, id)
}

func (a *Agent) ensure(m *bus.Msg) (any, error) {
	var spec hostapi.ServerSpec
	if err := m.Decode(&spec); err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if have := a.guests[spec.ID]; have != nil && have.Generation > spec.Generation {
		return nil, errs.New(errs.Conflict, "generation %d is older than %d", spec.Generation, have.Generation)
	}
	if gone, ok := a.gone[spec.ID]; ok && spec.Generation <= gone {
		return nil, errs.New(errs.Conflict, "The server is wanted otherwise by now.")
	}
	a.guests[spec.ID], a.power[spec.ID] = &spec, spec.Power
	return a.reportOf(spec.ID), nil
}

func (a *Agent) remove(m *bus.Msg) (any, error) {
	var ref hostapi.ServerRef
	if err := m.Decode(&ref); err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.guests, ref.ServerID)
	delete(a.power, ref.ServerID)
	a.gone[ref.ServerID] = ref.Generation
	return hostapi.ServerReport{ServerID: ref.ServerID, Host: a.Name, Power: hostapi.PowerMissing}, nil
}

// snapshot sends a small disk, as a real host would, over the bus.
func (a *Agent) snapshot(m *bus.Msg) (any, error) {
	var r hostapi.SnapshotRequest
	if err := m.Decode(&r); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	data := fmt.Appendf(nil, "disk %d", r.Ephemeral)
	return nil, a.conn.Request(ctx, hostapi.ControlSubject(a.Name, hostapi.ControlWriteImage),
		hostapi.ImageWrite{ImageID: r.ImageID, Data: data, Done: true, Size: int64(len(data))}, nil)
}

// reportOf needs the lock.
func (a *Agent) reportOf(id string) hostapi.ServerReport {
	a.sequence++
	r := hostapi.ServerReport{ServerID: id, Host: a.Name, Sequence: a.sequence, Power: a.power[id], Domain: "kumoi-" + id[:8]}
	if g := a.guests[id]; g != nil {
		r.Generation = g.Generation
	}
	return r
}

// Report is the host's heartbeat.
func (a *Agent) Report() hostapi.HostReport {
	a.mu.Lock()
	defer a.mu.Unlock()
	r := hostapi.HostReport{
		Host: a.Name, StartedAt: a.started, At: time.Now(), HypervisorType: "QEMU", HypervisorVer: 7002000, VirtType: "qemu", Arch: "x86_64",
		VCPUs: a.vcpus, MemoryMiB: 65536, DiskGiB: 1000, DiskFreeGiB: 900, Address: "192.0.2.1", UptimeSeconds: 90061, Load: "0.10, 0.20, 0.30",
		CPUSockets: 1, CPUCores: 8, CPUThreads: 2, ChassisID: "chassis-" + a.Name,
	}
	for id := range a.guests {
		r.Servers = append(r.Servers, a.reportOf(id))
	}
	a.sequence++
	r.Sequence = a.sequence
	return r
}
