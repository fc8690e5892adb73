package api_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"kumoi/internal/identity"
	"kumoi/internal/identity/identitytest"
	"kumoi/internal/kernel/store"
	"kumoi/internal/kernel/store/storetest"
)

func sqliteCloud(t testing.TB, configure ...func(d *identity.Deps)) *identitytest.Cloud {
	t.Helper()
	return identitytest.New(t, storetest.SQLite(t), configure...)
}

func TestForgedTokens(t *testing.T) { each(t, forgedTokens) }

func forgedTokens(t *testing.T, c *identitytest.Cloud) {
	token := c.Admin()
	other := sqliteCloud(t, func(d *identity.Deps) { d.MasterKey = [32]byte{2} }).Admin()
	bad := map[string]string{"of another cloud": other, "doubled": token + token, "huge": strings.Repeat(token, 100), "blank": " ", "padded": token + "=="}
	for i := range token {
		flipped := []byte(token)
		flipped[i] = 'A'
		if token[i] == 'A' {
			flipped[i] = 'B'
		}
		bad[fmt.Sprintf("byte %d changed", i)] = string(flipped)
		bad[fmt.Sprintf("cut at %d", i)] = token[:i]
	}
	for name, text := range bad {
		if a := c.Do("GET", "/v3/users", text, nil); a.Status != 401 {
			t.Errorf("%s: %d", name, a.Status)
		}
	}
	if a := c.Must(401, "GET", "/v3/users", token[:10], nil); !strings.HasPrefix(a.Header.Get("WWW-Authenticate"), "Keystone uri=") {
		t.Errorf("WWW-Authenticate %q", a.Header.Get("WWW-Authenticate"))
	}
}

// Whoever has no account learns nothing of who has one.
func TestUsersCannotBeEnumerated(t *testing.T) {
	each(t, usersCannotBeEnumerated, func(d *identity.Deps) {
		d.Config.Passwords = identity.PasswordRules{LockoutAttempts: 2, LockoutFor: time.Hour}
		d.Config.HashMemory, d.Config.HashTime = 4096, 3
	})
}

func usersCannotBeEnumerated(t *testing.T, c *identitytest.Cloud) {
	admin := c.Admin()
	there := c.Create(admin, "/v3/users", "user", object{"name": "there", "password": "right"})
	off := c.Create(admin, "/v3/users", "user", object{"name": "off", "password": "right", "enabled": false})
	bare := c.Create(admin, "/v3/users", "user", object{"name": "bare"})
	locked := c.Create(admin, "/v3/users", "user", object{"name": "locked", "password": "right"})
	for range 3 {
		c.Do("POST", "/v3/auth/tokens", "", identitytest.PasswordBody(locked, "wrong", "unscoped"))
	}
	reference := c.Must(401, "POST", "/v3/auth/tokens", "", identitytest.PasswordBody(there, "wrong", "unscoped"))
	for name, login := range map[string]object{
		"nobody":                    identitytest.PasswordBody(strings.Repeat("0", 32), "wrong", "unscoped"),
		"disabled":                  identitytest.PasswordBody(off, "wrong", "unscoped"),
		"disabled, right password":  identitytest.PasswordBody(off, "right", "unscoped"),
		"no password":               identitytest.PasswordBody(bare, "", "unscoped"),
		"locked":                    identitytest.PasswordBody(locked, "wrong", "unscoped"),
		"locked, right password":    identitytest.PasswordBody(locked, "right", "unscoped"),
		"right, on no such project": identitytest.PasswordBody(there, "right", identitytest.Project(strings.Repeat("0", 32))),
	} {
		start := time.Now()
		a := c.Do("POST", "/v3/auth/tokens", "", login)
		if a.Status != 401 || !bytes.Equal(a.Raw, reference.Raw) {
			t.Errorf("%s can be told apart: %d %s", name, a.Status, a.Raw)
		}
		if took := time.Since(start); took < time.Millisecond && !strings.HasPrefix(name, "right") {
			t.Errorf("%s can be told apart by time: %v", name, took)
		}
	}
	c.Must(401, "POST", "/v3/users/"+strings.Repeat("0", 32)+"/password", "", object{"user": object{"original_password": "a", "password": "b"}})
}

func TestBodiesCannotReachWhatTheyShouldNot(t *testing.T) {
	each(t, bodiesCannotReachWhatTheyShouldNot)
}

