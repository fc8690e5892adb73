package api_test

import (
	"fmt"
	"strings"
	"testing"

	"kumoi/internal/kernel/store"
	"kumoi/internal/kernel/store/storetest"
)

// The everyday path: network, subnet, router, port, floating IP.
func TestTheEverydayPath(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := serve(t, db)
		admin := c.as("admin:admin")
		ext := admin.create("/v2.0/networks", "network", object{"name": "ext", "router:external": true, "provider:network_type": "flat", "provider:physical_network": "outside"})
		admin.create("/v2.0/subnets", "subnet", object{"network_id": ext["id"], "ip_version": 4, "cidr": "203.0.113.0/24", "enable_dhcp": false})
		net := c.create("/v2.0/networks", "network", object{"name": "n", "admin_state_up": "true"})
		if net["mtu"] != 1442.0 || net["status"] != "ACTIVE" || net["project_id"] != "p" || net["tenant_id"] != "p" {
			t.Errorf("network %v", net)
		}
		if _, seen := net["provider:network_type"]; seen {
			t.Error("a member sees provider attributes")
		}
		sub := c.create("/v2.0/subnets", "subnet", object{"network_id": net["id"], "ip_version": 4, "cidr": "10.0.0.0/24", "dns_nameservers": []string{"9.9.9.9"}})
		if sub["gateway_ip"] != "10.0.0.1" || fmt.Sprint(sub["allocation_pools"]) != "[map[end:10.0.0.254 start:10.0.0.2]]" {
			t.Errorf("subnet %v", sub)
		}
		router := c.create("/v2.0/routers", "router", object{"name": "r", "external_gateway_info": object{"network_id": ext["id"]}})
		added := c.must(200, "PUT", "/v2.0/routers/"+router["id"].(string)+"/add_router_interface", object{"subnet_id": sub["id"]})
		if added["subnet_id"] != sub["id"] || added["port_id"] == "" {
			t.Errorf("interface %v", added)
		}
		port := c.create("/v2.0/ports", "port", object{"network_id": net["id"], "dns_name": "web"})
		if port["status"] != "DOWN" || len(port["security_groups"].([]any)) != 1 || !strings.HasPrefix(port["mac_address"].(string), "fa:16:3e:") {
			t.Errorf("port %v", port)
		}
		fip := c.create("/v2.0/floatingips", "floatingip", object{"floating_network_id": ext["id"], "port_id": port["id"]})
		if fip["router_id"] != router["id"] || fip["status"] != "ACTIVE" {
			t.Errorf("floating IP %v", fip)
		}
		one := "/v2.0/floatingips/" + fip["id"].(string)
		fip = c.must(200, "PUT", one, object{"floatingip": object{"port_id": nil}})["floatingip"].(object)
		if fip["port_id"] != nil || fip["router_id"] != nil || fip["status"] != "DOWN" {
			t.Errorf("after disassociation %v", fip)
		}
		c.fails(409, "RouterInUse", "DELETE", "/v2.0/routers/"+router["id"].(string), nil)
		c.fails(409, "SubnetInUse", "DELETE", "/v2.0/subnets/"+sub["id"].(string), nil)
		c.fails(409, "NetworkInUse", "DELETE", "/v2.0/networks/"+net["id"].(string), nil)
		c.must(204, "DELETE", one, nil)
		c.must(204, "DELETE", "/v2.0/ports/"+port["id"].(string), nil)
		c.must(200, "PUT", "/v2.0/routers/"+router["id"].(string)+"/remove_router_interface", object{"subnet_id": sub["id"]})
		c.must(204, "DELETE", "/v2.0/routers/"+router["id"].(string), nil)
		c.must(204, "DELETE", "/v2.0/networks/"+net["id"].(string), nil)
		c.fails(404, "SubnetNotFound", "GET", "/v2.0/subnets/"+sub["id"].(string), nil)
	})
}

