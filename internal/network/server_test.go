package network_test

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"kumoi/internal/kernel/change"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/event"
	"kumoi/internal/kernel/ids"
	"kumoi/internal/kernel/store"
	"kumoi/internal/kernel/store/storetest"
	"kumoi/internal/network"
)

func (c *cloud) allocate(ctx context.Context, req network.AllocateRequest) ([]*network.Port, error) {
	var ps []*network.Port
	err := c.Write(ctx, func(tx *store.Tx) (err error) {
		ps, err = c.Servers.AllocatePortsTx(ctx, tx, req)
		return err
	})
	return ps, err
}

// A server's ports, from the request to their end.
func TestPortsOfAServer(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c, ctx := newCloud(t, db), as(t, "p")
		r := c.routed(ctx)
		own := c.port(ctx, r.inside.ID)
		server := ids.New()
		ps, err := c.allocate(ctx, network.AllocateRequest{ServerID: server, ProjectID: "p", Hostname: "web", Networks: []network.RequestedNetwork{
			{NetworkID: r.inside.ID, FixedIP: "10.0.0.50"}, {PortID: own.ID, Tag: "data"},
		}})
		if err != nil {
			t.Fatal(err)
		}
		if len(ps) != 2 || ps[0].FixedIPs[0].IP.String() != "10.0.0.50" || ps[1].ID != own.ID || ps[1].DeviceOwner != "compute:nova" {
			t.Fatalf("allocated %+v", ps)
		}
		if _, err := c.allocate(ctx, network.AllocateRequest{ServerID: ids.New(), ProjectID: "p", Networks: []network.RequestedNetwork{{PortID: own.ID}}}); !errs.Is(err, errs.Conflict) {
			t.Fatalf("a port in use was given again: %v", err)
		}
		for range 2 { // repeating is harmless
			if err := c.Servers.BindPorts(ctx, server, "host1"); err != nil {
				t.Fatal(err)
			}
		}
		if p, ok := c.fabric.Port(own.ID); !ok || p.Host != "host1" {
			t.Fatalf("the fabric has %+v when BindPorts returns", p)
		}
		if err := c.Servers.WaitPortsUp(ctx, server); err != nil {
			t.Fatal(err)
		}
		nics, err := c.Servers.NICSpecs(ctx, server)
		if err != nil {
			t.Fatal(err)
		}
		nic := nics[0]
		if nic.MTU != 1442 || nic.Network != "inside" || nic.MetadataPort.PortID == "" || !nic.Subnets[0].CIDR.Contains(nic.MetadataPort.IPs[0].Addr()) || nic.Subnets[0].Gateway.String() != "10.0.0.1" {
			t.Errorf("NIC %+v", nic)
		}
		f := c.floating(ctx, r.outside.ID, own.ID)
		addrs, err := c.Servers.ServerAddresses(ctx, []string{server, "another"})
		if err != nil {
			t.Fatal(err)
		}
		if got := addrs[server]; len(got) != 3 || got[0].IP.String() != "10.0.0.50" || !got[2].Floating || got[2].IP != f.Address || got[2].Network != "inside" {
			t.Errorf("addresses %+v", got)
		}
		for range 2 {
			if err := c.Servers.ReleasePorts(ctx, server); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := c.Ports.Show(ctx, ps[0].ID); !errs.Is(err, errs.NotFound) {
			t.Errorf("the port made for the server is still there: %v", err)
		}
		if p, err := c.Ports.Show(ctx, own.ID); err != nil || p.DeviceID != "" || p.Host != "" || p.Status != network.StatusDown {
			t.Errorf("the port given to the server: %+v %v", p, err)
		}
	})
}

