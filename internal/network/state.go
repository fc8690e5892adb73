package network

import (
	"context"
	"net/netip"
	"slices"
	"strings"

	"kumoi/internal/kernel/store"
	"kumoi/internal/network/fabric"
)

// This file turns stored resources into the fabric's words.

// stateSome states the keys; a resource that is not there any more is gone.
func (p *projector) stateSome(ctx context.Context, tx *store.Tx, keys map[fabric.Key]bool) (*fabric.Statement, error) {
	by := map[string][]string{}
	for k := range keys {
		by[k.Kind] = append(by[k.Kind], k.ID)
	}
	for _, list := range by {
		slices.Sort(list)
	}
	v := &stater{s: p.s, out: &fabric.Statement{}}
	ns, err := p.s.Networks.table.All(ctx, tx, store.In("id", by[fabric.KindNetwork]))
	if err != nil {
		return nil, err
	}
	ps, err := p.s.Ports.table.All(ctx, tx, store.In("id", by[fabric.KindPort]))
	if err != nil {
		return nil, err
	}
	gs, err := p.s.SecurityGroups.table.All(ctx, tx, store.In("id", by[fabric.KindGroup]))
	if err != nil {
		return nil, err
	}
	as, err := p.s.AddressGroups.table.All(ctx, tx, store.In("id", by[fabric.KindAddresses]))
	if err != nil {
		return nil, err
	}
	rs, err := p.s.Routers.table.All(ctx, tx, store.In("id", by[fabric.KindRouter]))
	if err != nil {
		return nil, err
	}
	if err := v.state(ctx, tx, ns, ps, gs, as, rs); err != nil {
		return nil, err
	}
	for k := range keys {
		if !v.stated[k] {
			v.out.Gone = append(v.out.Gone, k)
		}
	}
	return v.out, nil
}

// stateAll states everything.
func (p *projector) stateAll(ctx context.Context, tx *store.Tx) (*fabric.Statement, error) {
	v := &stater{s: p.s, out: &fabric.Statement{Full: true}}
	ns, err := p.s.Networks.table.All(ctx, tx)
	if err != nil {
		return nil, err
	}
	ps, err := p.s.Ports.table.All(ctx, tx)
	if err != nil {
		return nil, err
	}
	gs, err := p.s.SecurityGroups.table.All(ctx, tx)
	if err != nil {
		return nil, err
	}
	as, err := p.s.AddressGroups.table.All(ctx, tx)
	if err != nil {
		return nil, err
	}
	rs, err := p.s.Routers.table.All(ctx, tx)
	if err != nil {
		return nil, err
	}
	return v.out, v.state(ctx, tx, ns, ps, gs, as, rs)
}

type stater struct {
	s      *Service
	out    *fabric.Statement
	stated map[fabric.Key]bool
}

func (v *stater) state(ctx context.Context, tx *store.Tx, ns []*Network, ps []*Port, gs []*SecurityGroup, as []*AddressGroup, rs []*Router) error {
	v.stated = map[fabric.Key]bool{}
	if err := v.s.Networks.hydrated(ctx, tx, ns); err != nil {
		return err
	}
	subs, err := v.s.Subnets.table.All(ctx, tx, store.In("network_id", idsOf(ns, func(n *Network) string { return n.ID })))
	if err != nil {
		return err
	}
	byNetwork := map[string][]*Subnet{}
	for _, sub := range subs {
		byNetwork[sub.NetworkID] = append(byNetwork[sub.NetworkID], sub)
	}
	for _, n := range ns {
		meta, err := v.s.Subnets.metadataPort(ctx, tx, n.ID)
		if err != nil {
			return err
		}
		v.stated[fabric.Key{Kind: fabric.KindNetwork, ID: n.ID}] = true
		v.out.Networks = append(v.out.Networks, v.network(n, byNetwork[n.ID], meta))
	}
	ps, trunked, err := v.s.Trunks.carriedAmong(ctx, tx, ps)
	if err != nil {
		return err
	}
	limits, err := v.s.QoSPolicies.inForce(ctx, tx, ps)
	if err != nil {
		return err
	}
	for _, p := range ps {
		if p.HeldAs == OwnerFloatingIP {
			continue // holds an address in the model only
		}
		v.stated[fabric.Key{Kind: fabric.KindPort, ID: p.ID}] = true
		port := v.port(p)
		port.QoS = limits[p.ID]
		if c, ok := trunked[p.ID]; ok {
			port.Parent, port.Tag, port.Host = c.parent, c.tag, c.host
		}
		v.out.Ports = append(v.out.Ports, port)
	}
	if err := v.s.SecurityGroups.hydrated(ctx, tx, gs); err != nil {
		return err
	}
	for _, g := range gs {
		v.stated[fabric.Key{Kind: fabric.KindGroup, ID: g.ID}] = true
		v.out.Groups = append(v.out.Groups, stateGroup(g))
	}
	for _, a := range as {
		v.stated[fabric.Key{Kind: fabric.KindAddresses, ID: a.ID}] = true
		v.out.Addresses = append(v.out.Addresses, fabric.Addresses{ID: a.ID, Name: a.Name, Prefixes: a.Addresses})
	}
	for _, r := range rs {
		fr, err := v.router(ctx, tx, r)
		if err != nil {
			return err
		}
		v.stated[fabric.Key{Kind: fabric.KindRouter, ID: r.ID}] = true
		v.out.Routers = append(v.out.Routers, *fr)
	}
	return nil
}

