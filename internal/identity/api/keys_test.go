package api_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"kumoi/internal/identity"
	"kumoi/internal/identity/identitytest"
	"kumoi/internal/kernel/audit"
	"kumoi/internal/kernel/store"
)

// Rotating keys disturbs nobody, on this server or another.
func TestKeysRotate(t *testing.T) {
	each(t, func(t *testing.T, c *identitytest.Cloud) {
		other := identitytest.New(t, c.DB)
		admin := c.Admin()
		user := c.Create(admin, "/v3/users", "user", object{"name": "u", "password": "pw", "options": object{
			"multi_factor_auth_enabled": true, "multi_factor_auth_rules": [][]string{{"password", "totp"}},
		}})
		const seed = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
		credential := c.Create(admin, "/v3/credentials", "credential", object{"type": "totp", "user_id": user, "blob": seed})
		receipt := c.Must(401, "POST", "/v3/auth/tokens", "", identitytest.PasswordBody(user, "pw", "unscoped")).Header.Get("Openstack-Auth-Receipt")
		texts := func(query string, args ...any) (list []string) {
			t.Helper()
			err := c.DB.Read(t.Context(), func(tx *store.Tx) (err error) {
				list, err = store.All(t.Context(), tx, store.Value[string], query, args...)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			return list
		}
		sealed := func() string { return texts("SELECT blob FROM identity_credential WHERE id = ?", credential)[0] }
		keys := func(purpose string) []string { return texts("SELECT id FROM identity_key WHERE purpose = ?", purpose) }
		domain := c.Create(admin, "/v3/domains", "domain", object{"name": "mirrored"})
		c.Must(201, "PUT", "/v3/domains/"+domain+"/config", admin, object{"config": object{"ldap": object{"url": "ldap://l.example.org", "password": "of the directory"}}})
		before := sealed()
		for range 2 {
			if err := c.Svc.RotateKeys(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if sealed() == before {
			t.Error("the credential is still sealed with the old key")
		}
		if n := len(trail(t, c, audit.Filter{Action: "created.credential_key"})); n != 3 {
			t.Errorf("%d new keys are in the trail", n)
		}
		for _, server := range []*identitytest.Cloud{c, other} {
			server.Must(200, "GET", "/v3/users", admin, nil)
			if a := server.Must(200, "GET", "/v3/credentials/"+credential, admin, nil); a.Text("credential", "blob") != seed {
				t.Errorf("%s", a.Raw)
			}
		}
		code, err := identity.TOTPCode(seed, c.Clock.Now())
		if err != nil {
			t.Fatal(err)
		}
		other.Must(201, "POST", "/v3/auth/tokens", "", object{"auth": object{
			"identity": object{"methods": []string{"totp"}, "totp": object{"user": object{"id": user, "passcode": code}}}, "scope": "unscoped",
		}}, "Openstack-Auth-Receipt", receipt)

		// The secrets of domains' options are sealed again as well, so that no old key is needed.
		c.Clock.Advance(15 * time.Minute)
		for range 2 {
			if err := c.Svc.RotateKeys(t.Context()); err != nil {
				t.Fatal(err)
			}
			c.Clock.Advance(15 * time.Minute)
		}
		secret := strings.Trim(texts("SELECT value FROM identity_domain_config WHERE sensitive")[0], `"`)
		if have := keys("credential"); len(have) != 2 || !slices.Contains(have, secret[:8]) || !slices.Contains(have, sealed()[:8]) {
			t.Errorf("the keys %v are left, and secrets are sealed with %s and %s", have, secret[:8], sealed()[:8])
		}

		// Keys that no living token needs are forgotten at the next rotation.
		c.Clock.Advance(4 * 24 * time.Hour)
		if err := c.Svc.RotateKeys(t.Context()); err != nil {
			t.Fatal(err)
		}
		if left := keys("token"); len(left) != 2 {
			t.Errorf("%d token keys are left", len(left))
		}
		c.Must(401, "GET", "/v3/users", admin, nil)
		c.Must(200, "GET", "/v3/users", c.Admin(), nil)
	})
}

// Bootstrap repairs and repeats, and changes nothing that an operator chose.
func TestBootstrapMayBeRepeated(t *testing.T) {
	each(t, func(t *testing.T, c *identitytest.Cloud) {
		admin := c.Admin()
		count := func() int { return len(trail(t, c, audit.Filter{})) }
		before := count()
		if made, err := c.Svc.Bootstrap(t.Context(), identity.BootstrapConfig{AdminPassword: "another"}); err != nil || made {
			t.Fatal(made, err)
		}
		if n := count(); n != before {
			t.Errorf("bootstrap of what is there recorded %d changes", n-before)
		}
		c.Must(200, "GET", "/v3/users", admin, nil)
		me := c.Must(200, "GET", "/v3/users?name=admin", admin, nil).Body["users"].([]any)[0].(object)["id"].(string)
		project := c.Must(200, "GET", "/v3/projects?name=admin", admin, nil).Body["projects"].([]any)[0].(object)["id"].(string)
		if _, err := c.Svc.Bootstrap(t.Context(), identity.BootstrapConfig{AdminPassword: identitytest.AdminPassword, ResetPassword: true}); err != nil {
			t.Fatal(err)
		}
		c.Must(200, "GET", "/v3/users", admin, nil) // the password is the same: no token is lost
		c.Must(200, "PATCH", "/v3/users/"+me, admin, object{"user": object{"description": "the boss"}})
		c.Must(204, "DELETE", "/v3/projects/"+project+"/users/"+me+"/roles/"+c.Role(admin, "admin"), c.Admin(identitytest.System()), nil)
		if _, err := c.Svc.Bootstrap(t.Context(), identity.BootstrapConfig{
			AdminPassword: "another", ResetPassword: true,
			Catalog: []identity.CatalogEntry{{Type: "identity", Name: "keystone", Public: "https://cloud.example.org/identity"}},
		}); err != nil {
			t.Fatal(err)
		}
		c.Must(401, "GET", "/v3/users", admin, nil)
		token := c.Login(me, "another", identitytest.Project(project)) // he has his role back
		if a := c.Must(200, "GET", "/v3/users/"+me, token, nil); a.Text("user", "description") != "the boss" {
			t.Errorf("%s", a.Raw)
		}
		a := c.Must(200, "GET", "/v3/endpoints?interface=public", token, nil)
		urls := map[any]bool{}
		for _, e := range a.Body["endpoints"].([]any) {
			urls[e.(object)["url"]] = true
		}
		if !urls["https://cloud.example.org/identity"] {
			t.Errorf("endpoints %v", urls)
		}
		if _, err := c.Svc.Bootstrap(t.Context(), identity.BootstrapConfig{AdminUser: "root", AdminPassword: "secret", ResetPassword: true, AdminProject: "ops"}); err != nil {
			t.Fatal(err)
		}
		c.Must(201, "POST", "/v3/auth/tokens", "", object{"auth": object{
			"identity": object{"methods": []string{"password"}, "password": object{"user": object{"name": "root", "domain": object{"id": "default"}, "password": "secret"}}},
			"scope":    object{"project": object{"name": "ops", "domain": object{"id": "default"}}},
		}})
	})
}
