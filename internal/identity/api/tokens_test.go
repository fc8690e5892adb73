package api_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"kumoi/internal/identity"
	"kumoi/internal/identity/identitytest"
	"kumoi/internal/kernel/store"
	"kumoi/internal/kernel/store/storetest"
	"kumoi/internal/kernel/waittest"
)

type object = map[string]any

// each runs f against a fresh identity service on each database, and on one that fails
// every request at each of its statements.
func each(t *testing.T, f func(t *testing.T, c *identitytest.Cloud), configure ...func(d *identity.Deps)) {
	t.Helper()
	eachSound(t, f, configure...)
	t.Run("failing", func(t *testing.T) {
		c := identitytest.New(t, storetest.SQLite(t), configure...)
		c.Failing = true
		f(t, c)
	})
}

// eachSound is each without a failing database, for what counts attempts: one that
// fails half-way counts.
func eachSound(t *testing.T, f func(t *testing.T, c *identitytest.Cloud), configure ...func(d *identity.Deps)) {
	t.Helper()
	storetest.Each(t, func(t *testing.T, db *store.DB) { f(t, identitytest.New(t, db, configure...)) })
}

func TestLoginAndValidate(t *testing.T) {
	each(t, func(t *testing.T, c *identitytest.Cloud) {
		admin := c.Admin()
		a := c.Must(http.StatusOK, "GET", "/v3/auth/tokens", admin, nil, "X-Subject-Token", admin)
		if a.Text("token", "user", "name") != "admin" || a.Text("token", "project", "name") != "admin" {
			t.Errorf("token %s", a.Raw)
		}
		var roles []string
		for _, r := range a.Get("token", "roles").([]any) {
			roles = append(roles, r.(object)["name"].(string))
		}
		for _, want := range []string{"admin", "manager", "member", "reader"} {
			if !strings.Contains(strings.Join(roles, " "), want) {
				t.Errorf("roles %v lack %s, which admin implies", roles, want)
			}
		}
		if !strings.Contains(string(a.Raw), `"url":"http://cloud.test/image"`) {
			t.Errorf("the catalogue does not follow the client's address: %s", a.Raw)
		}
		if n := c.Must(http.StatusOK, "GET", "/v3/auth/tokens?nocatalog", admin, nil, "X-Subject-Token", admin); n.Get("token", "catalog") != nil {
			t.Error("nocatalog gives a catalogue")
		}
		c.Must(http.StatusOK, "HEAD", "/v3/auth/tokens", admin, nil, "X-Subject-Token", admin)
		c.Must(http.StatusNoContent, "DELETE", "/v3/auth/tokens", admin, nil, "X-Subject-Token", admin)
		c.Must(http.StatusUnauthorized, "GET", "/v3/users", admin, nil)
	})
}

func TestScopes(t *testing.T) {
	each(t, func(t *testing.T, c *identitytest.Cloud) {
		admin := c.Admin()
		domain := c.Create(admin, "/v3/domains", "domain", object{"name": "d1"})
		p := c.Persona(admin, "ann", domain, "manager", "domain", domain)
		c.Must(http.StatusOK, "GET", "/v3/users", p.Token, nil)
		for name, scope := range map[string]any{
			"system": identitytest.System(), "another domain": identitytest.Domain("default"),
			"no such project": identitytest.Project(strings.Repeat("0", 32)), "no such domain": identitytest.Domain(strings.Repeat("0", 32)),
		} {
			if a := c.Do("POST", "/v3/auth/tokens", "", identitytest.PasswordBody(p.UserID, "pw-ann", scope)); a.Status != http.StatusUnauthorized {
				t.Errorf("scope %s: %d %s", name, a.Status, a.Raw)
			}
		}
		unscoped := c.Login(p.UserID, "pw-ann", "unscoped")
		a := c.Must(http.StatusOK, "GET", "/v3/auth/domains", unscoped, nil)
		if list := a.Body["domains"].([]any); len(list) != 1 || list[0].(object)["id"] != domain {
			t.Errorf("domains %s", a.Raw)
		}
		// A token can be exchanged for another scope; the chain and the end stay.
		re := c.Must(http.StatusCreated, "POST", "/v3/auth/tokens", "", object{"auth": object{
			"identity": object{"methods": []string{"token"}, "token": object{"id": unscoped}}, "scope": identitytest.Domain(domain),
		}})
		first := c.Must(http.StatusOK, "GET", "/v3/auth/tokens", admin, nil, "X-Subject-Token", unscoped)
		if re.Text("token", "expires_at") != first.Text("token", "expires_at") {
			t.Error("an exchanged token lives longer than the first")
		}
		if ids := re.Get("token", "audit_ids").([]any); len(ids) != 2 || ids[1] != first.Get("token", "audit_ids").([]any)[0] {
			t.Errorf("audit ids %v", ids)
		}
	})
}

