package api_test

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
)

func TestListFilters(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, c *cloud) {
		names := map[string]string{}
		add := func(name string, size int, more ...any) {
			id := c.create("alice", append([]any{"name", name}, more...)...)
			names[id] = name
			if size > 0 {
				c.As("alice").Want(204, "PUT", "/v2/images/"+id+"/file", noise(size))
			}
		}
		add("one", 10, "tags", []string{"x", "y"}, "color", "red")
		add("two", 30, "tags", []string{"x"}, "color", "blue", "min_disk", 5)
		add("three, four", 20, "disk_format", "iso", "color", "red")
		add("queued", 0, "protected", true)
		add("hidden", 0, "os_hidden", true)
		list := func(query string) string {
			t.Helper()
			var out []string
			for _, v := range c.As("alice").Want(200, "GET", "/v2/images?"+query, nil).Get("images").([]any) {
				out = append(out, names[v.(map[string]any)["id"].(string)])
			}
			return strings.Join(out, "|")
		}
		for _, tc := range []struct{ query, want string }{
			{"", "queued|three, four|two|one"},
			{"sort=name:asc", "one|queued|three, four|two"},
			{"sort=size:asc", "queued|one|three, four|two"},
			{"sort=disk_format:asc,size:desc", "three, four|two|one|queued"},
			{"sort_key=size&sort_dir=desc", "two|three, four|one|queued"},
			{"sort_key=disk_format&sort_dir=asc&sort_key=name&sort_dir=desc", "three, four|two|queued|one"},
			{"name=one", "one"},
			{"name=in:one,two&sort=name", "two|one"},
			{"name=in:%22three, four%22,one&sort=name:asc", "one|three, four"},
			{"status=queued", "queued"},
			{"status=in:queued,active&limit=1", "queued"},
			{"status=eq:queued", "queued"},
			{"tag=x", "two|one"},
			{"tag=x&tag=y", "one"},
			{"tag=z", ""},
			{"color=red", "three, four|one"},
			{"color=red&tag=x", "one"},
			{"nothing=x", ""},
			{"size_min=20", "three, four|two"},
			{"size_max=20&size_min=1", "three, four|one"},
			{"size=10", "one"},
			{"min_disk=5", "two"},
			{"disk_format=iso", "three, four"},
			{"protected=true", "queued"},
			{"protected=false&size=10", "one"},
			{"os_hidden=true", "hidden"},
			{"created_at=gt:2000-01-01T00:00:00Z&name=one", "one"},
			{"created_at=lt:2000-01-01", ""},
			{"updated_at=neq:2000-01-01T00:00:00&name=one", "one"},
			{"owner=p-alice&name=one", "one"},
			{"owner=p-bob", ""},
			{"limit=0", ""},
			{"id=in:" + strings.Join(slices.Collect(keys(names)), ",") + "&limit=100&sort=name:asc", "one|queued|three, four|two"},
		} {
			if got := list(strings.ReplaceAll(tc.query, " ", "%20")); got != tc.want {
				t.Errorf("?%s: %q, want %q", tc.query, got, tc.want)
			}
		}
		for _, bad := range []string{
			"limit=-1", "limit=x", "marker=nothing", "sort=size:up", "sort=owner", "sort=name&sort_key=size", "sort_key=name&sort_dir=asc&sort_dir=desc",
			"visibility=secret", "member_status=perhaps", "size_min=big", "os_hidden=perhaps", "protected=x", "created_at=gt:yesterday",
			"name=in:%22open", "name=gt:x", "changes-since=2000-01-01", "created_at=in:2000-01-01", "name=%00", "x%00=y",
		} {
			c.As("alice").Want(400, "GET", "/v2/images?"+bad, nil)
		}
	})
}

func keys(m map[string]string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// Pages follow each other without a gap or a repetition, whatever the order.
func TestPages(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, c *cloud) {
		const n = 23
		for i := range n {
			id := c.create("alice", "name", fmt.Sprintf("n%d", i%4))
			if i%3 == 0 {
				c.As("alice").Want(204, "PUT", "/v2/images/"+id+"/file", noise(1+i%5))
			}
		}
		for _, sort := range []string{"", "sort=name:asc", "sort=name:desc,size:asc", "sort=size:desc", "sort=status:asc,updated_at:desc", "sort=id:asc"} {
			seen := map[string]bool{}
			next := "/v2/images?limit=4&" + sort
			for pages := 0; next != "" && pages < 20; pages++ {
				body := c.As("alice").Want(200, "GET", next, nil).Object()
				for _, v := range body["images"].([]any) {
					id := v.(map[string]any)["id"].(string)
					if seen[id] {
						t.Errorf("%s: %s comes twice", sort, id)
					}
					seen[id] = true
				}
				next, _ = body["next"].(string)
				if next != "" {
					if u, err := url.Parse(next); err != nil || u.Query().Get("limit") != "4" {
						t.Errorf("next: %s", next)
					}
				}
			}
			if len(seen) != n {
				t.Errorf("%s: %d of %d images in all pages", sort, len(seen), n)
			}
		}
	})
}
