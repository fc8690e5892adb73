// Package fake is a hypervisor in memory. Its guests behave as libvirt's do,
// as far as the agent can see: they shut down when asked, keep the mark that
// they were started with, lose what was not defined, and tell of their changes.
// Tests and "kumoi up --hypervisor fake" use it.
package fake

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"

	"kumoi/internal/agent/hypervisor"
	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/errs"
)

// Hypervisor is a hypervisor.Hypervisor without a host.
type Hypervisor struct {
	info hypervisor.Info

	mu       sync.Mutex
	domains  map[string]*domain
	watchers map[int]chan hypervisor.Event
	nextID   int
	scripts  map[string][]Script
	closed   bool
	consoles consoles
}

var _ hypervisor.Hypervisor = (*Hypervisor)(nil)

type domain struct {
	defined hypervisor.Machine // starts next
	running hypervisor.Machine // what runs, or was saved
	power   hostapi.Power
	why     hypervisor.Why
	deaf    bool // ignores its power button
}

// Option changes a new hypervisor.
type Option func(*Hypervisor)

// WithSize says how large the host is.
func WithSize(cpus, memoryMiB int) Option {
	return func(h *Hypervisor) { h.info.CPUs, h.info.Cores, h.info.MemoryMiB = cpus, cpus, memoryMiB }
}

// New makes a hypervisor without guests.
func New(options ...Option) *Hypervisor {
	h := &Hypervisor{
		domains: map[string]*domain{}, watchers: map[int]chan hypervisor.Event{}, scripts: map[string][]Script{},
		info: hypervisor.Info{
			Type: "QEMU", Version: 7002000, VirtType: "qemu", Arch: map[string]string{"amd64": "x86_64", "arm64": "aarch64"}[runtime.GOARCH],
			CPUModel: "Fake", CPUVendor: "Kumoi", Sockets: 1, Cores: 64, Threads: 1, CPUs: 64, MemoryMiB: 256 << 10,
		},
	}
	for _, o := range options {
		o(h)
	}
	return h
}

// change runs f on a domain and tells the watchers if it went well.
func (h *Hypervisor) change(ctx context.Context, method, id string, f func(*domain) error) error {
	after, err := h.call(ctx, method)
	if err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	d := h.domains[id]
	if d == nil {
		return notFound()
	}
	power := d.power
	if err := f(d); err != nil {
		return err
	}
	if !active(d.power) {
		h.consoles.hangUp(id)
	}
	if d.power != power {
		h.tell(hypervisor.Event{ServerID: id})
	}
	return after
}

func notFound() error { return errs.New(errs.NotFound, "The hypervisor has no such guest.") }

func conflict(d *domain) error {
	return errs.New(errs.Conflict, "The guest's state does not allow this: it is %s.", d.power)
}

func active(p hostapi.Power) bool { return p == hostapi.PowerRunning || p == hostapi.PowerPaused }

// tell is called with mu held. A watcher that does not keep up misses nothing
// but the count: it looks at everything anew.
func (h *Hypervisor) tell(e hypervisor.Event) {
	for _, w := range h.watchers {
		select {
		case w <- e:
		default:
			select {
			case <-w:
			default:
			}
			select {
			case w <- hypervisor.Event{}:
			default:
			}
		}
	}
}

// Info implements hypervisor.Hypervisor.
func (h *Hypervisor) Info(ctx context.Context) (hypervisor.Info, error) {
	_, err := h.call(ctx, "Info")
	return h.info, err
}

