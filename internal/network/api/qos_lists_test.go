package api_test

import (
	"context"
	"fmt"
	"testing"

	"kumoi/internal/kernel/store"
	"kumoi/internal/kernel/store/storetest"
	"kumoi/internal/network"
)

func TestQoSLists(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := serve(t, db)
		q, m := c.as("q"), c.as("p:manager")
		const path = "/v2.0/qos/policies"
		ids := map[string]string{}
		for i, who := range []*client{m, m, c.as("q:manager")} {
			name := fmt.Sprint("q", i)
			ids[name] = who.create(path, "policy", object{"name": name, "is_default": i == 1, "tags": []string{name}})["id"].(string)
		}
		c.create("/v2.0/rbac-policies", "rbac_policy", object{"object_type": "qos_policy", "object_id": ids["q1"], "action": "access_as_shared", "target_tenant": "q"})
		lists(t, path, "policies", "name", []asked{
			{c, "", "q0 q1"},
			{q, "", "q1 q2"},
			{q, "?shared=true", "q1"},
			{c, "?is_default=false", "q0"},
			{c, "?sort_key=name&sort_dir=desc&limit=1", "q1"},
			{c, "?not-tags=q0", "q1"},
		})
		refuses(t, c, path, map[string]string{"?rules=x": "['rules'] is invalid attribute for filtering"})
		rules := path + "/" + ids["q0"] + "/bandwidth_limit_rules"
		for i, direction := range []string{"egress", "ingress"} {
			m.create(rules, "bandwidth_limit_rule", object{"max_kbps": 100 * (i + 1), "direction": direction})
		}
		lists(t, rules, "bandwidth_limit_rules", "max_kbps", []asked{
			{c, "", "100 200"},
			{c, "?direction=ingress", "200"},
			{c, "?max_kbps=100", "100"},
			{c, "?sort_key=max_kbps&sort_dir=desc", "200 100"},
		})
		refuses(t, c, rules, map[string]string{"?max_kbps=x": "is not an integer", "?colour=x": "['colour'] is invalid attribute for filtering"})
		shown := c.must(200, "GET", path+"/"+ids["q0"], nil)["policy"].(object)["rules"].([]any)
		if one := shown[0].(object); len(shown) != 2 || len(one) != 6 || one["type"] != "bandwidth_limit" || fmt.Sprint(one["max_burst_kbps"]) != "0" || one["qos_policy_id"] != ids["q0"] {
			t.Errorf("rules: %v", shown)
		}
	})
}

// Lists that are in no table know what they are asked, too.
func TestShortLists(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := serve(t, db)
		admin := c.as("p:admin")
		for _, h := range []string{"h2", "h1"} {
			if err := c.svc.Servers.HostReport(context.Background(), network.HostReport{Host: h, AZ: "z-" + h, Alive: h == "h1"}); err != nil {
				t.Fatal(err)
			}
		}
		lists(t, "/v2.0/availability_zones", "availability_zones", "name", []asked{
			{c, "?resource=router", "nova z-h1"}, {c, "?name=z-h1", "z-h1 z-h1"}, {c, "?resource=router&sort_key=name&sort_dir=desc", "z-h1 nova"}, {c, "?state=unavailable", ""},
		})
		lists(t, "/v2.0/agents", "agents", "binary", []asked{
			{admin, "?host=h1", "ovn-controller kumoi-agent"}, {admin, "?alive=false", ""}, {admin, "?alive=True&binary=kumoi-agent", "kumoi-agent"}, {c, "", ""},
		})
		lists(t, "/v2.0/qos/rule-types", "rule_types", "type", []asked{{c, "?type=dscp_marking", "dscp_marking"}})
		lists(t, "/v2.0/service-providers", "service_providers", "name", []asked{{c, "?default=true", "ovn"}, {c, "?service_type=VPN", ""}})
		lists(t, "/v2.0/service-providers", "service_providers", "default", []asked{{c, "?fields=name", "<nil>"}})
		for _, path := range []string{"/v2.0/availability_zones", "/v2.0/agents", "/v2.0/qos/rule-types", "/v2.0/service-providers", "/v2.0/floatingip-pools"} {
			refuses(t, admin, path, map[string]string{"?colour=red": "['colour'] is invalid attribute for filtering", "?sort_key=colour": "is invalid attribute for sort_keys"})
		}
	})
}