func bodiesCannotReachWhatTheyShouldNot(t *testing.T, c *identitytest.Cloud) {
	admin := c.Admin()
	domain := c.Create(admin, "/v3/domains", "domain", object{"name": "d"})
	a := c.Must(201, "POST", "/v3/users", admin, object{"user": object{
		"name": "u", "id": "chosen", "password_hash": "$argon2id$x", "kind": "federated", "failed_attempts": -5, "created_at": 1, "domain_id": domain,
		"links": object{"self": "https://evil.example.org"}, "password_expires_at": "2099-01-01T00:00:00Z",
	}})
	id := a.Text("user", "id")
	if id == "chosen" || strings.Contains(a.Text("user", "links", "self"), "evil") || a.Get("user", "password_expires_at") != nil {
		t.Errorf("%s", a.Raw)
	}
	c.Must(400, "PATCH", "/v3/users/"+id, admin, object{"user": object{"domain_id": "default"}})
	c.Must(400, "PATCH", "/v3/users/"+id, admin, object{"user": object{"id": "another"}})
	manager := c.Persona(admin, "manager", domain, "manager", "domain", domain)
	c.Must(403, "POST", "/v3/users", manager.Token, object{"user": object{"name": "x", "domain_id": "default"}})
	c.Must(403, "POST", "/v3/projects", manager.Token, object{"project": object{"name": "x", "is_domain": true}})
	// A domain's manager gives only the roles that are not above his own.
	for role, want := range map[string]int{"member": 204, "manager": 204, "admin": 403, "service": 403} {
		c.Must(want, "PUT", "/v3/domains/"+domain+"/users/"+id+"/roles/"+c.Role(admin, role), manager.Token, nil)
	}
	c.Must(403, "PUT", "/v3/system/users/"+id+"/roles/"+c.Role(admin, "reader"), manager.Token, nil)
	// Nothing implies the administrator's role, and rules form no circle.
	c.Must(403, "PUT", "/v3/roles/"+c.Role(admin, "member")+"/implies/"+c.Role(admin, "admin"), admin, nil)
	c.Must(400, "PUT", "/v3/roles/"+c.Role(admin, "reader")+"/implies/"+c.Role(admin, "member"), admin, nil)
	c.Must(403, "DELETE", "/v3/roles/"+c.Role(admin, "reader"), admin, nil) // immutable
}

func TestWrongBodiesGet4xx(t *testing.T) { each(t, wrongBodiesGet4xx) }

func wrongBodiesGet4xx(t *testing.T, c *identitytest.Cloud) {
	admin := c.Admin()
	deep := strings.Repeat(`{"a":`, 200) + "1" + strings.Repeat("}", 200)
	for name, tc := range map[string]struct {
		method, path, body string
		want               int
	}{
		"empty":           {"POST", "/v3/users", "", 400},
		"not JSON":        {"POST", "/v3/users", "{", 400},
		"a list":          {"POST", "/v3/users", "[]", 400},
		"null":            {"POST", "/v3/users", "null", 400},
		"wrong key":       {"POST", "/v3/users", `{"usr":{}}`, 400},
		"user is text":    {"POST", "/v3/users", `{"user":"x"}`, 400},
		"name is a list":  {"POST", "/v3/users", `{"user":{"name":["x"]}}`, 400},
		"name is blank":   {"POST", "/v3/users", `{"user":{"name":"  "}}`, 400},
		"name too long":   {"POST", "/v3/users", `{"user":{"name":"` + strings.Repeat("x", 256) + `"}}`, 400},
		"two values":      {"POST", "/v3/users", `{"user":{"name":"a"}}{"user":{"name":"b"}}`, 400},
		"deep":            {"POST", "/v3/users", deep, 400},
		"deep login":      {"POST", "/v3/auth/tokens", deep, 400},
		"large":           {"POST", "/v3/users", `{"user":{"name":"` + strings.Repeat("x", 2<<20) + `"}}`, 413},
		"long password":   {"POST", "/v3/users", `{"user":{"name":"p","password":"` + strings.Repeat("x", 5000) + `"}}`, 400},
		"null byte":       {"GET", "/v3/users/a%00b", "", 400},
		"no such domain":  {"POST", "/v3/users", `{"user":{"name":"x","domain_id":"00000000000000000000000000000000"}}`, 404},
		"odd option":      {"POST", "/v3/users", `{"user":{"name":"x","options":{"odd":true}}}`, 400},
		"login, no auth":  {"POST", "/v3/auth/tokens", `{}`, 400},
		"login, methods":  {"POST", "/v3/auth/tokens", `{"auth":{"identity":{"methods":"password"}}}`, 400},
		"login, none":     {"POST", "/v3/auth/tokens", `{"auth":{"identity":{"methods":[]}}}`, 401},
		"login, unknown":  {"POST", "/v3/auth/tokens", `{"auth":{"identity":{"methods":["magic"],"magic":{}}}}`, 401},
		"login, external": {"POST", "/v3/auth/tokens", `{"auth":{"identity":{"methods":["external"],"external":{}}}}`, 401},
		"two scopes": {"POST", "/v3/auth/tokens", `{"auth":{"identity":{"methods":["password"],"password":{"user":{"id":"x","password":"y"}}},
			"scope":{"project":{"id":"x"},"domain":{"id":"y"}}}}`, 400},
		"huge number": {"POST", "/v3/OS-TRUST/trusts", `{"trust":{"trustor_user_id":"a","trustee_user_id":"b","impersonation":true,"remaining_uses":1e99}}`, 400},
		"odd time":    {"GET", "/v3/users?password_expires_at=gt:yesterday", "", 400},
		"odd escape":  {"GET", "/v3/users?name=%zz", "", 400},
	} {
		if a := c.Do(tc.method, tc.path, admin, tc.body); a.Status != tc.want || a.Status >= 300 && a.Text("error", "message") == "" {
			t.Errorf("%s: %d, want %d: %.200s", name, a.Status, tc.want, a.Raw)
		}
	}
}

