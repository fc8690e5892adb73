package oidc_test

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"kumoi/internal/identity"
	names "kumoi/internal/identity/federation"
	"kumoi/internal/identity/identitytest"
	"kumoi/internal/identity/oidc"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
	"kumoi/internal/kernel/store/storetest"
	"kumoi/test/federation/oidctest"
)

type object = map[string]any

const (
	dashboard = "https://dashboard.example.org/auth/websso/"
	authPath  = "/v3/OS-FEDERATION/identity_providers/corp/protocols/openid/auth"
	webssoURL = "http://cloud.test/identity/v3/auth/OS-FEDERATION/websso/openid"
)

func providers(t testing.TB, list ...oidc.Provider) *oidc.Providers {
	t.Helper()
	p, err := oidc.New(list, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// federation is a cloud with an identity provider, a mapping and a group whose
// members are readers of a project.
func federation(t *testing.T, db *store.DB) (*identitytest.Cloud, *oidctest.Provider, string) {
	t.Helper()
	op := oidctest.New(t, webssoURL)
	c := identitytest.New(t, db, func(d *identity.Deps) {
		d.SSO = providers(t,
			oidc.Provider{IdP: "corp", Protocol: "openid", Issuer: op.URL, ClientID: oidctest.Kumoi, ClientSecret: oidctest.Secret, Scopes: []string{"profile"}},
			oidc.Provider{IdP: "corp", Protocol: "opaque", Issuer: op.URL, ClientID: oidctest.Opaque, ClientSecret: oidctest.Secret},
			oidc.Provider{IdP: "corp", Protocol: "broken", Issuer: op.URL, ClientID: oidctest.Opaque, ClientSecret: "wrong"},
		)
		d.Config.TrustedDashboards = []string{dashboard}
	})
	admin := c.Admin()
	project := c.Create(admin, "/v3/projects", "project", object{"name": "shared"})
	group := c.Create(admin, "/v3/groups", "group", object{"name": "ops"})
	c.Must(204, "PUT", "/v3/projects/"+project+"/groups/"+group+"/roles/"+c.Role(admin, "reader"), admin, nil)
	c.Must(201, "PUT", "/v3/OS-FEDERATION/identity_providers/corp", admin, object{"identity_provider": object{"enabled": true, "remote_ids": []string{op.URL}}})
	c.Must(201, "PUT", "/v3/OS-FEDERATION/mappings/corp", admin, object{"mapping": object{"rules": []object{{
		"local": []object{
			{"user": object{"id": "{0}", "name": "{1}"}},
			{"groups": "{2}", "domain": object{"id": "default"}},
		},
		"remote": []object{{"type": "HTTP_OIDC_SUB"}, {"type": "HTTP_OIDC_PREFERRED_USERNAME"}, {"type": "HTTP_OIDC_GROUPS", "whitelist": []string{"ops"}}},
	}}}})
	for _, p := range []string{"openid", "opaque", "broken"} {
		c.Must(201, "PUT", "/v3/OS-FEDERATION/identity_providers/corp/protocols/"+p, admin, object{"protocol": object{"mapping_id": "corp", "remote_id_attribute": "HTTP_OIDC_ISS"}})
	}
	return c, op, project
}

func auth(c *identitytest.Cloud, protocol, token string) identitytest.Answer {
	return c.Do("GET", strings.Replace(authPath, "openid", protocol, 1), "", nil, "Authorization", "Bearer "+token)
}

func scoped(token, project string) object {
	return object{"auth": object{
		"identity": object{"methods": []string{"token"}, "token": object{"id": token}}, "scope": identitytest.Project(project),
	}}
}

func TestAccessTokenLogin(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c, op, project := federation(t, db)
		for name, login := range map[string][2]string{
			"access token":        {"openid", op.Token(oidctest.Kumoi, "access_token")},
			"id token":            {"openid", op.Token(oidctest.Kumoi, "id_token")},
			"opaque access token": {"opaque", op.Token(oidctest.Opaque, "access_token")},
		} {
			a := auth(c, login[0], login[1])
			if a.Status != 201 {
				t.Errorf("%s: %d %s", name, a.Status, a.Raw)
				continue
			}
			if a.Text("token", "user", "name") != "ann" && a.Text("token", "user", "name") != "ann@corp" || a.Text("token", "user", "OS-FEDERATION", "identity_provider", "id") != "corp" {
				t.Errorf("%s: %s", name, a.Raw)
			}
			s := c.Must(201, "POST", "/v3/auth/tokens", "", scoped(a.Header.Get("X-Subject-Token"), project))
			if s.Get("token", "roles").([]any)[0].(object)["name"] != "reader" {
				t.Errorf("%s: roles %v", name, s.Get("token", "roles"))
			}
		}
		// The same person is the same user each time.
		admin := c.Admin()
		count := func() int {
			return len(c.Must(200, "GET", "/v3/users?idp_id=corp&protocol_id=openid", admin, nil).Body["users"].([]any))
		}
		before := count()
		auth(c, "openid", op.Token(oidctest.Kumoi, "access_token"))
		if after := count(); before != 1 || after != 1 {
			t.Errorf("%d users, then %d", before, after)
		}
		// The provider's word about groups counts anew with every login.
		op.SetGroups("dev")
		a := auth(c, "openid", op.Token(oidctest.Kumoi, "access_token"))
		c.Must(401, "POST", "/v3/auth/tokens", "", scoped(a.Header.Get("X-Subject-Token"), project))
		// A provider that is switched off takes its users' tokens along.
		token := op.Token(oidctest.Kumoi, "access_token")
		c.Must(200, "GET", "/v3/auth/projects", a.Header.Get("X-Subject-Token"), nil)
		c.Must(200, "PATCH", "/v3/OS-FEDERATION/identity_providers/corp", admin, object{"identity_provider": object{"enabled": false}})
		c.Must(401, "GET", "/v3/auth/projects", a.Header.Get("X-Subject-Token"), nil)
		c.Must(403, "GET", authPath, "", nil, "Authorization", "Bearer "+token)
	})
}