// Every wrong request is told what is wrong, with Neutron's type.
func TestWrongRequests(t *testing.T) {
	c := serve(t, storetest.SQLite(t))
	n := c.create("/v2.0/networks", "network", object{"name": "n"})["id"].(string)
	none := "11111111-1111-4111-8111-111111111111"
	for _, x := range []struct {
		status             int
		kind, method, path string
		body               any
	}{
		{404, "NetworkNotFound", "GET", "/v2.0/networks/" + none, nil},
		{404, "HTTPNotFound", "GET", "/v2.0/nothing", nil},
		{405, "HTTPMethodNotAllowed", "PATCH", "/v2.0/networks/" + n, nil},
		{400, "HTTPBadRequest", "POST", "/v2.0/networks", "not json"},
		{400, "HTTPBadRequest", "POST", "/v2.0/networks", "[]"},
		{400, "HTTPBadRequest", "POST", "/v2.0/networks", object{}},
		{400, "HTTPBadRequest", "POST", "/v2.0/networks", object{"network": "x"}},
		{400, "HTTPBadRequest", "POST", "/v2.0/networks", object{"networks": []any{}}},
		{400, "HTTPBadRequest", "POST", "/v2.0/networks", object{"network": object{"unheard_of": 1}}},
		{400, "HTTPBadRequest", "POST", "/v2.0/networks", object{"network": object{"status": "ACTIVE"}}},
		{400, "HTTPBadRequest", "POST", "/v2.0/networks", object{"network": object{"admin_state_up": "perhaps"}}},
		{400, "HTTPBadRequest", "POST", "/v2.0/networks", object{"network": object{"name": strings.Repeat("x", 256)}}},
		{400, "InvalidInput", "POST", "/v2.0/networks", object{"network": object{"mtu": 9000}}},
		{403, "PolicyNotAuthorized", "POST", "/v2.0/networks", object{"network": object{"shared": true}}},
		{400, "HTTPBadRequest", "POST", "/v2.0/subnets", object{"subnet": object{"network_id": n, "cidr": "10.0.0.0/24"}}},
		{400, "HTTPBadRequest", "POST", "/v2.0/subnets", object{"subnet": object{"network_id": n, "ip_version": 4, "cidr": "10.0.0.0/33"}}},
		{400, "InvalidInput", "POST", "/v2.0/subnets", object{"subnet": object{"network_id": n, "ip_version": 6, "cidr": "10.0.0.0/24"}}},
		{400, "OutOfBoundsAllocationPool", "POST", "/v2.0/subnets", object{"subnet": object{"network_id": n, "ip_version": 4, "cidr": "10.0.0.0/24", "allocation_pools": []object{{"start": "10.0.1.2", "end": "10.0.1.9"}}}}},
		{409, "GatewayConflictWithAllocationPools", "POST", "/v2.0/subnets", object{"subnet": object{"network_id": n, "ip_version": 4, "cidr": "10.0.0.0/24", "gateway_ip": "10.0.0.5", "allocation_pools": []object{{"start": "10.0.0.2", "end": "10.0.0.9"}}}}},
		{400, "HTTPBadRequest", "GET", "/v2.0/networks?unheard_of=1", nil},
		{400, "HTTPBadRequest", "GET", "/v2.0/networks?sort_key=name&sort_dir=up", nil},
		{400, "HTTPBadRequest", "GET", "/v2.0/networks?limit=-1", nil},
		{404, "NetworkNotFound", "POST", "/v2.0/ports", object{"port": object{"network_id": none}}},
		{400, "HTTPBadRequest", "POST", "/v2.0/ports", object{"port": object{"network_id": n, "mac_address": "zz"}}},
		{404, "SecurityGroupNotFound", "POST", "/v2.0/ports", object{"port": object{"network_id": n, "security_groups": []string{none}}}},
		{403, "PolicyNotAuthorized", "POST", "/v2.0/ports", object{"port": object{"network_id": n, "binding:host_id": "h"}}},
		{403, "PolicyNotAuthorized", "POST", "/v2.0/ports", object{"port": object{"network_id": "NET", "device_owner": "network:dhcp"}}},
		{400, "BadRequest", "POST", "/v2.0/floatingips", object{"floatingip": object{"floating_network_id": n}}},
		{400, "BadRequest", "PUT", "/v2.0/routers/ROUTER/add_router_interface", object{}},
		{409, "SecurityGroupDefaultAlreadyExists", "POST", "/v2.0/security-groups", object{"security_group": object{"name": "default"}}},
		{400, "SecurityGroupInvalidPortRange", "POST", "/v2.0/security-group-rules", object{"security_group_rule": object{"security_group_id": "SG", "direction": "ingress", "protocol": "tcp", "port_range_min": 10, "port_range_max": 1}}},
		{400, "SecurityGroupRuleParameterConflict", "POST", "/v2.0/security-group-rules", object{"security_group_rule": object{"security_group_id": "SG", "direction": "ingress", "ethertype": "IPv6", "remote_ip_prefix": "10.0.0.0/8"}}},
		{404, "AgentNotFound", "GET", "/v2.0/agents/" + none, nil},
		{403, "PolicyNotAuthorized", "PUT", "/v2.0/quotas/p", object{"quota": object{"network": 1}}},
	} {
		if body, ok := x.body.(object); ok {
			x.body = c.resolve(body)
		}
		if before, after, found := strings.Cut(x.path, "ROUTER"); found {
			x.path = before + c.router() + after
		}
		c.fails(x.status, x.kind, x.method, x.path, x.body)
	}
	if status, _ := c.as("").do("GET", "/v2.0/networks", nil); status != 401 {
		t.Errorf("without a token: %d", status)
	}
}

