package api_test

import (
	"testing"

	"kumoi/internal/kernel/store"
	"kumoi/internal/kernel/store/storetest"
)

// A project that asks for any network gets one with a way out, always the same,
// once the operator has said from what.
func TestAutoAllocatedTopology(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := serve(t, db)
		admin := c.as("a:admin")
		const path = "/v2.0/auto-allocated-topology/"
		c.fails(409, "AutoAllocationFailure", "GET", path+"p", nil)
		external := admin.create("/v2.0/networks", "network", object{"name": "outside", "router:external": true, "is_default": true})
		admin.create("/v2.0/subnets", "subnet", object{"network_id": external["id"], "ip_version": 4, "cidr": "192.0.2.0/24", "enable_dhcp": false})
		c.fails(409, "AutoAllocationFailure", "GET", path+"p?fields=dry-run", nil)
		admin.create("/v2.0/subnetpools", "subnetpool", object{"name": "v4", "is_default": true, "prefixes": []string{"10.0.0.0/8"}, "default_prefixlen": 26})
		admin.create("/v2.0/subnetpools", "subnetpool", object{"name": "v6", "is_default": true, "prefixes": []string{"2001:db8::/48"}, "default_prefixlen": 64})

		topology := func(c *client, path string) object {
			t.Helper()
			return c.must(200, "GET", path, nil)["auto_allocated_topology"].(object)
		}
		if got := topology(c, path+"p?fields=dry-run"); got["id"] != "dry-run=pass" {
			t.Errorf("a dry run: %v", got)
		}
		if all := c.must(200, "GET", "/v2.0/networks?router:external=false", nil)["networks"].([]any); len(all) != 0 {
			t.Fatalf("a dry run makes %v", all)
		}
		c.as("p:reader").fails(403, "PolicyNotAuthorized", "GET", path+"p", nil)
		c.as("q").fails(403, "PolicyNotAuthorized", "GET", path+"p", nil)

		made := topology(c, path+"p")
		if again := topology(c, path+"None"); again["id"] != made["id"] || again["project_id"] != "p" {
			t.Errorf("first %v, then %v", made, again)
		}
		if seen := topology(admin, path+"p"); seen["id"] != made["id"] {
			t.Errorf("the administrator gets %v", seen)
		}
		n := c.must(200, "GET", "/v2.0/networks/"+made["id"].(string), nil)["network"].(object)
		if n["name"] != "auto_allocated_network" || n["project_id"] != "p" || len(n["subnets"].([]any)) != 2 {
			t.Errorf("network %v", n)
		}
		routers := c.must(200, "GET", "/v2.0/routers?name=auto_allocated_router", nil)["routers"].([]any)
		if len(routers) != 1 || routers[0].(object)["external_gateway_info"].(object)["network_id"] != external["id"] {
			t.Fatalf("routers %v", routers)
		}
		if other := topology(c.as("q"), path+"q"); other["id"] == made["id"] {
			t.Error("two projects share a network")
		}
		// In use it cannot be deleted, and nothing of it is; then all of it is.
		port := c.create("/v2.0/ports", "port", object{"network_id": made["id"]})
		c.fails(409, "NetworkInUse", "DELETE", path+"p", nil)
		if after := topology(c, path+"p"); after["id"] != made["id"] {
			t.Error("a delete that was refused has changed something")
		}
		c.must(204, "DELETE", "/v2.0/ports/"+port["id"].(string), nil)
		c.as("q").fails(403, "PolicyNotAuthorized", "DELETE", path+"p", nil)
		c.must(204, "DELETE", path+"p", nil)
		c.must(404, "GET", "/v2.0/networks/"+made["id"].(string), nil)
		if left := c.must(200, "GET", "/v2.0/routers", nil)["routers"].([]any); len(left) != 0 {
			t.Errorf("left: %v", left)
		}
		c.must(204, "DELETE", path+"p", nil)
	})
}
