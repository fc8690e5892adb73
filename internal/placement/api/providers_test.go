package api_test

import (
	"net/http"
	"strings"
	"testing"
)

func TestDiscoveryAndErrors(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		a := c.as("").want(200, "GET", "/", nil)
		a.same(t, "versions.0.max_version", `"1.39"`)
		c.as("").want(401, "GET", "/resource_providers", nil)

		a = c.at("1.22").want(404, "GET", "/resource_providers/"+u1, nil)
		a.same(t, "errors.0.status", `404`)
		a.same(t, "errors.0.code", `null`)
		if a.header.Get("OpenStack-API-Version") != "placement 1.22" || !strings.Contains(strings.Join(a.header.Values("Vary"), ","), "OpenStack-API-Version") {
			t.Errorf("headers %v", a.header)
		}
		a = c.at("1.23").want(404, "GET", "/resource_providers/"+u1, nil)
		a.same(t, "errors.0.code", `"placement.resource_provider.not_found"`)
		if a.at("errors.0.request_id") != a.header.Get("X-Openstack-Request-Id") {
			t.Errorf("request id %v", a.at("errors.0.request_id"))
		}
		a = c.at("1.40").want(406, "GET", "/resource_providers", nil)
		a.same(t, "errors.0.min_version", `"1.0"`)
		a.same(t, "errors.0.max_version", `"1.39"`)
		c.at("1.x").want(400, "GET", "/resource_providers", nil)
		c.at("").want(404, "GET", "/traits", nil)
		c.want(405, "PATCH", "/resource_providers", nil)

		req, _ := http.NewRequestWithContext(t.Context(), "POST", c.url+"/resource_providers", strings.NewReader("name=a"))
		req.Header.Set("X-Auth-Token", "admin")
		req.Header.Set("Content-Type", "text/plain")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != 415 {
			t.Errorf("text body: %d, want 415", resp.StatusCode)
		}
		req, _ = http.NewRequestWithContext(t.Context(), "GET", c.url+"/resource_providers", nil)
		req.Header.Set("X-Auth-Token", "admin")
		req.Header.Set("Accept", "text/html")
		if resp, err = http.DefaultClient.Do(req); err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != 406 {
			t.Errorf("HTML wanted: %d, want 406", resp.StatusCode)
		}
	})
}

func TestWhoMay(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		for _, path := range []string{"/resource_providers", "/traits", "/resource_classes", "/allocations/" + c1, "/allocation_candidates?resources=VCPU:1"} {
			c.as("service").want(200, "GET", path, nil)
			c.as("reader").want(403, "GET", path, nil)
			c.as("member").want(403, "GET", path, nil)
		}
		c.as("reader").want(200, "GET", "/usages?project_id=p-reader", nil)
		c.as("reader").want(403, "GET", "/usages?project_id=p-other", nil)
		c.as("member").want(403, "POST", "/resource_providers", `{"name": "a"}`)
	})
}

