package sqlstore

import (
	"context"
	"time"

	"kumoi/internal/identity"
	"kumoi/internal/kernel/store"
)

type groups struct{ *table[identity.Group] }

func newGroups() groups {
	return groups{&table[identity.Group]{
		name: "identity_group", noun: "group", keyed: true, columns: []string{"id", "domain_id", "name", "description", "extra"},
		fields: func(v *identity.Group) []any {
			return []any{&v.ID, &v.DomainID, &v.Name, &v.Description, jsonField{&v.Extra}}
		},
		taken: func(v identity.Group) string { return nameInDomain(v.Name, v.DomainID) },
	}}
}

// ByName finds a group by its domain and name.
func (g groups) ByName(ctx context.Context, tx *store.Tx, domainID, name string) (identity.Group, error) {
	return g.named(ctx, tx, "domain_id", domainID, name)
}

// OfUser lists the groups a user is in now.
func (g groups) OfUser(ctx context.Context, tx *store.Tx, userID string, now time.Time, q identity.Query) ([]identity.Group, error) {
	return g.find(ctx, tx, store.Select(g.sel()).Where(`identity_group.id IN (SELECT group_id FROM identity_membership WHERE user_id = ?
		UNION SELECT group_id FROM identity_federated_membership WHERE user_id = ? AND expires_at > ?)`, userID, userID, store.Micros(now)), q)
}

// IDsOfUser lists the ids of the groups a user is in now.
func (groups) IDsOfUser(ctx context.Context, tx *store.Tx, userID string, now time.Time) ([]string, error) {
	return store.All(ctx, tx, store.Value[string], `SELECT group_id FROM identity_membership WHERE user_id = ?
		UNION SELECT group_id FROM identity_federated_membership WHERE user_id = ? AND expires_at > ?`, userID, userID, store.Micros(now))
}

type membership struct{ group, user string }

// Members lists the users of each group.
func (groups) Members(ctx context.Context, tx *store.Tx, groupIDs []string) (map[string][]string, error) {
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
func (groups) IsMember(ctx context.Context, tx *store.Tx, userID, groupID string) (bool, error) {
	n, err := store.One(ctx, tx, store.Value[int64], "SELECT count(*) FROM identity_membership WHERE user_id = ? AND group_id = ?", userID, groupID)
	return n > 0, err
}

// AddMember puts a user into a group; again does nothing.
func (groups) AddMember(ctx context.Context, tx *store.Tx, userID, groupID string) error {
	_, err := tx.Exec(ctx, "INSERT INTO identity_membership (user_id, group_id) VALUES (?, ?) ON CONFLICT DO NOTHING", userID, groupID)
	return err
}

// RemoveMember takes a user out of a group and tells whether it was in.
func (groups) RemoveMember(ctx context.Context, tx *store.Tx, userID, groupID string) (bool, error) {
	n, err := tx.Exec(ctx, "DELETE FROM identity_membership WHERE user_id = ? AND group_id = ?", userID, groupID)
	return n > 0, err
}

// RemoveUser takes a user out of all groups.
func (groups) RemoveUser(ctx context.Context, tx *store.Tx, userID string) error {
	_, err := tx.Exec(ctx, "DELETE FROM identity_membership WHERE user_id = ?", userID)
	return err
}

// NextExpiry is when the first of a user's memberships ends.
func (groups) NextExpiry(ctx context.Context, tx *store.Tx, userID string, now time.Time) (time.Time, error) {
	at, err := store.One(ctx, tx, store.Value[int64],
		"SELECT coalesce(min(expires_at), 0) FROM identity_federated_membership WHERE user_id = ? AND expires_at > ?", userID, store.Micros(now))
	if err != nil || at == 0 {
		return time.Time{}, err
	}
	return store.Time(at), nil
}

// SetExpiring replaces the memberships that an identity provider vouches for.
func (groups) SetExpiring(ctx context.Context, tx *store.Tx, userID, idp string, groupIDs []string, until time.Time) error {
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
