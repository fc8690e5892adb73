package api_test

import (
	"testing"

	"kumoi/internal/kernel/store/storetest"
)

// Each thing that can be done with tags has a rule, which an operator may
// override by its name or by the one that it had before; the resource's own
// rule is another.
func TestTagRules(t *testing.T) {
	t.Parallel()
	c := serve(t, storetest.SQLite(t))
	site := c.site("10.0.0.0/24")
	scope := c.create("/v2.0/address-scopes", "address_scope", object{"name": "s", "ip_version": 4})["id"].(string)
	qos := c.as("admin:admin").create("/v2.0/qos/policies", "policy", object{"name": "q"})["id"].(string)
	for _, x := range []struct{ path, rule, former string }{
		{"/v2.0/networks/" + site.network, "network:tags", "networks_tags"},
		{"/v2.0/subnets/" + site.subnet, "subnet:tags", "subnets_tags"},
		{"/v2.0/address-scopes/" + scope, "address_scope:tags", ""},
		{"/v2.0/policies/" + qos, "policy:tags", "policies_tags"},
	} {
		tags, one := x.path+"/tags", x.path+"/tags/a"
		who := c
		if x.rule == "policy:tags" {
			who = c.as("admin:admin")
		}
		for _, name := range []string{x.rule, x.former} {
			for verb, requests := range map[string][][2]string{
				"get":    {{"GET", tags}, {"GET", one}},
				"create": {{"POST", tags}},
				"update": {{"PUT", tags}, {"PUT", one}},
				"delete": {{"DELETE", tags}, {"DELETE", one}},
			} {
				if name == "" {
					continue
				}
				if err := c.rules.Override(map[string]string{verb + "_" + name: "!"}); err != nil {
					t.Fatal(err)
				}
				for _, r := range requests {
					var body any
					if r[1] == tags && (r[0] == "PUT" || r[0] == "POST") {
						body = object{"tags": []string{"a"}}
					}
					who.fails(403, "PolicyNotAuthorized", r[0], r[1], body)
				}
				if err := c.rules.Override(nil); err != nil {
					t.Fatal(err)
				}
				who.must(201, "PUT", one, nil)
			}
		}
	}
	if err := c.rules.Override(map[string]string{"update_network": "!"}); err != nil {
		t.Fatal(err)
	}
	c.must(201, "PUT", "/v2.0/networks/"+site.network+"/tags/b", nil)
}
