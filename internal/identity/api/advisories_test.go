package api_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"kumoi/internal/identity"
	"kumoi/internal/identity/identitytest"
)

// TestAdvisories tries what Keystone's published security advisories were
// about, as far as no other test does. The whole list, by class:
//
// Tokens that should not live, or not so long:
//
//	CVE-2012-3426  a token exchanged for another outlives it: TestScopes
//	CVE-2012-4413, -5563, -5571, CVE-2013-2059, -4222, CVE-2014-5251, -5252, -5253
//	               tokens after a role, user, project or domain is gone: TestChangesTakeEffectAtOnce, TestGroupRolesComeAndGo
//	CVE-2013-1865, -2104, -4294, CVE-2015-7546, CVE-2016-4911
//	               revocation escaped by another writing or a descendant of the token: TestForgedTokens and here
//	CVE-2014-2237  a trust's token after the trust is deleted: here
//	CVE-2022-2447  an application credential's token after its end: TestApplicationCredentials
//
// More rights than were given:
//
//	CVE-2012-3542  users that change their own record: here
//	CVE-2012-4456  operations that nobody asked a token for: TestRoleMatrix, which lists all that are open
//	CVE-2013-4477  removing a role that is not there gives it: here
//	CVE-2013-6391, CVE-2014-3476, -3520
//	               a trust's token makes key pairs, trusts or other scopes: TestTrusts and here
//	CVE-2014-0204  a user and a group of one id: ids are random here, and assignments name the kind
//	CVE-2017-2673  a federated user gets roles of another project: internal/identity/mapping_test.go
//	CVE-2020-12689, -12690, -12691, -12692
//	               EC2 key pairs and OAuth1 tokens beyond their delegation: TestEC2CredentialsKeepTheirLimits
//	CVE-2025-65073 signatures exchanged for tokens by anybody: TestRoleMatrix (ec2tokens and s3tokens want a service's token)
//
// A delegated token becomes its owner (2026; delegation_test.go tries every kind of
// token against every kind of proof):
//
//	CVE-2026-33551 (OSSA-2026-005)
//	               restricted application credentials make EC2 key pairs: here and TestDelegatedTokensAreNotTheirOwner
//	CVE-2026-42998 (OSSA-2026-015)
//	               an application credential's login names another user: here
//	CVE-2026-42999 (OSSA-2026-015)
//	               the request's body or query replaces the policy's target: here; targets are made of rows alone (targets.go)
//	CVE-2026-43000 (OSSA-2026-015)
//	               application credentials make trusts: TestDelegatedTokensAreNotTheirOwner
//	CVE-2026-43001 key pairs for another project: TestEC2CredentialsKeepTheirLimits, TestDelegatedTokensAreNotTheirOwner
//	CVE-2026-44394 (OSSA-2026-015)
//	               federated tokens outlive their login by a new scope: here; memberships end with the assertion's time: test/federation
//	CVE-2026-80182 (OSSA-2026-037)
//	               delegated tokens make what outlives them: TestDelegatedTokensAreNotTheirOwner
//	CVE-2026-80184 (OSSA-2026-037)
//	               delegated tokens are exchanged for another scope: TestDelegatedTokensAreNotTheirOwner
//	CVE-2026-90460 delegated tokens read, change and move credentials; EC2 tokens read seeds: TestDelegatedTokensAreNotTheirOwner
//	CVE-2026-22797 (OSSA-2026-001)
//	               a middleware takes roles from the request's headers: here; the gateway knows the token alone
//	OSSA-2026-007  a directory's disabled users log in: internal/identity/ldap
//	launchpad 2138295
//	               "None" equals "None" in a policy, and shows root domains: here
//
// What others may learn:
//
//	CVE-2014-3621  marks in endpoint URLs that show the server's settings: TestSchemas
//	CVE-2018-14432 lists of federation that show every project: here
//	CVE-2018-20170, CVE-2021-38155
//	               accounts told apart by status, words, lockout or time: TestUsersCannotBeEnumerated
//	CVE-2019-19687 a list of all credentials: TestOthersAreInvisible and here
//	CVE-2013-2006, CVE-2015-3646, CVE-2012-5483, CVE-2013-1977
//	               secrets in logs and files: TestEveryChangeIsInTheTrail; the data directory is its owner's alone
//
// Secrets that are none:
//
//	CVE-2013-0282  EC2 key pairs of disabled users: here
//	CVE-2013-2157  an empty password binds to a directory as nobody: here, and internal/identity/ldap
//	CVE-2021-3563  a secret that counts up to some length only: here
//
// Exhaustion: CVE-2012-1572, CVE-2013-0247, -0270, -1664, -1665, -2014 (bodies):
// TestWrongBodiesGet4xx; CVE-2014-2828 (one method many times): here.
func TestAdvisories(t *testing.T) { each(t, advisories) }

