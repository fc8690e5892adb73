package apptest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"kumoi/internal/app"
	"kumoi/internal/kernel/store/storetest"
	"kumoi/internal/kernel/waittest"
)

// ask sends a request to one server and returns status, token and body.
func ask(t *testing.T, method, url, token string, body any) (int, string, map[string]any) {
	t.Helper()
	var r io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		r = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, url, r)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if token != "" {
		req.Header.Set("X-Auth-Token", token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var out map[string]any
	_ = json.NewDecoder(resp.Body).Decode(&out) // not every answer has a body
	return resp.StatusCode, resp.Header.Get("X-Subject-Token"), out
}

type object = map[string]any

// TestTwoServersOnOneDatabase changes things at one server and measures how
// long the other still honours what is no longer so.
func TestTwoServersOnOneDatabase(t *testing.T) {
	dsn := storetest.PostgresDSN(t)
	policy := filepath.Join(t.TempDir(), "policy.yaml")
	if err := os.WriteFile(policy, []byte("{}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	one := Make(t)
	one.Config.Database, one.Config.PolicyFile = dsn, policy
	one.Start()
	two := config(t.TempDir(), freePort(t))
	two.Database, two.PolicyFile, two.Host = dsn, policy, "second"
	copyMasterKey(t, one.Config.DataDir, two.DataDir)
	second, err := app.Start(t.Context(), &two, app.Roles{Control: true}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := second.Stop(); err != nil {
			t.Error(err)
		}
	})
	if _, err := os.Stat(two.AdminPasswordFile()); !os.IsNotExist(err) {
		t.Error("the second server wrote down a password that nobody has")
	}

	a, b := one.AuthURL(), two.AuthURL()
	login := func(url, user, domain, password string, scope any) (int, string) {
		t.Helper()
		status, token, _ := ask(t, "POST", url+"/auth/tokens", "", object{"auth": object{"identity": object{"methods": []string{"password"}, "password": object{
			"user": object{"name": user, "domain": object{"id": domain}, "password": password},
		}}, "scope": scope}})
		return status, token
	}
	_, admin := login(a, "admin", "default", AdminPassword, object{"project": object{"name": "admin", "domain": object{"id": "default"}}})
	must := func(want int, method, path string, body any) object {
		t.Helper()
		status, _, out := ask(t, method, a+path, admin, body)
		if status != want {
			t.Fatalf("%s %s: %d %v", method, path, status, out)
		}
		return out
	}
	create := func(path, key string, body object) string {
		t.Helper()
		return must(201, "POST", path, object{key: body})[key].(object)["id"].(string)
	}
	roles := must(200, "GET", "/roles?name=member", nil)["roles"].([]any)
	member := roles[0].(object)["id"].(string)

	// until waits for a status at the second server, and measures.
	until := func(what string, want int, method, path, token string, body any) time.Duration {
		t.Helper()
		start := time.Now()
		waittest.Until(t, 10*time.Second, func() error {
			if status, _, _ := ask(t, method, b+path, token, body); status != want {
				return fmt.Errorf("%s: the other server answers %d, not %d", what, status, want)
			}
			return nil
		})
		took := time.Since(start)
		t.Logf("%s: seen after %v", what, took.Round(time.Millisecond))
		return took
	}
	// soon wants a change to be seen within a second. The machine may hold everything
	// up for longer than that, but hardly three times in a row.
	soon := func(what string, try func() time.Duration) {
		t.Helper()
		for range 3 {
			if try() <= time.Second {
				return
			}
		}
		t.Errorf("%s: the other server needs more than a second", what)
	}
	for name, change := range map[string]func(user, project, domain, token string){
		"user disabled":    func(u, _, _, _ string) { must(200, "PATCH", "/users/"+u, object{"user": object{"enabled": false}}) },
		"user deleted":     func(u, _, _, _ string) { must(204, "DELETE", "/users/"+u, nil) },
		"password changed": func(u, _, _, _ string) { must(200, "PATCH", "/users/"+u, object{"user": object{"password": "x"}}) },
		"role removed": func(u, p, _, _ string) {
			must(204, "DELETE", "/projects/"+p+"/users/"+u+"/roles/"+member, nil)
		},
		"project disabled": func(_, p, _, _ string) {
			must(200, "PATCH", "/projects/"+p, object{"project": object{"enabled": false}})
		},
		"domain disabled": func(_, _, d, _ string) { must(200, "PATCH", "/domains/"+d, object{"domain": object{"enabled": false}}) },
		"token revoked": func(_, _, _, token string) {
			req, err := http.NewRequestWithContext(t.Context(), "DELETE", a+"/auth/tokens", nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("X-Auth-Token", admin)
			req.Header.Set("X-Subject-Token", token)
			resp, err := http.DefaultClient.Do(req)
			if err != nil || resp.StatusCode != 204 {
				t.Fatal(err, resp)
			}
			resp.Body.Close()
		},
	} {
		tries := 0
		soon(name, func() time.Duration {
			tries++
			domain := create("/domains", "domain", object{"name": fmt.Sprint(name, tries)})
			project := create("/projects", "project", object{"name": "p", "domain_id": domain})
			user := create("/users", "user", object{"name": "u", "domain_id": domain, "password": "pw"})
			must(204, "PUT", "/projects/"+project+"/users/"+user+"/roles/"+member, nil)
			status, token := login(b, "u", domain, "pw", object{"project": object{"id": project}})
			if status != 201 {
				t.Fatalf("%s: no login at the other server: %d", name, status)
			}
			until(name+", before", 200, "GET", "/auth/catalog", token, nil)
			change(user, project, domain, token)
			return until(name, 401, "GET", "/auth/catalog", token, nil)
		})
	}

	must(201, "PUT", "/regions/north", object{"region": object{}})
	until("policy, before", 200, "GET", "/regions/north", admin, nil)
	soon("policy file changed", func() time.Duration {
		if err := os.WriteFile(policy, []byte("\"identity:get_region\": \"!\"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		took := until("policy file changed", 403, "GET", "/regions/north", admin, nil)
		if err := os.Remove(policy); err != nil {
			t.Fatal(err)
		}
		return max(took, until("policy file gone", 200, "GET", "/regions/north", admin, nil))
	})

	// The administrator's password, changed by himself, outlives restarts.
	me := must(200, "GET", "/users?name=admin", nil)["users"].([]any)[0].(object)["id"].(string)
	must(204, "POST", "/users/"+me+"/password", object{"user": object{"original_password": AdminPassword, "password": "a new password"}})
	one.Stop()
	one.Start()
	if status, _ := login(one.AuthURL(), "admin", "default", AdminPassword, "unscoped"); status != 401 {
		t.Errorf("the old password is back after a restart: %d", status)
	}
	if status, _ := login(one.AuthURL(), "admin", "default", "a new password", "unscoped"); status != 201 {
		t.Errorf("the new password is lost after a restart: %d", status)
	}
}

// copyMasterKey gives a second server the key that the first made.
func copyMasterKey(t *testing.T, from, to string) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(from, "keys", "master"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(to, "keys"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(to, "keys", "master"), b, 0o600); err != nil {
		t.Fatal(err)
	}
}
