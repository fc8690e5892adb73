package oidc_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"kumoi/internal/identity"
	"kumoi/internal/identity/identitytest"
	"kumoi/internal/identity/oidc"
	"kumoi/internal/kernel/store/storetest"
)

type object = map[string]any

// issuer is a small OpenID Connect provider: discovery, keys, the password
// and authorization code grants, and user info.
type issuer struct {
	*httptest.Server
	t      *testing.T
	key    *rsa.PrivateKey
	claims map[string]any
	codes  map[string]url.Values
	aud    string
}

func newIssuer(t *testing.T) *issuer {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	is := &issuer{t: t, key: key, aud: "kumoi", codes: map[string]url.Values{}, claims: map[string]any{"sub": "u-1", "preferred_username": "ann", "groups": []string{"ops", "dev"}}}
	mux := http.NewServeMux()
	is.Server = httptest.NewServer(mux)
	t.Cleanup(is.Close)
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		is.reply(w, object{
			"issuer": is.URL, "authorization_endpoint": is.URL + "/authorize", "token_endpoint": is.URL + "/token",
			"jwks_uri": is.URL + "/keys", "userinfo_endpoint": is.URL + "/me", "id_token_signing_alg_values_supported": []string{"RS256"},
		})
	})
	mux.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) {
		is.reply(w, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: &key.PublicKey, KeyID: "k", Algorithm: "RS256", Use: "sig"}}})
	})
	mux.HandleFunc("/me", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer opaque" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		is.reply(w, is.claims)
	})
	mux.HandleFunc("/authorize", func(w http.ResponseWriter, r *http.Request) {
		is.codes["the-code"] = r.URL.Query()
		http.Redirect(w, r, r.URL.Query().Get("redirect_uri")+"?code=the-code&state="+url.QueryEscape(r.URL.Query().Get("state")), http.StatusFound)
	})
	mux.HandleFunc("/token", is.token)
	return is
}

func (is *issuer) reply(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(v); err != nil {
		is.t.Error(err)
	}
}

func (is *issuer) token(w http.ResponseWriter, r *http.Request) {
	out := object{"access_token": is.sign(nil), "token_type": "Bearer", "expires_in": 300}
	if r.FormValue("grant_type") == "authorization_code" {
		asked, ok := is.codes[r.FormValue("code")]
		sum := sha256.Sum256([]byte(r.FormValue("code_verifier")))
		if !ok || base64.RawURLEncoding.EncodeToString(sum[:]) != asked.Get("code_challenge") {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		out["id_token"] = is.sign(object{"nonce": asked.Get("nonce")})
	}
	is.reply(w, out)
}

func (is *issuer) sign(more object) string {
	claims := object{"iss": is.URL, "aud": is.aud, "exp": time.Now().Add(time.Minute).Unix(), "iat": time.Now().Unix()}
	maps.Copy(claims, is.claims)
	maps.Copy(claims, more)
	return signWith(is.t, is.key, claims)
}

func signWith(t *testing.T, key *rsa.PrivateKey, claims object) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: key}, (&jose.SignerOptions{}).WithHeader("kid", "k"))
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	jws, err := signer.Sign(text)
	if err != nil {
		t.Fatal(err)
	}
	out, err := jws.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

const (
	dashboard = "https://dashboard.example.org/auth/websso/"
	authPath  = "/v3/OS-FEDERATION/identity_providers/corp/protocols/openid/auth"
)

// federation is a cloud with an identity provider, a mapping and a group whose
// members are readers of a project.
func federation(t *testing.T) (*identitytest.Cloud, *issuer, string) {
	t.Helper()
	is := newIssuer(t)
	c := identitytest.New(t, storetest.SQLite(t), func(d *identity.Deps) {
		d.SSO = oidc.New([]oidc.Provider{{IdP: "corp", Protocol: "openid", Issuer: is.URL, ClientID: "kumoi", ClientSecret: "s"}}, nil)
		d.Config.TrustedDashboards = []string{dashboard}
	})
	admin := c.Admin()
	project := c.Create(admin, "/v3/projects", "project", object{"name": "shared"})
	group := c.Create(admin, "/v3/groups", "group", object{"name": "ops"})
	c.Must(204, "PUT", "/v3/projects/"+project+"/groups/"+group+"/roles/"+c.Role(admin, "reader"), admin, nil)
	c.Must(201, "PUT", "/v3/OS-FEDERATION/identity_providers/corp", admin, object{"identity_provider": object{"enabled": true, "remote_ids": []string{is.URL}}})
	c.Must(201, "PUT", "/v3/OS-FEDERATION/mappings/corp", admin, object{"mapping": object{"rules": []object{{
		"local": []object{
			{"user": object{"id": "{0}", "name": "{1}"}},
			{"groups": "{2}", "domain": object{"id": "default"}},
		},
		"remote": []object{{"type": "HTTP_OIDC_SUB"}, {"type": "HTTP_OIDC_PREFERRED_USERNAME"}, {"type": "HTTP_OIDC_GROUPS", "whitelist": []string{"ops"}}},
	}}}})
	c.Must(201, "PUT", "/v3/OS-FEDERATION/identity_providers/corp/protocols/openid", admin, object{"protocol": object{"mapping_id": "corp"}})
	return c, is, project
}

