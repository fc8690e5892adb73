package sqlstore

import (
	"context"

	"kumoi/internal/identity/catalog"
	"kumoi/internal/kernel/store"
)

func endpointGroups() *store.Table[catalog.EndpointGroup] {
	return worded("endpoint group", store.NewTable("identity_endpoint_group", func(v *catalog.EndpointGroup, c *store.Columns) {
		c.Key("id", &v.ID)
		c.Caseless("name", &v.Name)
		c.Text("description", &v.Description)
		c.JSON("filters", &v.Filters)
	}), nil)
}

type endpointLinks struct{}

func linkTable(l catalog.Link) (name, column, id string) {
	if l.GroupID != "" {
		return "identity_project_endpoint_group", "endpoint_group_id", l.GroupID
	}
	return "identity_project_endpoint", "endpoint_id", l.EndpointID
}

// Link lets a project see an endpoint or a group; again does nothing.
func (endpointLinks) Link(ctx context.Context, tx *store.Tx, l catalog.Link) error {
	name, column, id := linkTable(l)
	_, err := tx.Exec(ctx, "INSERT INTO "+name+" (project_id, "+column+") VALUES (?, ?) ON CONFLICT DO NOTHING", l.ProjectID, id)
	return err
}

// Linked tells whether a link is there.
func (endpointLinks) Linked(ctx context.Context, tx *store.Tx, l catalog.Link) (bool, error) {
	name, column, id := linkTable(l)
	n, err := store.One(ctx, tx, store.Value[int64], "SELECT count(*) FROM "+name+" WHERE project_id = ? AND "+column+" = ?", l.ProjectID, id)
	return n > 0, err
}

// Unlink removes a link and tells whether it was there.
func (endpointLinks) Unlink(ctx context.Context, tx *store.Tx, l catalog.Link) (bool, error) {
	name, column, id := linkTable(l)
	n, err := tx.Exec(ctx, "DELETE FROM "+name+" WHERE project_id = ? AND "+column+" = ?", l.ProjectID, id)
	return n > 0, err
}

// Links lists links of both sorts.
func (endpointLinks) Links(ctx context.Context, tx *store.Tx, l catalog.Link) ([]catalog.Link, error) {
	q := store.Select(`SELECT project_id, endpoint_id, endpoint_group_id FROM (
		SELECT project_id, endpoint_id, '' AS endpoint_group_id FROM identity_project_endpoint
		UNION ALL SELECT project_id, '', endpoint_group_id FROM identity_project_endpoint_group) AS link`)
	if l.ProjectID != "" {
		q.Where("project_id = ?", l.ProjectID)
	}
	if l.EndpointID != "" {
		q.Where("endpoint_id = ?", l.EndpointID)
	}
	if l.GroupID != "" {
		q.Where("endpoint_group_id = ?", l.GroupID)
	}
	return store.Find(ctx, tx, func(r store.Row) (catalog.Link, error) {
		var v catalog.Link
		err := r.Scan(&v.ProjectID, &v.EndpointID, &v.GroupID)
		return v, err
	}, q.OrderBy("project_id, endpoint_id, endpoint_group_id"))
}

// UnlinkProject removes all of a project's links.
func (endpointLinks) UnlinkProject(ctx context.Context, tx *store.Tx, projectID string) error {
	for _, name := range []string{"identity_project_endpoint", "identity_project_endpoint_group"} {
		if _, err := tx.Exec(ctx, "DELETE FROM "+name+" WHERE project_id = ?", projectID); err != nil {
			return err
		}
	}
	return nil
}

func policies() *store.Table[catalog.Policy] {
	return worded("policy", store.NewTable("identity_policy", func(v *catalog.Policy, c *store.Columns) {
		c.Key("id", &v.ID)
		c.Caseless("type", &v.Type)
		c.JSON("blob", &v.Blob)
		c.JSON("extra", &v.Extra)
	}), nil)
}

func associations() *store.Table[catalog.Association] {
	return store.NewTable("identity_policy_association", func(v *catalog.Association, c *store.Columns) {
		c.Text("policy_id", &v.PolicyID)
		c.Key("endpoint_id", &v.EndpointID)
		c.Key("service_id", &v.ServiceID)
		c.Key("region_id", &v.RegionID)
	})
}