// What makes a token void must do so at once, although tokens are cached.
func TestChangesTakeEffectAtOnce(t *testing.T) {
	each(t, func(t *testing.T, c *identitytest.Cloud) {
		admin := c.Admin()
		member := c.Role(admin, "member")
		for name, change := range map[string]func(user, project, domain, group string){
			"user disabled": func(u, _, _, _ string) {
				c.Must(200, "PATCH", "/v3/users/"+u, admin, object{"user": object{"enabled": false}})
			},
			"user deleted": func(u, _, _, _ string) { c.Must(204, "DELETE", "/v3/users/"+u, admin, nil) },
			"password set": func(u, _, _, _ string) {
				c.Must(200, "PATCH", "/v3/users/"+u, admin, object{"user": object{"password": "x"}})
			},
			"own password": func(u, _, _, _ string) {
				c.Must(204, "POST", "/v3/users/"+u+"/password", "", object{"user": object{"original_password": "pw", "password": "x"}})
			},
			"role taken": func(u, p, _, _ string) {
				c.Must(204, "DELETE", "/v3/projects/"+p+"/users/"+u+"/roles/"+member, admin, nil)
			},
			"project off": func(_, p, _, _ string) {
				c.Must(200, "PATCH", "/v3/projects/"+p, admin, object{"project": object{"enabled": false}})
			},
			"project deleted": func(_, p, _, _ string) { c.Must(204, "DELETE", "/v3/projects/"+p, admin, nil) },
			"domain off": func(_, _, d, _ string) {
				c.Must(200, "PATCH", "/v3/domains/"+d, admin, object{"domain": object{"enabled": false}})
			},
		} {
			t.Run(name, func(t *testing.T) {
				tag := strings.ReplaceAll(name, " ", "-")
				domain := c.Create(admin, "/v3/domains", "domain", object{"name": "d-" + tag})
				project := c.Create(admin, "/v3/projects", "project", object{"name": "p-" + tag, "domain_id": domain})
				user := c.Create(admin, "/v3/users", "user", object{"name": "u-" + tag, "domain_id": domain, "password": "pw"})
				c.Must(204, "PUT", "/v3/projects/"+project+"/users/"+user+"/roles/"+member, admin, nil)
				token := c.Login(user, "pw", identitytest.Project(project))
				c.Must(200, "GET", "/v3/auth/projects", token, nil)
				change(user, project, domain, "")
				c.Must(401, "GET", "/v3/auth/projects", token, nil)
				c.Must(404, "GET", "/v3/auth/tokens", admin, nil, "X-Subject-Token", token)
			})
		}
	})
}

func TestGroupRolesComeAndGo(t *testing.T) {
	each(t, func(t *testing.T, c *identitytest.Cloud) {
		admin := c.Admin()
		project := c.Create(admin, "/v3/projects", "project", object{"name": "p"})
		child := c.Create(admin, "/v3/projects", "project", object{"name": "child", "parent_id": project})
		user := c.Create(admin, "/v3/users", "user", object{"name": "u", "password": "pw"})
		group := c.Create(admin, "/v3/groups", "group", object{"name": "g"})
		reader := c.Role(admin, "reader")
		c.Must(204, "PUT", "/v3/groups/"+group+"/users/"+user, admin, nil)
		c.Must(204, "PUT", "/v3/OS-INHERIT/projects/"+project+"/groups/"+group+"/roles/"+reader+"/inherited_to_projects", admin, nil)
		if a := c.Do("POST", "/v3/auth/tokens", "", identitytest.PasswordBody(user, "pw", identitytest.Project(project))); a.Status != 401 {
			t.Errorf("an inherited role counts on the project itself: %d", a.Status)
		}
		token := c.Login(user, "pw", identitytest.Project(child))
		c.Must(200, "GET", "/v3/auth/catalog", token, nil)
		c.Must(204, "DELETE", "/v3/groups/"+group+"/users/"+user, admin, nil)
		c.Must(401, "GET", "/v3/auth/catalog", token, nil)
		c.Must(204, "PUT", "/v3/groups/"+group+"/users/"+user, admin, nil)
		token = c.Login(user, "pw", identitytest.Project(child))
		c.Must(204, "DELETE", "/v3/groups/"+group, admin, nil)
		c.Must(401, "GET", "/v3/auth/catalog", token, nil)
	})
}

