package sqlstore

import (
	"context"

	"kumoi/internal/compute/servergroup"
	"kumoi/internal/kernel/store"
)

func serverGroups() *store.Table[servergroup.Group] {
	return store.NewTable("compute_server_group", func(g *servergroup.Group, c *store.Columns) {
		c.Key("id", &g.ID)
		c.Text("project_id", &g.ProjectID)
		c.Text("user_id", &g.UserID)
		c.Text("name", &g.Name)
		c.Text("policy", &g.Policy)
		c.JSON("rules", &g.Rules)
		c.Time("created_at", &g.CreatedAt)
	}).Then(members)
}

// members reads which servers are in groups.
func members(ctx context.Context, tx *store.Tx, groups []*servergroup.Group) error {
	byID, of := make(map[string]*servergroup.Group, len(groups)), make([]string, len(groups))
	for i, g := range groups {
		byID[g.ID], of[i] = g, g.ID
	}
	q := store.Among(store.Select("SELECT group_id, id FROM compute_server"), "group_id", of).Where("deleted = ?", false).OrderBy("created_at, id")
	_, err := store.Find(ctx, tx, func(r store.Row) (struct{}, error) {
		var group, server string
		err := r.Scan(&group, &server)
		if g := byID[group]; g != nil {
			g.Members = append(g.Members, server)
		}
		return struct{}{}, err
	}, q)
	return err
}

// LeaveGroup takes all servers out of a group.
func (*Store) LeaveGroup(ctx context.Context, tx *store.Tx, id string) error {
	_, err := tx.Exec(ctx, "UPDATE compute_server SET group_id = '' WHERE group_id = ?", id)
	return err
}
