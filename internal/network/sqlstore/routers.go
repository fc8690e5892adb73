package sqlstore

import (
	"kumoi/internal/kernel/store"
	"kumoi/internal/network"
)

func routers() *store.Table[network.Router] {
	t := private(store.NewTable("network_router", func(r *network.Router, c *store.Columns) {
		aged(&r.Standard, c)
		c.Text("name", &r.Name)
		gateway := ""
		if r.Gateway != nil {
			gateway = r.Gateway.NetworkID
		}
		c.Derived("gateway_network_id", store.KindText, gateway)
		c.Doc("doc", r)
	}))
	texts(t, "description", "Description", "status", "Status")
	length(t, "hints", "AZHints")
	flags(t, "admin_state_up", "AdminStateUp")
	return lists(t, "tags", "Tags", "availability_zone_hints", "AZHints")
}

func floatingIPs() *store.Table[network.FloatingIP] {
	t := private(store.NewTable("network_floatingip", func(f *network.FloatingIP, c *store.Columns) {
		aged(&f.Standard, c)
		c.Text("network_id", &f.NetworkID)
		c.Text("port_id", &f.PortID)
		c.Text("router_id", &f.RouterID)
		c.Text("outside_port", &f.OutsidePort)
		c.Doc("doc", f)
	}))
	texts(t, "description", "Description", "status", "Status", "address", "Address", "fixed_ip", "FixedIP", "dns_name", "DNSName", "dns_domain", "DNSDomain")
	return lists(t, "tags", "Tags")
}

func forwardings() *store.Table[network.PortForwarding] {
	t := private(store.NewTable("network_port_forwarding", func(f *network.PortForwarding, c *store.Columns) {
		aged(&f.Standard, c)
		c.Text("floatingip_id", &f.FloatingIPID)
		c.Text("port_id", &f.PortID)
		c.Doc("doc", f)
	}))
	texts(t, "description", "Description", "protocol", "Protocol", "internal_ip", "InternalIP")
	numbers(t, "internal_port", "InternalPort", "external_port", "ExternalPort", "internal_last", "InternalLast", "external_last", "ExternalLast")
	return t
}
