package computetest

import (
	"context"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"kumoi/internal/compute"
	"kumoi/internal/compute/api"
	"kumoi/internal/compute/sqlstore"
	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/bus"
	"kumoi/internal/kernel/change"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/logx"
	"kumoi/internal/kernel/policy"
	"kumoi/internal/kernel/saga"
	"kumoi/internal/kernel/store"
	"kumoi/internal/kernel/task"
	"kumoi/internal/network"
	fabric "kumoi/internal/network/fabric/fake"
	networkstore "kumoi/internal/network/sqlstore"
	"kumoi/internal/placement"
	placementstore "kumoi/internal/placement/sqlstore"
	"kumoi/internal/volume"
	volumeapi "kumoi/internal/volume/api"
	volumestore "kumoi/internal/volume/sqlstore"
)

// Image is the id of the image that every cloud of this package has.
const Image = "11111111-1111-4111-8111-111111111111"

// Cloud is compute with everything around it.
type Cloud struct {
	DB        *store.DB
	Service   *compute.Service
	Sagas     *saga.Engine
	Tasks     *task.Runner
	Network   *network.Service
	Placement *placement.Service
	Images    *Images
	Volumes   *volume.Service
	Backends  Backends // by host
	Conn      bus.Conn
	URL       string // of the API: http://…/compute
	VolumeURL string // of the volume service's: http://…/volume/v3
	agents    []*Agent
}

// Option changes a cloud before it is made.
type Option func(*compute.Deps)

// New makes a cloud with one host per name; sagas run if open.
func New(t testing.TB, db *store.DB, open bool, hosts []string, options ...Option) *Cloud {
	t.Helper()
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(db.Migrate(ctx, saga.Migrations(), placementstore.Migrations(), networkstore.Migrations(), volumestore.Migrations(), sqlstore.Migrations()))
	server, err := bus.StartServer(ctx, bus.ServerConfig{DataDir: t.TempDir()})
	must(err)
	t.Cleanup(server.Stop)
	conn, err := server.Connect()
	must(err)
	t.Cleanup(func() { _ = conn.Close() })

	rules := policy.New()
	c := &Cloud{DB: db, Conn: conn, Images: NewImages(Image), Tasks: task.NewRunner(nil)}
	c.Sagas = saga.NewEngine(db, saga.Config{Backoff: func(int) time.Duration { return time.Millisecond }})
	c.Placement = placement.New(placement.Deps{DB: db, Tables: placementstore.Tables(), Policy: rules})
	c.Network, err = network.New(network.Deps{DB: db, Policy: rules, Log: logx.Discard(), Fabric: fabric.New(), Tables: networkstore.Tables()})
	must(err)
	must(c.Network.Start(ctx))
	t.Cleanup(c.Network.Stop)
	c.Backends = newBackends(hosts)
	var asked compute.Deps // what the options say that is everybody's
	for _, o := range options {
		o(&asked)
	}
	c.Volumes, err = volume.New(volume.Deps{
		DB: db, Tables: volumestore.Tables(), Policy: rules, Sagas: c.Sagas, Tasks: c.Tasks, Events: asked.Events, Bus: conn, Log: logx.Discard(),
		Hosts: c.Backends, Images: c.Images, Config: volume.Config{DataDir: t.TempDir()},
	})
	must(err)
	must(c.Volumes.Start(ctx))
	t.Cleanup(c.Volumes.Stop)
	must(c.Backends.report(ctx, c.Volumes))
	c.Tasks.Add(c.Backends.reports(c.Volumes))
	deps := compute.Deps{
		DB: db, Store: sqlstore.New(), Tables: sqlstore.Tables(), Policy: rules, Sagas: c.Sagas, Tasks: c.Tasks, Bus: conn,
		Network: c.Network.Servers, Images: c.Images, ImageData: c.Images, Placement: c.Placement, NetworkProxy: c.Network, Volumes: c.Volumes.Servers, VolumeProxy: c.Volumes,
		Config: compute.Config{MaxBuildAttempts: 3},
	}
	for _, o := range options {
		o(&deps)
	}
	c.Service, err = compute.New(deps)
	must(err)
	must(c.Service.Start(ctx))
	t.Cleanup(c.Service.Stop)
	for _, h := range hosts {
		a := NewAgent(t, conn, h)
		c.agents = append(c.agents, a)
		must(c.Service.Reports.TakeHost(actor.AsSystem(ctx, "test"), a.Report()))
	}
	if open {
		must(c.Sagas.Open(ctx))
		t.Cleanup(c.Sagas.Close)
		c.Tasks.Start()
		t.Cleanup(c.Tasks.Stop)
	}
	gw, err := httpx.NewGateway(httpx.Config{Services: []*httpx.Service{api.New(c.Service), volumeapi.New(c.Volumes)}, Auth: Tokens{}, Log: logx.Discard()})
	must(err)
	web := httptest.NewServer(gw)
	t.Cleanup(web.Close)
	c.URL, c.VolumeURL = web.URL+"/compute", web.URL+"/volume/v3"
	return c
}

// Agent returns a host by name.
func (c *Cloud) Agent(name string) *Agent {
	i := slices.IndexFunc(c.agents, func(a *Agent) bool { return a.Name == name })
	return c.agents[i]
}

// Beat has a host report itself.
func (c *Cloud) Beat(ctx context.Context, name string) error {
	return c.Service.Reports.TakeHost(actor.AsSystem(ctx, "test"), c.Agent(name).Report())
}

// Tokens is an identity service whose tokens read "PROJECT" or "PROJECT:ROLE".
type Tokens struct{}

// Authenticate reads such a token.
func (Tokens) Authenticate(_ context.Context, token, _ string) (*actor.Actor, error) {
	project, role, _ := strings.Cut(token, ":")
	if project == "" {
		return nil, errs.New(errs.Unauthenticated, "no token")
	}
	return Actor(project, role), nil
}

// Actor is a user of a project: a member, or "reader" or "admin".
func Actor(project, role string) *actor.Actor {
	roles := map[string][]string{"": {"member", "reader"}, "reader": {"reader"}, "admin": {"admin", "manager", "member", "reader"}}
	return &actor.Actor{UserID: "u-" + project, ProjectID: project, Roles: roles[role], RequestID: "req-test"}
}

// MakeNetwork makes a network with a subnet in a project and returns its id.
func (c *Cloud) MakeNetwork(ctx context.Context, project, name, cidr string) (string, error) {
	return makeNetwork(actor.With(ctx, Actor(project, "")), c, name, cidr)
}

func makeNetwork(ctx context.Context, c *Cloud, name, cidr string) (string, error) {
	prefix, err := netip.ParsePrefix(cidr)
	if err != nil {
		return "", err
	}
	n, err := c.Network.Networks.Create(ctx, change.New(func(n *network.Network) { n.Name = name }))
	if err != nil {
		return "", err
	}
	_, err = c.Network.Subnets.Create(ctx, change.New(func(s *network.NewSubnet) { s.NetworkID, s.CIDR, s.IPVersion = n.ID, prefix, 4 }))
	return n.ID, err
}
