package api_test

import (
	"fmt"
	"slices"
	"testing"

	"kumoi/internal/kernel/store"
	"kumoi/internal/kernel/store/storetest"
)

func TestRBACPolicies(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := serve(t, db)
		q, admin := c.as("q"), c.as("p:admin")
		const path = "/v2.0/rbac-policies"
		ids := map[string]string{}
		network := c.create("/v2.0/networks", "network", object{})["id"].(string)
		groups := []any{}
		for _, who := range []*client{c, c, q} {
			groups = append(groups, who.create("/v2.0/security-groups", "security_group", object{"name": "g"})["id"])
		}
		for _, x := range []struct {
			who            *client
			kind           string
			of             any
			action, target string
		}{
			{c, "network", network, "access_as_shared", "r0"},
			{c, "security_group", groups[0], "access_as_shared", "r1"},
			{c, "security_group", groups[1], "access_as_shared", "r2"},
			{q, "security_group", groups[2], "access_as_shared", "r3"},
			{admin, "network", network, "access_as_external", "r4"},
		} {
			ids[x.target] = x.who.create(path, "rbac_policy", object{"object_type": x.kind, "object_id": x.of, "action": x.action, "target_tenant": x.target})["id"].(string)
		}
		lists(t, path, "rbac_policies", "target_tenant", []asked{
			{c, "", "r0 r1 r2 r4"},
			{q, "", "r3"},
			{admin, "", "r0 r1 r2 r3 r4"},
			{c, "?object_type=network", "r0 r4"},
			{c, "?object_id=" + network + "&action=access_as_external", "r4"},
			{c, "?target_tenant=r2&target_tenant=r3", "r2"},
			{admin, "?project_id=q", "r3"},
			{c, "?id=" + ids["r1"], "r1"},
			{c, "?sort_key=target_tenant&sort_dir=desc", "r4 r2 r1 r0"},
			{c, "?sort_key=object_type&sort_key=target_tenant&sort_dir=desc&sort_dir=asc&limit=3&marker=" + ids["r1"], "r2 r0 r4"},
		})
		refuses(t, c, path, map[string]string{
			"?target_project=r0":           "['target_project'] is invalid attribute for filtering",
			"?limit=1&marker=" + ids["r3"]: "Marker " + ids["r3"] + " could not be found.",
		})
		shown := c.must(200, "GET", path+"/"+ids["r0"], nil)["rbac_policy"].(object)
		keys := make([]string, 0, len(shown))
		for k := range shown {
			keys = append(keys, k)
		}
		slices.Sort(keys)
		if fmt.Sprint(keys) != "[action id object_id object_type project_id target_tenant tenant_id]" {
			t.Errorf("shown: %v", shown)
		}

		grant := func(target string, more object) object {
			out := object{"object_type": "security_group", "object_id": groups[0], "action": "access_as_shared", "target_tenant": target}
			for k, v := range more {
				out[k] = v
			}
			return object{"rbac_policy": out}
		}
		c.fails(400, "HTTPBadRequest", "POST", path, object{"rbac_policy": object{"object_type": "network", "object_id": network, "action": "access_as_shared"}})
		c.fails(400, "HTTPBadRequest", "POST", path, grant("r9", object{"object_type": "port"}))
		c.fails(400, "InvalidInput", "POST", path, grant("r9", object{"action": "access_as_external"}))
		c.fails(404, "SecurityGroupNotFound", "POST", path, grant("r9", object{"object_id": groups[2]}))
		c.fails(409, "DuplicateRBACPolicy", "POST", path, grant("r1", nil))
		c.fails(403, "PolicyNotAuthorized", "POST", path, grant("*", nil))
		c.fails(404, "RbacPolicyNotFound", "GET", path+"/"+ids["r3"], nil)
		c.fails(403, "PolicyNotAuthorized", "PUT", path+"/"+ids["r1"], object{"rbac_policy": object{"target_tenant": "*"}})
		c.fails(400, "HTTPBadRequest", "PUT", path+"/"+ids["r1"], object{"rbac_policy": object{"action": "access_as_external"}})
		if got := c.must(200, "PUT", path+"/"+ids["r1"], object{"rbac_policy": object{"target_tenant": "r5"}})["rbac_policy"].(object); got["target_tenant"] != "r5" {
			t.Errorf("changed: %v", got)
		}
		lists(t, path, "rbac_policies", "target_tenant", []asked{{c, "?object_type=security_group", "r5 r2"}})
		c.must(204, "DELETE", path+"/"+ids["r1"], nil)
		c.fails(404, "RbacPolicyNotFound", "DELETE", path+"/"+ids["r1"], nil)
	})
}
