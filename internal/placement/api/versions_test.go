package api_test

import (
	"fmt"
	"strings"
	"testing"
)

// Each version brings what it is known for: the version before does not have it.
func TestEveryVersionBringsItsOwn(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		c.provider(u1, "host", "", map[string]int{"VCPU": 8})
		c.provider(u2, "card", u1, map[string]int{"VGPU": 2})
		c.traits(u1, "HW_CPU_X86_VMX")
		c.aggregates(u1, g1)
		at := func(minor int) string { return fmt.Sprintf("1.%d", minor) }
		p := "/resource_providers/" + u1

		// Routes, all of which answer well from their version on.
		for _, r := range []struct {
			minor        int
			method, path string
			body         any
			good         int
		}{
			{1, "GET", p + "/aggregates", nil, 200},
			{1, "PUT", p + "/aggregates", `["` + g1 + `"]`, 200},
			{2, "GET", "/resource_classes", nil, 200},
			{2, "GET", "/resource_classes/VCPU", nil, 200},
			{2, "POST", "/resource_classes", `{"name": "CUSTOM_A"}`, 201},
			{2, "PUT", "/resource_classes/CUSTOM_A", `{"name": "CUSTOM_B"}`, 200},
			{2, "DELETE", "/resource_classes/CUSTOM_B", nil, 204},
			{6, "GET", "/traits", nil, 200},
			{6, "PUT", "/traits/CUSTOM_T", nil, 201},
			{6, "GET", "/traits/CUSTOM_T", nil, 204},
			{6, "DELETE", "/traits/CUSTOM_T", nil, 204},
			{6, "GET", p + "/traits", nil, 200},
			{9, "GET", "/usages?project_id=p", nil, 200},
			{10, "GET", "/allocation_candidates?resources=VCPU:1", nil, 200},
			{13, "POST", "/allocations", `{"` + c1 + `": {"allocations": {"` + u1 + `": {"resources": {"VCPU": 1}}}, "project_id": "p", "user_id": "u"}}`, 204},
			{30, "POST", "/reshaper", `{"inventories": {}, "allocations": {}}`, 204},
		} {
			if a := c.at(at(r.minor-1)).Do(r.method, r.path, r.body); a.Status != 404 && a.Status != 405 {
				t.Errorf("%s in 1.%d: %d", a.Request, r.minor-1, a.Status)
			}
			if a := c.at(at(r.minor)).Do(r.method, r.path, r.body); a.Status != r.good {
				t.Errorf("%s in 1.%d: %d, want %d: %s", a.Request, r.minor, a.Status, r.good, a.Raw)
			}
		}
		for _, path := range []string{"/resource_providers", p, p + "/inventories", p + "/inventories/VCPU", p + "/usages", p + "/allocations", "/allocations/" + c1} {
			c.at("1.0").Want(200, "GET", path, nil)
		}

		// Parameters.
		for query, minor := range map[string]int{
			"/resource_providers?member_of=" + g1:                                                               3,
			"/resource_providers?resources=VCPU:1":                                                              4,
			"/resource_providers?in_tree=" + u1:                                                                 14,
			"/resource_providers?required=HW_CPU_X86_VMX":                                                       18,
			"/resource_providers?required=!HW_CPU_X86_VMX":                                                      22,
			"/resource_providers?member_of=" + g1 + "&member_of=" + g2:                                          24,
			"/resource_providers?member_of=!" + g1:                                                              32,
			"/resource_providers?required=in:HW_CPU_X86_VMX":                                                    39,
			"/allocation_candidates?resources=VCPU:1&limit=1":                                                   16,
			"/allocation_candidates?resources=VCPU:1&required=HW_CPU_X86_VMX":                                   17,
			"/allocation_candidates?resources=VCPU:1&member_of=" + g1:                                           21,
			"/allocation_candidates?resources=VCPU:1&required=!HW_CPU_X86_VMX":                                  22,
			"/allocation_candidates?resources=VCPU:1&member_of=" + g1 + "&member_of=" + g1:                      24,
			"/allocation_candidates?resources1=VCPU:1":                                                          25,
			"/allocation_candidates?resources=VCPU:1&group_policy=none":                                         25,
			"/allocation_candidates?resources=VCPU:1&group_policy=isolate":                                      25,
			"/allocation_candidates?resources=VCPU:1&in_tree=" + u1:                                             31,
			"/allocation_candidates?resources=VCPU:1&member_of=!" + g2:                                          32,
			"/allocation_candidates?resources_A=VCPU:1":                                                         33,
			"/allocation_candidates?resources=VCPU:1&root_required=HW_CPU_X86_VMX":                              35,
			"/allocation_candidates?resources_A=VCPU:1&resources_B=VCPU:1&same_subtree=_A,_B&group_policy=none": 36,
			"/allocation_candidates?resources=VCPU:1&required=in:HW_CPU_X86_VMX,HW_CPU_X86_AVX":                 39,
			"/usages?project_id=p&consumer_type=INSTANCE":                                                       38,
		} {
			if a := c.at(at(minor-1)).Do("GET", query, nil); a.Status != 400 {
				t.Errorf("%s in 1.%d: %d, want 400", a.Request, minor-1, a.Status)
			}
			if a := c.at(at(minor)).Do("GET", query, nil); a.Status != 200 {
				t.Errorf("%s in 1.%d: %d, want 200: %s", a.Request, minor, a.Status, a.Raw)
			}
		}
		c.Want(400, "GET", "/allocation_candidates?resources=VCPU:1&group_policy=some", nil)

		// What a provider says of itself, and its links.
		for minor, want := range map[int]string{
			0: "self inventories usages", 1: "self inventories usages aggregates", 5: "self inventories usages aggregates",
			6: "self inventories usages aggregates traits", 10: "self inventories usages aggregates traits",
			11: "self inventories usages aggregates traits allocations",
		} {
			a := c.at(at(minor)).Want(200, "GET", p, nil)
			var rels []string
			for _, l := range a.Get("links").([]any) {
				rels = append(rels, l.(map[string]any)["rel"].(string))
			}
			if got := strings.Join(rels, " "); got != want {
				t.Errorf("links in 1.%d: %s, want %s", minor, got, want)
			}
		}
		for _, f := range []struct {
			minor       int
			path, field string
		}{
			{14, p, "parent_provider_uuid"},
			{14, p, "root_provider_uuid"},
			{12, "/allocations/" + c1, "project_id"},
			{12, "/allocations/" + c1, "user_id"},
			{28, "/allocations/" + c1, "consumer_generation"},
			{38, "/allocations/" + c1, "consumer_type"},
			{19, p + "/aggregates", "resource_provider_generation"},
		} {
			_, before := c.at(at(f.minor-1)).Want(200, "GET", f.path, nil).Object()[f.field]
			_, since := c.at(at(f.minor)).Want(200, "GET", f.path, nil).Object()[f.field]
			if before || !since {
				t.Errorf("%s of %s: %v before 1.%d, %v since", f.field, f.path, before, f.minor, since)
			}
		}
		for minor, want := range map[int]bool{14: false, 15: true} {
			if got := c.at(at(minor)).Want(200, "GET", p, nil).Header.Get("Last-Modified") != ""; got != want {
				t.Errorf("Last-Modified in 1.%d: %v", minor, got)
			}
		}
		c.at("1.19").Want(201, "POST", "/resource_providers", `{"name": "x"}`)
		c.at("1.20").Want(200, "POST", "/resource_providers", `{"name": "y"}`)
		c.at("1.33").Want(200, "GET", "/allocation_candidates?resources=VCPU:1", nil).Same("allocation_requests.0.mappings", `null`)
		c.at("1.34").Want(200, "GET", "/allocation_candidates?resources=VCPU:1", nil).Same("allocation_requests.0.mappings", `{"": ["`+u1+`"]}`)

		// Before 1.38 a consumer's type is not said, and stays as it is.
		c.Want(204, "DELETE", "/allocations/"+c1, nil)
		c.Want(204, "PUT", "/allocations/"+c1, claim(map[string]string{u1: `{"VCPU": 1}`}, "null"))
		untyped := func(generation int) string {
			return fmt.Sprintf(`{"allocations": {%q: {"resources": {"VCPU": 2}}}, "project_id": "p", "user_id": "u", "consumer_generation": %d}`, u1, generation)
		}
		c.Want(400, "PUT", "/allocations/"+c1, untyped(1))
		c.at("1.37").Want(204, "PUT", "/allocations/"+c1, untyped(1))
		c.Want(200, "GET", "/allocations/"+c1, nil).Same("consumer_type", `"INSTANCE"`)
		c.Want(204, "PUT", "/allocations/"+c1, strings.Replace(claim(map[string]string{u1: `{"VCPU": 1}`}, "2"), "INSTANCE", "MIGRATION", 1))
		c.Want(200, "GET", "/allocations/"+c1, nil).Same("consumer_type", `"MIGRATION"`)
	})
}

