// Package fabrictest is the suite that every fabric passes.
package fabrictest

import (
	"context"
	"net/netip"
	"sync"
	"testing"
	"time"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/network/fabric"
)

// Backend is a fabric under test, and the world around it.
type Backend interface {
	fabric.Fabric
	// Has tells whether the fabric holds the resource now.
	Has(k fabric.Key) bool
	// Join adds a chassis.
	Join(c fabric.Chassis)
	// Plug and Unplug play the host: the port's interface appears on the
	// switch, if the port is bound there, and goes.
	Plug(port, host string)
	Unplug(port string)
	// Forget loses everything that was stated.
	Forget()
	// Away makes the fabric unreachable, or reachable again.
	Away(away bool)
}

// The resources of the suite's statements.
const (
	network   = "11111111-0000-4000-8000-000000000001"
	subnet    = "11111111-0000-4000-8000-000000000002"
	port      = "11111111-0000-4000-8000-000000000003"
	metadata  = "11111111-0000-4000-8000-000000000004"
	inside    = "11111111-0000-4000-8000-000000000005"
	group     = "11111111-0000-4000-8000-000000000006"
	addresses = "11111111-0000-4000-8000-000000000007"
	router    = "11111111-0000-4000-8000-000000000008"
	host      = "host-a"
)

// Statement is a small cloud: a network with a guest behind a router.
func Statement() fabric.Statement {
	ip := netip.MustParseAddr
	low, high := 22, 22
	return fabric.Statement{
		Networks: []fabric.Network{{
			ID: network, Name: "private", AdminUp: true, MTU: 1442,
			Subnets: []fabric.Subnet{{
				ID: subnet, CIDR: netip.MustParsePrefix("10.0.0.0/24"), Gateway: ip("10.0.0.1"), DHCP: true,
				Metadata: ip("10.0.0.2"), MTU: 1442,
			}},
		}},
		Ports: []fabric.Port{
			{
				ID: port, NetworkID: network, DeviceOwner: "compute:nova", DeviceID: "server", MAC: "fa:16:3e:00:00:10", AdminUp: true,
				PortSecurity: true, Groups: []string{group}, Host: host, DNSName: "guest",
				IPs: []fabric.Address{{IP: ip("10.0.0.10"), SubnetID: subnet}},
			},
			{
				ID: metadata, NetworkID: network, DeviceOwner: "network:distributed", MAC: "fa:16:3e:00:00:02", AdminUp: true,
				Role: fabric.RoleMetadata, IPs: []fabric.Address{{IP: ip("10.0.0.2"), SubnetID: subnet}},
			},
			{
				ID: inside, NetworkID: network, DeviceOwner: "network:router_interface", MAC: "fa:16:3e:00:00:01", AdminUp: true,
				Role: fabric.RoleRouter, IPs: []fabric.Address{{IP: ip("10.0.0.1"), SubnetID: subnet}},
			},
		},
		Groups: []fabric.Group{{
			ID: group, Name: "default", Stateful: true, Rules: []fabric.Rule{
				{ID: "ssh", Ingress: true, Protocol: "tcp", PortMin: &low, PortMax: &high, RemoteAddresses: addresses},
				{ID: "friends", Ingress: true, RemoteGroup: group},
				{ID: "out"},
			},
		}},
		Addresses: []fabric.Addresses{{ID: addresses, Prefixes: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}}},
		Routers: []fabric.Router{{
			ID: router, AdminUp: true, Interfaces: []fabric.Interface{{
				PortID: inside, NetworkID: network, MAC: "fa:16:3e:00:00:01", MTU: 1442,
				Addresses: []netip.Prefix{netip.MustParsePrefix("10.0.0.1/24")},
			}},
		}},
	}
}

func keys() []fabric.Key {
	return []fabric.Key{
		{Kind: fabric.KindNetwork, ID: network},
		{Kind: fabric.KindPort, ID: port},
		{Kind: fabric.KindPort, ID: metadata},
		{Kind: fabric.KindPort, ID: inside},
		{Kind: fabric.KindGroup, ID: group},
		{Kind: fabric.KindAddresses, ID: addresses},
		{Kind: fabric.KindRouter, ID: router},
	}
}

// Run runs the suite; each test gets a new backend.
func Run(t *testing.T, open func(t *testing.T) Backend) {
	tests := map[string]func(*testing.T, *bench){
		"a statement is carried out and may be repeated": stated,
		"what is gone goes":                       gone,
		"a full statement removes strangers":      full,
		"resources may come one by one":           piecemeal,
		"a port on an unknown network is refused": unknownNetwork,
		"ports come up and go down":               upAndDown,
		"chassis are told":                        chassis,
		"lost state is asked for again":           lost,
		"away is Unavailable":                     away,
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			b := &bench{Backend: open(t), t: t, changed: make(chan struct{}, 1)}
			if err := b.Start(t.Context(), b.take); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(b.Stop)
			b.wait("the first Resync", func() bool { return b.count(fabric.Resync) > 0 })
			test(t, b)
		})
	}
}

// bench gathers a backend's events.
type bench struct {
	Backend
	t *testing.T

	mu      sync.Mutex
	events  []fabric.Event
	changed chan struct{}
}

func (b *bench) take(e fabric.Event) {
	b.mu.Lock()
	b.events = append(b.events, e)
	b.mu.Unlock()
	select {
	case b.changed <- struct{}{}:
	default:
	}
}

