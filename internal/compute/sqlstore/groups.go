package sqlstore

import (
	"context"

	"kumoi/internal/compute"
	"kumoi/internal/kernel/store"
)

const groupColumns = "id, project_id, user_id, name, policy, rules, created_at"

func scanGroup(r store.Row) (*compute.ServerGroup, error) {
	g := &compute.ServerGroup{}
	return g, r.Scan(&g.ID, &g.ProjectID, &g.UserID, &g.Name, &g.Policy, jsonOf{&g.Rules}, timeOf{&g.CreatedAt})
}

// InsertGroup adds a server group.
func (*Store) InsertGroup(ctx context.Context, tx *store.Tx, g *compute.ServerGroup) error {
	_, err := tx.Exec(ctx, "INSERT INTO compute_server_group ("+groupColumns+") VALUES (?, ?, ?, ?, ?, ?, ?)",
		g.ID, g.ProjectID, g.UserID, g.Name, g.Policy, toJSON(g.Rules), store.Micros(g.CreatedAt))
	return err
}

// DeleteGroup removes a server group; its servers go on without it.
func (*Store) DeleteGroup(ctx context.Context, tx *store.Tx, id string) error {
	if err := tx.ExecOne(ctx, "DELETE FROM compute_server_group WHERE id = ?", id); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, "UPDATE compute_server SET group_id = '' WHERE group_id = ?", id)
	return err
}

// Group finds a server group with its members.
func (*Store) Group(ctx context.Context, tx *store.Tx, id string) (*compute.ServerGroup, error) {
	g, err := store.One(ctx, tx, scanGroup, "SELECT "+groupColumns+" FROM compute_server_group WHERE id = ?", id)
	if err != nil {
		return nil, err
	}
	g.Members, err = store.All(ctx, tx, store.Value[string],
		"SELECT id FROM compute_server WHERE group_id = ? AND deleted = ? ORDER BY created_at, id", id, false)
	return g, err
}

// Groups lists a project's server groups, or all with "".
func (*Store) Groups(ctx context.Context, tx *store.Tx, projectID string) ([]*compute.ServerGroup, error) {
	q := store.Select("SELECT " + groupColumns + " FROM compute_server_group").OrderBy("created_at, id")
	if projectID != "" {
		q.Where("project_id = ?", projectID)
	}
	groups, err := store.Find(ctx, tx, scanGroup, q)
	if err != nil || len(groups) == 0 {
		return groups, err
	}
	byID := map[string]*compute.ServerGroup{}
	for _, g := range groups {
		byID[g.ID] = g
	}
	_, err = store.All(ctx, tx, func(r store.Row) (struct{}, error) {
		var group, server string
		err := r.Scan(&group, &server)
		if g := byID[group]; g != nil {
			g.Members = append(g.Members, server)
		}
		return struct{}{}, err
	}, "SELECT group_id, id FROM compute_server WHERE group_id <> '' AND deleted = ? ORDER BY created_at, id", false)
	return groups, err
}

// CountGroups counts a project's server groups.
func (*Store) CountGroups(ctx context.Context, tx *store.Tx, projectID string) (int, error) {
	return store.One(ctx, tx, store.Value[int], "SELECT COUNT(*) FROM compute_server_group WHERE project_id = ?", projectID)
}
