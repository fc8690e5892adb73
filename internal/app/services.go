package app

import (
	"fmt"
	"log/slog"
	"slices"

	"kumoi/internal/compute"
	"kumoi/internal/compute/console"
	computeservice "kumoi/internal/compute/service"
	dashboardservice "kumoi/internal/dashboard/service"
	"kumoi/internal/hostapi"
	"kumoi/internal/hoststack"
	"kumoi/internal/identity"
	identityapi "kumoi/internal/identity/api"
	"kumoi/internal/identity/ldap"
	identityservice "kumoi/internal/identity/service"
	"kumoi/internal/image"
	imageservice "kumoi/internal/image/service"
	"kumoi/internal/kernel/audit"
	"kumoi/internal/kernel/bus"
	"kumoi/internal/kernel/event"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/policy"
	"kumoi/internal/kernel/saga"
	"kumoi/internal/kernel/service"
	"kumoi/internal/kernel/store"
	"kumoi/internal/kernel/task"
	"kumoi/internal/network"
	"kumoi/internal/network/fabric"
	networkservice "kumoi/internal/network/service"
	"kumoi/internal/placement"
	placementservice "kumoi/internal/placement/service"
	"kumoi/internal/volume"
	volumeservice "kumoi/internal/volume/service"
	"kumoi/web"
)

// The list of the cloud's services, and what each gets of the others. To add one
// is to add a field, a line of the list and the function that makes it, here.

// services are assembled and not started.
type services struct {
	list   []service.Descriptor // in the order in which they start
	policy *policy.Engine

	identity  *identity.Service
	image     *image.Service
	placement *placement.Service
	network   *network.Service
	volume    *volume.Service
	compute   *compute.Service
}

// makers make the services, each after those that it needs.
var makers = []struct {
	name string
	make func(*services, ground) (service.Descriptor, error)
}{
	{"identity", (*services).makeIdentity},
	{"image", (*services).makeImage},
	{"placement", (*services).makePlacement},
	{"network", (*services).makeNetwork},
	{"volume", (*services).makeVolume},
	{"compute", (*services).makeCompute},
	{"dashboard", (*services).makeDashboard},
}

func (s *services) makeIdentity(g ground) (d service.Descriptor, err error) {
	cfg := g.cfg.IdentitySettings.config()
	if g.cfg.PasswordsCheap {
		cfg.HashMemory, cfg.HashTime = 64, 1
	}
	cfg.TrustedDashboards = g.cfg.TrustedDashboards
	sso, partners, err := g.cfg.providers(g.cfg.AuthURL())
	if err != nil {
		return d, err
	}
	s.identity, d, err = identityservice.New(identity.Deps{
		DB: g.db, Policy: s.policy, MasterKey: g.master, Log: g.log, Audit: g.audit, Events: g.events, Config: cfg,
		Directory: ldap.Directory{}, SSO: sso, SAML: partners,
	})
	return d, err
}

func (s *services) makeImage(g ground) (d service.Descriptor, err error) {
	cfg, err := g.cfg.Images.config(g.cfg)
	if err != nil {
		return d, err
	}
	s.image, d, err = imageservice.New(image.Deps{
		DB: g.db, Policy: s.policy, Log: g.log, Config: cfg, Stores: g.stores, Sagas: g.sagas, Tasks: g.tasks, Events: g.events, Identity: s.identity,
	})
	return d, err
}

func (s *services) makePlacement(g ground) (d service.Descriptor, err error) {
	s.placement, d, err = placementservice.New(placement.Deps{DB: g.db, Policy: s.policy, Events: g.events})
	return d, err
}

func (s *services) makeNetwork(g ground) (d service.Descriptor, err error) {
	s.network, d, err = networkservice.New(network.Deps{
		DB: g.db, Policy: s.policy, Log: g.log, Fabric: g.fabric, Events: g.events, Config: network.Config{ExternalPhysical: hoststack.OutsideNetwork},
	})
	return d, err
}

func (s *services) makeVolume(g ground) (d service.Descriptor, err error) {
	s.volume, d, err = volumeservice.New(volume.Deps{
		DB: g.db, Policy: s.policy, Sagas: g.sagas, Tasks: g.tasks, Events: g.events, Log: g.log,
		Bus: g.conn, Hosts: hostapi.Client{Bus: g.conn}, Images: s.image.Images, Identity: s.identity,
		Config: volume.Config{DataDir: g.cfg.path("backups")},
	}, g.master)
	return d, err
}

func (s *services) makeCompute(g ground) (d service.Descriptor, err error) {
	s.compute, d, err = computeservice.New(compute.Deps{
		DB: g.db, Policy: s.policy, Sagas: g.sagas, Tasks: g.tasks, Events: g.events, Bus: g.conn, Log: g.log,
		Network: s.network.Servers, Placement: s.placement, Images: s.image.Images, ImageData: s.image.Hosts, Identity: s.identity, NetworkProxy: s.network, ImageProxy: s.image.Images,
		Volumes: s.volume.Servers, VolumeProxy: s.volume,
		Config: compute.Config{ConsoleTTL: g.cfg.ConsoleTTL},
	}, console.Config{PublicURL: g.cfg.PublicURL, Dashboards: g.cfg.TrustedDashboards})
	return d, err
}

func (s *services) makeDashboard(g ground) (service.Descriptor, error) {
	return dashboardservice.New(dashboardservice.Deps{
		Files: web.Dist(), Session: identityapi.Browser(s.identity), Fault: identityapi.Fault,
		Events: g.events, Identity: s.identity, Policy: s.policy, Log: g.log,
	})
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
	for _, m := range makers {
		before := g.sagas.Kinds()
		d, err := m.make(s, g)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", m.name, err)
		}
		d.Sagas = slices.DeleteFunc(g.sagas.Kinds(), func(kind string) bool { return slices.Contains(before, kind) })
		s.list = append(s.list, d)
	}
	return s, nil
}

// apis are all that is served.
func (s *services) apis() []*httpx.Service {
	var out []*httpx.Service
	for _, d := range s.list {
		out = append(out, d.APIs...)
	}
	return out
}

// migrations are the schemas of all that keeps tables.
func (s *services) migrations() []store.Migrations {
	out := []store.Migrations{saga.Migrations(), audit.Migrations(), event.Migrations()}
	for _, d := range s.list {
		if d.Migrations.FS != nil {
			out = append(out, d.Migrations)
		}
	}
	return out
}

// catalogue is what a new cloud offers.
func (s *services) catalogue() []identity.CatalogEntry {
	var out []identity.CatalogEntry
	for _, d := range s.list {
		for _, e := range d.Catalog {
			out = append(out, identity.CatalogEntry{Type: e.Type, Name: e.Name, Public: e.Path})
		}
	}
	return out
}