func (b *bench) wait(what string, ok func() bool) {
	b.t.Helper()
	timeout := time.After(20 * time.Second)
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for !ok() {
		select {
		case <-b.changed:
		case <-again.C:
		case <-timeout:
			b.mu.Lock()
			defer b.mu.Unlock()
			b.t.Fatalf("%s did not happen; events: %+v", what, b.events)
		}
	}
}

func (b *bench) count(kind fabric.EventKind) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := 0
	for _, e := range b.events {
		if e.Kind == kind {
			n++
		}
	}
	return n
}

// last is the newest event of a port.
func (b *bench) last(port string) (fabric.Event, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := len(b.events) - 1; i >= 0; i-- {
		if b.events[i].PortID == port {
			return b.events[i], true
		}
	}
	return fabric.Event{}, false
}

func (b *bench) apply(s fabric.Statement) {
	b.t.Helper()
	if err := b.Apply(b.t.Context(), s); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) requireHas(want bool, ks ...fabric.Key) {
	b.t.Helper()
	for _, k := range ks {
		if b.Has(k) != want {
			b.t.Errorf("%s %s is there: %v", k.Kind, k.ID, !want)
		}
	}
}

func stated(_ *testing.T, b *bench) {
	b.requireHas(false, keys()...)
	for range 2 {
		b.apply(Statement())
		b.requireHas(true, keys()...)
	}
}

func gone(_ *testing.T, b *bench) {
	b.apply(Statement())
	ks := keys()
	for i := len(ks) - 1; i >= 0; i-- {
		b.apply(fabric.Statement{Gone: ks[i : i+1]})
		b.requireHas(false, ks[i:]...)
		b.requireHas(true, ks[:i]...)
	}
	b.apply(fabric.Statement{Gone: ks})
	b.apply(Statement())
	b.apply(fabric.Statement{Gone: ks})
	b.requireHas(false, ks...)
}

func full(_ *testing.T, b *bench) {
	b.apply(Statement())
	s := Statement()
	b.apply(fabric.Statement{Full: true, Networks: s.Networks, Ports: s.Ports[:1], Groups: s.Groups, Addresses: s.Addresses})
	ks := keys()
	b.requireHas(true, ks[0], ks[1], ks[4], ks[5])
	b.requireHas(false, ks[2], ks[3], ks[6])
	b.apply(fabric.Statement{Full: true})
	b.requireHas(false, ks...)
}

func piecemeal(_ *testing.T, b *bench) {
	s := Statement()
	b.apply(fabric.Statement{Networks: s.Networks})
	b.apply(fabric.Statement{Ports: s.Ports[:1]})
	b.apply(fabric.Statement{Ports: s.Ports[1:]})
	b.apply(fabric.Statement{Routers: s.Routers})
	b.apply(fabric.Statement{Groups: s.Groups})
	b.apply(fabric.Statement{Addresses: s.Addresses})
	b.requireHas(true, keys()...)
}

func unknownNetwork(t *testing.T, b *bench) {
	s := Statement()
	err := b.Apply(t.Context(), fabric.Statement{Ports: s.Ports})
	if !errs.Is(err, errs.Conflict) {
		t.Fatalf("got %v, want a Conflict", err)
	}
	b.requireHas(false, keys()...)
}

func upAndDown(_ *testing.T, b *bench) {
	b.Join(fabric.Chassis{ID: host, Host: host})
	b.apply(Statement())
	b.Plug(port, host)
	b.wait("PortUp", func() bool {
		e, ok := b.last(port)
		return ok && e.Kind == fabric.PortUp && e.Host == host
	})
	s := Statement()
	s.Ports[0].Host = ""
	b.apply(s)
	b.Unplug(port)
	b.wait("PortDown", func() bool {
		e, ok := b.last(port)
		return ok && e.Kind == fabric.PortDown
	})
}

func chassis(t *testing.T, b *bench) {
	before := b.count(fabric.ChassisNews)
	want := fabric.Chassis{ID: "one", Host: host, Mappings: map[string]string{"outside": "br-kumoi"}, Encaps: []string{"geneve"}}
	b.Join(want)
	b.wait("ChassisNews", func() bool { return b.count(fabric.ChassisNews) > before })
	cs, err := b.Chassis(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cs {
		if c.ID == want.ID && c.Host == want.Host && c.Mappings["outside"] == "br-kumoi" && len(c.Encaps) == 1 && c.Encaps[0] == "geneve" {
			return
		}
	}
	t.Fatalf("chassis are %+v, want %+v among them", cs, want)
}

func lost(_ *testing.T, b *bench) {
	b.apply(Statement())
	before := b.count(fabric.Resync)
	b.Forget()
	b.wait("another Resync", func() bool { return b.count(fabric.Resync) > before })
	b.requireHas(false, keys()...)
	s := Statement()
	s.Full = true
	b.apply(s)
	b.requireHas(true, keys()...)
}

func away(t *testing.T, b *bench) {
	before := b.count(fabric.Resync)
	b.Away(true)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if err := b.Apply(ctx, Statement()); !errs.Is(err, errs.Unavailable) {
		t.Fatalf("got %v, want Unavailable", err)
	}
	b.Away(false)
	b.wait("Resync when it is back", func() bool { return b.count(fabric.Resync) > before })
	b.apply(Statement())
	b.requireHas(true, keys()...)
}
