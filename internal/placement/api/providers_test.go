package api_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestDiscoveryAndErrors(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		a := c.As("").Want(200, "GET", "/", nil)
		a.Same("versions.0.max_version", `"1.39"`)
		c.As("").Want(401, "GET", "/resource_providers", nil)

		a = c.at("1.22").Want(404, "GET", "/resource_providers/"+u1, nil)
		a.Same("errors.0.status", `404`)
		a.Same("errors.0.code", `null`)
		if a.Header.Get("OpenStack-API-Version") != "placement 1.22" || !strings.Contains(strings.Join(a.Header.Values("Vary"), ","), "OpenStack-API-Version") {
			t.Errorf("headers %v", a.Header)
		}
		a = c.at("1.23").Want(404, "GET", "/resource_providers/"+u1, nil)
		a.Same("errors.0.code", `"placement.resource_provider.not_found"`)
		if a.Get("errors.0.request_id") != a.Header.Get("X-Openstack-Request-Id") {
			t.Errorf("request id %v", a.Get("errors.0.request_id"))
		}
		a = c.at("1.40").Want(406, "GET", "/resource_providers", nil)
		a.Same("errors.0.min_version", `"1.0"`)
		a.Same("errors.0.max_version", `"1.39"`)
		c.at("1.x").Want(400, "GET", "/resource_providers", nil)
		c.At("").Want(404, "GET", "/traits", nil)
		c.Want(405, "PATCH", "/resource_providers", nil)

		c.Want(415, "POST", "/resource_providers", "name=a", "Content-Type", "text/plain")
		c.Want(406, "GET", "/resource_providers", nil, "Accept", "text/html")
	})
}

func TestWhoMay(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		for _, path := range []string{"/resource_providers", "/traits", "/resource_classes", "/allocations/" + c1, "/allocation_candidates?resources=VCPU:1"} {
			c.As("service").Want(200, "GET", path, nil)
			c.As("reader").Want(403, "GET", path, nil)
			c.As("member").Want(403, "GET", path, nil)
		}
		c.As("reader").Want(200, "GET", "/usages?project_id=p-reader", nil)
		c.As("reader").Want(403, "GET", "/usages?project_id=p-other", nil)
		c.As("member").Want(403, "POST", "/resource_providers", `{"name": "a"}`)
	})
}

