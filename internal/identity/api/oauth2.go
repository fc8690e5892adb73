package api

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"kumoi/internal/identity"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/httpx"
)

// OAuth 2.0's client credentials grant (RFC 6749, section 4.4): a program trades
// its application credential for a token that it then brings as any other.

func (h *handlers) oauth2Routes() []httpx.Route {
	return []httpx.Route{public(route(http.MethodPost, "/v3/OS-OAUTH2/token", "", h.oauth2Token))}
}

// oauth2Error is what the RFC makes of an error.
func oauth2Error(r *httpx.Request, status int, code, description string) *httpx.Response {
	resp := httpx.JSON(status, object{"error": code, "error_description": description}).With("Cache-Control", "no-store").With("Pragma", "no-cache")
	if status == http.StatusUnauthorized {
		resp.With("WWW-Authenticate", `Keystone uri="`+r.Endpoint+`/v3/OS-OAUTH2/token"`)
	}
	return resp
}

func (h *handlers) oauth2Token(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	b, err := r.Body()
	if err != nil {
		return nil, err
	}
	in, err := url.ParseQuery(string(b))
	switch {
	case err != nil:
		return oauth2Error(r, http.StatusBadRequest, "invalid_request", "The form is malformed."), nil
	case in.Get("grant_type") == "":
		return oauth2Error(r, http.StatusBadRequest, "invalid_request", "The parameter grant_type is required."), nil
	case in.Get("grant_type") != "client_credentials":
		return oauth2Error(r, http.StatusBadRequest, "unsupported_grant_type", "The grant_type client_credentials is the only one."), nil
	}
	id, secret, ok := r.HTTP.BasicAuth()
	if !ok || id == "" || secret == "" {
		return oauth2Error(r, http.StatusUnauthorized, "invalid_client", "Client authentication failed: bring id and secret of an application credential by HTTP's basic authentication."), nil
	}
	issued, err := h.oauth2Login(ctx, id, secret)
	if errs.Is(err, errs.Unauthenticated) || errs.Is(err, errs.Forbidden) {
		return oauth2Error(r, http.StatusUnauthorized, "invalid_client", "Client authentication failed."), nil
	}
	if err != nil {
		return nil, err
	}
	life := int64(issued.Token.ExpiresAt.Sub(issued.Token.IssuedAt) / time.Second)
	return httpx.JSON(http.StatusOK, object{"access_token": issued.Text, "token_type": "Bearer", "expires_in": life}).
		With("Cache-Control", "no-store").With("Pragma", "no-cache"), nil
}

// oauth2Login logs an application credential in. The RFC has clients escape id
// and secret, Keystone and its clients do not: a secret that is not right as it
// stands may be right without its escapes.
func (h *handlers) oauth2Login(ctx context.Context, id, secret string) (*identity.Issued, error) {
	login := func(id, secret string) (*identity.Issued, error) {
		return h.svc.Login(ctx, identity.AuthRequest{Methods: []string{identity.AppCredMethod}, AppCred: &identity.AppCredAuth{ID: id, Secret: secret}})
	}
	issued, err := login(id, secret)
	plainID, badID := url.QueryUnescape(id)
	plain, bad := url.QueryUnescape(secret)
	if errs.Is(err, errs.Unauthenticated) && errors.Join(badID, bad) == nil && (plainID != id || plain != secret) {
		return login(plainID, plain)
	}
	return issued, err
}
