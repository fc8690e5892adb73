// Package saml speaks SAML 2.0, in both roles: as a service provider it sends
// people to the identity providers that an operator has configured and checks
// what they say; as an identity provider it vouches for this cloud's users at
// other clouds (Keystone to Keystone).
//
// The messages, their signatures and most checks are crewjam/saml's and
// goxmldsig's. What they leave open is closed in check.go: exactly one
// assertion, signed with an algorithm that still holds, meant for this cloud
// and for the request it answers.
//
// All addresses are those of the configuration, never those of a request:
// whoever could choose them by a Host header could hand in what was issued for
// somebody else.
package saml

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/crewjam/saml"
	xrv "github.com/mattermost/xml-roundtrip-validator"

	"kumoi/internal/identity"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/httpx"
)

// Provider is one identity provider's entry in the configuration. IdP and
// Protocol are the ids that identity's API knows it by.
type Provider struct {
	IdP, Protocol string
	Metadata      string // its metadata: a file, or an https URL
	CAFile        string // PEM with the authorities of that URL's certificate, if the system's do not know it
	EntityID      string // ours towards it; "" is the URL of our metadata
	Unsolicited   bool   // responses that nobody asked for are taken, as those of a Keystone are
}

// Providers are all of them. It satisfies identity.SAML.
type Providers struct {
	base  string // identity's public URL: https://cloud.example.org:5000/identity/v3
	list  []*partner
	clock func() time.Time
}

// partner is an identity provider with its metadata, once it is read.
type partner struct {
	Provider
	client       *http.Client
	auth, websso string // where responses come to: from clients, from browsers
	mu           sync.Mutex
	entity       *saml.EntityDescriptor
	readAt       time.Time
}

const (
	patience    = 10 * time.Second
	metadataAge = time.Hour // after which metadata that came from a URL is read again
)

// New makes Providers. Metadata in files is read at once, so that a mistake is
// told at the start; URLs are asked when they are needed.
func New(base string, list []Provider, clock func() time.Time) (*Providers, error) {
	p := &Providers{base: base, clock: clock}
	for _, c := range list {
		path := "/OS-FEDERATION/identity_providers/" + url.PathEscape(c.IdP) + "/protocols/" + url.PathEscape(c.Protocol)
		if c.EntityID == "" {
			c.EntityID = base + path + "/metadata"
		}
		client, err := httpx.NewClient(c.CAFile, patience)
		if err != nil {
			return nil, err
		}
		x := &partner{Provider: c, client: client, auth: base + path + "/auth", websso: base + "/auth" + path + "/websso"}
		if !x.remote() {
			b, err := os.ReadFile(c.Metadata)
			if err != nil {
				return nil, err
			}
			if x.entity, err = readMetadata(b); err != nil {
				return nil, fmt.Errorf("%s: %w", c.Metadata, err)
			}
		}
		p.list = append(p.list, x)
	}
	return p, nil
}

func (x *partner) remote() bool {
	return strings.HasPrefix(x.Metadata, "https://") || strings.HasPrefix(x.Metadata, "http://")
}

// readMetadata takes the first identity provider that a document describes.
func readMetadata(b []byte) (*saml.EntityDescriptor, error) {
	bad := func(err error) (*saml.EntityDescriptor, error) {
		return nil, errs.Wrap(errs.Invalid, err, "this is not the SAML metadata of an identity provider (%s)", err)
	}
	if err := xrv.Validate(bytes.NewReader(b)); err != nil {
		return bad(err)
	}
	var all saml.EntitiesDescriptor
	var one saml.EntityDescriptor
	if err := xml.Unmarshal(b, &all); err != nil {
		if err := xml.Unmarshal(b, &one); err != nil {
			return bad(err)
		}
		all.EntityDescriptors = []saml.EntityDescriptor{one}
	}
	for i := range all.EntityDescriptors {
		if len(all.EntityDescriptors[i].IDPSSODescriptors) > 0 {
			return &all.EntityDescriptors[i], nil
		}
	}
	return bad(errors.New("it describes none"))
}

const maxMetadata = 16 << 20 // federations publish long lists

