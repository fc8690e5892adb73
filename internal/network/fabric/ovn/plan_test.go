package ovn

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ovn-kubernetes/libovsdb/ovsdb"

	"kumoi/internal/network/fabric"
	"kumoi/internal/network/fabric/fabrictest"
)

// startWorld is a world whose fabric is connected.
func startWorld(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	ready := make(chan struct{}, 100)
	if err := w.Start(t.Context(), func(e fabric.Event) {
		if e.Kind == fabric.Resync {
			ready <- struct{}{}
		}
	}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Stop)
	select {
	case <-ready:
	case <-time.After(20 * time.Second):
		t.Fatal("OVN's databases do not come")
	}
	return w
}

func (w *world) apply(s fabric.Statement) {
	w.db.t.Helper()
	if err := w.Apply(w.db.t.Context(), s); err != nil {
		w.db.t.Fatal(err)
	}
}

// operations are what the statement would do now.
func (w *world) operations(s fabric.Statement) []ovsdb.Operation {
	w.db.t.Helper()
	hosts, _ := w.events.hosts()
	known := cached{w.nb.current().Cache()}
	p := newPlan(known, hosts)
	if err := p.state(s); err != nil {
		w.db.t.Fatal(err)
	}
	ops, err := p.operations(known.rowOf)
	if err != nil {
		w.db.t.Fatal(err)
	}
	return ops
}

func (w *world) get(table, name, column string) string {
	w.db.t.Helper()
	return strings.TrimSpace(w.db.nbctl("--bare", "--columns="+column, "find", table, "name="+name))
}

func stated(full bool) fabric.Statement {
	s := fabrictest.Statement()
	s.Full = full
	return s
}

func TestRepeatedStatementsChangeNothing(t *testing.T) {
	w := startWorld(t)
	for _, full := range []bool{true, false} {
		w.apply(stated(full))
		for _, again := range []bool{true, false} {
			if ops := w.operations(stated(again)); len(ops) != 0 {
				t.Errorf("full %v after %v: %+v", again, full, ops)
			}
		}
	}
}

func TestOtherProgramsRowsStay(t *testing.T) {
	w := startWorld(t)
	w.db.nbctl("ls-add", "theirs", "--", "lsp-add", "theirs", "their-port", "--", "lr-add", "their-router", "--", "pg-add", "their_group", "their-port")
	w.apply(stated(true))
	ours := switchOf(stated(true).Networks[0].ID)
	w.db.nbctl("lsp-add", ours, "guest-of-theirs")
	w.apply(stated(true))
	w.apply(stated(false))
	if got := w.get(tableSwitchPort, "guest-of-theirs", "name"); got == "" {
		t.Error("a foreign port on our switch is gone")
	}
	w.apply(fabric.Statement{Full: true})
	for table, name := range map[string]string{tableSwitch: "theirs", tableSwitchPort: "their-port", tableRouter: "their-router", tablePortGroup: "their_group"} {
		if w.get(table, name, "name") != name {
			t.Errorf("%s %s is gone", table, name)
		}
	}
}

func TestDamageIsRepaired(t *testing.T) {
	w := startWorld(t)
	s := stated(true)
	w.apply(s)
	port, group := s.Ports[0].ID, groupName(s.Groups[0].ID)
	w.db.nbctl("clear", tablePortGroup, group, "ports", "--", "clear", tablePortGroup, group, "acls",
		"--", "lsp-set-addresses", port, "unknown", "--", "lr-del", "kumoi-"+s.Routers[0].ID,
		"--", "lsp-del", s.Ports[1].ID)
	w.await(func() bool { return len(w.operations(s)) > 0 })
	w.apply(s)
	if got := w.get(tableSwitchPort, port, "addresses"); got != "fa:16:3e:00:00:10 10.0.0.10" {
		t.Errorf("addresses are %s", got)
	}
	if got := w.get(tablePortGroup, group, "ports"); got != port {
		t.Errorf("the group's ports are %q", got)
	}
	if got := strings.Fields(w.get(tablePortGroup, group, "acls")); len(got) != 3 {
		t.Errorf("the group's ACLs are %q", got)
	}
	for _, k := range []fabric.Key{{Kind: fabric.KindRouter, ID: s.Routers[0].ID}, {Kind: fabric.KindPort, ID: s.Ports[1].ID}} {
		if !w.Has(k) {
			t.Errorf("%v is not back", k)
		}
	}
}

