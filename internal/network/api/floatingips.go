package api

import (
	"context"
	"net/netip"

	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/store"
	"kumoi/internal/network"
)

// floatingView is a floating IP with what its answer says of others.
type floatingView struct {
	*network.FloatingIP
	port        *network.Port
	forwardings []*network.PortForwarding
}

type newFloating struct {
	*network.FloatingIP
	portGiven bool
}

// floatingResource is /v2.0/floatingips.
func floatingResource(s *network.Service) *resource[newFloating, floatingView] {
	type R = newFloating
	type V = floatingView
	ports := forwardingPorts()
	attrs := standard(func(r *R) *network.Standard { return &r.Standard }, func(v *V) *network.Standard { return &v.Standard }, "description", "tags")
	attrs = append(attrs,
		field("floating_network_id", post, unset, toUUID, func(r *R) *string { return &r.NetworkID }, func(v *V) any { return v.NetworkID }).needed().indexed("network_id"),
		field("floating_ip_address", post, nil, toAddrOrNone, func(r *R) *netip.Addr { return &r.Address }, func(v *V) any { return addrOrNull(v.Address) }),
		field("subnet_id", post, nil, toUUIDOrNone, func(r *R) *string { return &r.SubnetID }, silent[V]()),
		attr[R, V]{name: "port_id", verbs: post | put, plain: nil, column: "port_id", get: func(v *V) any { return orNull(v.PortID) }, set: func(r *R, v any) (err error) {
			r.portGiven = true
			r.PortID, err = toUUIDOrNone(v)
			return err
		}},
		field("fixed_ip_address", post|put, nil, toAddrOrNone, func(r *R) *netip.Addr { return &r.FixedIP }, func(v *V) any { return addrOrNull(v.FixedIP) }),
		shown[R]("router_id", func(v *V) any { return orNull(v.RouterID) }).indexed("router_id"),
		shown[R]("status", func(v *V) any { return v.Status }),
		field("dns_name", post, "", toDNSName, func(r *R) *string { return &r.DNSName }, func(v *V) any { return v.DNSName }),
		field("dns_domain", post, "", toDomain, func(r *R) *string { return &r.DNSDomain }, func(v *V) any { return v.DNSDomain }),
		shown[R]("port_details", func(v *V) any { return portDetails(v.port) }).unfiltered(),
		shown[R]("port_forwardings", func(v *V) any {
			out := make([]map[string]any, len(v.forwardings))
			for i, f := range v.forwardings {
				out[i] = map[string]any{"id": f.ID, "protocol": f.Protocol, "internal_ip_address": f.InternalIP.String(), "internal_port_id": f.PortID}
				for _, a := range ports {
					out[i][a.name] = a.get(f)
				}
			}
			return out
		}).unfiltered(),
	)
	complete := func(ctx context.Context, vs []*V) error {
		var portIDs, idList []string
		for _, v := range vs {
			idList = append(idList, v.ID)
			if v.PortID != "" {
				portIDs = append(portIDs, v.PortID)
			}
		}
		byPort := map[string]*network.Port{}
		if len(portIDs) > 0 {
			ps, err := s.Ports(ctx, network.Filter{IDs: portIDs})
			if err != nil {
				return err
			}
			for _, p := range ps {
				byPort[p.ID] = p
			}
		}
		pfs, err := s.ForwardingsOf(ctx, idList)
		for _, v := range vs {
			v.port, v.forwardings = byPort[v.PortID], pfs[v.ID]
		}
		return err
	}
	return &resource[R, V]{
		member: "floatingip", collection: "floatingips", path: "/v2.0/floatingips", attrs: attrs, createBulk: true,
		id: func(v *V) string { return v.ID }, tags: func(v *V) []string { return v.Tags },
		begin:    func() *R { return &R{FloatingIP: &network.FloatingIP{}} },
		complete: complete,
		paged:    true,
		list: func(ctx context.Context, f network.Filter) ([]*V, error) {
			fs, err := s.FloatingIPs(ctx, f)
			out := make([]*V, len(fs))
			for i, f := range fs {
				out[i] = &V{FloatingIP: f}
			}
			return out, err
		},
		show: func(ctx context.Context, id string) (*V, error) {
			f, err := s.FloatingIP(ctx, id)
			return &V{FloatingIP: f}, err
		},
		create: func(ctx context.Context, tx *store.Tx, r *R, c network.Change) (*V, error) {
			err := s.CreateFloatingIP(ctx, tx, r.FloatingIP, c)
			return &V{FloatingIP: r.FloatingIP}, err
		},
		update: func(ctx context.Context, tx *store.Tx, id string, c network.Change, apply func(*R) error) (*V, error) {
			scratch := R{FloatingIP: &network.FloatingIP{}}
			if err := apply(&scratch); err != nil {
				return nil, err
			}
			// An empty change takes the address off its port.
			associate := scratch.portGiven || scratch.FixedIP.IsValid() || len(c.Attrs) == 0
			f, err := s.UpdateFloatingIP(ctx, tx, id, c, associate, func(f *network.FloatingIP) error {
				if associate {
					f.FixedIP = netip.Addr{}
				}
				if len(c.Attrs) == 0 {
					f.PortID = ""
				}
				return apply(&R{FloatingIP: f})
			})
			return &V{FloatingIP: f}, err
		},
		remove: s.DeleteFloatingIP,
	}
}

func portDetails(p *network.Port) any {
	if p == nil {
		return nil
	}
	return map[string]any{
		"name": p.Name, "network_id": p.NetworkID, "mac_address": p.MAC, "admin_state_up": p.AdminStateUp,
		"status": p.Status, "device_id": p.DeviceID, "device_owner": p.DeviceOwner,
	}
}

// floatingPools lists the external subnets that floating IPs can come from.
func (a *api) floatingPools(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	pools, err := a.svc.FloatingIPPools(ctx)
	if err != nil {
		return nil, err
	}
	rows := make([]short, len(pools))
	for i, p := range pools {
		rows[i] = short{
			{"subnet_id", p.Subnet.ID},
			{"subnet_name", p.Subnet.Name},
			{"project_id", p.Subnet.ProjectID},
			{"tenant_id", p.Subnet.ProjectID},
			{"network_id", p.Network.ID},
			{"network_name", p.Network.Name},
			{"cidr", p.Subnet.CIDR.String()},
		}
	}
	return shortList(r, "floatingip_pools", rows, "subnet_id", "subnet_name", "project_id", "tenant_id", "network_id", "network_name", "cidr")
}
