package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"

	"kumoi/internal/kernel/store"
	"kumoi/internal/network"
)

// subnetResource is /v2.0/subnets.
func subnetResource(s *network.Service) *resource[network.NewSubnet, network.Subnet] {
	type R = network.NewSubnet
	type V = network.Subnet
	modes := toChoiceOrNone("slaac", "dhcpv6-stateful", "dhcpv6-stateless")
	attrs := standard(func(r *R) *network.Standard { return &r.Standard }, func(v *V) *network.Standard { return &v.Standard }, "name", "description", "tags")
	attrs = append(attrs,
		field("network_id", post, unset, toUUID, func(r *R) *string { return &r.NetworkID }, func(v *V) any { return v.NetworkID }).needed().indexed("network_id"),
		field("ip_version", post, unset, toVersion, func(r *R) *int { return &r.IPVersion }, func(v *V) any { return v.Version() }).needed(),
		field("cidr", post, unset, toPrefixOrNone, func(r *R) *netip.Prefix { return &r.CIDR }, func(v *V) any { return v.CIDR.String() }),
		field("prefixlen", post, unset, toInt(0, 128), func(r *R) *int { return &r.PrefixLen }, silent[V]()),
		field("use_default_subnetpool", post, false, toBool, func(r *R) *bool { return &r.UseDefaultPool }, silent[V]()),
		field("subnetpool_id", post, nil, toPoolID, func(r *R) *string { return &r.SubnetPoolID }, func(v *V) any { return orNull(v.SubnetPoolID) }).indexed("subnetpool_id"),
		attr[R, V]{name: "gateway_ip", verbs: post | put, plain: unset, get: func(v *V) any { return addrOrNull(v.Gateway) }, set: func(r *R, v any) (err error) {
			r.NoGateway = v == nil
			r.Gateway, err = toAddrOrNone(v)
			return err
		}}.filteredAs(wanted(toAddr)),
		field("allocation_pools", post|put, unset, listOf(toPool), func(r *R) *[]network.Pool { return &r.Pools }, func(v *V) any { return poolList(v.Pools) }).unfiltered(),
		field("dns_nameservers", post|put, unset, uniqueListOf(toAddr), func(r *R) *[]netip.Addr { return &r.DNS }, func(v *V) any { return texts(v.DNS) }),
		field("host_routes", post|put, unset, uniqueListOf(toRoute), func(r *R) *[]network.Route { return &r.HostRoutes }, func(v *V) any { return routeList(v.HostRoutes) }).unfiltered(),
		field("enable_dhcp", post|put, true, toBool, func(r *R) *bool { return &r.DHCP }, func(v *V) any { return v.DHCP }),
		field("ipv6_ra_mode", post, nil, modes, func(r *R) *string { return &r.IPv6RA }, func(v *V) any { return orNull(v.IPv6RA) }),
		field("ipv6_address_mode", post, nil, modes, func(r *R) *string { return &r.IPv6Address }, func(v *V) any { return orNull(v.IPv6Address) }),
		field("service_types", post|put, unset, uniqueListOf(toServiceType), func(r *R) *[]string { return &r.ServiceTypes }, func(v *V) any { return orEmpty(v.ServiceTypes) }),
		field("dns_publish_fixed_ip", post|put, false, toBool, func(r *R) *bool { return &r.DNSPublish }, func(v *V) any { return v.DNSPublish }),
		shown[R]("shared", func(v *V) any { return v.Shared }),
		shown[R]("router:external", func(v *V) any { return v.External }),
	)
	return &resource[R, V]{
		member: "subnet", collection: "subnets", path: "/v2.0/subnets", attrs: attrs, createBulk: true,
		id: func(v *V) string { return v.ID }, tags: func(v *V) []string { return v.Tags },
		begin: func() *R { return &R{Subnet: &V{DHCP: true}} },
		list:  s.Subnets, paged: true, show: s.Subnet,
		create: func(ctx context.Context, tx *store.Tx, r *R, c network.Change) (*V, error) {
			return r.Subnet, s.CreateSubnet(ctx, tx, *r, c)
		},
		update: func(ctx context.Context, tx *store.Tx, id string, c network.Change, apply func(*R) error) (*V, error) {
			return s.UpdateSubnet(ctx, tx, id, c, func(v *V) error { return apply(&R{Subnet: v}) })
		},
		remove: s.DeleteSubnet,
	}
}

func toVersion(v any) (int, error) {
	n, err := toInt(0, 1<<30)(v)
	if err != nil || n != 4 && n != 6 {
		return 0, fmt.Errorf("'%v' is not in [4, 6]", show(v))
	}
	return n, nil
}

func toPrefixOrNone(v any) (netip.Prefix, error) {
	if v == nil || v == "" {
		return netip.Prefix{}, nil
	}
	return toPrefix(v)
}

func toPoolID(v any) (string, error) {
	if v == "prefix_delegation" {
		return "prefix_delegation", nil
	}
	return toUUIDOrNone(v)
}

func toServiceType(v any) (string, error) {
	s, err := toText(255)(v)
	if _, isNumber := v.(json.Number); isNumber || err != nil || s == "" {
		return "", fmt.Errorf("'%v' is not a valid service type", show(v))
	}
	return s, nil
}

func poolList(ps []network.Pool) []map[string]any {
	out := make([]map[string]any, len(ps))
	for i, p := range ps {
		out[i] = map[string]any{"start": p.Start.String(), "end": p.End.String()}
	}
	return out
}

func routeList(rs []network.Route) []map[string]any {
	out := make([]map[string]any, len(rs))
	for i, r := range rs {
		out[i] = map[string]any{"destination": r.Destination.String(), "nexthop": r.NextHop.String()}
	}
	return out
}

func texts[E fmt.Stringer](list []E) []string {
	out := make([]string, len(list))
	for i, e := range list {
		out[i] = e.String()
	}
	return out
}