func advisories(t *testing.T, c *identitytest.Cloud) {
	admin := c.Admin()
	home := c.Create(admin, "/v3/projects", "project", object{"name": "home"})
	away := c.Create(admin, "/v3/projects", "project", object{"name": "away"})
	ann := c.Persona(admin, "ann", "default", "member", "project", home)
	bob := c.Persona(admin, "bob", "default", "member", "project", away)
	exchange := func(token string, scope any) string {
		t.Helper()
		return c.Must(201, "POST", "/v3/auth/tokens", "", object{"auth": object{
			"identity": object{"methods": []string{"token"}, "token": object{"id": token}}, "scope": scope,
		}}).Header.Get("X-Subject-Token")
	}

	t.Run("descendants of a revoked token", func(t *testing.T) {
		first := c.Login(ann.UserID, "pw-ann", "unscoped")
		second := exchange(first, identitytest.Project(home))
		c.Must(204, "DELETE", "/v3/auth/tokens", ann.Token, nil, "X-Subject-Token", second)
		c.Must(401, "GET", "/v3/auth/projects", second, nil)
		c.Must(200, "GET", "/v3/auth/projects", first, nil)
		c.Must(404, "POST", "/v3/auth/tokens", "", object{"auth": object{"identity": object{"methods": []string{"token"}, "token": object{"id": second}}}})
	})
	t.Run("trusts", func(t *testing.T) {
		trust := c.Create(ann.Token, "/v3/OS-TRUST/trusts", "trust", object{
			"trustor_user_id": ann.UserID, "trustee_user_id": bob.UserID, "impersonation": true, "project_id": home, "roles": []object{{"name": "member"}},
		})
		token := c.Must(201, "POST", "/v3/auth/tokens", "", object{"auth": object{
			"identity": object{"methods": []string{"password"}, "password": object{"user": object{"id": bob.UserID, "password": "pw-bob"}}},
			"scope":    object{"OS-TRUST:trust": object{"id": trust}},
		}}).Header.Get("X-Subject-Token")
		for name, scope := range map[string]any{"another project": identitytest.Project(away), "no scope": "unscoped", "the same": identitytest.Project(home)} {
			if a := c.Do("POST", "/v3/auth/tokens", "", object{"auth": object{
				"identity": object{"methods": []string{"token"}, "token": object{"id": token}}, "scope": scope,
			}}); a.Status != 403 {
				t.Errorf("a trust's token for %s: %d", name, a.Status)
			}
		}
		// Whoever acts for ann by a trust makes nothing that acts for ann without it.
		if a := c.Do("POST", "/v3/OS-TRUST/trusts", token, object{"trust": object{
			"trustor_user_id": ann.UserID, "trustee_user_id": bob.UserID, "impersonation": true, "project_id": home, "roles": []object{{"name": "member"}},
		}}); a.Status != 403 {
			t.Errorf("a trust from a trust: %d %s", a.Status, a.Raw)
		}
		c.Must(403, "PUT", "/v3/OS-OAUTH1/authorize/"+strings.Repeat("0", 32), token, object{"roles": []object{{"name": "member"}}})
		c.Must(403, "POST", "/v3/users/"+ann.UserID+"/application_credentials", token, object{"application_credential": object{"name": "x"}})
		pair := c.Must(201, "POST", "/v3/users/"+ann.UserID+"/credentials/OS-EC2", token, object{"tenant_id": home})
		if pair.Text("credential", "trust_id") != trust {
			t.Errorf("a key pair made by a trust's token does not end with the trust: %s", pair.Raw)
		}
		c.Must(204, "DELETE", "/v3/OS-TRUST/trusts/"+trust, ann.Token, nil)
		c.Must(401, "GET", "/v3/auth/projects", token, nil)
	})
	t.Run("targets are not the request's", func(t *testing.T) {
		secret := c.Create(ann.Token, "/v3/credentials", "credential", object{"type": "cert", "blob": "x"})
		forged := object{
			"target":  object{"credential": object{"user_id": bob.UserID}, "token": object{"user_id": bob.UserID}, "user": object{"id": bob.UserID}},
			"user_id": bob.UserID, "target.credential.user_id": bob.UserID, "credential": object{"blob": "mine", "user_id": bob.UserID}, "tenant_id": home,
		}
		for path, methods := range map[string][]string{
			"/v3/credentials/" + secret: {"GET", "PATCH", "DELETE"}, "/v3/users/" + ann.UserID + "/credentials/OS-EC2": {"GET", "POST"},
			"/v3/users/" + ann.UserID: {"GET", "DELETE"}, "/v3/domains/default": {"DELETE"},
		} {
			for _, method := range methods {
				query := "?user_id=" + bob.UserID + "&target.credential.user_id=" + bob.UserID + "&target.user.id=" + bob.UserID
				if a := c.Do(method, path+query, bob.Token, forged); a.Status != 403 {
					t.Errorf("%s %s: %d %s", method, path, a.Status, a.Raw)
				}
			}
		}
		c.Must(403, "DELETE", "/v3/auth/tokens", bob.Token, forged, "X-Subject-Token", ann.Token)
		c.Must(403, "POST", "/v3/users", bob.Token, object{"user": object{"name": "x"}},
			"X-Roles", "admin", "X-User-Id", ann.UserID, "X-Is-Admin-Project", "True", "X-Identity-Status", "Confirmed", "Openstack-System-Scope", "all")
		c.Must(403, "GET", "/v3/projects/default", bob.Token, nil) // the domain as a project, whose domain is none
	})
	t.Run("a login by an application credential names its owner", func(t *testing.T) {
		app := c.Must(201, "POST", "/v3/users/"+bob.UserID+"/application_credentials", bob.Token, object{"application_credential": object{"name": "named"}})
		for want, user := range map[int]object{401: {"id": ann.UserID}, 201: {"id": bob.UserID}} {
			c.Must(want, "POST", "/v3/auth/tokens", "", object{"auth": object{"identity": object{
				"methods": []string{"application_credential"}, "application_credential": object{
					"id": app.Text("application_credential", "id"), "secret": app.Text("application_credential", "secret"), "user": user,
				},
			}}})
		}
	})
	t.Run("a new scope lives no longer", func(t *testing.T) {
		first := c.Must(201, "POST", "/v3/auth/tokens", "", identitytest.PasswordBody(ann.UserID, "pw-ann", "unscoped"))
		c.Clock.Advance(10 * time.Minute)
		for _, method := range []string{"token", "mapped"} {
			next := c.Must(201, "POST", "/v3/auth/tokens", "", object{"auth": object{
				"identity": object{"methods": []string{method}, method: object{"id": first.Header.Get("X-Subject-Token")}}, "scope": identitytest.Project(home),
			}})
			if next.Text("token", "expires_at") != first.Text("token", "expires_at") {
				t.Errorf("%s: %s after %s", method, next.Text("token", "expires_at"), first.Text("token", "expires_at"))
			}
		}
	})
	t.Run("own record", func(t *testing.T) {
		for _, change := range []object{{"default_project_id": away}, {"enabled": true}, {"password": "x"}, {"domain_id": "default"}, {"options": object{"lock_password": true}}} {
			c.Must(403, "PATCH", "/v3/users/"+ann.UserID, ann.Token, object{"user": change})
		}
		c.Must(403, "PUT", "/v3/projects/"+away+"/users/"+ann.UserID+"/roles/"+c.Role(admin, "member"), ann.Token, nil)
	})
	t.Run("a role that is not there", func(t *testing.T) {
		role := c.Role(admin, "manager")
		c.Must(404, "DELETE", "/v3/projects/"+home+"/users/"+ann.UserID+"/roles/"+role, admin, nil)
		c.Must(404, "HEAD", "/v3/projects/"+home+"/users/"+ann.UserID+"/roles/"+role, admin, nil)
	})
	t.Run("lists show one's own", func(t *testing.T) {
		c.Create(bob.Token, "/v3/credentials", "credential", object{"type": "cert", "blob": "x"})
		for path, key := range map[string]string{"/v3/OS-FEDERATION/projects": "projects", "/v3/auth/projects": "projects", "/v3/credentials": "credentials"} {
			for _, row := range c.Must(200, "GET", path, ann.Token, nil).Body[key].([]any) {
				if r := row.(object); r["id"] == away || key == "credentials" && r["user_id"] != ann.UserID {
					t.Errorf("%s shows %v", path, r)
				}
			}
		}
	})
	t.Run("restricted application credentials", func(t *testing.T) {
		app := c.Must(201, "POST", "/v3/users/"+ann.UserID+"/application_credentials", ann.Token, object{"application_credential": object{
			"name": "restricted", "secret": strings.Repeat("s", 100) + "1",
		}})
		id := app.Text("application_credential", "id")
		login := func(secret string, want int) string {
			t.Helper()
			return c.Must(want, "POST", "/v3/auth/tokens", "", object{"auth": object{"identity": object{
				"methods": []string{"application_credential"}, "application_credential": object{"id": id, "secret": secret},
			}}}).Header.Get("X-Subject-Token")
		}
		login(strings.Repeat("s", 100)+"2", 401) // every character counts
		login(strings.Repeat("s", 72), 401)
		token := login(strings.Repeat("s", 100)+"1", 201)
		c.Must(403, "POST", "/v3/users/"+ann.UserID+"/credentials/OS-EC2", token, object{"tenant_id": home})
		c.Must(403, "POST", "/v3/credentials", token, object{"credential": object{"type": "ec2", "project_id": home, "blob": `{"access":"a1","secret":"s"}`}})
		c.Must(403, "POST", "/v3/OS-TRUST/trusts", token, object{"trust": object{
			"trustor_user_id": ann.UserID, "trustee_user_id": bob.UserID, "impersonation": true, "project_id": home, "roles": []object{{"name": "member"}},
		}})
	})
	t.Run("one method many times", func(t *testing.T) {
		many := func(n int) object {
			body := identitytest.PasswordBody(ann.UserID, "pw-ann", "unscoped")
			body["auth"].(object)["identity"].(object)["methods"] = slices.Repeat([]string{"password"}, n)
			return body
		}
		if list := c.Must(201, "POST", "/v3/auth/tokens", "", many(5)).Get("token", "methods").([]any); len(list) != 1 {
			t.Errorf("methods %v", list)
		}
		c.Must(400, "POST", "/v3/auth/tokens", "", many(2000))
	})
	t.Run("disabled owners of key pairs", func(t *testing.T) {
		eve := c.Persona(admin, "eve", "default", "member", "project", home)
		pair := c.Must(201, "POST", "/v3/users/"+eve.UserID+"/credentials/OS-EC2", eve.Token, object{"tenant_id": home})
		access, secret := pair.Text("credential", "access"), pair.Text("credential", "secret")
		sign := func() int {
			date := c.Clock.Now().UTC().Format("20060102T150405Z")
			return signedS3(c, admin, access, secret, date).Status
		}
		if status := sign(); status != 200 {
			t.Fatalf("the key pair does not work: %d", status)
		}
		c.Must(200, "PATCH", "/v3/users/"+eve.UserID, admin, object{"user": object{"enabled": false}})
		if status := sign(); status != 401 {
			t.Errorf("a disabled user's key pair: %d", status)
		}
		c.Must(200, "PATCH", "/v3/users/"+eve.UserID, admin, object{"user": object{"enabled": true}})
		c.Must(200, "PATCH", "/v3/projects/"+home, admin, object{"project": object{"enabled": false}})
		if status := sign(); status != 401 {
			t.Errorf("a disabled project's key pair: %d", status)
		}
	})
}

