package compute_test

import (
	"fmt"
	"strings"
	"testing"

	"kumoi/internal/compute/computetest"
)

// TestPagesOfKeypairsAndServerGroups walks through the lists of both families.
func TestPagesOfKeypairsAndServerGroups(t *testing.T) {
	member(t, func(t *testing.T, _ *computetest.Cloud, p *computetest.Client) {
		q := p.As("q")
		var public string
		for i := range 3 {
			body := object{"name": fmt.Sprint("k", i)}
			if public != "" {
				body["public_key"] = public
			}
			public = p.Must(201, "POST", "/v2.1/os-keypairs", object{"keypair": body})["keypair"].(object)["public_key"].(string)
			p.Must(200, "POST", "/v2.1/os-server-groups", object{"server_group": object{"name": fmt.Sprint("g", i), "policy": "affinity"}})
		}
		names := func(body object, many, one string) string {
			var out []string
			for _, x := range body[many].([]any) {
				o := x.(object)
				if one != "" {
					o = o[one].(object)
				}
				out = append(out, o["name"].(string))
			}
			return strings.Join(out, " ")
		}
		page := p.Must(200, "GET", "/v2.1/os-keypairs?limit=2", nil)
		if got := names(page, "keypairs", "keypair"); got != "k0 k1" || !strings.Contains(fmt.Sprint(page["keypairs_links"]), "marker=k1") {
			t.Errorf("first page: %v", page)
		}
		page = p.Must(200, "GET", "/v2.1/os-keypairs?limit=2&marker=k1", nil)
		if got := names(page, "keypairs", "keypair"); got != "k2" || page["keypairs_links"] != nil {
			t.Errorf("second page: %v", page)
		}
		if got := names(p.Must(200, "GET", "/v2.1/os-keypairs?limit=0", nil), "keypairs", "keypair"); got != "" {
			t.Errorf("limit=0: %s", got)
		}
		p.Fails(400, "marker [none] not found", "GET", "/v2.1/os-keypairs?marker=none", nil)
		p.Fails(400, "'colour' was unexpected", "GET", "/v2.1/os-keypairs?colour=red", nil)
		p.Fails(409, "already exists", "POST", "/v2.1/os-keypairs", object{"keypair": object{"name": "k1", "public_key": public}})
		for query, want := range map[string]string{"": "g0 g1 g2", "?limit=1&offset=1": "g1", "?offset=2": "g2", "?limit=0": "", "?all_projects=1": "g0 g1 g2"} {
			if got := names(p.Must(200, "GET", "/v2.1/os-server-groups"+query, nil), "server_groups", ""); got != want {
				t.Errorf("groups %q: %s, want %s", query, got, want)
			}
		}
		if got := names(q.Must(200, "GET", "/v2.1/os-server-groups?all_projects=1", nil), "server_groups", ""); got != "" {
			t.Errorf("another project's groups: %s", got)
		}
		p.Fails(400, "'marker' was unexpected", "GET", "/v2.1/os-server-groups?marker=x", nil)
		p.Fails(400, "offset", "GET", "/v2.1/os-server-groups?offset=x", nil)
		p.Fails(400, "rules", "POST", "/v2.1/os-server-groups", object{"server_group": object{"name": "g", "policy": "affinity", "rules": object{"max_server_per_host": 1}}})
	})
}
