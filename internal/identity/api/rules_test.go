package api_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"kumoi/internal/identity"
	"kumoi/internal/identity/identitytest"
)

func TestRulesHaveExemptions(t *testing.T) {
	eachSound(t, func(t *testing.T, c *identitytest.Cloud) {
		admin := c.Admin()
		login := func(user, password string, want int) {
			t.Helper()
			c.Must(want, "POST", "/v3/auth/tokens", "", identitytest.PasswordBody(user, password, "unscoped"))
		}
		change := func(user, from, to string, want int) {
			t.Helper()
			c.Must(want, "POST", "/v3/users/"+user+"/password", "", object{"user": object{"original_password": from, "password": to}})
		}
		user := func(name string, options object) string {
			t.Helper()
			return c.Create(admin, "/v3/users", "user", object{"name": name, "password": "letters1", "options": options})
		}
		// What an administrator sets must be changed first.
		first := user("first", object{})
		login(first, "letters1", 401)
		change(first, "letters1", "letters2", 204)
		login(first, "letters2", 201)
		c.Must(200, "PATCH", "/v3/users/"+first, admin, object{"user": object{"password": "letters1"}}) // no history for administrators
		login(first, "letters1", 401)
		change(first, "letters1", "letters2", 400) // but for himself
		change(first, "letters1", "letters3", 204)
		login(user("exempt from that", object{"ignore_change_password_upon_first_use": true}), "letters1", 201)

		// A locked password stays as it is.
		locked := user("locked", object{"lock_password": true, "ignore_change_password_upon_first_use": true})
		change(locked, "letters1", "letters2", 400)
		login(locked, "letters1", 201)
		c.Must(200, "PATCH", "/v3/users/"+locked, admin, object{"user": object{"options": object{"lock_password": nil}}})
		change(locked, "letters1", "letters2", 204)

		// Lockout: a number of failures, for a while, whatever the password is; an administrator helps.
		free := object{"ignore_change_password_upon_first_use": true}
		out, in := user("out", free), user("in", object{"ignore_change_password_upon_first_use": true, "ignore_lockout_failure_attempts": true})
		for range 3 {
			login(out, "wrong", 401)
			login(in, "wrong", 401)
		}
		login(out, "letters1", 401)
		login(in, "letters1", 201)
		c.Must(200, "PATCH", "/v3/users/"+out, admin, object{"user": object{"enabled": false}})
		c.Must(200, "PATCH", "/v3/users/"+out, admin, object{"user": object{"enabled": true}})
		login(out, "letters1", 201)
		for range 2 {
			login(out, "wrong", 401)
		}
		login(out, "letters1", 201) // a success forgets the failures
		login(out, "wrong", 401)
		login(out, "letters1", 201)

		// The expression may look ahead, as Keystone's examples do.
		for password, want := range map[string]int{"letters1": 201, "letters": 400, "1234567": 400, "abc1": 400, "": 201} {
			body := object{"name": "with " + password, "password": password}
			if a := c.Do("POST", "/v3/users", admin, object{"user": body}); a.Status != want {
				t.Errorf("password %q: %d, want %d: %s", password, a.Status, want, a.Raw)
			}
		}

		// Inactive users, and those who are exempt, as an administrator should be.
		me := c.Must(200, "GET", "/v3/users?name=admin", admin, nil).Body["users"].([]any)[0].(object)["id"].(string)
		c.Must(200, "PATCH", "/v3/users/"+me, admin, object{"user": object{"options": object{"ignore_user_inactivity": true}}})
		keen, lazy := user("keen", object{"ignore_change_password_upon_first_use": true, "ignore_user_inactivity": true}), user("lazy", free)
		c.Clock.Advance(31 * 24 * time.Hour)
		login(keen, "letters1", 201)
		login(lazy, "letters1", 401)
		c.Must(200, "PATCH", "/v3/users/"+lazy, c.Admin(), object{"user": object{"enabled": false}})
		c.Must(200, "PATCH", "/v3/users/"+lazy, c.Admin(), object{"user": object{"enabled": true}})
		login(lazy, "letters1", 201)
	}, func(d *identity.Deps) {
		d.Config.Passwords = identity.PasswordRules{
			Regex: `^(?=.*\d)(?=.*[a-zA-Z]).{7,}$`, UniqueLast: 3, LockoutAttempts: 3, LockoutFor: time.Hour, DisableInactive: 30 * 24 * time.Hour,
			ChangeUponFirstUse: true,
		}
	})
}

