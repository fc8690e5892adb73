package api_test

import (
	"slices"
	"strings"
	"testing"

	"kumoi/internal/kernel/httpx/httpxtest"
)

// names writes candidates as "host:VCPU=1+card:VGPU=1", sorted.
func candidates(t *testing.T, a httpxtest.Answer) []string {
	t.Helper()
	short := map[string]string{u1: "1", u2: "2", u3: "3", u4: "4"}
	var out []string
	for _, r := range a.Get("allocation_requests").([]any) {
		var parts []string
		for provider, v := range r.(map[string]any)["allocations"].(map[string]any) {
			for class := range v.(map[string]any)["resources"].(map[string]any) {
				parts = append(parts, short[provider]+class)
			}
		}
		slices.Sort(parts)
		out = append(out, strings.Join(parts, "+"))
	}
	slices.Sort(out)
	return out
}

func TestCandidates(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		// A host with two cards, and a store that shares with it.
		c.provider(u1, "host", "", map[string]int{"VCPU": 8, "MEMORY_MB": 1024})
		c.provider(u2, "card1", u1, map[string]int{"VGPU": 2})
		c.provider(u3, "card2", u1, map[string]int{"VGPU": 2})
		c.provider(u4, "store", "", map[string]int{"DISK_GB": 100})
		c.traits(u1, "HW_CPU_X86_VMX")
		c.traits(u2, "HW_GPU_API_VULKAN")
		c.traits(u4, "MISC_SHARES_VIA_AGGREGATE")
		c.aggregates(u1, g1)
		c.aggregates(u4, g1)

		for _, tc := range []struct{ query, want string }{
			{"resources=VCPU:2,MEMORY_MB:512", "1MEMORY_MB+1VCPU"},
			{"resources=VCPU:9", ""},
			{"resources=VCPU:1,DISK_GB:10", "1VCPU+4DISK_GB"},
			{"resources=DISK_GB:10", "4DISK_GB"},
			{"resources=VCPU:1,VGPU:1", "1VCPU+2VGPU 1VCPU+3VGPU"},
			{"resources=VCPU:1,VGPU:1&required=HW_GPU_API_VULKAN", "1VCPU+2VGPU"},
			{"resources=VCPU:1,VGPU:1&required=!HW_GPU_API_VULKAN", "1VCPU+3VGPU"},
			{"resources=VCPU:1,VGPU:1&required=HW_GPU_API_VULKAN,HW_CPU_X86_VMX", "1VCPU+2VGPU"},
			{"resources=VCPU:1&resources_GPU=VGPU:1&required_GPU=HW_GPU_API_VULKAN", "1VCPU+2VGPU"},
			{"resources1=VGPU:1&resources2=VGPU:1&group_policy=isolate", "2VGPU+3VGPU 2VGPU+3VGPU"},
			{"resources1=VGPU:1&resources2=VGPU:1&group_policy=none", "2VGPU 2VGPU+3VGPU 2VGPU+3VGPU 3VGPU"},
			{"resources1=VGPU:2&resources2=VGPU:1&group_policy=none", "2VGPU+3VGPU 2VGPU+3VGPU"},
			{"resources=VCPU:1&member_of=" + g1, "1VCPU"},
			{"resources=VGPU:1&member_of=" + g1, "2VGPU 3VGPU"}, // the root's membership covers its tree
			{"resources1=VGPU:1&member_of1=" + g1, ""},
			{"resources=VCPU:1&member_of=!" + g1, ""},
			{"resources=VCPU:1,DISK_GB:1&in_tree=" + u2, ""},
			{"resources=VCPU:1&in_tree=" + u2, "1VCPU"},
			{"resources=VGPU:1&root_required=HW_CPU_X86_VMX", "2VGPU 3VGPU"},
			{"resources=VGPU:1&root_required=!HW_CPU_X86_VMX", ""},
			{"resources_A=VCPU:1&resources_B=VGPU:1&same_subtree=_A,_B&group_policy=none", "1VCPU+2VGPU 1VCPU+3VGPU"},
			{"resources_A=VGPU:1&resources_B=VGPU:1&same_subtree=_A,_B&group_policy=isolate", ""},
			{"resources_A=VGPU:1&required_B=HW_GPU_API_VULKAN&same_subtree=_A,_B", "2VGPU"},
			{"resources=VGPU:1&limit=1", "2VGPU"},
		} {
			a := c.Want(200, "GET", "/allocation_candidates?"+tc.query, nil)
			if got := strings.Join(candidates(t, a), " "); got != tc.want {
				t.Errorf("%s:\n got %s\nwant %s", tc.query, got, tc.want)
			}
		}
		for _, query := range []string{
			"", "resources=", "resources=VCPU", "resources=VCPU:x", "resources=NOPE:1", "resources=VCPU:1&required=NOPE",
			"resources=VCPU:1&limit=0", "resources=VCPU:1&limit=x", "resources1=VCPU:1&resources2=VCPU:1",
			"resources=VCPU:1&group_policy=some", "required1=HW_CPU_X86_VMX", "resources=VCPU:1&required1=HW_CPU_X86_VMX",
			"resources=VCPU:1&same_subtree=_A", "resources=VCPU:1&same_subtree=", "resources=VCPU:1&colour=red",
			"resources=VCPU:1&root_required=A,!A", "resources=VCPU:1&in_tree=x", "resources=VCPU:1&root_required=HW_CPU_X86_VMX&root_required=HW_CPU_X86_VMX",
		} {
			c.Want(400, "GET", "/allocation_candidates?"+query, nil)
		}
		for version, query := range map[string]string{
			"1.15": "resources=VCPU:1&limit=1", "1.16": "resources=VCPU:1&required=HW_CPU_X86_VMX", "1.20": "resources=VCPU:1&member_of=" + g1,
			"1.24": "resources1=VCPU:1", "1.30": "resources=VCPU:1&in_tree=" + u1, "1.32": "resources_A=VCPU:1",
			"1.34": "resources=VCPU:1&root_required=HW_CPU_X86_VMX", "1.35": "resources=VCPU:1&same_subtree=_A",
		} {
			c.at(version).Want(400, "GET", "/allocation_candidates?"+query, nil)
		}
		c.at("1.9").Want(404, "GET", "/allocation_candidates?resources=VCPU:1", nil)

		q := "/allocation_candidates?resources=VCPU:1,VGPU:1"
		a := c.Want(200, "GET", q+"&required=HW_GPU_API_VULKAN", nil)
		a.Same("allocation_requests.0.mappings", `{"": ["`+u1+`", "`+u2+`"]}`)
		a.Same("provider_summaries."+u3, `{"resources": {"VGPU": {"capacity": 2, "used": 0}}, "traits": [], "parent_provider_uuid": "`+u1+`", "root_provider_uuid": "`+u1+`"}`)
		a.Same("provider_summaries."+u1+".resources", `{"VCPU": {"capacity": 8, "used": 0}, "MEMORY_MB": {"capacity": 1024, "used": 0}}`)
		c.at("1.28").Want(200, "GET", q, nil).Same("allocation_requests", `[]`) // trees come with 1.29
		a = c.at("1.26").Want(200, "GET", "/allocation_candidates?resources=VCPU:1", nil)
		a.Same("provider_summaries", `{"`+u1+`": {"resources": {"VCPU": {"capacity": 8, "used": 0}}, "traits": ["HW_CPU_X86_VMX"]}}`)
		c.at("1.10").Want(200, "GET", "/allocation_candidates?resources=VCPU:1", nil).
			Same("allocation_requests.0", `{"allocations": [{"resource_provider": {"uuid": "`+u1+`"}, "resources": {"VCPU": 1}}]}`)

		// What a candidate says can be sent back as it is.
		a = c.Want(200, "GET", q+"&required=HW_GPU_API_VULKAN", nil)
		body := a.Get("allocation_requests.0").(map[string]any)
		body["project_id"], body["user_id"], body["consumer_generation"], body["consumer_type"] = "p", "u", nil, "INSTANCE"
		c.Want(204, "PUT", "/allocations/"+c1, body)
	})
}
