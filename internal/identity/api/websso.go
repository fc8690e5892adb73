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

	"kumoi/internal/identity"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/httpx"
)

// public is a route by which one logs in: it needs no token, and identity
// writes the login into the audit trail itself.
func public(r httpx.Route) httpx.Route {
	r.Public = true
	return unaudited(r)
}

// paosType is the media type of the envelopes of enhanced SAML clients.
const paosType = "application/vnd.paos+xml"

// federatedAuth answers a token without scope to whoever an identity provider
// vouches for: who brings its access token, who comes back with the ticket for a
// SAML response, or, at first, who speaks SAML and is told where to go.
func (h *handlers) federatedAuth(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	idp, protocol := r.Var("idp_id"), r.Var("protocol_id")
	header := r.HTTP.Header
	if kind, token, _ := strings.Cut(header.Get("Authorization"), " "); strings.EqualFold(kind, "Bearer") && token != "" {
		issued, err := h.svc.SSO.Bearer(ctx, idp, protocol, strings.TrimSpace(token))
		return h.federatedToken(ctx, r, issued, err)
	}
	if r.HTTP.Method == http.MethodPost && strings.HasPrefix(header.Get("Content-Type"), paosType) {
		return h.finishEnhanced(ctx, r)
	}
	enhanced := strings.Contains(header.Get("Accept"), paosType)
	if ticket, err := r.HTTP.Cookie(ticketCookie); err == nil {
		issued, _, err := h.svc.SSO.RedeemTicket(ctx, ticket.Value, "")
		if !errs.Is(err, errs.Unauthenticated) || !enhanced { // an old ticket does not keep from a new login
			resp, err := h.federatedToken(ctx, r, issued, err)
			if err != nil {
				return nil, err
			}
			return resp.With("Set-Cookie", cookie(r, ticketCookie, "", -1)), nil
		}
	}
	if enhanced {
		text, err := h.svc.SSO.Envelope(ctx, idp, protocol)
		if err != nil {
			return nil, err
		}
		return (&httpx.Response{Status: http.StatusOK, Raw: text}).With("Content-Type", paosType), nil
	}
	return nil, errs.New(errs.Unauthenticated, "The request you have made requires authentication: bring the provider's access token as Authorization: Bearer, or speak SAML (ECP).")
}

func (h *handlers) federatedToken(ctx context.Context, r *httpx.Request, issued *identity.Issued, err error) (*httpx.Response, error) {
	if err != nil {
		return nil, err
	}
	return h.tokenResponse(ctx, r, http.StatusCreated, issued.Session, issued.Text)
}

const (
	ssoCookie    = "kumoi_sso"  // which browser began a login
	ticketCookie = "kumoi_saml" // what an enhanced client fetches its token with
)

func cookie(r *httpx.Request, name, value string, seconds int) string {
	c := http.Cookie{Name: name, Value: value, Path: Prefix, HttpOnly: true, Secure: r.HTTP.TLS != nil, SameSite: http.SameSiteLaxMode, MaxAge: seconds}
	return c.String()
}

// websso begins single sign-on (?origin=), takes the provider's answer (code and
// state of OpenID Connect, SAMLResponse and RelayState of SAML), and delivers the token.
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
	switch {
	case in.Has("SAMLResponse"):
		return h.finishBrowserSAML(ctx, r, in.Get("SAMLResponse"), in.Get("RelayState"), here)
	case in.Get("state") == "" && in.Get("ticket") == "":
		return h.beginSSO(ctx, r, in.Get("origin"), here)
	}
	browser, err := r.HTTP.Cookie(ssoCookie)
	if err != nil {
		return nil, errs.Wrap(errs.Unauthenticated, err, "The browser that began the login is another, or refuses cookies.")
	}
	var issued *identity.Issued
	var origin string
	if ticket := in.Get("ticket"); ticket != "" {
		issued, origin, err = h.svc.SSO.RedeemTicket(ctx, ticket, browser.Value)
	} else {
		issued, origin, err = h.svc.SSO.Finish(ctx, in.Get("state"), in.Get("code"), here, browser.Value)
	}
	if err != nil {
		return nil, err
	}
	var page bytes.Buffer
	if err := deliver.Execute(&page, map[string]string{"Origin": origin, "Token": issued.Text}); err != nil {
		return nil, err
	}
	return (&httpx.Response{Status: http.StatusOK, Raw: page.Bytes()}).With("Content-Type", "text/html; charset=utf-8").
		With("Cache-Control", "no-store").With("Referrer-Policy", "no-referrer"), nil
}

func (h *handlers) beginSSO(ctx context.Context, r *httpx.Request, origin, here string) (*httpx.Response, error) {
	if origin == "" {
		return nil, errs.New(errs.Invalid, "Request must have an origin query parameter")
	}
	raw := make([]byte, 16)
	rand.Read(raw)
	browser := hex.EncodeToString(raw)
	to, err := h.svc.SSO.Begin(ctx, r.Var("idp_id"), r.Var("protocol_id"), origin, here, browser)
	if err != nil {
		return nil, err
	}
	return httpx.Empty(http.StatusFound).With("Location", to).With("Set-Cookie", cookie(r, ssoCookie, browser, 600)), nil
}

// deliver posts the token to the dashboard, as dashboards expect it.
var deliver = template.Must(template.New("deliver").Parse(`<!DOCTYPE html>
<html><head><title>Signing in</title></head>
<body><form id="sso" action="{{.Origin}}" method="post">
<input type="hidden" name="token" value="{{.Token}}">
<noscript>JavaScript is off: press the button to go on. <input type="submit" value="Continue"></noscript>
</form><script>document.getElementById('sso').submit();</script></body></html>
`))