// An expression that explodes on a password costs no more than a moment.
func TestPasswordExpressionsAreBounded(t *testing.T) {
	c := sqliteCloud(t, func(d *identity.Deps) { d.Config.Passwords.Regex = `(a+)+$` })
	start := time.Now()
	c.Must(400, "POST", "/v3/users", c.Admin(), object{"user": object{"name": "u", "password": strings.Repeat("a", 60) + "!"}})
	if took := time.Since(start); took > 3*time.Second {
		t.Errorf("judging a password took %v", took)
	}
}

func TestListsAreCutWhereTheOperatorSays(t *testing.T) {
	each(t, func(t *testing.T, c *identitytest.Cloud) {
		admin := c.Admin()
		for i := range 4 {
			c.Create(admin, "/v3/groups", "group", object{"name": fmt.Sprint("g", i)})
		}
		for query, want := range map[string]string{
			"": "3 true", "?limit=2": "2 <nil>", "?limit=3": "3 <nil>", "?limit=10": "3 true", "?name=g1": "1 <nil>", "?name__contains=g": "3 true",
		} {
			a := c.Must(200, "GET", "/v3/groups"+query, admin, nil)
			if got := fmt.Sprint(len(a.Body["groups"].([]any)), " ", a.Body["truncated"]); got != want {
				t.Errorf("%s: %s, want %s", query, got, want)
			}
		}
		// Nothing is out of reach: pages go on behind the cut.
		seen, next := 0, "/v3/groups?limit=10"
		for next != "" {
			a := c.Must(200, "GET", next, admin, nil)
			seen += len(a.Body["groups"].([]any))
			next = strings.TrimPrefix(a.Text("links", "next"), "http://cloud.test/identity")
		}
		if seen != 4 {
			t.Errorf("pages show %d groups", seen)
		}
	}, func(d *identity.Deps) { d.Config.ListLimit = 3 })
}

func TestLimitModels(t *testing.T) {
	for _, strict := range []bool{false, true} {
		name := map[bool]string{false: "flat", true: "strict_two_level"}[strict]
		t.Run(name, func(t *testing.T) {
			each(t, func(t *testing.T, c *identitytest.Cloud) {
				admin := c.Admin()
				if a := c.Must(200, "GET", "/v3/limits/model", admin, nil); a.Text("model", "name") != name {
					t.Errorf("%s", a.Raw)
				}
				domain := c.Create(admin, "/v3/domains", "domain", object{"name": "d"})
				project := c.Create(admin, "/v3/projects", "project", object{"name": "p", "domain_id": domain})
				service := c.Create(admin, "/v3/services", "service", object{"type": "t", "name": "s"})
				c.Must(201, "POST", "/v3/registered_limits", admin, object{"registered_limits": []object{{"service_id": service, "resource_name": "cores", "default_limit": 10}}})
				limit := func(owner, id string, n int) object {
					return object{"service_id": service, "resource_name": "cores", "resource_limit": n, owner: id}
				}
				when := func(flat, two int) int {
					if strict {
						return two
					}
					return flat
				}
				add := func(want int, list ...object) string {
					t.Helper()
					a := c.Must(want, "POST", "/v3/limits", admin, object{"limits": list})
					if want != 201 {
						return ""
					}
					return a.Body["limits"].([]any)[0].(object)["id"].(string)
				}
				// Two levels: below a project there is none.
				c.Must(when(201, 403), "POST", "/v3/projects", admin, object{"project": object{"name": "child", "parent_id": project}})
				// Above the default, which holds for the domain too.
				if id := add(when(201, 403), limit("project_id", project, 11)); id != "" {
					c.Must(204, "DELETE", "/v3/limits/"+id, admin, nil)
				}
				both := add(201, limit("domain_id", domain, 20), limit("project_id", project, 20))
				own := c.Must(200, "GET", "/v3/limits?project_id="+project, admin, nil).Body["limits"].([]any)[0].(object)["id"].(string)
				change := func(id string, n, want int) {
					t.Helper()
					c.Must(want, "PATCH", "/v3/limits/"+id, admin, object{"limit": object{"resource_limit": n}})
				}
				change(own, 21, when(200, 403))
				change(own, 5, 200)
				change(both, 4, when(200, 403))
				change(both, 5, 200)
			}, func(d *identity.Deps) { d.Config.StrictLimits = strict })
		})
	}
}
