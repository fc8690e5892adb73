package sqlstore

import (
	"kumoi/internal/kernel/store"
	"kumoi/internal/network"
)

func securityGroups() *store.Table[network.SecurityGroup] {
	return shared("security_group", tagged(store.NewTable("network_security_group", func(g *network.SecurityGroup, c *store.Columns) {
		described(&g.Standard, c)
		c.Bool("stateful", &g.Stateful)
		c.Bool("is_default", &g.Default)
	})))
}

// securityGroupRules are seen by their project and by their group's.
func securityGroupRules() *store.Table[network.SecurityGroupRule] {
	return tagged(store.NewTable("network_security_group_rule", func(r *network.SecurityGroupRule, c *store.Columns) {
		rule(r, c)
		c.Text("group_id", &r.GroupID)
	})).
		Field("belongs_to_default_sg", store.KindBool, store.SQL("(SELECT g.is_default FROM network_security_group g WHERE g.id = network_security_group_rule.group_id)")).
		Condition("visible", store.SQL(`network_security_group_rule.project_id = ? OR
			network_security_group_rule.group_id IN (SELECT id FROM network_security_group WHERE project_id = ?)`))
}

func defaultRules() *store.Table[network.SecurityGroupRule] {
	return store.NewTable("network_default_security_group_rule", func(r *network.SecurityGroupRule, c *store.Columns) {
		rule(r, c)
		c.Bool("in_default_group", &r.InDefaultGroup)
		c.Bool("in_custom_group", &r.InCustomGroup)
	})
}

func rule(r *network.SecurityGroupRule, c *store.Columns) {
	standard(&r.Standard, c)
	c.Text("description", &r.Description)
	c.Text("direction", &r.Direction)
	c.Text("ethertype", &r.EtherType)
	c.Text("protocol", &r.Protocol)
	c.NullInt("port_range_min", &r.PortMin)
	c.NullInt("port_range_max", &r.PortMax)
	c.Text("remote_ip_prefix", &r.RemotePrefix)
	c.Derived("normalized_cidr", store.KindText, r.NormalizedCIDR())
	c.Text("remote_group_id", &r.RemoteGroupID)
	c.Text("address_group_id", &r.AddressGroupID)
}
