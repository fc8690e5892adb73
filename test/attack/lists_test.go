package attack

import (
	"net/url"
	"slices"
	"strings"
	"testing"
)

// TestLists asks every list as every stranger, with every filter that might widen it.
func TestLists(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	v := w.victim
	var filters []string
	for _, f := range []string{
		"all_tenants=1", "all_tenants=True", "all_projects=true", "project_id=$that.project", "tenant_id=$that.project", "owner=$that.project", "user_id=$that.user",
		"domain_id=$that.domain", "name=$mark-net", "name=$mark-server", "name=$mark-image", "status=ACTIVE", "visibility=all", "member_status=all", "deleted=True",
		"device_id=$that.server", "network_id=$that.network", "id=$that.network", "shared=False", "host=testhost", "flavor=$flavor", "image=$that.image",
		"marker=$that.server", "marker=$that.network", "fields=name&fields=tenant_id", "sort_key=project_id", "user.id=$that.user", "scope.project.id=$that.project",
		"is_public=None", "os_hidden=true", "trustor_user_id=$that.user", "ip_address=10.9.0.2", "tags=red", "not-tags=red", "detailed=1",
	} {
		filters = append(filters, w.fill(f, v, v))
	}
	trials := 0
	for _, r := range w.routes {
		if r.method != "GET" || strings.Contains(r.path, "{") || r.service == "console" {
			continue
		}
		for _, who := range w.people {
			if who.inside || who.token == "" {
				continue
			}
			c := w.http.As(who.token).At(r.version)
			ask := append([]string{""}, filters...)
			if strings.HasPrefix(who.name, "a stranger's") {
				ask = ask[:5] // a delegation has no more rights than its owner: the common ones do
			}
			for _, f := range ask {
				trials++
				a := c.Do("GET", "/"+r.service+r.path+"?"+f, nil)
				told := string(a.Raw)
				if u, err := url.QueryUnescape(f); err == nil && f != "" {
					told = strings.ReplaceAll(strings.ReplaceAll(told, f, ""), u, "") // links repeat the question
					_, value, _ := strings.Cut(u, "=")
					told = strings.ReplaceAll(told, value, "")
				}
				switch {
				case a.Status >= 500:
					t.Errorf("%s?%s as %s: %d %.200s", r, f, who.name, a.Status, a.Raw)
				case strings.Contains(told, v.mark), slices.ContainsFunc([]string{"server", "network", "port", "image", "credential", "trust"}, func(n string) bool {
					return strings.Contains(told, v.ids[n])
				}):
					if !w.known(r.String(), who.name) {
						t.Errorf("%s?%s as %s tells of the victim: %.300s", r, f, who.name, a.Raw)
					}
				}
			}
		}
	}
	w.stale(byPersona(false))
	t.Logf("%d trials", trials)
}
