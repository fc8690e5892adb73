package api_test

import (
	"fmt"
	"strings"
	"testing"
)

func TestInventories(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		c.provider(u1, "a", "", nil)
		all := "/resource_providers/" + u1 + "/inventories"
		a := c.Want(201, "POST", all, `{"resource_class": "VCPU", "total": 8}`)
		a.Same("max_unit", `2147483647`)
		a.Same("resource_provider_generation", `1`)
		if a.Header.Get("Location") != c.url+all+"/VCPU" {
			t.Errorf("location %s", a.Header.Get("Location"))
		}
		c.Want(409, "POST", all, `{"resource_class": "VCPU", "total": 8}`)
		for _, body := range []string{
			`{"resource_class": "NOPE", "total": 8}`, `{"resource_class": "DISK_GB"}`, `{"resource_class": "DISK_GB", "total": 0}`,
			`{"resource_class": "DISK_GB", "total": 5, "reserved": 6}`, `{"resource_class": "DISK_GB", "total": 5, "min_unit": 0}`,
			`{"resource_class": "DISK_GB", "total": 99999999999}`, `{"resource_class": "DISK_GB", "total": 5, "allocation_ratio": 1e39}`,
			`{"resource_class": "DISK_GB", "total": 5, "allocation_ratio": 0}`, `{"resource_class": "DISK_GB", "total": "5"}`,
		} {
			c.Want(400, "POST", all, body)
		}
		c.at("1.25").Want(400, "PUT", all+"/VCPU", `{"total": 8, "reserved": 8, "resource_provider_generation": 1}`)
		c.Want(200, "PUT", all+"/VCPU", `{"total": 8, "reserved": 8, "resource_provider_generation": 1}`).Same("reserved", `8`)
		c.Want(409, "PUT", all+"/VCPU", `{"total": 8, "resource_provider_generation": 1}`)
		c.Want(400, "PUT", all+"/DISK_GB", `{"total": 8, "resource_provider_generation": 2}`)
		c.Want(404, "GET", all+"/DISK_GB", nil)
		c.Want(200, "GET", all+"/VCPU", nil).Same("total", `8`)
		c.Want(409, "PUT", all, `{"resource_provider_generation": 0, "inventories": {}}`)
		c.Want(200, "PUT", all, `{"resource_provider_generation": 2, "inventories": {"DISK_GB": {"total": 100, "step_size": 10}, "VCPU": {"total": 4}}}`)
		a = c.Want(200, "GET", all, nil)
		a.Same("inventories.DISK_GB", `{"total": 100, "reserved": 0, "min_unit": 1, "max_unit": 2147483647, "step_size": 10, "allocation_ratio": 1}`)

		c.Want(204, "PUT", "/allocations/"+c1, claim(map[string]string{u1: `{"DISK_GB": 20}`}, "null"))
		c.Want(409, "PUT", all, `{"resource_provider_generation": 4, "inventories": {}}`).Same("errors.0.code", `"placement.inventory.inuse"`)
		c.Want(409, "DELETE", all, nil)
		c.Want(409, "DELETE", all+"/DISK_GB", nil)
		c.Want(204, "DELETE", all+"/VCPU", nil)
		c.Want(404, "DELETE", all+"/VCPU", nil)
		c.Want(200, "GET", "/resource_providers/"+u1+"/usages", nil).Same("usages", `{"DISK_GB": 20}`)
		c.Want(204, "DELETE", "/allocations/"+c1, nil)
		c.at("1.4").Want(405, "DELETE", all, nil)
		c.Want(204, "DELETE", all, nil)
		c.Want(200, "GET", all, nil).Same("inventories", `{}`)
	})
}

// claim is a body of the newest version; resources are JSON by provider.
func claim(resources map[string]string, generation string) string {
	list := ""
	for provider, r := range resources {
		if list != "" {
			list += ","
		}
		list += fmt.Sprintf(`%q: {"resources": %s}`, provider, r)
	}
	return fmt.Sprintf(`{"allocations": {%s}, "project_id": "p", "user_id": "u", "consumer_generation": %s, "consumer_type": "INSTANCE"}`, list, generation)
}

