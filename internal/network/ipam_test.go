package network_test

import (
	"net/netip"
	"sync"
	"testing"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
	"kumoi/internal/kernel/store/storetest"
	"kumoi/internal/network"
)

// Ports made at the same time never share an address, and the pool is used to its end.
func TestAddressesAreGivenOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c, ctx := newCloud(t, db), as(t, "p")
		n := c.network(ctx, network.Network{})
		c.subnet(ctx, n.ID, "10.0.0.0/27") // 30 hosts, less the gateway and the metadata port
		const want = 28
		var mu sync.Mutex
		var wg sync.WaitGroup
		seen := map[netip.Addr]bool{}
		for range 4 {
			wg.Go(func() {
				for range want / 4 {
					p, err := c.tryPort(ctx, n.ID)
					mu.Lock()
					if err != nil {
						t.Error(err)
					} else if ip := p.FixedIPs[0].IP; seen[ip] {
						t.Errorf("%s was given twice", ip)
					} else {
						seen[ip] = true
					}
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		if len(seen) != want {
			t.Fatalf("%d addresses given, want %d", len(seen), want)
		}
		_, err := c.tryPort(ctx, n.ID)
		if e := errs.As(err); e.Code != "IpAddressGenerationFailure" || e.Kind != errs.Conflict {
			t.Fatalf("a full pool: %v", err)
		}
	})
}

func TestAddressesAskedFor(t *testing.T) {
	c, ctx := newCloud(t, storetest.SQLite(t)), as(t, "p")
	n := c.network(ctx, network.Network{})
	sub := c.subnet(ctx, n.ID, "10.0.0.0/24")
	c.subnet(ctx, n.ID, "fd00::/64", func(s *network.Subnet) { s.IPv6RA, s.IPv6Address = "slaac", "slaac" })
	p, err := c.tryPort(ctx, n.ID, network.FixedIP{IP: netip.MustParseAddr("10.0.0.77")})
	if err != nil || p.FixedIPs[0].IP.String() != "10.0.0.77" {
		t.Fatalf("%v %v", p, err)
	}
	for _, x := range []struct{ ip, subnet, code string }{
		{"10.0.0.77", "", "IpAddressAlreadyAllocated"},
		{"10.9.9.9", "", "InvalidIpForNetwork"},
		{"10.9.9.9", sub.ID, "InvalidIpForSubnet"},
		{"10.0.0.255", sub.ID, "InvalidIpForSubnet"},
		{"10.0.0.9", "11111111-1111-4111-8111-111111111111", "SubnetNotFound"},
	} {
		_, err := c.tryPort(ctx, n.ID, network.FixedIP{SubnetID: x.subnet, IP: netip.MustParseAddr(x.ip)})
		if err == nil || errs.As(err).Code != x.code {
			t.Errorf("%s on %q: %v, want %s", x.ip, x.subnet, err, x.code)
		}
	}
	p = c.port(ctx, n.ID)
	if len(p.FixedIPs) != 2 || !p.FixedIPs[1].IP.Is6() {
		t.Errorf("a port on a network with IPv4 and SLAAC has %v", p.FixedIPs)
	}
}
