package network

import (
	"context"
	"slices"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

// FloatingIPPool is a subnet that floating IPs can come from.
type FloatingIPPool struct {
	Network *Network
	Subnet  *Subnet
}

// Pools returns the IPv4 subnets of the external networks that the
// actor may use; the subnets themselves it may not be able to see.
func (f *FloatingIPs) Pools(ctx context.Context) ([]FloatingIPPool, error) {
	var out []FloatingIPPool
	s := f.s
	err := s.db.Read(ctx, func(tx *store.Tx) error {
		out = nil
		ns, err := s.Networks.listTx(ctx, tx, store.Query{Sort: oldestFirst})
		if err != nil {
			return err
		}
		for _, n := range ns.Rows {
			if !n.External {
				continue
			}
			subs, err := s.Subnets.table.All(ctx, tx, store.Eq("network_id", n.ID))
			if err != nil {
				return err
			}
			for _, sub := range subs {
				if sub.Version() == 4 {
					out = append(out, FloatingIPPool{n, sub})
				}
			}
		}
		return nil
	})
	return out, err
}

// address says which address to take: the one named, or one of the
// subnet named, or any IPv4 one.
func (f *FloatingIPs) address(ctx context.Context, tx *store.Tx, n *Network, fip *FloatingIP) ([]FixedIP, error) {
	subs, err := f.s.Subnets.table.All(ctx, tx, store.Eq("network_id", n.ID))
	if err != nil {
		return nil, err
	}
	if fip.SubnetID != "" {
		i := slices.IndexFunc(subs, func(x *Subnet) bool { return x.ID == fip.SubnetID })
		if i < 0 {
			if _, err := f.s.Subnets.visible(ctx, tx, fip.SubnetID); err != nil {
				return nil, err
			}
			return nil, fault(errs.Invalid, "InvalidInput", "Invalid input for operation: Subnet %s is not a subnet of network %s.", fip.SubnetID, n.ID)
		}
		return []FixedIP{{fip.SubnetID, fip.Address}}, nil
	}
	if fip.Address.IsValid() {
		return []FixedIP{{"", fip.Address}}, nil
	}
	v4 := slices.DeleteFunc(slices.Clone(subs), func(x *Subnet) bool { return x.Version() != 4 || !serves(x, OwnerFloatingIP, subs) })
	if len(v4) == 0 {
		return nil, fault(errs.Invalid, "BadRequest", "Bad floatingip request: Network %s does not contain any IPv4 subnet.", n.ID)
	}
	slices.SortFunc(v4, func(a, b *Subnet) int { return a.CreatedAt.Compare(b.CreatedAt) })
	for _, sub := range v4 {
		ip, err := f.s.ipam.freeAddress(ctx, tx, sub)
		if err != nil {
			return nil, err
		}
		if ip.IsValid() {
			return []FixedIP{{sub.ID, ip}}, nil
		}
	}
	return nil, fault(errs.Conflict, "IpAddressGenerationFailure", "No more IP addresses available on network %s.", n.ID)
}
