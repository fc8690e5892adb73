package saml

import (
	"bytes"
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"net/url"
	"time"

	"github.com/beevik/etree"
	"github.com/crewjam/saml"
	dsig "github.com/russellhaering/goxmldsig"

	"kumoi/internal/identity"
)

// identityProvider is this cloud in the role of an identity provider. Its
// entity id is the URL of its metadata.
func (p *Providers) identityProvider(pair tls.Certificate) (*saml.IdentityProvider, error) {
	at, err := url.Parse(p.base + "/OS-FEDERATION/saml2/metadata")
	if err != nil {
		return nil, err
	}
	if pair.Leaf == nil {
		return nil, errors.New("the signing certificate is not parsed")
	}
	return &saml.IdentityProvider{Key: pair.PrivateKey, Certificate: pair.Leaf, MetadataURL: *at, SignatureMethod: dsig.RSASHA256SignatureMethod}, nil
}

// IssuerMetadata describes this cloud to service providers. Assertions are made
// for clients that ask with a token; there is no page where a browser logs in.
func (p *Providers) IssuerMetadata(pair tls.Certificate) ([]byte, error) {
	idp, err := p.identityProvider(pair)
	if err != nil {
		return nil, err
	}
	m := idp.Metadata()
	sso := &m.IDPSSODescriptors[0]
	sso.KeyDescriptors = sso.KeyDescriptors[:1] // for signing; nothing is encrypted for us
	sso.SingleSignOnServices = []saml.Endpoint{{Binding: saml.SOAPBinding, Location: p.base + "/auth/OS-FEDERATION/saml2/ecp"}}
	sso.NameIDFormats = []saml.NameIDFormat{saml.UnspecifiedNameIDFormat}
	return xml.MarshalIndent(m, "", "  ")
}

// Issue makes a signed response for a service provider.
func (p *Providers) Issue(pair tls.Certificate, st identity.SAMLStatement) ([]byte, error) {
	idp, err := p.identityProvider(pair)
	if err != nil {
		return nil, err
	}
	now := p.clock()
	req := &saml.IdpAuthnRequest{
		IDP: idp, Now: now, SPSSODescriptor: &saml.SPSSODescriptor{},
		ACSEndpoint: &saml.IndexedEndpoint{Binding: paosBinding, Location: st.Recipient},
		Assertion:   statement(idp, st, now),
	}
	if err := req.MakeResponse(); err != nil {
		return nil, err
	}
	doc := etree.NewDocument()
	doc.SetRoot(req.ResponseEl)
	return doc.WriteToBytes()
}

func newID() string {
	b := make([]byte, 20)
	rand.Read(b)
	return "id-" + hex.EncodeToString(b)
}

// statement words what we vouch for under the names that Keystone uses.
func statement(idp *saml.IdentityProvider, st identity.SAMLStatement, now time.Time) *saml.Assertion {
	a := &saml.Assertion{
		ID: newID(), IssueInstant: now, Version: "2.0", Issuer: saml.Issuer{Value: idp.MetadataURL.String()},
		Subject: &saml.Subject{
			NameID: &saml.NameID{Value: st.User},
			SubjectConfirmations: []saml.SubjectConfirmation{{
				Method: bearer, SubjectConfirmationData: &saml.SubjectConfirmationData{NotOnOrAfter: st.Until, Recipient: st.Recipient},
			}},
		},
		Conditions: &saml.Conditions{NotBefore: now, NotOnOrAfter: st.Until},
		AuthnStatements: []saml.AuthnStatement{{
			AuthnInstant: now, SessionIndex: newID(), SessionNotOnOrAfter: &st.Until,
			AuthnContext: saml.AuthnContext{AuthnContextClassRef: &saml.AuthnContextClassRef{Value: "urn:oasis:names:tc:SAML:2.0:ac:classes:Password"}},
		}},
	}
	var attributes saml.AttributeStatement
	for _, at := range []struct {
		name   string
		values []string
	}{
		{"openstack_user", []string{st.User}},
		{"openstack_user_domain", []string{st.UserDomain}},
		{"openstack_roles", st.Roles},
		{"openstack_project", []string{st.Project}},
		{"openstack_project_domain", []string{st.ProjectDomain}},
		{"openstack_groups", st.Groups},
	} {
		if len(at.values) == 0 {
			continue
		}
		x := saml.Attribute{Name: at.name, NameFormat: "urn:oasis:names:tc:SAML:2.0:attrname-format:uri"}
		for _, v := range at.values {
			x.Values = append(x.Values, saml.AttributeValue{Type: "xs:string", Value: v})
		}
		attributes.Attributes = append(attributes.Attributes, x)
	}
	a.AttributeStatements = []saml.AttributeStatement{attributes}
	return a
}

// Enclose wraps a response in the envelope that an enhanced client hands to a
// service provider.
func (p *Providers) Enclose(response []byte, recipient, relay string) ([]byte, error) {
	inside := etree.NewDocument()
	if err := inside.ReadFromBytes(bytes.TrimSpace(response)); err != nil {
		return nil, err
	}
	doc, header := envelope(inside.Root())
	mark(header, "Response", "ecp", ecpNS).CreateAttr("AssertionConsumerServiceURL", recipient)
	mark(header, "RelayState", "ecp", ecpNS).SetText(relay)
	return doc.WriteToBytes()
}
