package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"kumoi/internal/compute"
	computeapi "kumoi/internal/compute/api"
	"kumoi/internal/compute/console"
	computestore "kumoi/internal/compute/sqlstore"
	"kumoi/internal/hoststack"
	"kumoi/internal/identity"
	identityapi "kumoi/internal/identity/api"
	"kumoi/internal/identity/ldap"
	identitystore "kumoi/internal/identity/sqlstore"
	"kumoi/internal/image"
	imageapi "kumoi/internal/image/api"
	imagestore "kumoi/internal/image/sqlstore"
	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/audit"
	"kumoi/internal/kernel/bus"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/event"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/policy"
	"kumoi/internal/kernel/saga"
	"kumoi/internal/kernel/store"
	"kumoi/internal/kernel/task"
	"kumoi/internal/network"
	networkapi "kumoi/internal/network/api"
	"kumoi/internal/network/fabric"
	fabricfake "kumoi/internal/network/fabric/fake"
	"kumoi/internal/network/fabric/ovn"
	networkstore "kumoi/internal/network/sqlstore"
	"kumoi/internal/placement"
	placementapi "kumoi/internal/placement/api"
	placementstore "kumoi/internal/placement/sqlstore"
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

// services are the APIs, assembled but not started.
type services struct {
	policy    *policy.Engine
	identity  *identity.Service
	image     *image.Service
	placement *placement.Service
	network   *network.Service
	compute   *compute.Service
	console   *console.Server
	apis      []*httpx.Service
}

// ground is what services are built on. Nothing of it is used before Start, so
// that tables of routes and policies can be printed without a cloud.
type ground struct {
	cfg    *Config
	log    *slog.Logger
	audit  *audit.Trail
	events *event.Log
	db     *store.DB
	master [32]byte
	fabric fabric.Fabric
	sagas  *saga.Engine
	tasks  *task.Runner
	conn   bus.Conn
	stores []image.NamedStore
}

// assemble makes every service and gives each what it needs of the others.
func assemble(g ground) (*services, error) {
	s := &services{policy: policy.New()}
	idConfig := g.cfg.IdentitySettings.config()
	if g.cfg.PasswordsCheap {
		idConfig.HashMemory, idConfig.HashTime = 64, 1
	}
	idConfig.TrustedDashboards = g.cfg.TrustedDashboards
	sso, partners, err := g.cfg.providers(g.cfg.AuthURL())
	if err != nil {
		return nil, err
	}
	s.identity, err = identity.New(identity.Deps{
		DB: g.db, Store: identitystore.New(), Policy: s.policy, MasterKey: g.master, Log: g.log, Audit: g.audit, Events: g.events, Config: idConfig,
		Directory: ldap.Directory{}, SSO: sso, SAML: partners,
	})
	if err != nil {
		return nil, fmt.Errorf("identity: %w", err)
	}
	imageConfig, err := g.cfg.Images.config(g.cfg)
	if err != nil {
		return nil, err
	}
	s.image, err = image.New(image.Deps{
		DB: g.db, Tables: imagestore.Tables(), Policy: s.policy, Log: g.log, Config: imageConfig, Stores: g.stores,
		Sagas: g.sagas, Tasks: g.tasks, Events: g.events, Limits: imageLimits{s.identity, imageConfig.Region}, Regions: imageRegions{s.identity, g.db, imageConfig.Region},
	})
	if err != nil {
		return nil, fmt.Errorf("image: %w", err)
	}
	s.placement = placement.New(placement.Deps{DB: g.db, Tables: placementstore.Tables(), Policy: s.policy, Events: g.events})
	if s.network, err = network.New(network.Deps{
		DB: g.db, Policy: s.policy, Log: g.log, Fabric: g.fabric, Tables: networkstore.Tables(), Events: g.events, Config: network.Config{ExternalPhysical: hoststack.OutsideNetwork},
		OnServer: func(ctx context.Context, tx *store.Tx, id string) error { return s.compute.RefreshTx(ctx, tx, id) },
	}); err != nil {
		return nil, fmt.Errorf("network: %w", err)
	}
	s.compute, err = compute.New(compute.Deps{
		DB: g.db, Store: computestore.New(), Tables: computestore.Tables(), Policy: s.policy, Sagas: g.sagas, Tasks: g.tasks, Events: g.events, Bus: g.conn,
		Network: s.network, Placement: s.placement, Images: s.image, ImageData: s.image.Hosts,
		Identity: computeIdentity{s.identity, g.db}, Log: g.log, Config: compute.Config{ConsoleTTL: g.cfg.ConsoleTTL},
	})
	if err != nil {
		return nil, fmt.Errorf("compute: %w", err)
	}
	s.console = console.New(s.compute, console.Config{PublicURL: g.cfg.PublicURL, Dashboards: g.cfg.TrustedDashboards}, g.log)
	s.apis = []*httpx.Service{
		identityapi.New(s.identity), imageapi.New(s.image), placementapi.New(s.placement),
		networkapi.New(s.network), computeapi.New(s.compute), s.console.API(),
	}
	return s, nil
}

