package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"kumoi/internal/identity"
	"kumoi/internal/identity/identitytest"
	"kumoi/internal/kernel/httpx/httpxtest"
)

// window is a browser with the web page open.
type window struct {
	t      *testing.T
	http   httpxtest.Client
	cookie string // as the browser sends it
}

func newWindow(t *testing.T, c *identitytest.Cloud) *window {
	t.Helper()
	client := httpxtest.Direct(t, c.Handler, "/ui").With("Sec-Fetch-Site", "same-origin").With("Content-Type", "application/json")
	if c.Failing {
		client = client.Failing()
	}
	return &window{t, client, ""}
}

// sound is the same window with a database that works: a refusal stands though it
// could not be noted in the audit trail.
func (w *window) sound(c *identitytest.Cloud) *window {
	v := newWindow(w.t, &identitytest.Cloud{Handler: c.Handler})
	v.cookie = w.cookie
	return v
}

// want sends a request with the browser's cookie and keeps the one that comes.
func (w *window) want(status int, method, path string, body any) httpxtest.Answer {
	w.t.Helper()
	a := w.http.With("Cookie", w.cookie).Want(status, method, path, body)
	for _, text := range a.Header["Set-Cookie"] {
		c, err := http.ParseSetCookie(text)
		if err != nil {
			w.t.Fatal(err)
		}
		if w.cookie = c.Name + "=" + c.Value; c.MaxAge < 0 {
			w.cookie = ""
		}
	}
	return a
}

func named(name, password string) object {
	return object{"user": object{"name": name, "password": password, "domain": object{"name": "Default"}}}
}

func (w *window) login(name, password string) *window {
	w.t.Helper()
	w.want(201, "POST", "/session", named(name, password))
	return w
}

func (w *window) token(scope object) string {
	w.t.Helper()
	return w.want(201, "POST", "/session/token", scope).Text("token")
}

func (w *window) in() bool {
	w.t.Helper()
	return w.want(200, "GET", "/session", nil).Get("session") != nil
}

