package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"kumoi/internal/identity"
	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/audit"
	"kumoi/internal/kernel/bus"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/event"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/saga"
	"kumoi/internal/kernel/service"
	"kumoi/internal/kernel/store"
	"kumoi/internal/kernel/task"
	"kumoi/internal/network/fabric"
	fabricfake "kumoi/internal/network/fabric/fake"
	"kumoi/internal/network/fabric/ovn"
)

// control is the control plane: the services and what they stand on.
type control struct {
	cfg    *Config
	log    *slog.Logger
	audit  *audit.Trail
	events *event.Log
	db     *store.DB
	bus    *bus.Server
	conn   bus.Conn
	*services
	sagas *saga.Engine
	tasks *task.Runner
}

// startControl opens what the services stand on, assembles and starts them.
func startControl(ctx context.Context, c *Cloud) (*control, error) {
	k := &control{cfg: c.cfg, log: c.log}
	var err error
	if k.db, err = store.Open(ctx, c.cfg.Database); err != nil {
		return nil, err
	}
	c.onStop("database", k.db.Close)
	k.audit = audit.New(k.db, c.cfg.IdentitySettings.audit(c.cfg.Host))
	k.events = event.New(k.db, event.Config{Host: c.cfg.Host, Log: c.log})
	if k.bus, err = bus.StartServer(ctx, bus.ServerConfig{Listen: c.cfg.BusListen, DataDir: c.cfg.path("bus"), Log: c.log}); err != nil {
		return nil, err
	}
	c.onStop("bus", func() error { k.bus.Stop(); return nil })
	if k.conn, err = k.bus.Connect(); err != nil {
		return nil, err
	}
	g := ground{cfg: c.cfg, log: c.log, audit: k.audit, events: k.events, db: k.db, conn: k.conn}
	if g.master, err = identity.LoadMasterKey(c.cfg.path("keys", "master")); err != nil {
		return nil, err
	}
	if g.stores, err = openImageStores(ctx, c.cfg); err != nil {
		return nil, err
	}
	if g.fabric, err = c.newFabric(); err != nil {
		return nil, err
	}
	k.sagas = saga.NewEngine(k.db, saga.Config{Owner: c.cfg.Host, Log: c.log, Crash: c.cfg.Crash})
	k.tasks = task.NewRunner(c.log)
	g.sagas, g.tasks = k.sagas, k.tasks
	if k.services, err = assemble(g); err != nil {
		return nil, err
	}
	c.say("bringing the schema up to date")
	if err := k.db.Migrate(ctx, k.migrations()...); err != nil {
		return nil, err
	}
	return k, k.start(ctx, c)
}

func (c *Cloud) newFabric() (fabric.Fabric, error) {
	if c.cfg.Fake() {
		return fabricfake.New(), nil
	}
	return ovn.New(ovn.Config{NB: c.stack.NBRemote(), SB: c.stack.SBRemote(), Log: c.log})
}

// start starts the services in the order in which they need each other.
func (k *control) start(ctx context.Context, c *Cloud) error {
	c.say("starting the services")
	if k.cfg.PolicyFile != "" {
		watch, end := context.WithCancel(context.WithoutCancel(ctx))
		c.onStop("policy file", func() error { end(); return nil })
		if err := k.policy.WatchFile(watch, k.cfg.PolicyFile, c.log); err != nil {
			return err
		}
	}
	if err := k.bootstrap(ctx); err != nil {
		return err
	}
	for _, s := range append(slices.Clip(k.list),
		service.Descriptor{Name: "events", Start: k.events.Start, Stop: k.events.Stop},
		service.Descriptor{Name: "sagas", Start: k.sagas.Open, Stop: k.sagas.Close},
	) {
		if s.Start == nil {
			continue
		}
		if err := s.Start(ctx); err != nil {
			return fmt.Errorf("start %s: %w", s.Name, err)
		}
		c.onStop(s.Name, func() error { s.Stop(); return nil })
	}
	if err := k.cfg.configureDirectories(actor.AsSystem(ctx, "settings"), k.identity); err != nil {
		return err
	}
	k.tasks.Add(k.sagas.PruneTask(), k.audit.PruneTask(), k.events.PruneTask())
	k.tasks.Start()
	c.onStop("tasks", func() error { k.tasks.Stop(); return nil })
	return nil
}

// awaitHost returns when this process's own host is known to all services, so
// that a server can be made the moment the cloud says it is ready.
func (k *control) awaitHost(ctx context.Context, c *Cloud) error {
	if c.host == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		up, err := k.heard(ctx, k.cfg.Host, c.startedAt)
		if err != nil || up {
			return err
		}
		select {
		case <-ctx.Done():
			return errs.New(errs.Unavailable, "The host agent of %s does not report; see the log.", k.cfg.Host)
		case <-tick.C:
		}
	}
}

// heard tells whether a host's reports have reached all services since a moment.
func (k *control) heard(ctx context.Context, host string, since time.Time) (bool, error) {
	for _, s := range k.list {
		if s.Hears == nil {
			continue
		}
		if up, err := s.Hears(ctx, host, since); err != nil || !up {
			return false, err
		}
	}
	return true, nil
}

// serve opens the API's port.
func (k *control) serve(_ context.Context, c *Cloud) error {
	gateway, err := httpx.NewGateway(httpx.Config{
		Services: append(k.apis(), rootService(k.apis())), Auth: k.identity, Log: c.log.With("component", "api"), PublicURL: k.cfg.PublicURL, Stall: k.cfg.StallTimeout,
		Observe: c.metrics.observe, Audit: k.auditRequests, Extra: http.HandlerFunc(strayHandler),
	})
	if err != nil {
		return err
	}
	l, err := listen(k.cfg, c.log)
	if err != nil {
		return err
	}
	server := newServer(k.cfg, gateway, c.log)
	for _, s := range k.list {
		if s.Hush != nil {
			server.RegisterOnShutdown(s.Hush)
		}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			c.log.Error("the API stopped listening", "error", err)
		}
	}()
	c.onStop("API", func() error {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		err := server.Shutdown(ctx)
		if errors.Is(err, context.DeadlineExceeded) {
			err = server.Close() // a long upload must not hold the stop
		}
		<-done
		return err
	})
	return nil
}