func TestExpiry(t *testing.T) {
	each(t, func(t *testing.T, c *identitytest.Cloud) {
		admin := c.Admin()
		project := c.Create(admin, "/v3/projects", "project", object{"name": "p"})
		user := c.Persona(admin, "u", "default", "member", "project", project)
		service := c.Persona(admin, "svc", "default", "service", "project", project)
		c.Clock.Advance(61 * time.Minute)
		c.Must(401, "GET", "/v3/auth/projects", user.Token, nil)
		admin = c.Admin()
		c.Must(404, "GET", "/v3/auth/tokens", admin, nil, "X-Subject-Token", user.Token)
		c.Must(200, "GET", "/v3/auth/tokens?allow_expired=1", admin, nil, "X-Subject-Token", user.Token)
		fresh := c.Login(service.UserID, "pw-svc", identitytest.Project(project))
		c.Must(200, "GET", "/v3/auth/projects", user.Token, nil, "X-Service-Token", fresh)
		member := c.Persona(admin, "m", "default", "member", "project", project)
		c.Must(401, "GET", "/v3/auth/projects", user.Token, nil, "X-Service-Token", member.Token)
		c.Clock.Advance(49 * time.Hour)
		c.Must(404, "GET", "/v3/auth/tokens?allow_expired=1", c.Admin(), nil, "X-Subject-Token", user.Token)
	})
}

// Two servers on one database see each other's changes within a second.
func TestTwoServersAgree(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		a := identitytest.New(t, db)
		b := identitytest.New(t, db)
		admin := a.Admin()
		b.Must(200, "GET", "/v3/users", admin, nil) // a token of one is good at the other
		user := a.Create(admin, "/v3/users", "user", object{"name": "u", "password": "pw"})
		token := b.Login(user, "pw", "unscoped")
		b.Must(200, "GET", "/v3/auth/projects", token, nil)
		start := time.Now()
		a.Must(200, "PATCH", "/v3/users/"+user, admin, object{"user": object{"enabled": false}})
		waittest.True(t, 5*time.Second, "the other server to hear of the change", func() bool {
			return b.Do("GET", "/v3/auth/projects", token, nil).Status != 200
		})
		t.Logf("heard after %v", time.Since(start))
		if err := a.Svc.RotateKeys(t.Context()); err != nil {
			t.Fatal(err)
		}
		b.Must(200, "GET", "/v3/users", a.Admin(), nil)
		b.Must(200, "GET", "/v3/users", admin, nil)
	})
}