// Brute force ends in a lock, and the lock does not give away that it is one.
func TestBruteForce(t *testing.T) {
	each(t, func(t *testing.T, c *identitytest.Cloud) {
		admin := c.Admin()
		user := c.Create(admin, "/v3/users", "user", object{"name": "u", "password": "right"})
		first := c.Must(401, "POST", "/v3/auth/tokens", "", identitytest.PasswordBody(user, "guess", "unscoped"))
		for range 20 {
			if a := c.Must(401, "POST", "/v3/auth/tokens", "", identitytest.PasswordBody(user, "guess", "unscoped")); string(a.Raw) != string(first.Raw) {
				t.Fatalf("a lock can be told: %s", a.Raw)
			}
		}
		c.Must(401, "POST", "/v3/auth/tokens", "", identitytest.PasswordBody(user, "right", "unscoped"))
		c.Must(401, "POST", "/v3/users/"+user+"/password", "", object{"user": object{"original_password": "right", "password": "x"}})
		c.Clock.Advance(2 * time.Hour)
		c.Must(201, "POST", "/v3/auth/tokens", "", identitytest.PasswordBody(user, "right", "unscoped"))
	}, func(d *identity.Deps) {
		d.Config.Passwords = identity.PasswordRules{LockoutAttempts: 5, LockoutFor: time.Hour}
	})
}
