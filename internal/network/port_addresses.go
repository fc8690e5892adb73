package network

import (
	"context"
	"slices"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

// changeIPs makes the port's addresses those wanted, in their order, keeping what
// stays. A guest keeps the addresses that it gives itself, asked for or not.
func (s *Service) changeIPs(ctx context.Context, tx *store.Tx, p *Port, want []FixedIP) error {
	have := slices.Clone(p.FixedIPs)
	kept := make([]FixedIP, len(want))
	var add []FixedIP
	for n, w := range want {
		i := slices.IndexFunc(have, func(f FixedIP) bool {
			return (w.IP.IsValid() && f.IP == w.IP && (w.SubnetID == "" || w.SubnetID == f.SubnetID)) || (!w.IP.IsValid() && f.SubnetID == w.SubnetID)
		})
		if i < 0 {
			add = append(add, w)
			continue
		}
		kept[n] = have[i]
		have = slices.Delete(have, i, i+1)
	}
	automatic, err := s.automatic(ctx, tx, p, have)
	if err != nil {
		return err
	}
	p.FixedIPs = automatic // so that they are not given twice
	for _, f := range have {
		if slices.Contains(automatic, f) {
			continue
		}
		inUse, err := s.floatingOn(ctx, tx, p.ID, f.IP)
		if err != nil {
			return err
		}
		if inUse != "" && p.HeldAs == OwnerRouterInterface {
			return fault(errs.Conflict, "RouterInterfaceInUseByFloatingIP", "Router interface for subnet %s on router %s cannot be deleted, as it is required by one or more floating IPs.", f.SubnetID, p.HeldBy)
		}
		if err := s.release(ctx, tx, p.ID, f); err != nil {
			return err
		}
	}
	for _, f := range kept {
		if f.IP.IsValid() {
			p.FixedIPs = append(p.FixedIPs, f)
		}
	}
	if len(add) > 0 {
		if err := s.allocate(ctx, tx, p, add, true); err != nil {
			return err
		}
	}
	p.FixedIPs = inOrder(p.FixedIPs, kept, want)
	return nil
}

// automatic are those of the addresses that a guest gives itself.
func (s *Service) automatic(ctx context.Context, tx *store.Tx, p *Port, ips []FixedIP) ([]FixedIP, error) {
	if p.NetworkOwned() {
		return nil, nil
	}
	var out []FixedIP
	for _, f := range ips {
		sub, err := s.Subnets.table.Get(ctx, tx, f.SubnetID)
		if err != nil {
			return nil, err
		}
		if sub.SLAAC() && f.IP == eui64(sub.CIDR, p.MAC) {
			out = append(out, f)
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
func (s *Service) afterAddressChange(ctx context.Context, tx *store.Tx, p, old *Port) error {
	for _, f := range old.FixedIPs {
		if slices.ContainsFunc(p.FixedIPs, func(x FixedIP) bool { return x.IP == f.IP }) {
			continue
		}
		if err := s.disassociate(ctx, tx, p.ID, f.IP); err != nil {
			return err
		}
	}
	if p.HeldAs == OwnerRouterGateway {
		return s.gatewayMoved(ctx, tx, p)
	}
	if p.HeldAs == OwnerRouterInterface {
		s.touchRouter(tx, p.HeldBy)
	}
	if p.HeldAs == OwnerDistributed {
		s.touchNetwork(tx, p.NetworkID)
	}
	return nil
}
