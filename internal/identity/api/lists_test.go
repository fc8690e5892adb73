package api_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"kumoi/internal/identity/identitytest"
)

// names are the names, or else ids, of a list's rows, in their order.
func names(t *testing.T, a identitytest.Answer, key string) string {
	t.Helper()
	rows, ok := a.Body[key].([]any)
	if !ok {
		t.Fatalf("no %s in %s", key, a.Raw)
	}
	var out []string
	for _, r := range rows {
		name, ok := r.(object)["name"].(string)
		if !ok {
			name, _ = r.(object)["id"].(string)
		}
		out = append(out, name)
	}
	return strings.Join(out, " ")
}

func TestListFilters(t *testing.T) {
	each(t, func(t *testing.T, c *identitytest.Cloud) {
		admin := c.Admin()
		domain := c.Create(admin, "/v3/domains", "domain", object{"name": "d"})
		project := func(name string, enabled bool, tags ...string) string {
			t.Helper()
			return c.Create(admin, "/v3/projects", "project", object{"name": name, "domain_id": domain, "enabled": enabled, "tags": append([]string{}, tags...)})
		}
		red := project("red", true, "warm", "bright")
		project("Orange", true, "warm")
		project("blue", false, "cold", "bright")
		project("gr%y_", true)
		c.Create(admin, "/v3/projects", "project", object{"name": "dark red", "parent_id": red, "tags": []string{}})
		for _, id := range []string{"north", "south"} {
			c.Must(201, "PUT", "/v3/regions/"+id, admin, object{"region": object{}})
		}
		c.Create(admin, "/v3/regions", "region", object{"id": "attic", "parent_region_id": "north"})
		c.Create(admin, "/v3/roles", "role", object{"name": "painter", "domain_id": domain})
		mine := "&domain_id=" + domain
		for _, tc := range []struct{ path, key, want string }{
			{"/v3/projects?sort_key=name" + mine, "projects", "Orange blue dark red gr%y_ red"},
			{"/v3/projects?sort_key=name&sort_dir=desc" + mine, "projects", "red gr%y_ dark red blue Orange"},
			{"/v3/projects?sort_key=name&enabled" + mine, "projects", "Orange dark red gr%y_ red"},
			{"/v3/projects?sort_key=name&enabled=true" + mine, "projects", "Orange dark red gr%y_ red"},
			{"/v3/projects?sort_key=name&enabled=1" + mine, "projects", "Orange dark red gr%y_ red"},
			{"/v3/projects?sort_key=name&enabled=0" + mine, "projects", "blue"},
			{"/v3/projects?sort_key=name&enabled=False" + mine, "projects", "blue"},
			{"/v3/projects?name=red" + mine, "projects", "red"},
			{"/v3/projects?name=RED" + mine, "projects", "red"},
			{"/v3/projects?sort_key=name&name__contains=r" + mine, "projects", "Orange dark red gr%y_ red"},
			{"/v3/projects?sort_key=name&name__contains=R" + mine, "projects", ""},
			{"/v3/projects?sort_key=name&name__icontains=O" + mine, "projects", "Orange"},
			{"/v3/projects?sort_key=name&name__startswith=o" + mine, "projects", ""},
			{"/v3/projects?sort_key=name&name__istartswith=o" + mine, "projects", "Orange"},
			{"/v3/projects?sort_key=name&name__endswith=e" + mine, "projects", "Orange blue"},
			{"/v3/projects?sort_key=name&name__iendswith=RED" + mine, "projects", "dark red red"},
			{"/v3/projects?sort_key=name&name__contains=%25" + mine, "projects", "gr%y_"},
			{"/v3/projects?sort_key=name&name__contains=_" + mine, "projects", "gr%y_"},
			{"/v3/projects?sort_key=name&name__contains=e&name__startswith=b" + mine, "projects", "blue"},
			{"/v3/projects?sort_key=name&name__odd=x&odd=y" + mine, "projects", "Orange blue dark red gr%y_ red"}, // unknown filters are ignored
			{"/v3/projects?sort_key=name&tags=warm" + mine, "projects", "Orange red"},
			{"/v3/projects?sort_key=name&tags=warm,bright" + mine, "projects", "red"},
			{"/v3/projects?sort_key=name&tags-any=warm,cold" + mine, "projects", "Orange blue red"},
			{"/v3/projects?sort_key=name&not-tags=warm" + mine, "projects", "blue dark red gr%y_"},
			{"/v3/projects?sort_key=name&not-tags=warm,bright" + mine, "projects", "Orange blue dark red gr%y_"},
			{"/v3/projects?sort_key=name&not-tags-any=warm,cold" + mine, "projects", "dark red gr%y_"},
			{"/v3/projects?sort_key=name&tags=bright&not-tags=cold" + mine, "projects", "red"},
			{"/v3/projects?parent_id=" + red, "projects", "dark red"},
			{"/v3/projects?is_domain=true&name=d", "projects", "d"},
			{"/v3/domains?name=d", "domains", "d"},
			{"/v3/domains?enabled=false", "domains", ""},
			{"/v3/regions?parent_region_id=north", "regions", "attic"},
			{"/v3/roles?domain_id=" + domain, "roles", "painter"},
			{"/v3/roles?name__startswith=r", "roles", "reader"},
		} {
			if got := names(t, c.Must(200, "GET", tc.path, admin, nil), tc.key); got != tc.want {
				t.Errorf("%s:\n got %q\nwant %q", tc.path, got, tc.want)
			}
		}
		for _, path := range []string{"/v3/projects?sort_key=password", "/v3/projects?sort_dir=up", "/v3/projects?limit=x", "/v3/users?limit=-1"} {
			c.Must(400, "GET", path, admin, nil)
		}
	})
}

