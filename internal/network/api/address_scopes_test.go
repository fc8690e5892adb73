package api_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"kumoi/internal/kernel/store"
	"kumoi/internal/kernel/store/storetest"
)

// TestAddressScopes goes through all that a list can ask for, as the project
// that has some, the one that is shown some, and the administrator.
func TestAddressScopes(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := serve(t, db)
		q, admin := c.as("q"), c.as("p:admin")
		const path = "/v2.0/address-scopes"
		ids := map[string]string{}
		for i, who := range []*client{c, c, q, admin, c} {
			name := fmt.Sprint("s", i)
			ids[name] = who.create(path, "address_scope", object{"name": name, "ip_version": 4 + 2*(i%2), "shared": i == 3})["id"].(string)
		}
		c.must(200, "PUT", path+"/"+ids["s0"]+"/tags", object{"tags": []string{"red", "blue"}})
		names := func(who *client, query string) string {
			t.Helper()
			var out []string
			for _, x := range who.must(200, "GET", path+query, nil)["address_scopes"].([]any) {
				out = append(out, x.(object)["name"].(string))
			}
			return strings.Join(out, " ")
		}
		for _, x := range []struct {
			who         *client
			query, want string
		}{
			{c, "", "s0 s1 s3 s4"},
			{q, "", "s2 s3"},
			{admin, "", "s0 s1 s2 s3 s4"},
			{c, "?ip_version=6", "s1 s3"},
			{c, "?name=s0&name=s1&name=s2", "s0 s1"},
			{q, "?shared=true", "s3"},
			{q, "?shared=no", "s2"},
			{admin, "?tenant_id=q", "s2"},
			{c, "?sort_key=ip_version&sort_key=name&sort_dir=desc&sort_dir=desc", "s3 s1 s4 s0"},
			{c, "?sort_key=ip_version&sort_key=name&sort_dir=desc&sort_dir=asc&limit=3&marker=" + ids["s1"], "s3 s0 s4"},
			{c, "?sort_key=name&limit=2&page_reverse=true&marker=" + ids["s4"], "s1 s3"},
			{c, "?sort_key=name&limit=infinite&marker=" + ids["s1"], "s3 s4"},
			{c, "?revision_number=2", "s0"},
			{c, "?changed_since=2000-01-01T00:00:00Z&limit=0", "s0 s1 s3 s4"},
		} {
			if got := names(x.who, x.query); got != x.want {
				t.Errorf("%q: %s, want %s", x.query, got, x.want)
			}
		}
		for query, say := range map[string]string{
			"?colour=red":                  "['colour'] is invalid attribute for filtering",
			"?limit=-1":                    "Limit must be an integer 0 or greater and not '-1'",
			"?ip_version=x":                "Invalid input for ip_version. Reason: 'x' is not an integer.",
			"?limit=1&marker=" + ids["s2"]: "Marker " + ids["s2"] + " could not be found.",
			"?sort_key=name&sort_dir=up":   "up is invalid value for sort_dirs",
			"?sort_key=x":                  "is invalid attribute for sort_keys",
			"?sort_dir=asc":                "must be same",
		} {
			if got := fmt.Sprint(c.must(400, "GET", path+query, nil)); !strings.Contains(got, say) {
				t.Errorf("%q: %s, want %s", query, got, say)
			}
		}
		one := c.must(200, "GET", path+"/"+ids["s0"]+"?fields=name&fields=id", nil)["address_scope"].(object)
		if len(one) != 2 || one["name"] != "s0" {
			t.Errorf("fields: %v", one)
		}
		shown := c.must(200, "GET", path+"/"+ids["s3"], nil)["address_scope"].(object)
		keys := make([]string, 0, len(shown))
		for k := range shown {
			keys = append(keys, k)
		}
		slices.Sort(keys)
		if fmt.Sprint(keys) != "[created_at id ip_version name project_id revision_number shared tenant_id updated_at]" || shown["shared"] != true {
			t.Errorf("shown: %v", shown)
		}
		q.must(404, "GET", path+"/"+ids["s0"], nil)
		q.must(404, "PUT", path+"/"+ids["s3"], object{"address_scope": object{"name": "mine"}})
		c.must(400, "PUT", path+"/"+ids["s0"], object{"address_scope": object{"ip_version": 6}})
		admin.must(400, "PUT", path+"/"+ids["s3"], object{"address_scope": object{"shared": false}})
		c.must(403, "PUT", path+"/"+ids["s0"], object{"address_scope": object{"shared": true}})
		up := c.must(200, "PUT", path+"/"+ids["s0"], object{"address_scope": object{"name": "new"}})["address_scope"].(object)
		if up["name"] != "new" || fmt.Sprint(up["revision_number"]) != "3" {
			t.Errorf("updated: %v", up)
		}
		pool := c.create("/v2.0/subnetpools", "subnetpool", object{"name": "pool", "prefixes": []string{"10.0.0.0/8"}, "address_scope_id": ids["s0"]})
		c.must(409, "DELETE", path+"/"+ids["s0"], nil)
		c.must(204, "DELETE", "/v2.0/subnetpools/"+pool["id"].(string), nil)
		c.must(204, "DELETE", path+"/"+ids["s0"], nil)
		c.must(404, "GET", path+"/"+ids["s0"], nil)
	})
}
