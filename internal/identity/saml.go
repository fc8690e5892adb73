package identity

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"time"

	"kumoi/internal/identity/family"
	"kumoi/internal/identity/federation"
	"kumoi/internal/identity/signature"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

// SAML speaks SAML 2.0 with identity providers, and with service providers in
// the role of an identity provider; package saml does.
type SAML interface {
	ForProtocol(protocol string) []string
	// Metadata describes us to an identity provider.
	Metadata(idp, protocol string) ([]byte, error)
	// Redirect is where a browser goes to log in; Envelope is what an enhanced
	// client takes there. The answer will name id and bring relay back.
	Redirect(ctx context.Context, idp, protocol, id, relay string) (string, error)
	Envelope(ctx context.Context, idp, protocol, id, relay string) ([]byte, error)
	// Open takes the response and the relay state out of a client's envelope.
	Open(envelope []byte) (response []byte, relay string, err error)
	// Check proves a response.
	Check(ctx context.Context, idp, protocol string, r SAMLResponse) (SAMLAnswer, error)

	// IssuerMetadata describes us to service providers.
	IssuerMetadata(pair tls.Certificate) ([]byte, error)
	// Issue makes a signed response, Enclose the envelope it travels in.
	Issue(pair tls.Certificate, st SAMLStatement) ([]byte, error)
	Enclose(response []byte, recipient, relay string) ([]byte, error)
}

// SAMLResponse is a response as it came.
type SAMLResponse struct {
	XML       []byte
	RequestID string // of the request it must answer; "" if there was none
	Enhanced  bool   // an enhanced client brought it, not a browser
}

// SAMLAnswer is what a proved response says. ID is the assertion's, unique
// among all issuers; after Until it is refused for its age.
type SAMLAnswer struct {
	Assertion federation.Assertion
	ID        string
	Until     time.Time
}

// SAMLStatement is what we say about a user of ours to a service provider.
type SAMLStatement struct {
	Recipient                                string
	User, UserDomain, Project, ProjectDomain string
	Roles, Groups                            []string
	Until                                    time.Time
}

// samlID is the id of the SAML request that a state belongs to.
func (st ssoState) samlID() string { return "id-" + st.Nonce }

func (f *SSO) samlOf() (SAML, error) {
	if f.s.saml == nil {
		return nil, errs.New(errs.NotFound, "SAML is not set up here.")
	}
	return f.s.saml, nil
}

// Metadata describes this cloud to one of its SAML identity providers.
func (f *SSO) Metadata(idp, protocol string) ([]byte, error) {
	m, err := f.samlOf()
	if err != nil {
		return nil, err
	}
	text, err := m.Metadata(idp, protocol)
	if errs.Is(err, errs.Unauthenticated) {
		err = errs.Wrap(errs.NotFound, err, "No SAML identity provider is configured for %s and %s.", idp, protocol)
	}
	return text, err
}

// Envelope begins the login of an enhanced client.
func (f *SSO) Envelope(ctx context.Context, idp, protocol string) ([]byte, error) {
	if f.s.saml == nil {
		return nil, family.Unauthorized("SAML is not set up here")
	}
	st := f.newState(idp, protocol)
	sealed, err := f.seal(ctx, "sso", st)
	if err != nil {
		return nil, err
	}
	return f.s.saml.Envelope(ctx, idp, protocol, st.samlID(), sealed)
}

// ssoTicket is a finished login on its way to whoever began it: a response
// comes in one request, the token is fetched in the next. It is sealed.
type ssoTicket struct {
	Token, Origin, Browser, Nonce string
	Until                         time.Time
}

const ticketLife = 2 * time.Minute

// FinishSAML takes an identity provider's response, out of a browser's form or
// a client's envelope, and returns a ticket for the token.
func (f *SSO) FinishSAML(ctx context.Context, idp, protocol string, body []byte, relay string, enhanced bool) (string, error) {
	if f.s.saml == nil {
		return "", family.Unauthorized("SAML is not set up here")
	}
	r := SAMLResponse{XML: body, Enhanced: enhanced}
	if enhanced {
		var err error
		if r.XML, relay, err = f.s.saml.Open(body); err != nil {
			return "", err
		}
	}
	var st ssoState
	if text, err := f.s.sealer.open(ctx, tokenKey, "sso", relay); err == nil {
		if json.Unmarshal(text, &st) != nil || st.IdP != idp || st.Protocol != protocol || !f.s.now().Before(st.Until) || enhanced != (st.Browser == "") {
			return "", family.Unauthorized("the relay state is of another login, or too old")
		}
		if err := f.once(ctx, "sso/"+st.Nonce, st.Until); err != nil {
			return "", err
		}
		r.RequestID = st.samlID()
	}
	answer, err := f.s.saml.Check(ctx, idp, protocol, r)
	if err == nil {
		err = f.once(ctx, "saml/"+answer.ID, answer.Until)
	}
	issued, err := f.s.shadows.login(ctx, idp, protocol, answer.Assertion, err)
	if err != nil {
		return "", err
	}
	return f.seal(ctx, "sso-ticket", ssoTicket{
		Token: issued.Text, Origin: st.Origin, Browser: st.Browser, Nonce: randomText(), Until: f.s.now().Add(ticketLife),
	})
}

