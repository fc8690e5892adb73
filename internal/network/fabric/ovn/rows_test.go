package ovn

import (
	"bytes"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"kumoi/internal/network/fabric"
)

var update = flag.Bool("update", false, "write the golden files anew")

// dump writes rows as text, in the order of their tables, with the columns that
// have a value.
func dump(rows []row) string {
	slices.SortStableFunc(rows, func(a, b row) int { return strings.Compare(a.table(), b.table()) })
	var b strings.Builder
	for _, r := range rows {
		fmt.Fprintf(&b, "%s %s\n", r.table(), r.key())
		v := reflect.ValueOf(r).Elem()
		for i := range v.NumField() {
			column := v.Type().Field(i).Tag.Get("ovsdb")
			if f := v.Field(i); column != "_uuid" && !f.IsZero() {
				if f.Kind() == reflect.Pointer {
					f = f.Elem()
				}
				switch f.Kind() {
				case reflect.Map:
					for _, k := range slices.SortedFunc(slices.Values(f.MapKeys()), func(x, y reflect.Value) int { return strings.Compare(x.String(), y.String()) }) {
						fmt.Fprintf(&b, "    %s:%s = %v\n", column, k, f.MapIndex(k))
					}
				case reflect.Slice:
					for j := range f.Len() {
						fmt.Fprintf(&b, "    %s + %v\n", column, f.Index(j))
					}
				default:
					fmt.Fprintf(&b, "    %s = %v\n", column, f)
				}
			}
		}
	}
	return b.String()
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.MkdirAll("testdata", 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(want, []byte(got)) {
		t.Errorf("%s differs; look, then run with -update:\n%s", file, got)
	}
}

func noLease(string) *lease { return nil }

func TestRows(t *testing.T) {
	ip, cidr := netip.MustParseAddr, netip.MustParsePrefix
	twoStack := fabric.Network{
		ID: "a0000000-0000-4000-8000-000000000001", Name: "private", ProjectID: "p", AdminUp: true, MTU: 1442, Revision: 3,
		Subnets: []fabric.Subnet{
			{
				ID: "four", Name: "v4", CIDR: cidr("10.0.0.0/24"), Gateway: ip("10.0.0.1"), DNS: []netip.Addr{ip("192.0.2.53"), ip("192.0.2.54")},
				Routes: []fabric.Route{{Destination: cidr("198.51.100.0/24"), NextHop: ip("10.0.0.9")}}, DHCP: true,
				Metadata: ip("10.0.0.2"), Domain: "kumoi.internal", MTU: 1442,
			},
			{ID: "six", CIDR: cidr("2001:db8::/64"), Gateway: ip("2001:db8::1"), DHCP: true, IPv6: "dhcpv6-stateful", DNS: []netip.Addr{ip("2001:db8::53")}, Domain: "kumoi.internal"},
			{ID: "less", CIDR: cidr("2001:db8:1::/64"), DHCP: true, IPv6: "dhcpv6-stateless"},
			{ID: "slaac", CIDR: cidr("2001:db8:2::/64"), DHCP: true, IPv6: "slaac"},
			{ID: "bare", CIDR: cidr("10.9.0.0/24"), DHCP: true, Metadata: ip("10.9.0.2")},
			{ID: "off", CIDR: cidr("10.8.0.0/24"), Gateway: ip("10.8.0.1")},
		},
	}
	leases := func(subnet string) *lease {
		for _, s := range twoStack.Subnets {
			if s.ID == subnet {
				return subnetLease(twoStack.ID, s)
			}
		}
		return nil
	}
	guest := fabric.Port{
		ID: "b0000000-0000-4000-8000-000000000001", Name: "eth0", ProjectID: "p", NetworkID: twoStack.ID, DeviceID: "server", DeviceOwner: "compute:nova",
		MAC: "fa:16:3e:00:00:01", IPs: []fabric.Address{{IP: ip("10.0.0.5"), SubnetID: "four"}, {IP: ip("2001:db8::5"), SubnetID: "six"}},
		AdminUp: true, PortSecurity: true, Host: "host-a", Groups: []string{"g-2", "g-1"}, DNSName: "Web", DNSDomain: "kumoi.internal.",
		Pairs: []fabric.Pair{{IP: cidr("10.0.0.100/32")}, {MAC: "fa:16:3e:00:00:01", IP: cidr("10.1.0.0/16")}, {MAC: "00:00:5e:00:01:01", IP: cidr("10.0.0.200/32")}},
	}
	options := guest
	options.DHCPOptions = []fabric.DHCPOption{
		{Name: "bootfile-name", Value: `pxe"linux.0`, IPVersion: 4},
		{Name: "tftp-server", Value: "192.0.2.1", IPVersion: 4},
		{Name: "150", Value: "192.0.2.2", IPVersion: 4},
		{Name: "no-such", Value: "x", IPVersion: 4},
		{Name: "mtu", Value: "1,2", IPVersion: 4},
		{Name: "domain-search", Value: "a.example", IPVersion: 6},
	}
	options.Pairs, options.DNSName, options.Host = nil, "", ""
	loose := guest
	loose.PortSecurity, loose.Groups, loose.Pairs, loose.AdminUp, loose.NextHost = false, nil, nil, false, "host-b"
	low, high, eight, zero := 8000, 8080, 8, 0
	tests := map[string][]row{
		"network": networkRows(twoStack),
		"network_provider": networkRows(fabric.Network{
			ID: "a0000000-0000-4000-8000-000000000002", Name: "outside", Physical: "outside", VLAN: 101, External: true,
		}),
		"port":         portRows(guest, leases),
		"port_options": portRows(options, leases),
		"port_loose":   portRows(loose, noLease),
		"port_roles": slices.Concat(
			portRows(fabric.Port{ID: "m", NetworkID: twoStack.ID, MAC: "fa:16:3e:00:00:02", Role: fabric.RoleMetadata, AdminUp: true, IPs: guest.IPs[:1]}, leases),
			portRows(fabric.Port{ID: "r", NetworkID: twoStack.ID, MAC: "fa:16:3e:00:00:03", Role: fabric.RoleRouter, AdminUp: true}, leases),
			portRows(fabric.Port{ID: "x", NetworkID: twoStack.ID, MAC: "fa:16:3e:00:00:04", Role: fabric.RoleRouter, Gateway: true, AdminUp: true}, leases),
			portRows(fabric.Port{ID: "v", NetworkID: twoStack.ID, MAC: "fa:16:3e:00:00:05", Role: fabric.RoleReserved}, leases),
		),
		"group": groupRows(fabric.Group{
			ID: "c0000000-0000-4000-8000-000000000001", Name: "web", ProjectID: "p", Stateful: true, Rules: []fabric.Rule{
				{ID: "1", Ingress: true, Protocol: "tcp", PortMin: &low, PortMax: &high, RemotePrefix: cidr("192.0.2.0/24")},
				{ID: "2", Ingress: true, IPv6: true, RemoteGroup: "c0000000-0000-4000-8000-000000000001"},
				{ID: "3", Protocol: "udp", RemoteAddresses: "ag-1"},
				{ID: "4", Ingress: true, Protocol: "icmp", PortMin: &eight, PortMax: &zero},
			},
		}),
		"group_stateless": groupRows(fabric.Group{ID: "s", Rules: []fabric.Rule{{ID: "1", Ingress: true, Protocol: "6"}}}),
		"common":          commonRows(),
		"addresses":       addressesRows(fabric.Addresses{ID: "ag-1", Name: "partners", Prefixes: []netip.Prefix{cidr("192.0.2.7/32"), cidr("2001:db8::/32"), cidr("198.51.100.0/24")}}),
		"router": routerRows(fabric.Router{
			ID: "d0000000-0000-4000-8000-000000000001", Name: "edge", ProjectID: "p", AdminUp: true,
			Interfaces: []fabric.Interface{
				{PortID: "in4", NetworkID: "n1", MAC: "fa:16:3e:00:00:11", Addresses: []netip.Prefix{cidr("10.0.0.1/24")}, MTU: 1442},
				{PortID: "in6", NetworkID: "n1", MAC: "fa:16:3e:00:00:12", Addresses: []netip.Prefix{cidr("2001:db8::1/64")}, MTU: 1442, RA: "dhcpv6-stateful"},
				{PortID: "vlan", NetworkID: "n2", MAC: "fa:16:3e:00:00:13", Addresses: []netip.Prefix{cidr("10.5.0.1/24")}, MTU: 1500, Physical: "rack"},
				{
					PortID: "out", NetworkID: "ext", MAC: "fa:16:3e:00:00:14", MTU: 1500, External: true, Physical: "outside",
					Addresses: []netip.Prefix{cidr("172.24.4.10/24"), cidr("2001:db8:f::2/64")}, Gateways: []netip.Addr{ip("172.24.4.1"), ip("2001:db8:f::1")},
				},
			},
			Routes: []fabric.Route{{Destination: cidr("10.77.0.0/16"), NextHop: ip("10.0.0.77")}},
			NATs: []fabric.NAT{
				{External: ip("172.24.4.10"), Internal: cidr("10.0.0.0/24")},
				{ID: "fip-1", External: ip("172.24.4.20"), Internal: cidr("10.0.0.5/32"), PortID: guest.ID},
				{ID: "fip-2", External: ip("172.24.4.21"), Internal: cidr("10.0.0.6/32"), PortID: guest.ID, MAC: "fa:16:3e:00:00:21"},
			},
			Forwardings: []fabric.Forwarding{
				{FloatingIPID: "fip-3", Protocol: "tcp", External: netip.MustParseAddrPort("172.24.4.22:2201"), Internal: netip.MustParseAddrPort("10.0.0.5:22")},
				{FloatingIPID: "fip-3", Protocol: "tcp", External: netip.MustParseAddrPort("172.24.4.22:2202"), Internal: netip.MustParseAddrPort("10.0.0.6:22")},
				{FloatingIPID: "fip-3", Protocol: "udp", External: netip.MustParseAddrPort("172.24.4.22:53"), Internal: netip.MustParseAddrPort("10.0.0.6:53")},
			},
		}, []fabric.Chassis{
			{ID: "one", Mappings: map[string]string{"outside": "br-kumoi"}},
			{ID: "two", Mappings: map[string]string{"rack": "br-rack"}},
			{ID: "three", Mappings: map[string]string{"outside": "br-kumoi"}},
		}),
	}
	for name, rows := range tests {
		t.Run(name, func(t *testing.T) { golden(t, name, dump(rows)) })
	}
}

func TestRuleMatch(t *testing.T) {
	n := func(v int) *int { return &v }
	const in, in6 = "outport == @pg_g && ip4", "outport == @pg_g && ip6"
	for _, tc := range []struct {
		rule fabric.Rule
		want string
		ok   bool
	}{
		{fabric.Rule{Ingress: true}, in, true},
		{fabric.Rule{}, "inport == @pg_g && ip4", true},
		{fabric.Rule{Ingress: true, RemotePrefix: netip.MustParsePrefix("0.0.0.0/0")}, in, true},
		{fabric.Rule{Ingress: true, RemotePrefix: netip.MustParsePrefix("10.0.0.7/8")}, in + " && ip4.src == 10.0.0.0/8", true},
		{fabric.Rule{RemotePrefix: netip.MustParsePrefix("10.0.0.7/32")}, "inport == @pg_g && ip4 && ip4.dst == 10.0.0.7/32", true},
		{fabric.Rule{Ingress: true, IPv6: true, RemoteGroup: "a-b"}, in6 + " && ip6.src == $pg_a_b_ip6", true},
		{fabric.Rule{Ingress: true, Protocol: "tcp", PortMin: n(22), PortMax: n(22)}, in + " && tcp && tcp.dst == 22", true},
		{fabric.Rule{Ingress: true, Protocol: "tcp", PortMin: n(22)}, in + " && tcp && tcp.dst == 22", true},
		{fabric.Rule{Ingress: true, Protocol: "17", PortMin: n(1), PortMax: n(65535)}, in + " && udp", true},
		{fabric.Rule{Ingress: true, Protocol: "sctp", PortMin: n(5), PortMax: n(6)}, in + " && sctp && sctp.dst >= 5 && sctp.dst <= 6", true},
		{fabric.Rule{Ingress: true, Protocol: "icmp", PortMin: n(3)}, in + " && icmp4 && icmp4.type == 3", true},
		{fabric.Rule{Ingress: true, Protocol: "icmp", IPv6: true}, in6 + " && icmp6", true},
		{fabric.Rule{Ingress: true, Protocol: "ipv6-icmp", IPv6: true, PortMin: n(128), PortMax: n(0)}, in6 + " && icmp6 && icmp6.type == 128 && icmp6.code == 0", true},
		{fabric.Rule{Ingress: true, Protocol: "vrrp"}, in + " && ip.proto == 112", true},
		{fabric.Rule{Ingress: true, Protocol: "47"}, in + " && ip.proto == 47", true},
		{rule: fabric.Rule{Ingress: true, Protocol: "udplite", PortMin: n(5), PortMax: n(6)}},
		{rule: fabric.Rule{Ingress: true, Protocol: "1 || ip"}},
	} {
		got, ok := ruleMatch("pg_g", tc.rule)
		if ok != tc.ok || (ok && got != tc.want) {
			t.Errorf("%+v: got %q, %v, want %q, %v", tc.rule, got, ok, tc.want, tc.ok)
		}
	}
}

// A rule that cannot be expressed must not become an ACL that allows more.
func TestInexpressibleRuleAllowsNothing(t *testing.T) {
	port := 5
	rows := groupRows(fabric.Group{ID: "g", Rules: []fabric.Rule{{ID: "1", Protocol: "dccp", PortMin: &port, PortMax: &port}}})
	if len(rows) != 1 {
		t.Errorf("rows:\n%s", dump(rows))
	}
}

func TestGatewaysSpreadAndStay(t *testing.T) {
	var hosts []fabric.Chassis
	for i := range 8 {
		hosts = append(hosts, fabric.Chassis{ID: fmt.Sprintf("host-%d", i), Mappings: map[string]string{"outside": "br"}})
	}
	first := func(router string, hosts []fabric.Chassis) string {
		rows := routerRows(fabric.Router{ID: router, Interfaces: []fabric.Interface{{
			PortID: "p", External: true, Physical: "outside", Addresses: []netip.Prefix{netip.MustParsePrefix("172.24.4.10/24")},
		}}}, hosts)
		best := &gatewayChassis{}
		for _, r := range rows {
			if g, ok := r.(*gatewayChassis); ok && g.Priority > best.Priority {
				best = g
			}
		}
		return best.ChassisName
	}
	count, moved := map[string]int{}, 0
	for i := range 800 {
		id := fmt.Sprintf("router-%d", i)
		was := first(id, hosts)
		count[was]++
		if now := first(id, hosts[1:]); now != was && was != "host-0" {
			moved++
		}
	}
	for _, h := range hosts {
		if n := count[h.ID]; n < 60 || n > 140 {
			t.Errorf("%s has %d of 800 routers", h.ID, n)
		}
	}
	if moved > 0 {
		t.Errorf("%d routers moved though their chassis stayed", moved)
	}
}