func TestApplicationCredentials(t *testing.T) {
	each(t, func(t *testing.T, c *identitytest.Cloud) {
		admin := c.Admin()
		project := c.Create(admin, "/v3/projects", "project", object{"name": "p"})
		u := c.Persona(admin, "u", "default", "member", "project", project)
		reader := c.Role(admin, "reader")
		create := func(token string, o object, want int) identitytest.Answer {
			t.Helper()
			return c.Must(want, "POST", "/v3/users/"+u.UserID+"/application_credentials", token, object{"application_credential": o})
		}
		login := func(id, secret string, want int) string {
			t.Helper()
			return c.Must(want, "POST", "/v3/auth/tokens", "", object{"auth": object{"identity": object{
				"methods": []string{"application_credential"}, "application_credential": object{"id": id, "secret": secret},
			}}}).Header.Get("X-Subject-Token")
		}
		a := create(u.Token, object{"name": "ci", "roles": []object{{"id": reader}}}, 201)
		id, secret := a.Text("application_credential", "id"), a.Text("application_credential", "secret")
		token := login(id, secret, 201)
		v := c.Must(200, "GET", "/v3/auth/tokens", token, nil, "X-Subject-Token", token)
		if roles := v.Get("token", "roles").([]any); len(roles) != 1 || roles[0].(object)["name"] != "reader" {
			t.Errorf("roles %v", roles)
		}
		login(id, secret+"x", 401)
		create(u.Token, object{"name": "too much", "roles": []object{{"name": "admin"}}}, 400)
		create(u.Token, object{"name": "ci"}, 409)
		create(token, object{"name": "child"}, 403) // restricted
		create(admin, object{"name": "for another"}, 403)
		c.Must(403, "POST", "/v3/auth/tokens", "", object{"auth": object{"identity": object{"methods": []string{"token"}, "token": object{"id": token}}, "scope": "unscoped"}})
		free := create(u.Token, object{"name": "free", "unrestricted": true}, 201)
		create(login(free.Text("application_credential", "id"), free.Text("application_credential", "secret"), 201), object{"name": "child"}, 201)
		c.Must(204, "DELETE", "/v3/users/"+u.UserID+"/application_credentials/"+id, u.Token, nil)
		c.Must(401, "GET", "/v3/auth/projects", token, nil)
		soon := create(u.Token, object{"name": "soon", "expires_at": c.Clock.Now().Add(time.Minute).UTC().Format(time.RFC3339Nano)}, 201)
		brief := login(soon.Text("application_credential", "id"), soon.Text("application_credential", "secret"), 201)
		c.Clock.Advance(2 * time.Minute)
		c.Must(401, "GET", "/v3/auth/projects", brief, nil)
		login(soon.Text("application_credential", "id"), soon.Text("application_credential", "secret"), 401)
	})
}

func TestTrusts(t *testing.T) {
	each(t, func(t *testing.T, c *identitytest.Cloud) {
		admin := c.Admin()
		project := c.Create(admin, "/v3/projects", "project", object{"name": "p"})
		ann := c.Persona(admin, "ann", "default", "member", "project", project)
		bob := c.Persona(admin, "bob", "default", "reader", "project", project)
		trust := c.Create(ann.Token, "/v3/OS-TRUST/trusts", "trust", object{
			"trustor_user_id": ann.UserID, "trustee_user_id": bob.UserID, "impersonation": true, "project_id": project,
			"roles": []object{{"name": "member"}}, "remaining_uses": 1,
		})
		use := object{"auth": object{
			"identity": object{"methods": []string{"password"}, "password": object{"user": object{"id": bob.UserID, "password": "pw-bob"}}},
			"scope":    object{"OS-TRUST:trust": object{"id": trust}},
		}}
		a := c.Must(201, "POST", "/v3/auth/tokens", "", use)
		token := a.Header.Get("X-Subject-Token")
		if a.Text("token", "user", "id") != ann.UserID || a.Text("token", "OS-TRUST:trust", "trustee_user", "id") != bob.UserID {
			t.Errorf("token %s", a.Raw)
		}
		c.Must(401, "POST", "/v3/auth/tokens", "", use) // used up
		c.Must(200, "GET", "/v3/auth/projects", token, nil)
		// The trustee cannot use it to get at the trustor's other things.
		c.Must(403, "POST", "/v3/users/"+ann.UserID+"/application_credentials", token, object{"application_credential": object{"name": "x"}})
		c.Must(403, "POST", "/v3/auth/tokens", "", object{"auth": object{"identity": object{"methods": []string{"token"}, "token": object{"id": token}}, "scope": "unscoped"}})
		c.Must(404, "POST", "/v3/OS-TRUST/trusts", ann.Token, object{"trust": object{
			"trustor_user_id": ann.UserID, "trustee_user_id": bob.UserID, "impersonation": false, "project_id": project, "roles": []object{{"name": "admin"}},
		}})
		c.Must(204, "DELETE", "/v3/projects/"+project+"/users/"+ann.UserID+"/roles/"+c.Role(admin, "member"), admin, nil)
		c.Must(401, "GET", "/v3/auth/projects", token, nil) // the trustor lost the role
	})
}