func TestAccessTokenLogin(t *testing.T) {
	c, is, project := federation(t)
	for name, token := range map[string]string{"jwt": is.sign(nil), "opaque": "opaque"} {
		a := c.Must(201, "GET", authPath, "", nil, "Authorization", "Bearer "+token)
		if a.Text("token", "user", "name") != "ann" || a.Text("token", "user", "OS-FEDERATION", "identity_provider", "id") != "corp" {
			t.Errorf("%s: %s", name, a.Raw)
		}
		scoped := c.Must(201, "POST", "/v3/auth/tokens", "", object{"auth": object{
			"identity": object{"methods": []string{"token"}, "token": object{"id": a.Header.Get("X-Subject-Token")}}, "scope": identitytest.Project(project),
		}})
		if scoped.Get("token", "roles").([]any)[0].(object)["name"] != "reader" {
			t.Errorf("%s: roles %v", name, scoped.Get("token", "roles"))
		}
	}
	// The same person is the same user each time.
	admin := c.Admin()
	if users := c.Must(200, "GET", "/v3/users?idp_id=corp", admin, nil).Body["users"].([]any); len(users) != 1 {
		t.Errorf("%d users", len(users))
	}
	// The provider's word about groups counts anew with every login.
	is.claims["groups"] = []string{"dev"}
	a := c.Must(201, "POST", authPath, "", nil, "Authorization", "Bearer "+is.sign(nil))
	c.Must(401, "POST", "/v3/auth/tokens", "", object{"auth": object{
		"identity": object{"methods": []string{"token"}, "token": object{"id": a.Header.Get("X-Subject-Token")}}, "scope": identitytest.Project(project),
	}})
	// A provider that is switched off takes its users' tokens along.
	c.Must(200, "GET", "/v3/auth/projects", a.Header.Get("X-Subject-Token"), nil)
	c.Must(200, "PATCH", "/v3/OS-FEDERATION/identity_providers/corp", admin, object{"identity_provider": object{"enabled": false}})
	c.Must(401, "GET", "/v3/auth/projects", a.Header.Get("X-Subject-Token"), nil)
	c.Must(403, "GET", authPath, "", nil, "Authorization", "Bearer "+is.sign(nil))
}

func TestForgedAccessTokens(t *testing.T) {
	c, is, _ := federation(t)
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	good := object{"iss": is.URL, "aud": "kumoi", "exp": time.Now().Add(time.Minute).Unix(), "sub": "u-1", "preferred_username": "ann", "groups": []string{"ops"}}
	with := func(k string, v any) object {
		o := maps.Clone(good)
		o[k] = v
		return o
	}
	parts := strings.Split(is.sign(nil), ".")
	none := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`))
	for name, token := range map[string]string{
		"another key":      signWith(t, other, good),
		"another audience": is.sign(object{"aud": "someone-else"}),
		"another issuer":   signWith(t, is.key, with("iss", "https://evil.example.org")),
		"expired":          signWith(t, is.key, with("exp", time.Now().Add(-time.Hour).Unix())),
		"alg none":         none + "." + parts[1] + ".",
		"unknown opaque":   "guess",
		"nothing":          "",
	} {
		if a := c.Do("GET", authPath, "", nil, "Authorization", "Bearer "+token); a.Status != 401 {
			t.Errorf("%s: %d %s", name, a.Status, a.Raw)
		}
	}
}

var hidden = regexp.MustCompile(`action="([^"]*)"[\s\S]*name="token" value="([^"]*)"`)

func TestBrowserLogin(t *testing.T) {
	c, is, _ := federation(t)
	const path = "/v3/auth/OS-FEDERATION/websso/openid"
	c.Must(401, "GET", path+"?origin=https://evil.example.org/", "", nil)
	c.Must(400, "GET", path, "", nil)
	begin := c.Must(302, "GET", path+"?origin="+url.QueryEscape(dashboard), "", nil)
	cookie := strings.SplitN(begin.Header.Get("Set-Cookie"), ";", 2)[0]
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Get(begin.Header.Get("Location"))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	back, err := url.Parse(resp.Header.Get("Location"))
	if err != nil {
		t.Fatal(err)
	}
	answer := strings.TrimPrefix(back.Path, "/identity") + "?" + back.RawQuery
	c.Must(401, "GET", answer, "", nil)                                         // another browser
	c.Must(401, "GET", answer, "", nil, "Cookie", "kumoi_sso=0123456789abcdef") // and another
	page := c.Must(200, "GET", answer, "", nil, "Cookie", cookie)
	m := hidden.FindStringSubmatch(string(page.Raw))
	if m == nil || m[1] != dashboard {
		t.Fatalf("page %s", page.Raw)
	}
	c.Must(200, "GET", "/v3/auth/projects", m[2], nil)
	c.Must(401, "GET", answer, "", nil, "Cookie", cookie) // once only
	is.claims["sub"] = "u-2"
	if a := c.Do("GET", path+"?state=forged&code=the-code", "", nil, "Cookie", cookie); a.Status != 401 {
		t.Errorf("a forged state: %d", a.Status)
	}
}
