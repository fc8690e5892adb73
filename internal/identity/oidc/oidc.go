// Package oidc speaks OpenID Connect with the identity providers that an
// operator has configured: it checks access tokens that clients bring, and
// runs the authorization code flow for browsers. What a provider says becomes
// an assertion; identity's mapping decides what that means here.
package oidc

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	gooidc "github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"kumoi/internal/identity"
	"kumoi/internal/kernel/errs"
)

// Provider is one provider's entry in the configuration. IdP and Protocol are
// the ids that identity's API knows it by.
type Provider struct {
	IdP, Protocol string
	Issuer        string // its URL; discovery starts there
	ClientID      string
	ClientSecret  string
	Scopes        []string // beside "openid"
	Audiences     []string // accepted in access tokens, beside ClientID
}

// Providers are all of them. It satisfies identity.SingleSignOn.
type Providers struct {
	list   []Provider
	client *http.Client
	mu     sync.Mutex
	found  map[string]*gooidc.Provider // by issuer, once discovery succeeded
}

// New makes Providers; client may be nil.
func New(list []Provider, client *http.Client) *Providers {
	if client == nil {
		client = &http.Client{Timeout: 10 * time.Second}
	}
	return &Providers{list: list, client: client, found: map[string]*gooidc.Provider{}}
}

// ForProtocol lists the providers that are configured for a protocol.
func (p *Providers) ForProtocol(protocol string) []string {
	var out []string
	for _, c := range p.list {
		if c.Protocol == protocol {
			out = append(out, c.IdP)
		}
	}
	return out
}

func (p *Providers) find(ctx context.Context, idp, protocol string) (Provider, *gooidc.Provider, error) {
	i := slices.IndexFunc(p.list, func(c Provider) bool { return c.IdP == idp && c.Protocol == protocol })
	if i < 0 {
		return Provider{}, nil, errs.New(errs.Unauthenticated, "No OpenID Connect provider is configured for %s and %s.", idp, protocol)
	}
	c := p.list[i]
	p.mu.Lock()
	defer p.mu.Unlock()
	if have, ok := p.found[c.Issuer]; ok {
		return c, have, nil
	}
	// The provider keeps its context for fetching keys later: it must outlive the request.
	found, err := gooidc.NewProvider(gooidc.ClientContext(context.WithoutCancel(ctx), p.client), c.Issuer)
	if err != nil {
		return c, nil, errs.Wrap(errs.Unavailable, err, "The identity provider %s cannot be reached.", idp)
	}
	p.found[c.Issuer] = found
	return c, found, nil
}

// Bearer checks an access token and returns what it says. A token that is a
// JWT must be signed by the provider and meant for us; any other is taken to
// the provider's user info endpoint.
func (p *Providers) Bearer(ctx context.Context, idp, protocol, token string) (identity.Assertion, error) {
	c, provider, err := p.find(ctx, idp, protocol)
	if err != nil {
		return nil, err
	}
	ctx = gooidc.ClientContext(ctx, p.client)
	claims := map[string]any{}
	if strings.Count(token, ".") == 2 {
		t, err := provider.VerifierContext(ctx, &gooidc.Config{SkipClientIDCheck: true}).Verify(ctx, token)
		if err != nil {
			return nil, refused(err)
		}
		if err := t.Claims(&claims); err != nil {
			return nil, refused(err)
		}
		if !c.meant(t.Audience, claims) {
			return nil, refused(fmt.Errorf("the access token is for %v, not for %s", t.Audience, c.ClientID))
		}
		return assertion(claims), nil
	}
	info, err := provider.UserInfo(ctx, oauth2.StaticTokenSource(&oauth2.Token{AccessToken: token, TokenType: "Bearer"}))
	if err != nil {
		return nil, refused(err)
	}
	if err := info.Claims(&claims); err != nil {
		return nil, refused(err)
	}
	claims["iss"] = c.Issuer
	return assertion(claims), nil
}

// meant tells whether an access token was issued for this cloud.
func (c Provider) meant(audience []string, claims map[string]any) bool {
	ours := append([]string{c.ClientID}, c.Audiences...)
	for _, a := range audience {
		if slices.Contains(ours, a) {
			return true
		}
	}
	// Some providers name the client here and put a resource into the audience.
	azp, _ := claims["azp"].(string)
	return len(c.Audiences) == 0 && azp != "" && azp == c.ClientID
}

func refused(err error) error {
	return errs.Wrap(errs.Unauthenticated, err, "The request you have made requires authentication.")
}

func (c Provider) config(provider *gooidc.Provider, redirect string) *oauth2.Config {
	return &oauth2.Config{
		ClientID: c.ClientID, ClientSecret: c.ClientSecret, Endpoint: provider.Endpoint(), RedirectURL: redirect,
		Scopes: append([]string{gooidc.ScopeOpenID}, c.Scopes...),
	}
}

// Begin returns where to send a browser that wants to log in.
func (p *Providers) Begin(ctx context.Context, idp, protocol, redirect, state, nonce, verifier string) (string, error) {
	c, provider, err := p.find(ctx, idp, protocol)
	if err != nil {
		return "", err
	}
	return c.config(provider, redirect).AuthCodeURL(state, gooidc.Nonce(nonce), oauth2.S256ChallengeOption(verifier)), nil
}

// Finish turns the code that the browser brought back into an assertion.
func (p *Providers) Finish(ctx context.Context, idp, protocol, redirect, code, nonce, verifier string) (identity.Assertion, error) {
	c, provider, err := p.find(ctx, idp, protocol)
	if err != nil {
		return nil, err
	}
	ctx = gooidc.ClientContext(ctx, p.client)
	tokens, err := c.config(provider, redirect).Exchange(ctx, code, oauth2.VerifierOption(verifier))
	if err != nil {
		return nil, refused(err)
	}
	raw, _ := tokens.Extra("id_token").(string)
	id, err := provider.VerifierContext(ctx, &gooidc.Config{ClientID: c.ClientID}).Verify(ctx, raw)
	if err != nil {
		return nil, refused(err)
	}
	if id.Nonce != nonce {
		return nil, refused(fmt.Errorf("the id token is not an answer to this login"))
	}
	claims := map[string]any{}
	if err := id.Claims(&claims); err != nil {
		return nil, refused(err)
	}
	return assertion(claims), nil
}

// assertion names each claim as itself and as the usual web server modules do,
// so that mappings written for Keystone work unchanged.
func assertion(claims map[string]any) identity.Assertion {
	a := identity.Assertion{}
	for name, v := range claims {
		values := texts(v)
		if values == nil {
			continue
		}
		for _, key := range []string{name, "OIDC-" + name, "HTTP_OIDC_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))} {
			a[key] = values
		}
	}
	return a
}

func texts(v any) []string {
	switch v := v.(type) {
	case string:
		return []string{v}
	case bool, float64, json.Number:
		return []string{fmt.Sprint(v)}
	case []any:
		out := []string{}
		for _, x := range v {
			out = append(out, texts(x)...)
		}
		return out
	}
	return nil
}