func TestPagesFollowTheOrder(t *testing.T) {
	each(t, func(t *testing.T, c *identitytest.Cloud) {
		admin := c.Admin()
		for _, n := range []string{"c", "a", "e", "b", "d"} {
			c.Create(admin, "/v3/groups", "group", object{"name": n})
		}
		for order, want := range map[string]string{"": "", "&sort_key=name": "a b c d e", "&sort_key=name&sort_dir=desc": "e d c b a", "&sort_key=domain_id": ""} {
			var seen []string
			next := "/v3/groups?limit=2" + order
			for pages := 0; next != ""; pages++ {
				if pages > 4 {
					t.Fatalf("%q: paging does not end", order)
				}
				a := c.Must(200, "GET", next, admin, nil)
				if order == "" && pages == 0 && a.Text("links", "self") != "http://cloud.test/identity"+next {
					t.Errorf("self is %s", a.Text("links", "self"))
				}
				seen = append(seen, strings.Fields(names(t, a, "groups"))...)
				next = strings.TrimPrefix(a.Text("links", "next"), "http://cloud.test/identity")
			}
			got := strings.Join(seen, " ")
			if want == "" {
				slices.Sort(seen)
				got, want = strings.Join(seen, " "), "a b c d e"
			}
			if got != want {
				t.Errorf("%q: pages show %q", order, got)
			}
		}
		if a := c.Must(200, "GET", "/v3/groups", admin, nil); a.Get("links", "next") != nil || a.Get("links", "previous") != nil || a.Body["truncated"] != nil {
			t.Errorf("a whole list has links %v", a.Body["links"])
		}
	})
}

