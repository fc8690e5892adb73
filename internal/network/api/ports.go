package api

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"kumoi/internal/kernel/store"
	"kumoi/internal/network"
)

// portResource is /v2.0/ports.
func portResource(s *network.Service) *resource[network.NewPort, network.Port] {
	type R = network.NewPort
	type V = network.Port
	attrs := standard(func(r *R) *network.Standard { return &r.Standard }, func(v *V) *network.Standard { return &v.Standard }, "name", "description", "tags")
	attrs = append(attrs,
		field("network_id", post, unset, toUUID, func(r *R) *string { return &r.NetworkID }, func(v *V) any { return v.NetworkID }).needed().indexed("network_id"),
		field("admin_state_up", post|put, true, toBool, func(r *R) *bool { return &r.AdminStateUp }, func(v *V) any { return v.AdminStateUp }),
		field("mac_address", post|put, unset, toMACOrAny, func(r *R) *string { return &r.MAC }, func(v *V) any { return v.MAC }).indexed("mac"),
		attr[R, V]{name: "fixed_ips", verbs: post | put, plain: unset, get: func(v *V) any { return fixedList(v.FixedIPs) }, set: func(r *R, v any) (err error) {
			r.IPsGiven = v != nil
			r.WantIPs, err = toFixedIPs(v)
			return err
		}},
		field("device_id", post|put, "", toText(255), func(r *R) *string { return &r.DeviceID }, func(v *V) any { return v.DeviceID }).indexed("device_id"),
		field("device_owner", post|put, "", toText(255), func(r *R) *string { return &r.DeviceOwner }, func(v *V) any { return v.DeviceOwner }).indexed("device_owner"),
		shown[R]("status", func(v *V) any { return v.Status }),
		attr[R, V]{name: "security_groups", verbs: post | put, plain: unset, get: func(v *V) any { return orEmpty(v.SecurityGroups) }, set: func(r *R, v any) (err error) {
			r.GroupsGiven = v != nil
			r.SecurityGroups, err = uniqueListOf(toUUID)(v)
			return err
		}},
		field("allowed_address_pairs", post|put, unset, listOf(toPair), func(r *R) *[]network.AddressPair { return &r.AddressPairs }, func(v *V) any { return pairList(v.AddressPairs) }).unfiltered(),
		attr[R, V]{name: "extra_dhcp_opts", verbs: post | put, plain: unset, noFilter: true, get: func(v *V) any { return optionList(v.DHCPOptions) }, set: setOptions},
		attr[R, V]{name: "port_security_enabled", verbs: post | put, plain: unset, get: func(v *V) any { return v.PortSecurity }, set: func(r *R, v any) error {
			b, err := toBool(v)
			r.Security, r.PortSecurity = &b, b
			return err
		}},
		field("dns_name", post|put, "", toDNSName, func(r *R) *string { return &r.DNSName }, func(v *V) any { return v.DNSName }),
		field("dns_domain", post|put, "", toDomain, func(r *R) *string { return &r.DNSDomain }, func(v *V) any { return v.DNSDomain }),
		shown[R]("dns_assignment", func(v *V) any { return assignments(s, v) }).unfiltered(),
		field("binding:vnic_type", post|put, "normal", toChoice("normal", "macvtap", "direct", "direct-physical", "baremetal", "virtio-forwarder", "smart-nic"), func(r *R) *string { return &r.VNICType }, func(v *V) any { return v.VNICType }),
		field("binding:host_id", post|put, "", toText(255), func(r *R) *string { return &r.Host }, func(v *V) any { return v.Host }).guarded("get_port:binding:host_id").indexed("host"),
		field("binding:profile", post|put, unset, toProfile, func(r *R) *map[string]any { return &r.Profile }, func(v *V) any {
			if v.Profile == nil {
				return map[string]any{}
			}
			return v.Profile
		}).guarded("get_port:binding:profile").unfiltered(),
		shown[R]("binding:vif_type", func(v *V) any { return vifType(v) }).guarded("get_port:binding:vif_type"),
		shown[R]("binding:vif_details", func(v *V) any { return vifDetails(v) }).guarded("get_port:binding:vif_details").unfiltered(),
		shown[R]("ip_allocation", func(v *V) any {
			if len(v.FixedIPs) == 0 {
				return "none"
			}
			return "immediate"
		}),
		field("qos_policy_id", post|put, nil, toUUIDOrNone, func(r *R) *string { return &r.QoSPolicyID }, func(v *V) any { return orNull(v.QoSPolicyID) }),
		shown[R]("qos_network_policy_id", func(v *V) any { return orNull(v.NetworkQoS) }),
		shown[R]("trunk_details", func(v *V) any { return trunkDetails(v) }).unfiltered(),
		field("propagate_uplink_status", post|put, true, toBool, func(r *R) *bool { return &r.PropagateUp }, func(v *V) any { return v.PropagateUp }),
	)
	return &resource[R, V]{
		member: "port", collection: "ports", path: "/v2.0/ports", attrs: attrs, createBulk: true,
		id: func(v *V) string { return v.ID }, tags: func(v *V) []string { return v.Tags },
		begin: func() *R { return &R{Port: &V{AdminStateUp: true, VNICType: "normal", PropagateUp: true}} },
		list:  s.Ports, paged: true, show: s.Port,
		create: func(ctx context.Context, tx *store.Tx, r *R, c network.Change) (*V, error) {
			return r.Port, s.CreatePort(ctx, tx, *r, c)
		},
		update: func(ctx context.Context, tx *store.Tx, id string, c network.Change, apply func(*R) error) (*V, error) {
			scratch := R{Port: &V{}}
			if err := apply(&scratch); err != nil {
				return nil, err
			}
			u := network.PortUpdate{Groups: scratch.GroupsGiven, Apply: func(v *V) error { return apply(&R{Port: v}) }}
			if scratch.IPsGiven {
				u.IPs = &scratch.WantIPs
			}
			return s.UpdatePort(ctx, tx, id, c, u)
		},
		remove: s.DeletePort,
	}
}

