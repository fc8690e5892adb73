package api_test

import (
	"strings"
	"testing"
)

func TestMetadefs(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, c *cloud) {
		const all = "/v2/metadefs/namespaces"
		list := c.As("alice").Want(200, "GET", all+"?limit=1000", nil).Get("namespaces").([]any)
		if len(list) != 33 {
			t.Errorf("the standard catalogue has %d namespaces", len(list))
		}
		pinning := c.As("alice").Want(200, "GET", all+"/OS::Compute::CPUPinning?resource_type=OS::Nova::Flavor", nil).Object()
		if _, ok := pinning["properties"].(map[string]any)["hw:cpu_policy"]; !ok {
			t.Errorf("a flavor's properties lack their prefix: %v", pinning["properties"])
		}
		c.As("alice").Want(200, "GET", all+"/OS::Compute::CPUPinning/properties/hw:cpu_policy?resource_type=OS::Nova::Flavor", nil)
		c.As("admin").Want(403, "DELETE", all+"/OS::Compute::CPUPinning", nil)
		c.As("admin").Want(403, "DELETE", all+"/OS::Compute::CPUPinning/properties/cpu_policy", nil)
		page := c.As("alice").Want(200, "GET", all+"?limit=2&sort_key=namespace&sort_dir=asc", nil).Object()
		first := page["namespaces"].([]any)
		next := c.As("alice").Want(200, "GET", page["next"].(string), nil).Get("namespaces").([]any)
		if len(first) != 2 || len(next) != 2 || first[1].(map[string]any)["namespace"].(string) >= next[0].(map[string]any)["namespace"].(string) {
			t.Errorf("pages: %v then %v", first, next)
		}

		body := map[string]any{
			"namespace": "My::Space", "visibility": "private", "resource_type_associations": []any{map[string]any{"name": "My::Type", "prefix": "my_"}},
			"properties": map[string]any{"p": map[string]any{"title": "P", "type": "string"}},
			"objects":    []any{map[string]any{"name": "o", "required": []string{"q"}, "properties": map[string]any{"q": map[string]any{"title": "Q", "type": "integer", "minimum": 1}}}},
			"tags":       []any{map[string]any{"name": "t"}},
		}
		c.As("alice").Want(403, "POST", all, body)
		c.As("admin").Want(201, "POST", all, body)
		c.As("admin").Want(409, "POST", all, body)
		one := all + "/My::Space"
		c.As("alice").Want(404, "GET", one, nil)
		shown := c.As("admin").Want(200, "GET", one+"?resource_type=My::Type", nil).Object()
		if shown["objects"].([]any)[0].(map[string]any)["required"].([]any)[0] != "my_q" {
			t.Errorf("shown: %v", shown)
		}
		for _, bad := range []any{
			map[string]any{},
			map[string]any{"namespace": ""},
			map[string]any{"namespace": "x", "visibility": "shared"},
			map[string]any{"namespace": "x", "more": 1},
			map[string]any{"namespace": "x", "properties": map[string]any{"p": map[string]any{"type": "string"}}},
			map[string]any{"namespace": "x", "properties": map[string]any{"p": map[string]any{"title": "P", "type": "text"}}},
		} {
			c.As("admin").Want(400, "POST", all, bad)
		}
		c.As("admin").Want(403, "POST", all, map[string]any{"namespace": "x", "self": "y"})

		property := map[string]any{"name": "n", "title": "N", "type": "array", "items": map[string]any{"type": "string"}}
		c.As("admin").Want(201, "POST", one+"/properties", property)
		c.As("admin").Want(409, "POST", one+"/properties", property)
		property["name"] = "renamed"
		c.As("admin").Want(200, "PUT", one+"/properties/n", property)
		c.As("admin").Want(404, "GET", one+"/properties/n", nil)
		c.As("admin").Want(200, "GET", one+"/properties/renamed", nil)
		c.As("admin").Want(404, "GET", one+"/properties/renamed?resource_type=My::Type", nil)
		c.As("admin").Want(400, "POST", one+"/properties", map[string]any{"name": "x"})
		c.As("admin").Want(204, "DELETE", one+"/properties", nil)
		if left := c.As("admin").Want(200, "GET", one+"/properties", nil).Get("properties").(map[string]any); len(left) > 0 {
			t.Errorf("properties left: %v", left)
		}

		c.As("admin").Want(201, "POST", one+"/objects", map[string]any{"name": "o2", "description": "d"})
		c.As("admin").Want(200, "PUT", one+"/objects/o2", map[string]any{"name": "o3"})
		c.As("admin").Want(404, "GET", one+"/objects/o2", nil)
		c.As("admin").Want(409, "PUT", one+"/objects/o3", map[string]any{"name": "o"})
		c.As("admin").Want(204, "DELETE", one+"/objects/o3", nil)
		c.As("admin").Want(404, "DELETE", one+"/objects/o3", nil)

		c.As("admin").Want(201, "POST", one+"/tags", map[string]any{"tags": []any{map[string]any{"name": "a"}, map[string]any{"name": "b"}}})
		c.As("admin").Want(201, "POST", one+"/tags", map[string]any{"tags": []any{map[string]any{"name": "c"}}}, "X-Openstack-Append", "True")
		c.As("admin").Want(201, "POST", one+"/tags/d", nil)
		c.As("admin").Want(200, "PUT", one+"/tags/d", map[string]any{"name": "e"})
		tags := c.As("admin").Want(200, "GET", one+"/tags?limit=3", nil).Object()
		if len(tags["tags"].([]any)) != 3 || tags["next"] == nil {
			t.Errorf("tags: %v", tags)
		}
		c.As("admin").Want(409, "POST", one+"/tags/e", nil)
		c.As("admin").Want(204, "DELETE", one+"/tags/e", nil)

		c.As("admin").Want(201, "POST", one+"/resource_types", map[string]any{"name": "OS::Nova::Flavor"})
		c.As("admin").Want(409, "POST", one+"/resource_types", map[string]any{"name": "OS::Nova::Flavor"})
		c.As("admin").Want(204, "DELETE", one+"/resource_types/OS::Nova::Flavor", nil)
		c.As("admin").Want(404, "DELETE", one+"/resource_types/OS::Nova::Flavor", nil)

		c.As("admin").Want(200, "PUT", one, map[string]any{"namespace": "Our::Space", "visibility": "public", "protected": true})
		c.As("admin").Want(404, "GET", one, nil)
		c.As("alice").Want(200, "GET", all+"/Our::Space", nil)
		c.As("alice").Want(403, "PUT", all+"/Our::Space", map[string]any{"namespace": "Mine"})
		c.As("alice").Want(403, "DELETE", all+"/Our::Space", nil)
		c.As("admin").Want(403, "DELETE", all+"/Our::Space", nil)
		c.As("admin").Want(403, "DELETE", all+"/Our::Space/tags", nil)
		c.As("admin").Want(200, "PUT", all+"/Our::Space", map[string]any{"namespace": "Our::Space", "protected": false})
		c.As("admin").Want(204, "DELETE", all+"/Our::Space", nil)
		c.As("admin").Want(404, "DELETE", all+"/Our::Space", nil)
	})
}

