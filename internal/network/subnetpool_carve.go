package network

import (
	"context"
	"math/big"
	"net/netip"
	"slices"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

// carve gives the subnet a prefix of the pool: the one it names, or the
// first free one of the length it wants.
func (f *SubnetPools) carve(ctx context.Context, tx *store.Tx, pool *SubnetPool, req *NewSubnet) error {
	used, err := f.s.Subnets.table.All(ctx, tx, store.Eq("subnetpool_id", pool.ID))
	if err != nil {
		return err
	}
	taken := make([]netip.Prefix, len(used))
	for i, u := range used {
		taken[i] = u.CIDR
	}
	length := req.PrefixLen
	if req.CIDR.IsValid() {
		length = req.CIDR.Bits()
	}
	if length == 0 {
		length = pool.DefaultPrefixLen
	}
	if length < pool.MinPrefixLen {
		return fault(errs.Invalid, "MinPrefixSubnetAllocationError", "Unable to allocate subnet with prefix length %d, minimum allowed prefix is %d.", length, pool.MinPrefixLen)
	}
	if length > pool.MaxPrefixLen {
		return fault(errs.Invalid, "MaxPrefixSubnetAllocationError", "Unable to allocate subnet with prefix length %d, maximum allowed prefix is %d.", length, pool.MaxPrefixLen)
	}
	if req.CIDR.IsValid() {
		c := req.CIDR.Masked()
		free := slices.ContainsFunc(pool.Prefixes, func(p netip.Prefix) bool { return p.Bits() <= c.Bits() && p.Contains(c.Addr()) }) &&
			!slices.ContainsFunc(taken, c.Overlaps)
		if !free {
			return fault(errs.Conflict, "SubnetAllocationError", "Failed to allocate subnet: Cannot allocate requested subnet from the available set of prefixes.")
		}
	} else if req.CIDR = firstFree(pool.Prefixes, taken, length); !req.CIDR.IsValid() {
		return fault(errs.Conflict, "SubnetAllocationError", "Failed to allocate subnet: Insufficient prefix space to allocate subnet size /%d.", length)
	}
	if pool.DefaultQuota != nil {
		return poolQuota(pool, used, req)
	}
	return nil
}

// poolQuota bounds what one project takes of a pool, in addresses (IPv4) or /64s (IPv6).
func poolQuota(pool *SubnetPool, used []*Subnet, req *NewSubnet) error {
	unit := 32
	if pool.IPVersion == 6 {
		unit = 64
	}
	sum := new(big.Int)
	count := func(p netip.Prefix) { sum.Add(sum, new(big.Int).Lsh(big.NewInt(1), uint(max(0, unit-p.Bits())))) }
	count(req.CIDR)
	for _, u := range used {
		if u.ProjectID == req.ProjectID {
			count(u.CIDR)
		}
	}
	if sum.Cmp(big.NewInt(*pool.DefaultQuota)) > 0 {
		return fault(errs.OverQuota, "SubnetPoolQuotaExceeded", "Per-tenant subnet pool prefix quota exceeded.")
	}
	return nil
}

// firstFree finds the first prefix of a length inside the prefixes that meets none of the taken.
func firstFree(prefixes, taken []netip.Prefix, length int) netip.Prefix {
	for _, p := range prefixes {
		if length < p.Bits() {
			continue
		}
		for c := netip.PrefixFrom(p.Addr(), length); p.Contains(c.Addr()); {
			i := slices.IndexFunc(taken, c.Overlaps)
			if i < 0 {
				return c
			}
			end := lastAddr(c)
			if o := lastAddr(taken[i]); o.Compare(end) > 0 {
				end = o
			}
			next := end.Next()
			if !next.IsValid() {
				break
			}
			c = netip.PrefixFrom(next, length)
		}
	}
	return netip.Prefix{}
}