// RedeemTicket exchanges a ticket for its token, once, and tells where the
// token goes. browser is "" for a client that is none.
func (f *SSO) RedeemTicket(ctx context.Context, sealed, browser string) (*Issued, string, error) {
	text, err := f.s.sealer.open(ctx, tokenKey, "sso-ticket", sealed)
	if err != nil {
		return nil, "", family.Unauthorized("the ticket is not ours")
	}
	var t ssoTicket
	if err := json.Unmarshal(text, &t); err != nil || !f.s.now().Before(t.Until) || !signature.Equal(t.Browser, browser) {
		return nil, "", family.Unauthorized("the ticket has expired or is another browser's")
	}
	if err := f.once(ctx, "ticket/"+t.Nonce, t.Until); err != nil {
		return nil, "", err
	}
	session, err := f.s.session(ctx, t.Token, 0)
	if err != nil {
		return nil, "", err
	}
	return &Issued{Session: session, Text: t.Token}, t.Origin, nil
}

// IssuerMetadata describes this cloud, as an identity provider, to others.
func (f *SSO) IssuerMetadata(ctx context.Context) ([]byte, error) {
	m, err := f.samlOf()
	if err != nil {
		return nil, err
	}
	pair, err := f.s.sealer.signingPair(ctx)
	if err != nil {
		return nil, err
	}
	return m.IssuerMetadata(pair)
}

// assertionLife is how long an assertion that we make may be used.
const assertionLife = 5 * time.Minute

// IssueAssertion vouches for the bearer of a token at a service provider. It
// answers the signed response, or the envelope with it.
func (f *SSO) IssueAssertion(ctx context.Context, token, spID string, enclose bool) ([]byte, federation.ServiceProvider, error) {
	m, err := f.samlOf()
	if err != nil {
		return nil, federation.ServiceProvider{}, err
	}
	se, err := f.s.session(ctx, token, 0)
	if err != nil {
		return nil, federation.ServiceProvider{}, err
	}
	if se.Token.Scope.Kind != ProjectScope || se.Project.IsDomain {
		return nil, federation.ServiceProvider{}, errs.New(errs.Forbidden, "Use a project scoped token when attempting to create a SAML assertion")
	}
	if err := proves(se.Actor, "SAML assertions"); err != nil {
		return nil, federation.ServiceProvider{}, err
	}
	var sp federation.ServiceProvider
	st := SAMLStatement{User: se.User.Name, UserDomain: se.UserDomain.Name, Project: se.Project.Name, ProjectDomain: se.ProjectDomain.Name, Until: f.s.now().Add(assertionLife)}
	if se.Token.ExpiresAt.Before(st.Until) {
		st.Until = se.Token.ExpiresAt
	}
	for _, r := range se.Roles {
		st.Roles = append(st.Roles, r.Name)
	}
	err = f.s.db.Read(ctx, func(tx *store.Tx) error {
		if sp, err = family.Get(ctx, tx, f.s.store.Federation.ServiceProviders, spID); err != nil {
			return err
		}
		st.Groups, err = f.groupTexts(ctx, tx, se.GroupIDs)
		return err
	})
	switch {
	case err != nil:
		return nil, sp, err
	case !sp.Enabled:
		return nil, sp, errs.New(errs.Forbidden, "Service Provider %s is disabled.", sp.ID)
	}
	st.Recipient = sp.SPURL
	pair, err := f.s.sealer.signingPair(ctx)
	if err != nil {
		return nil, sp, err
	}
	text, err := m.Issue(pair, st)
	if err == nil && enclose {
		text, err = m.Enclose(text, sp.SPURL, sp.RelayStatePr+randomText())
	}
	return text, sp, err
}

// groupTexts names groups the way Keystone does in an assertion.
func (f *SSO) groupTexts(ctx context.Context, tx *store.Tx, ids []string) ([]string, error) {
	var out []string
	for _, id := range ids {
		g, err := family.Get(ctx, tx, f.s.store.Groups.Table, id)
		if err != nil {
			return nil, err
		}
		d, err := family.Get(ctx, tx, f.s.store.Projects.Table, g.DomainID)
		if err != nil {
			return nil, err
		}
		text, err := json.Marshal(map[string]any{"name": g.Name, "domain": map[string]string{"name": d.Name}})
		if err != nil {
			return nil, err
		}
		out = append(out, federation.GroupPrefix+string(text))
	}
	return out, nil
}