// Membership of a group that a provider vouches for ends when it was said to,
// for tokens in use as well.
func TestMembershipsEnd(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c, op, project := federation(t, db)
		c.Must(200, "PATCH", "/v3/OS-FEDERATION/identity_providers/corp", c.Admin(), object{"identity_provider": object{"authorization_ttl": 10}})
		first := auth(c, "openid", op.Token(oidctest.Kumoi, "access_token")).Header.Get("X-Subject-Token")
		token := c.Must(201, "POST", "/v3/auth/tokens", "", scoped(first, project)).Header.Get("X-Subject-Token")
		c.Must(200, "GET", "/v3/auth/projects", token, nil)
		c.Clock.Advance(11 * time.Minute)
		c.Must(401, "GET", "/v3/auth/projects", token, nil)
		c.Must(401, "POST", "/v3/auth/tokens", "", scoped(first, project))
		if mine := c.Must(200, "GET", "/v3/auth/projects", first, nil).Body["projects"].([]any); len(mine) != 0 {
			t.Errorf("projects %v", mine)
		}
	})
}

// Tokens that are somebody else's, or nobody's.
func TestForgedAccessTokens(t *testing.T) {
	c, op, _ := federation(t, storetest.SQLite(t))
	stranger, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	good := object{"iss": op.URL, "aud": oidctest.Kumoi, "exp": time.Now().Add(time.Minute).Unix(), "sub": "u-1", "preferred_username": "ann", "groups": []string{"ops"}}
	with := func(k string, v any) string {
		o := maps.Clone(good)
		o[k] = v
		if v == nil {
			delete(o, k)
		}
		return op.Sign(o)
	}
	if a := auth(c, "openid", op.Sign(good)); a.Status != 201 {
		t.Fatalf("the good one: %d %s", a.Status, a.Raw)
	}
	parts := strings.Split(op.Sign(good), ".")
	none := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`))
	for name, token := range map[string]string{
		"another key":          oidctest.Sign(t, jose.SigningKey{Algorithm: jose.RS256, Key: stranger}, good),
		"public key as secret": oidctest.Sign(t, jose.SigningKey{Algorithm: jose.HS256, Key: []byte(strings.Repeat("k", 64))}, good),
		"another audience":     with("aud", "someone-else"),
		"no audience":          with("aud", nil),
		"another party":        with("aud", []string{"x", "y"}),
		"another issuer":       with("iss", "https://evil.example.org"),
		"expired":              with("exp", time.Now().Add(-time.Hour).Unix()),
		"no expiry":            with("exp", nil),
		"not yet":              with("nbf", time.Now().Add(time.Hour).Unix()),
		"no subject":           with("sub", nil),
		"a logout token":       with("events", object{"http://schemas.openid.net/event/backchannel-logout": object{}}),
		"another client's":     op.Token(oidctest.Other, "access_token"),
		"alg none":             none + "." + parts[1] + ".",
		"cut":                  parts[0] + "." + parts[1] + "." + parts[2][:20],
		"unknown opaque":       "guess",
		"nothing":              "",
	} {
		if a := auth(c, "openid", token); a.Status != 401 {
			t.Errorf("%s: %d %s", name, a.Status, a.Raw)
		}
	}
	for name, token := range map[string]string{
		"a JWT of another client": op.Token(oidctest.Other, "access_token"),
		"a guess":                 "guess",
		"a changed token":         op.Token(oidctest.Opaque, "access_token")[1:],
	} {
		if a := auth(c, "opaque", token); a.Status != 401 {
			t.Errorf("opaque, %s: %d %s", name, a.Status, a.Raw)
		}
	}
	if a := auth(c, "broken", op.Token(oidctest.Opaque, "access_token")); a.Status != 401 {
		t.Errorf("with a wrong client secret: %d %s", a.Status, a.Raw)
	}
	if a := auth(c, "unknown", op.Sign(good)); a.Status != 401 {
		t.Errorf("unknown protocol: %d %s", a.Status, a.Raw)
	}
}

// An opaque token of another client of the same provider is no login here, even
// though the provider's user info endpoint would take it.
func TestOpaqueTokenOfAnotherClient(t *testing.T) {
	mux := http.NewServeMux()
	srv := httptest.NewServer(mux)
	defer srv.Close()
	answers := map[string]object{
		"ours":      {"active": true, "sub": "u-1", "aud": "kumoi"},
		"by client": {"active": true, "sub": "u-1", "client_id": "kumoi"},
		"theirs":    {"active": true, "sub": "u-1", "aud": "album", "client_id": "album"},
		"ended":     {"active": false, "sub": "u-1", "aud": "kumoi"},
		"foreign":   {"active": true, "sub": "u-1", "aud": "kumoi", "iss": "https://other.example.org"},
		"mixed":     {"active": true, "sub": "u-2", "aud": "kumoi"},
		"nobody":    {"active": true, "aud": "kumoi"},
	}
	introspection := true
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		doc := object{"issuer": srv.URL, "jwks_uri": srv.URL + "/keys", "userinfo_endpoint": srv.URL + "/me"}
		if introspection {
			doc["introspection_endpoint"] = srv.URL + "/introspect"
		}
		writeJSON(w, doc)
	})
	mux.HandleFunc("/me", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, object{"sub": "u-1", "email": "ann@corp.test", "aud": "kumoi"})
	})
	mux.HandleFunc("/introspect", func(w http.ResponseWriter, r *http.Request) { writeJSON(w, answers[r.FormValue("token")]) })
	entry := oidc.Provider{IdP: "corp", Protocol: "openid", Issuer: srv.URL, ClientID: "kumoi"}
	p := providers(t, entry)
	for token := range answers {
		a, err := p.Bearer(t.Context(), "corp", "openid", token)
		good := token == "ours" || token == "by client"
		if good && (err != nil || a["email"][0] != "ann@corp.test") || !good && !errs.Is(err, errs.Unauthenticated) {
			t.Errorf("%s: %v %v", token, a, err)
		}
	}
	introspection = false
	if _, err := providers(t, entry).Bearer(t.Context(), "corp", "openid", "ours"); !errs.Is(err, errs.Unauthenticated) {
		t.Errorf("without introspection: %v", err)
	}
	srv.Close()
	if _, err := providers(t, entry).Bearer(t.Context(), "corp", "openid", "ours"); !errs.Is(err, errs.Unavailable) {
		t.Errorf("a provider that is away: %v", err)
	}
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

var hidden = regexp.MustCompile(`action="([^"]*)"[\s\S]*name="token" value="([^"]*)"`)

func TestBrowserLogin(t *testing.T) {
	c, op, project := federation(t, storetest.SQLite(t))
	path := strings.TrimPrefix(webssoURL, "http://cloud.test/identity")
	c.Must(401, "GET", path+"?origin=https://evil.example.org/", "", nil)
	c.Must(400, "GET", path, "", nil)
	start := c.Must(302, "GET", path+"?origin="+url.QueryEscape(dashboard), "", nil)
	cookie := strings.SplitN(start.Header.Get("Set-Cookie"), ";", 2)[0]
	back := op.Browse(start.Header.Get("Location"))
	answer := strings.TrimPrefix(back, "http://cloud.test/identity")
	c.Must(401, "GET", answer, "", nil)                                         // another browser
	c.Must(401, "GET", answer, "", nil, "Cookie", "kumoi_sso=0123456789abcdef") // and another
	page := c.Must(200, "GET", answer, "", nil, "Cookie", cookie)
	m := hidden.FindStringSubmatch(string(page.Raw))
	if m == nil || m[1] != dashboard {
		t.Fatalf("page %s", page.Raw)
	}
	c.Must(201, "POST", "/v3/auth/tokens", "", scoped(m[2], project))
	c.Must(401, "GET", answer, "", nil, "Cookie", cookie) // once only
	if a := c.Do("GET", path+"?state=forged&code=the-code", "", nil, "Cookie", cookie); a.Status != 401 {
		t.Errorf("a forged state: %d", a.Status)
	}
	// A code that was got in another login is refused by the provider: the
	// challenge is another.
	stolen, err := url.Parse(op.Browse(c.Must(302, "GET", path+"?origin="+url.QueryEscape(dashboard), "", nil).Header.Get("Location")))
	if err != nil {
		t.Fatal(err)
	}
	start = c.Must(302, "GET", path+"?origin="+url.QueryEscape(dashboard), "", nil)
	own, err := url.Parse(start.Header.Get("Location"))
	if err != nil {
		t.Fatal(err)
	}
	q := url.Values{"code": {stolen.Query().Get("code")}, "state": {own.Query().Get("state")}}
	cookie = strings.SplitN(start.Header.Get("Set-Cookie"), ";", 2)[0]
	if a := c.Do("GET", path+"?"+q.Encode(), "", nil, "Cookie", cookie); a.Status != 401 {
		t.Errorf("a code of another login: %d", a.Status)
	}
}

// Claims that are called like the names we make of others do not take their place.
func TestClaimsThatClaimToBeOthers(t *testing.T) {
	c, op, _ := federation(t, storetest.SQLite(t))
	for range 10 { // maps have no order
		a := auth(c, "openid", op.Sign(object{
			"iss": op.URL, "aud": oidctest.Kumoi, "exp": time.Now().Add(time.Minute).Unix(), "sub": "u-9", "preferred_username": "eve", "groups": []string{"dev"},
			"HTTP_OIDC_SUB": "u-1", "HTTP_OIDC_GROUPS": []string{"ops"}, "HTTP_OIDC_PREFERRED_USERNAME": "root", "REMOTE_USER": "root", "HTTP_OIDC_ISS": "https://other.example.org",
		}))
		if a.Status != 201 || a.Text("token", "user", "name") != "eve" || len(a.Get("token", "user", "OS-FEDERATION", "groups").([]any)) != 0 {
			t.Fatalf("%d %s", a.Status, a.Raw)
		}
	}
}

func FuzzBearer(f *testing.F) {
	op := oidctest.New(f)
	p := providers(f, oidc.Provider{IdP: "corp", Protocol: "openid", Issuer: op.URL, ClientID: oidctest.Kumoi, ClientSecret: oidctest.Secret})
	good := op.Token(oidctest.Kumoi, "access_token")
	f.Add("a.b.c")
	f.Add("opaque")
	f.Add("eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.")
	f.Add(good[:len(good)-4])
	f.Fuzz(func(t *testing.T, token string) {
		if a, err := p.Bearer(t.Context(), "corp", "openid", token); err == nil && token != good {
			t.Errorf("%q is taken: %v", token, a)
		}
	})
}

// A provider whose certificate only its own authority knows.
func TestPrivateAuthority(t *testing.T) {
	mux := http.NewServeMux()
	srv := httptest.NewTLSServer(mux)
	defer srv.Close()
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, object{"issuer": srv.URL, "jwks_uri": srv.URL + "/keys", "introspection_endpoint": srv.URL + "/introspect"})
	})
	mux.HandleFunc("/introspect", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, object{"active": true, "sub": "u-1", "aud": "kumoi", "uid": 1000000})
	})
	file := filepath.Join(t.TempDir(), "ca.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw})
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	entry := oidc.Provider{IdP: "corp", Protocol: "openid", Issuer: srv.URL, ClientID: "kumoi", CAFile: file}
	a, err := providers(t, entry).Bearer(t.Context(), "corp", "openid", "opaque")
	if err != nil || a["uid"][0] != "1000000" || a[names.RemoteUser][0] != "u-1" {
		t.Errorf("%v %v", a, err)
	}
	entry.CAFile = ""
	if _, err := providers(t, entry).Bearer(t.Context(), "corp", "openid", "opaque"); !errs.Is(err, errs.Unavailable) {
		t.Errorf("without its authority: %v", err)
	}
	if err := os.WriteFile(file, []byte("none"), 0o600); err != nil {
		t.Fatal(err)
	}
	entry.CAFile = file
	if _, err := oidc.New([]oidc.Provider{entry}, time.Now); !errs.Is(err, errs.Invalid) {
		t.Errorf("no certificate: %v", err)
	}
}
