package network_test

import (
	"context"
	"log/slog"
	"net/netip"
	"testing"
	"time"

	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/change"
	"kumoi/internal/kernel/event"
	"kumoi/internal/kernel/policy"
	"kumoi/internal/kernel/store"
	"kumoi/internal/network"
	"kumoi/internal/network/fabric/fake"
	networkstore "kumoi/internal/network/sqlstore"
)

// cloud is a network service on a database with a fake fabric.
type cloud struct {
	*network.Service
	t      *testing.T
	db     *store.DB
	fabric *fake.Fabric
	events *event.Log
}

func newCloud(t *testing.T, db *store.DB) *cloud {
	t.Helper()
	if err := db.Migrate(t.Context(), networkstore.Migrations(), event.Migrations()); err != nil {
		t.Fatal(err)
	}
	c := &cloud{t: t, db: db, fabric: fake.New(), events: event.New(db, event.Config{})}
	var err error
	c.Service, err = network.New(network.Deps{
		DB: db, Policy: policy.New(), Log: slog.New(slog.DiscardHandler), Fabric: c.fabric, Tables: networkstore.Tables(),
		Events: c.events,
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Stop)
	return c
}

// as is a context of somebody with a role in a project.
func as(t *testing.T, project string, roles ...string) context.Context {
	if len(roles) == 0 {
		roles = []string{"member", "reader"}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return actor.With(ctx, &actor.Actor{UserID: "user-of-" + project, ProjectID: project, Roles: roles})
}

func admin(t *testing.T) context.Context { return as(t, "admin", "admin", "member", "reader") }

func (c *cloud) network(ctx context.Context, n network.Network) *network.Network {
	c.t.Helper()
	n.AdminStateUp, n.PortSecurity = true, true
	made, err := c.Networks.Create(ctx, change.New(func(v *network.Network) { *v = n }))
	if err != nil {
		c.t.Fatal(err)
	}
	return made
}

func (c *cloud) subnet(ctx context.Context, networkID, cidr string, more ...func(*network.Subnet)) *network.Subnet {
	c.t.Helper()
	made, err := c.Subnets.Create(ctx, change.New(func(n *network.NewSubnet) {
		n.NetworkID, n.CIDR = networkID, netip.MustParsePrefix(cidr)
		for _, f := range more {
			f(&n.Subnet)
		}
	}))
	if err != nil {
		c.t.Fatal(err)
	}
	return made
}

func (c *cloud) port(ctx context.Context, networkID string) *network.Port {
	c.t.Helper()
	p, err := c.tryPort(ctx, networkID)
	if err != nil {
		c.t.Fatal(err)
	}
	return p
}

func (c *cloud) tryPort(ctx context.Context, networkID string, ips ...network.FixedIP) (*network.Port, error) {
	return c.Ports.Create(ctx, change.New(func(p *network.NewPort) {
		p.NetworkID, p.WantIPs, p.IPsGiven = networkID, ips, len(ips) > 0
	}))
}

// floating gives a port a floating IP.
func (c *cloud) floating(ctx context.Context, outside, port string) *network.FloatingIP {
	c.t.Helper()
	f, err := c.FloatingIPs.Create(ctx, change.New(func(f *network.NewFloatingIP) { f.NetworkID, f.PortID = outside, port }))
	if err != nil {
		c.t.Fatal(err)
	}
	return f
}

// routed is a project's network behind a router with a way outside.
type routed struct {
	outside, inside *network.Network
	subnet          *network.Subnet
	router          *network.Router
}

func (c *cloud) routed(ctx context.Context) routed {
	c.t.Helper()
	var r routed
	r.outside = c.network(admin(c.t), network.Network{Standard: network.Standard{Name: "outside"}, External: true, Type: network.TypeFlat, Physical: "outside"})
	c.subnet(admin(c.t), r.outside.ID, "203.0.113.0/24", func(s *network.Subnet) { s.DHCP = false })
	r.inside = c.network(ctx, network.Network{Standard: network.Standard{Name: "inside"}})
	r.subnet = c.subnet(ctx, r.inside.ID, "10.0.0.0/24")
	var err error
	r.router, err = c.Routers.Create(ctx, change.New(func(n *network.NewRouter) { n.WantGateway = &network.GatewayRequest{NetworkID: r.outside.ID} }))
	if err == nil {
		_, err = c.Routers.AddInterface(ctx, r.router.ID, r.subnet.ID, "")
	}
	if err != nil {
		c.t.Fatal(err)
	}
	return r
}

// eventually waits until ok says yes.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(10 * time.Second)
	for !ok() {
		select {
		case <-deadline:
			t.Fatalf("never happened: %s", what)
		case <-time.After(2 * time.Millisecond):
		}
	}
}
