package sqlstore

import (
	"kumoi/internal/kernel/store"
	"kumoi/internal/network"
)

func rbacPolicies() *store.Table[network.RBACPolicy] {
	return private(tagged(store.NewTable("network_rbac_policy", func(r *network.RBACPolicy, c *store.Columns) {
		standard(&r.Standard, c)
		c.Text("object_type", &r.ObjectType)
		c.Text("object_id", &r.ObjectID)
		c.Text("action", &r.Action)
		c.Text("target", &r.TargetProject)
	})))
}

// grants are RBAC policies, as those see them who ask what is shared.
func grants() *store.Table[network.Grant] {
	return store.NewTable("network_rbac_policy", func(g *network.Grant, c *store.Columns) {
		c.Key("object_id", &g.ObjectID)
		c.Text("object_type", &g.ObjectType)
		c.Text("action", &g.Action)
		c.Text("target", &g.Target)
	})
}
