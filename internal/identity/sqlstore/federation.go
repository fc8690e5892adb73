package sqlstore

import (
	"context"
	"errors"
	"fmt"

	"kumoi/internal/identity"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

type idps struct {
	*table[identity.IdentityProvider]
}

func newIdPs() idps {
	t := &table[identity.IdentityProvider]{
		name: "identity_idp", noun: "identity provider",
		columns: []string{"id", "domain_id", "enabled", "description", "authorization_ttl", "options"},
		fields: func(v *identity.IdentityProvider) []any {
			return []any{&v.ID, &v.DomainID, &v.Enabled, &v.Description, optionalInt{&v.AuthorizationTTL}, jsonField{&v.Options}}
		},
		taken: func(v identity.IdentityProvider) string {
			return fmt.Sprintf("Duplicate entry found with ID %s.", v.ID)
		},
	}
	t.load = loadRemoteIDs
	t.save = saveRemoteIDs
	return idps{t}
}

func loadRemoteIDs(ctx context.Context, tx *store.Tx, rows []identity.IdentityProvider) error {
	for i := range rows {
		ids, err := store.All(ctx, tx, store.Value[string], "SELECT remote_id FROM identity_idp_remote_id WHERE idp_id = ? ORDER BY remote_id", rows[i].ID)
		if err != nil {
			return err
		}
		rows[i].RemoteIDs = ids
	}
	return nil
}

func saveRemoteIDs(ctx context.Context, tx *store.Tx, v identity.IdentityProvider) error {
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

// ByRemoteID finds the provider that a remote id belongs to.
func (idps) ByRemoteID(ctx context.Context, tx *store.Tx, remoteID string) (string, error) {
	return store.One(ctx, tx, store.Value[string], "SELECT idp_id FROM identity_idp_remote_id WHERE remote_id = ?", remoteID)
}

const selectProtocol = "SELECT id, idp_id, mapping_id, remote_id_attribute FROM identity_protocol"

func scanProtocol(r store.Row) (identity.Protocol, error) {
	var p identity.Protocol
	err := r.Scan(&p.ID, &p.IdPID, &p.MappingID, &p.RemoteIDAttribute)
	return p, err
}

// Protocols lists a provider's protocols.
func (idps) Protocols(ctx context.Context, tx *store.Tx, idp string) ([]identity.Protocol, error) {
	return store.All(ctx, tx, scanProtocol, selectProtocol+" WHERE idp_id = ? ORDER BY id", idp)
}

// Protocol finds one protocol of a provider.
func (idps) Protocol(ctx context.Context, tx *store.Tx, idp, id string) (identity.Protocol, error) {
	p, err := store.One(ctx, tx, scanProtocol, selectProtocol+" WHERE idp_id = ? AND id = ?", idp, id)
	if errors.Is(err, store.ErrNoRows) {
		err = errs.New(errs.NotFound, "Could not find federated protocol %s for Identity Provider: %s.", id, idp)
	}
	return p, err
}

// PutProtocol adds or replaces a protocol.
func (idps) PutProtocol(ctx context.Context, tx *store.Tx, p identity.Protocol) error {
	_, err := tx.Exec(ctx, `INSERT INTO identity_protocol (id, idp_id, mapping_id, remote_id_attribute) VALUES (?, ?, ?, ?)
		ON CONFLICT (idp_id, id) DO UPDATE SET mapping_id = excluded.mapping_id, remote_id_attribute = excluded.remote_id_attribute`,
		p.ID, p.IdPID, p.MappingID, p.RemoteIDAttribute)
	return err
}

// DeleteProtocol removes a protocol and tells whether it was there.
func (idps) DeleteProtocol(ctx context.Context, tx *store.Tx, idp, id string) (bool, error) {
	n, err := tx.Exec(ctx, "DELETE FROM identity_protocol WHERE idp_id = ? AND id = ?", idp, id)
	return n > 0, err
}

// MappingUsed tells whether a protocol uses the mapping.
func (idps) MappingUsed(ctx context.Context, tx *store.Tx, mappingID string) (bool, error) {
	n, err := store.One(ctx, tx, store.Value[int64], "SELECT count(*) FROM identity_protocol WHERE mapping_id = ?", mappingID)
	return n > 0, err
}

type domainConfigs struct{}

// List returns a domain's options.
func (domainConfigs) List(ctx context.Context, tx *store.Tx, domainID string) ([]identity.DomainOption, error) {
	return store.All(ctx, tx, scanOption, `SELECT domain_id, group_name, option_name, sensitive, value FROM identity_domain_config
		WHERE domain_id = ? ORDER BY group_name, option_name`, domainID)
}

// Sensitive returns the options of all domains whose values are sealed.
func (domainConfigs) Sensitive(ctx context.Context, tx *store.Tx) ([]identity.DomainOption, error) {
	return store.All(ctx, tx, scanOption, `SELECT domain_id, group_name, option_name, sensitive, value FROM identity_domain_config WHERE sensitive`)
}

func scanOption(r store.Row) (identity.DomainOption, error) {
	var o identity.DomainOption
	err := r.Scan(&o.DomainID, &o.Group, &o.Option, &o.Sensitive, jsonField{&o.Value})
	return o, err
}

// Set stores an option.
func (domainConfigs) Set(ctx context.Context, tx *store.Tx, o identity.DomainOption) error {
	_, err := tx.Exec(ctx, `INSERT INTO identity_domain_config (domain_id, group_name, option_name, sensitive, value) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT (domain_id, group_name, option_name) DO UPDATE SET sensitive = excluded.sensitive, value = excluded.value`,
		o.DomainID, o.Group, o.Option, o.Sensitive, jsonField{&o.Value})
	return err
}

// Delete removes a domain's options: all, a group's, or one.
func (domainConfigs) Delete(ctx context.Context, tx *store.Tx, domainID, group, option string) (int64, error) {
	q := store.Select("DELETE FROM identity_domain_config").Where("domain_id = ?", domainID)
	if group != "" {
		q.Where("group_name = ?", group)
	}
	if option != "" {
		q.Where("option_name = ?", option)
	}
	text, args := q.SQL()
	return tx.Exec(ctx, text, args...)
}
