package sqlstore

import (
	"kumoi/internal/kernel/store"
	"kumoi/internal/network"
)

func qosPolicies() *store.Table[network.QoSPolicy] {
	return shared("qos_policy", tagged(store.NewTable("network_qos_policy", func(p *network.QoSPolicy, c *store.Columns) {
		described(&p.Standard, c)
		c.Bool("is_default", &p.Default)
	})))
}

func qosRules() *store.Table[network.QoSRule] {
	return store.NewTable("network_qos_rule", func(r *network.QoSRule, c *store.Columns) {
		standard(&r.Standard, c)
		c.Text("policy_id", &r.PolicyID)
		c.Text("kind", &r.Kind)
		c.Text("direction", &r.Direction)
		c.Int("max_kbps", &r.MaxKbps)
		c.Int("max_burst_kbps", &r.BurstKbps)
		c.Int("min_kbps", &r.MinKbps)
		c.Int("dscp_mark", &r.DSCP)
	})
}

func qosBindings() *store.Table[network.QoSBinding] {
	return store.NewTable("network_qos_binding", func(b *network.QoSBinding, c *store.Columns) {
		c.Key("object_id", &b.ObjectID)
		c.Text("object_type", &b.ObjectType)
		c.Text("policy_id", &b.PolicyID)
	})
}