func (x *partner) fetch(ctx context.Context) (*saml.EntityDescriptor, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, x.Metadata, nil)
	if err != nil {
		return nil, err
	}
	resp, err := x.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answers %s", x.Metadata, resp.Status)
	}
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxMetadata))
	if err != nil {
		return nil, err
	}
	return readMetadata(b)
}

// ForProtocol lists the providers that are configured for a protocol.
func (p *Providers) ForProtocol(protocol string) []string {
	var out []string
	for _, x := range p.list {
		if x.Protocol == protocol {
			out = append(out, x.IdP)
		}
	}
	return out
}

func (p *Providers) find(idp, protocol string) (*partner, error) {
	i := slices.IndexFunc(p.list, func(x *partner) bool { return x.IdP == idp && x.Protocol == protocol })
	if i < 0 {
		return nil, errs.New(errs.Unauthenticated, "No SAML identity provider is configured for %s and %s.", idp, protocol)
	}
	return p.list[i], nil
}

// describe returns the provider's metadata. What came from a URL is asked for
// again after a while, since providers change their keys; if that fails, what
// is known stays.
func (p *Providers) describe(ctx context.Context, x *partner) (*saml.EntityDescriptor, error) {
	x.mu.Lock()
	have, at := x.entity, x.readAt
	x.mu.Unlock()
	now := p.clock()
	if !x.remote() || have != nil && now.Sub(at) < metadataAge {
		return have, nil
	}
	fresh, err := x.fetch(ctx)
	if err != nil {
		if have != nil {
			return have, nil
		}
		return nil, errs.Wrap(errs.Unavailable, err, "The identity provider %s cannot be reached.", x.IdP)
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.entity, x.readAt = fresh, now
	return fresh, nil
}

// serviceProvider is this cloud towards one identity provider. enhanced: the
// response comes from a client that speaks ECP, not from a browser.
func (p *Providers) serviceProvider(ctx context.Context, x *partner, enhanced bool) (*saml.ServiceProvider, error) {
	entity, err := p.describe(ctx, x)
	if err != nil {
		return nil, err
	}
	at := x.websso
	if enhanced {
		at = x.auth
	}
	acs, err := url.Parse(at)
	if err != nil {
		return nil, err
	}
	return &saml.ServiceProvider{EntityID: x.EntityID, AcsURL: *acs, IDPMetadata: entity, AuthnNameIDFormat: saml.UnspecifiedNameIDFormat}, nil
}

// Metadata describes this cloud to an identity provider.
func (p *Providers) Metadata(idp, protocol string) ([]byte, error) {
	x, err := p.find(idp, protocol)
	if err != nil {
		return nil, err
	}
	acs, err := url.Parse(x.websso)
	if err != nil {
		return nil, err
	}
	sp := &saml.ServiceProvider{EntityID: x.EntityID, AcsURL: *acs, AuthnNameIDFormat: saml.UnspecifiedNameIDFormat}
	m := sp.Metadata()
	for i := range m.SPSSODescriptors {
		m.SPSSODescriptors[i].AssertionConsumerServices = []saml.IndexedEndpoint{
			{Binding: saml.HTTPPostBinding, Location: x.websso, Index: 1},
			{Binding: paosBinding, Location: x.auth, Index: 2},
		}
	}
	return xml.MarshalIndent(m, "", "  ")
}

// Redirect returns where to send a browser that wants to log in; the answer
// will name id and bring relay back.
func (p *Providers) Redirect(ctx context.Context, idp, protocol, id, relay string) (string, error) {
	x, err := p.find(idp, protocol)
	if err != nil {
		return "", err
	}
	sp, err := p.serviceProvider(ctx, x, false)
	if err != nil {
		return "", err
	}
	at := sp.GetSSOBindingLocation(saml.HTTPRedirectBinding)
	if at == "" {
		return "", errs.New(errs.Unauthenticated, "The identity provider %s does not take requests by redirect.", idp)
	}
	req, err := sp.MakeAuthenticationRequest(at, saml.HTTPRedirectBinding, saml.HTTPPostBinding)
	if err != nil {
		return "", err
	}
	req.ID, req.IssueInstant = id, p.clock()
	to, err := req.Redirect(relay, sp)
	if err != nil {
		return "", err
	}
	return to.String(), nil
}

var _ identity.SAML = (*Providers)(nil)
