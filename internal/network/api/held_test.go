package api_test

import (
	"testing"

	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/ids"
	"kumoi/internal/kernel/store"
	"kumoi/internal/kernel/store/storetest"
	"kumoi/internal/network"
)

// site is a network with a subnet of a project.
type site struct{ network, subnet string }

func (c *client) site(cidr string) site {
	c.t.Helper()
	n := c.create("/v2.0/networks", "network", object{})["id"].(string)
	sub := c.create("/v2.0/subnets", "subnet", object{"network_id": n, "ip_version": 4, "cidr": cidr})["id"].(string)
	return site{n, sub}
}

// outside is an external network that everybody may use.
func (c *client) outside() string {
	c.t.Helper()
	out := c.as("admin:admin").create("/v2.0/networks", "network", object{"router:external": true})["id"].(string)
	c.as("admin:admin").create("/v2.0/subnets", "subnet", object{"network_id": out, "ip_version": 4, "cidr": "203.0.113.0/24", "enable_dhcp": false})
	return out
}

// boot gives a server of the client's project a port on the network, or the port.
func (c *client) boot(want network.RequestedNetwork) (server string, err error) {
	ctx := actor.With(c.t.Context(), &actor.Actor{ProjectID: c.http.Token(), Roles: []string{"member", "reader"}})
	server = ids.New()
	return server, c.svc.Write(ctx, func(tx *store.Tx) error {
		_, err := c.svc.Servers.AllocatePortsTx(ctx, tx, network.AllocateRequest{ServerID: server, ProjectID: c.http.Token(), Networks: []network.RequestedNetwork{want}})
		return err
	})
}

func (c *client) portsOf(server string) int {
	c.t.Helper()
	ps, err := c.svc.Servers.PortsOfServer(c.t.Context(), server)
	if err != nil {
		c.t.Fatal(err)
	}
	return len(ps)
}

// What somebody writes into device_id and device_owner attaches his port to
// nothing, neither at first nor later.
func TestWordsAttachNothing(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		victim := serve(t, db)
		mine := victim.site("10.0.0.0/24")
		server, err := victim.boot(network.RequestedNetwork{NetworkID: mine.network})
		if err != nil {
			t.Fatal(err)
		}
		attacker := victim.as("q")
		evil := attacker.site("10.6.6.0/24")
		pose := object{"device_id": server, "device_owner": "compute:nova"}
		attacker.create("/v2.0/ports", "port", object{"network_id": evil.network, "device_id": server, "device_owner": "compute:nova"})
		later := attacker.create("/v2.0/ports", "port", object{"network_id": evil.network})["id"].(string)
		shown := attacker.must(200, "PUT", "/v2.0/ports/"+later, object{"port": pose})["port"].(object)
		if shown["device_id"] != server || shown["device_owner"] != "compute:nova" {
			t.Errorf("shown as %v", shown)
		}
		attacker.must(201, "POST", "/v2.0/ports", object{"ports": []object{{"network_id": evil.network, "device_id": server, "device_owner": "compute:nova"}}})
		if n := victim.portsOf(server); n != 1 {
			t.Errorf("the server has %d ports", n)
		}
		addrs, err := victim.svc.Servers.ServerAddresses(t.Context(), []string{server})
		if err != nil || len(addrs[server]) != 1 {
			t.Errorf("addresses %v, %v", addrs, err)
		}
		groups, err := victim.svc.Servers.ServerSecurityGroups(t.Context(), []string{server})
		if err != nil || len(groups[server]) != 1 {
			t.Errorf("groups %v, %v", groups, err)
		}
		if nics, err := victim.svc.Servers.NICSpecs(t.Context(), server); err != nil || len(nics) != 1 {
			t.Errorf("cards %v, %v", nics, err)
		}
		// Nor does the end of the server end what was never its.
		if err := victim.svc.Servers.ReleasePorts(t.Context(), server); err != nil {
			t.Fatal(err)
		}
		attacker.must(200, "GET", "/v2.0/ports/"+later, nil)
	})
}

