package federation

import (
	"context"

	"kumoi/internal/identity/family"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

// identityProviders: one that names no domain gets a domain of its own, for the
// users it sends.
func (s *Service) identityProviders() *family.Family[IdentityProvider] {
	return &family.Family[IdentityProvider]{
		Base: s.b, Table: s.t.IdPs, Noun: "identity_provider", Plural: "identity_providers",
		ID: func(v *IdentityProvider) *string { return &v.ID }, Valid: s.validIdP,
		Gone: func(ctx context.Context, tx *store.Tx, v *IdentityProvider) error {
			return s.b.Revoke(ctx, tx, Tag(v.ID))
		},
	}
}

func (s *Service) validIdP(ctx context.Context, tx *store.Tx, v, before *IdentityProvider) error {
	switch {
	case before == nil && v.DomainID == "":
		domain, err := s.d.NewDomain(ctx, tx, "Users of the identity provider "+v.ID)
		v.DomainID = domain
		return err
	case before == nil:
		return s.d.Domain(ctx, tx, v.DomainID)
	case before.DomainID != v.DomainID:
		return errs.New(errs.Invalid, "The domain of an identity provider cannot be changed.")
	case before.Enabled && !v.Enabled:
		return s.b.Revoke(ctx, tx, Tag(v.ID))
	}
	return nil
}

func (s *Service) mappings() *family.Family[Mapping] {
	return &family.Family[Mapping]{
		Base: s.b, Table: s.t.Mappings, Noun: "mapping", Plural: "mappings",
		ID:    func(v *Mapping) *string { return &v.ID },
		Fresh: func(v *Mapping) { v.SchemaVersion = "1.0" },
		Valid: func(_ context.Context, _ *store.Tx, v, _ *Mapping) error {
			return ValidateRules(v.Rules)
		},
		Gone: func(ctx context.Context, tx *store.Tx, v *Mapping) error {
			used, err := s.t.Protocols.Any(ctx, tx, store.Eq("mapping_id", v.ID))
			if err == nil && used {
				err = errs.New(errs.Forbidden, "Mapping %s is used by a protocol and cannot be deleted.", v.ID)
			}
			return err
		},
	}
}

func (s *Service) serviceProviders() *family.Family[ServiceProvider] {
	return &family.Family[ServiceProvider]{
		Base: s.b, Table: s.t.ServiceProviders, Noun: "service_provider", Plural: "service_providers", Tag: family.CatalogTag,
		ID:    func(v *ServiceProvider) *string { return &v.ID },
		Fresh: func(v *ServiceProvider) { v.RelayStatePr = "ss:mem:" },
	}
}