func TestBrowserSession(t *testing.T) {
	each(t, func(t *testing.T, c *identitytest.Cloud) {
		admin := c.Admin()
		project := c.Create(admin, "/v3/projects", "project", object{"name": "home", "domain_id": "default"})
		ann := c.Persona(admin, "ann", "default", "member", "project", project)
		c.Must(204, "PUT", "/v3/domains/default/users/"+ann.UserID+"/roles/"+c.Role(admin, "reader"), admin, nil)
		c.Must(204, "PUT", "/v3/system/users/"+ann.UserID+"/roles/"+c.Role(admin, "reader"), admin, nil)

		w := newWindow(t, c)
		a := w.want(200, "GET", "/session", nil)
		if a.Get("session") != nil || len(a.Get("providers").([]any)) != 0 || a.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("before the login: %s", a.Raw)
		}
		w.want(401, "POST", "/session/token", object{})
		w.want(401, "GET", "/session/scopes", nil)
		if a = w.want(401, "POST", "/session", named("ann", "wrong")); a.Text("error.title") != "Unauthorized" || a.Header.Get("Set-Cookie") != "" {
			t.Errorf("%s %v", a.Raw, a.Header)
		}
		w.want(400, "POST", "/session", object{"user": object{"name": "ann", "password": "pw-ann"}})
		w.want(400, "POST", "/session", object{"user": object{"name": "ann"}, "scope": "system"})

		a = w.want(201, "POST", "/session", named("ann", "pw-ann"))
		if a.Text("session.user.id") != ann.UserID || a.Text("session.user.name") != "ann" || a.Text("session.user.domain.name") != "Default" || a.Text("session.expires_at") == "" {
			t.Errorf("login: %s", a.Raw)
		}
		set := a.Header.Get("Set-Cookie")
		for _, want := range []string{"kumoi_session=", "; Path=/ui/session", "; HttpOnly", "; SameSite=Strict"} {
			if !strings.Contains(set, want) {
				t.Errorf("the cookie %q lacks %q", set, want)
			}
		}
		if strings.Contains(set, "Secure") || strings.Contains(set, "Max-Age") || a.Header.Get("X-Subject-Token") != "" {
			t.Errorf("cookie %q, header %v", set, a.Header)
		}
		if got := w.want(200, "GET", "/session", nil); got.Text("session.user.id") != ann.UserID {
			t.Errorf("%s", got.Raw)
		}

		for _, tc := range []struct{ scope, told string }{
			{`{"project":{"id":"` + project + `"}}`, project},
			{`{"project":{"name":"home","domain":{"name":"Default"}}}`, project},
			{`{"domain":{"id":"default"}}`, "default"},
			{`{"system":{"all":true}}`, ""},
			{`{}`, ""},
		} {
			a := w.want(201, "POST", "/session/token", tc.scope)
			v := c.Must(200, "GET", "/v3/auth/tokens", a.Text("token"), nil, "X-Subject-Token", a.Text("token"))
			scope := v.Text("token", "project", "id") + v.Text("token", "domain", "id")
			if scope != tc.told || v.Text("token", "user", "id") != ann.UserID || a.Text("body.expires_at") != v.Text("token", "expires_at") || a.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("%s: %s", tc.scope, v.Raw)
			}
			if tc.scope != "{}" && (a.Get("body.catalog") == nil || a.Get("body.roles") == nil) {
				t.Errorf("%s: no catalogue or roles: %s", tc.scope, a.Raw)
			}
		}
		w.sound(c).want(401, "POST", "/session/token", object{"project": object{"id": "nowhere"}})
		w.want(400, "POST", "/session/token", object{"project": object{"id": project}, "domain": object{"id": "default"}})
		w.want(400, "POST", "/session/token", object{"OS-TRUST:trust": object{"id": "x"}})

		a = w.want(200, "GET", "/session/scopes", nil)
		if a.Text("projects.0.id") != project || a.Text("projects.0.domain.name") != "Default" || a.Text("domains.0.id") != "default" || len(a.Get("system").([]any)) != 1 {
			t.Errorf("scopes: %s", a.Raw)
		}

		// The end takes the tokens along, and no other session's.
		other := newWindow(t, c).login("ann", "pw-ann")
		mine, others := w.token(object{}), other.token(object{})
		w.want(204, "DELETE", "/session", nil)
		c.Must(401, "GET", "/v3/auth/projects", mine, nil)
		c.Must(200, "GET", "/v3/auth/projects", others, nil)
		c.Must(200, "GET", "/v3/auth/projects", ann.Token, nil)
		if w.cookie != "" || w.in() || !other.in() {
			t.Error("the wrong session has ended")
		}
		w.want(204, "DELETE", "/session", nil)
		w.want(401, "DELETE", "/session?everywhere=true", nil)
	})
}

// Out everywhere means every browser of the user, and nobody else's.
func TestLogoutEverywhere(t *testing.T) {
	each(t, func(t *testing.T, c *identitytest.Cloud) {
		admin := c.Admin()
		for _, name := range []string{"ann", "bob"} {
			c.Create(admin, "/v3/users", "user", object{"name": name, "domain_id": "default", "password": "pw"})
		}
		one, two, bob := newWindow(t, c).login("ann", "pw"), newWindow(t, c).login("ann", "pw"), newWindow(t, c).login("bob", "pw")
		tokens := []string{one.token(object{}), two.token(object{})}
		one.want(204, "DELETE", "/session?everywhere=true", nil)
		for _, token := range tokens {
			c.Must(401, "GET", "/v3/auth/projects", token, nil)
		}
		if one.in() || two.in() || !bob.in() {
			t.Error("the wrong sessions have ended")
		}
	})
}