// Which network a server gets when it asks for none.
func TestTheOnlyNetwork(t *testing.T) {
	c, ctx := newCloud(t, storetest.SQLite(t)), as(t, "p")
	req := func() ([]*network.Port, error) {
		return c.allocate(ctx, network.AllocateRequest{ServerID: ids.New(), ProjectID: "p"})
	}
	if ps, err := req(); err != nil || len(ps) != 0 {
		t.Fatalf("no network: %v %v", ps, err)
	}
	n := c.network(ctx, network.Network{})
	c.subnet(ctx, n.ID, "10.0.0.0/24")
	other := c.network(as(t, "q"), network.Network{})
	c.subnet(as(t, "q"), other.ID, "10.0.0.0/24")
	if ps, err := req(); err != nil || len(ps) != 1 || ps[0].NetworkID != n.ID {
		t.Fatalf("one network: %v %v", ps, err)
	}
	shared := c.network(admin(t), network.Network{Shared: true})
	c.subnet(admin(t), shared.ID, "10.1.0.0/24")
	if _, err := req(); err == nil || errs.As(err).Code != "NetworkAmbiguous" {
		t.Fatalf("two networks: %v", err)
	}
	if _, err := c.allocate(ctx, network.AllocateRequest{ServerID: ids.New(), ProjectID: "p", Auto: true}); err == nil || errs.As(err).Code != "NetworkAmbiguous" {
		t.Fatalf("two networks, automatic: %v", err)
	}
	if _, err := c.allocate(ctx, network.AllocateRequest{ServerID: ids.New(), ProjectID: "p", Networks: []network.RequestedNetwork{{NetworkID: other.ID}}}); !errs.Is(err, errs.NotFound) {
		t.Errorf("another project's network: %v", err)
	}
}

// Who asks for any network, and has none, gets one made.
func TestAnyNetwork(t *testing.T) {
	c, ctx := newCloud(t, storetest.SQLite(t)), as(t, "p")
	any := func() ([]*network.Port, error) {
		return c.allocate(ctx, network.AllocateRequest{ServerID: ids.New(), ProjectID: "p", Auto: true})
	}
	if _, err := any(); !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), "No default router:external network") {
		t.Fatalf("nothing to make it from: %v", err)
	}
	outside := c.network(admin(t), network.Network{External: true, Default: true})
	c.subnet(admin(t), outside.ID, "192.0.2.0/24")
	_, err := c.SubnetPools.Create(admin(t), change.New(func(p *network.SubnetPool) {
		p.Default, p.Prefixes, p.DefaultPrefixLen = true, []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, 26
	}))
	if err != nil {
		t.Fatal(err)
	}
	first, err := any()
	if err != nil || len(first) != 1 || len(first[0].FixedIPs) != 1 {
		t.Fatalf("made: %v %v", first, err)
	}
	second, err := any()
	if err != nil || len(second) != 1 || second[0].NetworkID != first[0].NetworkID {
		t.Errorf("asked again: %v %v", second, err)
	}
}

// A fabric that is away is told everything when it is back; one that lost all, too.
func TestFabricComesBack(t *testing.T) {
	c, ctx := newCloud(t, storetest.SQLite(t)), as(t, "p")
	r := c.routed(ctx)
	if err := c.Sync(ctx); err != nil {
		t.Fatal(err)
	}
	c.fabric.Fail(errors.New("no route to host"))
	server := ids.New()
	if _, err := c.allocate(ctx, network.AllocateRequest{ServerID: server, ProjectID: "p", Networks: []network.RequestedNetwork{{NetworkID: r.inside.ID}}}); err != nil {
		t.Fatal(err)
	}
	if err := c.Servers.BindPorts(ctx, server, "host1"); !errs.Is(err, errs.Unavailable) {
		t.Fatalf("binding without a fabric: %v", err)
	}
	c.fabric.Fail(nil)
	if err := c.Servers.WaitPortsUp(ctx, server); err != nil {
		t.Fatal(err)
	}
	c.fabric.Forget()
	eventually(t, "the fabric knows everything again", func() bool {
		_, okN := c.fabric.Network(r.inside.ID)
		rt, okR := c.fabric.Router(r.router.ID)
		return okN && okR && len(rt.Interfaces) == 2
	})
}

