package oidc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	gooidc "github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"kumoi/internal/identity/federation"
	"kumoi/internal/kernel/errs"
)

// Bearer checks an access token and returns what it says.
func (p *Providers) Bearer(ctx context.Context, idp, protocol, token string) (federation.Assertion, error) {
	r, d, err := p.find(ctx, idp, protocol)
	if err != nil {
		return nil, err
	}
	ctx = gooidc.ClientContext(ctx, r.client)
	var claims map[string]any
	if strings.Count(token, ".") == 2 {
		claims, err = r.verify(ctx, d, token, &gooidc.Config{SkipClientIDCheck: true, Now: p.clock})
	} else {
		claims, err = r.introspect(ctx, d, token)
	}
	if err != nil {
		return nil, err
	}
	if !r.meant(claims) {
		return nil, refused(fmt.Errorf("the access token is for %v, not for %s", claims["aud"], r.ClientID))
	}
	return r.complete(ctx, d, claims, token)
}

// verify reads a token that the provider has signed.
func (r *remote) verify(ctx context.Context, d *discovered, token string, config *gooidc.Config) (map[string]any, error) {
	t, err := d.VerifierContext(ctx, config).Verify(ctx, token)
	if err != nil {
		return nil, refused(err)
	}
	claims := map[string]any{}
	if err := t.Claims(&claims); err != nil {
		return nil, refused(err)
	}
	if _, ok := claims["events"]; ok {
		return nil, refused(errors.New("a security event, such as a logout, is not a login"))
	}
	return claims, nil
}

const maxAnswer = 1 << 20

// introspect asks the provider about a token that says nothing by itself (RFC 7662).
func (r *remote) introspect(ctx context.Context, d *discovered, token string) (map[string]any, error) {
	if d.introspection == "" {
		return nil, refused(fmt.Errorf("the token is opaque, and %s has no introspection endpoint that would say for whom it is", r.Issuer))
	}
	form := url.Values{"token": {token}, "token_type_hint": {"access_token"}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, d.introspection, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	req.SetBasicAuth(url.QueryEscape(r.ClientID), url.QueryEscape(r.ClientSecret))
	resp, err := r.client.Do(req)
	if err != nil {
		return nil, errs.Wrap(errs.Unavailable, err, "The identity provider %s cannot be reached.", r.IdP)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, refused(fmt.Errorf("introspection at %s answers %s; are client-id and client-secret right?", r.Issuer, resp.Status))
	}
	claims := map[string]any{}
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(&claims); err != nil {
		return nil, refused(err)
	}
	if active, _ := claims["active"].(bool); !active {
		return nil, refused(errors.New("the provider says that the token is not active"))
	}
	if iss, said := claims["iss"]; said && iss != r.Issuer {
		return nil, refused(fmt.Errorf("the token is of %v, not of %s", iss, r.Issuer))
	}
	claims["iss"] = r.Issuer
	return claims, nil
}

// meant tells whether an access token was issued for this cloud.
func (r *remote) meant(claims map[string]any) bool {
	ours := append([]string{r.ClientID}, r.Audiences...)
	if slices.ContainsFunc(texts(claims["aud"]), func(a string) bool { return slices.Contains(ours, a) }) {
		return true
	}
	// Some providers name the client here and put a resource, or nothing, into the audience.
	for _, key := range []string{"azp", "client_id"} {
		if v, _ := claims[key].(string); v != "" && v == r.ClientID && len(r.Audiences) == 0 {
			return true
		}
	}
	return false
}

// complete adds what the user info endpoint says beyond the claims: many
// providers keep names and groups out of their tokens. Nothing that the token
// says is replaced, and it must speak of the same subject.
func (r *remote) complete(ctx context.Context, d *discovered, claims map[string]any, token string) (federation.Assertion, error) {
	subject, _ := claims["sub"].(string)
	if subject == "" {
		return nil, refused(errors.New("the token names no subject"))
	}
	if d.userInfo && token != "" {
		// A token without a user, as of client credentials, has none: its claims are all there is.
		if info, err := d.UserInfo(ctx, oauth2.StaticTokenSource(&oauth2.Token{AccessToken: token, TokenType: "Bearer"})); err == nil {
			more := map[string]any{}
			if err := info.Claims(&more); err != nil {
				return nil, refused(err)
			}
			if info.Subject != subject {
				return nil, refused(fmt.Errorf("the user info is of %q, the token of %q", info.Subject, subject))
			}
			for k, v := range more {
				if _, said := claims[k]; !said {
					claims[k] = v
				}
			}
		}
	}
	return assertion(claims), nil
}

// assertion names each claim as itself and as the usual web server modules do,
// so that mappings written for Keystone work unchanged. The names we make win
// over claims that happen to be called the same.
func assertion(claims map[string]any) federation.Assertion {
	a := federation.Assertion{}
	for name, v := range claims {
		if values := texts(v); values != nil {
			a[name] = values
		}
	}
	for name, v := range claims {
		if values := texts(v); values != nil {
			a["OIDC-"+name] = values
			a["HTTP_OIDC_"+strings.ToUpper(strings.ReplaceAll(name, "-", "_"))] = values
		}
	}
	for _, name := range []string{"iss", "sub"} {
		a[name], a["OIDC-"+name], a["HTTP_OIDC_"+strings.ToUpper(name)] = texts(claims[name]), texts(claims[name]), texts(claims[name])
	}
	a[federation.RemoteUser] = texts(claims["sub"])
	return a
}

// texts reads a claim's values; what is neither text, number, truth nor a list of them has none.
func texts(v any) []string {
	switch v := v.(type) {
	case string:
		return []string{v}
	case bool:
		return []string{strconv.FormatBool(v)}
	case float64:
		return []string{strconv.FormatFloat(v, 'f', -1, 64)}
	case []any:
		out := []string{}
		for _, x := range v {
			out = append(out, texts(x)...)
		}
		return out
	}
	return nil
}
