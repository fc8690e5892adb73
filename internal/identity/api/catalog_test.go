package api_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"kumoi/internal/identity/identitytest"
	"kumoi/internal/kernel/store"
	"kumoi/internal/kernel/store/storetest"
)

// sorted are the names of a list's rows, in the order of the alphabet.
func sorted(t *testing.T, a identitytest.Answer, key string) string {
	t.Helper()
	out := strings.Fields(names(t, a, key))
	slices.Sort(out)
	return strings.Join(out, " ")
}

// Regions form trees without circles; one goes with those below it, unless an
// endpoint is in any of them.
func TestRegionTrees(t *testing.T) {
	each(t, func(t *testing.T, c *identitytest.Cloud) {
		admin := c.Admin()
		region := func(id, parent string) {
			t.Helper()
			c.Must(201, "POST", "/v3/regions", admin, object{"region": object{"id": id, "parent_region_id": parent, "description": "of " + id}})
		}
		for _, r := range [][2]string{{"a", ""}, {"b", "a"}, {"c", "b"}, {"d", "a"}, {"e", ""}} {
			region(r[0], r[1])
		}
		c.Must(409, "POST", "/v3/regions", admin, object{"region": object{"id": "a"}})
		c.Must(404, "POST", "/v3/regions", admin, object{"region": object{"id": "x", "parent_region_id": "none"}})
		for parent, status := range map[string]int{"a": 400, "b": 400, "c": 400, "none": 404, "e": 200} {
			c.Must(status, "PATCH", "/v3/regions/a", admin, object{"region": object{"parent_region_id": parent}})
		}
		if r := c.Must(200, "GET", "/v3/regions/a", admin, nil); r.Get("region", "parent_region_id") != "e" || r.Get("region", "description") != "of a" {
			t.Errorf("a region: %s", r.Raw)
		}
		service := c.Create(admin, "/v3/services", "service", object{"type": "dns", "name": "d"})
		endpoint := c.Create(admin, "/v3/endpoints", "endpoint", object{"service_id": service, "interface": "public", "region_id": "c", "url": "http://x/"})
		for _, id := range []string{"e", "a", "b", "c"} {
			c.Must(403, "DELETE", "/v3/regions/"+id, admin, nil)
		}
		c.Must(204, "DELETE", "/v3/regions/d", admin, nil)
		c.Must(204, "DELETE", "/v3/endpoints/"+endpoint, admin, nil)
		c.Must(204, "DELETE", "/v3/regions/a", admin, nil)
		if got := sorted(t, c.Must(200, "GET", "/v3/regions", admin, nil), "regions"); got != "RegionOne e" {
			t.Errorf("left are the regions %s", got)
		}
		c.Must(404, "DELETE", "/v3/regions/b", admin, nil)

		// An endpoint that names its region by the old word makes it; the new word finds it.
		at := func(more object) object {
			o := object{"service_id": service, "interface": "public", "url": "http://x/dns"}
			for k, v := range more {
				o[k] = v
			}
			return object{"endpoint": o}
		}
		for _, tc := range []struct {
			more   object
			status int
			region any
		}{
			{object{"region": "made"}, 201, "made"},
			{object{"region": "made"}, 201, "made"},
			{object{"region": "unmade", "region_id": "e"}, 201, "e"},
			{object{}, 201, nil},
			{object{"region_id": "none"}, 400, nil},
			{object{"service_id": "none", "region": "also"}, 400, nil},
		} {
			a := c.Must(tc.status, "POST", "/v3/endpoints", admin, at(tc.more))
			if tc.status == 201 && (a.Get("endpoint", "region_id") != tc.region || a.Text("endpoint", "url") != "http://x/dns") {
				t.Errorf("an endpoint of %v: %s", tc.more, a.Raw)
			}
			if tc.status != 201 {
				continue
			}
			one := "/v3/endpoints/" + a.Text("endpoint", "id")
			for more, status := range map[[2]string]int{{"region_id", "none"}: 400, {"service_id", "none"}: 400, {"region", "made"}: 200, {"region", "anew"}: 200, {"region_id", "e"}: 200, {"interface", "x"}: 400} {
				c.Must(status, "PATCH", one, admin, object{"endpoint": object{more[0]: more[1]}})
			}
			c.Must(400, "PATCH", one, admin, object{"endpoint": object{"url": ""}})
			c.Must(204, "DELETE", one, admin, nil)
		}
		if got := sorted(t, c.Must(200, "GET", "/v3/regions", admin, nil), "regions"); got != "RegionOne also anew e made" {
			t.Errorf("regions are %s", got)
		}
		none := c.Create(admin, "/v3/users", "user", object{"name": "n", "password": "pw-n", "domain_id": "default"})
		c.Must(403, "POST", "/v3/endpoints", c.Login(none, "pw-n", nil), at(object{"region": "by nobody"}))
		c.Must(404, "GET", "/v3/regions/by%20nobody", admin, nil)
	})
}

