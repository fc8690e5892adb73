package sqlstore

import (
	"net/netip"
	"strings"

	"kumoi/internal/kernel/store"
	"kumoi/internal/network"
)

// Ports are seen by their own project and by the network's.
func ports() *store.Table[network.Port] {
	t := tagged(store.NewTable("network_port", func(p *network.Port, c *store.Columns) {
		described(&p.Standard, c)
		c.Text("network_id", &p.NetworkID)
		c.Text("mac", &p.MAC)
		c.Bool("admin_state_up", &p.AdminStateUp)
		c.Text("status", &p.Status)
		c.Text("device_id", &p.DeviceID)
		c.Text("device_owner", &p.DeviceOwner)
		c.JSON("fixed_ips", (*fixedIPs)(&p.FixedIPs))
		c.JSON("security_groups", &p.SecurityGroups)
		c.JSON("allowed_address_pairs", &p.AddressPairs)
		c.JSON("extra_dhcp_opts", &p.DHCPOptions)
		c.Bool("port_security_enabled", &p.PortSecurity)
		c.Text("dns_name", &p.DNSName)
		c.Text("dns_domain", &p.DNSDomain)
		c.Text("vnic_type", &p.VNICType)
		c.Text("host", &p.Host)
		c.Text("qos_policy_id", &p.QoSPolicyID)
		c.JSON("profile", &p.Profile)
		c.Bool("propagate_uplink_status", &p.PropagateUp)
		c.Text("tag", &p.Tag)
		c.Text("made_for", &p.MadeFor)
		c.Text("held_as", &p.HeldAs)
		c.Text("held_by", &p.HeldBy)
		c.Int64("attached", &p.Attached)
	}))
	return t.Sparing().
		Condition("visible", store.SQL("network_port.project_id = ? OR network_port.network_id IN (SELECT n.id FROM network n WHERE n.project_id = ?)")).
		Set("fixed_subnet", fixedIP("SubnetID")).
		Set("fixed_address", fixedIP("IP")).
		Set("fixed_part", store.Expr{SQLite: inFixedIPs.SQLite + "instr(json_extract(f.value, '$.IP'), ?) > 0)", Postgres: inFixedIPs.Postgres + "strpos(f ->> 'IP', ?) > 0)"}).
		Field("vif_type", store.KindText, store.SQL("CASE WHEN network_port.host = '' OR network_port.device_owner IN ('network:router_interface', 'network:router_gateway', 'network:distributed') THEN 'unbound' ELSE 'ovs' END")).
		Field("qos_network_policy_id", store.KindText, store.Expr{
			SQLite:   "(SELECT json_extract(n.doc, '$.QoSPolicyID') FROM network n WHERE n.id = network_port.network_id)",
			Postgres: "(SELECT n.doc::jsonb ->> 'QoSPolicyID' FROM network n WHERE n.id = network_port.network_id)",
		}).
		Field("addresses", store.KindInt, store.Expr{
			SQLite:   "json_array_length(network_port.fixed_ips)",
			Postgres: "CASE jsonb_typeof(network_port.fixed_ips::jsonb) WHEN 'array' THEN jsonb_array_length(network_port.fixed_ips::jsonb) ELSE 0 END",
		}).
		Set("security_groups", listed("network_port.security_groups"))
}

// fixedIPs are a port's addresses.
type fixedIPs []network.FixedIP

// ReadPlain reads them as they are written; a decoder took a tenth of the time of long lists.
func (fs *fixedIPs) ReadPlain(text string) bool {
	var out fixedIPs
	rest, ok := strings.CutPrefix(text, "[")
	for ok {
		var subnet, address string
		rest, ok = strings.CutPrefix(rest, `{"SubnetID":"`)
		if ok {
			subnet, rest, ok = strings.Cut(rest, `","IP":"`)
		}
		if ok {
			address, rest, ok = strings.Cut(rest, `"}`)
		}
		ip, err := netip.ParseAddr(address)
		if !ok || err != nil || strings.ContainsAny(subnet, `"\\`) {
			return false
		}
		if out = append(out, network.FixedIP{SubnetID: subnet, IP: ip}); rest == "]" {
			*fs = out
			return true
		}
		rest, ok = strings.CutPrefix(rest, ",")
	}
	return false
}

// eachFixedIP are they in PostgreSQL, which wants to be sure that they are a list.
const eachFixedIP = "jsonb_array_elements(CASE jsonb_typeof(network_port.fixed_ips::jsonb) WHEN 'array' THEN network_port.fixed_ips::jsonb ELSE '[]'::jsonb END) f"

var inFixedIPs = store.Expr{
	SQLite:   "EXISTS (SELECT 1 FROM json_each(network_port.fixed_ips) f WHERE ",
	Postgres: "EXISTS (SELECT 1 FROM " + eachFixedIP + " WHERE ",
}

// fixedIP tells whether an address of the port has something. Addresses that
// follow from a MAC stand here, too.
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
