package api

import (
	"context"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"kumoi/internal/identity"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/schema"
)

// BrowserPath is where the session of the web page answers: the only addresses of
// the cloud at which a cookie is read, and the only ones that get it.
const BrowserPath = "/ui/session"

// sessionCookie has a name that browsers take over TLS alone, and a plain one
// where there is none.
const (
	sessionCookie      = "__Secure-kumoi_session"
	plainSessionCookie = "kumoi_session"
)

// browserRoutes are the session of the web page.
type browserRoutes struct {
	h   *handlers
	svc *identity.Browsers
}

// Browser are the routes of the web page's session, for the service that serves
// the page: their paths are below its prefix.
func Browser(svc *identity.Service) []httpx.Route {
	b := &browserRoutes{&handlers{svc: svc}, svc.Browsers}
	path := strings.TrimPrefix(BrowserPath, "/ui")
	at := func(method, end string, f httpx.Handler) httpx.Route {
		return public(secret(route(method, path+end, "", b.guarded(f))))
	}
	return []httpx.Route{
		at(http.MethodGet, "", b.show),
		at(http.MethodPost, "", b.login),
		at(http.MethodDelete, "", b.logout),
		at(http.MethodPost, "/token", b.token),
		at(http.MethodGet, "/scopes", b.scopes),
	}
}

// guarded lets only the page's own requests through. A cookie goes along with
// whatever a browser is made to send; these three do not come from elsewhere:
// a Sec-Fetch-Site that says so, the page's own Origin, JSON as a body's type.
// Browsers leave out the first over plain HTTP, and the second with a GET; there a
// type of JSON, which no other site's page can send unasked, stands for both.
func (b *browserRoutes) guarded(f httpx.Handler) httpx.Handler {
	return func(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
		if err := ownPage(r); err != nil {
			return nil, err
		}
		resp, err := f(ctx, r)
		if err == nil {
			resp.With("Cache-Control", "no-store")
		}
		return resp, err
	}
}

func ownPage(r *httpx.Request) error {
	h := r.HTTP.Header
	json := isJSON(h)
	site, origin := h.Get("Sec-Fetch-Site"), h.Get("Origin")
	switch {
	case site != "" && site != "same-origin", origin != "" && site == "" && !ownOrigin(r, origin):
		return errs.New(errs.Forbidden, "The session of the web page answers to that page alone, and another one asks.")
	case site == "" && origin == "" && (r.HTTP.Method != http.MethodGet && r.HTTP.Method != http.MethodHead || !json):
		return errs.New(errs.Forbidden, "The session of the web page answers to that page alone; use POST /identity/v3/auth/tokens.")
	case r.HTTP.Method == http.MethodPost && !json:
		return errs.New(errs.Forbidden, "The session of the web page takes application/json alone.")
	}
	return nil
}

func isJSON(h http.Header) bool {
	kind, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	return err == nil && kind == "application/json"
}

// ownOrigin tells whether an Origin is the cloud's: its public address, or the one
// at which it was reached.
func ownOrigin(r *httpx.Request, origin string) bool {
	u, err := url.Parse(origin)
	if err != nil || u.Host == "" {
		return false
	}
	return origin == root(r) || u.Host == r.HTTP.Host && (u.Scheme == "https") == (r.HTTP.TLS != nil)
}

func secure(r *httpx.Request) bool { return strings.HasPrefix(root(r), "https:") }

func cookieName(r *httpx.Request) string {
	if secure(r) {
		return sessionCookie
	}
	return plainSessionCookie
}

// held is the secret that a browser holds; "" if it holds none.
func held(r *httpx.Request) string {
	c, err := r.HTTP.Cookie(cookieName(r))
	if err != nil {
		return ""
	}
	return c.Value
}

func hold(r *httpx.Request, secret string, age int) string {
	c := http.Cookie{
		Name: cookieName(r), Value: secret, Path: BrowserPath, HttpOnly: true, Secure: secure(r), SameSite: http.SameSiteStrictMode, MaxAge: age,
	}
	return c.String()
}

// show tells whose the session is; none is no error, so that a page that is
// opened for the first time logs none.
func (b *browserRoutes) show(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	providers, err := b.svc.Providers(ctx)
	if err != nil {
		return nil, err
	}
	list := make([]object, len(providers))
	for i, p := range providers {
		list[i] = object{"id": p.IdP, "protocol": p.Protocol, "name": p.Name, "url": ssoURL(r, p)}
	}
	out := object{"session": nil, "providers": list}
	if held(r) == "" {
		return httpx.JSON(http.StatusOK, out), nil
	}
	se, err := b.svc.Show(ctx, held(r))
	switch {
	case errs.Is(err, errs.Unauthenticated):
		return httpx.JSON(http.StatusOK, out).With("Set-Cookie", hold(r, "", -1)), nil
	case err != nil:
		return nil, err
	}
	out["session"] = sessionView(se)
	return httpx.JSON(http.StatusOK, out), nil
}

