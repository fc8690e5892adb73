package sqlstore

import (
	"kumoi/internal/kernel/store"
	"kumoi/internal/network"
)

func addressScopes() *store.Table[network.AddressScope] {
	return shared("address_scope", store.NewTable("network_address_scope", func(a *network.AddressScope, c *store.Columns) {
		named(&a.Standard, c)
		c.Int("ip_version", &a.IPVersion)
	}))
}