// Guests implements hypervisor.Hypervisor.
func (h *Hypervisor) Guests(ctx context.Context) ([]hypervisor.Guest, error) {
	if _, err := h.call(ctx, "Guests"); err != nil {
		return nil, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	out := make([]hypervisor.Guest, 0, len(h.domains))
	for _, d := range h.domains {
		out = append(out, d.guest())
	}
	slices.SortFunc(out, func(a, b hypervisor.Guest) int { return cmp.Compare(a.Mark.ServerID, b.Mark.ServerID) })
	return out, nil
}

// Guest implements hypervisor.Hypervisor.
func (h *Hypervisor) Guest(ctx context.Context, id string) (hypervisor.Guest, error) {
	if _, err := h.call(ctx, "Guest"); err != nil {
		return hypervisor.Guest{}, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	d := h.domains[id]
	if d == nil {
		return hypervisor.Guest{}, notFound()
	}
	return d.guest(), nil
}

func (d *domain) guest() hypervisor.Guest {
	g := hypervisor.Guest{Mark: d.defined.Mark, Power: d.power, Why: d.why}
	if active(d.power) || d.power == hostapi.PowerSuspended {
		g.Mark = d.running.Mark
	}
	g.Name = "kumoi-" + g.Mark.ServerID[:min(13, len(g.Mark.ServerID))]
	return g
}

// Define implements hypervisor.Hypervisor.
func (h *Hypervisor) Define(ctx context.Context, m hypervisor.Machine) error {
	after, err := h.call(ctx, "Define")
	if err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	d := h.domains[m.Mark.ServerID]
	if d == nil {
		d = &domain{power: hostapi.PowerStopped}
		h.domains[m.Mark.ServerID] = d
	}
	m.Disks, m.NICs = slices.Clone(m.Disks), slices.Clone(m.NICs)
	d.defined = m
	return after
}

// Undefine implements hypervisor.Hypervisor.
func (h *Hypervisor) Undefine(ctx context.Context, id string) error {
	return h.change(ctx, "Undefine", id, func(d *domain) error {
		if active(d.power) {
			return conflict(d)
		}
		delete(h.domains, id)
		return nil
	})
}

// Start implements hypervisor.Hypervisor.
func (h *Hypervisor) Start(ctx context.Context, id string, paused bool) error {
	return h.change(ctx, "Start", id, func(d *domain) error {
		if active(d.power) {
			return conflict(d)
		}
		if d.power != hostapi.PowerSuspended {
			if err := boot(d.defined); err != nil {
				return err
			}
			d.running = d.defined
			d.running.NICs, d.running.Disks = slices.Clone(d.defined.NICs), slices.Clone(d.defined.Disks)
		}
		d.power, d.why = hostapi.PowerRunning, ""
		if paused {
			d.power = hostapi.PowerPaused
		}
		return nil
	})
}

// boot checks what a real machine would miss, and writes what a console would
// show.
func boot(m hypervisor.Machine) error {
	for _, d := range m.Disks {
		for _, path := range append([]string{d.Path}, backing(d)...) {
			if path == "" {
				continue
			}
			if _, err := os.Stat(path); err != nil {
				return errs.Wrap(errs.Internal, err, "The hypervisor failed (start guest): no disk %s.", filepath.Base(path))
			}
		}
	}
	if m.Console == "" {
		return nil
	}
	f, err := os.OpenFile(m.Console, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(f, "fake: booting %s\r\nfake: %d disks, %d network cards\r\nfake: no kernel is loaded\r\nfake: nothing runs here\r\n\n%s login: ",
		m.Mark.Name, len(m.Disks), len(m.NICs), m.Mark.Name)
	if e := f.Close(); err == nil {
		err = e
	}
	return err
}

func backing(d hypervisor.Disk) []string {
	var out []string
	for _, b := range d.Backing {
		out = append(out, b.Path)
	}
	return out
}

// Shutdown implements hypervisor.Hypervisor.
func (h *Hypervisor) Shutdown(ctx context.Context, id string) error {
	return h.change(ctx, "Shutdown", id, func(d *domain) error {
		switch {
		case !active(d.power):
			return conflict(d)
		case d.power == hostapi.PowerRunning && !d.deaf:
			d.power, d.why = hostapi.PowerStopped, hypervisor.WhyGuest
		}
		return nil
	})
}

// Destroy implements hypervisor.Hypervisor.
func (h *Hypervisor) Destroy(ctx context.Context, id string) error {
	return h.change(ctx, "Destroy", id, func(d *domain) error {
		if active(d.power) {
			d.power, d.why = hostapi.PowerStopped, hypervisor.WhyAsked
		}
		return nil
	})
}

// Pause implements hypervisor.Hypervisor.
func (h *Hypervisor) Pause(ctx context.Context, id string) error {
	return h.change(ctx, "Pause", id, func(d *domain) error { return d.move(hostapi.PowerRunning, hostapi.PowerPaused) })
}

// Resume implements hypervisor.Hypervisor.
func (h *Hypervisor) Resume(ctx context.Context, id string) error {
	return h.change(ctx, "Resume", id, func(d *domain) error { return d.move(hostapi.PowerPaused, hostapi.PowerRunning) })
}

func (d *domain) move(from, to hostapi.Power) error {
	switch {
	case d.power == to: // as libvirt sees it, too
	case d.power != from:
		return conflict(d)
	}
	d.power = to
	return nil
}

// Suspend implements hypervisor.Hypervisor.
func (h *Hypervisor) Suspend(ctx context.Context, id string) error {
	return h.change(ctx, "Suspend", id, func(d *domain) error {
		if !active(d.power) {
			return conflict(d)
		}
		d.power, d.why = hostapi.PowerSuspended, hypervisor.WhyAsked
		return nil
	})
}

// DropSaved implements hypervisor.Hypervisor.
func (h *Hypervisor) DropSaved(ctx context.Context, id string) error {
	return h.change(ctx, "DropSaved", id, func(d *domain) error {
		if d.power == hostapi.PowerSuspended {
			d.power = hostapi.PowerStopped
		}
		return nil
	})
}

// Watch implements hypervisor.Hypervisor.
func (h *Hypervisor) Watch(ctx context.Context, f func(hypervisor.Event)) error {
	events := make(chan hypervisor.Event, 256)
	h.mu.Lock()
	id := h.nextID
	h.nextID++
	h.watchers[id] = events
	h.mu.Unlock()
	defer func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.watchers, id)
	}()
	f(hypervisor.Event{})
	for {
		select {
		case <-ctx.Done():
			return nil
		case e := <-events:
			f(e)
		}
	}
}

// Close implements hypervisor.Hypervisor.
func (h *Hypervisor) Close() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	return nil
}