// Every GET answers HEAD alike, without a body.
func TestHeadBesideGet(t *testing.T) {
	c := sqliteCloud(t)
	w := newWorld(t, c)
	admin := c.Admin()
	tried := 0
	for _, r := range c.API.Routes {
		if r.Method != "GET" || strings.Contains(r.Path, "OS-FEDERATION") && r.Public {
			continue
		}
		path := w.path(r.Path)
		get := c.Do("GET", path, admin, nil, "X-Subject-Token", w.victim)
		head := c.Do("HEAD", path, admin, nil, "X-Subject-Token", w.victim)
		// Checks answer HEAD with 204, as Keystone's do.
		if head.Status != get.Status && (get.Status != 200 || head.Status != 204) || len(head.Raw) != 0 {
			t.Errorf("%s: GET %d, HEAD %d with %d bytes", r.Path, get.Status, head.Status, len(head.Raw))
		}
		tried++
	}
	if tried < 80 {
		t.Errorf("only %d routes were tried", tried)
	}
}

func TestVersionDiscovery(t *testing.T) {
	c := sqliteCloud(t)
	a := c.Must(300, "GET", "/", "", nil)
	values, _ := a.Get("versions", "values").([]any)
	if len(values) != 1 || values[0].(object)["id"] != "v3.14" || values[0].(object)["status"] != "stable" {
		t.Errorf("%s", a.Raw)
	}
	for _, path := range []string{"/v3", "/v3/"} {
		a := c.Must(200, "GET", path, "", nil)
		links, _ := a.Get("version", "links").([]any)
		if a.Text("version", "id") != "v3.14" || len(links) != 1 || links[0].(object)["href"] != "http://cloud.test/identity/v3/" {
			t.Errorf("%s: %s", path, a.Raw)
		}
	}
	home := c.Must(200, "GET", "/v3", "", nil, "Accept", "application/json-home")
	resources, _ := home.Body["resources"].(object)
	if home.Header.Get("Content-Type") != "application/json-home" || len(resources) < 80 {
		t.Errorf("%s with %d resources", home.Header.Get("Content-Type"), len(resources))
	}
	if users, _ := resources["https://docs.openstack.org/api/openstack-identity/3/rel/users"].(object); users["href"] == nil {
		t.Error("users are not in json-home")
	}
	c.Must(404, "GET", "/v2.0", "", nil) // a wrong address does not look like a wrong password
	c.Must(404, "GET", "/v2.0", c.Admin(), nil)
	if a := c.Must(405, "PUT", "/v3/users", c.Admin(), nil); a.Header.Get("Allow") != "GET, POST" {
		t.Errorf("Allow %q", a.Header.Get("Allow"))
	}
}