// catalogue is what a new cloud offers, as paths below its address.
var catalogue = []identity.CatalogEntry{
	{Type: "identity", Name: "keystone", Public: "/identity"},
	{Type: "image", Name: "glance", Public: "/image"},
	{Type: "placement", Name: "placement", Public: "/placement"},
	{Type: "network", Name: "neutron", Public: "/network"},
	{Type: "compute", Name: "nova", Public: "/compute/v2.1"},
}

// migrations are the schemas of all that keeps tables.
func migrations() []store.Migrations {
	return []store.Migrations{
		saga.Migrations(), audit.Migrations(), event.Migrations(), identitystore.Migrations(), imagestore.Migrations(),
		placementstore.Migrations(), networkstore.Migrations(), computestore.Migrations(),
	}
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
	c.say("bringing the schema up to date")
	if err := k.db.Migrate(ctx, migrations()...); err != nil {
		return nil, err
	}
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
	for _, s := range []struct {
		name  string
		start func(context.Context) error
		stop  func()
	}{
		{"identity", k.identity.Start, k.identity.Stop},
		{"image", k.image.Start, k.image.Stop},
		{"network", k.network.Start, k.network.Stop},
		{"compute", k.compute.Start, k.compute.Stop},
		{"events", k.events.Start, k.events.Stop},
		{"sagas", k.sagas.Open, k.sagas.Close},
	} {
		if err := s.start(ctx); err != nil {
			return fmt.Errorf("start %s: %w", s.name, err)
		}
		c.onStop(s.name, func() error { s.stop(); return nil })
	}
	if err := k.cfg.configureDirectories(actor.AsSystem(ctx, "settings"), k.identity); err != nil {
		return err
	}
	k.tasks.Add(k.sagas.PruneTask(), k.audit.PruneTask(), k.events.PruneTask())
	k.tasks.Start()
	c.onStop("tasks", func() error { k.tasks.Stop(); return nil })
	return nil
}

// awaitHost returns when this process's own host is known to compute, so that
// a server can be made the moment the cloud says it is ready.
func (k *control) awaitHost(ctx context.Context, c *Cloud) error {
	if c.host == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		up, err := k.compute.HostSeenSince(ctx, k.cfg.Host, c.startedAt)
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

// serve opens the API's port.
func (k *control) serve(_ context.Context, c *Cloud) error {
	gateway, err := httpx.NewGateway(httpx.Config{
		Services: append(slices.Clip(k.apis), rootService(k.apis)), Auth: k.identity, Log: c.log.With("component", "api"), PublicURL: k.cfg.PublicURL, Stall: k.cfg.StallTimeout,
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
		k.console.Stop() // the server does not know of websockets any more
		return err
	})
	return nil
}