func TestMultiFactor(t *testing.T) {
	eachSound(t, func(t *testing.T, c *identitytest.Cloud) {
		admin := c.Admin()
		user := c.Create(admin, "/v3/users", "user", object{"name": "u", "password": "pw", "options": object{
			"multi_factor_auth_enabled": true, "multi_factor_auth_rules": [][]string{{"password", "totp"}},
		}})
		const seed = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
		c.Create(admin, "/v3/credentials", "credential", object{"type": "totp", "user_id": user, "blob": seed})
		a := c.Must(401, "POST", "/v3/auth/tokens", "", identitytest.PasswordBody(user, "pw", "unscoped"))
		receipt := a.Header.Get("Openstack-Auth-Receipt")
		if receipt == "" || a.Get("required_auth_methods") == nil {
			t.Fatalf("no receipt: %s", a.Raw)
		}
		second := func(code string) object {
			return object{"auth": object{"identity": object{"methods": []string{"totp"}, "totp": object{"user": object{"id": user, "passcode": code}}}, "scope": "unscoped"}}
		}
		code, err := identity.TOTPCode(seed, c.Clock.Now())
		if err != nil {
			t.Fatal(err)
		}
		c.Must(401, "POST", "/v3/auth/tokens", "", second("000000"), "Openstack-Auth-Receipt", receipt)
		c.Must(201, "POST", "/v3/auth/tokens", "", second(code), "Openstack-Auth-Receipt", receipt)
		c.Must(401, "POST", "/v3/auth/tokens", "", second(code), "Openstack-Auth-Receipt", receipt) // a code counts once
		c.Must(401, "GET", "/v3/auth/projects", receipt, nil)                                       // a receipt is no token
	})
}

func TestPasswordRules(t *testing.T) {
	rules := func(d *identity.Deps) {
		d.Config.Passwords = identity.PasswordRules{
			Regex: `^.{4,}$`, RegexDescription: "four characters at least", UniqueLast: 3, LockoutAttempts: 3, LockoutFor: 10 * time.Minute,
			ExpiresAfter: 24 * time.Hour, MinimumAge: time.Hour, DisableInactive: 30 * 24 * time.Hour,
		}
	}
	each(t, func(t *testing.T, c *identitytest.Cloud) {
		admin := c.Admin()
		if a := c.Must(400, "POST", "/v3/users", admin, object{"user": object{"name": "bad", "password": "abc"}}); !strings.Contains(string(a.Raw), "four characters") {
			t.Errorf("%s", a.Raw)
		}
		user := c.Create(admin, "/v3/users", "user", object{"name": "u", "password": "first"})
		change := func(from, to string, want int) {
			t.Helper()
			c.Must(want, "POST", "/v3/users/"+user+"/password", "", object{"user": object{"original_password": from, "password": to}})
		}
		change("first", "second", 204)
		change("second", "third", 400) // too young
		c.Clock.Advance(2 * time.Hour)
		change("second", "first", 400) // used before
		change("second", "third", 204)
		login := func(pw string, want int) {
			t.Helper()
			c.Must(want, "POST", "/v3/auth/tokens", "", identitytest.PasswordBody(user, pw, "unscoped"))
		}
		for range 3 {
			login("wrong", 401)
		}
		login("third", 401) // locked
		c.Clock.Advance(11 * time.Minute)
		login("third", 201)
		c.Clock.Advance(25 * time.Hour)
		login("third", 401) // expired
		change("third", "fourth", 204)
		login("fourth", 201)
		exempt := c.Create(c.Admin(), "/v3/users", "user", object{"name": "e", "password": "keep", "options": object{
			"ignore_password_expiry": true, "ignore_lockout_failure_attempts": true, "ignore_user_inactivity": true,
		}})
		c.Clock.Advance(40 * 24 * time.Hour)
		login("fourth", 401)
		c.Must(201, "POST", "/v3/auth/tokens", "", identitytest.PasswordBody(exempt, "keep", "unscoped"))
	}, rules)
}