// A session lives as long as what it rests on, and no longer than it may.
func TestBrowserSessionEnds(t *testing.T) {
	eachSound(t, func(t *testing.T, c *identitytest.Cloud) {
		admin := c.Admin()
		user := func(name string) string {
			return c.Create(admin, "/v3/users", "user", object{"name": name, "domain_id": "default", "password": "pw"})
		}
		change := func(path, key string, body object) {
			t.Helper()
			c.Must(200, "PATCH", path, admin, object{key: body})
		}
		for name, end := range map[string]func(id string, w *window){
			"a disabled user, also when enabled again": func(id string, _ *window) {
				change("/v3/users/"+id, "user", object{"enabled": false})
				change("/v3/users/"+id, "user", object{"enabled": true})
			},
			"a password that an administrator set": func(id string, _ *window) { change("/v3/users/"+id, "user", object{"password": "new"}) },
			"a password that the user changed": func(id string, _ *window) {
				c.Must(204, "POST", "/v3/users/"+id+"/password", "", object{"user": object{"original_password": "pw", "password": "new"}})
			},
			"a deleted user": func(id string, _ *window) { c.Must(204, "DELETE", "/v3/users/"+id, admin, nil) },
			"a revoked login": func(_ string, w *window) {
				token := w.token(object{})
				chain := c.Must(200, "GET", "/v3/auth/tokens", token, nil, "X-Subject-Token", token).Get("token", "audit_ids").([]any)
				if len(chain) != 2 {
					t.Fatalf("audit ids %v", chain)
				}
				w.want(204, "DELETE", "/session", nil)
			},
		} {
			id := user(name)
			w := newWindow(t, c).login(name, "pw")
			w.token(object{})
			end(id, w)
			w.want(401, "POST", "/session/token", object{})
			if w.in() {
				t.Errorf("%s: the session goes on", name)
			}
		}
		user("late")
		for name, steps := range map[string][]time.Duration{
			"idle": {59 * time.Minute, 2 * time.Minute},
			"late": {50 * time.Minute, 50 * time.Minute, 50 * time.Minute, 50 * time.Minute, 39 * time.Minute, 2 * time.Minute},
		} {
			w := newWindow(t, c).login("late", "pw")
			for i, step := range steps {
				c.Clock.Advance(step)
				switch {
				case i == len(steps)-1:
					w.want(401, "POST", "/session/token", object{})
				case name == "late":
					a := w.want(201, "POST", "/session/token", object{})
					end, err := time.Parse(time.RFC3339, a.Text("body.expires_at"))
					if err != nil || end.After(c.Clock.Now().Add(time.Hour)) || i == 4 && end.After(c.Clock.Now().Add(time.Minute+time.Second)) {
						t.Errorf("step %d: the token ends %v after now, %v", i, end.Sub(c.Clock.Now()), err)
					}
				case !w.in():
					t.Errorf("%s: over after %s", name, step)
				}
			}
			if w.in() {
				t.Errorf("%s: the session goes on", name)
			}
		}
	}, func(d *identity.Deps) { d.Config.SessionLife = 4 * time.Hour })
}

// The factors that a login needed count for its session; a login that has too few
// of them is told which, and gets none.
func TestBrowserSecondFactor(t *testing.T) {
	eachSound(t, func(t *testing.T, c *identitytest.Cloud) {
		admin := c.Admin()
		user := c.Create(admin, "/v3/users", "user", object{"name": "ann", "domain_id": "default", "password": "pw", "options": object{
			"multi_factor_auth_enabled": true, "multi_factor_auth_rules": [][]string{{"password", "totp"}},
		}})
		c.Create(admin, "/v3/credentials", "credential", object{"type": "totp", "user_id": user, "blob": totpSeed})
		w := newWindow(t, c)
		a := w.want(401, "POST", "/session", named("ann", "pw"))
		if a.Text("required_auth_methods.0.1") != "totp" || a.Text("receipt.methods.0") != "password" || w.cookie != "" {
			t.Errorf("%s", a.Raw)
		}
		with := func(code string) object {
			body := named("ann", "pw")
			body["passcode"] = code
			return body
		}
		w.want(401, "POST", "/session", with("000000"))
		code, err := identity.TOTPCode(totpSeed, c.Clock.Now())
		if err != nil {
			t.Fatal(err)
		}
		w.want(201, "POST", "/session", with(code))
		newWindow(t, c).want(401, "POST", "/session", with(code)) // a code counts once
		for range 2 {
			token := w.token(object{})
			methods := c.Must(200, "GET", "/v3/auth/tokens", token, nil, "X-Subject-Token", token).Get("token", "methods")
			if fmt.Sprint(methods) != "[password totp]" {
				t.Errorf("methods %v", methods)
			}
		}
	})
}

// Whoever logs in again and again leaves no more than so many sessions behind.
func TestBrowserSessionsAreBounded(t *testing.T) {
	c := sqliteCloud(t)
	c.Create(c.Admin(), "/v3/users", "user", object{"name": "ann", "domain_id": "default", "password": "pw"})
	var all []*window
	for range 52 {
		all = append(all, newWindow(t, c).login("ann", "pw"))
		c.Clock.Advance(time.Second)
	}
	for i, w := range all {
		if w.in() != (i >= 2) {
			t.Errorf("session %d: in %v", i, w.in())
		}
	}
	// To log in again in the same browser ends what it had.
	w := all[51]
	old := *w
	w.login("ann", "pw")
	if !w.in() || old.in() {
		t.Error("the old session goes on, or the new one does not")
	}
}

