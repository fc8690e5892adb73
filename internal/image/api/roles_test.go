package api_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"kumoi/internal/image/api"
	"kumoi/internal/kernel/store/storetest"
)

// TestRoles asks every route as everybody and compares who gets through. A
// route that is not in the table, or a line without a route, fails.
//
// A line says who is let through: A an administrator, M a member or a manager
// of the project that owns, R a reader of it, N somebody there without either
// role, O a member of another project, S a service, T an administrator whose
// token is for the system or a domain, V others with such a token. Without a
// token, or with one that nobody gave, everybody is refused.
func TestRoles(t *testing.T) {
	t.Parallel()
	const table = `
GET /v2/images AMRO
POST /v2/images AMO
GET /v2/images/{image_id} AMR
PATCH /v2/images/{image_id} AM
DELETE /v2/images/{image_id} AM
POST /v2/images/{image_id}/actions/deactivate AM
POST /v2/images/{image_id}/actions/reactivate AM
PUT /v2/images/{image_id}/tags/{tag} AM
DELETE /v2/images/{image_id}/tags/{tag} AM
PUT /v2/images/{image_id}/file AM
GET /v2/images/{image_id}/file AM
PUT /v2/images/{image_id}/stage AM
POST /v2/images/{image_id}/import AM
GET /v2/images/{image_id}/tasks AMR
GET /v2/images/{image_id}/members AMR
POST /v2/images/{image_id}/members AM
GET /v2/images/{image_id}/members/{member_id} AMR
PUT /v2/images/{image_id}/members/{member_id} A
DELETE /v2/images/{image_id}/members/{member_id} AM
POST /v2/images/{image_id}/locations AM
GET /v2/images/{image_id}/locations A
DELETE /v2/stores/{store_id}/{image_id} A
GET /v2/info/import AMRNOSTV
GET /v2/info/stores AMRNOSTV
GET /v2/info/stores/detail AS
GET /v2/info/usage AMRNOSTV
GET /v2/tasks A
POST /v2/tasks A
GET /v2/tasks/{task_id} A
DELETE /v2/tasks/{task_id} A
GET /v2/cache A
DELETE /v2/cache A
PUT /v2/cache/{image_id} A
DELETE /v2/cache/{image_id} A
GET /v2/cache/nodes/{image_id} A
POST /v2/cache/clean A
POST /v2/cache/prune A
GET /v2/cached_images A
DELETE /v2/cached_images A
DELETE /v2/cached_images/{image_id} A
GET /v2/queued_images A
PUT /v2/queued_images/{image_id} A
DELETE /v2/queued_images A
DELETE /v2/queued_images/{image_id} A
GET /v2/metadefs/namespaces AMRO
POST /v2/metadefs/namespaces AT
GET /v2/metadefs/namespaces/{namespace_name} AMR
PUT /v2/metadefs/namespaces/{namespace_name} AT
DELETE /v2/metadefs/namespaces/{namespace_name} AT
GET /v2/metadefs/namespaces/{namespace_name}/objects AMR
POST /v2/metadefs/namespaces/{namespace_name}/objects AT
DELETE /v2/metadefs/namespaces/{namespace_name}/objects AT
GET /v2/metadefs/namespaces/{namespace_name}/objects/{object_name} AMR
PUT /v2/metadefs/namespaces/{namespace_name}/objects/{object_name} AT
DELETE /v2/metadefs/namespaces/{namespace_name}/objects/{object_name} AT
GET /v2/metadefs/namespaces/{namespace_name}/properties AMR
POST /v2/metadefs/namespaces/{namespace_name}/properties AT
DELETE /v2/metadefs/namespaces/{namespace_name}/properties AT
GET /v2/metadefs/namespaces/{namespace_name}/properties/{property_name} AMR
PUT /v2/metadefs/namespaces/{namespace_name}/properties/{property_name} AT
DELETE /v2/metadefs/namespaces/{namespace_name}/properties/{property_name} AT
GET /v2/metadefs/namespaces/{namespace_name}/tags AMR
POST /v2/metadefs/namespaces/{namespace_name}/tags AT
DELETE /v2/metadefs/namespaces/{namespace_name}/tags AT
GET /v2/metadefs/namespaces/{namespace_name}/tags/{tag_name} AMR
POST /v2/metadefs/namespaces/{namespace_name}/tags/{tag_name} AT
PUT /v2/metadefs/namespaces/{namespace_name}/tags/{tag_name} AT
DELETE /v2/metadefs/namespaces/{namespace_name}/tags/{tag_name} AT
GET /v2/metadefs/namespaces/{namespace_name}/resource_types AMR
POST /v2/metadefs/namespaces/{namespace_name}/resource_types AT
DELETE /v2/metadefs/namespaces/{namespace_name}/resource_types/{resource_type} AT
GET /v2/metadefs/resource_types AMRO`
	c := newCloud(t, storetest.SQLite(t))
	want := map[string]string{}
	for line := range strings.SplitSeq(strings.TrimSpace(table), "\n") {
		f := strings.Fields(line)
		want[f[0]+" "+f[1]] = f[2]
	}
	// The namespace is private and alice's project's.
	namespace := map[string]any{"namespace": "ns", "owner": "p-alice", "visibility": "private"}
	people := []struct{ letter, token string }{
		{"R", "reader"},
		{"N", "none"},
		{"O", "bob"},
		{"S", "service"},
		{"T", "system-admin"},
		{"T", "domain-admin"},
		{"V", "system-reader"},
		{"V", "domain-member"},
		{"M", "manager"},
		{"M", "alice"},
		{"A", "admin"},
	}
	for _, r := range api.New(c.svc).Routes {
		key := r.Method + " " + r.Path
		if r.Public {
			if !slices.Contains([]string{"GET /", "GET /versions", "GET /healthcheck"}, key) {
				t.Errorf("%s is open to everybody", key)
			}
			continue
		}
		allowed, known := want[key]
		if strings.HasPrefix(key, "GET /v2/schemas/") {
			allowed, known = "AMRNOSTV", true
		}
		if !known {
			t.Errorf("%s is not in the table of roles", key)
			continue
		}
		delete(want, key)
		for _, token := range []string{"", "forged"} {
			if a := c.As(token).Do(r.Method, replace(r.Path, "x"), nil); a.Status != 401 {
				t.Errorf("%s with the token %q: %d", key, token, a.Status)
			}
		}
		for _, p := range people {
			c.As("admin").Do("POST", "/v2/metadefs/namespaces", namespace)
			id := c.create("alice")
			c.As("alice").Want(200, "POST", "/v2/images/"+id+"/members", map[string]any{"member": "p-third"})
			headers := []string{}
			var body any = map[string]any{}
			switch {
			case r.Method == "PATCH":
				body = `[{"op":"add","path":"/x","value":"y"}]`
				headers = []string{"Content-Type", "application/openstack-images-v2.1-json-patch"}
			case strings.HasSuffix(r.Path, "/file") || strings.HasSuffix(r.Path, "/stage"):
				body = noise(10)
			case strings.HasSuffix(r.Path, "/import"):
				body = map[string]any{"method": map[string]any{"name": "web-download", "uri": "http://203.0.113.1/"}}
			case strings.HasSuffix(r.Path, "/members"):
				body = map[string]any{"member": "p-new"}
			case strings.HasSuffix(r.Path, "{member_id}"):
				body = map[string]any{"status": "accepted"}
			case strings.HasSuffix(r.Path, "/locations"):
				body = map[string]any{"url": "http://x/"}
			case strings.HasSuffix(r.Path, "/namespaces"):
				body = map[string]any{"namespace": "new-" + p.token}
			case strings.HasSuffix(r.Path, "{namespace_name}"):
				body = namespace
			case strings.HasSuffix(r.Path, "/tags"):
				body = map[string]any{"tags": []any{}}
			case strings.Contains(r.Path, "/namespaces/"):
				body = map[string]any{"name": "n"}
				if strings.Contains(r.Path, "/properties") {
					body = map[string]any{"name": "n", "title": "N", "type": "string"}
				}
			case r.Path == "/v2/tasks":
				body = map[string]any{"type": "import", "input": map[string]any{"import_from": "x"}}
			}
			if r.Method == http.MethodGet {
				body = nil
			}
			a := c.As(p.token).Do(r.Method, replace(r.Path, id), body, headers...)
			// Whoever is let through may still have asked for nonsense; only a
			// refusal because of who he is counts.
			refused := a.Status == 403 && strings.Contains(string(a.Raw), "You are not authorized") ||
				a.Status == 404 && hidden(string(a.Raw), p.letter)
			if got, ok := !refused, strings.Contains(allowed, p.letter); got != ok {
				t.Errorf("%s as %s: let through is %v, want %v: %d %s", key, p.token, got, ok, a.Status, a.Raw)
			}
			if a.Status >= 500 {
				t.Errorf("%s as %s: %d", key, p.token, a.Status)
			}
		}
	}
	for key := range want {
		t.Errorf("%s is in the table of roles but not served", key)
	}
}

// hidden tells whether a 404 hides something that is there.
func hidden(body, letter string) bool {
	return strings.Contains(body, "No image found with ID") || strings.Contains(body, "namespace ns not found") ||
		letter != "A" && letter != "M" && strings.Contains(body, "member list")
}

func replace(path, id string) string {
	for _, p := range [][2]string{
		{"{image_id}", id},
		{"{tag}", "blue"},
		{"{member_id}", "p-third"},
		{"{store_id}", "file"},
		{"{task_id}", "none"},
		{"{namespace_name}", "ns"},
		{"{object_name}", "none"},
		{"{property_name}", "none"},
		{"{tag_name}", "none"},
		{"{resource_type}", "none"},
	} {
		path = strings.ReplaceAll(path, p[0], p[1])
	}
	if strings.Contains(path, "{") {
		panic(fmt.Sprintf("no value for %s", path))
	}
	return path
}
