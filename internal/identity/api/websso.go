package api

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"html/template"
	"net/http"
	"net/url"
	"strings"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/httpx"
)

// public is a route by which one logs in: it needs no token, and identity
// writes the login into the audit trail itself.
func public(r httpx.Route) httpx.Route {
	r.Public = true
	return unaudited(r)
}

// federatedAuth takes a provider's access token and answers a token without scope.
func (h *handlers) federatedAuth(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	kind, token, _ := strings.Cut(r.HTTP.Header.Get("Authorization"), " ")
	if !strings.EqualFold(kind, "Bearer") || token == "" {
		return nil, errs.New(errs.Unauthenticated, "The request you have made requires authentication: bring the provider's access token as Authorization: Bearer.")
	}
	issued, err := h.svc.FederateBearer(ctx, r.Var("idp_id"), r.Var("protocol_id"), strings.TrimSpace(token))
	if err != nil {
		return nil, err
	}
	return h.tokenResponse(ctx, r, http.StatusCreated, issued.Session, issued.Text)
}

const ssoCookie = "kumoi_sso"

// websso begins single sign-on (?origin=) and takes the answer (code and state).
func (h *handlers) websso(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	in := r.Query
	if r.HTTP.Method == http.MethodPost {
		b, err := r.Body()
		if err != nil {
			return nil, err
		}
		sent, err := url.ParseQuery(string(b))
		if err != nil {
			return nil, errs.Wrap(errs.Invalid, err, "The form is malformed.")
		}
		for k, v := range sent {
			in[k] = v
		}
	}
	here := root(r) + r.HTTP.URL.EscapedPath()
	if in.Get("state") == "" {
		return h.beginSSO(ctx, r, in.Get("origin"), here)
	}
	cookie, err := r.HTTP.Cookie(ssoCookie)
	if err != nil {
		return nil, errs.Wrap(errs.Unauthenticated, err, "The browser that began the login is another, or refuses cookies.")
	}
	issued, origin, err := h.svc.FinishSSO(ctx, in.Get("state"), in.Get("code"), here, cookie.Value)
	if err != nil {
		return nil, err
	}
	var page bytes.Buffer
	if err := deliver.Execute(&page, map[string]string{"Origin": origin, "Token": issued.Text}); err != nil {
		return nil, err
	}
	return (&httpx.Response{Status: http.StatusOK, Raw: page.Bytes()}).With("Content-Type", "text/html; charset=utf-8").
		With("Cache-Control", "no-store"), nil
}

func (h *handlers) beginSSO(ctx context.Context, r *httpx.Request, origin, here string) (*httpx.Response, error) {
	if origin == "" {
		return nil, errs.New(errs.Invalid, "Request must have an origin query parameter")
	}
	raw := make([]byte, 16)
	rand.Read(raw)
	browser := hex.EncodeToString(raw)
	to, err := h.svc.BeginSSO(ctx, r.Var("idp_id"), r.Var("protocol_id"), origin, here, browser)
	if err != nil {
		return nil, err
	}
	cookie := http.Cookie{Name: ssoCookie, Value: browser, Path: Prefix, HttpOnly: true, Secure: r.HTTP.TLS != nil, SameSite: http.SameSiteLaxMode, MaxAge: 600}
	return httpx.Empty(http.StatusFound).With("Location", to).With("Set-Cookie", cookie.String()), nil
}

// deliver posts the token to the dashboard, as dashboards expect it.
var deliver = template.Must(template.New("deliver").Parse(`<!DOCTYPE html>
<html><head><title>Signing in</title></head>
<body><form id="sso" action="{{.Origin}}" method="post">
<input type="hidden" name="token" value="{{.Token}}">
<noscript>JavaScript is off: press the button to go on. <input type="submit" value="Continue"></noscript>
</form><script>document.getElementById('sso').submit();</script></body></html>
`))
