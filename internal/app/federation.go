package app

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"kumoi/internal/identity"
	"kumoi/internal/identity/oidc"
	"kumoi/internal/identity/saml"
	"kumoi/internal/kernel/errs"
)

// FederationSettings say whose word about users is taken, and how to reach them.
// The first and the last are lists of objects: in the settings file as they are,
// on the command line and in the environment as YAML.
type FederationSettings struct {
	IdentityProviders IdentityProviders `name:"identity-providers" env:"KUMOI_IDENTITY_PROVIDERS" placeholder:"YAML" help:"OpenID Connect and SAML identity providers; see docs/howto/openid-connect.md and saml.md."`
	TrustedDashboards []string          `name:"trusted-dashboards" env:"KUMOI_TRUSTED_DASHBOARDS" help:"Addresses to which web single sign-on may deliver tokens, such as https://dashboard.example.org/auth/websso/."`
	LDAPDomains       LDAPDomains       `name:"ldap-domains" env:"KUMOI_LDAP_DOMAINS" placeholder:"YAML" help:"Domains whose users and groups are read from an LDAP directory; see docs/howto/ldap.md."`
}

// IdentityProviders are the outside parties of the settings file.
type IdentityProviders []IdentityProvider

// IdentityProvider is one of them: OpenID Connect if it has an issuer, SAML if
// it has metadata. IDP and Protocol are the ids that the API knows it by.
type IdentityProvider struct {
	IDP      string `yaml:"idp"`
	Protocol string `yaml:"protocol"`

	Issuer           string   `yaml:"issuer"`
	ClientID         string   `yaml:"client-id"`
	ClientSecret     string   `yaml:"client-secret"`
	ClientSecretFile string   `yaml:"client-secret-file"`
	Scopes           []string `yaml:"scopes"`
	Audiences        []string `yaml:"audiences"`

	Metadata    string `yaml:"metadata"`
	EntityID    string `yaml:"entity-id"`
	Unsolicited bool   `yaml:"unsolicited"`

	CAFile string `yaml:"ca-file"`
}

// LDAPDomains are domains by name, each with the options of Keystone's ldap group.
type LDAPDomains map[string]map[string]any

func (s *FederationSettings) validate() error {
	seen := map[string]bool{}
	for i, p := range s.IdentityProviders {
		at := fmt.Sprintf("identity-providers[%d]", i)
		if p.IDP == "" || p.Protocol == "" {
			return errs.New(errs.Invalid, "%s: idp and protocol are needed: the ids that the API knows the provider by", at)
		}
		at += " (" + p.IDP + ", " + p.Protocol + ")"
		if seen[p.IDP+"/"+p.Protocol] {
			return errs.New(errs.Invalid, "%s: it is there twice", at)
		}
		seen[p.IDP+"/"+p.Protocol] = true
		if err := p.validate(); err != nil {
			return fmt.Errorf("%s: %w", at, err)
		}
	}
	for _, d := range s.TrustedDashboards {
		if !webAddress(d) {
			return errs.New(errs.Invalid, "trusted-dashboards: %q is not an address such as https://dashboard.example.org/auth/websso/", d)
		}
	}
	for name, options := range s.LDAPDomains {
		if err := identity.ValidateDirectory(options); err != nil {
			return fmt.Errorf("ldap-domains: %s: %w", name, err)
		}
	}
	return nil
}

func webAddress(address string) bool {
	u, err := url.Parse(address)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != ""
}

func (p *IdentityProvider) validate() error {
	isOIDC := p.Issuer + p.ClientID + p.ClientSecret + p.ClientSecretFile + strings.Join(p.Scopes, "") + strings.Join(p.Audiences, "")
	switch {
	case p.Issuer == "" && p.Metadata == "":
		return errs.New(errs.Invalid, "it needs an issuer (OpenID Connect) or metadata (SAML)")
	case p.Metadata != "" && isOIDC != "":
		return errs.New(errs.Invalid, "it has keys of both OpenID Connect and SAML")
	case p.Metadata != "":
		return nil
	case p.EntityID != "" || p.Unsolicited:
		return errs.New(errs.Invalid, "entity-id and unsolicited are keys of SAML, and it has an issuer")
	case !webAddress(p.Issuer):
		return errs.New(errs.Invalid, "issuer: %q is not an address such as https://login.example.org", p.Issuer)
	case p.ClientID == "":
		return errs.New(errs.Invalid, "client-id is needed: what the provider calls this cloud")
	case p.ClientSecret != "" && p.ClientSecretFile != "":
		return errs.New(errs.Invalid, "client-secret and client-secret-file: give one of them")
	}
	return nil
}

// providers makes the clients of both protocols. base is identity's public URL.
func (s *FederationSettings) providers(base string) (*oidc.Providers, *saml.Providers, error) {
	var viaOIDC []oidc.Provider
	var viaSAML []saml.Provider
	for _, p := range s.IdentityProviders {
		if p.Metadata != "" {
			viaSAML = append(viaSAML, saml.Provider{IdP: p.IDP, Protocol: p.Protocol, Metadata: p.Metadata, CAFile: p.CAFile, EntityID: p.EntityID, Unsolicited: p.Unsolicited})
			continue
		}
		if p.ClientSecretFile != "" {
			b, err := os.ReadFile(p.ClientSecretFile)
			if err != nil {
				return nil, nil, fmt.Errorf("identity-providers: client-secret-file of %s: %w", p.IDP, err)
			}
			p.ClientSecret = strings.TrimSpace(string(b))
		}
		viaOIDC = append(viaOIDC, oidc.Provider{
			IdP: p.IDP, Protocol: p.Protocol, Issuer: p.Issuer, ClientID: p.ClientID, ClientSecret: p.ClientSecret,
			Scopes: p.Scopes, Audiences: p.Audiences, CAFile: p.CAFile,
		})
	}
	o, err := oidc.New(viaOIDC, time.Now)
	if err != nil {
		return nil, nil, fmt.Errorf("identity-providers: %w", err)
	}
	x, err := saml.New(base, viaSAML, time.Now)
	if err != nil {
		return nil, nil, fmt.Errorf("identity-providers: %w", err)
	}
	return o, x, nil
}

// configureDirectories makes the domains of the settings file mirror their directories.
func (s *FederationSettings) configureDirectories(ctx context.Context, svc *identity.Service) error {
	names := make([]string, 0, len(s.LDAPDomains))
	for name := range s.LDAPDomains {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if err := svc.ConfigureDirectory(ctx, name, s.LDAPDomains[name]); err != nil {
			return fmt.Errorf("ldap-domains: %s: %w", name, err)
		}
	}
	return nil
}
