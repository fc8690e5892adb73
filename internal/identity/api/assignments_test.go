package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"testing"

	"kumoi/internal/identity"
	"kumoi/internal/identity/identitytest"
	"kumoi/internal/identity/sqlstore"
	"kumoi/internal/kernel/store"
	"kumoi/internal/kernel/store/storetest"
)

// pages follows a list's links to its end and returns what they showed.
func pages(t *testing.T, c *identitytest.Cloud, token, path string, limit int) []any {
	t.Helper()
	var out []any
	next := fmt.Sprintf("%s&limit=%d", path, limit)
	for range 1000 {
		a := c.Must(http.StatusOK, "GET", next, token, nil)
		rows, _ := a.Get("role_assignments").([]any)
		if len(rows) > limit {
			t.Fatalf("%s: %d rows", next, len(rows))
		}
		out = append(out, rows...)
		link := a.Text("links", "next")
		if link == "" {
			return out
		}
		u, err := url.Parse(link)
		if err != nil {
			t.Fatal(err)
		}
		next = strings.TrimPrefix(u.Path, "/identity") + "?" + u.RawQuery
	}
	t.Fatalf("%s has no end", path)
	return nil
}

// Pages of role assignments, one after the other, are the whole list.
func TestAssignmentPages(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := identitytest.New(t, db)
		admin := c.Admin()
		member, reader := c.Role(admin, "member"), c.Role(admin, "reader")
		domain := c.Create(admin, "/v3/domains", "domain", object{"name": "d"})
		var projects, users, groups []string
		for i := range 3 {
			parent := domain
			if i > 0 {
				parent = projects[i-1]
			}
			projects = append(projects, c.Create(admin, "/v3/projects", "project", object{"name": fmt.Sprint("p", i), "domain_id": domain, "parent_id": parent}))
			groups = append(groups, c.Create(admin, "/v3/groups", "group", object{"name": fmt.Sprint("g", i), "domain_id": domain}))
		}
		give := func(path string) {
			t.Helper()
			c.Must(http.StatusNoContent, "PUT", path, admin, nil)
		}
		for i := range 5 {
			u := c.Create(admin, "/v3/users", "user", object{"name": fmt.Sprint("u", i), "domain_id": domain})
			users = append(users, u)
			give("/v3/projects/" + projects[i%3] + "/users/" + u + "/roles/" + member)
			give("/v3/groups/" + groups[i%2] + "/users/" + u)
		}
		give("/v3/domains/" + domain + "/groups/" + groups[0] + "/roles/" + reader)
		give("/v3/OS-INHERIT/domains/" + domain + "/groups/" + groups[0] + "/roles/" + member + "/inherited_to_projects")
		give("/v3/OS-INHERIT/projects/" + projects[0] + "/users/" + users[1] + "/roles/" + member + "/inherited_to_projects")
		give("/v3/projects/" + projects[2] + "/groups/" + groups[1] + "/roles/" + reader)
		manager := c.Persona(admin, "dm", domain, "manager", "domain", domain)
		for _, q := range []struct {
			token, query string
			least        int
		}{
			{admin, "", 10},
			{admin, "include_names", 10},
			{admin, "effective", 20},
			{admin, "effective&include_names", 20},
			{admin, "effective&user.id=" + users[0], 3},
			{admin, "effective&role.id=" + reader, 5},
			{admin, "effective&scope.project.id=" + projects[1], 4},
			{admin, "scope.project.id=" + projects[0], 2},
			{admin, "scope.project.id=" + projects[0] + "&include_subtree", 5},
			{admin, "effective&scope.project.id=" + projects[0] + "&include_subtree", 8},
			{admin, "scope.OS-INHERIT:inherited_to=projects", 2},
			{admin, "effective&scope.OS-INHERIT:inherited_to=projects", 5},
			{admin, "role.id=" + member, 5},
			{manager.Token, "", 9},
			{manager.Token, "effective", 15},
		} {
			path := "/v3/role_assignments?" + q.query
			whole, _ := c.Must(http.StatusOK, "GET", path, q.token, nil).Get("role_assignments").([]any)
			if len(whole) < q.least {
				t.Errorf("%s: %d rows, want at least %d", path, len(whole), q.least)
			}
			want, _ := json.Marshal(whole)
			for _, limit := range []int{1, 2, 3, 7, 1000} {
				got, _ := json.Marshal(pages(t, c, q.token, path, limit))
				if string(got) != string(want) {
					t.Errorf("%s in pages of %d:\n got %s\nwant %s", path, limit, got, want)
				}
			}
		}
		for _, bad := range []string{"marker=x", "marker=" + users[0], "limit=-1", "limit=x"} {
			c.Must(http.StatusBadRequest, "GET", "/v3/role_assignments?"+bad, admin, nil)
		}
	})
}

