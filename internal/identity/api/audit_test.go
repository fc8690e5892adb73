package api_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"kumoi/internal/identity"
	"kumoi/internal/identity/identitytest"
	"kumoi/internal/kernel/audit"
	"kumoi/internal/kernel/store"
)

func trail(t *testing.T, c *identitytest.Cloud, f audit.Filter) []audit.Event {
	t.Helper()
	list, err := c.Audit.List(t.Context(), f)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestEveryChangeIsInTheTrail(t *testing.T) {
	each(t, func(t *testing.T, c *identitytest.Cloud) {
		admin := c.Admin()
		user := c.Create(admin, "/v3/users", "user", object{"name": "u", "password": "first secret"})
		project := c.Create(admin, "/v3/projects", "project", object{"name": "p"})
		group := c.Create(admin, "/v3/groups", "group", object{"name": "g"})
		member := c.Role(admin, "member")
		c.Must(200, "PATCH", "/v3/users/"+user, admin, object{"user": object{"password": "second secret"}})
		c.Must(204, "POST", "/v3/users/"+user+"/password", "", object{"user": object{"original_password": "second secret", "password": "third secret"}})
		c.Must(204, "PUT", "/v3/groups/"+group+"/users/"+user, admin, nil)
		c.Must(204, "PUT", "/v3/projects/"+project+"/users/"+user+"/roles/"+member, admin, nil)
		own := c.Login(user, "third secret", identitytest.Project(project))
		app := c.Must(201, "POST", "/v3/users/"+user+"/application_credentials", own, object{"application_credential": object{"name": "a", "secret": "fourth secret"}})
		c.Create(own, "/v3/credentials", "credential", object{"type": "totp", "blob": "JBSWY3DPEHPK3PXP"})
		c.Must(204, "DELETE", "/v3/projects/"+project+"/users/"+user+"/roles/"+member, admin, nil)
		c.Must(204, "DELETE", "/v3/users/"+user, admin, nil)

		me := c.Must(200, "GET", "/v3/auth/tokens", admin, nil, "X-Subject-Token", admin).Text("token", "user", "id")
		type line struct{ action, by, on string }
		var got []line
		for _, e := range trail(t, c, audit.Filter{}) {
			if e.Initiator.TypeURI == audit.UserType {
				got = append(got, line{e.Action, e.Initiator.ID, e.Target.ID})
			}
		}
		credential := got[2].on // its id is a digest
		want := []line{
			{"deleted.user", me, user},
			{"deleted.role_assignment", me, user},
			{"created.credential", user, credential},
			{"created.application_credential", user, app.Text("application_credential", "id")},
			{"created.role_assignment", me, user},
			{"added_to.group", me, group},
			{"changed_password.user", user, user},
			{"updated.user", me, user},
			{"created.group", me, group},
			{"created.project", me, project},
			{"created.user", me, user},
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("got  %v\nwant %v", got, want)
		}
		grant := trail(t, c, audit.Filter{Action: "created.role_assignment"})[0]
		if fmt.Sprint(grant.Attachments) != fmt.Sprint(map[string]any{"project": project, "role": member, "user": user}) {
			t.Errorf("the grant's event says %v", grant.Attachments)
		}
		everything, _ := json.Marshal(trail(t, c, audit.Filter{}))
		for _, secret := range []string{"secret", "JBSWY3DPEHPK3PXP", "argon2", admin, own} {
			if strings.Contains(string(everything), secret) {
				t.Errorf("the trail holds %q", secret)
			}
		}
	})
}

func TestEveryFailedLoginIsInTheTrail(t *testing.T) {
	each(t, func(t *testing.T, c *identitytest.Cloud) {
		admin := c.Admin()
		user := c.Create(admin, "/v3/users", "user", object{"name": "u", "password": "right"})
		project := c.Create(admin, "/v3/projects", "project", object{"name": "p"})
		login := func(method string, data object, scope any) object {
			return object{"auth": object{"identity": object{"methods": []string{method}, method: data}, "scope": scope}}
		}
		for _, tc := range []struct {
			name           string
			body           object
			headers        []string
			id, who, about string
		}{
			{"wrong password", identitytest.PasswordBody(user, "guess1", "unscoped"), nil, user, "u", "wrong password"},
			{"no such user", login("password", object{"user": object{"name": "nobody", "domain": object{"name": "Default"}, "password": "guess2"}}, "unscoped"), nil, "unknown", "nobody", "Could not find user"},
			{"no such domain", login("password", object{"user": object{"name": "x", "domain": object{"name": "nowhere"}, "password": "guess2"}}, "unscoped"), nil, "unknown", "x", "nowhere"},
			{"no role there", identitytest.PasswordBody(user, "right", identitytest.Project(project)), nil, user, "u", "no access"},
			{"forged token", login("token", object{"id": strings.Repeat("A", 100)}, "unscoped"), nil, "unknown", "", ""},
			{"one-time code", login("totp", object{"user": object{"id": user, "passcode": "guess3"}}, "unscoped"), nil, user, "u", "one-time code"},
			{"application credential", login("application_credential", object{"id": "none", "secret": "guess4"}, nil), nil, "unknown", "", "application credential"},
			{"forged receipt", identitytest.PasswordBody(user, "right", "unscoped"), []string{"Openstack-Auth-Receipt", "guess5guess5"}, "unknown", "", "receipt"},
		} {
			t.Run(tc.name, func(t *testing.T) {
				before := len(trail(t, c, audit.Filter{Outcome: audit.Failure}))
				want := map[bool]int{false: 401, true: 404}[tc.name == "forged token"]
				a := c.Must(want, "POST", "/v3/auth/tokens", "", tc.body, tc.headers...)
				list := trail(t, c, audit.Filter{Outcome: audit.Failure})
				if len(list) != before+1 {
					t.Fatalf("%d events", len(list)-before)
				}
				e := list[0]
				if e.Action != "authenticate" || e.Reason == nil || e.Reason.ReasonCode != fmt.Sprint(want) || !strings.Contains(e.Reason.ReasonType, tc.about) ||
					e.Initiator.ID != tc.id || e.Initiator.Name != tc.who || e.Target.TypeURI != audit.UserType ||
					e.Initiator.RequestID != a.Header.Get("X-Openstack-Request-Id") || e.Initiator.Host.Address != "192.0.2.1" {
					text, _ := json.Marshal(e)
					t.Errorf("%s", text)
				}
			})
		}
		everything, _ := json.Marshal(trail(t, c, audit.Filter{}))
		if strings.Contains(string(everything), "guess") {
			t.Error("the trail holds what was tried as a secret")
		}
		if n := len(trail(t, c, audit.Filter{Action: "authenticate", Outcome: audit.Success})); n != 0 {
			t.Errorf("%d successful logins are in the trail unasked", n)
		}
		// A key pair whose signature is wrong, and a receipt, which is no failure.
		c.Must(401, "POST", "/v3/s3tokens", admin, object{"credentials": object{"access": "ak", "signature": "x", "token": "dA=="}})
		if e := trail(t, c, audit.Filter{Limit: 1})[0]; e.Target.Name != "access key ak" || e.Initiator.Name != "admin" {
			t.Errorf("a wrong signature: %+v", e)
		}
		before := len(trail(t, c, audit.Filter{}))
		c.Must(200, "PATCH", "/v3/users/"+user, admin, object{"user": object{"options": object{"multi_factor_auth_enabled": true, "multi_factor_auth_rules": [][]string{{"password", "totp"}}}}})
		c.Must(401, "POST", "/v3/auth/tokens", "", identitytest.PasswordBody(user, "right", "unscoped"))
		if n := len(trail(t, c, audit.Filter{})); n != before+1 {
			t.Errorf("a first factor left %d events", n-before-1)
		}
	})
}

func TestLoginsAreInTheTrailWhenAskedFor(t *testing.T) {
	c := sqliteCloud(t, func(d *identity.Deps) { d.Config.AuditLogins = true })
	c.Admin()
	e := trail(t, c, audit.Filter{Action: "authenticate"})
	if len(e) != 1 || e[0].Outcome != audit.Success || e[0].Initiator.Name != "admin" || e[0].Initiator.ProjectID == "" || e[0].Attachments["audit_ids"] == nil {
		t.Errorf("%+v", e)
	}
}

// A change that cannot be recorded is not made.
func TestNoChangeWithoutItsEvent(t *testing.T) {
	each(t, func(t *testing.T, c *identitytest.Cloud) {
		admin := c.Admin()
		err := c.DB.Write(t.Context(), func(tx *store.Tx) error {
			_, err := tx.Exec(t.Context(), "DROP TABLE audit_event")
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		c.Must(500, "POST", "/v3/users", admin, object{"user": object{"name": "unseen"}})
		if a := c.Must(200, "GET", "/v3/users?name=unseen", admin, nil); len(a.Body["users"].([]any)) != 0 {
			t.Error("a user was made without a trace")
		}
	})
}
