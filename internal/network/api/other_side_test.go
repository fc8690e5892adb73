package api_test

import (
	"testing"

	"kumoi/internal/kernel/store/storetest"
	"kumoi/internal/network"
)

// Nothing of another project can be reached by writing its id into something of
// one's own: every attribute that takes an id, tried with an id of somebody else.
func TestIDsOfOthers(t *testing.T) {
	c := serve(t, storetest.SQLite(t))
	victim, me := c.as("p"), c.as("q")
	out := c.outside()
	theirs, mine := victim.site("10.0.0.0/24"), me.site("10.6.0.0/24")
	id := func(c *client, path, member string, o object) string { return c.create(path, member, o)["id"].(string) }

	theirPort := id(victim, "/v2.0/ports", "port", object{"network_id": theirs.network})
	theirGroup := id(victim, "/v2.0/security-groups", "security_group", object{"name": "g"})
	theirAddresses := id(victim, "/v2.0/address-groups", "address_group", object{"addresses": []string{"10.0.0.0/8"}})
	theirPool := id(victim, "/v2.0/subnetpools", "subnetpool", object{"prefixes": []string{"10.9.0.0/16"}, "min_prefixlen": 24})
	theirScope := id(victim, "/v2.0/address-scopes", "address_scope", object{"name": "s", "ip_version": 4})
	theirRouter := id(victim, "/v2.0/routers", "router", object{"external_gateway_info": object{"network_id": out}})
	theirFloating := id(victim, "/v2.0/floatingips", "floatingip", object{"floating_network_id": out})
	theirTrunk := id(victim, "/v2.0/trunks", "trunk", object{"port_id": theirPort})
	theirPolicy := id(c.as("p:admin"), "/v2.0/qos/policies", "policy", object{"name": "fast"})

	port := id(me, "/v2.0/ports", "port", object{"network_id": mine.network})
	router := id(me, "/v2.0/routers", "router", object{"external_gateway_info": object{"network_id": out}})
	me.must(200, "PUT", "/v2.0/routers/"+router+"/add_router_interface", object{"subnet_id": mine.subnet})
	floating := id(me, "/v2.0/floatingips", "floatingip", object{"floating_network_id": out})
	group := id(me, "/v2.0/security-groups", "security_group", object{"name": "g"})
	trunk := id(me, "/v2.0/trunks", "trunk", object{"port_id": port})

	for name, x := range map[string]struct {
		method, path string
		body         object
	}{
		"port's network":           {"POST", "/v2.0/ports", object{"port": object{"network_id": theirs.network}}},
		"port's subnet":            {"POST", "/v2.0/ports", object{"port": object{"network_id": mine.network, "fixed_ips": []object{{"subnet_id": theirs.subnet}}}}},
		"port's group":             {"POST", "/v2.0/ports", object{"port": object{"network_id": mine.network, "security_groups": []string{theirGroup}}}},
		"port's group later":       {"PUT", "/v2.0/ports/" + port, object{"port": object{"security_groups": []string{theirGroup}}}},
		"port's policy":            {"PUT", "/v2.0/ports/" + port, object{"port": object{"qos_policy_id": theirPolicy}}},
		"network's policy":         {"PUT", "/v2.0/networks/" + mine.network, object{"network": object{"qos_policy_id": theirPolicy}}},
		"subnet's network":         {"POST", "/v2.0/subnets", object{"subnet": object{"network_id": theirs.network, "ip_version": 4, "cidr": "10.1.0.0/24"}}},
		"subnet's pool":            {"POST", "/v2.0/subnets", object{"subnet": object{"network_id": mine.network, "ip_version": 4, "subnetpool_id": theirPool}}},
		"pool's scope":             {"POST", "/v2.0/subnetpools", object{"subnetpool": object{"prefixes": []string{"10.8.0.0/16"}, "address_scope_id": theirScope}}},
		"rule's group":             {"POST", "/v2.0/security-group-rules", object{"security_group_rule": object{"security_group_id": theirGroup, "direction": "ingress"}}},
		"rule's remote group":      {"POST", "/v2.0/security-group-rules", object{"security_group_rule": object{"security_group_id": group, "direction": "ingress", "remote_group_id": theirGroup}}},
		"rule's address group":     {"POST", "/v2.0/security-group-rules", object{"security_group_rule": object{"security_group_id": group, "direction": "ingress", "remote_address_group_id": theirAddresses}}},
		"gateway network":          {"PUT", "/v2.0/routers/" + router, object{"router": object{"external_gateway_info": object{"network_id": theirs.network}}}},
		"router's subnet":          {"PUT", "/v2.0/routers/" + router + "/add_router_interface", object{"subnet_id": theirs.subnet}},
		"router's port":            {"PUT", "/v2.0/routers/" + router + "/add_router_interface", object{"port_id": theirPort}},
		"their router":             {"PUT", "/v2.0/routers/" + theirRouter + "/add_router_interface", object{"subnet_id": mine.subnet}},
		"floating IP's port":       {"PUT", "/v2.0/floatingips/" + floating, object{"floatingip": object{"port_id": theirPort}}},
		"their floating IP":        {"PUT", "/v2.0/floatingips/" + theirFloating, object{"floatingip": object{"port_id": port}}},
		"forwarding's port":        {"POST", "/v2.0/floatingips/" + floating + "/port_forwardings", object{"port_forwarding": object{"protocol": "tcp", "external_port": 80, "internal_port": 80, "internal_port_id": theirPort, "internal_ip_address": "10.0.0.2"}}},
		"forwarding's floating IP": {"POST", "/v2.0/floatingips/" + theirFloating + "/port_forwardings", object{"port_forwarding": object{"protocol": "tcp", "external_port": 80, "internal_port": 80, "internal_port_id": port, "internal_ip_address": "10.6.0.2"}}},
		"trunk's parent":           {"POST", "/v2.0/trunks", object{"trunk": object{"port_id": theirPort}}},
		"trunk's sub-port":         {"PUT", "/v2.0/trunks/" + trunk + "/add_subports", object{"sub_ports": []object{{"port_id": theirPort, "segmentation_type": "vlan", "segmentation_id": 1}}}},
		"their trunk":              {"PUT", "/v2.0/trunks/" + theirTrunk + "/add_subports", object{"sub_ports": []object{{"port_id": port, "segmentation_type": "vlan", "segmentation_id": 1}}}},
		"grant of a network":       {"POST", "/v2.0/rbac-policies", object{"rbac_policy": object{"object_type": "network", "object_id": theirs.network, "action": "access_as_shared", "target_tenant": "q"}}},
		"grant of a group":         {"POST", "/v2.0/rbac-policies", object{"rbac_policy": object{"object_type": "security_group", "object_id": theirGroup, "action": "access_as_shared", "target_tenant": "q"}}},
	} {
		status, body := me.do(x.method, x.path, x.body)
		if status != 404 && (name != "port's subnet" || status != 400) {
			t.Errorf("%s: %d %v, want 404", name, status, body)
		}
	}
}