// No other site's page can use the session, whatever it makes the browser send.
func TestSessionAnswersItsOwnPageAlone(t *testing.T) {
	c := sqliteCloud(t)
	c.Create(c.Admin(), "/v3/users", "user", object{"name": "ann", "domain_id": "default", "password": "pw"})
	w := newWindow(t, c).login("ann", "pw")
	bare := httpxtest.Direct(t, c.Handler, "/ui").With("Cookie", w.cookie)
	const json, own = "application/json", "http://cloud.test"
	for _, tc := range []struct {
		what, site, origin, kind string
		get, post, del           int
	}{
		{"the page", "same-origin", own, json, 200, 201, 204},
		{"the page, GET", "same-origin", "", "", 200, 403, 204},
		{"the page over plain HTTP", "", own, json, 200, 201, 204},
		{"the page over plain HTTP, GET", "", "", json, 200, 403, 403},
		{"neither header", "", "", "", 403, 403, 403},
		{"neither header, a form", "", "", "application/x-www-form-urlencoded", 403, 403, 403},
		{"another site", "cross-site", "http://evil.test", json, 403, 403, 403},
		{"another site that says nothing else", "cross-site", "", json, 403, 403, 403},
		{"another host of the site", "same-site", "http://www.cloud.test", json, 403, 403, 403},
		{"the address line", "none", "", "", 403, 403, 403},
		{"a foreign origin", "", "http://evil.test", json, 403, 403, 403},
		{"another port", "", "http://cloud.test:81", json, 403, 403, 403},
		{"another scheme", "", "https://cloud.test", json, 403, 403, 403},
		{"a sandboxed frame", "", "null", json, 403, 403, 403},
		{"an old browser's form", "", own, "text/plain", 200, 403, 204},
		{"a form of our own", "same-origin", own, "multipart/form-data", 200, 403, 204},
		{"JSON in a list of types", "same-origin", own, "text/plain, application/json", 200, 403, 204},
	} {
		send := func(method, path string, body any) int {
			client := bare.With("Sec-Fetch-Site", tc.site).With("Origin", tc.origin)
			h := []string{"Content-Type", tc.kind}
			if tc.kind == "" {
				h = nil
			}
			return client.Do(method, path, body, h...).Status
		}
		got := [3]int{send("GET", "/session", nil), send("POST", "/session/token", []byte(`{}`)), 0}
		if send("POST", "/session", []byte(`{"user":{"name":"ann","password":"pw","domain":{"id":"default"}}}`)) != got[1] {
			t.Errorf("%s: a login gets another answer", tc.what)
		}
		w.login("ann", "pw")
		bare = bare.With("Cookie", w.cookie)
		if got[2] = send("DELETE", "/session", nil); got != [3]int{tc.get, tc.post, tc.del} {
			t.Errorf("%s: GET, POST, DELETE get %v", tc.what, got)
		}
		if w.in() != (tc.del != 204) {
			t.Errorf("%s: in %v", tc.what, w.in())
		}
		w.login("ann", "pw")
		bare = bare.With("Cookie", w.cookie)
	}
}

// The cookie opens the session's own addresses and no API; over TLS its name is one
// that a page over plain HTTP cannot set.
func TestTheCookieIsGoodForTheSessionAlone(t *testing.T) {
	c := sqliteCloud(t)
	c.Create(c.Admin(), "/v3/users", "user", object{"name": "ann", "domain_id": "default", "password": "pw"})
	w := newWindow(t, c).login("ann", "pw")
	api := httpxtest.Direct(t, c.Handler, "/identity").With("Cookie", w.cookie).With("Sec-Fetch-Site", "same-origin")
	for _, path := range []string{"/v3/auth/projects", "/v3/users", "/v3/auth/catalog"} {
		api.Want(401, "GET", path, nil)
	}
	_, secret, _ := strings.Cut(w.cookie, "=")
	api.With("X-Auth-Token", secret).Want(401, "GET", "/v3/auth/projects", nil)
	token := w.token(object{})
	w.http.With("Cookie", "kumoi_session="+token).Want(401, "GET", "/session/scopes", nil)
	w.http.With("Cookie", "__Secure-kumoi_session="+secret).Want(401, "GET", "/session/scopes", nil)
}