func TestProviders(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		a := c.at("1.0").want(201, "POST", "/resource_providers", map[string]any{"name": "one", "uuid": u1})
		if a.text != "" || a.header.Get("Location") != c.url+"/resource_providers/"+u1 {
			t.Errorf("created: %q, location %s", a.text, a.header.Get("Location"))
		}
		a = c.want(200, "POST", "/resource_providers", map[string]any{"name": "two", "uuid": strings.ReplaceAll(u2, "-", ""), "parent_provider_uuid": u1})
		a.same(t, "uuid", `"`+u2+`"`)
		a.same(t, "root_provider_uuid", `"`+u1+`"`)
		if a.header.Get("Last-Modified") == "" || a.header.Get("Cache-Control") != "no-cache" {
			t.Errorf("headers %v", a.header)
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
			a := c.want(tc.want, "POST", "/resource_providers", tc.body)
			if tc.code != "" {
				a.same(t, "errors.0.code", `"`+tc.code+`"`)
			}
		}
		c.at("1.13").want(400, "POST", "/resource_providers", map[string]any{"name": "x", "parent_provider_uuid": u1})

		for version, links := range map[string]int{"1.0": 3, "1.1": 4, "1.6": 5, "1.11": 6} {
			a := c.at(version).want(200, "GET", "/resource_providers/"+u1, nil)
			if n := len(a.at("links").([]any)); n != links {
				t.Errorf("%s: %d links, want %d", version, n, links)
			}
			if _, ok := a.body.(map[string]any)["root_provider_uuid"]; ok {
				t.Errorf("%s shows the root", version)
			}
		}
		for query, want := range map[string]int{
			"": 2, "?name=one": 1, "?uuid=" + u2: 1, "?in_tree=" + u2: 2, "?in_tree=" + u4: 0, "?name=none": 0,
		} {
			if n := len(c.want(200, "GET", "/resource_providers"+query, nil).at("resource_providers").([]any)); n != want {
				t.Errorf("%s: %d, want %d", query, n, want)
			}
		}
		for _, query := range []string{"?uuid=x", "?colour=red", "?in_tree=", "?resources=", "?resources=VCPU", "?resources=VCPU:0", "?resources=NOTHING:1", "?required=", "?required=NO_SUCH", "?member_of=x", "?required=A,!A"} {
			c.want(400, "GET", "/resource_providers"+query, nil)
		}
		c.at("1.2").want(400, "GET", "/resource_providers?member_of="+g1, nil)

		c.want(200, "PUT", "/resource_providers/"+u1, `{"name": "uno"}`).same(t, "name", `"uno"`)
		c.want(409, "PUT", "/resource_providers/"+u1, `{"name": "two"}`)
		c.want(400, "PUT", "/resource_providers/"+u1, map[string]any{"name": "uno", "parent_provider_uuid": u2}) // a loop
		c.at("1.36").want(400, "PUT", "/resource_providers/"+u2, `{"name": "two", "parent_provider_uuid": null}`)
		c.want(409, "DELETE", "/resource_providers/"+u1, nil).same(t, "errors.0.code", `"placement.resource_provider.cannot_delete_parent"`)
		c.want(200, "PUT", "/resource_providers/"+u2, `{"name": "two", "parent_provider_uuid": null}`).same(t, "root_provider_uuid", `"`+u2+`"`)
		c.want(204, "DELETE", "/resource_providers/"+u1, nil)
		c.want(404, "DELETE", "/resource_providers/"+u1, nil)
	})
}

// A subtree that moves takes its whole family to the new root.
func TestReparent(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		c.provider(u1, "root1", "", nil)
		c.provider(u2, "root2", "", nil)
		c.provider(u3, "child", u1, nil)
		c.provider(u4, "grandchild", u3, nil)
		c.want(200, "PUT", "/resource_providers/"+u3, map[string]any{"name": "child", "parent_provider_uuid": u2})
		c.want(200, "GET", "/resource_providers/"+u4, nil).same(t, "root_provider_uuid", `"`+u2+`"`)
		c.want(400, "PUT", "/resource_providers/"+u2, map[string]any{"name": "root2", "parent_provider_uuid": u4})
		c.want(200, "PUT", "/resource_providers/"+u3, map[string]any{"name": "child"}).same(t, "parent_provider_uuid", `"`+u2+`"`)
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
			for _, p := range c.want(200, "GET", "/resource_providers?"+query, nil).at("resource_providers").([]any) {
				got += p.(map[string]any)["name"].(string)
			}
			if got != want {
				t.Errorf("%s: %q, want %q", query, got, want)
			}
		}
		c.at("1.21").want(400, "GET", "/resource_providers?required=!HW_CPU_X86_AVX", nil)
		c.at("1.23").want(400, "GET", "/resource_providers?member_of="+g1+"&member_of="+g2, nil)
		c.at("1.31").want(400, "GET", "/resource_providers?member_of=!"+g1, nil)
		c.at("1.38").want(400, "GET", "/resource_providers?required=in:HW_CPU_X86_AVX", nil)
	})
}

func TestAggregates(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		c.provider(u1, "a", "", nil)
		path := "/resource_providers/" + u1 + "/aggregates"
		c.at("1.0").want(404, "GET", path, nil)
		a := c.at("1.1").want(200, "PUT", path, []string{g2, g1})
		a.same(t, "resource_provider_generation", `null`)
		a = c.want(200, "GET", path, nil)
		a.same(t, "aggregates", `["`+g1+`", "`+g2+`"]`)
		a.same(t, "resource_provider_generation", `1`)
		c.want(409, "PUT", path, map[string]any{"aggregates": []string{}, "resource_provider_generation": 0}).
			same(t, "errors.0.code", `"placement.concurrent_update"`)
		c.want(200, "PUT", path, map[string]any{"aggregates": []string{}, "resource_provider_generation": 1}).same(t, "aggregates", `[]`)
		c.want(400, "PUT", path, []string{g1})
		c.at("1.18").want(400, "PUT", path, []string{"x"})
		c.want(404, "GET", "/resource_providers/"+u2+"/aggregates", nil)
	})
}