// The owner of a network sees the ports of others on it, and may delete them; that
// does not make them his.
func TestPortsOfGuestsOnMyNetwork(t *testing.T) {
	c := serve(t, storetest.SQLite(t))
	me, guest := c.as("p"), c.as("q")
	out := c.outside()
	mine := me.site("10.0.0.0/24")
	me.create("/v2.0/rbac-policies", "rbac_policy", object{"object_type": "network", "object_id": mine.network, "action": "access_as_shared", "target_tenant": "q"})
	r := me.create("/v2.0/routers", "router", object{"external_gateway_info": object{"network_id": out}})["id"].(string)
	me.must(200, "PUT", "/v2.0/routers/"+r+"/add_router_interface", object{"subnet_id": mine.subnet})
	p := guest.create("/v2.0/ports", "port", object{"network_id": mine.network})
	port, ip := p["id"].(string), p["fixed_ips"].([]any)[0].(object)["ip_address"]
	f := me.create("/v2.0/floatingips", "floatingip", object{"floating_network_id": out})["id"].(string)
	me.fails(400, "BadRequest", "PUT", "/v2.0/floatingips/"+f, object{"floatingip": object{"port_id": port}})
	me.fails(400, "BadRequest", "POST", "/v2.0/floatingips/"+f+"/port_forwardings", object{"port_forwarding": object{
		"protocol": "tcp", "external_port": 80, "internal_port": 80, "internal_port_id": port, "internal_ip_address": ip,
	}})
	me.fails(404, "PortNotFound", "POST", "/v2.0/trunks", object{"trunk": object{"port_id": port}})
	me.fails(404, "PortNotFound", "PUT", "/v2.0/ports/"+port, object{"port": object{"name": "mine"}})
	me.fails(404, "PortNotFound", "PUT", "/v2.0/routers/"+r+"/add_router_interface", object{"port_id": port})
	if _, err := me.boot(network.RequestedNetwork{PortID: port}); err == nil {
		t.Error("a server got the port of another project")
	}
	// The guest's own way out goes through the router that has the gateway's address.
	guest.create("/v2.0/floatingips", "floatingip", object{"floating_network_id": out, "port_id": port})
}

