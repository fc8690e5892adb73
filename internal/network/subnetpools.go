package network

import (
	"context"
	"net/netip"
	"slices"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/policy"
	"kumoi/internal/kernel/store"
)

// SubnetPools are the use cases of subnet pools.
type SubnetPools struct {
	family[SubnetPool, *SubnetPool]
}

func newSubnetPools(s *Service, t Tables) *SubnetPools {
	return &SubnetPools{family[SubnetPool, *SubnetPool]{
		s: s, table: t.SubnetPools, name: "subnetpool", code: "SubnetPoolNotFound", say: "Subnet pool %s could not be found.", quota: "subnetpool",
		hydrate: func(ctx context.Context, tx *store.Tx, vs []*SubnetPool) error {
			return hydrateShared(ctx, s, tx, "subnetpool", vs, func(v *SubnetPool) *bool { return &v.Shared })
		},
		target: func(p *SubnetPool, t policy.Target) { t["shared"] = flag(p.Shared) },
		valid: func(ctx context.Context, tx *store.Tx, p, old *SubnetPool) error {
			if old != nil {
				if err := covers(p, old); err != nil {
					return err
				}
			}
			if err := s.SubnetPools.judge(ctx, tx, p); err != nil {
				return err
			}
			if old == nil && p.Shared {
				return s.grants.grantAll(ctx, tx, "subnetpool", p.ID, p.ProjectID, ActionShared)
			}
			return nil
		},
		gone: func(ctx context.Context, tx *store.Tx, p *SubnetPool) error {
			used, err := s.Subnets.table.Any(ctx, tx, store.Eq("subnetpool_id", p.ID))
			if err != nil {
				return err
			}
			if used {
				return fault(errs.Conflict, "SubnetPoolInUse", "Unable to complete operation on subnet pool %s. because one or more subnets are allocated from it.", p.ID)
			}
			return s.grants.forget(ctx, tx, "subnetpool", p.ID)
		},
	}}
}

// covers makes sure that a changed pool still has all prefixes that it had.
func covers(p, old *SubnetPool) error {
	for _, have := range old.Prefixes {
		if !slices.ContainsFunc(merged(p.Prefixes), func(x netip.Prefix) bool { return x.Bits() <= have.Bits() && x.Contains(have.Addr()) }) {
			return fault(errs.Invalid, "IllegalSubnetPoolPrefixUpdate", "Illegal update to prefixes: existing subnets would be left outside.")
		}
	}
	return nil
}

// judge completes a pool's lengths and checks it against its scope.
func (f *SubnetPools) judge(ctx context.Context, tx *store.Tx, p *SubnetPool) error {
	if len(p.Prefixes) == 0 {
		return fault(errs.Invalid, "EmptySubnetPoolPrefixList", "Empty subnet pool prefix list.")
	}
	version := 6
	if p.Prefixes[0].Addr().Is4() {
		version = 4
	}
	for _, x := range p.Prefixes {
		if x.Addr().Is4() != (version == 4) {
			return fault(errs.Invalid, "PrefixVersionMismatch", "Cannot mix IPv4 and IPv6 prefixes in a subnet pool.")
		}
	}
	p.IPVersion = version
	p.Prefixes = merged(p.Prefixes)
	top := p.Prefixes[0].Addr().BitLen()
	if p.MinPrefixLen == 0 {
		p.MinPrefixLen = 8
		if version == 6 {
			p.MinPrefixLen = 64
		}
	}
	if p.MaxPrefixLen == 0 {
		p.MaxPrefixLen = top
	}
	if p.DefaultPrefixLen == 0 {
		p.DefaultPrefixLen = p.MinPrefixLen
	}
	bad := func(a string, av int, rel, b string, bv int) error {
		return fault(errs.Invalid, "IllegalSubnetPoolPrefixBounds", "Illegal prefix bounds: %s=%d, %s=%d.", a, av, b, bv)
	}
	switch {
	case p.MinPrefixLen > p.MaxPrefixLen:
		return bad("min_prefixlen", p.MinPrefixLen, "<=", "max_prefixlen", p.MaxPrefixLen)
	case p.MaxPrefixLen > top:
		return bad("max_prefixlen", p.MaxPrefixLen, "<=", "ip_version_max", top)
	case p.DefaultPrefixLen < p.MinPrefixLen:
		return bad("default_prefixlen", p.DefaultPrefixLen, ">=", "min_prefixlen", p.MinPrefixLen)
	case p.DefaultPrefixLen > p.MaxPrefixLen:
		return bad("default_prefixlen", p.DefaultPrefixLen, "<=", "max_prefixlen", p.MaxPrefixLen)
	}
	if p.Default {
		all, err := f.table.All(ctx, tx)
		if err != nil {
			return err
		}
		for _, o := range all {
			if o.Default && o.IPVersion == p.IPVersion && o.ID != p.ID {
				return fault(errs.Invalid, "InvalidInput", "Invalid input for operation: A default subnetpool for this IP family has already been set. Only one default may exist per IP family.")
			}
		}
	}
	return f.joinScope(ctx, tx, p)
}

