package compute_test

import (
	"fmt"
	"strings"
	"testing"

	"kumoi/internal/compute/computetest"
)

// TestListsOfFlavors asks the list for everything that it can be asked.
func TestListsOfFlavors(t *testing.T) {
	member(t, func(t *testing.T, _ *computetest.Cloud, p *computetest.Client) {
		ops := p.As("ops:admin")
		for i, f := range []object{
			{"name": "c", "id": "1", "ram": 64, "disk": 3},
			{"name": "b", "id": "2", "ram": 128, "disk": 2},
			{"name": "a", "id": "3", "ram": 256, "disk": 1, "os-flavor-access:is_public": false},
			{"name": "d", "id": "4", "ram": 256, "disk": 1, "os-flavor-access:is_public": false},
		} {
			f["vcpus"] = i + 1
			ops.Must(200, "POST", "/v2.1/flavors", object{"flavor": f})
		}
		ops.Must(200, "POST", "/v2.1/flavors/3/action", object{"addTenantAccess": object{"tenant": "p"}})
		names := func(c *computetest.Client, path string) string {
			var out []string
			for _, x := range c.Must(200, "GET", "/v2.1/flavors"+path, nil)["flavors"].([]any) {
				if n := x.(object)["name"].(string); len(n) == 1 {
					out = append(out, n)
				}
			}
			return strings.Join(out, " ")
		}
		for _, x := range []struct{ query, member, admin string }{
			{"?", "c b a", "c b"},
			{"/detail?", "c b a", "c b"},
			{"?is_public=none", "c b a", "c b a d"},
			{"?is_public=false", "c b a", "a d"},
			{"?is_public=", "c b a", "c b"},
			{"?is_public=1", "c b a", "c b"},
			{"?sort_key=name", "a b c", "b c"},
			{"?sort_dir=desc", "a b c", "b c"},
			{"?sort_key=memory_mb&sort_dir=desc", "a b c", "b c"},
			{"?minRam=128", "b a", "b"},
			{"?minDisk=2&minRam=", "c b", "c b"},
			{"?limit=0", "", ""},
			{"?marker=1&limit=1", "b", "b"},
			{"?marker=2", "a", ""},
		} {
			if got := names(p, x.query); got != x.member {
				t.Errorf("member %s: %q, want %q", x.query, got, x.member)
			}
			if got := names(ops, x.query); got != x.admin {
				t.Errorf("admin %s: %q, want %q", x.query, got, x.admin)
			}
		}
		page := p.Must(200, "GET", "/v2.1/flavors/detail?limit=1&minRam=64", nil)
		if links := fmt.Sprint(page["flavors_links"]); !strings.Contains(links, "marker=1") || !strings.Contains(links, "minRam=64") {
			t.Errorf("links: %v", page["flavors_links"])
		}
		p.Fails(400, "marker [none] not found", "GET", "/v2.1/flavors?marker=none", nil)
		p.Fails(400, "marker [4] not found", "GET", "/v2.1/flavors?marker=4", nil)
		p.Fails(400, "Invalid minRam filter [x]", "GET", "/v2.1/flavors?minRam=x", nil)
		p.Fails(400, "Invalid is_public filter [perhaps]", "GET", "/v2.1/flavors?is_public=perhaps", nil)
		p.Fails(400, "not one of the sort keys", "GET", "/v2.1/flavors?sort_key=colour", nil)
		p.Fails(400, "must be asc or desc", "GET", "/v2.1/flavors?sort_key=name&sort_dir=up", nil)
		p.Fails(400, "'colour' was unexpected", "GET", "/v2.1/flavors?colour=red", nil)
		p.Fails(400, "'-1' is not a non-negative integer", "GET", "/v2.1/flavors?limit=-1", nil)
		ops.Must(202, "DELETE", "/v2.1/flavors/3", nil)
		ops.Must(200, "POST", "/v2.1/flavors", object{"flavor": object{"name": "a", "id": "3", "ram": 1, "vcpus": 1, "disk": 0, "os-flavor-access:is_public": false}})
		p.Fails(404, "Flavor 3", "GET", "/v2.1/flavors/3", nil) // who could use the former one cannot use its namesake
	})
}
