package api_test

import (
	"testing"

	"kumoi/internal/kernel/store"
	"kumoi/internal/kernel/store/storetest"
)

// Policies and their rules, from the administrator's first to the last use.
func TestQoS(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := serve(t, db)
		admin := c.as("a:admin")
		const policies = "/v2.0/qos/policies"
		c.fails(403, "PolicyNotAuthorized", "POST", policies, object{"policy": object{"name": "mine"}})
		p := admin.create(policies, "policy", object{"name": "slow", "description": "for guests", "tags": []string{"net"}})
		id := p["id"].(string)
		if p["shared"] != false || p["is_default"] != false || len(p["rules"].([]any)) != 0 {
			t.Errorf("a new policy is %v", p)
		}
		c.fails(404, "QosPolicyNotFound", "GET", policies+"/"+id, nil)

		rules := policies + "/" + id
		limit := admin.create(rules+"/bandwidth_limit_rules", "bandwidth_limit_rule", object{"max_kbps": 1000, "max_burst_kbps": 100})
		if limit["direction"] != "egress" || limit["max_kbps"] != 1000.0 {
			t.Errorf("limit %v", limit)
		}
		admin.create(rules+"/bandwidth_limit_rules", "bandwidth_limit_rule", object{"max_kbps": 2000, "direction": "ingress"})
		dscp := admin.create(rules+"/dscp_marking_rules", "dscp_marking_rule", object{"dscp_mark": 26})
		promised := admin.create(rules+"/minimum_bandwidth_rules", "minimum_bandwidth_rule", object{"min_kbps": 500})
		for _, x := range []struct {
			status     int
			kind, path string
			body       object
		}{
			{409, "QoSRulesConflict", "/bandwidth_limit_rules", object{"bandwidth_limit_rule": object{"max_kbps": 7}}},
			{400, "HTTPBadRequest", "/bandwidth_limit_rules", object{"bandwidth_limit_rule": object{"max_kbps": -1}}},
			{400, "HTTPBadRequest", "/bandwidth_limit_rules", object{"bandwidth_limit_rule": object{"direction": "egress"}}},
			{409, "QoSRuleParameterConflict", "/minimum_bandwidth_rules", object{"minimum_bandwidth_rule": object{"min_kbps": 2001, "direction": "ingress"}}},
			{400, "HTTPBadRequest", "/dscp_marking_rules", object{"dscp_marking_rule": object{"dscp_mark": 41}}},
		} {
			admin.fails(x.status, x.kind, "POST", rules+x.path, x.body)
		}
		admin.fails(409, "QoSRuleParameterConflict", "PUT", rules+"/minimum_bandwidth_rules/"+promised["id"].(string), object{"minimum_bandwidth_rule": object{"min_kbps": 1001}})
		changed := admin.must(200, "PUT", rules+"/bandwidth_limit_rules/"+limit["id"].(string), object{"bandwidth_limit_rule": object{"max_kbps": 3000}})["bandwidth_limit_rule"].(object)
		if changed["max_kbps"] != 3000.0 || changed["max_burst_kbps"] != 100.0 {
			t.Errorf("changed to %v", changed)
		}
		admin.fails(404, "QosRuleNotFound", "GET", rules+"/bandwidth_limit_rules/"+dscp["id"].(string), nil)
		if list := admin.must(200, "GET", rules+"/bandwidth_limit_rules", nil)["bandwidth_limit_rules"].([]any); len(list) != 2 {
			t.Errorf("limits %v", list)
		}
		if shown := admin.must(200, "GET", policies+"/"+id, nil)["policy"].(object); len(shown["rules"].([]any)) != 4 || shown["revision_number"].(float64) < 5 {
			t.Errorf("with rules: %v", shown)
		}

		// Shared, a project may use it, and then it can be neither withdrawn nor deleted.
		net := c.create("/v2.0/networks", "network", object{"name": "n"})
		netPath := "/v2.0/networks/" + net["id"].(string)
		c.fails(404, "QosPolicyNotFound", "PUT", netPath, object{"network": object{"qos_policy_id": id}})
		admin.must(200, "PUT", policies+"/"+id, object{"policy": object{"shared": true}})
		if all := c.must(200, "GET", policies, nil)["policies"].([]any); len(all) != 1 {
			t.Errorf("a project sees %v", all)
		}
		c.must(200, "GET", rules+"/dscp_marking_rules/"+dscp["id"].(string), nil)
		c.fails(403, "PolicyNotAuthorized", "DELETE", rules+"/dscp_marking_rules/"+dscp["id"].(string), nil)
		if n := c.must(200, "PUT", netPath, object{"network": object{"qos_policy_id": id}})["network"].(object); n["qos_policy_id"] != id {
			t.Errorf("network %v", n)
		}
		c.create("/v2.0/subnets", "subnet", object{"network_id": net["id"], "ip_version": 4, "cidr": "10.0.0.0/24"})
		port := c.create("/v2.0/ports", "port", object{"network_id": net["id"]})
		if port["qos_policy_id"] != nil || port["qos_network_policy_id"] != id {
			t.Errorf("port %v", port)
		}
		portPath := "/v2.0/ports/" + port["id"].(string)
		if got := c.must(200, "PUT", portPath, object{"port": object{"qos_policy_id": id}})["port"].(object); got["qos_policy_id"] != id {
			t.Errorf("port %v", got)
		}
		admin.fails(409, "RbacPolicyInUse", "PUT", policies+"/"+id, object{"policy": object{"shared": false}})
		admin.fails(409, "QosPolicyInUse", "DELETE", policies+"/"+id, nil)
		c.must(200, "PUT", portPath, object{"port": object{"qos_policy_id": nil}})
		c.must(204, "DELETE", portPath, nil)
		c.must(204, "DELETE", netPath, nil)
		admin.must(200, "PUT", policies+"/"+id, object{"policy": object{"shared": false}})
		admin.must(204, "DELETE", rules+"/dscp_marking_rules/"+dscp["id"].(string), nil)
		admin.must(204, "DELETE", policies+"/"+id, nil)
		admin.fails(404, "QosPolicyNotFound", "GET", rules+"/bandwidth_limit_rules", nil)

		// What an administrator put on a project's network is not the project's to take away.
		hidden := admin.create(policies, "policy", object{"name": "hidden"})
		forced := admin.create("/v2.0/networks", "network", object{"project_id": "p", "qos_policy_id": hidden["id"]})
		c.fails(403, "PolicyRemoveAuthorizationError", "PUT", "/v2.0/networks/"+forced["id"].(string), object{"network": object{"qos_policy_id": nil}})

		// A project's default policy is on its new networks, and there is one.
		own := admin.create(policies, "policy", object{"name": "own", "project_id": "p", "is_default": true})
		admin.fails(409, "QoSPolicyDefaultAlreadyExists", "POST", policies, object{"policy": object{"name": "own2", "project_id": "p", "is_default": true}})
		if n := c.create("/v2.0/networks", "network", object{}); n["qos_policy_id"] != own["id"] {
			t.Errorf("network %v", n)
		}
		if n := c.create("/v2.0/networks", "network", object{"qos_policy_id": nil}); n["qos_policy_id"] != own["id"] {
			t.Errorf("asking for nothing special is the default's business: %v", n)
		}
		types := c.must(200, "GET", "/v2.0/qos/rule-types", nil)["rule_types"].([]any)
		if len(types) != 3 {
			t.Errorf("kinds of rules: %v", types)
		}
		c.fails(403, "PolicyNotAuthorized", "GET", "/v2.0/qos/rule-types/bandwidth_limit", nil)
		admin.must(200, "GET", "/v2.0/qos/rule-types/bandwidth_limit", nil)
		admin.fails(404, "QosRuleTypeNotFound", "GET", "/v2.0/qos/rule-types/none", nil)

		// A rule is refused to who may make none, whatever the policy is.
		c.fails(403, "PolicyNotAuthorized", "POST", policies+"/none/bandwidth_limit_rules", object{"bandwidth_limit_rule": object{"max_kbps": 1}})
		admin.fails(404, "QosPolicyNotFound", "POST", policies+"/none/bandwidth_limit_rules", object{"bandwidth_limit_rule": object{"max_kbps": 1}})
	})
}

// A grant may go when another remains for those who rely on it.
func TestGrantsThatOthersReplace(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := serve(t, db)
		admin := c.as("a:admin")
		policy := admin.create("/v2.0/qos/policies", "policy", object{"name": "x"})["id"].(string)
		grant := func(target string) string {
			return "/v2.0/rbac-policies/" + admin.create("/v2.0/rbac-policies", "rbac_policy", object{
				"object_type": "qos_policy", "object_id": policy, "action": "access_as_shared", "target_tenant": target,
			})["id"].(string)
		}
		one := grant("p")
		net := c.create("/v2.0/networks", "network", object{"qos_policy_id": policy})["id"].(string)
		admin.fails(409, "RbacPolicyInUse", "DELETE", one, nil)
		all := grant("*")
		admin.must(204, "DELETE", one, nil)
		admin.fails(409, "RbacPolicyInUse", "DELETE", all, nil)
		admin.fails(409, "RbacPolicyInUse", "PUT", all, object{"rbac_policy": object{"target_tenant": "p"}})
		c.must(204, "DELETE", "/v2.0/networks/"+net, nil)
		admin.must(204, "DELETE", all, nil)
	})
}