// resolve puts real ids where a table says NET or SG.
func (c *client) resolve(body object) object {
	for _, v := range body {
		m, ok := v.(object)
		if !ok {
			continue
		}
		if m["network_id"] == "NET" {
			// a shared network of somebody else, where a member may not pose as the network
			m["network_id"] = c.as("admin:admin").create("/v2.0/networks", "network", object{"shared": true})["id"]
		}
		if m["security_group_id"] == "SG" {
			m["security_group_id"] = c.create("/v2.0/security-groups", "security_group", object{"name": "g"})["id"]
		}
	}
	return body
}

func (c *client) router() string {
	return c.create("/v2.0/routers", "router", object{})["id"].(string)
}

// Lists: filters of any attribute, sorting, pages with links, chosen fields.
func TestLists(t *testing.T) {
	c := serve(t, storetest.SQLite(t))
	var bulk []object
	for i := range 5 {
		bulk = append(bulk, object{"name": fmt.Sprintf("n%d", i), "mtu": 1400 + i, "tags": []string{"all", fmt.Sprintf("t%d", i)}})
	}
	if got := c.must(201, "POST", "/v2.0/networks", object{"networks": bulk})["networks"].([]any); len(got) != 5 {
		t.Fatalf("bulk creation made %d", len(got))
	}
	names := func(query string) string {
		t.Helper()
		var out []string
		for _, n := range c.must(200, "GET", "/v2.0/networks?"+query, nil)["networks"].([]any) {
			out = append(out, n.(object)["name"].(string))
		}
		return strings.Join(out, " ")
	}
	for query, want := range map[string]string{
		"":                 "n0 n1 n2 n3 n4",
		"name=n1&name=n3":  "n1 n3",
		"mtu=1402":         "n2",
		"mtu=1402&name=n1": "",
		"shared=True":      "",
		"admin_state_up=1&sort_key=name&sort_dir=desc": "n4 n3 n2 n1 n0",
		"tags=all,t2":                       "n2",
		"tags-any=t1,t2":                    "n1 n2",
		"not-tags-any=t1,t2,t3":             "n0 n4",
		"limit=2&sort_key=name":             "n0 n1",
		"changed_since=2001-01-01T00:00:00": "n0 n1 n2 n3 n4",
		"changed_since=2999-01-01T00:00:00": "",
	} {
		if got := names(query); got != want {
			t.Errorf("?%s: %q, want %q", query, got, want)
		}
	}
	// Follow the links through all pages and back.
	url, seen := "/v2.0/networks?limit=2&sort_key=name&fields=name&fields=id", []string{}
	last := ""
	for url != "" {
		page := c.must(200, "GET", url, nil)
		last, url = url, ""
		for _, n := range page["networks"].([]any) {
			if len(n.(object)) != 2 {
				t.Fatalf("fields: %v", n)
			}
			seen = append(seen, n.(object)["name"].(string))
		}
		links, _ := page["networks_links"].([]any)
		for _, l := range links {
			if l.(object)["rel"] == "next" {
				url = strings.TrimPrefix(l.(object)["href"].(string), c.url)
			}
		}
	}
	if strings.Join(seen, " ") != "n0 n1 n2 n3 n4" {
		t.Errorf("pages showed %v", seen)
	}
	page := c.must(200, "GET", last, nil)
	for _, l := range page["networks_links"].([]any) {
		if l.(object)["rel"] == "previous" {
			back := c.must(200, "GET", strings.TrimPrefix(l.(object)["href"].(string), c.url), nil)["networks"].([]any)
			if len(back) != 2 || back[1].(object)["name"] != "n3" {
				t.Errorf("the page before the last: %v", back)
			}
		}
	}
}

