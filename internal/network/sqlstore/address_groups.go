package sqlstore

import (
	"kumoi/internal/kernel/store"
	"kumoi/internal/network"
)

func addressGroups() *store.Table[network.AddressGroup] {
	return shared("address_group", tagged(store.NewTable("network_address_group", func(g *network.AddressGroup, c *store.Columns) {
		described(&g.Standard, c)
		c.JSON("addresses", &g.Addresses)
	}))).Set("addresses", listed("network_address_group.addresses"))
}