// setOptions replaces the options; one whose value is null goes.
func setOptions(r *network.NewPort, v any) error {
	opts, err := listOf(toDHCPOption)(v)
	if err != nil {
		return err
	}
	keep := map[string]network.DHCPOption{}
	order := []string{}
	put := func(o network.DHCPOption) {
		key := fmt.Sprint(o.IPVersion, o.Name)
		if _, ok := keep[key]; !ok {
			order = append(order, key)
		}
		keep[key] = o
	}
	for _, o := range r.DHCPOptions {
		put(o)
	}
	for _, o := range opts {
		put(o)
	}
	r.DHCPOptions = nil
	for _, key := range order {
		if o := keep[key]; o.Value != "" {
			r.DHCPOptions = append(r.DHCPOptions, o)
		}
	}
	return nil
}

func toProfile(v any) (map[string]any, error) {
	if v == nil || v == "" {
		return map[string]any{}, nil
	}
	m, ok := v.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("'%v' is not a dictionary", show(v))
	}
	if b, err := json.Marshal(m); err != nil || len(b) > 4095 {
		return nil, fmt.Errorf("binding:profile is larger than 4095 bytes")
	}
	return m, nil
}

func fixedList(fs []network.FixedIP) []map[string]any {
	out := make([]map[string]any, len(fs))
	for i, f := range fs {
		out[i] = map[string]any{"subnet_id": f.SubnetID, "ip_address": f.IP.String()}
	}
	return out
}

func pairList(ps []network.AddressPair) []map[string]any {
	out := make([]map[string]any, len(ps))
	for i, p := range ps {
		ip := p.IP.String()
		if p.IP.IsSingleIP() {
			ip = p.IP.Addr().String()
		}
		out[i] = map[string]any{"mac_address": p.MAC, "ip_address": ip}
	}
	return out
}

func optionList(os []network.DHCPOption) []map[string]any {
	out := make([]map[string]any, len(os))
	for i, o := range os {
		out[i] = map[string]any{"opt_name": o.Name, "opt_value": o.Value, "ip_version": o.IPVersion}
	}
	return out
}

// assignments are the names of a port's addresses in the internal DNS.
func assignments(s *network.Service, p *network.Port) []map[string]any {
	domain := s.DNSDomain()
	out := make([]map[string]any, len(p.FixedIPs))
	for i, f := range p.FixedIPs {
		host := p.DNSName
		if host == "" {
			host = "host-" + strings.NewReplacer(".", "-", ":", "-").Replace(f.IP.String())
		}
		fqdn := host
		if !strings.HasSuffix(host, ".") {
			fqdn = host + "." + domain
		}
		out[i] = map[string]any{"ip_address": f.IP.String(), "hostname": strings.TrimSuffix(strings.Split(host, ".")[0], "."), "fqdn": fqdn}
	}
	return out
}

func vifType(p *network.Port) string {
	switch {
	case p.DeviceOwner == network.OwnerRouterInterface || p.DeviceOwner == network.OwnerRouterGateway || p.DeviceOwner == network.OwnerDistributed:
		return "unbound"
	case !p.Bound():
		return "unbound"
	}
	return "ovs"
}

func vifDetails(p *network.Port) map[string]any {
	if !p.Bound() {
		return map[string]any{}
	}
	return map[string]any{"port_filter": true, "connectivity": "l2", "bridge_name": "br-int"}
}