// Which endpoints a project sees: those linked to it, one by one or by groups
// with filters; all, as long as none is.
func TestEndpointFilters(t *testing.T) {
	each(t, func(t *testing.T, c *identitytest.Cloud) {
		admin := c.Admin()
		project := c.Create(admin, "/v3/projects", "project", object{"name": "p"})
		other := c.Create(admin, "/v3/projects", "project", object{"name": "other"})
		ids := map[string]string{}
		for _, r := range []string{"n", "s"} {
			c.Must(201, "POST", "/v3/regions", admin, object{"region": object{"id": r}})
		}
		for _, name := range []string{"x", "y"} {
			ids[name] = c.Create(admin, "/v3/services", "service", object{"type": "type-" + name, "name": name})
			for _, r := range []string{"n", "s"} {
				for _, kind := range []string{"public", "admin"} {
					ids[name+r+kind] = c.Create(admin, "/v3/endpoints", "endpoint", object{"service_id": ids[name], "interface": kind, "region_id": r, "url": "http://x/"})
				}
			}
		}
		group := func(name string, filters object) string {
			return c.Create(admin, "/v3/OS-EP-FILTER/endpoint_groups", "endpoint_group", object{"name": name, "filters": filters})
		}
		named := func(a identitytest.Answer) string {
			t.Helper()
			var out []string
			for _, id := range strings.Fields(names(t, a, "endpoints")) {
				for name, known := range ids {
					if id == known {
						out = append(out, name)
					}
				}
			}
			slices.Sort(out)
			return strings.Join(out, " ")
		}
		groups := map[string]string{}
		for _, tc := range []struct {
			name    string
			filters object
			want    string
		}{
			{"service", object{"service_id": ids["x"]}, "xnadmin xnpublic xsadmin xspublic"},
			{"region", object{"region_id": "n", "interface": "admin"}, "xnadmin ynadmin"},
			{"kind", object{"interface": "admin"}, "xnadmin xsadmin ynadmin ysadmin"},
			{"all three", object{"interface": "public", "region_id": "s", "service_id": ids["y"]}, "yspublic"},
			{"none", object{"interface": "internal"}, ""},
		} {
			groups[tc.name] = group(tc.name, tc.filters)
			if got := named(c.Must(200, "GET", "/v3/OS-EP-FILTER/endpoint_groups/"+groups[tc.name]+"/endpoints", admin, nil)); got != tc.want {
				t.Errorf("the group %s selects %q, want %q", tc.name, got, tc.want)
			}
		}
		endpoint := func(project, id string) string { return "/v3/OS-EP-FILTER/projects/" + project + "/endpoints/" + id }
		member := func(project, id string) string {
			return "/v3/OS-EP-FILTER/endpoint_groups/" + id + "/projects/" + project
		}
		c.Must(204, "PUT", endpoint(project, ids["ysadmin"]), admin, nil)
		c.Must(204, "PUT", member(project, groups["region"]), admin, nil)
		c.Must(204, "PUT", member(other, groups["region"]), admin, nil)
		for path, status := range map[string]int{
			endpoint(project, ids["ysadmin"]): 204, endpoint(project, ids["xnpublic"]): 404, endpoint(other, ids["ysadmin"]): 404, endpoint("none", ids["ysadmin"]): 404,
			endpoint(project, "none"): 404,
		} {
			c.Must(status, "GET", path, admin, nil)
			c.Must(status, "HEAD", path, admin, nil)
		}
		for path, status := range map[string]int{
			member(project, groups["region"]): 200, member(project, groups["kind"]): 404, member("none", groups["region"]): 404, member(project, "none"): 404,
		} {
			c.Must(status, "GET", path, admin, nil)
		}
		of := "/v3/OS-EP-FILTER/projects/" + project
		if got := named(c.Must(200, "GET", of+"/endpoints", admin, nil)); got != "xnadmin ynadmin ysadmin" {
			t.Errorf("the project sees %s", got)
		}
		if got := sorted(t, c.Must(200, "GET", of+"/endpoint_groups", admin, nil), "endpoint_groups"); got != "region" {
			t.Errorf("the project has the groups %s", got)
		}
		for path, want := range map[string]string{
			"/v3/OS-EP-FILTER/endpoints/" + ids["ysadmin"] + "/projects": "p", "/v3/OS-EP-FILTER/endpoints/" + ids["xnadmin"] + "/projects": "",
			"/v3/OS-EP-FILTER/endpoint_groups/" + groups["region"] + "/projects": "other p",
		} {
			if got := sorted(t, c.Must(200, "GET", path, admin, nil), "projects"); got != want {
				t.Errorf("%s: %q, want %q", path, got, want)
			}
		}
		for _, path := range []string{
			"/v3/OS-EP-FILTER/projects/none/endpoints", "/v3/OS-EP-FILTER/projects/none/endpoint_groups", "/v3/OS-EP-FILTER/endpoints/none/projects",
			"/v3/OS-EP-FILTER/endpoint_groups/none/projects", "/v3/OS-EP-FILTER/endpoint_groups/none/endpoints", "/v3/OS-EP-FILTER/endpoint_groups/none",
		} {
			c.Must(404, "GET", path, admin, nil)
		}
		// The catalogue of a token is what the project sees.
		role := c.Role(admin, "member")
		user := c.Create(admin, "/v3/users", "user", object{"name": "u", "password": "pw-u"})
		c.Must(204, "PUT", "/v3/projects/"+project+"/users/"+user+"/roles/"+role, admin, nil)
		a := c.Must(200, "GET", "/v3/auth/catalog", c.Login(user, "pw-u", identitytest.Project(project)), nil)
		for _, name := range []string{"xnadmin", "ynadmin", "ysadmin", "xnpublic", "yspublic"} {
			if got, want := strings.Contains(string(a.Raw), ids[name]), strings.HasSuffix(name, "admin"); got != want {
				t.Errorf("whether the catalogue has %s is %v", name, got)
			}
		}
		for _, path := range []string{endpoint(project, ids["ysadmin"]), member(project, groups["region"])} {
			c.Must(204, "DELETE", path, admin, nil)
			c.Must(404, "DELETE", path, admin, nil)
			c.Must(404, "GET", path, admin, nil)
		}
		c.Must(200, "PATCH", "/v3/OS-EP-FILTER/endpoint_groups/"+groups["kind"], admin, object{"endpoint_group": object{"name": "new", "filters": object{"interface": "internal"}}})
		c.Must(204, "DELETE", "/v3/OS-EP-FILTER/endpoint_groups/"+groups["kind"], admin, nil)
		c.Must(404, "DELETE", "/v3/OS-EP-FILTER/endpoint_groups/"+groups["kind"], admin, nil)
	})
}