func TestAllocations(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		c.provider(u1, "a", "", map[string]int{"VCPU": 8, "MEMORY_MB": 1024})
		c.provider(u2, "b", "", map[string]int{"VCPU": 8})
		one := "/allocations/" + c1

		c.Want(200, "GET", one, nil).Same("allocations", `{}`)
		c.Want(404, "DELETE", one, nil)
		c.Want(409, "PUT", one, claim(map[string]string{u1: `{"VCPU": 2}`}, "5"))
		c.Want(204, "PUT", one, claim(map[string]string{u1: `{"VCPU": 2, "MEMORY_MB": 512}`}, "null"))
		a := c.Want(200, "GET", one, nil)
		a.Same("allocations."+u1+".resources", `{"VCPU": 2, "MEMORY_MB": 512}`)
		a.Same("allocations."+u1+".generation", `2`)
		a.Same("consumer_generation", `1`)
		a.Same("consumer_type", `"INSTANCE"`)
		a.Same("project_id", `"p"`)
		c.at("1.11").Want(200, "GET", one, nil).Same("project_id", `null`)
		c.at("1.27").Want(200, "GET", one, nil).Same("consumer_generation", `null`)

		c.Want(409, "PUT", one, claim(map[string]string{u1: `{"VCPU": 2}`}, "null")).Same("errors.0.code", `"placement.concurrent_update"`)
		c.Want(409, "PUT", one, claim(map[string]string{u1: `{"VCPU": 9}`}, "1"))
		c.Want(409, "PUT", one, claim(map[string]string{u2: `{"DISK_GB": 1}`}, "1"))
		c.Want(400, "PUT", one, claim(map[string]string{u3: `{"VCPU": 1}`}, "1"))
		c.Want(400, "PUT", one, claim(map[string]string{u1: `{"NOPE": 1}`}, "1"))
		c.Want(400, "PUT", one, claim(map[string]string{u1: `{"VCPU": 0}`}, "1"))
		c.Want(400, "PUT", one, claim(map[string]string{u1: `{}`}, "1"))
		c.Want(400, "PUT", "/allocations/not-a-uuid", claim(map[string]string{u1: `{"VCPU": 1}`}, "null"))
		c.Want(400, "PUT", one, `{"allocations": {}, "project_id": "p", "user_id": "u", "consumer_type": "INSTANCE"}`)
		c.at("1.37").Want(400, "PUT", one, claim(map[string]string{u1: `{"VCPU": 1}`}, "1"))
		c.at("1.12").Want(400, "PUT", one, `{"allocations": {}, "project_id": "p", "user_id": "u"}`)

		// It moves: what it held is free again, in the same request.
		c.Want(204, "PUT", one, claim(map[string]string{u1: `{"VCPU": 8}`}, "1"))
		c.Want(204, "PUT", one, claim(map[string]string{u2: `{"VCPU": 8}`}, "2"))
		c.Want(200, "GET", "/resource_providers/"+u1+"/usages", nil).Same("usages", `{"VCPU": 0, "MEMORY_MB": 0}`)
		a = c.Want(200, "GET", "/resource_providers/"+u2+"/allocations", nil)
		a.Same("allocations."+c1, `{"resources": {"VCPU": 8}, "consumer_generation": 3}`)

		// Two consumers swap places on full providers.
		c.Want(204, "PUT", "/allocations/"+c2, claim(map[string]string{u1: `{"VCPU": 8}`}, "null"))
		swap := func(g1, g2 string, p1, p2 string) string {
			return fmt.Sprintf(`{%q: %s, %q: %s}`, c1, claim(map[string]string{p1: `{"VCPU": 8}`}, g1), c2, claim(map[string]string{p2: `{"VCPU": 8}`}, g2))
		}
		c.Want(409, "POST", "/allocations", swap("3", "7", u1, u2))
		c.Want(204, "POST", "/allocations", swap("3", "1", u1, u2))
		c.Want(200, "GET", one, nil).Same("allocations."+u1+".resources.VCPU", `8`)

		twice := fmt.Sprintf(`{%q: %s, %q: %s}`, c1, claim(nil, "4"), strings.ToUpper(c1), claim(nil, "4"))
		c.Want(400, "POST", "/allocations", twice)

		// A shrunken inventory does not lock in what is held of it.
		gen := c.Want(200, "GET", "/resource_providers/"+u1, nil).Get("generation")
		c.Want(200, "PUT", "/resource_providers/"+u1+"/inventories/VCPU", map[string]any{"total": 4, "resource_provider_generation": gen})
		c.Want(409, "PUT", one, claim(map[string]string{u1: `{"VCPU": 9}`}, "4"))
		c.Want(204, "PUT", one, claim(map[string]string{u1: `{"VCPU": 6}`}, "4"))

		c.Want(409, "DELETE", "/resource_providers/"+u1, nil).Same("errors.0.code", `"placement.resource_provider.inuse"`)
		c.Want(204, "PUT", one, claim(nil, "5"))
		c.Want(200, "GET", one, nil).Same("allocations", `{}`)
		c.Want(204, "DELETE", "/resource_providers/"+u1, nil)
	})
}

