package identity

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"slices"
	"time"

	"kumoi/internal/identity/family"
	"kumoi/internal/identity/federation"
	"kumoi/internal/identity/signature"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

// SingleSignOn talks to OpenID Connect providers; package oidc does.
type SingleSignOn interface {
	ForProtocol(protocol string) []string
	Bearer(ctx context.Context, idp, protocol, token string) (federation.Assertion, error)
	Begin(ctx context.Context, idp, protocol, redirect, state, nonce, verifier string) (string, error)
	Finish(ctx context.Context, idp, protocol, redirect, code, nonce, verifier string) (federation.Assertion, error)
}

// Bearer logs in whoever brings an access token of a provider.
func (f *SSO) Bearer(ctx context.Context, idp, protocol, token string) (*Issued, error) {
	if f.s.sso == nil {
		return nil, family.Unauthorized("no OpenID Connect provider is configured")
	}
	a, err := f.s.sso.Bearer(ctx, idp, protocol, token)
	return f.s.shadows.login(ctx, idp, protocol, a, err)
}

// ssoState is what a browser carries through the provider and back, sealed.
type ssoState struct {
	IdP, Protocol, Origin, Nonce, Verifier, Browser string
	Until                                           time.Time
}

const ssoLife = 10 * time.Minute

func randomText() string {
	b := make([]byte, 32)
	rand.Read(b)
	return base64.RawURLEncoding.EncodeToString(b)
}

// seal makes the text of a state.
func (f *SSO) seal(ctx context.Context, purpose string, st any) (string, error) {
	text, err := json.Marshal(st)
	if err != nil {
		return "", err
	}
	return f.s.sealer.seal(ctx, tokenKey, purpose, text)
}

// once refuses what was used before.
func (f *SSO) once(ctx context.Context, id string, until time.Time) error {
	first, err := family.Write(ctx, f.s.db, func(tx *store.Tx) (bool, error) { return f.s.store.Users.UseOnce(ctx, tx, id, until) })
	if err == nil && !first {
		err = family.Unauthorized("used before: " + id)
	}
	return err
}

func (f *SSO) newState(idp, protocol string) ssoState {
	return ssoState{IdP: idp, Protocol: protocol, Nonce: randomText(), Until: f.s.now().Add(ssoLife)}
}

// Begin sends a browser to its provider. origin, where the token will go,
// must be a dashboard that the operator trusts; browser ties the answer to the
// browser that asked.
func (f *SSO) Begin(ctx context.Context, idp, protocol, origin, redirect, browser string) (string, error) {
	if !slices.Contains(f.s.cfg.TrustedDashboards, origin) {
		return "", errs.New(errs.Unauthenticated, "%s is not a trusted dashboard host", origin)
	}
	viaOIDC, viaSAML := f.speakers(protocol)
	if idp == "" {
		list := slices.Concat(viaOIDC, viaSAML)
		if len(list) != 1 {
			return "", errs.New(errs.NotFound, "There are %d identity providers for protocol %s; name one in the path.", len(list), protocol)
		}
		idp = list[0]
	}
	st := f.newState(idp, protocol)
	st.Origin, st.Verifier, st.Browser = origin, randomText(), browser
	sealed, err := f.seal(ctx, "sso", st)
	switch {
	case err != nil:
		return "", err
	case slices.Contains(viaSAML, idp):
		return f.s.saml.Redirect(ctx, idp, protocol, st.samlID(), sealed)
	case slices.Contains(viaOIDC, idp):
		return f.s.sso.Begin(ctx, idp, protocol, redirect, sealed, st.Nonce, st.Verifier)
	}
	return "", family.Unauthorized("no identity provider is configured for " + idp + " and " + protocol)
}

// speakers are the providers of a protocol whose addresses are configured.
func (f *SSO) speakers(protocol string) (viaOIDC, viaSAML []string) {
	if f.s.sso != nil {
		viaOIDC = f.s.sso.ForProtocol(protocol)
	}
	if f.s.saml != nil {
		viaSAML = f.s.saml.ForProtocol(protocol)
	}
	return viaOIDC, viaSAML
}

// reaches tells whether a browser can be sent to a provider.
func (f *SSO) reaches(idp, protocol string) bool {
	viaOIDC, viaSAML := f.speakers(protocol)
	return slices.Contains(viaOIDC, idp) || slices.Contains(viaSAML, idp)
}

// Finish takes the browser's answer and returns the token and where it goes.
func (f *SSO) Finish(ctx context.Context, sealed, code, redirect, browser string) (*Issued, string, error) {
	text, err := f.s.sealer.open(ctx, tokenKey, "sso", sealed)
	if err != nil || f.s.sso == nil {
		return nil, "", family.Unauthorized("the single sign-on state is not ours")
	}
	var st ssoState
	if err := json.Unmarshal(text, &st); err != nil || !f.s.now().Before(st.Until) || !signature.Equal(st.Browser, browser) {
		return nil, "", family.Unauthorized("the single sign-on state has expired or is another browser's")
	}
	if err := f.once(ctx, "sso/"+st.Nonce, st.Until); err != nil {
		return nil, "", err
	}
	a, err := f.s.sso.Finish(ctx, st.IdP, st.Protocol, redirect, code, st.Nonce, st.Verifier)
	issued, err := f.s.shadows.login(ctx, st.IdP, st.Protocol, a, err)
	return issued, st.Origin, err
}
