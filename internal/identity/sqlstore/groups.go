package sqlstore

import (
	"context"
	"time"

	"kumoi/internal/identity"
	"kumoi/internal/kernel/store"
)

const groupsOfUser = `SELECT group_id FROM identity_membership WHERE user_id = ?
	UNION SELECT group_id FROM identity_federated_membership WHERE user_id = ? AND expires_at > ?`

func groups() *store.Table[identity.Group] {
	return worded("group", store.NewTable("identity_group", func(v *identity.Group, c *store.Columns) {
		c.Key("id", &v.ID)
		c.Text("domain_id", &v.DomainID)
		name(c, &v.Name)
		c.Text("description", &v.Description)
		c.JSON("extra", &v.Extra)
	}).Condition("of_user", store.SQL("identity_group.id IN ("+groupsOfUser+")")),
		func(v *identity.Group) string { return nameInDomain(v.Name, v.DomainID) })
}

type memberships struct{}

// IDsOfUser lists the ids of the groups a user is in now.
func (memberships) IDsOfUser(ctx context.Context, tx *store.Tx, userID string, now time.Time) ([]string, error) {
	return store.All(ctx, tx, store.Value[string], groupsOfUser, userID, userID, store.Micros(now))
}

type membership struct{ group, user string }

// Members lists the users of each group.
func (memberships) Members(ctx context.Context, tx *store.Tx, groupIDs []string) (map[string][]string, error) {
	out := map[string][]string{}
	for part := range chunks(groupIDs) {
		rows, err := store.Find(ctx, tx, func(r store.Row) (membership, error) {
			var m membership
			err := r.Scan(&m.group, &m.user)
			return m, err
		}, store.Among(store.Select("SELECT group_id, user_id FROM identity_membership"), "group_id", part))
		if err != nil {
			return nil, err
		}
		for _, m := range rows {
			out[m.group] = append(out[m.group], m.user)
		}
	}
	return out, nil
}

// IsMember tells whether a user is in a group.
func (memberships) IsMember(ctx context.Context, tx *store.Tx, userID, groupID string) (bool, error) {
	n, err := store.One(ctx, tx, store.Value[int64], "SELECT count(*) FROM identity_membership WHERE user_id = ? AND group_id = ?", userID, groupID)
	return n > 0, err
}

// AddMember puts a user into a group; again does nothing.
func (memberships) AddMember(ctx context.Context, tx *store.Tx, userID, groupID string) error {
	_, err := tx.Exec(ctx, "INSERT INTO identity_membership (user_id, group_id) VALUES (?, ?) ON CONFLICT DO NOTHING", userID, groupID)
	return err
}

// RemoveMember takes a user out of a group and tells whether it was in.
func (memberships) RemoveMember(ctx context.Context, tx *store.Tx, userID, groupID string) (bool, error) {
	n, err := tx.Exec(ctx, "DELETE FROM identity_membership WHERE user_id = ? AND group_id = ?", userID, groupID)
	return n > 0, err
}

// RemoveUser takes a user out of all groups.
func (memberships) RemoveUser(ctx context.Context, tx *store.Tx, userID string) error {
	_, err := tx.Exec(ctx, "DELETE FROM identity_membership WHERE user_id = ?", userID)
	return err
}

// NextExpiry is when the first of a user's memberships ends.
func (memberships) NextExpiry(ctx context.Context, tx *store.Tx, userID string, now time.Time) (time.Time, error) {
	at, err := store.One(ctx, tx, store.Value[int64],
		"SELECT coalesce(min(expires_at), 0) FROM identity_federated_membership WHERE user_id = ? AND expires_at > ?", userID, store.Micros(now))
	if err != nil || at == 0 {
		return time.Time{}, err
	}
	return store.Time(at), nil
}

// SetExpiring replaces the memberships that an identity provider vouches for.
func (memberships) SetExpiring(ctx context.Context, tx *store.Tx, userID, idp string, groupIDs []string, until time.Time) error {
	if _, err := tx.Exec(ctx, "DELETE FROM identity_federated_membership WHERE user_id = ? AND idp_id = ?", userID, idp); err != nil {
		return err
	}
	for _, g := range groupIDs {
		if _, err := tx.Exec(ctx, "INSERT INTO identity_federated_membership (user_id, group_id, idp_id, expires_at) VALUES (?, ?, ?, ?)",
			userID, g, idp, store.Micros(until)); err != nil {
			return err
		}
	}
	return nil
}