func TestListsArePaged(t *testing.T) {
	each(t, func(t *testing.T, c *identitytest.Cloud) {
		admin := c.Admin()
		for _, n := range []string{"alpha", "Beta", "gamma%", "delta"} {
			c.Create(admin, "/v3/users", "user", object{"name": "x-" + n, "enabled": n != "delta"})
		}
		seen, url := map[string]bool{}, "/v3/users?limit=2&name__startswith=x-"
		for pages := 0; url != ""; pages++ {
			if pages > 4 {
				t.Fatal("paging does not end")
			}
			a := c.Must(200, "GET", url, admin, nil)
			list := a.Body["users"].([]any)
			if len(list) > 2 {
				t.Fatalf("%d on a page", len(list))
			}
			for _, u := range list {
				seen[u.(object)["name"].(string)] = true
			}
			url = strings.TrimPrefix(a.Text("links", "next"), "http://cloud.test/identity")
		}
		if len(seen) != 4 {
			t.Errorf("saw %v", seen)
		}
		for query, want := range map[string]int{
			"name=x-alpha": 1, "name=nobody": 0, "name__contains=eta": 1, "name__icontains=BETA": 1, "name__contains=beta": 0,
			"name__endswith=a": 3, "name__contains=%25": 1, "enabled=false&name__startswith=x-": 1, "unknown=1&name__startswith=x-": 4,
			"name__istartswith=X-": 4,
		} {
			if a := c.Must(200, "GET", "/v3/users?"+query, admin, nil); len(a.Body["users"].([]any)) != want {
				t.Errorf("%s: %d, want %d", query, len(a.Body["users"].([]any)), want)
			}
		}
		c.Must(400, "GET", "/v3/users?limit=-1", admin, nil)
	})
}

func TestAnswersNeverHoldSecrets(t *testing.T) {
	each(t, func(t *testing.T, c *identitytest.Cloud) {
		admin := c.Admin()
		a := c.Must(201, "POST", "/v3/users", admin, object{"user": object{"name": "u", "password": "hunter2", "email": "u@example.org"}})
		text, err := json.Marshal(a.Body)
		if err != nil || strings.Contains(string(text), "hunter2") || strings.Contains(string(text), "argon2") {
			t.Errorf("%s", text)
		}
		if a.Text("user", "email") != "u@example.org" {
			t.Error("an extra attribute is lost")
		}
	})
}

// Catalogues are remembered for a project, but follow every change, and an
// address with the user's id is each user's own.
func TestCatalogIsNeverStale(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := identitytest.New(t, db)
		admin := c.Admin()
		project := c.Create(admin, "/v3/projects", "project", object{"name": "p"})
		c.Persona(admin, "a", "default", "member", "project", project)
		b := c.Persona(admin, "b", "default", "member", "project", project)
		urls := func(user string) string {
			t.Helper()
			var found []string
			a := c.Must(http.StatusCreated, "POST", "/v3/auth/tokens", "", object{"auth": object{
				"identity": object{"methods": []string{"password"}, "password": object{"user": object{
					"name": user, "domain": object{"id": "default"}, "password": "pw-" + user,
				}}},
				"scope": identitytest.Project(project),
			}})
			catalog, _ := a.Get("token", "catalog").([]any)
			for _, s := range catalog {
				if s.(object)["type"] == "test" {
					for _, e := range s.(object)["endpoints"].([]any) {
						found = append(found, e.(object)["url"].(string))
					}
				}
			}
			return strings.Join(found, " ")
		}
		if got := urls("a"); got != "" {
			t.Errorf("before the service exists: %q", got)
		}
		service := c.Create(admin, "/v3/services", "service", object{"type": "test", "name": "t"})
		endpoint := c.Create(admin, "/v3/endpoints", "endpoint", object{"service_id": service, "interface": "public", "url": "http://x/$(project_id)s"})
		if got := urls("a"); got != "http://x/"+project {
			t.Errorf("with an endpoint: %q", got)
		}
		c.Must(http.StatusOK, "PATCH", "/v3/endpoints/"+endpoint, admin, object{"endpoint": object{"url": "http://y/$(user_id)s"}})
		if first, second := urls("a"), urls("b"); first == second || second != "http://y/"+b.UserID {
			t.Errorf("with the user's id: %q and %q", first, second)
		}
		c.Must(http.StatusNoContent, "DELETE", "/v3/services/"+service, admin, nil)
		if got := urls("b"); got != "" {
			t.Errorf("after the service is gone: %q", got)
		}
	})
}