// Schemas are as strict as Keystone's: types, lengths and required attributes
// are held, unknown ones are kept as the resource's own where Keystone keeps
// them and refused where it refuses them.
func TestSchemas(t *testing.T) {
	c := sqliteCloud(t)
	admin := c.Admin()
	domain := c.Create(admin, "/v3/domains", "domain", object{"name": "d"})
	service := c.Create(admin, "/v3/services", "service", object{"type": "t"})
	user := c.Create(admin, "/v3/users", "user", object{"name": "someone"})
	long := strings.Repeat("x", 256)
	for i, tc := range []struct {
		path, key string
		body      object
		want      int
	}{
		{"/v3/users", "user", object{"name": ""}, 400},
		{"/v3/users", "user", object{"name": long}, 400},
		{"/v3/users", "user", object{"name": long[:255]}, 201},
		{"/v3/users", "user", object{"name": 7}, 400},
		{"/v3/users", "user", object{"name": "a", "enabled": "yes"}, 400},
		{"/v3/users", "user", object{"name": "a", "enabled": "true"}, 400},
		{"/v3/users", "user", object{"name": "a", "default_project_id": 5}, 400},
		{"/v3/users", "user", object{"name": "a", "options": object{"lock_password": "yes"}}, 400},
		{"/v3/users", "user", object{"name": "a", "options": object{"multi_factor_auth_rules": []string{"password"}}}, 400},
		{"/v3/users", "user", object{"name": "a", "colour": "red"}, 201},
		{"/v3/users", "user", object{}, 400},
		{"/v3/projects", "project", object{"name": long[:65]}, 400},
		{"/v3/projects", "project", object{"name": "p", "tags": "red"}, 400},
		{"/v3/projects", "project", object{"name": "p", "tags": []string{"a,b"}}, 400},
		{"/v3/projects", "project", object{"name": "p", "tags": []string{"a/b"}}, 400},
		{"/v3/projects", "project", object{"name": "p", "tags": []string{"a", "a"}}, 400},
		{"/v3/projects", "project", object{"name": "p", "is_domain": "no"}, 400},
		{"/v3/projects", "project", object{"name": "p", "parent_id": "nowhere"}, 404},
		{"/v3/projects", "project", object{"name": "p1", "description": nil}, 201},
		{"/v3/domains", "domain", object{"name": nil}, 400},
		{"/v3/domains", "domain", object{"name": "e", "enabled": nil}, 400},
		{"/v3/groups", "group", object{"description": "no name"}, 400},
		{"/v3/groups", "group", object{"name": "g", "domain_id": nil}, 400},
		{"/v3/roles", "role", object{"name": "r", "options": object{"immutable": "x"}}, 400},
		{"/v3/roles", "role", object{"name": "r", "domain_id": domain}, 201},
		{"/v3/regions", "region", object{"id": long}, 400},
		{"/v3/regions", "region", object{"parent_region_id": "nowhere"}, 404},
		{"/v3/services", "service", object{"name": "no type"}, 400},
		{"/v3/endpoints", "endpoint", object{"service_id": service, "interface": "secret", "url": "http://x.example.org/"}, 400},
		{"/v3/endpoints", "endpoint", object{"service_id": service, "interface": "public", "url": "no url"}, 400},
		{"/v3/endpoints", "endpoint", object{"service_id": service, "interface": "public", "url": "http://x.example.org/%(project_id)s"}, 201},
		{"/v3/endpoints", "endpoint", object{"service_id": service, "interface": "public", "url": "http://x.example.org/%(evil)s"}, 400},
		{"/v3/endpoints", "endpoint", object{"service_id": service, "interface": "public", "url": "http://x.example.org/", "region_id": 5}, 400},
		{"/v3/credentials", "credential", object{"type": "cert", "user_id": user}, 400},
		{"/v3/credentials", "credential", object{"type": "ec2", "user_id": user, "blob": `{"access":"a","secret":"s"}`}, 400},
		{"/v3/OS-TRUST/trusts", "trust", object{"trustor_user_id": user}, 400},
		{"/v3/OS-TRUST/trusts", "trust", object{"trustor_user_id": user, "trustee_user_id": user, "impersonation": "yes"}, 400},
		{"/v3/OS-TRUST/trusts", "trust", object{"trustor_user_id": user, "trustee_user_id": user, "impersonation": true, "remaining_uses": -1}, 400},
		{"/v3/OS-OAUTH1/consumers", "consumer", object{"secret": "mine"}, 400},
		{"/v3/policies", "policy", object{"type": "t"}, 400},
	} {
		if a := c.Do("POST", tc.path, admin, object{tc.key: tc.body}); a.Status != tc.want || tc.want >= 400 && a.Text("error", "title") == "" {
			t.Errorf("%d: %s %v: %d, want %d: %.200s", i, tc.path, fmt.Sprint(tc.body)[:min(90, len(fmt.Sprint(tc.body)))], a.Status, tc.want, a.Raw)
		}
	}
	// Attributes that a client made up come back, and null takes them away.
	a := c.Must(200, "PATCH", "/v3/users/"+user, admin, object{"user": object{"colour": "blue"}})
	if a.Text("user", "colour") != "blue" {
		t.Errorf("%s", a.Raw)
	}
	c.Must(400, "PATCH", "/v3/users/"+user, admin, object{"user": object{}})
	c.Must(400, "PATCH", "/v3/users/"+user, admin, object{"user": object{"enabled": 1}})
}
