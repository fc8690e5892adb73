package api_test

import (
	"testing"
)

func TestMetadefs(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		const all = "/v2/metadefs/namespaces"
		list := c.must(200, "alice", "GET", all+"?limit=1000", nil).object(t)["namespaces"].([]any)
		if len(list) != 33 {
			t.Errorf("the standard catalogue has %d namespaces", len(list))
		}
		pinning := c.must(200, "alice", "GET", all+"/OS::Compute::CPUPinning?resource_type=OS::Nova::Flavor", nil).object(t)
		if _, ok := pinning["properties"].(map[string]any)["hw:cpu_policy"]; !ok {
			t.Errorf("a flavor's properties lack their prefix: %v", pinning["properties"])
		}
		c.must(200, "alice", "GET", all+"/OS::Compute::CPUPinning/properties/hw:cpu_policy?resource_type=OS::Nova::Flavor", nil)
		c.must(403, "admin", "DELETE", all+"/OS::Compute::CPUPinning", nil)
		c.must(403, "admin", "DELETE", all+"/OS::Compute::CPUPinning/properties/cpu_policy", nil)
		page := c.must(200, "alice", "GET", all+"?limit=2&sort_key=namespace&sort_dir=asc", nil).object(t)
		first := page["namespaces"].([]any)
		next := c.must(200, "alice", "GET", page["next"].(string), nil).object(t)["namespaces"].([]any)
		if len(first) != 2 || len(next) != 2 || first[1].(map[string]any)["namespace"].(string) >= next[0].(map[string]any)["namespace"].(string) {
			t.Errorf("pages: %v then %v", first, next)
		}

		body := map[string]any{
			"namespace": "My::Space", "visibility": "private", "resource_type_associations": []any{map[string]any{"name": "My::Type", "prefix": "my_"}},
			"properties": map[string]any{"p": map[string]any{"title": "P", "type": "string"}},
			"objects":    []any{map[string]any{"name": "o", "required": []string{"q"}, "properties": map[string]any{"q": map[string]any{"title": "Q", "type": "integer", "minimum": 1}}}},
			"tags":       []any{map[string]any{"name": "t"}},
		}
		c.must(403, "alice", "POST", all, body)
		c.must(201, "admin", "POST", all, body)
		c.must(409, "admin", "POST", all, body)
		one := all + "/My::Space"
		c.must(404, "alice", "GET", one, nil)
		shown := c.must(200, "admin", "GET", one+"?resource_type=My::Type", nil).object(t)
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
			c.must(400, "admin", "POST", all, bad)
		}
		c.must(403, "admin", "POST", all, map[string]any{"namespace": "x", "self": "y"})

		property := map[string]any{"name": "n", "title": "N", "type": "array", "items": map[string]any{"type": "string"}}
		c.must(201, "admin", "POST", one+"/properties", property)
		c.must(409, "admin", "POST", one+"/properties", property)
		property["name"] = "renamed"
		c.must(200, "admin", "PUT", one+"/properties/n", property)
		c.must(404, "admin", "GET", one+"/properties/n", nil)
		c.must(200, "admin", "GET", one+"/properties/renamed", nil)
		c.must(404, "admin", "GET", one+"/properties/renamed?resource_type=My::Type", nil)
		c.must(400, "admin", "POST", one+"/properties", map[string]any{"name": "x"})
		c.must(204, "admin", "DELETE", one+"/properties", nil)
		if left := c.must(200, "admin", "GET", one+"/properties", nil).object(t)["properties"].(map[string]any); len(left) > 0 {
			t.Errorf("properties left: %v", left)
		}

		c.must(201, "admin", "POST", one+"/objects", map[string]any{"name": "o2", "description": "d"})
		c.must(200, "admin", "PUT", one+"/objects/o2", map[string]any{"name": "o3"})
		c.must(404, "admin", "GET", one+"/objects/o2", nil)
		c.must(409, "admin", "PUT", one+"/objects/o3", map[string]any{"name": "o"})
		c.must(204, "admin", "DELETE", one+"/objects/o3", nil)
		c.must(404, "admin", "DELETE", one+"/objects/o3", nil)

		c.must(201, "admin", "POST", one+"/tags", map[string]any{"tags": []any{map[string]any{"name": "a"}, map[string]any{"name": "b"}}})
		c.must(201, "admin", "POST", one+"/tags", map[string]any{"tags": []any{map[string]any{"name": "c"}}}, "X-Openstack-Append", "True")
		c.must(201, "admin", "POST", one+"/tags/d", nil)
		c.must(200, "admin", "PUT", one+"/tags/d", map[string]any{"name": "e"})
		tags := c.must(200, "admin", "GET", one+"/tags?limit=3", nil).object(t)
		if len(tags["tags"].([]any)) != 3 || tags["next"] == nil {
			t.Errorf("tags: %v", tags)
		}
		c.must(409, "admin", "POST", one+"/tags/e", nil)
		c.must(204, "admin", "DELETE", one+"/tags/e", nil)

		c.must(201, "admin", "POST", one+"/resource_types", map[string]any{"name": "OS::Nova::Flavor"})
		c.must(409, "admin", "POST", one+"/resource_types", map[string]any{"name": "OS::Nova::Flavor"})
		c.must(204, "admin", "DELETE", one+"/resource_types/OS::Nova::Flavor", nil)
		c.must(404, "admin", "DELETE", one+"/resource_types/OS::Nova::Flavor", nil)

		c.must(200, "admin", "PUT", one, map[string]any{"namespace": "Our::Space", "visibility": "public", "protected": true})
		c.must(404, "admin", "GET", one, nil)
		c.must(200, "alice", "GET", all+"/Our::Space", nil)
		c.must(403, "alice", "PUT", all+"/Our::Space", map[string]any{"namespace": "Mine"})
		c.must(403, "alice", "DELETE", all+"/Our::Space", nil)
		c.must(403, "admin", "DELETE", all+"/Our::Space", nil)
		c.must(403, "admin", "DELETE", all+"/Our::Space/tags", nil)
		c.must(200, "admin", "PUT", all+"/Our::Space", map[string]any{"namespace": "Our::Space", "protected": false})
		c.must(204, "admin", "DELETE", all+"/Our::Space", nil)
		c.must(404, "admin", "DELETE", all+"/Our::Space", nil)
	})
}
