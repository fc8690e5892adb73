package sqlstore

import (
	"context"
	"time"

	"kumoi/internal/identity"
	"kumoi/internal/kernel/store"
)

func users() *store.Table[identity.User] {
	linked := func(column string) store.Expr {
		return store.SQL("identity_user.id IN (SELECT user_id FROM identity_federated_user f WHERE f." + column + " = ?)")
	}
	return worded("user", store.NewTable("identity_user", func(v *identity.User, c *store.Columns) {
		c.Key("id", &v.ID)
		c.Text("domain_id", &v.DomainID)
		name(c, &v.Name)
		c.Bool("enabled", &v.Enabled)
		c.Text("default_project_id", &v.DefaultProjectID)
		c.Text("kind", (*string)(&v.Kind))
		c.Text("password_hash", &v.PasswordHash)
		c.Time("password_created_at", &v.PasswordCreatedAt)
		c.Time("password_expires_at", &v.PasswordExpiresAt)
		c.Bool("password_self_service", &v.PasswordSelfService)
		c.Int64("failed_attempts", &v.FailedAttempts)
		c.Time("failed_at", &v.FailedAt)
		c.Time("created_at", &v.CreatedAt)
		c.Time("last_active_at", &v.LastActiveAt)
		c.JSON("options", &v.Options)
		c.JSON("extra", &v.Extra)
	}).
		Condition("idp_id", linked("idp_id")).
		Condition("protocol_id", linked("protocol_id")).
		Condition("unique_id", linked("unique_id")).
		Condition("of_group", store.SQL("identity_user.id IN (SELECT m.user_id FROM identity_membership m WHERE m.group_id = ?)")),
		takenUser)
}

func takenUser(v *identity.User) string { return nameInDomain(v.Name, v.DomainID) }

type userRecords struct{ *store.Table[identity.User] }

// OldPasswords returns the newest n hashes that were replaced.
func (userRecords) OldPasswords(ctx context.Context, tx *store.Tx, userID string, n int) ([]string, error) {
	return store.Find(ctx, tx, store.Value[string], store.Select("SELECT hash FROM identity_password_history").
		Where("user_id = ?", userID).OrderBy("created_at DESC").Limit(n))
}

// AddOldPassword remembers a hash that is being replaced and forgets all but the newest.
func (userRecords) AddOldPassword(ctx context.Context, tx *store.Tx, userID, hash string, at time.Time, keep int) error {
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
func (u userRecords) RecordLogin(ctx context.Context, tx *store.Tx, v identity.User) error {
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
func (userRecords) Federated(ctx context.Context, tx *store.Tx, userIDs ...string) ([]identity.FederatedIdentity, error) {
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
func (userRecords) ByFederated(ctx context.Context, tx *store.Tx, idp, protocol, uniqueID string) (identity.FederatedIdentity, error) {
	return store.One(ctx, tx, scanFederated, selectFederated+" WHERE idp_id = ? AND protocol_id = ? AND unique_id = ?", idp, protocol, uniqueID)
}

// SetFederated replaces a user's federated identities.
func (u userRecords) SetFederated(ctx context.Context, tx *store.Tx, userID string, ids []identity.FederatedIdentity) error {
	if _, err := tx.Exec(ctx, "DELETE FROM identity_federated_user WHERE user_id = ?", userID); err != nil {
		return err
	}
	for _, f := range ids {
		_, err := tx.Exec(ctx, "INSERT INTO identity_federated_user (idp_id, protocol_id, unique_id, user_id, display_name) VALUES (?, ?, ?, ?, ?)",
			f.IdPID, f.ProtocolID, f.UniqueID, userID, f.DisplayName)
		if err != nil {
			return u.Taken(err, &identity.User{Name: f.UniqueID, DomainID: f.IdPID})
		}
	}
	return nil
}

// UseOnce inserts id, or tells that it is there already.
func (userRecords) UseOnce(ctx context.Context, tx *store.Tx, id string, until time.Time) (bool, error) {
	n, err := tx.Exec(ctx, "INSERT INTO identity_used_once (id, expires_at) VALUES (?, ?) ON CONFLICT DO NOTHING", id, store.Micros(until))
	return n == 1, err
}

// PurgeUsed forgets what has expired.
func (userRecords) PurgeUsed(ctx context.Context, tx *store.Tx, before time.Time) error {
	_, err := tx.Exec(ctx, "DELETE FROM identity_used_once WHERE expires_at < ?", store.Micros(before))
	return err
}