// Who may use a network of others may not choose addresses on it, neither by a
// port nor by a server, nor become its way out when it is everybody's.
func TestGuestsOfASharedNetwork(t *testing.T) {
	c := serve(t, storetest.SQLite(t))
	root := c.as("admin:admin")
	shared := root.create("/v2.0/networks", "network", object{"shared": true})["id"].(string)
	sub := root.create("/v2.0/subnets", "subnet", object{"network_id": shared, "ip_version": 4, "cidr": "10.0.0.0/24"})["id"].(string)
	for _, more := range []object{
		{"fixed_ips": []object{{"ip_address": "10.0.0.1"}}},
		{"mac_address": "fa:16:3e:00:00:01"},
		{"allowed_address_pairs": []object{{"ip_address": "10.0.0.1"}}},
		{"port_security_enabled": false},
	} {
		more["network_id"] = shared
		c.fails(403, "PolicyNotAuthorized", "POST", "/v2.0/ports", object{"port": more})
	}
	if _, err := c.boot(network.RequestedNetwork{NetworkID: shared, FixedIP: "10.0.0.1"}); err == nil {
		t.Error("a server took the gateway's address of a shared network")
	}
	if _, err := c.boot(network.RequestedNetwork{NetworkID: shared}); err != nil {
		t.Error(err)
	}
	r := c.router()
	c.fails(400, "BadRequest", "PUT", "/v2.0/routers/"+r+"/add_router_interface", object{"subnet_id": sub})
	root.create("/v2.0/rbac-policies", "rbac_policy", object{"object_type": "network", "object_id": shared, "action": "access_as_shared", "target_tenant": "p"})
	c.must(200, "PUT", "/v2.0/routers/"+r+"/add_router_interface", object{"subnet_id": sub})
}

// A network that is external for one project is not the way out of another that
// it is only shared with; a group shared by a grant may be used.
func TestGrantsGiveWhatTheySay(t *testing.T) {
	c := serve(t, storetest.SQLite(t))
	root, me := c.as("admin:admin"), c.as("q")
	out := root.site("203.0.113.0/24").network
	grant := func(kind, id, action, target string) {
		root.create("/v2.0/rbac-policies", "rbac_policy", object{"object_type": kind, "object_id": id, "action": action, "target_tenant": target})
	}
	grant("network", out, "access_as_external", "p")
	grant("network", out, "access_as_shared", "q")
	me.fails(400, "BadRequest", "POST", "/v2.0/routers", object{"router": object{"external_gateway_info": object{"network_id": out}}})
	me.fails(400, "BadRequest", "POST", "/v2.0/floatingips", object{"floatingip": object{"floating_network_id": out}})
	c.create("/v2.0/floatingips", "floatingip", object{"floating_network_id": out})
	group := root.create("/v2.0/security-groups", "security_group", object{"name": "g"})["id"].(string)
	grant("security_group", group, "access_as_shared", "q")
	mine := me.site("10.0.0.0/24")
	me.create("/v2.0/ports", "port", object{"network_id": mine.network, "security_groups": []string{group}})
	c.fails(404, "SecurityGroupNotFound", "POST", "/v2.0/ports", object{"port": object{"network_id": c.site("10.1.0.0/24").network, "security_groups": []string{group}}})
}