// A policy is an endpoint's by the nearest association: its own, its region's,
// those of regions above, its service's.
func TestPolicyAssociations(t *testing.T) {
	each(t, func(t *testing.T, c *identitytest.Cloud) {
		admin := c.Admin()
		for _, r := range [][2]string{{"up", ""}, {"mid", "up"}, {"low", "mid"}, {"else", ""}} {
			c.Must(201, "POST", "/v3/regions", admin, object{"region": object{"id": r[0], "parent_region_id": r[1]}})
		}
		service := c.Create(admin, "/v3/services", "service", object{"type": "dns", "name": "d"})
		foreign := c.Create(admin, "/v3/services", "service", object{"type": "mail", "name": "m"})
		made := func(service, region string) string {
			return c.Create(admin, "/v3/endpoints", "endpoint", object{"service_id": service, "interface": "public", "region_id": region, "url": "http://x/"})
		}
		low, elsewhere, mail := made(service, "low"), made(service, "else"), made(foreign, "low")
		policies, of := map[string]string{}, map[string]string{}
		for _, name := range []string{"own", "low", "up", "service"} {
			policies[name] = c.Create(admin, "/v3/policies", "policy", object{"blob": name, "type": "application/json"})
			of[name] = "/v3/policies/" + policies[name] + "/OS-ENDPOINT-POLICY"
		}
		own, at := of["own"]+"/endpoints/"+low, func(name, region string) string { return of[name] + "/services/" + service + "/regions/" + region }
		whole := of["service"] + "/services/" + service
		effective := func(endpoint, want string) {
			t.Helper()
			path := "/v3/endpoints/" + endpoint + "/OS-ENDPOINT-POLICY/policy"
			if want == "" {
				c.Must(404, "GET", path, admin, nil)
				return
			}
			if got := c.Must(200, "GET", path, admin, nil).Text("policy", "blob"); got != want {
				t.Errorf("the policy is %s's, want %s's", got, want)
			}
		}
		effective(low, "")
		all := []string{whole, at("up", "up"), at("low", "low"), own}
		for i, path := range all {
			c.Must(404, "GET", path, admin, nil)
			c.Must(204, "PUT", path, admin, nil)
			c.Must(204, "GET", path, admin, nil)
			c.Must(204, "PUT", path, admin, nil)
			effective(low, []string{"service", "up", "low", "own"}[i])
			effective(elsewhere, "service")
			effective(mail, "")
		}
		endpoints := func(name string, want ...string) {
			t.Helper()
			got := strings.Fields(names(t, c.Must(200, "GET", of[name]+"/endpoints", admin, nil), "endpoints"))
			slices.Sort(got)
			slices.Sort(want)
			if !slices.Equal(got, want) {
				t.Errorf("the endpoints of %s are %v, want %v", name, got, want)
			}
		}
		endpoints("own", low)
		endpoints("low", low)
		endpoints("up")
		endpoints("service", low, elsewhere)
		// An association names what is there.
		for _, path := range []string{
			of["own"] + "/endpoints/none", of["own"] + "/services/none", at("own", "none"), of["own"] + "/services/none/regions/low",
			"/v3/policies/none/OS-ENDPOINT-POLICY/endpoints/" + low,
		} {
			for _, method := range []string{"PUT", "GET", "DELETE"} {
				c.Must(404, method, path, admin, nil)
			}
		}
		c.Must(404, "GET", "/v3/policies/none/OS-ENDPOINT-POLICY/endpoints", admin, nil)
		c.Must(404, "GET", "/v3/endpoints/none/OS-ENDPOINT-POLICY/policy", admin, nil)
		slices.Reverse(all)
		for i, path := range all {
			c.Must(204, "DELETE", path, admin, nil)
			c.Must(404, "GET", path, admin, nil)
			effective(low, []string{"low", "up", "service", ""}[i])
		}
		// With an endpoint, a service or a policy its associations go.
		for _, path := range []string{own, whole} {
			c.Must(204, "PUT", path, admin, nil)
		}
		c.Must(204, "DELETE", "/v3/policies/"+policies["own"], admin, nil)
		effective(low, "service")
		c.Must(204, "DELETE", "/v3/endpoints/"+low, admin, nil)
		c.Must(404, "GET", "/v3/endpoints/"+low+"/OS-ENDPOINT-POLICY/policy", admin, nil)
	})
}