// joinScope makes sure that the pool fits into its address scope.
func (f *SubnetPools) joinScope(ctx context.Context, tx *store.Tx, p *SubnetPool) error {
	if p.AddressScopeID == "" {
		return nil
	}
	scope, err := f.s.AddressScopes.visible(ctx, tx, p.AddressScopeID)
	if err != nil {
		return err
	}
	granted, err := f.s.grants.granted(ctx, tx, "address_scope", scope.ID, store.Eq("target", p.ProjectID))
	if err != nil {
		return err
	}
	if scope.ProjectID != p.ProjectID && !granted && !f.s.Access.isAdmin(ctx) {
		return fault(errs.Invalid, "IllegalSubnetPoolAssociationToAddressScope", "Illegal subnetpool association: subnetpool %s cannot be associated with address scope %s.", p.ID, scope.ID)
	}
	if scope.IPVersion != p.IPVersion {
		return fault(errs.Invalid, "IllegalSubnetPoolIpVersionAssociationToAddressScope",
			"Illegal subnetpool association: subnetpool %s cannot associate with address scope %s because subnetpool ip_version is not %d.", p.ID, scope.ID, scope.IPVersion)
	}
	others, err := f.table.All(ctx, tx, store.Eq("address_scope_id", scope.ID))
	if err != nil {
		return err
	}
	for _, o := range others {
		for _, a := range o.Prefixes {
			if o.ID != p.ID && slices.ContainsFunc(p.Prefixes, a.Overlaps) {
				return fault(errs.Conflict, "AddressScopePrefixConflict", "Failed to associate address scope: subnetpools within an address scope must have unique prefixes.")
			}
		}
	}
	return nil
}

// merged joins prefixes that lie in or beside each other.
func merged(ps []netip.Prefix) []netip.Prefix {
	out := slices.Clone(ps)
	for i := range out {
		out[i] = out[i].Masked()
	}
	for changed := true; changed; {
		changed = false
		slices.SortFunc(out, netip.Prefix.Compare)
		for i := 0; i+1 < len(out); i++ {
			a, b := out[i], out[i+1]
			switch up := netip.PrefixFrom(a.Addr(), a.Bits()-1).Masked(); {
			case a.Overlaps(b): // the shorter comes first
				out = slices.Delete(out, i+1, i+2)
				changed = true
			case a.Bits() > 0 && a.Bits() == b.Bits() && up.Contains(b.Addr()) && up.Addr() == a.Addr():
				out[i] = up
				out = slices.Delete(out, i+1, i+2)
				changed = true
			}
		}
	}
	return out
}

// AddPrefixes adds prefixes to a pool.
func (f *SubnetPools) AddPrefixes(ctx context.Context, id string, prefixes []netip.Prefix) (*SubnetPool, error) {
	return changeOne(ctx, f.s, func(tx *store.Tx) (*SubnetPool, error) {
		p, err := f.act(ctx, tx, "add_prefixes", id)
		if err != nil {
			return nil, err
		}
		p.Prefixes = append(p.Prefixes, prefixes...)
		if err := f.judge(ctx, tx, p); err != nil {
			return nil, err
		}
		return p, f.save(ctx, tx, p)
	})
}

// RemovePrefixes takes prefixes that no subnet has out of a pool.
func (f *SubnetPools) RemovePrefixes(ctx context.Context, id string, prefixes []netip.Prefix) (*SubnetPool, error) {
	return changeOne(ctx, f.s, func(tx *store.Tx) (*SubnetPool, error) {
		p, err := f.act(ctx, tx, "remove_prefixes", id)
		if err != nil {
			return nil, err
		}
		subs, err := f.s.Subnets.table.All(ctx, tx, store.Eq("subnetpool_id", id))
		if err != nil {
			return nil, err
		}
		for _, gone := range prefixes {
			if slices.ContainsFunc(subs, func(x *Subnet) bool { return x.CIDR.Overlaps(gone) }) {
				return nil, fault(errs.Conflict, "IllegalSubnetPoolPrefixUpdate", "Prefix %s is in use by a subnet of the pool.", gone)
			}
			p.Prefixes = without(p.Prefixes, gone.Masked())
		}
		return p, f.save(ctx, tx, p)
	})
}

// without is what is left of the prefixes when gone is cut out.
func without(ps []netip.Prefix, gone netip.Prefix) []netip.Prefix {
	var out []netip.Prefix
	for _, p := range ps {
		switch {
		case !p.Overlaps(gone):
			out = append(out, p)
		case p.Bits() < gone.Bits():
			low := netip.PrefixFrom(p.Addr(), p.Bits()+1).Masked()
			high := netip.PrefixFrom(lastAddr(p), p.Bits()+1).Masked()
			out = append(out, without([]netip.Prefix{low, high}, gone)...)
		}
	}
	return merged(out)
}
