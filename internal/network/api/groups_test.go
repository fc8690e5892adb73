package api_test

import (
	"fmt"
	"testing"

	"kumoi/internal/kernel/store"
	"kumoi/internal/kernel/store/storetest"
)

func TestSecurityGroupLists(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := serve(t, db)
		q, admin := c.as("q"), c.as("p:admin")
		const path, rules = "/v2.0/security-groups", "/v2.0/security-group-rules"
		ids := map[string]string{}
		for i, who := range []*client{c, c, q} {
			name := fmt.Sprint("g", i)
			ids[name] = who.create(path, "security_group", object{"name": name, "stateful": i != 1, "tags": []string{name}})["id"].(string)
		}
		c.create("/v2.0/rbac-policies", "rbac_policy", object{"object_type": "security_group", "object_id": ids["g1"], "action": "access_as_shared", "target_tenant": "q"})
		lists(t, path, "security_groups", "name", []asked{
			{c, "", "g0 default g1"},
			{q, "", "g1 g2 default"},
			{q, "?shared=true", "g1"},
			{q, "?shared=False&sort_key=name", "default g2"},
			{admin, "?project_id=q", "g2 default"},
			{admin, "?tenant_id=r", "default"},
			{c, "?stateful=no", "g1"},
			{c, "?tags-any=g0,g1&sort_key=name&sort_dir=desc", "g1 g0"},
			{c, "?sort_key=name&limit=1&marker=" + ids["g0"], "g1"},
		})
		refuses(t, c, path, map[string]string{
			"?stateful=x":             "Invalid input for stateful. Reason: 'x' cannot be converted to boolean",
			"?security_group_rules=x": "['security_group_rules'] is invalid attribute for filtering",
		})
		for i, r := range []object{
			{"protocol": "TCP", "port_range_min": 22, "port_range_max": 22, "remote_ip_prefix": "10.1.2.3/8"},
			{"protocol": "icmp", "remote_group_id": ids["g0"]},
		} {
			r["security_group_id"], r["direction"], r["description"] = ids["g0"], "ingress", fmt.Sprint("r", i)
			c.create(rules, "security_group_rule", r)
		}
		c.fails(409, "SecurityGroupRuleExists", "POST", rules, object{"security_group_rule": object{
			"protocol": 6, "port_range_min": 22, "port_range_max": 22, "remote_ip_prefix": "10.0.0.0/8", "security_group_id": ids["g0"], "direction": "ingress",
		}})
		lists(t, rules, "security_group_rules", "description", []asked{
			{c, "?security_group_id=" + ids["g0"] + "&direction=ingress", "r0 r1"},
			{c, "?protocol=Tcp", "r0"},
			{c, "?port_range_min=22", "r0"},
			{c, "?port_range_min=None&direction=ingress&remote_group_id=" + ids["g0"], "r1"},
			{c, "?remote_ip_prefix=10.1.2.3/8", "r0"},
			{c, "?normalized_cidr=10.0.0.0/8", "r0"},
			{c, "?ethertype=ipv4&protocol=icmp", "r1"},
			{c, "?direction=ingress&belongs_to_default_sg=false&sort_key=protocol", "r1 r0"},
			{q, "?direction=ingress&belongs_to_default_sg=false", ""},
		})
		refuses(t, c, rules, map[string]string{"?port_range_max=x": "Invalid input for port_range_max. Reason: 'x' is not an integer."})
		one := c.must(200, "GET", path+"/"+ids["g0"], nil)["security_group"].(object)
		inside := one["security_group_rules"].([]any)
		if len(inside) != 4 || len(inside[0].(object)) != 19 || len(one) != 12 || fmt.Sprint(one["revision_number"]) != "3" {
			t.Errorf("shown: %v", one)
		}
		lists(t, "/v2.0/default-security-group-rules", "default_security_group_rules", "remote_group_id", []asked{
			{c, "?direction=ingress&ethertype=IPv4", "PARENT"},
			{c, "?used_in_non_default_sg=true&limit=1&sort_key=ethertype", "<nil>"},
		})
	})
}

// A project has one group named "default": it is there before it is asked for, keeps
// its name, and no other has it.
func TestDefaultGroup(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := serve(t, db)
		const path = "/v2.0/security-groups"
		all := c.must(200, "GET", path, nil)["security_groups"].([]any)
		if len(all) != 1 || all[0].(object)["name"] != "default" {
			t.Fatalf("groups of a new project: %v", all)
		}
		one := path + "/" + all[0].(object)["id"].(string)
		rename := func(name string) object { return object{"security_group": object{"name": name}} }
		c.fails(409, "SecurityGroupCannotUpdateDefault", "PUT", one, rename("mine"))
		c.must(200, "PUT", one, rename("default"))
		c.must(200, "PUT", one, object{"security_group": object{"description": "ours"}})
		c.fails(409, "SecurityGroupCannotRemoveDefault", "DELETE", one, nil)
		c.fails(409, "SecurityGroupDefaultAlreadyExists", "POST", path, rename("default"))
		other := c.create(path, "security_group", object{"name": "web"})["id"].(string)
		c.fails(409, "SecurityGroupDefaultAlreadyExists", "PUT", path+"/"+other, rename("default"))
		c.must(200, "PUT", path+"/"+other, rename("db"))
	})
}