func (v *stater) network(n *Network, subs []*Subnet, meta *Port) fabric.Network {
	out := fabric.Network{
		ID: n.ID, Name: n.Name, ProjectID: n.ProjectID, MTU: n.MTU, External: n.External, AdminUp: n.AdminStateUp,
		DNSDomain: n.DNSDomain, Revision: n.Revision,
	}
	if n.Type == TypeFlat || n.Type == TypeVLAN {
		out.Physical, out.VLAN = n.Physical, n.Segment
	}
	slices.SortFunc(subs, func(a, b *Subnet) int { return compareText(a.ID, b.ID) })
	for _, sub := range subs {
		f := fabric.Subnet{
			ID: sub.ID, Name: sub.Name, CIDR: sub.CIDR, Gateway: sub.Gateway, DNS: sub.DNS, DHCP: sub.DHCP,
			IPv6: sub.IPv6Address, MTU: n.MTU, Domain: strings.TrimSuffix(v.s.cfg.DNSDomain, "."),
		}
		if n.DNSDomain != "" {
			f.Domain = strings.TrimSuffix(n.DNSDomain, ".")
		}
		if len(f.DNS) == 0 {
			f.DNS = ofVersion(v.s.cfg.DNS, sub.Version())
		}
		for _, r := range sub.HostRoutes {
			f.Routes = append(f.Routes, fabric.Route(r))
		}
		if meta != nil {
			for _, ip := range meta.FixedIPs {
				if ip.SubnetID == sub.ID {
					f.Metadata = ip.IP
				}
			}
		}
		out.Subnets = append(out.Subnets, f)
	}
	return out
}

func ofVersion(addrs []netip.Addr, version int) []netip.Addr {
	var out []netip.Addr
	for _, a := range addrs {
		if a.Is4() == (version == 4) {
			out = append(out, a)
		}
	}
	return out
}

func (v *stater) port(p *Port) fabric.Port {
	out := fabric.Port{
		ID: p.ID, Name: p.Name, ProjectID: p.ProjectID, NetworkID: p.NetworkID, DeviceID: p.DeviceID, DeviceOwner: p.DeviceOwner,
		MAC: p.MAC, AdminUp: p.AdminStateUp, PortSecurity: p.PortSecurity, Groups: p.SecurityGroups, Host: p.Host,
		DNSName: p.DNSName, DNSDomain: p.DNSDomain, Revision: p.Revision,
	}
	for _, f := range p.FixedIPs {
		out.IPs = append(out.IPs, fabric.Address{IP: f.IP, SubnetID: f.SubnetID})
	}
	for _, a := range p.AddressPairs {
		out.Pairs = append(out.Pairs, fabric.Pair(a))
	}
	for _, o := range p.DHCPOptions {
		out.DHCPOptions = append(out.DHCPOptions, fabric.DHCPOption(o))
	}
	switch p.HeldAs {
	case OwnerDistributed:
		out.Role = fabric.RoleMetadata
	case OwnerRouterInterface:
		out.Role = fabric.RoleRouter
	case OwnerRouterGateway:
		out.Role, out.Gateway = fabric.RoleRouter, true
	}
	return out
}

func stateGroup(g *SecurityGroup) fabric.Group {
	out := fabric.Group{ID: g.ID, Name: g.Name, ProjectID: g.ProjectID, Stateful: g.Stateful, Revision: g.Revision}
	for _, r := range g.Rules {
		protocol := r.Protocol
		if r.EtherType == IPv6 && (protocol == "icmp" || protocol == "1") {
			protocol = "icmpv6" // users mean that one
		}
		out.Rules = append(out.Rules, fabric.Rule{
			ID: r.ID, Ingress: r.Direction == Ingress, IPv6: r.EtherType == IPv6, Protocol: protocol,
			PortMin: r.PortMin, PortMax: r.PortMax, RemotePrefix: remotePrefix(r),
			RemoteGroup: r.RemoteGroupID, RemoteAddresses: r.AddressGroupID,
		})
	}
	return out
}