func TestProviders(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		a := c.at("1.0").Want(201, "POST", "/resource_providers", map[string]any{"name": "one", "uuid": u1})
		if len(a.Raw) > 0 || a.Header.Get("Location") != c.url+"/resource_providers/"+u1 {
			t.Errorf("created: %q, location %s", a.Raw, a.Header.Get("Location"))
		}
		a = c.Want(200, "POST", "/resource_providers", map[string]any{"name": "two", "uuid": strings.ReplaceAll(u2, "-", ""), "parent_provider_uuid": u1})
		a.Same("uuid", `"`+u2+`"`)
		a.Same("root_provider_uuid", `"`+u1+`"`)
		if a.Header.Get("Last-Modified") == "" || a.Header.Get("Cache-Control") != "no-cache" {
			t.Errorf("headers %v", a.Header)
		}
		for _, tc := range []struct {
			body string
			want int
			code string
		}{
			{`{"name": "one"}`, 409, "placement.duplicate_name"},
			{`{"name": "three", "uuid": "` + u1 + `"}`, 409, "placement.duplicate_name"},
			{`{"name": "three", "uuid": "x"}`, 400, ""},
			{`{"name": ""}`, 400, ""},
			{`{"name": "` + strings.Repeat("x", 201) + `"}`, 400, ""},
			{`{"name": 5}`, 400, ""},
			{`{"name": "three", "colour": "red"}`, 400, ""},
			{`{"name": "three", "parent_provider_uuid": "` + u4 + `"}`, 400, ""},
			{`[]`, 400, ""},
			{``, 400, ""},
			{`{`, 400, ""},
		} {
			a := c.Want(tc.want, "POST", "/resource_providers", tc.body)
			if tc.code != "" {
				a.Same("errors.0.code", `"`+tc.code+`"`)
			}
		}
		c.at("1.13").Want(400, "POST", "/resource_providers", map[string]any{"name": "x", "parent_provider_uuid": u1})

		for version, links := range map[string]int{"1.0": 3, "1.1": 4, "1.6": 5, "1.11": 6} {
			a := c.at(version).Want(200, "GET", "/resource_providers/"+u1, nil)
			if n := len(a.Get("links").([]any)); n != links {
				t.Errorf("%s: %d links, want %d", version, n, links)
			}
			if _, ok := a.Body.(map[string]any)["root_provider_uuid"]; ok {
				t.Errorf("%s shows the root", version)
			}
		}
		for query, want := range map[string]int{
			"": 2, "?name=one": 1, "?uuid=" + u2: 1, "?in_tree=" + u2: 2, "?in_tree=" + u4: 0, "?name=none": 0,
		} {
			if n := len(c.Want(200, "GET", "/resource_providers"+query, nil).Get("resource_providers").([]any)); n != want {
				t.Errorf("%s: %d, want %d", query, n, want)
			}
		}
		for _, query := range []string{"?uuid=x", "?colour=red", "?in_tree=", "?resources=", "?resources=VCPU", "?resources=VCPU:0", "?resources=NOTHING:1", "?required=", "?required=NO_SUCH", "?member_of=x", "?required=A,!A"} {
			c.Want(400, "GET", "/resource_providers"+query, nil)
		}
		c.at("1.2").Want(400, "GET", "/resource_providers?member_of="+g1, nil)

		c.Want(200, "PUT", "/resource_providers/"+u1, `{"name": "uno"}`).Same("name", `"uno"`)
		c.Want(409, "PUT", "/resource_providers/"+u1, `{"name": "two"}`)
		c.Want(400, "PUT", "/resource_providers/"+u1, map[string]any{"name": "uno", "parent_provider_uuid": u2}) // a loop
		c.at("1.36").Want(400, "PUT", "/resource_providers/"+u2, `{"name": "two", "parent_provider_uuid": null}`)
		c.Want(409, "DELETE", "/resource_providers/"+u1, nil).Same("errors.0.code", `"placement.resource_provider.cannot_delete_parent"`)
		c.Want(200, "PUT", "/resource_providers/"+u2, `{"name": "two", "parent_provider_uuid": null}`).Same("root_provider_uuid", `"`+u2+`"`)
		c.Want(204, "DELETE", "/resource_providers/"+u1, nil)
		c.Want(404, "DELETE", "/resource_providers/"+u1, nil)
	})
}

// A subtree that moves takes its whole family to the new root.
func TestReparent(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		c.provider(u1, "root1", "", nil)
		c.provider(u2, "root2", "", nil)
		c.provider(u3, "child", u1, nil)
		c.provider(u4, "grandchild", u3, nil)
		c.Want(200, "PUT", "/resource_providers/"+u3, map[string]any{"name": "child", "parent_provider_uuid": u2})
		c.Want(200, "GET", "/resource_providers/"+u4, nil).Same("root_provider_uuid", `"`+u2+`"`)
		c.Want(400, "PUT", "/resource_providers/"+u2, map[string]any{"name": "root2", "parent_provider_uuid": u4})
		c.Want(200, "PUT", "/resource_providers/"+u3, map[string]any{"name": "child"}).Same("parent_provider_uuid", `"`+u2+`"`)
	})
}

