package api_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"kumoi/internal/image"
)

// names are one field of the objects of a list.
func (c *cloud) names(who, path, list, field string) string {
	c.t.Helper()
	var out []string
	for _, v := range c.As(who).Want(200, "GET", path, nil).Get(list).([]any) {
		out = append(out, fmt.Sprint(v.(map[string]any)[field]))
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

// Every parameter of the lists that are not of images narrows them, is refused
// if it makes no sense, and counts for nothing if it is empty.
func TestOtherFilters(t *testing.T) {
	t.Parallel()
	web := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(web.Close)
	each(t, func(t *testing.T, c *cloud) {
		const all = "/v2/metadefs/namespaces"
		for _, n := range []map[string]any{
			{"namespace": "A", "visibility": "public", "owner": "p-alice", "resource_type_associations": []any{map[string]any{"name": "T1"}, map[string]any{"name": "T2"}}},
			{"namespace": "B", "visibility": "private", "owner": "p-alice", "resource_type_associations": []any{map[string]any{"name": "T2"}}},
			{"namespace": "C", "owner": "p-bob", "resource_type_associations": []any{map[string]any{"name": "T3", "prefix": "p_", "properties_target": "image"}}},
		} {
			c.As("admin").Want(201, "POST", all, n)
		}
		for _, tc := range []struct{ who, query, want string }{
			{"admin", "resource_types=T1", "A"},
			{"admin", "resource_types=T2", "A B"},
			{"admin", "resource_types=T1,T3", "A C"},
			{"admin", "resource_types=T4", ""},
			{"admin", "resource_types=&owner=p-alice", "A B"},
			{"admin", "owner=p-bob", "C"},
			{"admin", "owner=nobody", ""},
			{"admin", "visibility=private", "B C"},
			{"admin", "visibility=public&owner=p-alice", "A"},
			{"admin", "visibility=&owner=p-alice", "A B"},
			{"alice", "owner=p-alice", "A B"},
			{"alice", "owner=p-bob", ""},
			{"bob", "visibility=private", "C"},
			{"bob", "owner=p-alice", "A"},
		} {
			if got := c.names(tc.who, all+"?limit=1000&"+tc.query, "namespaces", "namespace"); got != tc.want {
				t.Errorf("%s lists ?%s: %q, want %q", tc.who, tc.query, got, tc.want)
			}
		}
		for _, bad := range []string{"visibility=shared", "visibility=x", "sort_key=name", "sort_key=namespace&sort_dir=up", "limit=x", "limit=-1"} {
			c.As("admin").Want(400, "GET", all+"?"+bad, nil)
		}
		for marker, status := range map[string]int{"A": 200, "B": 404, "nothing": 404} {
			c.As("bob").Want(status, "GET", all+"?marker="+marker, nil)
		}
		if got := c.names("admin", "/v2/metadefs/resource_types", "resource_types", "name"); !strings.Contains(got, "T1 T2 T3") {
			t.Errorf("types: %s", got)
		}
		for n, want := range map[string]string{"A": "T1 T2", "B": "T2", "C": "T3"} {
			if got := c.names("admin", all+"/"+n+"/resource_types", "resource_type_associations", "name"); got != want {
				t.Errorf("types of %s: %q", n, got)
			}
		}
		of := c.As("admin").Want(200, "GET", all+"/C/resource_types", nil)
		of.Same("resource_type_associations.0.prefix", `"p_"`)
		of.Same("resource_type_associations.0.properties_target", `"image"`)

		body := func(from string) map[string]any {
			return map[string]any{"type": "import", "input": map[string]any{"import_from": from, "image_properties": map[string]any{"container_format": "bare"}, "import_from_format": "raw"}}
		}
		c.As("admin").Want(201, "POST", "/v2/tasks", body(web.URL))
		id := c.create("alice")
		c.importBy(202, "alice", id, "web-download", map[string]any{"uri": web.URL})
		c.settle()
		for query, want := range map[string]string{
			"": "api_image_import import", "type=import": "import", "type=api_image_import": "api_image_import", "type=x": "", "type=": "api_image_import import",
			"status=failure": "api_image_import import", "status=success": "", "owner=p-alice": "api_image_import", "owner=p-admin": "import", "owner=&type=import": "import",
		} {
			if got := c.names("admin", "/v2/tasks?"+query, "tasks", "type"); got != want {
				t.Errorf("tasks ?%s: %q, want %q", query, got, want)
			}
		}
		c.As("admin").Want(400, "GET", "/v2/tasks?sort_key=owner", nil)
		c.As("admin").Want(400, "GET", "/v2/tasks?marker=nothing", nil)
		c.As("admin").Want(404, "GET", "/v2/tasks/nothing", nil)
		c.As("admin").Want(404, "DELETE", "/v2/tasks/nothing", nil)
		for _, bad := range []any{
			map[string]any{},
			map[string]any{"type": "import"},
			map[string]any{"type": "export", "input": body(web.URL)["input"]},
			map[string]any{"type": 1, "input": map[string]any{}},
			map[string]any{"type": "import", "input": map[string]any{"image_properties": map[string]any{}}},
			map[string]any{"type": "import", "input": map[string]any{"import_from": web.URL}},
			body("file:///etc/passwd"),
			map[string]any{"type": "import", "input": map[string]any{"import_from": web.URL, "image_properties": map[string]any{"min_disk": "x"}}},
		} {
			c.As("admin").Want(400, "POST", "/v2/tasks", bad)
		}
		// What a task says of its image goes before what it says of the source.
		with := body(web.URL)
		with["input"].(map[string]any)["image_properties"].(map[string]any)["disk_format"] = "iso"
		task := c.As("admin").Want(201, "POST", "/v2/tasks", with)
		c.settle()
		shown := c.As("admin").Want(200, "GET", "/v2/tasks/"+task.Text("id"), nil)
		if img := c.show("admin", shown.Text("image_id")); img["disk_format"] != "iso" || img["status"] != "queued" || shown.Object()["expires_at"] == nil {
			t.Errorf("image of a task: %v, %s", img, shown.Raw)
		}
	}, func(d *image.Deps) { d.Config.WebAllow = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} })
}

// Definitions with all that they may have come back as they were given.
func TestMetadefRoundTrip(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, c *cloud) {
		const one = "/v2/metadefs/namespaces/N"
		admin := c.As("admin")
		for field, most := range map[string]int{"display_name": 80, "description": 500, "owner": 255} {
			for n, status := range map[int]int{most: 201, most + 1: 400} {
				admin.Want(status, "POST", "/v2/metadefs/namespaces", map[string]any{"namespace": fmt.Sprintf("%s-%d", field, n), field: strings.Repeat("é", n)})
			}
		}
		for _, bad := range []map[string]any{
			{"resource_type_associations": []any{map[string]any{"name": ""}}},
			{"resource_type_associations": []any{map[string]any{"name": "T", "prefix": strings.Repeat("x", 81)}}},
			{"resource_type_associations": []any{map[string]any{"name": "T", "properties_target": strings.Repeat("x", 81)}}},
			{"objects": []any{map[string]any{"name": "o", "properties": map[string]any{"p": 1}}}},
			{"objects": []any{map[string]any{"name": "o", "properties": map[string]any{"p": map[string]any{"title": "P"}}}}},
			{"properties": map[string]any{strings.Repeat("x", 81): map[string]any{"title": "P", "type": "string"}}},
		} {
			bad["namespace"] = "N"
			admin.Want(400, "POST", "/v2/metadefs/namespaces", bad)
		}
		made := admin.Want(201, "POST", "/v2/metadefs/namespaces", map[string]any{
			"namespace": "N", "display_name": "Name", "description": "What it is", "visibility": "public", "protected": true, "owner": "p-alice",
			"resource_type_associations": []any{map[string]any{"name": "T", "prefix": "t_", "properties_target": "x"}, map[string]any{"name": "U"}},
		})
		if at := made.Header.Get("Location"); !strings.HasSuffix(at, one) {
			t.Errorf("it is at %s", at)
		}
		for key, want := range map[string]any{"display_name": "Name", "description": "What it is", "visibility": "public", "protected": true, "owner": "p-alice", "self": one, "schema": "/v2/schemas/metadefs/namespace"} {
			if got := admin.Want(200, "GET", one, nil).Get(key); got != want {
				t.Errorf("%s: %v, want %v", key, got, want)
			}
		}
		// Every word of a property's schema, and values of another type.
		good := map[string]any{
			"title": "P", "type": "string", "description": "d", "operators": []any{"<in>"}, "required": []any{"x"}, "minimum": 1.0, "maximum": 2.5, "maxLength": 3.0,
			"minLength": 0.0, "pattern": "^x$", "enum": []any{"x", 1.0, nil}, "readonly": true, "default": nil, "items": map[string]any{"type": "string"},
			"maxItems": 4.0, "minItems": 0.0, "uniqueItems": true, "additionalItems": false,
		}
		for _, kind := range []string{"array", "boolean", "integer", "number", "object", "string"} {
			good["type"], good["name"] = kind, kind
			admin.Want(201, "POST", one+"/properties", good)
			shown := admin.Want(200, "GET", one+"/properties/"+kind, nil).Object()
			for key, want := range good {
				if fmt.Sprint(shown[key]) != fmt.Sprint(want) {
					t.Errorf("%s: %s comes back as %v, want %v", kind, key, shown[key], want)
				}
			}
		}
		for key := range good {
			if key == "default" {
				continue
			}
			bad := map[string]any{}
			for k, v := range good {
				bad[k] = v
			}
			bad["name"], bad[key] = "bad", []any{[]any{}}[0]
			if slices.Contains([]string{"operators", "required", "enum"}, key) {
				bad[key] = "x"
			}
			admin.Want(400, "POST", one+"/properties", bad)
			if bad[key] = nil; key != "name" {
				admin.Want(400, "POST", one+"/properties", bad)
			}
		}
		if got := len(admin.Want(200, "GET", one+"/properties", nil).Get("properties").(map[string]any)); got != 6 {
			t.Errorf("%d properties", got)
		}
		// A type's names of properties are those with its prefix.
		for name, status := range map[string]int{"string?resource_type=U": 200, "string?resource_type=none": 200, "t_string?resource_type=T": 200, "string?resource_type=T": 404, "t_string": 404} {
			a := admin.Want(status, "GET", one+"/properties/"+name, nil)
			if want, _, _ := strings.Cut(name, "?"); status == 200 && a.Text("name") != want {
				t.Errorf("%s has the name %s", name, a.Text("name"))
			}
		}
		if p := admin.Want(200, "GET", one+"?resource_type=T", nil).Get("properties").(map[string]any); p["t_string"] == nil || p["string"] != nil {
			t.Errorf("for T: %v", p)
		}

		object := map[string]any{"name": "o", "description": "d", "required": []any{"q"}, "properties": map[string]any{"q": map[string]any{"title": "Q", "type": "string"}}}
		admin.Want(201, "POST", one+"/objects", object)
		admin.Want(409, "POST", one+"/objects", object)
		admin.Want(200, "PUT", one+"/objects/o", object) // its own name is not taken by another
		for _, path := range []string{one + "/objects/o", one + "/objects"} {
			shown := admin.Want(200, "GET", path, nil).Object()
			if list, ok := shown["objects"].([]any); ok {
				shown = list[0].(map[string]any)
			}
			if fmt.Sprint(shown["required"], shown["properties"]) != "[q] map[q:map[title:Q type:string]]" || shown["description"] != "d" || shown["self"] != one+"/objects/o" {
				t.Errorf("%s: %v", path, shown)
			}
		}
		admin.Want(201, "POST", one+"/objects", map[string]any{"name": "bare"})
		if shown := admin.Want(200, "GET", one+"/objects/bare", nil).Object(); fmt.Sprint(shown["required"], shown["properties"]) != "[] map[]" {
			t.Errorf("a bare object: %v", shown)
		}

		tags := func(status int, names string, headers ...string) {
			t.Helper()
			var list []any
			for _, n := range strings.Fields(names) {
				list = append(list, map[string]any{"name": n})
			}
			admin.Want(status, "POST", one+"/tags", map[string]any{"tags": list}, headers...)
		}
		have := func() string { return c.names("admin", one+"/tags", "tags", "name") }
		tags(201, "a b")
		tags(409, "c c")
		tags(400, strings.Repeat("x", 81))
		tags(409, "b", "X-Openstack-Append", "True")
		tags(201, "c", "X-Openstack-Append", "true")
		if got := have(); got != "a b c" {
			t.Errorf("tags: %s", got)
		}
		tags(201, "d", "X-Openstack-Append", "False")
		if got := have(); got != "d" {
			t.Errorf("tags: %s", got)
		}
		admin.Want(201, "POST", one+"/tags/e", nil)
		admin.Want(409, "PUT", one+"/tags/e", map[string]any{"name": "d"})
		admin.Want(200, "PUT", one+"/tags/e", map[string]any{"name": "e"})
		admin.Want(404, "GET", one+"/tags/none", nil)
		admin.Want(404, "PUT", one+"/tags/none", map[string]any{"name": "f"})
		admin.Want(404, "GET", one+"/tags?marker=none", nil)
		if got := c.names("admin", one+"/tags?marker=d", "tags", "name"); got != "e" {
			t.Errorf("tags behind d: %s", got)
		}

		// What protects a namespace protects all that is in it, until it does not.
		parts := []string{"/tags/e", "/tags", "/objects/o", "/objects", "/properties/string", "/properties", "/resource_types/U", ""}
		for _, part := range parts {
			admin.Want(403, "DELETE", one+part, nil)
		}
		admin.Want(200, "PUT", one, map[string]any{"namespace": "N", "protected": false, "visibility": "public"})
		if n := admin.Want(200, "GET", one, nil).Object(); n["owner"] != "p-admin" || n["display_name"] != nil || len(n["tags"].([]any)) != 2 {
			t.Errorf("after a change: %v", n)
		}
		admin.Want(409, "PUT", one, map[string]any{"namespace": "OS::Compute::CPUPinning"})
		for _, part := range parts {
			c.As("alice").Want(403, "DELETE", one+part, nil)
			admin.Want(204, "DELETE", one+part, nil)
		}
		admin.Want(404, "GET", one, nil)
	})
}
