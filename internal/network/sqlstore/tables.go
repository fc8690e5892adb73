package sqlstore

import (
	"kumoi/internal/kernel/quota"
	"kumoi/internal/kernel/store"
	"kumoi/internal/network"
)

// Tables are where the network service's families are kept.
func Tables() network.Tables {
	return network.Tables{
		AddressScopes:  addressScopes(),
		AddressGroups:  addressGroups(),
		SecurityGroups: securityGroups(), SecurityGroupRules: securityGroupRules(), DefaultRules: defaultRules(),
		QoSPolicies: qosPolicies(), QoSRules: qosRules(), QoSBindings: qosBindings(), Agents: agents(),
		Networks: networks(), Segments: segments(), Subnets: subnets(), SubnetPools: subnetPools(), Allocations: allocations(),
		Ports: ports(), PortGroups: portGroups(),
		RBACPolicies: rbacPolicies(), Grants: grants(), Trunks: trunks(), SubPorts: subPorts(), Quotas: quota.Table("network_quota"),
		ServerAddresses: serverAddresses, ServerGroups: serverGroups,
		Routers: routers(), FloatingIPs: floatingIPs(), Forwardings: forwardings(),
	}
}

// aged are the columns beside a document that all such families have.
func aged(s *network.Standard, c *store.Columns) {
	c.Key("id", &s.ID)
	c.Text("project_id", &s.ProjectID)
	c.Int64("revision", &s.Revision)
	c.Time("created_at", &s.CreatedAt)
	c.Time("updated_at", &s.UpdatedAt)
}

// inDoc declares fields, each with its path in the document; plain is what
// counts where a document does not speak of it.
func inDoc[T any](t *store.Table[T], k store.Kind, plain string, fields []string) {
	for i := 0; i < len(fields); i += 2 {
		e := store.Path(t.Name()+".doc", fields[i+1], k)
		t.Field(fields[i], k, store.Expr{SQLite: "COALESCE(" + e.SQLite + ", " + plain + ")", Postgres: "COALESCE(" + e.Postgres + ", " + plain + ")"})
	}
}

func texts[T any](t *store.Table[T], fields ...string)   { inDoc(t, store.KindText, "''", fields) }
func flags[T any](t *store.Table[T], fields ...string)   { inDoc(t, store.KindBool, "FALSE", fields) }
func numbers[T any](t *store.Table[T], fields ...string) { inDoc(t, store.KindInt, "0", fields) }

// length is how long a list in the document is.
func length[T any](t *store.Table[T], field, path string) {
	at := t.Name() + ".doc::jsonb -> '" + path + "'"
	t.Field(field, store.KindInt, store.Expr{
		SQLite:   "COALESCE(json_array_length(" + t.Name() + ".doc, '$." + path + "'), 0)",
		Postgres: "CASE jsonb_typeof(" + at + ") WHEN 'array' THEN jsonb_array_length(" + at + ") ELSE 0 END",
	})
}

// lists declares fields that are lists of texts in the document.
func lists[T any](t *store.Table[T], fields ...string) *store.Table[T] {
	for i := 0; i < len(fields); i += 2 {
		t.Set(fields[i], store.Listed(t.Name()+".doc", fields[i+1]))
	}
	return t
}

// private tells of a table whose rows are their project's alone.
func private[T any](t *store.Table[T]) *store.Table[T] {
	return t.Condition("visible", store.SQL(t.Name()+".project_id = ?"))
}

// standard are the columns of all families that are kept without a document.
func standard(s *network.Standard, c *store.Columns) {
	c.Key("id", &s.ID)
	c.Text("project_id", &s.ProjectID)
	c.JSON("tags", &s.Tags)
	c.Int64("revision", &s.Revision)
	c.Time("created_at", &s.CreatedAt)
	c.Time("updated_at", &s.UpdatedAt)
}

// named are the columns of those that have names.
func named(s *network.Standard, c *store.Columns) {
	standard(s, c)
	c.Text("name", &s.Name)
}

// described are the columns of those that have names and descriptions.
func described(s *network.Standard, c *store.Columns) {
	named(s, c)
	c.Text("description", &s.Description)
}

// tagged lets lists of a table be narrowed by its column of tags.
func tagged[T any](t *store.Table[T]) *store.Table[T] {
	return t.Set("tags", listed(t.Name()+".tags"))
}

// listed tells whether a text is in the list that a JSON column holds.
func listed(column string) store.Expr {
	return store.Expr{
		SQLite:   "EXISTS (SELECT 1 FROM json_each(" + column + ") WHERE value = ?)",
		Postgres: "COALESCE(jsonb_exists(" + column + "::jsonb, ?), FALSE)",
	}
}

// shared tells of a table whose rows RBAC policies can share: what a project may
// see ("visible") and what is shared with it ("shared").
func shared[T any](objectType string, t *store.Table[T]) *store.Table[T] {
	granted := t.Name() + ".id IN (SELECT object_id FROM network_rbac_policy WHERE object_type = '" + objectType + "' AND target IN (?, '*')"
	return t.Condition("visible", store.SQL(t.Name()+".project_id = ? OR "+granted+")")).
		Condition("shared", store.SQL(granted+" AND action = 'access_as_shared')"))
}