// A server is told of every change of its floating IPs; other ports have nobody to tell.
func TestServersAreToldOfFloatingIPs(t *testing.T) {
	c, ctx := newCloud(t, storetest.SQLite(t)), as(t, "p")
	r := c.routed(ctx)
	server := ids.New()
	made, err := c.allocate(ctx, network.AllocateRequest{ServerID: server, ProjectID: "p", Networks: []network.RequestedNetwork{{NetworkID: r.inside.ID}}})
	if err != nil {
		t.Fatal(err)
	}
	f := c.floating(ctx, r.outside.ID, made[0].ID)
	move := func(port string) {
		t.Helper()
		if _, err := c.FloatingIPs.Update(ctx, f.ID, change.New(func(f *network.NewFloatingIP) {
			f.Associate, f.PortID, f.FixedIP = true, port, netip.Addr{}
		})); err != nil {
			t.Fatal(err)
		}
	}
	move("")
	move(c.port(ctx, r.inside.ID).ID)
	move(made[0].ID)
	if err := c.FloatingIPs.Delete(ctx, f.ID); err != nil {
		t.Fatal(err)
	}
	events, _, err := c.events.Since(ctx, event.Position{}, event.Filter{Type: network.ServerChanged})
	if err != nil {
		t.Fatal(err)
	}
	var told []string
	for _, e := range events {
		told = append(told, e.Resource)
	}
	if want := []string{server, server, server, server}; !slices.Equal(told, want) {
		t.Errorf("told %q, want %q", told, want)
	}
}

// What the fabric is told of a router with a floating IP.
func TestRouterStatement(t *testing.T) {
	c, ctx := newCloud(t, storetest.SQLite(t)), as(t, "p")
	r := c.routed(ctx)
	p := c.port(ctx, r.inside.ID)
	f := c.floating(ctx, r.outside.ID, p.ID)
	if err := c.Sync(ctx); err != nil {
		t.Fatal(err)
	}
	got, _ := c.fabric.Router(r.router.ID)
	var snat, floating int
	for _, n := range got.NATs {
		if n.Floating() {
			floating++
			if n.External != f.Address || n.Internal.Addr() != p.FixedIPs[0].IP || n.PortID != p.ID {
				t.Errorf("floating IP %+v", n)
			}
		} else {
			snat++
			if n.Internal != netip.MustParsePrefix("10.0.0.0/24") {
				t.Errorf("SNAT %+v", n)
			}
		}
	}
	if snat != 1 || floating != 1 {
		t.Fatalf("translations %+v", got.NATs)
	}
	if _, ok := c.fabric.Port(f.OutsidePort); ok {
		t.Error("the floating IP's own port is in the fabric")
	}
	_, err := c.Routers.RemoveInterface(ctx, r.router.ID, r.subnet.ID, "")
	if err == nil || errs.As(err).Code != "RouterInterfaceInUseByFloatingIP" {
		t.Errorf("the interface under a floating IP was removed: %v", err)
	}
	if err := c.Ports.Delete(ctx, p.ID); err != nil {
		t.Fatal(err)
	}
	if f, err = c.FloatingIPs.Show(ctx, f.ID); err != nil || f.PortID != "" || f.Status != network.StatusDown {
		t.Errorf("after its port's end the floating IP is %+v (%v)", f, err)
	}
}

// A bound port reaches the fabric at once, not at the next round.
func TestBindingIsQuick(t *testing.T) {
	c, ctx := newCloud(t, storetest.SQLite(t)), as(t, "p")
	n := c.network(ctx, network.Network{})
	c.subnet(ctx, n.ID, "10.0.0.0/16")
	best := time.Hour
	for range 20 {
		server := ids.New()
		if _, err := c.allocate(ctx, network.AllocateRequest{ServerID: server, ProjectID: "p"}); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		if err := c.Servers.BindPorts(ctx, server, "host1"); err != nil {
			t.Fatal(err)
		}
		best = min(best, time.Since(start))
	}
	if best > 50*time.Millisecond {
		t.Errorf("binding took %s at best", best)
	}
}