// Names and numbers are good up to their bounds and not beyond.
func TestBounds(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		long := func(n int) string { return "CUSTOM_" + strings.Repeat("X", n-len("CUSTOM_")) }
		for name, good := range map[string]bool{
			"CUSTOM_AZ09_": true, "CUSTOM_A": true, long(255): true, long(256): false, "CUSTOM_": false, "CUSTOM_a": false, "CUSTOM_A-B": false,
			"CUSTOM_A:": false, "CUSTOM_@": false, "CUSTOM_%5B": false, "CUSTOM_%2F": false,
		} {
			for _, path := range []string{"/traits/", "/resource_classes/"} {
				if a := c.Do("PUT", path+name, nil); (a.Status == 201) != good || !good && a.Status < 400 {
					t.Errorf("%s: %d, good %v", a.Request, a.Status, good)
				}
			}
		}
		c.provider(u1, "a", "", map[string]int{"VCPU": 2147483647})
		for path, want := range map[string]int{
			"/resource_providers?resources=VCPU:2147483647":            200,
			"/resource_providers?resources=VCPU:2147483648":            400,
			"/allocation_candidates?resources=VCPU:2147483647":         200,
			"/allocation_candidates?resources=VCPU:1&limit=1":          200,
			"/allocation_candidates?resources=VCPU:1&limit=0":          400,
			"/usages?project_id=" + strings.Repeat("x", 255):           200,
			"/usages?project_id=" + strings.Repeat("x", 256):           400,
			"/usages?project_id=":                                      400,
			"/usages?project_id=p&user_id=" + strings.Repeat("x", 255): 200,
			"/usages?project_id=p&user_id=":                            400,
		} {
			c.Want(want, "GET", path, nil)
		}
		for n, want := range map[int]int{1: 200, 200: 200, 201: 400} {
			c.Want(want, "POST", "/resource_providers", map[string]any{"name": strings.Repeat("n", n)})
		}
	})
}
