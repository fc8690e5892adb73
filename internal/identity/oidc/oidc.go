// Package oidc speaks OpenID Connect with the identity providers that an
// operator has configured: it checks access tokens that clients bring, and
// runs the authorization code flow for browsers. What a provider says becomes
// an assertion; identity's mapping decides what that means here.
//
// A token counts only if it was issued for this cloud. A JWT says so itself; an
// opaque token is taken to the provider's introspection endpoint. The user info
// endpoint alone would not do: it answers for tokens of every client, so the
// operator of any other one could log in here as his users.
package oidc

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	gooidc "github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"kumoi/internal/identity/federation"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/httpx"
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
	CAFile        string   // PEM with the authorities of its certificate, if the system's do not know it
}

// Providers are all of them. It satisfies identity.SingleSignOn.
type Providers struct {
	list  []*remote
	clock func() time.Time
}

// remote is a provider with what discovery found.
type remote struct {
	Provider
	client *http.Client
	mu     sync.Mutex
	found  *discovered
}

type discovered struct {
	*gooidc.Provider
	introspection string
	userInfo      bool
}

const patience = 10 * time.Second

// New makes Providers. Nothing is dialled yet: a provider may be away when the
// cloud starts.
func New(list []Provider, clock func() time.Time) (*Providers, error) {
	p := &Providers{clock: clock}
	for _, c := range list {
		client, err := httpx.NewClient(c.CAFile, patience)
		if err != nil {
			return nil, err
		}
		r := &remote{Provider: c, client: client}
		p.list = append(p.list, r)
	}
	return p, nil
}

// ForProtocol lists the providers that are configured for a protocol.
func (p *Providers) ForProtocol(protocol string) []string {
	var out []string
	for _, r := range p.list {
		if r.Protocol == protocol {
			out = append(out, r.IdP)
		}
	}
	return out
}

func (p *Providers) find(ctx context.Context, idp, protocol string) (*remote, *discovered, error) {
	i := slices.IndexFunc(p.list, func(r *remote) bool { return r.IdP == idp && r.Protocol == protocol })
	if i < 0 {
		return nil, nil, errs.New(errs.Unauthenticated, "No OpenID Connect provider is configured for %s and %s.", idp, protocol)
	}
	found, err := p.list[i].discover(ctx)
	return p.list[i], found, err
}

// discover asks the provider where its endpoints are, until it has answered once.
func (r *remote) discover(ctx context.Context) (*discovered, error) {
	r.mu.Lock()
	found := r.found
	r.mu.Unlock()
	if found != nil {
		return found, nil
	}
	// The provider keeps its context for fetching keys later: it must outlive the request.
	provider, err := gooidc.NewProvider(gooidc.ClientContext(context.WithoutCancel(ctx), r.client), r.Issuer)
	if err != nil {
		return nil, errs.Wrap(errs.Unavailable, err, "The identity provider %s cannot be reached.", r.IdP)
	}
	var more struct {
		Introspection string `json:"introspection_endpoint"`
	}
	if err := provider.Claims(&more); err != nil {
		return nil, errs.Wrap(errs.Unavailable, err, "The identity provider %s describes itself in a way that cannot be read.", r.IdP)
	}
	found = &discovered{Provider: provider, introspection: more.Introspection, userInfo: provider.UserInfoEndpoint() != ""}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.found = found
	return found, nil
}

func refused(err error) error {
	return errs.Wrap(errs.Unauthenticated, err, "The request you have made requires authentication.")
}

func (r *remote) config(d *discovered, redirect string) *oauth2.Config {
	return &oauth2.Config{
		ClientID: r.ClientID, ClientSecret: r.ClientSecret, Endpoint: d.Endpoint(), RedirectURL: redirect,
		Scopes: append([]string{gooidc.ScopeOpenID}, r.Scopes...),
	}
}

// Begin returns where to send a browser that wants to log in.
func (p *Providers) Begin(ctx context.Context, idp, protocol, redirect, state, nonce, verifier string) (string, error) {
	r, d, err := p.find(ctx, idp, protocol)
	if err != nil {
		return "", err
	}
	return r.config(d, redirect).AuthCodeURL(state, gooidc.Nonce(nonce), oauth2.S256ChallengeOption(verifier)), nil
}

// Finish turns the code that the browser brought back into an assertion.
func (p *Providers) Finish(ctx context.Context, idp, protocol, redirect, code, nonce, verifier string) (federation.Assertion, error) {
	r, d, err := p.find(ctx, idp, protocol)
	if err != nil {
		return nil, err
	}
	ctx = gooidc.ClientContext(ctx, r.client)
	tokens, err := r.config(d, redirect).Exchange(ctx, code, oauth2.VerifierOption(verifier))
	if err != nil {
		return nil, refused(err)
	}
	raw, _ := tokens.Extra("id_token").(string)
	id, err := d.VerifierContext(ctx, &gooidc.Config{ClientID: r.ClientID, Now: p.clock}).Verify(ctx, raw)
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
	return r.complete(ctx, d, claims, tokens.AccessToken)
}
