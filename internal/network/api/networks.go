package api

import (
	"context"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
	"kumoi/internal/network"
)

// networkResource is /v2.0/networks.
func networkResource(s *network.Service) *resource[network.Network, network.Network] {
	type N = network.Network
	std := func(n *N) *network.Standard { return &n.Standard }
	attrs := standard(std, std, "name", "description", "tags")
	attrs = append(attrs,
		field("admin_state_up", post|put, true, toBool, func(n *N) *bool { return &n.AdminStateUp }, func(n *N) any { return n.AdminStateUp }),
		shown[N]("status", func(*N) any { return network.StatusActive }),
		shown[N]("subnets", func(n *N) any { return orEmpty(n.SubnetIDs) }),
		field("shared", post|put, false, toBool, func(n *N) *bool { return &n.Shared }, func(n *N) any { return n.Shared }),
		field("router:external", post|put, false, toBool, func(n *N) *bool { return &n.External }, func(n *N) any { return n.External }),
		field("is_default", post|put, false, toBool, func(n *N) *bool { return &n.Default }, func(n *N) any { return n.Default }),
		field("mtu", post|put, "0", toInt(68, 65535), func(n *N) *int { return &n.MTU }, func(n *N) any { return n.MTU }),
		field("port_security_enabled", post|put, true, toBool, func(n *N) *bool { return &n.PortSecurity }, func(n *N) any { return n.PortSecurity }),
		field("dns_domain", post|put, "", toDomain, func(n *N) *string { return &n.DNSDomain }, func(n *N) any { return n.DNSDomain }),
		field("availability_zone_hints", post|put, unset, listOf(toText(255)), func(n *N) *[]string { return &n.AZHints }, func(n *N) any { return orEmpty(n.AZHints) }),
		shown[N]("availability_zones", func(n *N) any {
			if len(n.AZHints) > 0 {
				return n.AZHints
			}
			return []string{network.DefaultAZ}
		}),
		field("qos_policy_id", post|put, nil, toUUIDOrNone, func(n *N) *string { return &n.QoSPolicyID }, func(n *N) any { return orNull(n.QoSPolicyID) }),
		shown[N]("ipv4_address_scope", func(n *N) any { return orNull(n.Scope4) }),
		shown[N]("ipv6_address_scope", func(n *N) any { return orNull(n.Scope6) }),
		shown[N]("l2_adjacency", func(*N) any { return true }),
		field("provider:network_type", post|put, unset, toText(32), func(n *N) *string { return &n.Type }, func(n *N) any { return orNull(n.Type) }).guarded("get_network:provider:network_type"),
		field("provider:physical_network", post|put, unset, toText(128), func(n *N) *string { return &n.Physical }, func(n *N) any { return orNull(n.Physical) }).guarded("get_network:provider:physical_network"),
		field("provider:segmentation_id", post|put, unset, toSegment, func(n *N) *int { return &n.Segment }, func(n *N) any {
			if n.Segment == 0 {
				return nil
			}
			return n.Segment
		}).guarded("get_network:provider:segmentation_id"),
	)
	attrs = append(attrs, attr[N, N]{name: "segments", verbs: post, plain: unset, noFilter: true, set: setSegments})
	return &resource[N, N]{
		member: "network", collection: "networks", path: "/v2.0/networks", attrs: attrs, createBulk: true,
		id: func(n *N) string { return n.ID }, tags: func(n *N) []string { return n.Tags },
		begin: func() *N { return &N{AdminStateUp: true, PortSecurity: true} },
		list:  s.Networks, paged: true, show: s.Network,
		create: func(ctx context.Context, tx *store.Tx, n *N, c network.Change) (*N, error) {
			return n, s.CreateNetwork(ctx, tx, n, c)
		},
		update: s.UpdateNetwork, remove: s.DeleteNetwork,
	}
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
