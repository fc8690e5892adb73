// Package oidctest is an OpenID Connect provider for tests: zitadel's, with one
// user and a few clients kept in memory. It logs people in by the authorization
// code, device, client credentials and, as one addition to the library, the
// password grant.
package oidctest

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
	"golang.org/x/text/language"
)

// The one user, and the clients. Kumoi gets JWTs, Opaque gets tokens that only
// introspection explains, Other belongs to somebody else.
const (
	User     = "ann"
	Subject  = "u-1"
	Password = "ann's password"
	Kumoi    = "kumoi"
	Opaque   = "kumoi-opaque"
	Other    = "photo-album"
	Secret   = "a secret & more" // of every client
)

// Provider is a running provider.
type Provider struct {
	*httptest.Server
	t     testing.TB
	op    *op.Provider
	store *storage
}

// New starts a provider. Browsers may be sent back to any of redirects.
func New(t testing.TB, redirects ...string) *Provider {
	t.Helper()
	p := &Provider{t: t, store: newStorage(t, redirects)}
	p.Server = httptest.NewServer(http.HandlerFunc(p.serve))
	t.Cleanup(p.Close)
	var err error
	p.op, err = op.NewProvider(&op.Config{
		CodeMethodS256: true, AuthMethodPost: true, SupportedUILocales: []language.Tag{language.English},
		DeviceAuthorization: op.DeviceAuthorizationConfig{Lifetime: time.Minute, PollInterval: time.Second, UserFormPath: "/device", UserCode: op.UserCodeBase20},
	}, p.store, op.StaticIssuer(p.URL), op.WithAllowInsecure(), op.WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// SetGroups changes what the provider says about the user from now on.
func (p *Provider) SetGroups(groups ...string) {
	p.store.mu.Lock()
	defer p.store.mu.Unlock()
	p.store.groups = groups
}

// SetSubject makes the user somebody else.
func (p *Provider) SetSubject(subject, name string) {
	p.store.mu.Lock()
	defer p.store.mu.Unlock()
	p.store.subject, p.store.name = subject, name
}

func (p *Provider) serve(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.URL.Path == "/login":
		p.login(w, r)
	case r.URL.Path == "/device":
		p.device(w, r)
	case r.URL.Path == oidc.DiscoveryEndpoint:
		p.discovery(w, r)
	case r.URL.Path == "/oauth/token" && r.PostFormValue("grant_type") == "password":
		p.passwordGrant(w, r)
	default:
		p.op.ServeHTTP(w, r)
	}
}

// discovery adds the password grant to what the library offers.
func (p *Provider) discovery(w http.ResponseWriter, r *http.Request) {
	rec := httptest.NewRecorder()
	p.op.ServeHTTP(rec, r)
	var doc map[string]any
	if err := json.Unmarshal(rec.Body.Bytes(), &doc); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	grants, _ := doc["grant_types_supported"].([]any)
	doc["grant_types_supported"] = append(grants, "password")
	reply(w, doc)
}

func reply(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

func right(r *http.Request) bool {
	return r.PostFormValue("username") == User && r.PostFormValue("password") == Password
}

// passwordGrant is RFC 6749, section 4.3, which the library leaves out.
func (p *Provider) passwordGrant(w http.ResponseWriter, r *http.Request) {
	ctx := op.ContextWithIssuer(r.Context(), p.URL)
	// Unlike the library, many clients do not escape their id and secret.
	id, secret, _ := r.BasicAuth()
	c, err := p.store.ClientCredentials(ctx, id, secret)
	if err != nil || !right(r) {
		w.WriteHeader(http.StatusUnauthorized)
		reply(w, map[string]string{"error": "invalid_grant"})
		return
	}
	tokens, err := op.CreateTokenResponse(ctx, p.store.request(id, strings.Fields(r.PostFormValue("scope"))), c, p.op, true, "", "")
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	reply(w, tokens)
}

// login is the page that the authorization code flow leads to.
func (p *Provider) login(w http.ResponseWriter, r *http.Request) {
	id := r.FormValue("id")
	if r.Method != http.MethodPost || !right(r) || !p.store.finish(id) {
		http.Error(w, "say who you are", http.StatusUnauthorized)
		return
	}
	ctx := op.ContextWithIssuer(r.Context(), p.URL)
	http.Redirect(w, r, op.AuthCallbackURL(p.op)(ctx, id), http.StatusFound)
}

// device is the page where a user allows a device that shows a code.
func (p *Provider) device(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost || !right(r) || !p.store.allow(r.PostFormValue("user_code")) {
		http.Error(w, "say who you are, and the device's code", http.StatusUnauthorized)
	}
}

// Token gets a token for a client by the password grant: the access token, or
// the id token.
func (p *Provider) Token(client, kind string) string {
	p.t.Helper()
	form := url.Values{"grant_type": {"password"}, "username": {User}, "password": {Password}, "scope": {"openid profile"}}
	req, err := http.NewRequest(http.MethodPost, p.URL+"/oauth/token", strings.NewReader(form.Encode()))
	if err != nil {
		p.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth(client, Secret)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	var tokens map[string]any
	if err := json.NewDecoder(resp.Body).Decode(&tokens); err != nil {
		p.t.Fatal(err)
	}
	text, ok := tokens[kind].(string)
	if !ok {
		p.t.Fatalf("no %s in %v", kind, tokens)
	}
	return text
}

// Browse logs the user in at the provider's page, as a browser that was sent to
// location, and returns where it is sent back to.
func (p *Provider) Browse(location string) string {
	p.t.Helper()
	browser := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	step := func(method, at string, form url.Values) string {
		req, err := http.NewRequest(method, at, strings.NewReader(form.Encode()))
		if err != nil {
			p.t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		resp, err := browser.Do(req)
		if err != nil {
			p.t.Fatal(err)
		}
		defer resp.Body.Close()
		to, err := resp.Location()
		if err != nil {
			p.t.Fatalf("%s: %v", resp.Status, err)
		}
		return to.String()
	}
	login := step(http.MethodGet, location, nil)
	callback := step(http.MethodPost, login, url.Values{"username": {User}, "password": {Password}})
	return step(http.MethodGet, callback, nil)
}

// Sign signs any claims with the provider's key.
func (p *Provider) Sign(claims map[string]any) string {
	return Sign(p.t, jose.SigningKey{Algorithm: jose.RS256, Key: p.store.key}, claims)
}

// allowed are the scopes that are granted.
func allowed(scopes []string) []string {
	return slices.DeleteFunc(slices.Clone(scopes), func(s string) bool { return s == oidc.ScopeOfflineAccess })
}
