package api

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"

	"kumoi/internal/kernel/change"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/rest"
	"kumoi/internal/network"
)

// subnets is /v2.0/subnets.
func (a *api) subnets() []httpx.Route {
	type R = network.NewSubnet
	type V = network.Subnet
	s, std := a.svc.Subnets, func(v *V) *network.Standard { return &v.Standard }
	modes := toChoiceOrNone("slaac", "dhcpv6-stateful", "dhcpv6-stateless")
	stored := slices.Concat(own(std, std), described(std, std), []rest.Attribute[V, V]{
		rest.Attr("network_id", rest.Post, rest.Unset, toUUID, func(v *V) *string { return &v.NetworkID }).Needed().By("network_id"),
		matching(rest.Asked("cidr", rest.Post, rest.Unset, toPrefixOrNone, func(v *V) *netip.Prefix { return &v.CIDR },
			func(w *rest.Writer, key string, v *V) { w.Text(key, v.CIDR.String()) }), "cidr", wanted(toPrefixOrNone)),
		orNone("subnetpool_id", rest.Post, nil, toPoolID, func(v *V) *string { return &v.SubnetPoolID }, "subnetpool_id"),
		rest.Asked("allocation_pools", rest.Both, rest.Unset, listOf(toPool), func(v *V) *[]network.Pool { return &v.Pools },
			func(w *rest.Writer, key string, v *V) { writePools(w, key, v.Pools) }),
		rest.Asked("dns_nameservers", rest.Both, rest.Unset, uniqueListOf(toAddr), func(v *V) *[]netip.Addr { return &v.DNS },
			func(w *rest.Writer, key string, v *V) { w.Texts(key, texts(v.DNS)) }).Filtered(containing("dns_nameservers", wanted(toAddr))),
		rest.Asked("host_routes", rest.Both, rest.Unset, uniqueListOf(toRoute), func(v *V) *[]network.Route { return &v.HostRoutes },
			func(w *rest.Writer, key string, v *V) { writeRoutes(w, key, v.HostRoutes) }),
		rest.Attr("enable_dhcp", rest.Both, true, toBool, func(v *V) *bool { return &v.DHCP }).By("enable_dhcp"),
		orNone("ipv6_ra_mode", rest.Post, nil, modes, func(v *V) *string { return &v.IPv6RA }, "ipv6_ra_mode"),
		orNone("ipv6_address_mode", rest.Post, nil, modes, func(v *V) *string { return &v.IPv6Address }, "ipv6_address_mode"),
		rest.Attr("service_types", rest.Both, rest.Unset, uniqueListOf(toServiceType), func(v *V) *[]string { return &v.ServiceTypes }).Filtered(containing("service_types", nil)),
		rest.Attr("dns_publish_fixed_ip", rest.Both, false, toBool, func(v *V) *bool { return &v.DNSPublish }).By("dns_publish_fixed_ip"),
		rest.ReadOnly[V]("shared", func(w *rest.Writer, key string, v *V) { w.Bool(key, v.Shared) }).By("shared").Unsorted().Read(asBool("shared")),
		rest.ReadOnly[V]("router:external", func(w *rest.Writer, key string, v *V) { w.Bool(key, v.External) }).By("reachable").Unsorted().Read(asBool("router:external")),
	})
	return collection(a, &rest.Resource[V, change.Patch[R], change.Patch[R]]{
		Path: "/v2.0/subnets", One: "subnet", Many: "subnets", ID: func(v *V) string { return v.ID },
		List: s.List, Show: s.Show, Create: s.Create, CreateMany: s.CreateMany, Update: s.Update, Delete: s.Delete,
	}, rest.NewAttributes(append(rest.Lift(stored, func(r *R) *V { return &r.Subnet }),
		rest.Asked("ip_version", rest.Post, rest.Unset, toVersion, func(r *R) *int { return &r.IPVersion },
			func(w *rest.Writer, key string, v *V) { w.Int(key, int64(v.Version())) }).Needed().By("ip_version"),
		rest.Asked[R, V]("prefixlen", rest.Post, rest.Unset, toInt(0, 128), func(r *R) *int { return &r.PrefixLen }, nil),
		rest.Asked[R, V]("use_default_subnetpool", rest.Post, false, toBool, func(r *R) *bool { return &r.UseDefaultPool }, nil),
		matching(rest.Set("gateway_ip", rest.Both, rest.Unset, func(r *R, v any) (err error) {
			r.NoGateway = v == nil
			r.Gateway, err = toAddrOrNone(v)
			return err
		}, func(w *rest.Writer, key string, v *V) { writeAddr(w, key, v.Gateway) }), "gateway_ip", wanted(toAddr)),
	)...))
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

func writePools(w *rest.Writer, key string, ps []network.Pool) {
	w.List(key, func() {
		for _, p := range ps {
			w.Object("", func() {
				w.Text("start", p.Start.String())
				w.Text("end", p.End.String())
			})
		}
	})
}

func writeRoutes(w *rest.Writer, key string, rs []network.Route) {
	w.List(key, func() {
		for _, r := range rs {
			w.Object("", func() {
				w.Text("destination", r.Destination.String())
				w.Text("nexthop", r.NextHop.String())
			})
		}
	})
}

// writeAddr writes null where there is no address.
func writeAddr(w *rest.Writer, key string, a netip.Addr) {
	if !a.IsValid() {
		w.Null(key)
		return
	}
	w.Text(key, a.String())
}

func texts[E fmt.Stringer](list []E) []string {
	out := make([]string, len(list))
	for i, e := range list {
		out[i] = e.String()
	}
	return out
}
