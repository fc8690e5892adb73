package sqlstore

import (
	"kumoi/internal/kernel/store"
	"kumoi/internal/network"
)

// Subnets are seen, and shared, with their network.
func subnets() *store.Table[network.Subnet] {
	t := store.NewTable("network_subnet", func(s *network.Subnet, c *store.Columns) {
		aged(&s.Standard, c)
		c.Text("name", &s.Name)
		c.Text("network_id", &s.NetworkID)
		c.Text("subnetpool_id", &s.SubnetPoolID)
		c.Doc("doc", s)
	})
	granted := func(action string) string {
		return "network_subnet.network_id IN (SELECT object_id FROM network_rbac_policy WHERE object_type = 'network' AND action = '" + action + "' AND target IN (?, '*'))"
	}
	t.Condition("visible", store.SQL("network_subnet.project_id = ? OR "+granted("access_as_shared")+
		" OR network_subnet.network_id IN (SELECT n.id FROM network n WHERE n.project_id = ?)")).
		Condition("shared", store.SQL(granted("access_as_shared"))).
		Condition("reachable", store.SQL(granted("access_as_external"))).
		Field("ip_version", store.KindInt, store.Expr{
			SQLite:   "CASE WHEN instr(json_extract(network_subnet.doc, '$.CIDR'), ':') > 0 THEN 6 ELSE 4 END",
			Postgres: "CASE WHEN strpos(network_subnet.doc::jsonb ->> 'CIDR', ':') > 0 THEN 6 ELSE 4 END",
		})
	texts(t, "description", "Description", "cidr", "CIDR", "gateway_ip", "Gateway", "ipv6_ra_mode", "IPv6RA", "ipv6_address_mode", "IPv6Address")
	flags(t, "enable_dhcp", "DHCP", "dns_publish_fixed_ip", "DNSPublish")
	return lists(t, "tags", "Tags", "dns_nameservers", "DNS", "service_types", "ServiceTypes")
}

func subnetPools() *store.Table[network.SubnetPool] {
	t := shared("subnetpool", store.NewTable("network_subnetpool", func(p *network.SubnetPool, c *store.Columns) {
		aged(&p.Standard, c)
		c.Text("name", &p.Name)
		c.Text("address_scope_id", &p.AddressScopeID)
		c.Doc("doc", p)
	}))
	texts(t, "description", "Description")
	numbers(t, "ip_version", "IPVersion", "default_prefixlen", "DefaultPrefixLen", "min_prefixlen", "MinPrefixLen",
		"max_prefixlen", "MaxPrefixLen")
	t.Field("default_quota", store.KindInt, store.Path("network_subnetpool.doc", "DefaultQuota", store.KindInt))
	flags(t, "is_default", "Default")
	return lists(t, "tags", "Tags", "prefixes", "Prefixes")
}

func allocations() *store.Table[network.Allocation] {
	return store.NewTable("network_ip_allocation", func(a *network.Allocation, c *store.Columns) {
		c.Key("subnet_id", &a.SubnetID)
		c.Key("ip", &a.IP)
		c.Text("port_id", &a.PortID)
	})
}