// A page must cost the same however large the cloud is.
func TestPagesDoNotGrow(t *testing.T) {
	c := identitytest.New(t, storetest.SQLite(t))
	admin := c.Admin()
	project := c.Create(admin, "/v3/projects", "project", object{"name": "p"})
	group := c.Create(admin, "/v3/groups", "group", object{"name": "g"})
	member := c.Role(admin, "member")
	from := 0
	grow := func(to int) {
		t.Helper()
		tables := sqlstore.New()
		err := c.DB.Write(t.Context(), func(tx *store.Tx) error {
			for ; from < to; from++ {
				if err := oneMore(t.Context(), tx, tables, from, project, group, member); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	paths := []string{
		"/v3/users?limit=20", "/v3/users?limit=20&domain_id=default", "/v3/projects?limit=20", "/v3/groups?limit=20", "/v3/domains?limit=20",
		"/v3/groups/" + group + "/users?limit=20", "/v3/credentials?limit=20",
		"/v3/role_assignments?limit=20", "/v3/role_assignments?limit=20&include_names", "/v3/role_assignments?limit=20&effective&include_names",
		"/v3/role_assignments?limit=20&role.id=" + member, "/v3/role_assignments?limit=20&scope.project.id=" + project,
		"/v3/role_assignments?limit=20&effective&scope.project.id=" + project,
	}
	cost := func(path string) uint64 {
		c.Must(http.StatusOK, "GET", path, admin, nil) // first times fill caches
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		c.Must(http.StatusOK, "GET", path, admin, nil)
		runtime.ReadMemStats(&after)
		return after.TotalAlloc - before.TotalAlloc
	}
	grow(100)
	small := map[string]uint64{}
	for _, p := range paths {
		small[p] = cost(p)
	}
	grow(3000)
	for _, p := range paths {
		if large := cost(p); large > 2*small[p]+64<<10 {
			t.Errorf("%s allocated %d bytes in a small cloud, %d in a large one", p, small[p], large)
		}
	}
}

// oneMore adds a user, a project, a group and assignments to the tables.
func oneMore(ctx context.Context, tx *store.Tx, tables identity.Store, i int, project, group, role string) error {
	id := func(kind string) string { return fmt.Sprintf("%s%030d", kind, i) }
	if err := tables.Users.Insert(ctx, tx, &identity.User{ID: id("aa"), DomainID: "default", Name: id("u"), Enabled: true, Kind: "local"}); err != nil {
		return err
	}
	if err := tables.Projects.Insert(ctx, tx, &identity.Project{
		ID: id("bb"), DomainID: "default", ParentID: "default", Name: id("p"), Enabled: true, Path: "default/" + id("bb") + "/",
	}); err != nil {
		return err
	}
	if err := tables.Groups.Insert(ctx, tx, &identity.Group{ID: id("cc"), DomainID: "default", Name: id("g")}); err != nil {
		return err
	}
	if err := tables.Groups.AddMember(ctx, tx, id("aa"), group); err != nil {
		return err
	}
	for _, target := range []string{project, id("bb")} {
		if err := tables.Assignments.Add(ctx, tx, identity.Assignment{
			ActorKind: identity.UserActor, ActorID: id("aa"), TargetKind: identity.ProjectTarget, TargetID: target, RoleID: role,
		}); err != nil {
			return err
		}
	}
	return nil
}