// Bodies of old versions, and what is known of their consumers.
func TestOldAllocations(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		c.provider(u1, "a", "", map[string]int{"VCPU": 8})
		old := `{"allocations": [{"resource_provider": {"uuid": "` + u1 + `"}, "resources": {"VCPU": 1}}]%s}`
		c.at("1.0").Want(204, "PUT", "/allocations/"+c1, fmt.Sprintf(old, ""))
		c.at("1.8").Want(400, "PUT", "/allocations/"+c1, fmt.Sprintf(old, ""))
		c.at("1.8").Want(204, "PUT", "/allocations/"+c1, fmt.Sprintf(old, `, "project_id": "p", "user_id": "u"`))
		c.at("1.12").Want(400, "PUT", "/allocations/"+c1, fmt.Sprintf(old, `, "project_id": "p", "user_id": "u"`))
		c.at("1.12").Want(204, "PUT", "/allocations/"+c1, map[string]any{
			"allocations": map[string]any{u1: map[string]any{"generation": 1, "resources": map[string]int{"VCPU": 3}}}, "project_id": "p", "user_id": "u",
		})
		a := c.Want(200, "GET", "/allocations/"+c1, nil)
		a.Same("consumer_type", `"unknown"`)
		a.Same("consumer_generation", `3`)
		c.Want(204, "PUT", "/allocations/"+c2, claim(map[string]string{u1: `{"VCPU": 2}`}, "null"))

		// Who does not know of types leaves the one that there is.
		c.at("1.28").Want(204, "PUT", "/allocations/"+c2, strings.Replace(claim(map[string]string{u1: `{"VCPU": 2}`}, "1"), `, "consumer_type": "INSTANCE"`, "", 1))
		c.Want(200, "GET", "/allocations/"+c2, nil).Same("consumer_type", `"INSTANCE"`)

		c.at("1.8").Want(404, "GET", "/usages?project_id=p", nil)
		c.at("1.9").Want(200, "GET", "/usages?project_id=p", nil).Same("usages", `{"VCPU": 5}`)
		c.Want(200, "GET", "/usages?project_id=p", nil).Same("usages", `{"unknown": {"VCPU": 3, "consumer_count": 1}, "INSTANCE": {"VCPU": 2, "consumer_count": 1}}`)
		c.Want(200, "GET", "/usages?project_id=p&consumer_type=all", nil).Same("usages", `{"all": {"VCPU": 5, "consumer_count": 2}}`)
		c.Want(200, "GET", "/usages?project_id=p&consumer_type=INSTANCE", nil).Same("usages", `{"INSTANCE": {"VCPU": 2, "consumer_count": 1}}`)
		c.Want(200, "GET", "/usages?project_id=p&user_id=none", nil).Same("usages", `{}`)
		c.Want(400, "GET", "/usages", nil)
		c.Want(400, "GET", "/usages?project_id=p&consumer_type=instance", nil)
		c.at("1.37").Want(400, "GET", "/usages?project_id=p&consumer_type=all", nil)
	})
}

// Inventory and what is held of it move to a child at once, or not at all.
func TestReshape(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		c.provider(u1, "host", "", map[string]int{"VCPU": 8, "VGPU": 2})
		c.provider(u2, "card", u1, nil)
		c.Want(204, "PUT", "/allocations/"+c1, claim(map[string]string{u1: `{"VCPU": 2, "VGPU": 1}`}, "null"))
		reshape := func(generation int, held string) string {
			return fmt.Sprintf(`{"inventories": {
				%q: {"resource_provider_generation": %d, "inventories": {"VCPU": {"total": 8}}},
				%q: {"resource_provider_generation": 0, "inventories": {"VGPU": {"total": 2}}}},
				"allocations": {%q: %s}}`, u1, generation, u2, c1, held)
		}
		moved := claim(map[string]string{u1: `{"VCPU": 2}`, u2: `{"VGPU": 1}`}, "1")
		c.at("1.29").Want(404, "POST", "/reshaper", reshape(2, moved))
		c.Want(409, "POST", "/reshaper", reshape(1, moved)).Same("errors.0.code", `"placement.concurrent_update"`)
		c.Want(409, "POST", "/reshaper", reshape(2, claim(map[string]string{u1: `{"VCPU": 2, "VGPU": 1}`}, "1"))).Same("errors.0.code", `"placement.inventory.inuse"`)
		c.Want(400, "POST", "/reshaper", `{"inventories": {}}`)
		c.Want(204, "POST", "/reshaper", reshape(2, moved))
		c.Want(200, "GET", "/resource_providers/"+u1+"/usages", nil).Same("usages", `{"VCPU": 2}`)
		c.Want(200, "GET", "/resource_providers/"+u2+"/usages", nil).Same("usages", `{"VGPU": 1}`)
	})
}
