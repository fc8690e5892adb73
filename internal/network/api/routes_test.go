package api_test

import (
	"strings"
	"testing"

	"kumoi/internal/kernel/store/storetest"
	"kumoi/internal/network"
	"kumoi/internal/network/api"
)

// Every route that changes or shows something names the rule that guards it,
// and every rule it names exists.
func TestRoutesNameTheirRules(t *testing.T) {
	c := serve(t, storetest.SQLite(t))
	known := map[string]bool{}
	for _, r := range network.Rules() {
		known[r.Name] = true
	}
	seen := map[string]bool{}
	for _, r := range api.New(c.svc).Routes {
		key := r.Method + " " + r.Path
		if seen[key] {
			t.Errorf("%s stands twice", key)
		}
		seen[key] = true
		if r.Public || r.Policy == "" && r.Method == "GET" && strings.Count(r.Path, "/") <= 3 {
			continue
		}
		if r.Policy == "" || !known[r.Policy] {
			t.Errorf("%s names the rule %q", key, r.Policy)
		}
	}
}

// Nobody without a token gets anything but the versions.
func TestRoutesWantATokenFirst(t *testing.T) {
	c := serve(t, storetest.SQLite(t)).as("")
	for _, r := range api.New(c.svc).Routes {
		path := strings.NewReplacer("{", "", "}", "").Replace(r.Path)
		status, _ := c.do(r.Method, path, nil)
		if r.Public && status != 200 || !r.Public && status != 401 {
			t.Errorf("%s %s without a token: %d", r.Method, path, status)
		}
	}
}

// No operation, whatever its state and body, ends in a 5xx.
func TestNothingIsOurFault(t *testing.T) {
	c := serve(t, storetest.SQLite(t)).as("admin:admin")
	bodies := []any{nil, "", "{", "[]", `{"x": 1}`, `{"network": null}`, `{"port": {"network_id": null}}`, `{"subnet": []}`, `{"quota": {"network": "x"}}`, `{"tags": [1]}`, `{"subnet_id": 5}`}
	for _, r := range api.New(c.svc).Routes {
		for _, id := range []string{"x", "11111111-1111-4111-8111-111111111111"} {
			path := r.Path
			for strings.Contains(path, "{") {
				i, j := strings.Index(path, "{"), strings.Index(path, "}")
				path = path[:i] + id + path[j+1:]
			}
			for _, b := range bodies {
				if status, out := c.do(r.Method, path, b); status >= 500 {
					t.Errorf("%s %s %v: %d %v", r.Method, path, b, status, out)
				}
			}
		}
	}
}

func FuzzListQuery(f *testing.F) {
	for _, q := range []string{"name=x", "limit=1&marker=a&page_reverse=True", "sort_key=id&sort_dir=asc", "fixed_ips=ip_address=10.0.0.1", "tags=a,b&not-tags=c", "fields=id&fields=", "changed_since=now"} {
		f.Add(q)
	}
	c := serve(f, storetest.SQLite(f))
	f.Fuzz(func(t *testing.T, q string) {
		if strings.ContainsAny(q, "# \x7f") || strings.ContainsFunc(q, func(r rune) bool { return r < ' ' }) {
			t.Skip()
		}
		if status, out := c.on(t).do("GET", "/v2.0/ports?"+q, nil); status != 200 && status != 400 {
			t.Errorf("%q: %d %v", q, status, out)
		}
	})
}

func FuzzCreateBody(f *testing.F) {
	for _, b := range []string{`{"network": {"name": "n", "mtu": 1400}}`, `{"networks": [{}, {"shared": 1}]}`, `{"network": {"provider:segmentation_id": -1}}`, `{"network": {"tags": ["a", "a"]}}`} {
		f.Add(b)
	}
	c := serve(f, storetest.SQLite(f)).as("admin:admin")
	f.Fuzz(func(t *testing.T, b string) {
		if status, out := c.on(t).do("POST", "/v2.0/networks", b); status >= 500 {
			t.Errorf("%q: %d %v", b, status, out)
		}
	})
}