// The classes of Keystone's advisories about EC2 credentials (CVE-2020-12689,
// -12690, -12691, -12692).
func TestEC2CredentialsKeepTheirLimits(t *testing.T) { each(t, eC2CredentialsKeepTheirLimits) }

func eC2CredentialsKeepTheirLimits(t *testing.T, c *identitytest.Cloud) {
	admin := c.Admin()
	project := c.Create(admin, "/v3/projects", "project", object{"name": "p"})
	second := c.Create(admin, "/v3/projects", "project", object{"name": "q"})
	u := c.Persona(admin, "u", "default", "member", "project", project)
	v := c.Persona(admin, "v", "default", "member", "project", project)
	c.Must(204, "PUT", "/v3/projects/"+second+"/users/"+u.UserID+"/roles/"+c.Role(admin, "member"), admin, nil)

	// A key pair made with an application credential has its roles, no more.
	app := c.Must(201, "POST", "/v3/users/"+u.UserID+"/application_credentials", u.Token, object{"application_credential": object{
		"name": "a", "roles": []object{{"name": "reader"}}, "unrestricted": true,
	}})
	delegated := c.Must(201, "POST", "/v3/auth/tokens", "", object{"auth": object{"identity": object{
		"methods":                []string{"application_credential"},
		"application_credential": object{"id": app.Text("application_credential", "id"), "secret": app.Text("application_credential", "secret")},
	}}}).Header.Get("X-Subject-Token")
	c.Must(403, "POST", "/v3/credentials", delegated, object{"credential": object{"type": "ec2", "project_id": second, "blob": `{"access":"k2","secret":"s"}`}})
	c.Must(201, "POST", "/v3/credentials", delegated, object{"credential": object{"type": "ec2", "project_id": project, "blob": `{"access":"k1","secret":"s"}`}})
	id := identity.EC2ID("k1")
	signed := func(access, secret string, at time.Time) identitytest.Answer {
		return signedS3(c, admin, access, secret, at.UTC().Format("20060102T150405Z"))
	}
	a := signed("k1", "s", c.Clock.Now())
	if roles, _ := a.Get("token", "roles").([]any); a.Status != 200 || len(roles) != 1 {
		t.Errorf("the key pair of an application credential: %d %s", a.Status, a.Raw)
	}
	if a := signed("k1", "guess", c.Clock.Now()); a.Status != 401 {
		t.Errorf("a wrong secret: %d", a.Status)
	}
	if a := signed("k1", "s", c.Clock.Now().Add(-time.Hour)); a.Status != 401 {
		t.Errorf("a stale signature: %d", a.Status)
	}
	if a := signed("unknown", "s", c.Clock.Now()); a.Status != 401 {
		t.Errorf("an unknown key: %d", a.Status)
	}
	// Neither the owner nor another takes the limit off.
	for name, blob := range map[string]string{"limit taken off": `{"access":"k1","secret":"s"}`, "no access": `{"secret":"s"}`, "not JSON": `x`} {
		if a := c.Do("PATCH", "/v3/credentials/"+id, u.Token, object{"credential": object{"blob": blob}}); a.Status != 400 {
			t.Errorf("%s: %d", name, a.Status)
		}
	}
	c.Must(403, "GET", "/v3/credentials/"+id, v.Token, nil)
	c.Must(403, "PATCH", "/v3/credentials/"+id, v.Token, object{"credential": object{"user_id": v.UserID}})
	c.Must(403, "PATCH", "/v3/credentials/"+id, u.Token, object{"credential": object{"user_id": v.UserID}})
	c.Must(400, "POST", "/v3/credentials", u.Token, object{"credential": object{"type": "ec2", "project_id": project, "blob": `{"access":"k3","secret":"s","trust_id":"x"}`}})
	// What becomes a key pair later is held to the same, and opens nothing.
	for name, step := range map[string]struct {
		token, blob string
		status      int
	}{
		"by a delegated token": {delegated, `{"access":"k4","secret":"s"}`, 403},
		"with a delegation":    {u.Token, `{"access":"k4","secret":"s","trust_id":"x"}`, 400},
		"without access":       {u.Token, `{"secret":"s"}`, 400},
		"by its owner":         {u.Token, `{"access":"k4","secret":"s"}`, 200},
	} {
		cert := c.Create(u.Token, "/v3/credentials", "credential", object{"type": "cert", "project_id": project, "blob": "x"})
		if a := c.Do("PATCH", "/v3/credentials/"+cert, step.token, object{"credential": object{"type": "ec2", "blob": step.blob}}); a.Status != step.status {
			t.Errorf("%s: %d, want %d: %.200s", name, a.Status, step.status, a.Raw)
		} else if a.Status == 200 {
			c.Must(400, "PATCH", "/v3/credentials/"+cert, u.Token, object{"credential": object{"type": "cert"}})
		}
		c.Must(204, "DELETE", "/v3/credentials/"+cert, u.Token, nil)
		if a := signed("k4", "s", c.Clock.Now()); a.Status != 401 {
			t.Errorf("%s: it opens the door: %d", name, a.Status)
		}
	}
	// A delegated token sees only what belongs to its project.
	c.Must(201, "POST", "/v3/credentials", u.Token, object{"credential": object{"type": "totp", "blob": "JBSWY3DPEHPK3PXP"}})
	if list := c.Must(200, "GET", "/v3/credentials", delegated, nil).Body["credentials"].([]any); len(list) != 1 {
		t.Errorf("a delegated token sees %d credentials", len(list))
	}
	// Without its delegation the key pair is dead.
	c.Must(204, "DELETE", "/v3/users/"+u.UserID+"/application_credentials/"+app.Text("application_credential", "id"), u.Token, nil)
	if a := signed("k1", "s", c.Clock.Now()); a.Status != 401 {
		t.Errorf("the key pair outlives its delegation: %d", a.Status)
	}
}

