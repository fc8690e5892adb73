package api

import (
	"slices"

	"kumoi/internal/kernel/change"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/rest"
	"kumoi/internal/network"
)

// networks is /v2.0/networks.
func (a *api) networks() []httpx.Route {
	type N = network.Network
	s, std := a.svc.Networks, func(n *N) *network.Standard { return &n.Standard }
	return collection(a, &rest.Resource[N, change.Patch[N], change.Patch[N]]{
		Path: "/v2.0/networks", One: "network", Many: "networks", ID: func(n *N) string { return n.ID },
		List: s.List, Show: s.Show, Create: s.Create, CreateMany: s.CreateMany, Update: s.Update, Delete: s.Delete,
	}, rest.NewAttributes(slices.Concat(own(std, std), described(std, std), []rest.Attribute[N, N]{
		rest.Attr("admin_state_up", rest.Both, true, toBool, func(n *N) *bool { return &n.AdminStateUp }).By("admin_state_up"),
		rest.ReadOnly[N]("status", func(w *rest.Writer, key string, _ *N) { w.Text(key, network.StatusActive) }).Filtered(always(network.StatusActive)),
		rest.ReadOnly[N]("subnets", func(w *rest.Writer, key string, n *N) { w.Texts(key, n.SubnetIDs) }).Filtered(containing("subnets", nil)),
		rest.Attr("shared", rest.Both, false, toBool, func(n *N) *bool { return &n.Shared }).By("shared").Unsorted(),
		rest.Attr("router:external", rest.Both, false, toBool, func(n *N) *bool { return &n.External }).By("external"),
		rest.Attr("is_default", rest.Both, false, toBool, func(n *N) *bool { return &n.Default }).By("is_default"),
		rest.Attr("mtu", rest.Both, "0", toInt(68, 65535), func(n *N) *int { return &n.MTU }).By("mtu"),
		rest.Attr("port_security_enabled", rest.Both, true, toBool, func(n *N) *bool { return &n.PortSecurity }).By("port_security_enabled"),
		matching(rest.Attr("dns_domain", rest.Both, "", toDomain, func(n *N) *string { return &n.DNSDomain }), "dns_domain", nil),
		rest.Attr("availability_zone_hints", rest.Both, rest.Unset, listOf(toText(255)), func(n *N) *[]string { return &n.AZHints }).Filtered(containing("availability_zone_hints", nil)),
		rest.ReadOnly[N]("availability_zones", func(w *rest.Writer, key string, n *N) { w.Texts(key, zonesOf(n.AZHints)) }).Filtered(inZones),
		orNone("qos_policy_id", rest.Both, nil, toUUIDOrNone, func(n *N) *string { return &n.QoSPolicyID }, "qos_policy_id"),
		rest.ReadOnly[N]("ipv4_address_scope", func(w *rest.Writer, key string, n *N) { w.TextOrNull(key, n.Scope4) }).Filtered(containing("ipv4_address_scope", nil)),
		rest.ReadOnly[N]("ipv6_address_scope", func(w *rest.Writer, key string, n *N) { w.TextOrNull(key, n.Scope6) }).Filtered(containing("ipv6_address_scope", nil)),
		rest.ReadOnly[N]("l2_adjacency", func(w *rest.Writer, key string, _ *N) { w.Bool(key, true) }).Filtered(always("true")),
		orNone("provider:network_type", rest.Both, rest.Unset, toText(32), func(n *N) *string { return &n.Type }, "net_type").Guarded("get_network:provider:network_type"),
		orNone("provider:physical_network", rest.Both, rest.Unset, toText(128), func(n *N) *string { return &n.Physical }, "physical").Guarded("get_network:provider:physical_network"),
		rest.Asked("provider:segmentation_id", rest.Both, rest.Unset, toSegment, func(n *N) *int { return &n.Segment }, func(w *rest.Writer, key string, n *N) {
			if n.Segment == 0 {
				w.Null(key)
				return
			}
			w.Int(key, int64(n.Segment))
		}).By("segment").Guarded("get_network:provider:segmentation_id"),
		rest.Set[N, N]("segments", rest.Post, rest.Unset, setSegments, nil),
	})...))
}

// zonesOf are the zones of something with hints for them.
func zonesOf(hints []string) []string {
	if len(hints) > 0 {
		return hints
	}
	return []string{network.DefaultAZ}
}

// setSegments takes the list form of the provider attributes, which SDKs send.
// A network of ours has one segment.
func setSegments(n *network.Network, v any) error {
	list, ok := v.([]any)
	if !ok || len(list) != 1 {
		return errs.New(errs.Invalid, "Invalid input for segments. Reason: a network has exactly one segment here; give a list of one.").WithCode("InvalidInput")
	}
	segment, ok := list[0].(map[string]any)
	if !ok {
		return errs.New(errs.Invalid, "Invalid input for segments. Reason: '%v' is not a dictionary.", list[0]).WithCode("InvalidInput")
	}
	for name, v := range segment {
		var err error
		switch name {
		case "provider:network_type":
			n.Type, err = toText(32)(v)
		case "provider:physical_network":
			if v != nil {
				n.Physical, err = toText(128)(v)
			}
		case "provider:segmentation_id":
			n.Segment, err = toSegment(v)
		default:
			err = errs.New(errs.Invalid, "Invalid input for segments. Reason: unexpected key '%.60s'.", name).WithCode("InvalidInput")
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func toSegment(v any) (int, error) {
	if v == nil {
		return 0, nil
	}
	return toInt(0, 1<<24)(v)
}
