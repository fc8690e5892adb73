package sqlstore

import (
	"kumoi/internal/kernel/store"
	"kumoi/internal/network"
)

// Ports are seen by their own project and by the network's.
func ports() *store.Table[network.Port] {
	t := store.NewTable("network_port", func(p *network.Port, c *store.Columns) {
		aged(&p.Standard, c)
		c.Text("name", &p.Name)
		c.Text("network_id", &p.NetworkID)
		c.Text("mac", &p.MAC)
		c.Text("device_id", &p.DeviceID)
		c.Text("device_owner", &p.DeviceOwner)
		c.Text("held_as", &p.HeldAs)
		c.Text("held_by", &p.HeldBy)
		c.Text("host", &p.Host)
		c.Int64("attached", &p.Attached)
		c.Doc("doc", p)
	}).
		Condition("visible", store.SQL("network_port.project_id = ? OR network_port.network_id IN (SELECT n.id FROM network n WHERE n.project_id = ?)")).
		Set("fixed_subnet", fixedIP("SubnetID")).
		Set("fixed_address", fixedIP("IP")).
		Set("fixed_part", store.Expr{SQLite: inFixedIPs.SQLite + "instr(json_extract(f.value, '$.IP'), ?) > 0)", Postgres: inFixedIPs.Postgres + "strpos(f ->> 'IP', ?) > 0)"}).
		Field("vif_type", store.KindText, store.SQL("CASE WHEN network_port.host = '' OR network_port.device_owner IN ('network:router_interface', 'network:router_gateway', 'network:distributed') THEN 'unbound' ELSE 'ovs' END")).
		Field("qos_network_policy_id", store.KindText, store.Expr{
			SQLite:   "(SELECT json_extract(n.doc, '$.QoSPolicyID') FROM network n WHERE n.id = network_port.network_id)",
			Postgres: "(SELECT n.doc::jsonb ->> 'QoSPolicyID' FROM network n WHERE n.id = network_port.network_id)",
		})
	length(t, "addresses", "FixedIPs")
	texts(t, "description", "Description", "status", "Status", "dns_name", "DNSName", "dns_domain", "DNSDomain", "vnic_type", "VNICType", "qos_policy_id", "QoSPolicyID")
	flags(t, "admin_state_up", "AdminStateUp", "port_security_enabled", "PortSecurity", "propagate_uplink_status", "PropagateUp")
	return lists(t, "tags", "Tags", "security_groups", "SecurityGroups")
}

// fixedIPs are a port's addresses, of which PostgreSQL wants to be sure that they are a list.
const fixedIPs = "jsonb_array_elements(CASE jsonb_typeof(network_port.doc::jsonb -> 'FixedIPs') WHEN 'array' THEN network_port.doc::jsonb -> 'FixedIPs' ELSE '[]'::jsonb END) f"

var inFixedIPs = store.Expr{
	SQLite:   "EXISTS (SELECT 1 FROM json_each(network_port.doc, '$.FixedIPs') f WHERE ",
	Postgres: "EXISTS (SELECT 1 FROM " + fixedIPs + " WHERE ",
}

// fixedIP tells whether an address of the port has something. Addresses that
// follow from a MAC stand in the document, too.
func fixedIP(key string) store.Expr {
	return store.Expr{
		SQLite:   inFixedIPs.SQLite + "json_extract(f.value, '$." + key + "') = ?)",
		Postgres: inFixedIPs.Postgres + "f ->> '" + key + "' = ?)",
	}
}

func portGroups() *store.Table[network.PortGroup] {
	return store.NewTable("network_port_security_group", func(g *network.PortGroup, c *store.Columns) {
		c.Key("port_id", &g.PortID)
		c.Key("group_id", &g.GroupID)
	})
}
