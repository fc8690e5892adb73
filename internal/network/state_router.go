package network

import (
	"context"
	"net/netip"
	"slices"

	"kumoi/internal/kernel/store"
	"kumoi/internal/network/fabric"
)

func (v *stater) router(ctx context.Context, tx *store.Tx, r *Router) (*fabric.Router, error) {
	out := &fabric.Router{ID: r.ID, Name: r.Name, ProjectID: r.ProjectID, AdminUp: r.AdminStateUp, Revision: r.Revision}
	ps, err := v.s.Routers.ports(ctx, tx, r.ID)
	if err != nil {
		return nil, err
	}
	var subnetList, networkList []string
	for _, p := range ps {
		subnetList = append(subnetList, subnetIDs(p)...)
		networkList = append(networkList, p.NetworkID)
	}
	subs, err := v.s.Subnets.table.All(ctx, tx, store.In("id", subnetList))
	if err != nil {
		return nil, err
	}
	nets, err := v.s.Networks.table.All(ctx, tx, store.In("id", networkList))
	if err != nil {
		return nil, err
	}
	var outside netip.Addr
	if r.Gateway != nil {
		for _, f := range r.Gateway.FixedIPs {
			if f.IP.Is4() {
				outside = f.IP
			}
		}
	}
	for _, p := range ps {
		in := fabric.Interface{PortID: p.ID, NetworkID: p.NetworkID, MAC: p.MAC, External: p.HeldAs == OwnerRouterGateway}
		if i := slices.IndexFunc(nets, func(n *Network) bool { return n.ID == p.NetworkID }); i >= 0 {
			in.MTU = nets[i].MTU
			if nets[i].Type == TypeFlat || nets[i].Type == TypeVLAN {
				in.Physical = nets[i].Physical
			}
		}
		for _, f := range p.FixedIPs {
			i := slices.IndexFunc(subs, func(x *Subnet) bool { return x.ID == f.SubnetID })
			if i < 0 {
				continue
			}
			sub := subs[i]
			in.Addresses = append(in.Addresses, netip.PrefixFrom(f.IP, sub.CIDR.Bits()))
			if in.External && sub.Gateway.IsValid() {
				in.Gateways = append(in.Gateways, sub.Gateway)
			}
			if sub.IPv6RA != "" && !in.External {
				in.RA = sub.IPv6RA
			}
			if !in.External && outside.IsValid() && r.Gateway.SNAT && sub.Version() == 4 {
				out.NATs = append(out.NATs, fabric.NAT{External: outside, Internal: sub.CIDR})
			}
		}
		out.Interfaces = append(out.Interfaces, in)
	}
	for _, route := range r.Routes {
		out.Routes = append(out.Routes, fabric.Route(route))
	}
	return out, v.floating(ctx, tx, r, out)
}

// floating adds the router's floating IPs and their forwardings.
func (v *stater) floating(ctx context.Context, tx *store.Tx, r *Router, out *fabric.Router) error {
	fs, err := v.s.FloatingIPs.table.All(ctx, tx, store.Eq("router_id", r.ID))
	if err != nil {
		return err
	}
	slices.SortFunc(fs, func(a, b *FloatingIP) int { return compareText(a.ID, b.ID) })
	for _, f := range fs {
		if f.PortID != "" {
			out.NATs = append(out.NATs, fabric.NAT{
				ID: f.ID, External: f.Address, Internal: netip.PrefixFrom(f.FixedIP, f.FixedIP.BitLen()), PortID: f.PortID,
			})
			continue
		}
		pfs, err := v.s.Forwardings.table.All(ctx, tx, store.Eq("floatingip_id", f.ID))
		if err != nil {
			return err
		}
		slices.SortFunc(pfs, func(a, b *PortForwarding) int { return compareText(a.ID, b.ID) })
		for _, pf := range pfs {
			inside, insideLast := pf.Internal()
			outside, outsideLast := pf.External()
			for port := outside; port <= outsideLast; port++ {
				out.Forwardings = append(out.Forwardings, fabric.Forwarding{
					FloatingIPID: f.ID, Protocol: pf.Protocol,
					External: netip.AddrPortFrom(f.Address, uint16(port)),
					Internal: netip.AddrPortFrom(pf.InternalIP, uint16(min(inside+port-outside, insideLast))),
				})
			}
		}
	}
	return nil
}
