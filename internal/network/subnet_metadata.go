package network

import (
	"context"
	"slices"

	"kumoi/internal/kernel/store"
)

// keepMetadataPort makes the port behind which the metadata service answers on
// this network, with an address in each subnet that hands out leases.
func (f *Subnets) keepMetadataPort(ctx context.Context, tx *store.Tx, n *Network) error {
	subs, err := f.table.All(ctx, tx, store.Eq("network_id", n.ID))
	if err != nil {
		return err
	}
	var want []*Subnet
	for _, sub := range subs {
		if sub.DHCP && sub.Version() == 4 {
			want = append(want, sub)
		}
	}
	p, err := f.metadataPort(ctx, tx, n.ID)
	if err != nil {
		return err
	}
	if p == nil {
		if len(want) == 0 {
			return nil
		}
		mac, err := f.s.ipam.freeMAC(ctx, tx, n.ID)
		if err != nil {
			return err
		}
		p = newOwnPort(f.s, n, OwnerDistributed, "ovnmeta-"+n.ID)
		p.MAC, p.ProjectID, p.PortSecurity = mac, n.ProjectID, false
		if err := f.s.Ports.table.Insert(ctx, tx, p); err != nil {
			return err
		}
	}
	for _, fixed := range slices.Clone(p.FixedIPs) {
		if !slices.ContainsFunc(want, func(x *Subnet) bool { return x.ID == fixed.SubnetID }) {
			if err := f.s.ipam.release(ctx, tx, p.ID, fixed); err != nil {
				return err
			}
			p.FixedIPs = slices.DeleteFunc(p.FixedIPs, func(x FixedIP) bool { return x == fixed })
		}
	}
	for _, sub := range want {
		if p.hasSubnet(sub.ID) {
			continue
		}
		ip, err := f.s.ipam.freeAddress(ctx, tx, sub)
		if err != nil {
			return err
		}
		if !ip.IsValid() {
			continue // a subnet too small for it has no metadata, but it works
		}
		if err := f.s.ipam.reserve(ctx, tx, sub.ID, ip, p.ID); err != nil {
			return err
		}
		p.FixedIPs = append(p.FixedIPs, FixedIP{sub.ID, ip})
	}
	f.s.projector.touchPort(tx, p)
	return f.s.Ports.save(ctx, tx, p)
}

// metadataPort returns the network's metadata port, nil if there is none.
func (f *Subnets) metadataPort(ctx context.Context, tx *store.Tx, networkID string) (*Port, error) {
	p, err := f.s.Ports.table.First(ctx, tx, store.Eq("network_id", networkID), store.Eq("held_as", OwnerDistributed))
	if isNotFound(err) {
		return nil, nil
	}
	return p, err
}
