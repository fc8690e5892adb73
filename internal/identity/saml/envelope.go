package saml

import (
	"bytes"
	"context"
	"errors"

	"github.com/beevik/etree"
	"github.com/crewjam/saml"
	xrv "github.com/mattermost/xml-roundtrip-validator"
	"github.com/russellhaering/goxmldsig/etreeutils"

	"kumoi/internal/kernel/errs"
)

// The enhanced client or proxy profile (ECP): a client that is no browser
// carries SOAP envelopes between us and its identity provider.
const (
	paosBinding = "urn:oasis:names:tc:SAML:2.0:bindings:PAOS"
	paosNS      = "urn:liberty:paos:2003-08"
	ecpNS       = "urn:oasis:names:tc:SAML:2.0:profiles:SSO:ecp"
	soapNS      = "http://schemas.xmlsoap.org/soap/envelope/"
	nextActor   = "http://schemas.xmlsoap.org/soap/actor/next"
)

// envelope makes a SOAP envelope; headers are filled in by the caller.
func envelope(body *etree.Element) (doc *etree.Document, header *etree.Element) {
	doc = etree.NewDocument()
	root := doc.CreateElement("S:Envelope")
	root.CreateAttr("xmlns:S", soapNS)
	header = root.CreateElement("S:Header")
	root.CreateElement("S:Body").AddChild(body)
	return doc, header
}

// mark makes a header that the next one in line must understand.
func mark(header *etree.Element, tag, prefix, ns string) *etree.Element {
	e := header.CreateElement(prefix + ":" + tag)
	e.CreateAttr("xmlns:"+prefix, ns)
	e.CreateAttr("S:mustUnderstand", "1")
	e.CreateAttr("S:actor", nextActor)
	return e
}

// Envelope is the request that an enhanced client takes to its provider.
func (p *Providers) Envelope(ctx context.Context, idp, protocol, id, relay string) ([]byte, error) {
	x, err := p.find(idp, protocol)
	if err != nil {
		return nil, err
	}
	sp, err := p.serviceProvider(ctx, x, true)
	if err != nil {
		return nil, err
	}
	req, err := sp.MakeAuthenticationRequest(sp.GetSSOBindingLocation(saml.SOAPBinding), paosBinding, paosBinding)
	if err != nil {
		return nil, err
	}
	req.ID, req.IssueInstant = id, p.clock()
	doc, header := envelope(req.Element())
	paos := mark(header, "Request", "paos", paosNS)
	paos.CreateAttr("responseConsumerURL", x.auth)
	paos.CreateAttr("service", ecpNS)
	who := mark(header, "Request", "ecp", ecpNS)
	who.CreateAttr("IsPassive", "false")
	issuer := who.CreateElement("saml:Issuer")
	issuer.CreateAttr("xmlns:saml", assertionNS)
	issuer.SetText(x.EntityID)
	mark(header, "RelayState", "ecp", ecpNS).SetText(relay)
	return doc.WriteToBytes()
}

// Open takes the response and the relay state out of an envelope.
func (p *Providers) Open(b []byte) (response []byte, relay string, err error) {
	bad := func(err error) ([]byte, string, error) {
		return nil, "", errs.Wrap(errs.Invalid, err, "The body is not a SOAP envelope with a SAML response: %s.", err)
	}
	if err := xrv.Validate(bytes.NewReader(b)); err != nil {
		return bad(err)
	}
	doc := etree.NewDocument()
	if err := doc.ReadFromBytes(b); err != nil {
		return bad(err)
	}
	root := doc.Root()
	if root == nil || root.Tag != "Envelope" || root.NamespaceURI() != soapNS {
		return bad(errors.New("it is no envelope"))
	}
	var inside *etree.Element
	for _, part := range root.ChildElements() {
		if part.NamespaceURI() != soapNS {
			continue
		}
		for _, e := range part.ChildElements() {
			switch {
			case part.Tag == "Header" && e.Tag == "RelayState" && e.NamespaceURI() == ecpNS:
				relay = e.Text()
			case part.Tag == "Body" && e.Tag == "Response" && e.NamespaceURI() == protocolNS && inside == nil:
				inside = e
			case part.Tag == "Body":
				return bad(errors.New("its body holds something else"))
			}
		}
	}
	if inside == nil {
		return bad(errors.New("its body is empty"))
	}
	// What the response's prefixes stand for may be said on the envelope.
	names, err := etreeutils.NSBuildParentContext(inside)
	if err != nil {
		return bad(err)
	}
	if inside, err = etreeutils.NSDetatch(names, inside); err != nil {
		return bad(err)
	}
	alone := etree.NewDocument()
	alone.SetRoot(inside)
	response, err = alone.WriteToBytes()
	return response, relay, err
}
