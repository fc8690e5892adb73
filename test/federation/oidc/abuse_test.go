package oidc_test

import (
	"strings"
	"testing"
	"time"

	"kumoi/internal/identity/identitytest"
	"kumoi/internal/kernel/store"
	"kumoi/internal/kernel/store/storetest"
	"kumoi/test/federation/oidctest"
)

// What somebody can try who chooses what a trusted provider says about him.
func TestMappingAbuse(t *testing.T) {
	storetest.Each(t, mappingAbuse)
}

func mappingAbuse(t *testing.T, db *store.DB) {
	c, op, _ := federation(t, db)
	admin := c.Admin()
	says := func(claims object) identitytest.Answer {
		all := object{"iss": op.URL, "aud": oidctest.Kumoi, "exp": time.Now().Add(time.Minute).Unix(), "groups": []string{}}
		for k, v := range claims {
			all[k] = v
		}
		return auth(c, "openid", op.Sign(all))
	}
	mapping := func(rules ...object) {
		t.Helper()
		c.Must(200, "PATCH", "/v3/OS-FEDERATION/mappings/corp", admin, object{"mapping": object{"rules": rules}})
	}
	user := []object{{"type": "sub"}, {"type": "name"}}
	userIn := func(domain string) object {
		return object{"local": []object{{"user": object{"id": "{0}", "name": "{1}", "domain": object{"id": domain}}}}, "remote": user}
	}

	// The name of somebody here is not his account, whichever domain it is in.
	mapping(userIn("default"))
	eve := says(object{"sub": "eve", "name": "admin"})
	if eve.Status != 201 || eve.Text("token", "user", "name") != "admin@corp" {
		t.Fatalf("%d %s", eve.Status, eve.Raw)
	}
	token := eve.Header.Get("X-Subject-Token")
	if mine := c.Must(200, "GET", "/v3/auth/projects", token, nil).Body["projects"].([]any); len(mine) != 0 {
		t.Errorf("the administrator's projects: %v", mine)
	}
	for _, scope := range []object{identitytest.System(), {"project": object{"name": "admin", "domain": object{"id": "default"}}}} {
		if a := c.Do("POST", "/v3/auth/tokens", "", object{"auth": object{
			"identity": object{"methods": []string{"token"}, "token": object{"id": token}}, "scope": scope,
		}}); a.Status != 401 {
			t.Errorf("scope %v: %d", scope, a.Status)
		}
	}
	c.Admin() // the administrator still gets in by his name

	// Nor does it make a user somebody else that another is called like him.
	ann := says(object{"sub": "ann", "name": "Ann"}).Text("token", "user", "id")
	mallory := says(object{"sub": "mallory", "name": "Ann"}).Text("token", "user", "id")
	if ann == "" || mallory == "" || ann == mallory {
		t.Errorf("%q and %q", ann, mallory)
	}
	renamed := says(object{"sub": "mallory", "name": "Ann"})
	if renamed.Text("token", "user", "id") != mallory {
		t.Errorf("%s", renamed.Raw)
	}
	if a := says(object{"sub": "ann", "name": "Anna"}); a.Text("token", "user", "id") != ann || a.Text("token", "user", "name") != "Anna" {
		t.Errorf("%s", a.Raw)
	}
	if a := says(object{"sub": "ANN", "name": "Ann"}); a.Text("token", "user", "id") == ann {
		t.Error("subjects are compared without case")
	}

	// Values are data. None of these is taken for a mark, an expression or markup, and none breaks anything.
	for _, value := range []string{"{0}", "{1}{99}", "%s", "a;b", "'; DROP TABLE identity_user; --", "<script>", "\x00", "../../admin", strings.Repeat("x", 5000)} {
		if a := says(object{"sub": "s-" + value, "name": value}); a.Status >= 500 {
			t.Errorf("%.40q: %d %s", value, a.Status, a.Raw)
		}
	}

	// Groups and domains that do not exist are nobody's fault but the mapping's.
	for name, local := range map[string]object{
		"no such group":  {"group": object{"id": "{0}"}},
		"no such domain": {"groups": "{0}", "domain": object{"name": "{0}"}},
	} {
		mapping(object{"local": []object{{"user": object{"id": "{0}", "name": "{1}"}}, local}, "remote": user})
		if a := says(object{"sub": "nothing", "name": "Nobody"}); a.Status < 400 || a.Status >= 500 {
			t.Errorf("%s: %d %s", name, a.Status, a.Raw)
		}
	}
	// A project that the mapping provides is of the provider's domain, whatever it is called.
	mapping(object{"local": []object{{"user": object{"id": "{0}", "name": "{1}"}, "projects": []object{{"name": "{1}", "roles": []object{{"name": "admin"}}}}}}, "remote": user})
	a := says(object{"sub": "zoe", "name": "admin"})
	mine := c.Must(200, "GET", "/v3/auth/projects", a.Header.Get("X-Subject-Token"), nil).Body["projects"].([]any)
	if a.Status != 201 || len(mine) != 1 || mine[0].(object)["domain_id"] == "default" {
		t.Errorf("%d %v", a.Status, mine)
	}
	// Rules that cannot be run are refused when they are stored.
	for name, rules := range map[string]any{
		"no rules":      []object{},
		"no remote":     []object{{"local": []object{}, "remote": []object{}}},
		"two demands":   []object{{"local": []object{}, "remote": []object{{"type": "a", "any_one_of": []string{"x"}, "not_any_of": []string{"y"}}}}},
		"no expression": []object{{"local": []object{}, "remote": []object{{"type": "a", "any_one_of": []string{"("}, "regex": true}}}},
		"unknown key":   []object{{"local": []object{{"role": "admin"}}, "remote": []object{{"type": "a"}}}},
		"unknown kind":  []object{{"local": []object{{"user": object{"type": "admin"}}}, "remote": []object{{"type": "a"}}}},
	} {
		if a := c.Do("PATCH", "/v3/OS-FEDERATION/mappings/corp", admin, object{"mapping": object{"rules": rules}}); a.Status != 400 {
			t.Errorf("%s: %d %s", name, a.Status, a.Raw)
		}
	}
}
