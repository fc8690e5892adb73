// Package federation keeps whose word about users is taken: identity providers,
// the protocols that they speak, the mappings that make users and groups of what
// they say, and service providers, which take ours.
package federation

import (
	"context"

	"kumoi/internal/identity/family"
	"kumoi/internal/kernel/store"
)

// IdentityProvider is an outside party whose word about users is taken.
type IdentityProvider struct {
	ID, DomainID     string
	Enabled          bool
	Description      string
	AuthorizationTTL *int64 // minutes that a group membership it vouches for holds
	RemoteIDs        []string
	Options          map[string]any
}

// Mapping turns an identity provider's assertion into a user and groups.
type Mapping struct {
	ID, SchemaVersion string
	Rules             []MappingRule
}

// Protocol ties an identity provider to a mapping.
type Protocol struct{ ID, IdPID, MappingID, RemoteIDAttribute string }

// ServiceProvider is another cloud that takes our word about users.
type ServiceProvider struct {
	ID                                        string
	Enabled                                   bool
	Description, AuthURL, SPURL, RelayStatePr string
}

// Tag is the tag of what an identity provider vouches for.
func Tag(idp string) string { return "idp:" + idp }

// Deps is what a Service needs.
type Deps struct {
	family.Base
	Tables
	// Domain refuses domains that do not exist; NewDomain makes one of no name.
	Domain    func(ctx context.Context, tx *store.Tx, id string) error
	NewDomain func(ctx context.Context, tx *store.Tx, description string) (id string, err error)
}

// Tables are where providers and mappings are kept.
type Tables struct {
	IdPs             *store.Table[IdentityProvider]
	Protocols        *store.Table[Protocol]
	Mappings         *store.Table[Mapping]
	ServiceProviders *store.Table[ServiceProvider]
}

// Service keeps providers and mappings.
type Service struct {
	IdentityProviders *family.Family[IdentityProvider]
	Mappings          *family.Family[Mapping]
	ServiceProviders  *family.Family[ServiceProvider]
	Protocols         *Protocols

	b family.Base
	t Tables
	d Deps
}

// New returns the service.
func New(d Deps) *Service {
	s := &Service{b: d.Base, t: d.Tables, d: d}
	s.IdentityProviders, s.Mappings, s.ServiceProviders = s.identityProviders(), s.mappings(), s.serviceProviders()
	s.Protocols = &Protocols{s: s}
	return s
}
