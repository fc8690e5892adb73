package ovn

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"kumoi/internal/kernel/ids"
	"kumoi/internal/network/fabric"
)

const (
	leaseSeconds    = 12 * 60 * 60
	metadataAddress = "169.254.169.254"
)

// subnetLease is what OVN answers to the DHCP requests of a subnet's ports, nil
// where it does not.
func subnetLease(network string, s fabric.Subnet) *lease {
	if !s.DHCP {
		return nil
	}
	l := &lease{UUID: leaseOf(s.ID), CIDR: s.CIDR.Masked().String()}
	if s.CIDR.Addr().Is4() {
		l.Options = leaseV4(s)
	} else if s.IPv6 == "dhcpv6-stateful" || s.IPv6 == "dhcpv6-stateless" {
		l.Options = leaseV6(s)
	} else {
		return nil
	}
	l.ExternalIDs = owner(fabric.KindNetwork, network, subnetKey, s.ID, nameKey, s.Name)
	return l
}

func leaseV4(s fabric.Subnet) map[string]string {
	server := s.Gateway
	if !server.IsValid() {
		server = s.Metadata
	}
	if !server.IsValid() {
		server = s.CIDR.Masked().Addr().Next()
	}
	out := map[string]string{
		"server_id": server.String(), "server_mac": serverMAC(s.ID), "lease_time": strconv.Itoa(leaseSeconds),
	}
	if s.MTU > 0 {
		out["mtu"] = strconv.Itoa(s.MTU)
	}
	if s.Gateway.IsValid() {
		out["router"] = s.Gateway.String()
	}
	if len(s.DNS) > 0 {
		out["dns_server"] = addressList(s.DNS)
	}
	if s.Domain != "" {
		out["domain_name"] = quote(s.Domain)
	}
	var routes []string
	if s.Metadata.IsValid() {
		routes = append(routes, metadataAddress+"/32,"+s.Metadata.String())
	}
	for _, r := range s.Routes {
		routes = append(routes, r.Destination.Masked().String()+","+r.NextHop.String())
	}
	if len(routes) > 0 {
		if s.Gateway.IsValid() {
			// A client that takes routes from this option ignores the router option.
			routes = append(routes, "0.0.0.0/0,"+s.Gateway.String())
		}
		out["classless_static_route"] = "{" + strings.Join(routes, ", ") + "}"
	}
	return out
}

func leaseV6(s fabric.Subnet) map[string]string {
	out := map[string]string{"server_id": serverMAC(s.ID)}
	if len(s.DNS) > 0 {
		out["dns_server"] = addressList(s.DNS)
	}
	if s.Domain != "" {
		out["domain_search"] = quote(s.Domain)
	}
	if s.IPv6 == "dhcpv6-stateless" {
		out["dhcpv6_stateless"] = "true"
	}
	return out
}

// serverMAC is where a subnet's DHCP answers seem to come from.
func serverMAC(subnet string) string {
	id := strings.ReplaceAll(ids.Derive("ovn", "dhcp-mac", subnet), "-", "")
	return fmt.Sprintf("fa:16:3e:%s:%s:%s", id[0:2], id[2:4], id[4:6])
}

func addressList(addrs []netip.Addr) string {
	out := make([]string, len(addrs))
	for i, a := range addrs {
		out[i] = a.String()
	}
	return "{" + strings.Join(out, ", ") + "}"
}

// quote makes a string of OVN's expression language.
func quote(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		return `""`
	}
	return string(b)
}

func joinWords(words []string) string {
	words = slices.Clone(words)
	slices.Sort(words)
	return strings.Join(slices.Compact(words), " ")
}

// rememberLease keeps on the port's row what applyLease needs, so that a change
// of the subnets alone can be carried to the port.
func rememberLease(m map[string]string, p fabric.Port) map[string]string {
	var subnets []string
	for _, a := range p.IPs {
		if !slices.Contains(subnets, a.SubnetID) {
			subnets = append(subnets, a.SubnetID)
		}
	}
	m = with(m, subnetsKey, strings.Join(subnets, " "))
	if len(p.DHCPOptions) > 0 {
		if b, err := json.Marshal(p.DHCPOptions); err == nil {
			m = with(m, optionsKey, string(b))
		}
	}
	return m
}

// applyLease refers the port to the leases of its subnets: to those that all
// ports share, or to copies with the port's own options, which it returns.
func applyLease(lsp *switchPort, portID string, leases func(subnet string) *lease) []row {
	lsp.DHCPv4, lsp.DHCPv6 = nil, nil
	var options []fabric.DHCPOption
	if text := lsp.ExternalIDs[optionsKey]; text != "" {
		if err := json.Unmarshal([]byte(text), &options); err != nil {
			options = nil
		}
	}
	var own []row
	for _, subnet := range strings.Fields(lsp.ExternalIDs[subnetsKey]) {
		l := leases(subnet)
		if l == nil {
			continue
		}
		version, ref := 4, &lsp.DHCPv4
		if strings.Contains(l.CIDR, ":") {
			version, ref = 6, &lsp.DHCPv6
		}
		if *ref != nil {
			continue // a port has one lease of each version: its first address's
		}
		changes, disabled := extraOptions(options, version)
		if disabled {
			continue
		}
		*ref = ptr(l.UUID)
		if len(changes) == 0 {
			continue
		}
		mine := &lease{
			UUID: partOf(fabric.KindPort, portID, "lease", subnet), CIDR: l.CIDR, Options: maps.Clone(l.Options),
			ExternalIDs: owner(fabric.KindPort, portID, subnetKey, subnet),
		}
		maps.Copy(mine.Options, changes)
		*ref = ptr(mine.UUID)
		own = append(own, mine)
	}
	return own
}

// extraOptions translates a port's options into OVN's. Those that OVN does not
// know are left out.
func extraOptions(options []fabric.DHCPOption, version int) (changes map[string]string, disabled bool) {
	changes = map[string]string{}
	for _, o := range options {
		if o.IPVersion != version && (o.IPVersion != 0 || version != 4) {
			continue
		}
		if o.Name == "dhcp_disabled" {
			disabled = disabled || strings.EqualFold(o.Value, "true")
			continue
		}
		known := optionsV4()
		if version == 6 {
			known = optionsV6()
		}
		name := strings.ReplaceAll(strings.ToLower(o.Name), "-", "_")
		if k, ok := known[name]; ok {
			if v, ok := k.value(o.Value); ok {
				changes[k.name] = v
			}
		}
	}
	return changes, disabled
}
