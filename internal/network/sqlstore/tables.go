package sqlstore

import (
	"kumoi/internal/kernel/store"
	"kumoi/internal/network"
)

// Tables are where the network service's families are kept.
func Tables() network.Tables {
	return network.Tables{AddressScopes: addressScopes()}
}

// named are the columns of families that are kept without a document.
func named(s *network.Standard, c *store.Columns) {
	c.Key("id", &s.ID)
	c.Text("project_id", &s.ProjectID)
	c.Text("name", &s.Name)
	c.JSON("tags", &s.Tags)
	c.Int64("revision", &s.Revision)
	c.Time("created_at", &s.CreatedAt)
	c.Time("updated_at", &s.UpdatedAt)
}

// shared tells of a table whose rows RBAC policies can share: what a project may
// see ("visible") and what is shared with it ("shared").
func shared[T any](objectType string, t *store.Table[T]) *store.Table[T] {
	granted := t.Name() + ".id IN (SELECT object_id FROM rbac_policy WHERE object_type = '" + objectType + "' AND target IN (?, '*')"
	return t.Condition("visible", store.SQL(t.Name()+".project_id = ? OR "+granted+")")).
		Condition("shared", store.SQL(granted+" AND action = 'access_as_shared')"))
}