func sessionView(se *identity.BrowserSession) object {
	return object{
		"user":       object{"id": se.User.ID, "name": se.User.Name, "domain": domainView(se.Domain)},
		"expires_at": when(se.ExpiresAt),
	}
}

// ssoURL is where a browser begins to log in at a provider.
func ssoURL(r *httpx.Request, p identity.Provider) string {
	return Prefix + "/v3/auth/OS-FEDERATION/identity_providers/" + url.PathEscape(p.IdP) + "/protocols/" + url.PathEscape(p.Protocol) +
		"/websso?origin=" + url.QueryEscape(root(r)+BrowserPath+"/sso")
}

var (
	loginSchema = schema.Of(schema.Object{
		"type": "object", "required": schema.List{"user"}, "additionalProperties": false,
		"properties": schema.Object{
			"user": schema.Object{
				"type": "object", "required": schema.List{"password"}, "additionalProperties": false,
				"properties": schema.Object{"id": text, "name": text, "domain": domainIs, "password": text},
			},
			"passcode": text,
		},
	})
	mintSchema = schema.Of(schema.Object{
		"type": "object", "additionalProperties": false,
		"properties": schema.Object{
			"project": schema.Object{"type": "object", "properties": schema.Object{"id": text, "name": text, "domain": domainIs}},
			"domain":  domainIs,
			"system":  schema.Object{"type": "object", "properties": schema.Object{"all": schema.Object{"type": "boolean"}}},
		},
	})
)

func (b *browserRoutes) login(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	in, err := r.Object()
	if err == nil {
		err = loginSchema.Validate(in)
	}
	if err != nil {
		return nil, err
	}
	user := sub(in, "user")
	a := identity.PasswordAuth{User: ref(user), Secret: str(user, "password")}
	if err := named("user", a.User, true); err != nil {
		return nil, err
	}
	req := identity.AuthRequest{Methods: []string{identity.PasswordMethod}, Password: &a}
	if code := str(in, "passcode"); code != "" {
		req.Methods = append(req.Methods, identity.TOTPMethod)
		req.TOTP = &identity.PasswordAuth{User: a.User, Secret: code}
	}
	secret, se, err := b.svc.Login(ctx, req)
	if err != nil {
		return nil, err
	}
	b.forget(ctx, r)
	return httpx.JSON(http.StatusCreated, object{"session": sessionView(se)}).With("Set-Cookie", hold(r, secret, 0)), nil
}

// forget ends the session that the browser had before it logged in again. That it
// was over already, or stays until its time is over, is no reason to refuse the new one.
func (b *browserRoutes) forget(ctx context.Context, r *httpx.Request) {
	if held(r) != "" {
		_ = b.svc.Logout(ctx, held(r), false)
	}
}

func (b *browserRoutes) token(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	in, err := r.Object()
	if err == nil {
		err = mintSchema.Validate(in)
	}
	if err != nil {
		return nil, err
	}
	var want identity.ScopeRequest
	if len(in) > 0 {
		if want, err = scopeRequest(in); err != nil {
			return nil, err
		}
	}
	issued, err := b.svc.Token(ctx, held(r), want)
	if err != nil {
		return nil, err
	}
	body, err := b.h.tokenView(ctx, r, issued.Session)
	if err != nil {
		return nil, err
	}
	return httpx.JSON(http.StatusCreated, object{"token": issued.Text, "body": body}), nil
}

func (b *browserRoutes) scopes(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	s, err := b.svc.Scopes(ctx, held(r))
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(s.Projects, func(a, b identity.Project) int { return strings.Compare(a.Name, b.Name) })
	projects, domains, system := make([]object, len(s.Projects)), make([]object, len(s.Domains)), []object{}
	for i, p := range s.Projects {
		projects[i] = object{
			"id": p.ID, "name": p.Name, "description": p.Description, "domain_id": p.DomainID, "parent_id": p.ParentID,
			"domain": object{"id": p.DomainID, "name": s.DomainNames[p.DomainID]},
		}
	}
	for i, d := range s.Domains {
		domains[i] = object{"id": d.ID, "name": d.Name, "description": d.Description}
	}
	if s.System {
		system = append(system, object{"all": true})
	}
	return httpx.JSON(http.StatusOK, object{"projects": projects, "domains": domains, "system": system}), nil
}

// logout ends the session, or all of the user's. That one is over already is what
// was asked for; it says nothing about the others.
func (b *browserRoutes) logout(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	everywhere := flag(r.Query, "everywhere")
	err := b.svc.Logout(ctx, held(r), everywhere)
	if err != nil && (everywhere || !errs.Is(err, errs.Unauthenticated)) {
		return nil, err
	}
	return httpx.NoContent().With("Set-Cookie", hold(r, "", -1)), nil
}
