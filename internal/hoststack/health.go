package hoststack

import (
	"context"
	"strings"
	"sync"
	"time"
)

// Component is one part of the stack as it is now.
type Component struct {
	Name    string
	State   string // running, down, degraded
	PID     int
	Version string
	Detail  string
	Managed string // kumoi, or system where systemd runs it
}

// The states of a component.
const (
	StateRunning  = "running"
	StateDegraded = "degraded"
	StateDown     = "down"
)

// Health asks every component whether it lives and answers.
func (s *Stack) Health(ctx context.Context) []Component {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	var checks []func() Component
	for _, d := range s.daemons {
		checks = append(checks, func() Component { return s.ownHealth(ctx, d) })
	}
	for _, c := range systemUnits {
		if s.system[c.component] && s.uses(c.component) {
			checks = append(checks, func() Component { return s.systemHealth(ctx, c.component) })
		}
	}
	if s.cfg.Host {
		checks = append(checks, s.outsideHealth)
	}
	out := make([]Component, len(checks))
	var wg sync.WaitGroup
	for i, check := range checks {
		wg.Go(func() { out[i] = check() })
	}
	wg.Wait()
	return out
}

// uses tells whether this machine's part of the cloud includes the component.
func (s *Stack) uses(component string) bool {
	switch component {
	case ovnNB, ovnSB, ovnNorthd:
		return s.cfg.Central
	default:
		return s.cfg.Host
	}
}

func (s *Stack) ownHealth(ctx context.Context, d *daemon) Component {
	c := Component{Name: d.name, Managed: "kumoi", State: StateDown}
	p, ok := d.running()
	if !ok {
		c.Detail = "not running; its log is " + d.log
		return c
	}
	c.PID = p.pid
	if err := d.answers(ctx, p.pid); err != nil {
		c.State, c.Detail = StateDegraded, "runs but does not answer: "+err.Error()
		return c
	}
	c.State = StateRunning
	text, _ := d.version(ctx, p.pid)
	c.Version = versionNumber(text)
	switch {
	case d.name == vswitchd:
		c.Detail = "datapath " + string(s.datapath)
	case d.name == libvirtd && s.qemu.why != "":
		c.Detail = "guests run as root: " + s.qemu.why
	case d.name == libvirtd:
		c.Detail = "guests run as " + s.qemu.name
		if err := s.qemu.kvmUsable(); err != nil {
			c.Detail += "; " + err.Error()
		}
	}
	return c
}

func (s *Stack) systemHealth(ctx context.Context, name string) Component {
	c := Component{Name: name, Managed: "system", State: StateRunning}
	var err error
	switch name {
	case ovsdbServer:
		_, err = call(ctx, systemOVSSocket, "echo")
	case ovnNB:
		_, err = call(ctx, systemNBSocket, "echo")
	case ovnSB:
		_, err = call(ctx, systemSBSocket, "echo")
	case libvirtd:
		c.Version, err = s.libvirtVersion(ctx)
		c.Version = versionNumber(c.Version)
	default:
		if !systemComponents(systemdActive(ctx))[name] {
			c.State, c.Detail = StateDown, "systemd no longer runs it"
		}
	}
	if err != nil {
		c.State, c.Detail = StateDown, err.Error()
	}
	return c
}

func (s *Stack) outsideHealth() Component {
	s.outsideMu.Lock()
	err := s.outsideErr
	s.outsideMu.Unlock()
	c := Component{Name: outside, Managed: "kumoi", State: StateRunning, Detail: "bridge " + s.cfg.OutsideBridge}
	if s.cfg.OutsideCIDR.IsValid() {
		c.Detail += ", " + s.outsideAddress().String()
	}
	switch {
	case err != nil:
		c.State, c.Detail = StateDegraded, err.Error()
	case !s.outsideIntact():
		c.State, c.Detail = StateDegraded, "bridge "+s.cfg.OutsideBridge+" has lost its address"
	}
	return c
}

// versionNumber picks "3.1.0" from "ovs-vswitchd (Open vSwitch) 3.1.0\n…".
func versionNumber(text string) string {
	first, _, _ := strings.Cut(text, "\n")
	fields := strings.Fields(first)
	if len(fields) == 0 {
		return ""
	}
	return fields[len(fields)-1]
}
