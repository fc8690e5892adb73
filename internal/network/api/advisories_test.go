package api_test

import (
	"fmt"
	"testing"

	"kumoi/internal/kernel/store/storetest"
	"kumoi/internal/network"
)

// TestAdvisories tries what Neutron's published security advisories were about, as
// far as no other test does. The whole list, by class:
//
// What is attached to whom:
//
//	CVE-2014-0056  ports given to routers of others: TestIDsOfOthers, TestWordsMakeNoRouterPort
//	CVE-2015-5240, CVE-2026-50266
//	               members and managers that pose as the network on shared networks: TestNetworkOwnersAreRefused and here
//	CVE-2018-14635 ports without an address, which a guest then chooses: a server takes none, here
//	CVE-2026-55707 subnets of a shared network taken into one's own pool: not offered, here
//
// More rights than were given:
//
//	CVE-2014-6414  attributes of administrators set back by members: here
//	CVE-2024-53916, CVE-2026-49299
//	               tags changed by others and by readers: here
//
// Values that break what they are written into:
//
//	CVE-2014-0187, CVE-2019-9735
//	               rules with a wrong prefix, or ports where the protocol has none: TestFormsOfAddresses and here
//	CVE-2014-7821, CVE-2021-40085
//	               name servers and DHCP options of several lines: here
//	CVE-2015-3221  address pairs with a prefix of no bits: OVN's port security knows them, no chain of rules is made
//
// Exhaustion: CVE-2014-3555 (address pairs), CVE-2022-3277 and CVE-2023-3637 (default
// groups of projects that are only asked about): here; CVE-2021-40797 (paths that do
// not exist): the routes are one table.
//
// Spoofing past iptables, ebtables, linuxbridge or the agents' own flows
// (CVE-2015-8914, CVE-2016-5362, -5363, CVE-2017-7543, CVE-2019-10876,
// CVE-2021-20267, -38598), the L3 agent (CVE-2014-4167) and rootwrap
// (CVE-2013-6433, CVE-2014-3632): none of them exists here; OVN's port security and
// access lists are tested in internal/network/fabric/ovn.
func TestAdvisories(t *testing.T) {
	c := serve(t, storetest.SQLite(t))
	root := c.as("admin:admin")
	mine := c.site("10.0.0.0/24")
	shared := root.create("/v2.0/networks", "network", object{"shared": true})["id"].(string)
	port := c.create("/v2.0/ports", "port", object{"network_id": mine.network})["id"].(string)
	group := c.create("/v2.0/security-groups", "security_group", object{"name": "g"})["id"].(string)

	t.Run("managers on shared networks", func(t *testing.T) {
		manager := c.on(t).as("p:manager")
		manager.fails(403, "PolicyNotAuthorized", "POST", "/v2.0/ports", object{"port": object{"network_id": shared, "device_owner": "network:dhcp"}})
		p := manager.create("/v2.0/ports", "port", object{"network_id": shared})["id"].(string)
		manager.fails(403, "PolicyNotAuthorized", "PUT", "/v2.0/ports/"+p, object{"port": object{"device_owner": "network:dhcp"}})
	})
	t.Run("ports without an address", func(t *testing.T) {
		bare := c.on(t).create("/v2.0/ports", "port", object{"network_id": mine.network, "fixed_ips": []object{}})["id"].(string)
		if _, err := c.boot(network.RequestedNetwork{PortID: bare}); err == nil {
			t.Error("a server took a port without an address")
		}
	})
	t.Run("onboarding", func(t *testing.T) {
		pool := c.on(t).create("/v2.0/subnetpools", "subnetpool", object{"prefixes": []string{"10.8.0.0/16"}})["id"].(string)
		c.on(t).fails(404, "HTTPNotFound", "PUT", "/v2.0/subnetpools/"+pool+"/onboard_network_subnets", object{"network_id": shared})
		c.on(t).must(404, "GET", "/v2.0/extensions/subnet_onboard", nil)
	})
	t.Run("attributes of administrators", func(t *testing.T) {
		n := root.on(t).create("/v2.0/networks", "network", object{"project_id": "p", "shared": true, "router:external": true})["id"].(string)
		for _, o := range []object{{"shared": false}, {"router:external": false}, {"provider:network_type": "geneve"}, {"is_default": false}} {
			c.on(t).fails(403, "PolicyNotAuthorized", "PUT", "/v2.0/networks/"+n, object{"network": o})
		}
	})
	t.Run("tags", func(t *testing.T) {
		rule := c.on(t).create("/v2.0/security-group-rules", "security_group_rule", object{"security_group_id": group, "direction": "ingress"})["id"].(string)
		for path, status := range map[string][2]int{
			"/v2.0/networks/" + mine.network: {403, 404}, "/v2.0/subnets/" + mine.subnet: {403, 404}, "/v2.0/ports/" + port: {403, 404}, "/v2.0/security-groups/" + group: {403, 404},
			"/v2.0/security-group-rules/" + rule: {403, 404},
		} {
			for i, who := range []*client{c.on(t).as("p:reader"), c.on(t).as("q")} {
				who.must(status[i], "PUT", path+"/tags/a", nil)
				who.must(status[i], "PUT", path+"/tags", object{"tags": []string{"a"}})
				who.must(status[i], "POST", path+"/tags", object{"tags": []string{"a"}})
				who.must(status[i], "DELETE", path+"/tags/a", nil)
				who.must(status[i], "DELETE", path+"/tags", nil)
			}
			c.on(t).must(201, "PUT", path+"/tags/a", nil)
		}
		c.on(t).as("q").must(404, "PUT", "/v2.0/networks/"+shared+"/tags/a", nil)
	})
	t.Run("ports of protocols without ports", func(t *testing.T) {
		for _, protocol := range []string{"vrrp", "112", "gre", ""} {
			r := object{"security_group_id": group, "direction": "ingress", "protocol": protocol, "port_range_min": 1, "port_range_max": 2}
			if status, body := c.do("POST", "/v2.0/security-group-rules", object{"security_group_rule": r}); status != 400 {
				t.Errorf("%q: %d %v", protocol, status, body)
			}
		}
	})
	t.Run("lines in values", func(t *testing.T) {
		for _, o := range []object{{"opt_name": "tftp-server", "opt_value": "10.0.0.1\nserver-ip,x"}, {"opt_name": "a\nb", "opt_value": "x"}, {"opt_name": "a", "opt_value": "x\r"}} {
			c.on(t).fails(400, "HTTPBadRequest", "PUT", "/v2.0/ports/"+port, object{"port": object{"extra_dhcp_opts": []object{o}}})
		}
		for _, dns := range []string{"8.8.8.8\n", "8.8.8.8\nx", " 8.8.8.8", "example.org"} {
			c.on(t).fails(400, "HTTPBadRequest", "PUT", "/v2.0/subnets/"+mine.subnet, object{"subnet": object{"dns_nameservers": []string{dns}}})
		}
	})
	t.Run("too many address pairs", func(t *testing.T) {
		var pairs []object
		for i := range 11 {
			pairs = append(pairs, object{"ip_address": fmt.Sprintf("10.9.0.%d", i)})
		}
		c.on(t).fails(400, "AllowedAddressPairExhausted", "PUT", "/v2.0/ports/"+port, object{"port": object{"allowed_address_pairs": pairs}})
	})
	t.Run("groups of projects that are asked about", func(t *testing.T) {
		count := func() int { return len(root.must(200, "GET", "/v2.0/security-groups", nil)["security_groups"].([]any)) }
		before := count()
		for i := range 5 {
			c.on(t).must(200, "GET", fmt.Sprint("/v2.0/security-groups?project_id=none", i), nil)
			c.on(t).must(200, "GET", fmt.Sprint("/v2.0/security-groups?tenant_id=none", i), nil)
		}
		if n := count(); n != before {
			t.Errorf("%d groups were made", n-before)
		}
	})
}
