package sqlstore

import (
	"context"

	"kumoi/internal/identity"
	"kumoi/internal/kernel/store"
)

type roles struct{ *table[identity.Role] }

func newRoles() roles {
	return roles{&table[identity.Role]{
		name: "identity_role", noun: "role", keyed: true, columns: []string{"id", "domain_id", "name", "description", "options", "extra"},
		fields: func(v *identity.Role) []any {
			return []any{&v.ID, &v.DomainID, &v.Name, &v.Description, jsonField{&v.Options}, jsonField{&v.Extra}}
		},
		taken: func(v identity.Role) string {
			if v.DomainID == "" {
				return "Duplicate entry found with name " + v.Name + "."
			}
			return nameInDomain(v.Name, v.DomainID)
		},
	}}
}

// ByName finds a role by its domain (empty: global) and name.
func (r roles) ByName(ctx context.Context, tx *store.Tx, domainID, name string) (identity.Role, error) {
	return r.named(ctx, tx, "domain_id", domainID, name)
}

// Implied lists every rule; there are few.
func (roles) Implied(ctx context.Context, tx *store.Tx) ([]identity.ImpliedRole, error) {
	return store.All(ctx, tx, func(r store.Row) (identity.ImpliedRole, error) {
		var v identity.ImpliedRole
		err := r.Scan(&v.PriorID, &v.ImpliedID)
		return v, err
	}, "SELECT prior_id, implied_id FROM identity_implied_role ORDER BY prior_id, implied_id")
}

// Imply adds a rule; again does nothing.
func (roles) Imply(ctx context.Context, tx *store.Tx, v identity.ImpliedRole) error {
	_, err := tx.Exec(ctx, "INSERT INTO identity_implied_role (prior_id, implied_id) VALUES (?, ?) ON CONFLICT DO NOTHING", v.PriorID, v.ImpliedID)
	return err
}

// Unimply removes a rule and tells whether it was there.
func (roles) Unimply(ctx context.Context, tx *store.Tx, v identity.ImpliedRole) (bool, error) {
	n, err := tx.Exec(ctx, "DELETE FROM identity_implied_role WHERE prior_id = ? AND implied_id = ?", v.PriorID, v.ImpliedID)
	return n > 0, err
}
