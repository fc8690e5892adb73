package identity

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"slices"
	"time"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

// SingleSignOn talks to identity providers; package oidc does.
type SingleSignOn interface {
	ForProtocol(protocol string) []string
	Bearer(ctx context.Context, idp, protocol, token string) (Assertion, error)
	Begin(ctx context.Context, idp, protocol, redirect, state, nonce, verifier string) (string, error)
	Finish(ctx context.Context, idp, protocol, redirect, code, nonce, verifier string) (Assertion, error)
}

// issuerAttribute is where an OpenID Connect assertion names its issuer.
const issuerAttribute = "iss"

// FederateBearer logs in whoever brings an access token of a provider.
func (s *Service) FederateBearer(ctx context.Context, idp, protocol, token string) (*Issued, error) {
	if s.sso == nil {
		return nil, unauthorized("no identity provider is configured")
	}
	a, err := s.sso.Bearer(ctx, idp, protocol, token)
	if err != nil {
		return nil, s.auditLogin(ctx, AuthRequest{Methods: []string{MappedMethod}}, nil, err)
	}
	return s.Federate(ctx, idp, protocol, a)
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

// BeginSSO sends a browser to its provider. origin, where the token will go,
// must be a dashboard that the operator trusts; browser ties the answer to the
// browser that asked.
func (s *Service) BeginSSO(ctx context.Context, idp, protocol, origin, redirect, browser string) (string, error) {
	if !slices.Contains(s.cfg.TrustedDashboards, origin) {
		return "", errs.New(errs.Unauthenticated, "%s is not a trusted dashboard host", origin)
	}
	if s.sso == nil {
		return "", unauthorized("no identity provider is configured")
	}
	if idp == "" {
		list := s.sso.ForProtocol(protocol)
		if len(list) != 1 {
			return "", errs.New(errs.NotFound, "There are %d identity providers for protocol %s; name one in the path.", len(list), protocol)
		}
		idp = list[0]
	}
	st := ssoState{IdP: idp, Protocol: protocol, Origin: origin, Nonce: randomText(), Verifier: randomText(), Browser: browser, Until: s.now().Add(ssoLife)}
	text, err := json.Marshal(st)
	if err != nil {
		return "", err
	}
	sealed, err := s.sealFor(ctx, tokenKey, "sso", text)
	if err != nil {
		return "", err
	}
	return s.sso.Begin(ctx, idp, protocol, redirect, sealed, st.Nonce, st.Verifier)
}

// FinishSSO takes the browser's answer and returns the token and where it goes.
func (s *Service) FinishSSO(ctx context.Context, sealed, code, redirect, browser string) (*Issued, string, error) {
	text, err := s.unsealFor(ctx, tokenKey, "sso", sealed)
	if err != nil {
		return nil, "", unauthorized("the single sign-on state is not ours")
	}
	var st ssoState
	if err := json.Unmarshal(text, &st); err != nil || !s.now().Before(st.Until) || !equalText(st.Browser, browser) {
		return nil, "", unauthorized("the single sign-on state has expired or is another browser's")
	}
	first, err := write(ctx, s, func(tx *store.Tx) (bool, error) {
		return s.store.Users.UseOnce(ctx, tx, "sso/"+st.Nonce, st.Until)
	})
	if err != nil {
		return nil, "", err
	}
	if !first {
		return nil, "", unauthorized("the single sign-on state was used before")
	}
	a, err := s.sso.Finish(ctx, st.IdP, st.Protocol, redirect, code, st.Nonce, st.Verifier)
	if err != nil {
		return nil, "", err
	}
	issued, err := s.Federate(ctx, st.IdP, st.Protocol, a)
	return issued, st.Origin, err
}

// vouches refuses an assertion of an issuer that the provider is not known by.
func (p IdentityProvider) vouches(a Assertion) error {
	iss := a[issuerAttribute]
	if len(p.RemoteIDs) == 0 || len(iss) == 1 && slices.Contains(p.RemoteIDs, iss[0]) {
		return nil
	}
	return errs.New(errs.Forbidden, "Incoming identity provider identifier not included among the accepted identifiers.")
}