// Every name of a definition has 1 to 80 characters, wherever it is given.
func TestMetadefNames(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, c *cloud) {
		const all = "/v2/metadefs/namespaces"
		admin := c.As("admin")
		admin.Want(201, "POST", all, map[string]any{"namespace": strings.Repeat("n", 80)})
		admin.Want(201, "POST", all, map[string]any{"namespace": "N"})
		for name, status := range map[string]int{"": 400, strings.Repeat("é", 80): 201, strings.Repeat("é", 81): 400, "nul\x00": 400} {
			property := map[string]any{"name": name, "title": "P", "type": "string"}
			admin.Want(status, "POST", all+"/N/objects", map[string]any{"name": name})
			admin.Want(status, "POST", all+"/N/properties", property)
			admin.Want(status, "POST", all+"/N/resource_types", map[string]any{"name": name})
			if status == 400 {
				admin.Want(400, "POST", all, map[string]any{"namespace": name})
				admin.Want(400, "POST", all, map[string]any{"namespace": "M", "tags": []any{map[string]any{"name": name}}})
				admin.Want(400, "POST", all, map[string]any{"namespace": "M", "objects": []any{map[string]any{"name": name}}})
			}
		}
		for _, kind := range []string{"object", "tag"} {
			twice := []any{map[string]any{"name": "a"}, map[string]any{"name": "a"}}
			admin.Want(409, "POST", all, map[string]any{"namespace": "M", kind + "s": twice})
		}
	})
}