// signedS3 asks for the token of a signed S3 request.
func signedS3(c *identitytest.Cloud, token, access, secret, date string) identitytest.Answer {
	text := "AWS4-HMAC-SHA256\n" + date + "\n" + date[:8] + "/RegionOne/s3/aws4_request\n" + strings.Repeat("0", 64)
	key := []byte("AWS4" + secret)
	for _, part := range []string{date[:8], "RegionOne", "s3", "aws4_request"} {
		key = mac(key, part)
	}
	return c.Do("POST", "/v3/s3tokens", token, object{"credentials": object{
		"access": access, "signature": fmt.Sprintf("%x", mac(key, text)),
		"token": base64.URLEncoding.EncodeToString([]byte(text)), "headers": object{"X-Amz-Date": date},
	}})
}

func b64(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

func mac(key []byte, text string) []byte {
	m := hmac.New(sha256.New, key)
	m.Write([]byte(text))
	return m.Sum(nil)
}

func TestOthersAreInvisible(t *testing.T) { each(t, othersAreInvisible) }

func othersAreInvisible(t *testing.T, c *identitytest.Cloud) {
	admin := c.Admin()
	home, away := c.Create(admin, "/v3/projects", "project", object{"name": "home"}), c.Create(admin, "/v3/projects", "project", object{"name": "away"})
	u := c.Persona(admin, "u", "default", "member", "project", home)
	v := c.Persona(admin, "v", "default", "member", "project", away)
	there := c.Do("GET", "/v3/projects/"+away, u.Token, nil)
	missing := c.Do("GET", "/v3/projects/"+strings.Repeat("0", 32), u.Token, nil)
	if there.Status != missing.Status || string(there.Raw) != string(missing.Raw) {
		t.Errorf("a foreign project and none can be told apart: %s and %s", there.Raw, missing.Raw)
	}
	mine := c.Create(v.Token, "/v3/users/"+v.UserID+"/application_credentials", "application_credential", object{"name": "mine"})
	for _, path := range []string{
		"/v3/users/" + v.UserID, "/v3/users/" + v.UserID + "/projects", "/v3/users/" + v.UserID + "/application_credentials",
		"/v3/users/" + v.UserID + "/application_credentials/" + mine, "/v3/users/" + u.UserID + "/application_credentials/" + mine, "/v3/users", "/v3/credentials?user_id=" + v.UserID,
	} {
		a := c.Do("GET", path, u.Token, nil)
		if strings.HasPrefix(path, "/v3/credentials") {
			if list, _ := a.Body["credentials"].([]any); a.Status != 200 || len(list) != 0 {
				t.Errorf("%s: %d %s", path, a.Status, a.Raw)
			}
			continue
		}
		if a.Status != 403 {
			t.Errorf("%s: %d %s", path, a.Status, a.Raw)
		}
	}
}

func FuzzLogin(f *testing.F) {
	c := sqliteCloud(f)
	for _, seed := range []string{
		`{"auth":{"identity":{"methods":["password"],"password":{"user":{"id":"x","password":"y"}}},"scope":{"project":{"id":"x"}}}}`,
		`{"auth":{"identity":{"methods":["token"],"token":{"id":"x"}},"scope":"unscoped"}}`, `{"auth":{"identity":{"methods":["totp"],"totp":{"user":{"name":"x","domain":{"id":"default"},"passcode":"1"}}}}}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		if a := c.Do("POST", "/v3/auth/tokens", "", body); a.Status >= 500 || a.Status < 400 {
			t.Errorf("%d for %q", a.Status, body)
		}
	})
}

func FuzzOAuth1Header(f *testing.F) {
	c := sqliteCloud(f)
	f.Add(`OAuth realm="x", oauth_consumer_key="k", oauth_nonce="1", oauth_signature="c2ln", oauth_signature_method="HMAC-SHA1", oauth_timestamp="1", oauth_version="1.0", oauth_callback="oob"`)
	f.Add(`OAuth oauth_token=%zz,,="`)
	f.Fuzz(func(t *testing.T, header string) {
		r := httptest.NewRequest("POST", "http://cloud.test/identity/v3/OS-OAUTH1/request_token", nil)
		r.Header.Set("Requested-Project-Id", "p")
		r.Header["Authorization"] = []string{header}
		w := httptest.NewRecorder()
		c.Handler.ServeHTTP(w, r)
		if w.Code >= 500 || w.Code < 400 {
			t.Errorf("%d for %q", w.Code, header)
		}
	})
}

func FuzzSignedRequest(f *testing.F) {
	c := sqliteCloud(f)
	admin := c.Admin()
	user := c.Must(200, "GET", "/v3/users?name=admin", admin, nil).Body["users"].([]any)[0].(object)["id"].(string)
	project := c.Must(200, "GET", "/v3/projects?name=admin", admin, nil).Body["projects"].([]any)[0].(object)["id"].(string)
	c.Create(admin, "/v3/credentials", "credential", object{"type": "ec2", "user_id": user, "project_id": project, "blob": `{"access":"k","secret":"s"}`})
	f.Add(`{"credentials":{"access":"k","signature":"x","token":"dA==","headers":{"X-Amz-Date":"20260101T000000Z"}}}`)
	f.Add(`{"credentials":{"access":"k","signature":"x","host":"h","verb":"GET","path":"/","params":{"SignatureVersion":"2","SignatureMethod":"HmacSHA256","Timestamp":"1"},"body_hash":"0",
		"headers":{"Authorization":"AWS4-HMAC-SHA256 Credential=k/20260101/r/s/aws4_request, SignedHeaders=host;x, Signature=0"}}}`)
	f.Fuzz(func(t *testing.T, body string) {
		for _, path := range []string{"/v3/ec2tokens", "/v3/s3tokens"} {
			if a := c.Do("POST", path, admin, body); a.Status >= 500 || a.Status < 400 {
				t.Errorf("%s: %d for %q", path, a.Status, body)
			}
		}
	})
}

func FuzzAssignmentMarker(f *testing.F) {
	c := sqliteCloud(f)
	admin := c.Admin()
	f.Add("eA==", true)
	f.Add("user:x:project:y:z:0:1", false)
	f.Fuzz(func(t *testing.T, marker string, effective bool) {
		r := httptest.NewRequest("GET", "http://cloud.test/identity/v3/role_assignments", nil)
		q := url.Values{"limit": {"1"}, "marker": {marker}}
		if effective {
			q.Set("effective", "1")
		}
		r.URL.RawQuery = q.Encode()
		r.Header.Set("X-Auth-Token", admin)
		w := httptest.NewRecorder()
		c.Handler.ServeHTTP(w, r)
		if w.Code >= 500 {
			t.Errorf("%d for %q", w.Code, marker)
		}
	})
}

func FuzzEndpointURL(f *testing.F) {
	c := sqliteCloud(f)
	admin := c.Admin()
	service := c.Create(admin, "/v3/services", "service", object{"type": "fuzzed"})
	endpoint := c.Create(admin, "/v3/endpoints", "endpoint", object{"service_id": service, "interface": "public", "url": "http://x.example.org/"})
	f.Add("http://x.example.org/%(project_id)s/$(user_id)s")
	f.Add("http://x/%(%(project_id)s)s")
	f.Fuzz(func(t *testing.T, text string) {
		a := c.Do("PATCH", "/v3/endpoints/"+endpoint, admin, object{"endpoint": object{"url": text}})
		if a.Status >= 500 {
			t.Fatalf("%d for %q", a.Status, text)
		}
		catalog := string(c.Do("GET", "/v3/auth/catalog", admin, nil).Raw)
		if a.Status == 200 && (strings.Contains(catalog, "$(") || strings.Contains(catalog, "%(")) {
			t.Errorf("%q leaves a mark in the catalogue", text)
		}
	})
}

func FuzzFilters(f *testing.F) {
	c := sqliteCloud(f)
	admin := c.Admin()
	f.Add("name__icontains=x&limit=1&marker=y&enabled=&password_expires_at=lt:2026-01-01T00:00:00Z")
	f.Fuzz(func(t *testing.T, query string) {
		r := httptest.NewRequest("GET", "http://cloud.test/identity/v3/users", nil)
		r.URL.RawQuery = query
		r.Header.Set("X-Auth-Token", admin)
		w := httptest.NewRecorder()
		c.Handler.ServeHTTP(w, r)
		if w.Code >= http.StatusInternalServerError {
			t.Errorf("%d for %q: %s", w.Code, query, w.Body)
		}
	})
}

// Null characters and bytes that are not UTF-8 are told to be wrong: one of the
// databases would fail on them, and both must behave the same.
func TestWhatIsNotText(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := identitytest.New(t, db)
		admin := c.Admin()
		for kind, key := range map[string]string{"users": "user", "projects": "project", "groups": "group", "roles": "role"} {
			c.Must(400, "POST", "/v3/"+kind, admin, object{key: object{"name": "a\x00b"}})
			c.Must(201, "POST", "/v3/"+kind, admin, object{key: object{"name": `a\u0000b`}}) // six characters, none of them null
			c.Must(400, "GET", "/v3/"+kind+"?name=a%00b", admin, nil)
			c.Must(400, "GET", "/v3/"+kind+"?name=%ff", admin, nil)
			c.Must(400, "GET", "/v3/"+kind+"/%ff", admin, nil)
			c.Must(400, "GET", "/v3/"+kind+"/%00", admin, nil)
		}
		c.Must(400, "POST", "/v3/auth/tokens", "", identitytest.PasswordBody("a\x00", "x", "unscoped"))
	})
}
