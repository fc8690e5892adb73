package saml

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/beevik/etree"
	"github.com/crewjam/saml"
	xrv "github.com/mattermost/xml-roundtrip-validator"

	"kumoi/internal/identity"
	"kumoi/internal/identity/federation"
	"kumoi/internal/kernel/errs"
)

const (
	assertionNS = "urn:oasis:names:tc:SAML:2.0:assertion"
	protocolNS  = "urn:oasis:names:tc:SAML:2.0:protocol"
	dsigNS      = "http://www.w3.org/2000/09/xmldsig#"
	bearer      = "urn:oasis:names:tc:SAML:2.0:cm:bearer"
)

func refused(format string, args ...any) error {
	return errs.Wrap(errs.Unauthenticated, fmt.Errorf(format, args...), "The request you have made requires authentication.")
}

// Check proves a response and returns what the identity provider says.
func (p *Providers) Check(ctx context.Context, idp, protocol string, r identity.SAMLResponse) (identity.SAMLAnswer, error) {
	x, err := p.find(idp, protocol)
	if err != nil {
		return identity.SAMLAnswer{}, err
	}
	if r.RequestID == "" && (!x.Unsolicited || !r.Enhanced) {
		return identity.SAMLAnswer{}, refused("nobody asked for this response")
	}
	sp, err := p.serviceProvider(ctx, x, r.Enhanced)
	if err != nil {
		return identity.SAMLAnswer{}, err
	}
	if err := shape(r.XML); err != nil {
		return identity.SAMLAnswer{}, refused("%w", err)
	}
	sp.AllowIDPInitiated = r.RequestID == ""
	a, err := sp.ParseXMLResponse(r.XML, []string{r.RequestID}, url.URL{})
	if err != nil {
		var why *saml.InvalidResponseError
		if errors.As(err, &why) {
			err = why.PrivateErr
		}
		return identity.SAMLAnswer{}, refused("%w", err)
	}
	if err := x.meant(a, sp.AcsURL.String(), r.RequestID); err != nil {
		return identity.SAMLAnswer{}, err
	}
	return identity.SAMLAnswer{
		Assertion: assertion(a), ID: a.Issuer.Value + " " + a.ID,
		Until: a.IssueInstant.Add(saml.MaxIssueDelay + saml.MaxClockSkew),
	}, nil
}

// shape refuses documents that are legal XML but that no honest identity
// provider sends: those that signature wrapping is made of, those that lack
// what the library takes for granted, and those signed with broken algorithms.
func shape(b []byte) error {
	if err := xrv.Validate(bytes.NewReader(b)); err != nil {
		return err
	}
	doc := etree.NewDocument()
	if err := doc.ReadFromBytes(b); err != nil {
		return err
	}
	root := doc.Root()
	if root == nil || root.Tag != "Response" || root.NamespaceURI() != protocolNS {
		return errors.New("the document is not a SAML response")
	}
	s := survey{ids: map[string]bool{}}
	if err := s.visit(root); err != nil {
		return err
	}
	if s.assertions != 1 {
		return fmt.Errorf("the response holds %d assertions, not one", s.assertions)
	}
	var r saml.Response
	if err := xml.Unmarshal(b, &r); err != nil {
		return err
	}
	if r.Assertion == nil {
		return errors.New("the assertion is not where it belongs")
	}
	return complete(r.Assertion)
}

// survey walks the whole document.
type survey struct {
	ids        map[string]bool
	assertions int
	depth      int
}

const maxDepth = 64

func (s *survey) visit(e *etree.Element) error {
	if s.depth++; s.depth > maxDepth {
		return errors.New("the document is nested too deeply")
	}
	defer func() { s.depth-- }()
	ns := e.NamespaceURI()
	switch {
	case ns == assertionNS && e.Tag == "Assertion":
		s.assertions++
	case ns == assertionNS && (e.Tag == "EncryptedAssertion" || e.Tag == "EncryptedID" || e.Tag == "EncryptedAttribute"):
		return errors.New("encrypted assertions are not taken: our metadata offers no key for them")
	case ns == dsigNS && e.Tag == "Signature":
		if parent := e.Parent(); parent == nil || parent.Tag != "Response" && parent.Tag != "Assertion" {
			return errors.New("a signature is where none belongs")
		}
	case ns == dsigNS && e.Tag == "Object":
		return errors.New("a signature encloses an object")
	case ns == dsigNS && (e.Tag == "SignatureMethod" || e.Tag == "DigestMethod"):
		if a := e.SelectAttrValue("Algorithm", ""); !strong(a) {
			return fmt.Errorf("the signature uses %s; at least SHA-256 is needed", a)
		}
	}
	if id := e.SelectAttrValue("ID", ""); id != "" {
		if s.ids[id] {
			return fmt.Errorf("the id %q occurs twice", id)
		}
		s.ids[id] = true
	}
	for _, c := range e.ChildElements() {
		if err := s.visit(c); err != nil {
			return err
		}
	}
	return nil
}

func strong(algorithm string) bool {
	return strings.HasSuffix(algorithm, "sha256") || strings.HasSuffix(algorithm, "sha384") || strings.HasSuffix(algorithm, "sha512")
}

// complete tells whether an assertion has all that must be checked.
func complete(a *saml.Assertion) error {
	switch {
	case a.ID == "":
		return errors.New("the assertion has no id")
	case a.Subject == nil || a.Subject.NameID == nil || a.Subject.NameID.Value == "":
		return errors.New("the assertion names nobody")
	case a.Conditions == nil || a.Conditions.NotOnOrAfter.IsZero():
		return errors.New("the assertion has no conditions that say until when it holds")
	}
	for _, c := range a.Subject.SubjectConfirmations {
		if c.Method == bearer && c.SubjectConfirmationData != nil {
			return nil
		}
	}
	return errors.New("the assertion does not say who may bear it, where")
}

// meant tells whether a proved assertion is for us and for the request. The
// library lets an assertion pass that says nothing about that.
func (x *partner) meant(a *saml.Assertion, acs, requestID string) error {
	if len(a.Conditions.AudienceRestrictions) == 0 && !x.Unsolicited {
		return refused("the assertion names no audience")
	}
	ok := slices.ContainsFunc(a.Subject.SubjectConfirmations, func(c saml.SubjectConfirmation) bool {
		d := c.SubjectConfirmationData
		return c.Method == bearer && d != nil && d.Recipient == acs && d.InResponseTo == requestID
	})
	if !ok {
		return refused("the assertion is not for %s in response to %q", acs, requestID)
	}
	return nil
}

// assertion names attributes by their name, their friendly name, and as the
// usual web server module does. What we know for certain wins over attributes
// that happen to be called the same.
func assertion(a *saml.Assertion) federation.Assertion {
	out := federation.Assertion{}
	for _, st := range a.AttributeStatements {
		for _, at := range st.Attributes {
			var values []string
			for _, v := range at.Values {
				values = append(values, strings.TrimSpace(v.Value))
			}
			for _, name := range []string{at.Name, at.FriendlyName} {
				if name != "" {
					out[name] = append(out[name], values...)
					out["MELLON_"+name] = out[name]
				}
				if at.FriendlyName == at.Name {
					break
				}
			}
		}
	}
	for _, name := range []string{federation.IssuerAttribute, "MELLON_IDP", "Shib-Identity-Provider"} {
		out[name] = []string{a.Issuer.Value}
	}
	for _, name := range []string{"NameID", "MELLON_NAME_ID", federation.RemoteUser} {
		out[name] = []string{a.Subject.NameID.Value}
	}
	return out
}
