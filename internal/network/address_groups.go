package network

import (
	"context"
	"net/netip"
	"slices"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

// AddressGroups returns the address groups that the actor may see.
func (s *Service) AddressGroups(ctx context.Context, f Filter) ([]*AddressGroup, error) {
	return addressGroups.all(ctx, s, f)
}

// AddressGroup returns one address group that the actor may see.
func (s *Service) AddressGroup(ctx context.Context, id string) (*AddressGroup, error) {
	return addressGroups.show(ctx, s, id)
}

// CreateAddressGroup makes an address group.
func (s *Service) CreateAddressGroup(ctx context.Context, tx *store.Tx, g *AddressGroup, c Change) error {
	if err := addressGroups.prepare(ctx, s, g, c); err != nil {
		return err
	}
	g.Addresses = distinct(g.Addresses)
	s.touchAddresses(tx, g.ID)
	return addressGroupTable.Insert(ctx, tx, g)
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

// UpdateAddressGroup changes an address group by apply.
func (s *Service) UpdateAddressGroup(ctx context.Context, tx *store.Tx, id string, c Change, apply func(*AddressGroup) error) (*AddressGroup, error) {
	g, err := addressGroups.open(ctx, s, tx, "update", id, c)
	if err != nil {
		return nil, err
	}
	if err := apply(g); err != nil {
		return nil, err
	}
	s.touchAddresses(tx, id)
	return g, addressGroups.save(ctx, s, tx, g)
}

// ChangeAddresses adds addresses to a group or removes them.
func (s *Service) ChangeAddresses(ctx context.Context, tx *store.Tx, id string, add bool, addrs []netip.Prefix) (*AddressGroup, error) {
	return s.UpdateAddressGroup(ctx, tx, id, Change{}, func(g *AddressGroup) error {
		for _, a := range addrs {
			has := slices.Contains(g.Addresses, a)
			switch {
			case add && has:
				return fault(errs.Invalid, "AddressesAlreadyExist", "Addresses %s already exist in the address group %s.", a, id)
			case !add && !has:
				return fault(errs.NotFound, "AddressesNotFound", "Addresses %s not found in the address group %s.", a, id)
			case add:
				g.Addresses = append(g.Addresses, a)
			default:
				g.Addresses = slices.DeleteFunc(g.Addresses, func(x netip.Prefix) bool { return x == a })
			}
		}
		return nil
	})
}

// DeleteAddressGroup deletes an address group that no rule names.
func (s *Service) DeleteAddressGroup(ctx context.Context, tx *store.Tx, id string, c Change) error {
	if _, err := addressGroups.open(ctx, s, tx, "delete", id, c); err != nil {
		return err
	}
	n, err := ruleTable.Count(ctx, tx, "address_group_id = ?", id)
	if err != nil {
		return err
	}
	if n > 0 {
		return fault(errs.Conflict, "AddressGroupInUse", "Address group %s is in use on one or more security group rules.", id)
	}
	if err := s.forgetGrants(ctx, tx, "address_group", id); err != nil {
		return err
	}
	s.touchAddresses(tx, id)
	return addressGroupTable.Delete(ctx, tx, id)
}