func TestTraitsAndClasses(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		a := c.want(201, "PUT", "/traits/CUSTOM_GOLD", nil)
		if a.header.Get("Location") != c.url+"/traits/CUSTOM_GOLD" {
			t.Errorf("location %s", a.header.Get("Location"))
		}
		c.want(204, "PUT", "/traits/CUSTOM_GOLD", nil)
		c.want(204, "GET", "/traits/HW_CPU_X86_VMX", nil)
		c.want(404, "GET", "/traits/CUSTOM_SILVER", nil)
		for _, name := range []string{"CUSTOM_", "gold", "HW_CPU_X86_VMX", "CUSTOM_gold", "CUSTOM_" + strings.Repeat("X", 255)} {
			c.want(400, "PUT", "/traits/"+name, nil)
		}
		c.want(400, "DELETE", "/traits/HW_CPU_X86_VMX", nil)
		c.want(404, "DELETE", "/traits/CUSTOM_SILVER", nil)
		c.want(200, "GET", "/traits?name=startswith:CUSTOM", nil).same(t, "traits", `["CUSTOM_GOLD"]`)
		c.want(200, "GET", "/traits?name=in:CUSTOM_GOLD,HW_CPU_X86_VMX,NOTHING", nil).same(t, "traits", `["CUSTOM_GOLD", "HW_CPU_X86_VMX"]`)
		c.want(400, "GET", "/traits?name=CUSTOM", nil)
		c.want(400, "GET", "/traits?associated=maybe", nil)

		c.provider(u1, "a", "", nil)
		c.traits(u1, "HW_CPU_X86_VMX", "CUSTOM_GOLD")
		c.want(200, "GET", "/traits?associated=true", nil).same(t, "traits", `["CUSTOM_GOLD", "HW_CPU_X86_VMX"]`)
		c.want(200, "GET", "/resource_providers/"+u1+"/traits", nil).same(t, "resource_provider_generation", `1`)
		c.want(409, "PUT", "/resource_providers/"+u1+"/traits", `{"traits": [], "resource_provider_generation": 0}`)
		c.want(400, "PUT", "/resource_providers/"+u1+"/traits", `{"traits": ["CUSTOM_SILVER"], "resource_provider_generation": 1}`)
		c.want(409, "DELETE", "/traits/CUSTOM_GOLD", nil)
		c.want(204, "DELETE", "/resource_providers/"+u1+"/traits", nil)
		c.want(204, "DELETE", "/traits/CUSTOM_GOLD", nil)

		c.at("1.2").want(201, "POST", "/resource_classes", `{"name": "CUSTOM_IRON"}`)
		c.at("1.2").want(409, "POST", "/resource_classes", `{"name": "CUSTOM_IRON"}`)
		c.at("1.2").want(400, "POST", "/resource_classes", `{"name": "IRON"}`)
		c.at("1.6").want(200, "PUT", "/resource_classes/CUSTOM_IRON", `{"name": "CUSTOM_STEEL"}`).same(t, "name", `"CUSTOM_STEEL"`)
		c.at("1.6").want(404, "PUT", "/resource_classes/CUSTOM_IRON", `{"name": "CUSTOM_X"}`)
		c.at("1.6").want(400, "PUT", "/resource_classes/VCPU", `{"name": "CUSTOM_X"}`)
		c.at("1.6").want(409, "PUT", "/resource_classes/CUSTOM_STEEL", `{"name": "CUSTOM_STEEL"}`)
		c.want(201, "PUT", "/resource_classes/CUSTOM_IRON", nil)
		c.want(204, "PUT", "/resource_classes/CUSTOM_IRON", nil)
		c.want(400, "PUT", "/resource_classes/iron", nil)
		c.want(200, "GET", "/resource_classes/VCPU", nil).same(t, "links.0.href", `"/placement/resource_classes/VCPU"`)
		c.want(404, "GET", "/resource_classes/CUSTOM_GONE", nil)
		c.want(200, "GET", "/resource_classes", nil).same(t, "resource_classes.0.name", `"VCPU"`)
		c.want(400, "DELETE", "/resource_classes/VCPU", nil)
		c.want(200, "PUT", "/resource_providers/"+u1+"/inventories", `{"resource_provider_generation": 2, "inventories": {"CUSTOM_IRON": {"total": 1}}}`)
		c.want(409, "DELETE", "/resource_classes/CUSTOM_IRON", nil)
		c.want(204, "DELETE", "/resource_classes/CUSTOM_STEEL", nil)
		c.want(404, "DELETE", "/resource_classes/CUSTOM_STEEL", nil)
	})
}
