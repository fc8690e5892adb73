package sqlstore

import (
	"context"
	"database/sql/driver"
	"fmt"

	"kumoi/internal/identity"
	"kumoi/internal/identity/federation"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

func idps() *store.Table[federation.IdentityProvider] {
	return worded("identity provider", store.NewTable("identity_idp", func(v *federation.IdentityProvider, c *store.Columns) {
		c.Key("id", &v.ID)
		c.Text("domain_id", &v.DomainID)
		c.Bool("enabled", &v.Enabled)
		c.Text("description", &v.Description)
		c.Custom("authorization_ttl", store.KindInt, optionalInt{&v.AuthorizationTTL})
		c.JSON("options", &v.Options)
	}).
		Condition("remote_id", store.SQL("identity_idp.id IN (SELECT r.idp_id FROM identity_idp_remote_id r WHERE r.remote_id = ?)")).
		Then(loadRemoteIDs).Beside(saveRemoteIDs),
		func(v *federation.IdentityProvider) string {
			return fmt.Sprintf("Duplicate entry found with ID %s.", v.ID)
		})
}

// optionalInt keeps a *int64 as a number, nil as -1.
type optionalInt struct{ p **int64 }

func (f optionalInt) Value() (driver.Value, error) {
	if *f.p == nil {
		return int64(-1), nil
	}
	return **f.p, nil
}

func (f optionalInt) Scan(src any) error {
	n, ok := src.(int64)
	if !ok {
		return fmt.Errorf("scan %T as a number", src)
	}
	if *f.p = nil; n >= 0 {
		*f.p = &n
	}
	return nil
}

func loadRemoteIDs(ctx context.Context, tx *store.Tx, rows []*federation.IdentityProvider) error {
	for i := range rows {
		ids, err := store.All(ctx, tx, store.Value[string], "SELECT remote_id FROM identity_idp_remote_id WHERE idp_id = ? ORDER BY remote_id", rows[i].ID)
		if err != nil {
			return err
		}
		rows[i].RemoteIDs = ids
	}
	return nil
}

func saveRemoteIDs(ctx context.Context, tx *store.Tx, v *federation.IdentityProvider) error {
	if _, err := tx.Exec(ctx, "DELETE FROM identity_idp_remote_id WHERE idp_id = ?", v.ID); err != nil {
		return err
	}
	for _, r := range v.RemoteIDs {
		_, err := tx.Exec(ctx, "INSERT INTO identity_idp_remote_id (remote_id, idp_id) VALUES (?, ?)", r, v.ID)
		if store.Duplicate(err) {
			return errs.Wrap(errs.Exists, err, "Duplicate remote ID: %s.", r)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func protocols() *store.Table[federation.Protocol] {
	return store.NewTable("identity_protocol", func(v *federation.Protocol, c *store.Columns) {
		c.Key("idp_id", &v.IdPID)
		c.Key("id", &v.ID)
		c.Text("mapping_id", &v.MappingID)
		c.Text("remote_id_attribute", &v.RemoteIDAttribute)
	})
}

func domainOptions() *store.Table[identity.DomainOption] {
	return store.NewTable("identity_domain_config", func(v *identity.DomainOption, c *store.Columns) {
		c.Key("domain_id", &v.DomainID)
		c.Key("group_name", &v.Group)
		c.Key("option_name", &v.Option)
		c.Bool("sensitive", &v.Sensitive)
		c.JSON("value", &v.Value)
	})
}
