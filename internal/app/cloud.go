// Package app assembles a cloud from its parts: configuration, roles, order of
// start and stop. It is the only package that knows all others.
package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"sync/atomic"
	"time"

	"kumoi/internal/hoststack"
	"kumoi/internal/kernel/bus"
)

// Roles says which parts a process carries; "kumoi up" carries both.
type Roles struct {
	Control bool // identity, API, databases, sagas, bus
	Host    bool // guests, their disks and networks
}

// Cloud is a running assembly.
type Cloud struct {
	cfg       *Config
	roles     Roles
	log       *slog.Logger
	startedAt time.Time
	phase     atomic.Pointer[string]
	ready     atomic.Bool

	lock    *os.File
	metrics *metrics
	admin   *adminServer
	stack   *hoststack.Stack
	control *control
	host    *host
	stops   []stop
}

// stop is how to undo one part of the start.
type stop struct {
	what string
	run  func() error
}

// Start assembles and starts the roles. When it returns without error the
// cloud serves; the caller ends it with Stop. What it depends on (Open vSwitch,
// OVN, libvirt) is started or adopted first and outlives the process.
func Start(ctx context.Context, cfg *Config, roles Roles, log *slog.Logger) (_ *Cloud, err error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if err := MakeDataDir(cfg); err != nil {
		return nil, err
	}
	c := &Cloud{cfg: cfg, roles: roles, log: log, startedAt: time.Now(), metrics: newMetrics(), admin: newAdminServer()}
	defer func() {
		if err != nil {
			err = errors.Join(withAdvice(cfg, err), c.Stop())
		}
	}()
	if c.lock, err = lock(cfg); err != nil {
		return nil, err
	}
	c.onStop("lock", c.lock.Close)
	// What can be known to be wrong before anything is started.
	check := checkJoin
	if roles.Control {
		check = portFree
	}
	if err := check(cfg); err != nil {
		return nil, err
	}
	if err := cfg.keepSettings(); err != nil {
		return nil, err
	}
	c.say("opening the admin socket")
	c.adminOperations()
	if err := c.admin.start(cfg.AdminSocket()); err != nil {
		return nil, err
	}
	c.onStop("admin socket", func() error { c.admin.stop(); return nil })

	if !cfg.Fake() {
		c.say("starting or adopting Open vSwitch, OVN and libvirt")
		if err := c.startStack(ctx); err != nil {
			return nil, err
		}
	}
	if roles.Control {
		c.say("opening the database")
		if c.control, err = startControl(ctx, c); err != nil {
			return nil, err
		}
	}
	if roles.Host {
		c.say("starting the host agent")
		if c.host, err = startHost(ctx, c); err != nil {
			return nil, err
		}
	}
	if roles.Control {
		c.say("waiting for the host to report")
		if err := c.control.awaitHost(ctx, c); err != nil {
			return nil, err
		}
		if err := c.control.serve(ctx, c); err != nil {
			return nil, err
		}
	}
	c.ready.Store(true)
	c.log.Info("ready", "api", cfg.Listen, "data", cfg.DataDir, "took", time.Since(c.startedAt).Round(time.Millisecond))
	return c, nil
}

// Stop ends this process's parts in reverse order. Guests, their network and
// the daemons below go on.
func (c *Cloud) Stop() error {
	c.ready.Store(false)
	var all error
	for i := len(c.stops) - 1; i >= 0; i-- {
		if err := c.stops[i].run(); err != nil {
			all = errors.Join(all, fmt.Errorf("stop %s: %w", c.stops[i].what, err))
		}
	}
	c.stops = nil
	return all
}

func (c *Cloud) onStop(what string, run func() error) { c.stops = append(c.stops, stop{what, run}) }

// say notes what the start is at, for those who wait.
func (c *Cloud) say(phase string) {
	c.phase.Store(&phase)
	c.log.Debug(phase)
}

// startStack brings up what the roles depend on.
func (c *Cloud) startStack(ctx context.Context) error {
	cfg, err := stackConfig(c.cfg, c.roles, c.log)
	if err != nil {
		return err
	}
	if c.stack, err = hoststack.Up(ctx, cfg); err != nil {
		return fmt.Errorf("%w\nkumoi doctor checks the machine and says what to do", err)
	}
	c.onStop("stack watcher", func() error { c.stack.Close(); return nil })
	return nil
}

func stackConfig(cfg *Config, roles Roles, log *slog.Logger) (hoststack.Config, error) {
	s := hoststack.Config{
		DataDir: cfg.DataDir, Central: roles.Control, Host: roles.Host, HostName: cfg.Host, SystemID: cfg.Host,
		SBListen: cfg.OVNListen, SBRemote: cfg.OVNRemote, UnderlayInterface: cfg.TunnelDevice,
		Datapath: hoststack.Datapath(cfg.Datapath), Log: log,
	}
	var err error
	if roles.Host && !roles.Control {
		j, err := readJoinFile(cfg.Join)
		if err != nil {
			return s, err
		}
		s.SBAccess = j.Southbound
	}
	if cfg.TunnelAddress != "" {
		if s.EncapIP, err = netip.ParseAddr(cfg.TunnelAddress); err != nil {
			return s, err
		}
	}
	if cfg.OutsideCIDR != "" {
		if s.OutsideCIDR, err = netip.ParsePrefix(cfg.OutsideCIDR); err != nil {
			return s, err
		}
	}
	return s, nil
}

// connectBus gives the host role its connection: in the process beside the
// control plane, or with the credentials file of a host that joined.
func (c *Cloud) connectBus(ctx context.Context) (bus.Conn, error) {
	if c.control != nil {
		return c.control.bus.Connect()
	}
	j, err := readJoinFile(c.cfg.Join)
	if err != nil {
		return nil, err
	}
	return bus.Dial(ctx, "", j.Bus, c.log)
}
