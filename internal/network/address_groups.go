package network

import (
	"context"
	"net/netip"
	"slices"

	"kumoi/internal/kernel/change"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/policy"
	"kumoi/internal/kernel/store"
)

// AddressGroups are the use cases of address groups.
type AddressGroups struct {
	family[AddressGroup, *AddressGroup]
}

func newAddressGroups(s *Service, t *store.Table[AddressGroup]) *AddressGroups {
	return &AddressGroups{family[AddressGroup, *AddressGroup]{
		s: s, table: t, name: "address_group", code: "AddressGroupNotFound", say: "Address group %s could not be found.",
		hydrate: func(ctx context.Context, tx *store.Tx, vs []*AddressGroup) error {
			return hydrateShared(ctx, s, tx, "address_group", vs, func(v *AddressGroup) *bool { return &v.Shared })
		},
		target: func(g *AddressGroup, t policy.Target) { t["shared"] = flag(g.Shared) },
		valid: func(_ context.Context, tx *store.Tx, g, _ *AddressGroup) error {
			g.Addresses = distinct(g.Addresses)
			s.projector.touchAddresses(tx, g.ID)
			return nil
		},
		gone: func(ctx context.Context, tx *store.Tx, g *AddressGroup) error {
			used, err := s.SecurityGroupRules.table.Any(ctx, tx, store.Eq("address_group_id", g.ID))
			if err != nil {
				return err
			}
			if used {
				return fault(errs.Conflict, "AddressGroupInUse", "Address group %s is in use on one or more security group rules.", g.ID)
			}
			s.projector.touchAddresses(tx, g.ID)
			return s.grants.forget(ctx, tx, "address_group", g.ID)
		},
	}}
}

// distinct leaves out repetitions and keeps the order.
func distinct[E comparable](list []E) []E {
	out := list[:0:0]
	for _, e := range list {
		if !slices.Contains(out, e) {
			out = append(out, e)
		}
	}
	return out
}

// Add puts addresses into a group that has none of them.
func (f *AddressGroups) Add(ctx context.Context, id string, addresses []netip.Prefix) (*AddressGroup, error) {
	return f.Update(ctx, id, change.Patch[AddressGroup]{Apply: func(g *AddressGroup) error {
		for _, a := range addresses {
			if slices.Contains(g.Addresses, a) {
				return fault(errs.Invalid, "AddressesAlreadyExist", "Addresses %s already exist in the address group %s.", a, id)
			}
			g.Addresses = append(g.Addresses, a)
		}
		return nil
	}})
}

// Remove takes addresses out of a group that has all of them.
func (f *AddressGroups) Remove(ctx context.Context, id string, addresses []netip.Prefix) (*AddressGroup, error) {
	return f.Update(ctx, id, change.Patch[AddressGroup]{Apply: func(g *AddressGroup) error {
		for _, a := range addresses {
			i := slices.Index(g.Addresses, a)
			if i < 0 {
				return fault(errs.NotFound, "AddressesNotFound", "Addresses %s not found in the address group %s.", a, id)
			}
			g.Addresses = slices.Delete(g.Addresses, i, i+1)
		}
		return nil
	}})
}