// A change that expects a revision is refused when there is another.
func TestRevisions(t *testing.T) {
	c := serve(t, storetest.SQLite(t))
	n := c.create("/v2.0/networks", "network", object{"name": "n"})
	path := "/v2.0/networks/" + n["id"].(string)
	rev := fmt.Sprintf("revision_number=%v", n["revision_number"])
	c.must(200, "PUT", path, object{"network": object{"name": "m"}}, "If-Match", rev)
	c.fails(412, "RevisionNumberConstraintFailed", "PUT", path, object{"network": object{"name": "k"}}, "If-Match", rev)
	c.fails(412, "RevisionNumberConstraintFailed", "DELETE", path, nil, "If-Match", rev)
	c.fails(400, "HTTPBadRequest", "DELETE", path, nil, "If-Match", "W/1")
}

// Half of a bulk request is nothing.
func TestBulkIsAllOrNothing(t *testing.T) {
	c := serve(t, storetest.SQLite(t))
	c.fails(400, "HTTPBadRequest", "POST", "/v2.0/networks", object{"networks": []object{{"name": "good"}, {"name": 7}}})
	if left := c.must(200, "GET", "/v2.0/networks", nil)["networks"].([]any); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestTags(t *testing.T) {
	c := serve(t, storetest.SQLite(t))
	n := c.create("/v2.0/networks", "network", object{"name": "n"})["id"].(string)
	base := "/v2.0/networks/" + n + "/tags"
	c.must(201, "PUT", base+"/red", nil)
	c.must(204, "GET", base+"/red", nil)
	c.fails(404, "TagNotFound", "GET", base+"/blue", nil)
	got := c.must(200, "PUT", base, object{"tags": []string{"a", "b", "a"}})["tags"]
	if fmt.Sprint(got) != "[a b]" {
		t.Errorf("replaced by %v", got)
	}
	c.must(204, "DELETE", base+"/a", nil)
	c.as("q").fails(404, "NetworkNotFound", "PUT", base+"/x", nil)
	c.must(204, "DELETE", base, nil)
	if got := c.must(200, "GET", base, nil)["tags"].([]any); len(got) != 0 {
		t.Errorf("after clearing %v", got)
	}
}

// The rules of new groups, and what a rule says of itself.
func TestSecurityGroups(t *testing.T) {
	c := serve(t, storetest.SQLite(t))
	all := c.must(200, "GET", "/v2.0/security-groups", nil)["security_groups"].([]any)
	if len(all) != 1 || all[0].(object)["name"] != "default" || len(all[0].(object)["security_group_rules"].([]any)) != 4 {
		t.Fatalf("a new project has %v", all)
	}
	g := c.create("/v2.0/security-groups", "security_group", object{"name": "web"})
	if rules := g["security_group_rules"].([]any); len(rules) != 2 || rules[0].(object)["direction"] != "egress" {
		t.Errorf("a new group has %v", g["security_group_rules"])
	}
	rule := object{"security_group_id": g["id"], "direction": "ingress", "protocol": "TCP", "port_range_min": 22, "port_range_max": 22, "remote_ip_prefix": "10.0.0.5/24"}
	r := c.create("/v2.0/security-group-rules", "security_group_rule", rule)
	if r["protocol"] != "tcp" || r["remote_ip_prefix"] != "10.0.0.5/24" || r["normalized_cidr"] != "10.0.0.0/24" || r["ethertype"] != "IPv4" {
		t.Errorf("rule %v", r)
	}
	c.fails(409, "SecurityGroupRuleExists", "POST", "/v2.0/security-group-rules", object{"security_group_rule": rule})
	c.must(204, "DELETE", "/v2.0/security-group-rules/"+r["id"].(string), nil)
	c.must(204, "DELETE", "/v2.0/security-groups/"+g["id"].(string), nil)
}