// The owner of a server's port may write what he likes: the port stays the server's.
func TestWordsDetachNothing(t *testing.T) {
	c := serve(t, storetest.SQLite(t))
	mine := c.site("10.0.0.0/24")
	port := c.create("/v2.0/ports", "port", object{"network_id": mine.network})["id"].(string)
	server, err := c.boot(network.RequestedNetwork{PortID: port})
	if err != nil {
		t.Fatal(err)
	}
	if p := c.must(200, "GET", "/v2.0/ports/"+port, nil)["port"].(object); p["device_id"] != server || p["device_owner"] != "compute:nova" {
		t.Errorf("the port of a server is shown as %v", p)
	}
	c.must(200, "PUT", "/v2.0/ports/"+port, object{"port": object{"device_id": "", "device_owner": ""}})
	if n := c.portsOf(server); n != 1 {
		t.Errorf("the server has %d ports", n)
	}
	if _, err := c.boot(network.RequestedNetwork{PortID: port}); err == nil {
		t.Error("two servers have one port")
	}
	r := c.router()
	c.fails(409, "PortInUse", "PUT", "/v2.0/routers/"+r+"/add_router_interface", object{"port_id": port})
	parent := c.create("/v2.0/ports", "port", object{"network_id": mine.network})["id"].(string)
	c.fails(409, "PortInUse", "POST", "/v2.0/trunks", object{"trunk": object{"port_id": parent, "sub_ports": []object{{"port_id": port, "segmentation_type": "vlan", "segmentation_id": 7}}}})
	// A label keeps a port from servers, as users of it expect.
	labelled := c.create("/v2.0/ports", "port", object{"network_id": mine.network, "device_id": "mine"})["id"].(string)
	if _, err := c.boot(network.RequestedNetwork{PortID: labelled}); err == nil {
		t.Error("a port that is said to be in use was given to a server")
	}
}

// The network's own owners are not for users, whatever way they are asked for.
func TestNetworkOwnersAreRefused(t *testing.T) {
	c := serve(t, storetest.SQLite(t))
	mine := c.site("10.0.0.0/24")
	shared := c.as("admin:admin").create("/v2.0/networks", "network", object{"shared": true})["id"].(string)
	granted := c.as("o").site("10.1.0.0/24")
	c.as("o").create("/v2.0/rbac-policies", "rbac_policy", object{"object_type": "network", "object_id": granted.network, "action": "access_as_shared", "target_tenant": "p"})
	port := c.create("/v2.0/ports", "port", object{"network_id": mine.network})["id"].(string)
	for _, owner := range []string{"network:router_interface", "network:router_gateway", "network:floatingip", "network:dhcp", "network:distributed", "network:anything"} {
		for _, n := range []string{mine.network, shared, granted.network} {
			c.fails(403, "PolicyNotAuthorized", "POST", "/v2.0/ports", object{"port": object{"network_id": n, "device_owner": owner}})
			c.fails(403, "PolicyNotAuthorized", "POST", "/v2.0/ports", object{"ports": []object{{"network_id": n}, {"network_id": n, "device_owner": owner}}})
		}
		c.fails(403, "PolicyNotAuthorized", "PUT", "/v2.0/ports/"+port, object{"port": object{"device_owner": owner}})
	}
	c.must(200, "PUT", "/v2.0/ports/"+port, object{"port": object{"device_owner": "compute:kuryr", "device_id": "mine"}})
}

// A port that an administrator or a service calls a router's is not the router's:
// its owner can delete it, and nobody's floating IP goes through it.
func TestWordsMakeNoRouterPort(t *testing.T) {
	c := serve(t, storetest.SQLite(t))
	root := c.as("admin:admin")
	out := c.outside()
	r := c.create("/v2.0/routers", "router", object{"external_gateway_info": object{"network_id": out}})["id"].(string)
	evil := c.as("q").site("10.6.6.0/24")
	for _, owner := range []string{"network:router_interface", "network:router_gateway"} {
		posing := root.create("/v2.0/ports", "port", object{"network_id": evil.network, "project_id": "q", "device_owner": owner, "device_id": r, "fixed_ips": []object{{"subnet_id": evil.subnet}}})["id"].(string)
		c.fails(404, "RouterInterfaceNotFound", "PUT", "/v2.0/routers/"+r+"/remove_router_interface", object{"port_id": posing})
	}
	guest := c.as("q").create("/v2.0/ports", "port", object{"network_id": evil.network})["id"].(string)
	c.as("q").fails(404, "ExternalGatewayForFloatingIPNotFound", "POST", "/v2.0/floatingips", object{"floatingip": object{"floating_network_id": out, "port_id": guest}})
	c.must(204, "DELETE", "/v2.0/routers/"+r, nil)
}

// What the network attached says so, until the network itself lets it go.
func TestRouterPortsKeepTheirLabels(t *testing.T) {
	c := serve(t, storetest.SQLite(t))
	mine := c.site("10.0.0.0/24")
	r := c.router()
	port := c.must(200, "PUT", "/v2.0/routers/"+r+"/add_router_interface", object{"subnet_id": mine.subnet})["port_id"].(string)
	c.fails(409, "PortInUse", "PUT", "/v2.0/ports/"+port, object{"port": object{"device_id": "other"}})
	c.as("admin:admin").fails(409, "PortInUse", "PUT", "/v2.0/ports/"+port, object{"port": object{"device_owner": ""}})
	c.must(200, "PUT", "/v2.0/ports/"+port, object{"port": object{"name": "mine", "device_id": r}})
	c.fails(409, "ServicePortInUse", "DELETE", "/v2.0/ports/"+port, nil)
	c.fails(409, "PortInUse", "POST", "/v2.0/trunks", object{"trunk": object{"port_id": port}})
}
