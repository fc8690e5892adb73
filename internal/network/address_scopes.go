package network

import (
	"context"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/policy"
	"kumoi/internal/kernel/store"
)

// AddressScopes are the use cases of address scopes.
type AddressScopes struct {
	family[AddressScope, *AddressScope]
}

func newAddressScopes(s *Service, t *store.Table[AddressScope]) *AddressScopes {
	return &AddressScopes{family[AddressScope, *AddressScope]{
		s: s, table: t, name: "address_scope", code: "AddressScopeNotFound", say: "Address scope %s could not be found.",
		hydrate: func(ctx context.Context, tx *store.Tx, vs []*AddressScope) error {
			return hydrateShared(ctx, s, tx, "address_scope", vs, func(v *AddressScope) *bool { return &v.Shared })
		},
		target: func(a *AddressScope, t policy.Target) { t["shared"] = flag(a.Shared) },
		// Sharing is an RBAC policy, and cannot be taken back.
		valid: func(ctx context.Context, tx *store.Tx, a, old *AddressScope) error {
			switch {
			case old != nil && old.Shared && !a.Shared:
				return fault(errs.Invalid, "AddressScopeUpdateError", "Unable to update address scope %s: Shared address scope can't be unshared.", a.ID)
			case a.Shared && (old == nil || !old.Shared):
				return s.grants.grantAll(ctx, tx, "address_scope", a.ID, a.ProjectID, ActionShared)
			}
			return nil
		},
		gone: func(ctx context.Context, tx *store.Tx, a *AddressScope) error {
			used, err := s.SubnetPools.table.Any(ctx, tx, store.Eq("address_scope_id", a.ID))
			if err != nil {
				return err
			}
			if used {
				return fault(errs.Conflict, "AddressScopeInUse", "Unable to complete operation on address scope %s. There are one or more subnet pools in use on the address scope.", a.ID)
			}
			return s.grants.forget(ctx, tx, "address_scope", a.ID)
		},
	}}
}
