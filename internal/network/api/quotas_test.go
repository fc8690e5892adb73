package api_test

import (
	"testing"

	"kumoi/internal/kernel/store"
	"kumoi/internal/kernel/store/storetest"
)

func TestQuotas(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := serve(t, db)
		admin := c.as("a:admin")
		const own = "/v2.0/quotas/p"
		shown := func(path string) object {
			t.Helper()
			return c.must(200, "GET", path, nil)["quota"].(object)
		}
		if q := shown(own); len(q) != 9 || q["network"] != 100.0 || q["subnetpool"] != -1.0 {
			t.Errorf("nothing set: %v", q)
		}
		c.create("/v2.0/networks", "network", object{})
		c.fails(403, "PolicyNotAuthorized", "PUT", own, object{"quota": object{"network": 5}})
		c.fails(403, "PolicyNotAuthorized", "GET", "/v2.0/quotas/q", nil)
		if q := admin.must(200, "PUT", own, object{"quota": object{"network": 1, "port": -1}})["quota"].(object); q["network"] != 1.0 || q["port"] != -1.0 || q["router"] != 10.0 {
			t.Errorf("set: %v", q)
		}
		c.fails(409, "OverQuota", "POST", "/v2.0/networks", object{"network": object{}})
		if n := shown(own + "/details")["network"].(object); n["limit"] != 1.0 || n["used"] != 1.0 || n["reserved"] != 0.0 {
			t.Errorf("details: %v", n)
		}
		if q := shown(own + "/default"); len(q) != 9 || q["network"] != 100.0 {
			t.Errorf("default: %v", q)
		}
		admin.fails(409, "InvalidQuotaValue", "PUT", own, object{"quota": object{"network": 0, "check_limit": true}})
		admin.must(200, "PUT", own, object{"quota": object{"network": 0}})
		admin.fails(400, "HTTPBadRequest", "PUT", own, object{"quota": object{"colour": 1}})
		admin.fails(400, "HTTPBadRequest", "PUT", own, object{"quota": object{"network": -2}})
		all := admin.must(200, "GET", "/v2.0/quotas", nil)["quotas"].([]any)
		if one := all[0].(object); len(all) != 1 || one["project_id"] != "p" || one["network"] != 0.0 || one["router"] != 10.0 {
			t.Errorf("all: %v", all)
		}
		admin.must(204, "DELETE", own, nil)
		admin.fails(404, "TenantQuotaNotFound", "DELETE", own, nil)
		c.create("/v2.0/networks", "network", object{})
	})
}
