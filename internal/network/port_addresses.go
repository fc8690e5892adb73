package network

import (
	"context"
	"slices"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

// changeIPs makes the port's addresses those wanted, in their order, keeping what
// stays. A guest keeps the addresses that it gives itself, asked for or not.
func (f *Ports) changeIPs(ctx context.Context, tx *store.Tx, p *Port, want []FixedIP) error {
	have := slices.Clone(p.FixedIPs)
	kept := make([]FixedIP, len(want))
	var add []FixedIP
	for n, w := range want {
		i := slices.IndexFunc(have, func(fixed FixedIP) bool {
			return (w.IP.IsValid() && fixed.IP == w.IP && (w.SubnetID == "" || w.SubnetID == fixed.SubnetID)) || (!w.IP.IsValid() && fixed.SubnetID == w.SubnetID)
		})
		if i < 0 {
			add = append(add, w)
			continue
		}
		kept[n] = have[i]
		have = slices.Delete(have, i, i+1)
	}
	automatic, err := f.automatic(ctx, tx, p, have)
	if err != nil {
		return err
	}
	p.FixedIPs = automatic // so that they are not given twice
	for _, fixed := range have {
		if slices.Contains(automatic, fixed) {
			continue
		}
		inUse, err := f.s.FloatingIPs.on(ctx, tx, p.ID, fixed.IP)
		if err != nil {
			return err
		}
		if inUse != "" && p.HeldAs == OwnerRouterInterface {
			return fault(errs.Conflict, "RouterInterfaceInUseByFloatingIP", "Router interface for subnet %s on router %s cannot be deleted, as it is required by one or more floating IPs.", fixed.SubnetID, p.HeldBy)
		}
		if err := f.s.ipam.release(ctx, tx, p.ID, fixed); err != nil {
			return err
		}
	}
	for _, fixed := range kept {
		if fixed.IP.IsValid() {
			p.FixedIPs = append(p.FixedIPs, fixed)
		}
	}
	if len(add) > 0 {
		if err := f.s.ipam.allocate(ctx, tx, p, add, true); err != nil {
			return err
		}
	}
	p.FixedIPs = inOrder(p.FixedIPs, kept, want)
	return nil
}

// automatic are those of the addresses that a guest gives itself.
func (f *Ports) automatic(ctx context.Context, tx *store.Tx, p *Port, ips []FixedIP) ([]FixedIP, error) {
	if p.NetworkOwned() {
		return nil, nil
	}
	var out []FixedIP
	for _, fixed := range ips {
		sub, err := f.s.Subnets.table.Get(ctx, tx, fixed.SubnetID)
		if err != nil {
			return nil, err
		}
		if sub.SLAAC() && fixed.IP == eui64(sub.CIDR, p.MAC) {
			out = append(out, fixed)
		}
	}
	return out, nil
}

// inOrder sorts a port's addresses as they were wanted: kept has those that stayed
// at their places, new ones fill the others, and what nobody named comes last.
func inOrder(have, kept, want []FixedIP) []FixedIP {
	out := make([]FixedIP, 0, len(have))
	left := slices.Clone(have)
	take := func(fits func(FixedIP) bool) {
		if i := slices.IndexFunc(left, fits); i >= 0 {
			out = append(out, left[i])
			left = slices.Delete(left, i, i+1)
		}
	}
	for i, w := range want {
		take(func(f FixedIP) bool {
			if kept[i].IP.IsValid() {
				return f == kept[i]
			}
			return !slices.Contains(kept, f) && (w.SubnetID == "" || f.SubnetID == w.SubnetID) && (!w.IP.IsValid() || f.IP == w.IP)
		})
	}
	return append(out, left...)
}

// afterAddressChange brings along what depends on a port's addresses.
func (f *Ports) afterAddressChange(ctx context.Context, tx *store.Tx, p, old *Port) error {
	for _, fixed := range old.FixedIPs {
		if slices.ContainsFunc(p.FixedIPs, func(x FixedIP) bool { return x.IP == fixed.IP }) {
			continue
		}
		if err := f.s.FloatingIPs.disassociate(ctx, tx, p.ID, fixed.IP); err != nil {
			return err
		}
	}
	if p.HeldAs == OwnerRouterGateway {
		return f.s.Routers.gatewayMoved(ctx, tx, p)
	}
	if p.HeldAs == OwnerRouterInterface {
		f.s.projector.touchRouter(tx, p.HeldBy)
	}
	if p.HeldAs == OwnerDistributed {
		f.s.projector.touchNetwork(tx, p.NetworkID)
	}
	return nil
}
