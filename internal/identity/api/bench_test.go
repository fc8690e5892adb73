package api_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"kumoi/internal/identity"
	"kumoi/internal/identity/identitytest"
	"kumoi/internal/kernel/store"
	"kumoi/internal/kernel/store/storetest"
)

// benchCloud is a cloud with the real cost of password hashes and a user.
func benchCloud(b *testing.B) (c *identitytest.Cloud, userID, project string) {
	b.Helper()
	c = identitytest.New(b, storetest.SQLite(b), func(d *identity.Deps) { d.Config.HashMemory, d.Config.HashTime = 0, 0 })
	admin := c.Admin()
	project = c.Create(admin, "/v3/projects", "project", object{"name": "p"})
	return c, c.Persona(admin, "u", "default", "member", "project", project).UserID, project
}

func login(userID, project string) identity.AuthRequest {
	return identity.AuthRequest{
		Methods: []string{"password"}, Password: &identity.PasswordAuth{User: identity.Ref{ID: userID}, Secret: "pw-u"},
		Scope: identity.ScopeRequest{Project: &identity.Ref{ID: project}},
	}
}

func perSecond(b *testing.B) { b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "ops/s") }

func BenchmarkLoginWarm(b *testing.B) {
	c, user, project := benchCloud(b)
	b.ResetTimer()
	for b.Loop() {
		if _, err := c.Svc.Login(b.Context(), login(user, project)); err != nil {
			b.Fatal(err)
		}
	}
	perSecond(b)
}

func BenchmarkLoginWarmHTTP(b *testing.B) {
	c, user, project := benchCloud(b)
	body := fmt.Sprintf(`{"auth":{"identity":{"methods":["password"],"password":{"user":{"id":%q,"password":"pw-u"}}},"scope":{"project":{"id":%q}}}}`, user, project)
	b.ResetTimer()
	for b.Loop() {
		c.Must(http.StatusCreated, "POST", "/v3/auth/tokens", "", body)
	}
	perSecond(b)
}

func BenchmarkLoginCold(b *testing.B) {
	c := identitytest.New(b, storetest.SQLite(b), func(d *identity.Deps) {
		d.Config.HashMemory, d.Config.HashTime, d.Config.PasswordMemory = 0, 0, -1
	})
	admin := c.Admin()
	project := c.Create(admin, "/v3/projects", "project", object{"name": "p"})
	user := c.Persona(admin, "u", "default", "member", "project", project).UserID
	b.ResetTimer()
	for b.Loop() {
		if _, err := c.Svc.Login(b.Context(), login(user, project)); err != nil {
			b.Fatal(err)
		}
	}
	perSecond(b)
}

// BenchmarkAuthenticate is what every request of every service costs.
func BenchmarkAuthenticate(b *testing.B) {
	c, user, project := benchCloud(b)
	token := c.Login(user, "pw-u", identitytest.Project(project))
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := c.Svc.Authenticate(context.Background(), token, ""); err != nil {
				b.Error(err)
				return
			}
		}
	})
	perSecond(b)
}

// BenchmarkValidate is GET /v3/auth/tokens with the whole gateway around it.
func BenchmarkValidate(b *testing.B) {
	c, user, project := benchCloud(b)
	token := c.Login(user, "pw-u", identitytest.Project(project))
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			r := httptest.NewRequest("GET", "http://cloud.test/identity/v3/auth/tokens", nil)
			r.Header.Set("X-Auth-Token", token)
			r.Header.Set("X-Subject-Token", token)
			w := httptest.NewRecorder()
			c.Handler.ServeHTTP(w, r)
			if w.Code != http.StatusOK {
				b.Error(w.Code)
				return
			}
		}
	})
	perSecond(b)
}

// The size that the measurements at scale use; it takes a while to fill.
const (
	manyUsers       = 100_000
	manyProjects    = 10_000
	manyAssignments = 300_000
)

// fill writes a large cloud straight into the tables.
func fill(b *testing.B, db *store.DB) {
	b.Helper()
	ctx := context.Background()
	pad := func(prefix string, i int) string { return fmt.Sprintf("%s%0*d", prefix, 32-len(prefix), i) }
	insert := func(table string, n int, row func(i int) string) {
		for from := 0; from < n; from += 500 {
			var rows []string
			for i := from; i < min(from+500, n); i++ {
				rows = append(rows, row(i))
			}
			if err := db.Write(ctx, func(tx *store.Tx) error {
				_, err := tx.Exec(ctx, "INSERT INTO "+table+" VALUES "+strings.Join(rows, ", ")+" ON CONFLICT DO NOTHING")
				return err
			}); err != nil {
				b.Fatal(err)
			}
		}
	}
	roles, err := allRoles(ctx, db)
	if err != nil {
		b.Fatal(err)
	}
	insert("identity_project", manyProjects, func(i int) string {
		id := pad("aa", i)
		return fmt.Sprintf("('%s','many-%d','default','default',FALSE,TRUE,'','default/%s/','{}','{}')", id, i, id)
	})
	insert("identity_user", manyUsers, func(i int) string {
		return fmt.Sprintf("('%s','default','many-%d',TRUE,'','local','',0,0,FALSE,0,0,0,0,'{}','{}')", pad("bb", i), i)
	})
	insert("identity_assignment", manyAssignments, func(i int) string {
		return fmt.Sprintf("('user','%s','project','%s','%s',FALSE)", pad("bb", i%manyUsers), pad("aa", (i*7+i/manyUsers)%manyProjects), roles[i%len(roles)])
	})
}

func allRoles(ctx context.Context, db *store.DB) (ids []string, err error) {
	err = db.Read(ctx, func(tx *store.Tx) error {
		ids, err = store.All(ctx, tx, store.Value[string], "SELECT id FROM identity_role WHERE name IN ('member', 'reader')")
		return err
	})
	return ids, err
}

func BenchmarkAtScale(b *testing.B) {
	db := storetest.SQLite(b)
	c := identitytest.New(b, db)
	admin := c.Admin()
	fill(b, db)
	project := c.Create(admin, "/v3/projects", "project", object{"name": "p"})
	user := c.Persona(admin, "u", "default", "member", "project", project).UserID
	token := c.Login(user, "pw-u", identitytest.Project(project))
	some := "bb" + strings.Repeat("0", 28) + "42"
	for name, path := range map[string]string{
		"AssignmentsOfOneUser": "/v3/role_assignments?effective&include_names&user.id=" + some,
		"OnePageOfUsers":       "/v3/users?limit=50&marker=" + some,
		"OnePageOfProjects":    "/v3/projects?limit=50",
		"UserByName":           "/v3/users?name=many-4242&domain_id=default",
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				c.Must(http.StatusOK, "GET", path, admin, nil)
			}
		})
	}
	b.Run("LoginWarm", func(b *testing.B) {
		for b.Loop() {
			if _, err := c.Svc.Login(b.Context(), login(user, project)); err != nil {
				b.Fatal(err)
			}
		}
		perSecond(b)
	})
	b.Run("Authenticate", func(b *testing.B) {
		for b.Loop() {
			if _, err := c.Svc.Authenticate(b.Context(), token, ""); err != nil {
				b.Fatal(err)
			}
		}
		perSecond(b)
	})
}
