package sqlstore

import (
	"context"
	"time"

	"kumoi/internal/identity"
	"kumoi/internal/kernel/store"
)

type users struct{ *table[identity.User] }

func newUsers() users {
	t := &table[identity.User]{
		name: "identity_user", noun: "user", keyed: true,
		columns: []string{
			"id", "domain_id", "name", "enabled", "default_project_id", "kind", "password_hash", "password_created_at",
			"password_expires_at", "password_self_service", "failed_attempts", "failed_at", "created_at", "last_active_at", "options", "extra",
		},
		fields: func(v *identity.User) []any {
			return []any{
				&v.ID, &v.DomainID, &v.Name, &v.Enabled, &v.DefaultProjectID, (*string)(&v.Kind), &v.PasswordHash,
				timeField{&v.PasswordCreatedAt},
				timeField{&v.PasswordExpiresAt},
				&v.PasswordSelfService, &v.FailedAttempts,
				timeField{&v.FailedAt},
				timeField{&v.CreatedAt},
				timeField{&v.LastActiveAt},
				jsonField{&v.Options},
				jsonField{&v.Extra},
			}
		},
		taken: func(v identity.User) string { return nameInDomain(v.Name, v.DomainID) },
	}
	return users{t}
}

// List is the table's, with the filters on federated identities.
func (u users) List(ctx context.Context, tx *store.Tx, q identity.Query) ([]identity.User, error) {
	sel := store.Select(u.sel())
	for _, m := range q.Where {
		switch m.Field {
		case "idp_id", "protocol_id", "unique_id":
			sel.Where("identity_user.id IN (SELECT user_id FROM identity_federated_user WHERE "+m.Field+" = ?)", m.Value)
		}
	}
	return u.find(ctx, tx, sel, q)
}

// ByName finds a user by its domain and name.
func (u users) ByName(ctx context.Context, tx *store.Tx, domainID, name string) (identity.User, error) {
	return u.named(ctx, tx, "domain_id", domainID, name)
}

// OfGroup lists a group's members.
func (u users) OfGroup(ctx context.Context, tx *store.Tx, groupID string, q identity.Query) ([]identity.User, error) {
	return u.find(ctx, tx, store.Select(u.sel()).
		Where("identity_user.id IN (SELECT user_id FROM identity_membership WHERE group_id = ?)", groupID), q)
}

// OldPasswords returns the newest n hashes that were replaced.
func (users) OldPasswords(ctx context.Context, tx *store.Tx, userID string, n int) ([]string, error) {
	return store.Find(ctx, tx, store.Value[string], store.Select("SELECT hash FROM identity_password_history").
		Where("user_id = ?", userID).OrderBy("created_at DESC").Limit(n))
}

// AddOldPassword remembers a hash that is being replaced and forgets all but the newest.
func (users) AddOldPassword(ctx context.Context, tx *store.Tx, userID, hash string, at time.Time, keep int) error {
	if keep > 0 && hash != "" {
		if _, err := tx.Exec(ctx, "INSERT INTO identity_password_history (user_id, created_at, hash) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
			userID, store.Micros(at), hash); err != nil {
			return err
		}
	}
	_, err := tx.Exec(ctx, `DELETE FROM identity_password_history WHERE user_id = ? AND created_at NOT IN
		(SELECT created_at FROM identity_password_history WHERE user_id = ? ORDER BY created_at DESC LIMIT ?)`, userID, userID, keep)
	return err
}

// RecordLogin stores what a login changes and nothing else.
func (u users) RecordLogin(ctx context.Context, tx *store.Tx, v identity.User) error {
	_, err := tx.Exec(ctx, "UPDATE identity_user SET failed_attempts = ?, failed_at = ?, last_active_at = ?, password_hash = ? WHERE id = ?",
		v.FailedAttempts, store.Micros(v.FailedAt), store.Micros(v.LastActiveAt), v.PasswordHash, v.ID)
	return err
}

func scanFederated(r store.Row) (identity.FederatedIdentity, error) {
	var f identity.FederatedIdentity
	err := r.Scan(&f.IdPID, &f.ProtocolID, &f.UniqueID, &f.UserID, &f.DisplayName)
	return f, err
}

const selectFederated = "SELECT idp_id, protocol_id, unique_id, user_id, display_name FROM identity_federated_user"

// Federated returns the federated identities of users.
func (users) Federated(ctx context.Context, tx *store.Tx, userIDs ...string) ([]identity.FederatedIdentity, error) {
	var out []identity.FederatedIdentity
	for part := range chunks(userIDs) {
		rows, err := store.Find(ctx, tx, scanFederated, store.Among(store.Select(selectFederated), "user_id", part).OrderBy("idp_id, protocol_id"))
		if err != nil {
			return nil, err
		}
		out = append(out, rows...)
	}
	return out, nil
}

// ByFederated finds the user behind a federated identity.
func (users) ByFederated(ctx context.Context, tx *store.Tx, idp, protocol, uniqueID string) (identity.FederatedIdentity, error) {
	return store.One(ctx, tx, scanFederated, selectFederated+" WHERE idp_id = ? AND protocol_id = ? AND unique_id = ?", idp, protocol, uniqueID)
}

// SetFederated replaces a user's federated identities.
func (u users) SetFederated(ctx context.Context, tx *store.Tx, userID string, ids []identity.FederatedIdentity) error {
	if _, err := tx.Exec(ctx, "DELETE FROM identity_federated_user WHERE user_id = ?", userID); err != nil {
		return err
	}
	for _, f := range ids {
		_, err := tx.Exec(ctx, "INSERT INTO identity_federated_user (idp_id, protocol_id, unique_id, user_id, display_name) VALUES (?, ?, ?, ?, ?)",
			f.IdPID, f.ProtocolID, f.UniqueID, userID, f.DisplayName)
		if err != nil {
			return u.saved(ctx, tx, identity.User{Name: f.UniqueID, DomainID: f.IdPID}, err)
		}
	}
	return nil
}

// UseOnce inserts id, or tells that it is there already.
func (users) UseOnce(ctx context.Context, tx *store.Tx, id string, until time.Time) (bool, error) {
	n, err := tx.Exec(ctx, "INSERT INTO identity_used_once (id, expires_at) VALUES (?, ?) ON CONFLICT DO NOTHING", id, store.Micros(until))
	return n == 1, err
}

// PurgeUsed forgets what has expired.
func (users) PurgeUsed(ctx context.Context, tx *store.Tx, before time.Time) error {
	_, err := tx.Exec(ctx, "DELETE FROM identity_used_once WHERE expires_at < ?", store.Micros(before))
	return err
}