func TestProviderFilters(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		c.provider(u1, "a", "", map[string]int{"VCPU": 4})
		c.provider(u2, "b", "", map[string]int{"VCPU": 8, "DISK_GB": 10})
		c.traits(u1, "HW_CPU_X86_AVX", "STORAGE_DISK_SSD")
		c.traits(u2, "HW_CPU_X86_AVX2")
		c.aggregates(u1, g1)
		c.aggregates(u2, g1, g2)
		for query, want := range map[string]string{
			"resources=VCPU:5":                           "b",
			"resources=VCPU:4":                           "ab",
			"resources=VCPU:1,DISK_GB:1":                 "b",
			"required=HW_CPU_X86_AVX":                    "a",
			"required=!HW_CPU_X86_AVX":                   "b",
			"required=in:HW_CPU_X86_AVX,HW_CPU_X86_AVX2": "ab",
			"required=in:HW_CPU_X86_AVX,HW_CPU_X86_AVX2&required=STORAGE_DISK_SSD": "a",
			"member_of=" + g1:                       "ab",
			"member_of=" + g1 + "&member_of=" + g2:  "b",
			"member_of=in:" + g1 + "," + g2:         "ab",
			"member_of=!" + g2:                      "a",
			"member_of=!in:" + g1 + "," + g2:        "",
			"member_of=" + g1 + "&resources=VCPU:8": "b",
		} {
			got := ""
			for _, p := range c.Want(200, "GET", "/resource_providers?"+query, nil).Get("resource_providers").([]any) {
				got += p.(map[string]any)["name"].(string)
			}
			if got != want {
				t.Errorf("%s: %q, want %q", query, got, want)
			}
		}
		c.at("1.21").Want(400, "GET", "/resource_providers?required=!HW_CPU_X86_AVX", nil)
		c.at("1.23").Want(400, "GET", "/resource_providers?member_of="+g1+"&member_of="+g2, nil)
		c.at("1.31").Want(400, "GET", "/resource_providers?member_of=!"+g1, nil)
		c.at("1.38").Want(400, "GET", "/resource_providers?required=in:HW_CPU_X86_AVX", nil)
	})
}

// A provider has room for an amount if it is within its units and free now, in a
// list as in a search.
func TestProvidersWithRoom(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		c.provider(u1, "a", "", nil)
		c.Want(200, "PUT", "/resource_providers/"+u1+"/inventories", `{"resource_provider_generation": 0, "inventories": {
			"VCPU": {"total": 10, "reserved": 2, "min_unit": 2, "max_unit": 6, "step_size": 2, "allocation_ratio": 1.5}}}`)
		c.Want(204, "PUT", "/allocations/"+c1, claim(map[string]string{u1: `{"VCPU": 6}`}, "null")) // of 12
		room := func(want ...int) {
			t.Helper()
			for n := 1; n <= 8; n++ {
				path := fmt.Sprintf("?resources=VCPU:%d", n)
				listed := c.Want(200, "GET", "/resource_providers"+path, nil).Get("resource_providers").([]any)
				found := c.Want(200, "GET", "/allocation_candidates"+path, nil).Get("allocation_requests").([]any)
				if fits := slices.Contains(want, n); (len(listed) == 1) != fits || (len(found) == 1) != fits {
					t.Errorf("%d: %d listed, %d found, want %v", n, len(listed), len(found), fits)
				}
			}
		}
		room(2, 4, 6)
		c.Want(204, "PUT", "/allocations/"+c2, claim(map[string]string{u1: `{"VCPU": 2}`}, "null"))
		room(2, 4)
		c.Want(204, "DELETE", "/allocations/"+c1, nil)
		room(2, 4, 6)
	})
}

func TestAggregates(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		c.provider(u1, "a", "", nil)
		path := "/resource_providers/" + u1 + "/aggregates"
		c.at("1.0").Want(404, "GET", path, nil)
		a := c.at("1.1").Want(200, "PUT", path, []string{g2, g1})
		a.Same("resource_provider_generation", `null`)
		a = c.Want(200, "GET", path, nil)
		a.Same("aggregates", `["`+g1+`", "`+g2+`"]`)
		a.Same("resource_provider_generation", `1`)
		c.Want(409, "PUT", path, map[string]any{"aggregates": []string{}, "resource_provider_generation": 0}).
			Same("errors.0.code", `"placement.concurrent_update"`)
		c.Want(200, "PUT", path, map[string]any{"aggregates": []string{}, "resource_provider_generation": 1}).Same("aggregates", `[]`)
		c.Want(400, "PUT", path, []string{g1})
		c.at("1.18").Want(400, "PUT", path, []string{"x"})
		c.Want(404, "GET", "/resource_providers/"+u2+"/aggregates", nil)
	})
}