// What other services ask of the catalogue and of limits.
func TestAsked(t *testing.T) {
	c := identitytest.New(t, storetest.SQLite(t))
	admin := c.Admin()
	for _, r := range []string{"n", "s"} {
		c.Must(201, "POST", "/v3/regions", admin, object{"region": object{"id": r}})
	}
	service := c.Create(admin, "/v3/services", "service", object{"type": "dns", "name": "d"})
	off := c.Create(admin, "/v3/services", "service", object{"type": "dns", "name": "off", "enabled": false})
	endpoint := func(service, kind, region, url string, enabled bool) {
		c.Create(admin, "/v3/endpoints", "endpoint", object{"service_id": service, "interface": kind, "region_id": region, "url": url, "enabled": enabled})
	}
	endpoint(service, "public", "n", "http://right/", true)
	endpoint(service, "admin", "n", "http://admin/", true)
	endpoint(service, "public", "s", "http://disabled/", false)
	endpoint(off, "public", "s", "http://off/", true)
	for q, want := range map[[3]string]string{
		{"dns", "n", "public"}: "http://right/", {"dns", "n", "admin"}: "http://admin/", {"dns", "n", "internal"}: "", {"dns", "s", "public"}: "", {"mail", "n", "public"}: "",
	} {
		var got string
		if err := storetest.Failing(t, func(ctx context.Context) error {
			return c.DB.Read(ctx, func(tx *store.Tx) (err error) {
				got, err = c.Svc.RegionEndpoint(ctx, tx, q[0], q[1], q[2])
				return err
			})
		}); err != nil || got != want {
			t.Errorf("%v: %q, %v, want %q", q, got, err, want)
		}
	}

	project := c.Create(admin, "/v3/projects", "project", object{"name": "p"})
	other := c.Create(admin, "/v3/projects", "project", object{"name": "other"})
	register := func(resource string, region any, n int) {
		c.Must(201, "POST", "/v3/registered_limits", admin, object{"registered_limits": []object{{"service_id": service, "region_id": region, "resource_name": resource, "default_limit": n}}})
	}
	limit := func(resource string, region any, n int) {
		c.Must(201, "POST", "/v3/limits", admin, object{"limits": []object{{"service_id": service, "region_id": region, "resource_name": resource, "resource_limit": n, "project_id": project}}})
	}
	register("zones", nil, 1)
	register("zones", "n", 2)
	register("names", nil, 3)
	register("keys", "s", 4)
	limit("names", nil, 5)
	limit("zones", "n", 6)
	for q, want := range map[[2]string]string{
		{project, "n"}: "map[names:5 zones:6]", {project, "s"}: "map[keys:4 names:5 zones:1]", {other, "n"}: "map[names:3 zones:2]", {other, ""}: "map[names:3 zones:1]",
	} {
		var got string
		if err := storetest.Failing(t, func(ctx context.Context) error {
			return c.DB.Read(ctx, func(tx *store.Tx) error {
				limits, err := c.Svc.Allowances(ctx, tx, "dns", q[1], q[0])
				got = fmt.Sprint(limits)
				return err
			})
		}); err != nil || got != want {
			t.Errorf("%v: %s, %v, want %s", q, got, err, want)
		}
	}
	for id, want := range map[string]bool{project: true, "none": false} {
		var got bool
		if err := storetest.Failing(t, func(ctx context.Context) error {
			return c.DB.Read(ctx, func(tx *store.Tx) (err error) {
				got, err = c.Svc.ProjectExists(ctx, tx, id)
				return err
			})
		}); err != nil || got != want {
			t.Errorf("the project %s: %v, %v", id, got, err)
		}
	}
	user := c.Create(admin, "/v3/users", "user", object{"name": "u", "password": "pw-u", "enabled": false})
	for id, want := range map[string]bool{user: true, "none": false} {
		var got bool
		if err := storetest.Failing(t, func(ctx context.Context) error {
			return c.DB.Read(ctx, func(tx *store.Tx) (err error) {
				got, err = c.Svc.UserExists(ctx, tx, id)
				return err
			})
		}); err != nil || got != want {
			t.Errorf("the user %s: %v, %v", id, got, err)
		}
	}
	// An operator on the machine gives a new password, and lets its user in again.
	reset := func(user, domain, password string) error {
		return storetest.Failing(t, func(ctx context.Context) error { return c.Svc.ResetPassword(ctx, user, domain, password) })
	}
	for _, bad := range [][3]string{{"u", "Default", ""}, {"none", "Default", "new"}, {"u", "none", "new"}, {"u", "Default", strings.Repeat("x", 5000)}} {
		if err := reset(bad[0], bad[1], bad[2]); err == nil {
			t.Errorf("a password is set for %.40v", bad)
		}
	}
	if err := reset("u", "Default", "new"); err != nil {
		t.Fatal(err)
	}
	c.Login(user, "new", nil)
	c.Must(401, "POST", "/v3/auth/tokens", "", identitytest.PasswordBody(user, "pw-u", nil))
}

