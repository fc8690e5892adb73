package network

import (
	"context"
	"net/netip"
	"slices"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

const (
	maxDNS    = 5
	maxRoutes = 20
	minMTU6   = 1280 // what IPv6 demands of every link
)

func mtuConflict(n *Network) error {
	return fault(errs.Conflict, "NetworkMTUSubnetConflict", "The MTU %d of network %s is below %d, which its IPv6 subnets need.", n.MTU, n.ID, minMTU6)
}

// checkCIDR checks the prefix by itself and against its neighbours.
func (f *Subnets) checkCIDR(ctx context.Context, tx *store.Tx, sub *Subnet, version int) error {
	bad := func(format string, args ...any) error {
		return fault(errs.Invalid, "InvalidInput", "Invalid input for operation: "+format, args...)
	}
	if !sub.CIDR.IsValid() {
		return fault(errs.Invalid, "BadRequest", "Bad subnet request: a subnetpool must be specified in the absence of a cidr.")
	}
	if version != 0 && version != sub.Version() {
		return bad("The requested subnet's IP version %d does not match the cidr %s.", version, sub.CIDR)
	}
	sub.CIDR = sub.CIDR.Masked()
	if sub.CIDR.Bits() == 0 {
		return bad("0 is not allowed as CIDR prefix length.")
	}
	if sub.CIDR.Addr().IsMulticast() || sub.CIDR.Addr().IsLoopback() {
		return bad("'%s' is not a network that hosts can have.", sub.CIDR)
	}
	others, err := f.table.All(ctx, tx, store.Eq("network_id", sub.NetworkID))
	if err != nil {
		return err
	}
	for _, o := range others {
		if o.Version() == sub.Version() && o.SubnetPoolID != sub.SubnetPoolID {
			return fault(errs.Invalid, "NetworkSubnetPoolAffinityError", "Subnets hosted on the same network must be allocated from the same subnet pool.")
		}
		if o.ID != sub.ID && o.CIDR.Overlaps(sub.CIDR) {
			return bad("Requested subnet with cidr: %s for network: %s overlaps with another subnet.", sub.CIDR, sub.NetworkID)
		}
	}
	return nil
}

// defaultPools are all addresses of the prefix but those that mean something.
func defaultPools(cidr netip.Prefix, gateway netip.Addr) []Pool {
	first, last := cidr.Masked().Addr(), lastAddr(cidr)
	if cidr.Bits() < first.BitLen()-1 {
		first = first.Next()
		if first.Is4() {
			last = last.Prev()
		}
	}
	if !gateway.IsValid() || !cidr.Contains(gateway) || gateway.Compare(first) < 0 || gateway.Compare(last) > 0 {
		return []Pool{{first, last}}
	}
	var out []Pool
	if gateway.Compare(first) > 0 {
		out = append(out, Pool{first, gateway.Prev()})
	}
	if gateway.Compare(last) < 0 {
		out = append(out, Pool{gateway.Next(), last})
	}
	return out
}

func validateSubnet(sub *Subnet) error {
	bad := func(format string, args ...any) error {
		return fault(errs.Invalid, "InvalidInput", "Invalid input for operation: "+format, args...)
	}
	v6 := sub.Version() == 6
	switch {
	case !v6 && (sub.IPv6RA != "" || sub.IPv6Address != ""):
		return bad("ipv6_ra_mode and ipv6_address_mode are not valid when ip_version is 4.")
	case v6 && !sub.DHCP && (sub.IPv6RA != "" || sub.IPv6Address != ""):
		return bad("ipv6_ra_mode or ipv6_address_mode cannot be set when enable_dhcp is set to False.")
	case sub.IPv6RA != "" && sub.IPv6Address != "" && sub.IPv6RA != sub.IPv6Address:
		return bad("ipv6_ra_mode set to '%s' with ipv6_address_mode set to '%s' is not valid. If both attributes are set, they must be the same value.", sub.IPv6RA, sub.IPv6Address)
	case sub.SLAAC() && sub.CIDR.Bits() != 64:
		return bad("Invalid CIDR %s for IPv6 address mode. OpenStack uses the EUI-64 address format, which requires the prefix to be /64.", sub.CIDR)
	case sub.DHCP && sub.CIDR.Addr().BitLen()-sub.CIDR.Bits() < 2:
		return bad("Subnet has a prefix length that is incompatible with DHCP service enabled.")
	case len(sub.DNS) > maxDNS:
		return fault(errs.Invalid, "DNSNameServersExhausted", "Unable to complete operation for %s. The number of DNS nameservers exceeds the limit %d.", sub.ID, maxDNS)
	case len(sub.HostRoutes) > maxRoutes:
		return fault(errs.Invalid, "HostRoutesExhausted", "Unable to complete operation for %s. The number of host routes exceeds the limit %d.", sub.ID, maxRoutes)
	}
	if sub.Gateway.IsValid() {
		if sub.Gateway.Is4() == v6 {
			return bad("gateway_ip '%s' does not match the ip_version '%d'.", sub.Gateway, sub.Version())
		}
		if sub.CIDR.Contains(sub.Gateway) && !usableIn(sub.CIDR, sub.Gateway) && sub.Gateway != sub.CIDR.Addr() {
			return bad("Gateway is not valid on subnet.")
		}
		if sub.Gateway == sub.CIDR.Addr() && sub.CIDR.Bits() < sub.Gateway.BitLen()-1 && !v6 {
			return bad("Gateway is not valid on subnet.")
		}
	}
	for _, d := range sub.DNS {
		if d.Is4() == v6 {
			return bad("dns_nameserver '%s' does not match the ip_version '%d'.", d, sub.Version())
		}
	}
	for _, r := range sub.HostRoutes {
		if r.Destination.Addr().Is4() == v6 || r.NextHop.Is4() == v6 {
			return bad("host route %s via %s does not match the ip_version '%d'.", r.Destination, r.NextHop, sub.Version())
		}
	}
	return validatePools(sub)
}

func validatePools(sub *Subnet) error {
	// In the order of addresses neighbours alone can overlap; the users' order stays.
	sorted := slices.SortedFunc(slices.Values(sub.Pools), func(a, b Pool) int { return a.Start.Compare(b.Start) })
	for i, p := range sorted {
		if p.Start.Is4() != p.End.Is4() || p.Start.Compare(p.End) > 0 {
			return fault(errs.Invalid, "InvalidAllocationPool", "The allocation pool %s-%s is not valid.", p.Start, p.End)
		}
		if !sub.CIDR.Contains(p.Start) || !sub.CIDR.Contains(p.End) {
			return fault(errs.Invalid, "OutOfBoundsAllocationPool", "The allocation pool %s-%s spans beyond the subnet cidr %s.", p.Start, p.End, sub.CIDR)
		}
		if i > 0 && sorted[i-1].End.Compare(p.Start) >= 0 {
			return fault(errs.Conflict, "OverlappingAllocationPools", "Found overlapping allocation pools: %s-%s %s-%s for subnet %s.",
				sorted[i-1].Start, sorted[i-1].End, p.Start, p.End, sub.CIDR)
		}
		if g := sub.Gateway; g.IsValid() && p.Start.Compare(g) <= 0 && g.Compare(p.End) <= 0 {
			return fault(errs.Conflict, "GatewayConflictWithAllocationPools", "Gateway ip %s conflicts with allocation pool %s-%s.", g, p.Start, p.End)
		}
	}
	return nil
}