func TestTraitsAndClasses(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		a := c.Want(201, "PUT", "/traits/CUSTOM_GOLD", nil)
		if a.Header.Get("Location") != c.url+"/traits/CUSTOM_GOLD" {
			t.Errorf("location %s", a.Header.Get("Location"))
		}
		c.Want(204, "PUT", "/traits/CUSTOM_GOLD", nil)
		c.Want(204, "GET", "/traits/HW_CPU_X86_VMX", nil)
		c.Want(404, "GET", "/traits/CUSTOM_SILVER", nil)
		for _, name := range []string{"CUSTOM_", "gold", "HW_CPU_X86_VMX", "CUSTOM_gold", "CUSTOM_" + strings.Repeat("X", 255)} {
			c.Want(400, "PUT", "/traits/"+name, nil)
		}
		c.Want(400, "DELETE", "/traits/HW_CPU_X86_VMX", nil)
		c.Want(404, "DELETE", "/traits/CUSTOM_SILVER", nil)
		c.Want(200, "GET", "/traits?name=startswith:CUSTOM", nil).Same("traits", `["CUSTOM_GOLD"]`)
		c.Want(200, "GET", "/traits?name=in:CUSTOM_GOLD,HW_CPU_X86_VMX,NOTHING", nil).Same("traits", `["CUSTOM_GOLD", "HW_CPU_X86_VMX"]`)
		c.Want(400, "GET", "/traits?name=CUSTOM", nil)
		c.Want(400, "GET", "/traits?associated=maybe", nil)

		c.provider(u1, "a", "", nil)
		c.traits(u1, "HW_CPU_X86_VMX", "CUSTOM_GOLD")
		c.Want(200, "GET", "/traits?associated=true", nil).Same("traits", `["CUSTOM_GOLD", "HW_CPU_X86_VMX"]`)
		c.Want(200, "GET", "/resource_providers/"+u1+"/traits", nil).Same("resource_provider_generation", `1`)
		c.Want(409, "PUT", "/resource_providers/"+u1+"/traits", `{"traits": [], "resource_provider_generation": 0}`)
		c.Want(400, "PUT", "/resource_providers/"+u1+"/traits", `{"traits": ["CUSTOM_SILVER"], "resource_provider_generation": 1}`)
		c.Want(409, "DELETE", "/traits/CUSTOM_GOLD", nil)
		c.Want(204, "DELETE", "/resource_providers/"+u1+"/traits", nil)
		c.Want(204, "DELETE", "/traits/CUSTOM_GOLD", nil)

		c.at("1.2").Want(201, "POST", "/resource_classes", `{"name": "CUSTOM_IRON"}`)
		c.at("1.2").Want(409, "POST", "/resource_classes", `{"name": "CUSTOM_IRON"}`)
		c.at("1.2").Want(400, "POST", "/resource_classes", `{"name": "IRON"}`)
		c.at("1.6").Want(200, "PUT", "/resource_classes/CUSTOM_IRON", `{"name": "CUSTOM_STEEL"}`).Same("name", `"CUSTOM_STEEL"`)
		c.at("1.6").Want(404, "PUT", "/resource_classes/CUSTOM_IRON", `{"name": "CUSTOM_X"}`)
		c.at("1.6").Want(400, "PUT", "/resource_classes/VCPU", `{"name": "CUSTOM_X"}`)
		c.at("1.6").Want(409, "PUT", "/resource_classes/CUSTOM_STEEL", `{"name": "CUSTOM_STEEL"}`)
		c.Want(201, "PUT", "/resource_classes/CUSTOM_IRON", nil)
		c.Want(204, "PUT", "/resource_classes/CUSTOM_IRON", nil)
		c.Want(400, "PUT", "/resource_classes/iron", nil)
		c.Want(200, "GET", "/resource_classes/VCPU", nil).Same("links.0.href", `"/placement/resource_classes/VCPU"`)
		c.Want(404, "GET", "/resource_classes/CUSTOM_GONE", nil)
		c.Want(200, "GET", "/resource_classes", nil).Same("resource_classes.0.name", `"VCPU"`)
		c.Want(400, "DELETE", "/resource_classes/VCPU", nil)
		c.Want(200, "PUT", "/resource_providers/"+u1+"/inventories", `{"resource_provider_generation": 2, "inventories": {"CUSTOM_IRON": {"total": 1}}}`)
		c.Want(409, "DELETE", "/resource_classes/CUSTOM_IRON", nil)
		c.Want(204, "DELETE", "/resource_classes/CUSTOM_STEEL", nil)
		c.Want(404, "DELETE", "/resource_classes/CUSTOM_STEEL", nil)
	})
}