// A default that limits hang from keeps its place; limits keep to the hierarchy
// and are seen by those whom they concern.
func TestLimits(t *testing.T) {
	each(t, func(t *testing.T, c *identitytest.Cloud) {
		admin := c.Admin()
		c.Must(201, "POST", "/v3/regions", admin, object{"region": object{"id": "n"}})
		service := c.Create(admin, "/v3/services", "service", object{"type": "dns", "name": "d"})
		domain := c.Create(admin, "/v3/domains", "domain", object{"name": "d"})
		project := c.Create(admin, "/v3/projects", "project", object{"name": "p", "domain_id": domain})
		register := func(status int, list ...object) []string {
			t.Helper()
			a := c.Must(status, "POST", "/v3/registered_limits", admin, object{"registered_limits": list})
			if status != 201 {
				return nil
			}
			return strings.Fields(names(t, a, "registered_limits"))
		}
		def := func(name string, n any, more ...any) object {
			o := object{"service_id": service, "resource_name": name, "default_limit": n}
			for i := 0; i < len(more); i += 2 {
				o[more[i].(string)] = more[i+1]
			}
			return o
		}
		made := register(201, def("zones", 10, "description", "of zones"), def("zones", 20, "region_id", "n"), def("keys", -1))
		zones, inRegion, keys := made[0], made[1], made[2]
		for status, list := range map[int][]object{
			400: {def("x", -2), def("x", 1<<31), def("x", "1"), def("x", 1.5), def("x", 1, "region_id", "none"), def("x", 1, "service_id", "none"), def(strings.Repeat("x", 256), 1)},
			409: {def("zones", 1), def("zones", 1, "region_id", "n")},
		} {
			for _, o := range list {
				register(status, def("fine", 1), o)
			}
		}
		register(201, def("top", 1<<31-1), def(strings.Repeat("x", 255), 0))
		if got := sorted(t, c.Must(200, "GET", "/v3/registered_limits?resource_name=fine", admin, nil), "registered_limits"); got != "" {
			t.Errorf("half of a request is kept: %s", got)
		}
		if a := c.Must(200, "GET", "/v3/registered_limits/"+zones, admin, nil); a.Get("registered_limit", "default_limit") != 10.0 || a.Get("registered_limit", "description") != "of zones" || a.Get("registered_limit", "region_id") != nil {
			t.Errorf("a default: %s", a.Raw)
		}

		limit := func(status int, list ...object) []string {
			t.Helper()
			a := c.Must(status, "POST", "/v3/limits", admin, object{"limits": list})
			if status != 201 {
				return nil
			}
			return strings.Fields(names(t, a, "limits"))
		}
		own := func(n any, more ...any) object {
			o := object{"service_id": service, "resource_name": "zones", "resource_limit": n}
			for i := 0; i < len(more); i += 2 {
				o[more[i].(string)] = more[i+1]
			}
			return o
		}
		for status, list := range map[int][]object{
			400: {own(1), own(1, "project_id", project, "domain_id", domain), own(-2, "project_id", project), own(1, "project_id", "none"), own(1, "domain_id", project), own(1, "project_id", project, "service_id", "none"), own(1, "project_id", project, "region_id", "none")},
			403: {own(1, "project_id", project, "resource_name", "other")},
		} {
			for _, o := range list {
				limit(status, o)
			}
		}
		limits := limit(201, own(5, "project_id", project), own(6, "domain_id", domain), own(7, "project_id", project, "region_id", "n"))
		limit(409, own(5, "project_id", project))
		limit(409, own(5, "domain_id", domain))
		for query, want := range map[string]int{"": 3, "?project_id=" + project: 2, "?domain_id=" + domain: 1, "?region_id=n": 1, "?resource_name=zones": 3, "?resource_name=x": 0, "?service_id=" + service: 3, "?service_id=x": 0} {
			if got := len(strings.Fields(names(t, c.Must(200, "GET", "/v3/limits"+query, admin, nil), "limits"))); got != want {
				t.Errorf("%d limits with %q, want %d", got, query, want)
			}
		}

		// What limits hang from stays, whatever else of it is changed.
		patch := func(status int, id string, o object) {
			t.Helper()
			c.Must(status, "PATCH", "/v3/registered_limits/"+id, admin, object{"registered_limit": o})
		}
		second := c.Create(admin, "/v3/services", "service", object{"type": "dns2", "name": "d2"})
		for _, o := range []object{{"resource_name": "new"}, {"region_id": "n"}, {"service_id": second}} {
			patch(403, zones, o)
			patch(200, keys, o)
		}
		patch(403, inRegion, object{"region_id": nil})
		patch(200, zones, object{"default_limit": 11, "description": "more", "resource_name": "zones"})
		patch(200, zones, object{"service_id": service, "region_id": nil})
		patch(409, keys, object{"service_id": service, "resource_name": "zones"})
		patch(400, zones, object{"service_id": "none"})
		patch(400, zones, object{"default_limit": -2})
		patch(404, "none", object{"default_limit": 1})
		if a := c.Must(200, "GET", "/v3/registered_limits/"+keys, admin, nil); a.Get("registered_limit", "resource_name") != "new" || a.Get("registered_limit", "region_id") != "n" || a.Get("registered_limit", "service_id") != second {
			t.Errorf("a default that was moved: %s", a.Raw)
		}
		c.Must(403, "DELETE", "/v3/registered_limits/"+zones, admin, nil)
		c.Must(204, "DELETE", "/v3/registered_limits/"+keys, admin, nil)
		c.Must(404, "DELETE", "/v3/registered_limits/"+keys, admin, nil)

		// Who sees which.
		other := c.Create(admin, "/v3/projects", "project", object{"name": "q", "domain_id": domain})
		reader := c.Persona(admin, "r", domain, "reader", "project", project)
		stranger := c.Persona(admin, "s", domain, "reader", "project", other)
		chief := c.Persona(admin, "c", domain, "reader", "domain", domain)
		for token, want := range map[string]string{reader.Token: "2 200 403 200", stranger.Token: "0 403 403 403", chief.Token: "3 200 200 200"} {
			got := fmt.Sprint(len(strings.Fields(names(t, c.Must(200, "GET", "/v3/limits", token, nil), "limits"))))
			for _, id := range limits {
				got += fmt.Sprint(" ", c.Do("GET", "/v3/limits/"+id, token, nil).Status)
			}
			if got != want {
				t.Errorf("seen is %s, want %s", got, want)
			}
		}
		c.Must(404, "GET", "/v3/limits/none", admin, nil)
		for status, o := range map[int]object{200: {"resource_limit": 4, "description": "less"}, 400: {"resource_limit": -2}} {
			c.Must(status, "PATCH", "/v3/limits/"+limits[0], admin, object{"limit": o})
		}
		if a := c.Must(200, "GET", "/v3/limits/"+limits[0], admin, nil); a.Get("limit", "resource_limit") != 4.0 || a.Get("limit", "description") != "less" || a.Get("limit", "project_id") != project || a.Get("limit", "domain_id") != nil {
			t.Errorf("a limit: %s", a.Raw)
		}
		for _, id := range limits {
			c.Must(204, "DELETE", "/v3/limits/"+id, admin, nil)
			c.Must(404, "DELETE", "/v3/limits/"+id, admin, nil)
			c.Must(404, "PATCH", "/v3/limits/"+id, admin, object{"limit": object{"resource_limit": 1}})
		}
		c.Must(204, "DELETE", "/v3/registered_limits/"+zones, admin, nil)
	})
}
