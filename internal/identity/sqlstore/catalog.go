package sqlstore

import (
	"context"

	"kumoi/internal/identity"
	"kumoi/internal/kernel/store"
)

type endpointGroups struct{ *table[identity.EndpointGroup] }

func newEndpointGroups() endpointGroups {
	return endpointGroups{&table[identity.EndpointGroup]{
		name: "identity_endpoint_group", noun: "endpoint group", columns: []string{"id", "name", "description", "filters"},
		fields: func(v *identity.EndpointGroup) []any {
			return []any{&v.ID, &v.Name, &v.Description, jsonField{&v.Filters}}
		},
	}}
}

func linkTable(l identity.EndpointLink) (name, column, id string) {
	if l.GroupID != "" {
		return "identity_project_endpoint_group", "endpoint_group_id", l.GroupID
	}
	return "identity_project_endpoint", "endpoint_id", l.EndpointID
}

// Link lets a project see an endpoint or a group; again does nothing.
func (endpointGroups) Link(ctx context.Context, tx *store.Tx, l identity.EndpointLink) error {
	name, column, id := linkTable(l)
	_, err := tx.Exec(ctx, "INSERT INTO "+name+" (project_id, "+column+") VALUES (?, ?) ON CONFLICT DO NOTHING", l.ProjectID, id)
	return err
}

// Linked tells whether a link is there.
func (endpointGroups) Linked(ctx context.Context, tx *store.Tx, l identity.EndpointLink) (bool, error) {
	name, column, id := linkTable(l)
	n, err := store.One(ctx, tx, store.Value[int64], "SELECT count(*) FROM "+name+" WHERE project_id = ? AND "+column+" = ?", l.ProjectID, id)
	return n > 0, err
}

// Unlink removes a link and tells whether it was there.
func (endpointGroups) Unlink(ctx context.Context, tx *store.Tx, l identity.EndpointLink) (bool, error) {
	name, column, id := linkTable(l)
	n, err := tx.Exec(ctx, "DELETE FROM "+name+" WHERE project_id = ? AND "+column+" = ?", l.ProjectID, id)
	return n > 0, err
}

// Links lists links of both sorts.
func (endpointGroups) Links(ctx context.Context, tx *store.Tx, l identity.EndpointLink) ([]identity.EndpointLink, error) {
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
	return store.Find(ctx, tx, func(r store.Row) (identity.EndpointLink, error) {
		var v identity.EndpointLink
		err := r.Scan(&v.ProjectID, &v.EndpointID, &v.GroupID)
		return v, err
	}, q.OrderBy("project_id, endpoint_id, endpoint_group_id"))
}

// UnlinkProject removes all of a project's links.
func (endpointGroups) UnlinkProject(ctx context.Context, tx *store.Tx, projectID string) error {
	for _, name := range []string{"identity_project_endpoint", "identity_project_endpoint_group"} {
		if _, err := tx.Exec(ctx, "DELETE FROM "+name+" WHERE project_id = ?", projectID); err != nil {
			return err
		}
	}
	return nil
}

type policies struct {
	*table[identity.PolicyDocument]
}

func newPolicies() policies {
	return policies{&table[identity.PolicyDocument]{
		name: "identity_policy", noun: "policy", columns: []string{"id", "type", "blob", "extra"},
		fields: func(v *identity.PolicyDocument) []any {
			return []any{&v.ID, &v.Type, jsonField{&v.Blob}, jsonField{&v.Extra}}
		},
	}}
}

var associations = table[identity.PolicyAssociation]{
	name: "identity_policy_association", columns: []string{"policy_id", "endpoint_id", "service_id", "region_id"},
	fields: func(v *identity.PolicyAssociation) []any {
		return []any{&v.PolicyID, &v.EndpointID, &v.ServiceID, &v.RegionID}
	},
}

// Associate says what a policy applies to; the newest word counts.
func (policies) Associate(ctx context.Context, tx *store.Tx, a identity.PolicyAssociation) error {
	_, err := tx.Exec(ctx, `INSERT INTO identity_policy_association (policy_id, endpoint_id, service_id, region_id) VALUES (?, ?, ?, ?)
		ON CONFLICT (endpoint_id, service_id, region_id) DO UPDATE SET policy_id = excluded.policy_id`,
		a.PolicyID, a.EndpointID, a.ServiceID, a.RegionID)
	return err
}

// Associations lists what matches.
func (policies) Associations(ctx context.Context, tx *store.Tx, where ...identity.Match) ([]identity.PolicyAssociation, error) {
	q := store.Select(associations.sel())
	associations.where(q, where)
	return store.Find(ctx, tx, associations.scan, q.OrderBy("policy_id, endpoint_id, service_id, region_id"))
}

// Dissociate removes what matches and tells how many.
func (policies) Dissociate(ctx context.Context, tx *store.Tx, where ...identity.Match) (int64, error) {
	return associations.DeleteWhere(ctx, tx, where...)
}
