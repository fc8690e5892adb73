package sqlstore

import (
	"kumoi/internal/kernel/store"
	"kumoi/internal/network"
)

func trunks() *store.Table[network.Trunk] {
	return private(tagged(store.NewTable("network_trunk", func(t *network.Trunk, c *store.Columns) {
		described(&t.Standard, c)
		c.Text("port_id", &t.PortID)
		c.Bool("admin_state_up", &t.AdminStateUp)
	}))).Field("status", store.KindText, trunkStatus)
}

// trunkStatus is network.Trunk's Status: it follows from the state of the ports.
var trunkStatus = store.SQL(`CASE WHEN NOT network_trunk.admin_state_up
		OR NOT EXISTS (SELECT 1 FROM network_port p WHERE p.id = network_trunk.port_id AND p.host <> '') THEN 'DOWN'
	WHEN EXISTS (SELECT 1 FROM network_trunk_subport x JOIN network_port p ON p.id = x.port_id
		WHERE x.trunk_id = network_trunk.id AND p.status <> 'ACTIVE') THEN 'BUILD' ELSE 'ACTIVE' END`)

func subPorts() *store.Table[network.SubPort] {
	return store.NewTable("network_trunk_subport", func(p *network.SubPort, c *store.Columns) {
		c.Key("port_id", &p.PortID)
		c.Text("trunk_id", &p.TrunkID)
		c.Int("segment", &p.Segment)
		c.Int("position", &p.Position)
	})
}