// await waits until the connection's copy has seen what another client did.
func (w *world) await(ok func() bool) {
	w.db.t.Helper()
	ctx, cancel := context.WithTimeout(w.db.t.Context(), 10*time.Second)
	defer cancel()
	for !ok() {
		select {
		case <-ctx.Done():
			w.db.t.Fatal("waited in vain")
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func TestPortsMoveBetweenGroups(t *testing.T) {
	w := startWorld(t)
	s := stated(false)
	w.apply(s)
	old, port := s.Groups[0].ID, s.Ports[0].ID
	members := func(group string) string { return w.get(tablePortGroup, group, "ports") }
	check := func(step, inOld, inNew, inCommon string) {
		t.Helper()
		if a, b, c := members(groupName(old)), members("pg_other"), members(commonGroup); a != inOld || b != inNew || c != inCommon {
			t.Errorf("%s: old %q, new %q, common %q", step, a, b, c)
		}
	}
	check("at first", port, "", port)
	s.Ports[0].Groups = []string{"other"} // not stated yet
	w.apply(fabric.Statement{Ports: s.Ports[:1]})
	check("moved", "", port, port)
	w.apply(fabric.Statement{Groups: []fabric.Group{{ID: "other", Rules: []fabric.Rule{{ID: "1"}}}}})
	check("the group is stated", "", port, port)
	s.Ports[0].PortSecurity, s.Ports[0].Groups = false, nil
	w.apply(fabric.Statement{Ports: s.Ports[:1]})
	check("without port security", "", "", "")
}

func TestLeasesFollowTheirSubnets(t *testing.T) {
	w := startWorld(t)
	s := stated(false)
	own := s.Ports[0]
	own.ID, own.MAC = "22222222-0000-4000-8000-000000000001", "fa:16:3e:00:00:33"
	own.IPs = []fabric.Address{{IP: netip.MustParseAddr("10.0.0.33"), SubnetID: own.IPs[0].SubnetID}}
	own.DHCPOptions = []fabric.DHCPOption{{Name: "ntp-server", Value: "192.0.2.123", IPVersion: 4}}
	s.Ports = append(s.Ports, own)
	w.apply(s)
	options := func(port string) string {
		t.Helper()
		id := w.get(tableSwitchPort, port, "dhcpv4_options")
		if id == "" {
			return ""
		}
		return strings.TrimSpace(w.db.nbctl("--bare", "--columns=options", "list", tableLease, id))
	}
	plain := s.Ports[0].ID
	if !strings.Contains(options(plain), "router=10.0.0.1") || strings.Contains(options(plain), "ntp") || !strings.Contains(options(own.ID), "ntp_server=192.0.2.123") {
		t.Errorf("at first: %q and %q", options(plain), options(own.ID))
	}
	// Only the network is stated from here on; the ports follow.
	sub := &s.Networks[0].Subnets[0]
	sub.DNS = []netip.Addr{netip.MustParseAddr("192.0.2.53")}
	w.apply(fabric.Statement{Networks: s.Networks})
	for _, port := range []string{plain, own.ID} {
		if !strings.Contains(options(port), "dns_server={192.0.2.53}") {
			t.Errorf("with a name server: %q", options(port))
		}
	}
	sub.DHCP = false
	w.apply(fabric.Statement{Networks: s.Networks})
	if options(plain) != "" || options(own.ID) != "" || w.db.count(tableLease) != 0 {
		t.Errorf("without DHCP: %q and %q, %d leases", options(plain), options(own.ID), w.db.count(tableLease))
	}
	sub.DHCP = true
	w.apply(fabric.Statement{Networks: s.Networks})
	if options(plain) == "" || !strings.Contains(options(own.ID), "ntp_server") || w.db.count(tableLease) != 2 {
		t.Errorf("with DHCP again: %q and %q, %d leases", options(plain), options(own.ID), w.db.count(tableLease))
	}
	w.apply(fabric.Statement{Gone: []fabric.Key{{Kind: fabric.KindPort, ID: own.ID}}})
	if w.db.count(tableLease) != 1 {
		t.Errorf("%d leases after the port is gone", w.db.count(tableLease))
	}
}

func TestNothingIsLeftBehind(t *testing.T) {
	w := startWorld(t)
	w.Join(fabric.Chassis{ID: "one", Host: "host-a", Mappings: map[string]string{"outside": "br-kumoi"}})
	s := stated(false)
	s.Networks[0].Physical, s.Networks[0].VLAN = "outside", 7
	s.Routers[0].Forwardings = []fabric.Forwarding{{
		FloatingIPID: "f", Protocol: "tcp", External: netip.MustParseAddrPort("192.0.2.1:22"), Internal: netip.MustParseAddrPort("10.0.0.10:22"),
	}}
	s.Routers[0].Interfaces[0].External, s.Routers[0].Interfaces[0].Physical = true, "outside"
	s.Routers[0].Interfaces[0].Gateways = []netip.Addr{netip.MustParseAddr("10.0.0.254")}
	s.Routers[0].NATs = []fabric.NAT{{External: netip.MustParseAddr("192.0.2.1"), Internal: netip.MustParsePrefix("10.0.0.0/24")}}
	w.await(func() bool { hosts, _ := w.events.hosts(); return len(hosts) == 1 })
	w.apply(s)
	tables := []string{
		tableSwitch, tableSwitchPort, tableLease, tableDNS, tableAddressSet, tableRouter, tableRouterPort,
		tableRoute, tableNAT, tableGateway, tableBalancer,
	}
	for _, table := range tables {
		if w.db.count(table) == 0 {
			t.Errorf("%s has no rows", table)
		}
	}
	gone := []fabric.Key{
		{Kind: fabric.KindNetwork, ID: s.Networks[0].ID},
		{Kind: fabric.KindGroup, ID: s.Groups[0].ID},
		{Kind: fabric.KindAddresses, ID: s.Addresses[0].ID},
		{Kind: fabric.KindRouter, ID: s.Routers[0].ID},
	}
	for _, p := range s.Ports {
		gone = append(gone, fabric.Key{Kind: fabric.KindPort, ID: p.ID})
	}
	w.apply(fabric.Statement{Gone: gone})
	for _, table := range tables {
		if n := w.db.count(table); n != 0 {
			t.Errorf("%s has %d rows left", table, n)
		}
	}
	if n := w.db.count(tablePortGroup); n != 1 {
		t.Errorf("%d port groups are left, want the common one", n)
	}
}

// The same rows come back after a loss, with the same UUIDs: whoever refers to
// them need not notice.
func TestRowsComeBackTheSame(t *testing.T) {
	a, b := startWorld(t), startWorld(t)
	a.apply(stated(true))
	s := stated(false)
	b.apply(fabric.Statement{Networks: s.Networks})
	b.apply(fabric.Statement{Ports: s.Ports, Groups: s.Groups, Addresses: s.Addresses, Routers: s.Routers})
	for _, table := range append(ownedTables(), tableACL, tableRouterPort) {
		one, two := strings.Fields(a.db.nbctl("--bare", "--columns=_uuid", "list", table)), strings.Fields(b.db.nbctl("--bare", "--columns=_uuid", "list", table))
		slices.Sort(one)
		slices.Sort(two)
		if !slices.Equal(one, two) {
			t.Errorf("%s: %v and %v", table, one, two)
		}
	}
}

// large is a network with many guests in one group.
func large(n int) fabric.Statement {
	s := stated(true)
	guest := s.Ports[0]
	for i := range n {
		p := guest
		p.ID = fmt.Sprintf("33333333-0000-4000-8000-%012x", i)
		p.MAC = fmt.Sprintf("fa:16:3f:%02x:%02x:%02x", i>>16&255, i>>8&255, i&255)
		p.IPs = []fabric.Address{{IP: netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)}), SubnetID: guest.IPs[0].SubnetID}}
		p.DNSName = fmt.Sprintf("guest-%d", i)
		s.Ports = append(s.Ports, p)
	}
	return s
}

