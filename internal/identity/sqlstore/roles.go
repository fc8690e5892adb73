package sqlstore

import (
	"context"

	"kumoi/internal/identity"
	"kumoi/internal/kernel/store"
)

func roles() *store.Table[identity.Role] {
	return worded("role", store.NewTable("identity_role", func(v *identity.Role, c *store.Columns) {
		c.Key("id", &v.ID)
		c.Text("domain_id", &v.DomainID)
		name(c, &v.Name)
		c.Text("description", &v.Description)
		c.JSON("options", &v.Options)
		c.JSON("extra", &v.Extra)
	}), func(v *identity.Role) string {
		if v.DomainID == "" {
			return "Duplicate entry found with name " + v.Name + "."
		}
		return nameInDomain(v.Name, v.DomainID)
	})
}

type impliedRoles struct{}

// Implied lists every rule; there are few.
func (impliedRoles) Implied(ctx context.Context, tx *store.Tx) ([]identity.ImpliedRole, error) {
	return store.All(ctx, tx, func(r store.Row) (identity.ImpliedRole, error) {
		var v identity.ImpliedRole
		err := r.Scan(&v.PriorID, &v.ImpliedID)
		return v, err
	}, "SELECT prior_id, implied_id FROM identity_implied_role ORDER BY prior_id, implied_id")
}

// Imply adds a rule; again does nothing.
func (impliedRoles) Imply(ctx context.Context, tx *store.Tx, v identity.ImpliedRole) error {
	_, err := tx.Exec(ctx, "INSERT INTO identity_implied_role (prior_id, implied_id) VALUES (?, ?) ON CONFLICT DO NOTHING", v.PriorID, v.ImpliedID)
	return err
}

// Unimply removes a rule and tells whether it was there.
func (impliedRoles) Unimply(ctx context.Context, tx *store.Tx, v identity.ImpliedRole) (bool, error) {
	n, err := tx.Exec(ctx, "DELETE FROM identity_implied_role WHERE prior_id = ? AND implied_id = ?", v.PriorID, v.ImpliedID)
	return n > 0, err
}
