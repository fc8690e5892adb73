package network_test

import (
	"context"
	"log/slog"
	"net/netip"
	"testing"
	"time"

	"kumoi/internal/kernel/actor"
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
	told   []string // servers that were said to have other floating IPs
}

func newCloud(t *testing.T, db *store.DB) *cloud {
	t.Helper()
	if err := db.Migrate(t.Context(), networkstore.Migrations()); err != nil {
		t.Fatal(err)
	}
	c := &cloud{t: t, db: db, fabric: fake.New()}
	var err error
	c.Service, err = network.New(network.Deps{
		DB: db, Policy: policy.New(), Log: slog.New(slog.DiscardHandler), Fabric: c.fabric, Tables: networkstore.Tables(),
		OnServer: func(_ context.Context, tx *store.Tx, id string) error {
			tx.AfterCommit(func() { c.told = append(c.told, id) })
			return nil
		},
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

// write runs f in one transaction and fails the test if it fails.
func (c *cloud) write(ctx context.Context, f func(tx *store.Tx) error) {
	c.t.Helper()
	if err := c.Write(ctx, f); err != nil {
		c.t.Fatal(err)
	}
}

func (c *cloud) network(ctx context.Context, n network.Network) *network.Network {
	c.t.Helper()
	n.AdminStateUp, n.PortSecurity = true, true
	var made network.Network
	c.write(ctx, func(tx *store.Tx) error {
		made = n
		return c.CreateNetwork(ctx, tx, &made, network.Change{})
	})
	return &made
}

func (c *cloud) subnet(ctx context.Context, networkID, cidr string, more ...func(*network.Subnet)) *network.Subnet {
	c.t.Helper()
	var made *network.Subnet
	c.write(ctx, func(tx *store.Tx) error {
		made = &network.Subnet{NetworkID: networkID, CIDR: netip.MustParsePrefix(cidr), DHCP: true}
		for _, f := range more {
			f(made)
		}
		return c.CreateSubnet(ctx, tx, network.NewSubnet{Subnet: made}, network.Change{})
	})
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
	var made *network.Port
	err := c.Write(ctx, func(tx *store.Tx) error {
		made = &network.Port{NetworkID: networkID, AdminStateUp: true}
		return c.CreatePort(ctx, tx, network.NewPort{Port: made, WantIPs: ips, IPsGiven: len(ips) > 0}, network.Change{})
	})
	return made, err
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
	c.write(ctx, func(tx *store.Tx) error {
		r.router = &network.Router{AdminStateUp: true}
		if err := c.CreateRouter(ctx, tx, network.NewRouter{Router: r.router, Gateway: &network.GatewayRequest{NetworkID: r.outside.ID}}, network.Change{}); err != nil {
			return err
		}
		_, err := c.AddRouterInterface(ctx, tx, r.router.ID, r.subnet.ID, "")
		return err
	})
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