// What one more port costs must not depend on how many there are.
func TestLargeNetwork(t *testing.T) {
	const ports = 1000
	w := startWorld(t)
	s := large(ports)
	begin := time.Now()
	w.apply(s)
	t.Logf("%d ports stated in full in %s", ports, time.Since(begin))
	begin = time.Now()
	if ops := w.operations(s); len(ops) != 0 {
		t.Errorf("%d operations for the same again", len(ops))
	}
	t.Logf("the same again in %s", time.Since(begin))
	var took []time.Duration
	for i := range 20 {
		p := s.Ports[10]
		p.ID, p.MAC = fmt.Sprintf("44444444-0000-4000-8000-%012x", i), fmt.Sprintf("fa:16:40:00:00:%02x", i)
		one := fabric.Statement{Ports: []fabric.Port{p}}
		// The port and its name, and their places in the switch, its names and two groups.
		if ops := w.operations(one); len(ops) != 6 {
			t.Fatalf("%d operations for one port: %+v", len(ops), ops)
		}
		begin := time.Now()
		w.apply(one)
		took = append(took, time.Since(begin))
	}
	slices.Sort(took)
	t.Logf("one more port: median %s, longest %s", took[len(took)/2], took[len(took)-1])
}

// A clone must share nothing with its original, or the connection's copy of the
// database would change under it.
func TestClonesShareNothing(t *testing.T) {
	a := &switchPort{Name: "p", Options: map[string]string{"a": "b"}, Tag: ptr(1), Addresses: []string{"x"}, Enabled: ptr(true), DHCPv4: ptr("u")}
	b, ok := a.CloneModel().(*switchPort)
	if !ok || len(changed(a, b)) > 0 {
		t.Fatalf("the clone differs: %+v", b)
	}
	b.Options["a"], *b.Tag, b.Addresses[0], *b.Enabled, *b.DHCPv4 = "c", 2, "y", false, "v"
	if a.Options["a"] != "b" || *a.Tag != 1 || a.Addresses[0] != "x" || !*a.Enabled || *a.DHCPv4 != "u" {
		t.Errorf("the original changed: %+v", a)
	}
}
