package network

import (
	"context"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

// AddressScopes returns the address scopes that the actor may see.
func (s *Service) AddressScopes(ctx context.Context, f Filter) ([]*AddressScope, error) {
	return scopes.all(ctx, s, f)
}

// AddressScope returns one address scope that the actor may see.
func (s *Service) AddressScope(ctx context.Context, id string) (*AddressScope, error) {
	return scopes.show(ctx, s, id)
}

// CreateAddressScope makes an address scope.
func (s *Service) CreateAddressScope(ctx context.Context, tx *store.Tx, a *AddressScope, c Change) error {
	if err := scopes.prepare(ctx, s, a, c); err != nil {
		return err
	}
	if err := scopeTable.Insert(ctx, tx, a); err != nil {
		return err
	}
	if a.Shared {
		return s.grantAll(ctx, tx, "address_scope", a.ID, a.ProjectID, ActionShared)
	}
	return nil
}

// UpdateAddressScope changes an address scope by apply; sharing cannot be taken back.
func (s *Service) UpdateAddressScope(ctx context.Context, tx *store.Tx, id string, c Change, apply func(*AddressScope) error) (*AddressScope, error) {
	a, err := scopes.open(ctx, s, tx, "update", id, c)
	if err != nil {
		return nil, err
	}
	old := *a
	if err := apply(a); err != nil {
		return nil, err
	}
	if old.Shared && !a.Shared {
		return nil, fault(errs.Invalid, "AddressScopeUpdateError", "Unable to update address scope %s: Shared address scope can't be unshared.", id)
	}
	if a.Shared && !old.Shared {
		if err := s.grantAll(ctx, tx, "address_scope", a.ID, a.ProjectID, ActionShared); err != nil {
			return nil, err
		}
	}
	return a, scopes.save(ctx, s, tx, a)
}

// DeleteAddressScope deletes an address scope without pools.
func (s *Service) DeleteAddressScope(ctx context.Context, tx *store.Tx, id string, c Change) error {
	if _, err := scopes.open(ctx, s, tx, "delete", id, c); err != nil {
		return err
	}
	n, err := poolTable.Count(ctx, tx, "address_scope_id = ?", id)
	if err != nil {
		return err
	}
	if n > 0 {
		return fault(errs.Conflict, "AddressScopeInUse", "Unable to complete operation on address scope %s. There are one or more subnet pools in use on the address scope.", id)
	}
	if err := s.forgetGrants(ctx, tx, "address_scope", id); err != nil {
		return err
	}
	return scopeTable.Delete(ctx, tx, id)
}
