package identity

import (
	"context"
	"errors"
	"slices"
	"strings"
	"unicode/utf8"

	"kumoi/internal/kernel/change"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/ids"
	"kumoi/internal/kernel/policy"
	"kumoi/internal/kernel/store"
)

// identityProviders: one that names no domain gets a domain of its own, for the
// users it sends.
func (s *Service) identityProviders() *Family[IdentityProvider] {
	return &Family[IdentityProvider]{
		s: s, table: s.store.IdPs, noun: "identity_provider", plural: "identity_providers",
		id: func(v *IdentityProvider) *string { return &v.ID }, valid: s.validIdP,
		gone: func(ctx context.Context, tx *store.Tx, v *IdentityProvider) error {
			return s.revoke(ctx, tx, idpTag(v.ID))
		},
	}
}

func (s *Service) validIdP(ctx context.Context, tx *store.Tx, v, before *IdentityProvider) error {
	switch {
	case before == nil && v.DomainID == "":
		d := Project{ID: ids.NewHex(), IsDomain: true, Enabled: true, Description: "Users of the identity provider " + v.ID}
		d.Name, d.Path, v.DomainID = d.ID, d.ID+"/", d.ID
		return s.store.Projects.Insert(ctx, tx, &d)
	case before == nil:
		if _, err := s.domain(ctx, tx, v.DomainID); err != nil {
			return err
		}
		return nil
	case before.DomainID != v.DomainID:
		return errs.New(errs.Invalid, "The domain of an identity provider cannot be changed.")
	case before.Enabled && !v.Enabled:
		return s.revoke(ctx, tx, idpTag(v.ID))
	}
	return nil
}

func (s *Service) mappings() *Family[Mapping] {
	return &Family[Mapping]{
		s: s, table: s.store.Mappings, noun: "mapping", plural: "mappings",
		id:    func(v *Mapping) *string { return &v.ID },
		fresh: func(v *Mapping) { v.SchemaVersion = "1.0" },
		valid: func(_ context.Context, _ *store.Tx, v, _ *Mapping) error {
			return ValidateRules(v.Rules)
		},
		gone: func(ctx context.Context, tx *store.Tx, v *Mapping) error {
			used, err := s.store.Protocols.Any(ctx, tx, store.Eq("mapping_id", v.ID))
			if err == nil && used {
				err = errs.New(errs.Forbidden, "Mapping %s is used by a protocol and cannot be deleted.", v.ID)
			}
			return err
		},
	}
}

func (s *Service) serviceProviders() *Family[ServiceProvider] {
	return &Family[ServiceProvider]{
		s: s, table: s.store.ServiceProviders, noun: "service_provider", plural: "service_providers", tag: catalogTag,
		id:    func(v *ServiceProvider) *string { return &v.ID },
		fresh: func(v *ServiceProvider) { v.RelayStatePr = "ss:mem:" },
	}
}

// List lists all of a provider's protocols.
func (f *Protocols) List(ctx context.Context, _ store.Query) (page store.Page[Protocol], err error) {
	if err := f.s.check(ctx, "identity:list_protocols", policy.Target{}); err != nil {
		return page, err
	}
	page.Rows, err = read(ctx, f.s, func(tx *store.Tx) ([]*Protocol, error) {
		return f.s.store.Protocols.All(ctx, tx, store.Eq("idp_id", f.idp))
	})
	return page, err
}

func (s *Service) protocol(ctx context.Context, tx *store.Tx, idp, id string) (p Protocol, err error) {
	row, err := s.store.Protocols.Get(ctx, tx, idp, id)
	if err != nil {
		return p, noProtocol(err, idp, id)
	}
	return *row, nil
}

func noProtocol(err error, idp, id string) error {
	if errors.Is(err, store.ErrNoRows) {
		return errs.New(errs.NotFound, "Could not find federated protocol %s for Identity Provider: %s.", id, idp)
	}
	return err
}

// Show returns a protocol of a provider.
func (f *Protocols) Show(ctx context.Context, id string) (*Protocol, error) {
	if err := f.s.check(ctx, "identity:get_protocol", policy.Target{}); err != nil {
		return nil, err
	}
	return one(read(ctx, f.s, func(tx *store.Tx) (Protocol, error) { return f.s.protocol(ctx, tx, f.idp, id) }))
}

// Create ties a provider to a mapping.
func (f *Protocols) Create(ctx context.Context, p Protocol) (*Protocol, error) {
	p.IdPID = f.idp
	err := f.s.putProtocol(ctx, "identity:create_protocol", p.IdPID, p.ID, func(have *Protocol, exists bool) error {
		if exists {
			return errs.New(errs.Exists, "Conflict occurred attempting to store federation_protocol - Duplicate entry found with ID %s.", p.ID)
		}
		*have = p
		return nil
	})
	return one(p, err)
}

// Update changes a protocol.
func (f *Protocols) Update(ctx context.Context, id string, in change.Patch[Protocol]) (*Protocol, error) {
	var out Protocol
	err := f.s.putProtocol(ctx, "identity:update_protocol", f.idp, id, func(have *Protocol, exists bool) error {
		if !exists {
			return noProtocol(store.ErrNoRows, f.idp, id)
		}
		if err := in.To(have); err != nil {
			return err
		}
		out = *have
		return nil
	})
	return one(out, err)
}

func (s *Service) putProtocol(ctx context.Context, rule, idp, id string, edit func(have *Protocol, exists bool) error) error {
	if err := s.check(ctx, rule, policy.Target{}); err != nil {
		return err
	}
	return s.db.Write(ctx, func(tx *store.Tx) error {
		if _, err := get(ctx, tx, s.store.IdPs, idp); err != nil {
			return err
		}
		p, err := s.protocol(ctx, tx, idp, id)
		if err != nil && !errs.Is(err, errs.NotFound) {
			return err
		}
		if err := edit(&p, err == nil); err != nil {
			return err
		}
		if _, err := get(ctx, tx, s.store.Mappings, p.MappingID); err != nil {
			return asInvalid(err, "mapping_id", p.MappingID)
		}
		return put(ctx, tx, s.store.Protocols, &p)
	})
}

// Delete unties a provider from a mapping.
func (f *Protocols) Delete(ctx context.Context, id string) error {
	if err := f.s.check(ctx, "identity:delete_protocol", policy.Target{}); err != nil {
		return err
	}
	return f.s.db.Write(ctx, func(tx *store.Tx) error {
		return noProtocol(f.s.store.Protocols.Delete(ctx, tx, f.idp, id), f.idp, id)
	})
}

// federated logs in whoever an identity provider vouches for: it runs the
// mapping on the assertion, finds or makes the user, and issues a token
// without a scope. The caller has proved that the assertion is the provider's;
// err is what came of that.
func (s *Service) federated(ctx context.Context, idp, protocol string, assertion Assertion, err error) (*Issued, error) {
	var issued *Issued
	if err == nil {
		issued, err = s.federate(ctx, idp, protocol, assertion)
	}
	if err := s.auditLogin(ctx, AuthRequest{Methods: []string{MappedMethod}}, issued, err); err != nil {
		return nil, err
	}
	return issued, nil
}

// text refuses values that no database keeps as text.
func (a Assertion) text() error {
	for name, values := range a {
		for _, v := range values {
			if !utf8.ValidString(v) || strings.ContainsRune(v, 0) {
				return errs.New(errs.Invalid, "The attribute %q of the identity provider's assertion holds what is not text.", name)
			}
		}
	}
	return nil
}

func (s *Service) federate(ctx context.Context, idpID, protocolID string, assertion Assertion) (*Issued, error) {
	if err := assertion.text(); err != nil {
		return nil, err
	}
	p := &proof{idp: idpID, proto: protocolID, methods: []string{MappedMethod}}
	user, err := write(ctx, s, func(tx *store.Tx) (User, error) {
		idp, err := get(ctx, tx, s.store.IdPs, idpID)
		if err != nil {
			return User{}, err
		}
		if !idp.Enabled {
			return User{}, errs.New(errs.Forbidden, "Identity Provider %s is disabled.", idpID)
		}
		proto, err := s.protocol(ctx, tx, idpID, protocolID)
		if err != nil {
			return User{}, err
		}
		if err := idp.vouches(proto.RemoteIDAttribute, assertion); err != nil {
			return User{}, err
		}
		mapping, err := get(ctx, tx, s.store.Mappings, proto.MappingID)
		if err != nil {
			return User{}, err
		}
		mapped, err := mapping.Map(assertion)
		if err != nil {
			return User{}, err
		}
		return s.mappedUser(ctx, tx, idp, proto, mapped)
	})
	if err != nil {
		return nil, err
	}
	if p.user, err = s.loginUser(ctx, user.ID); err != nil {
		return nil, err
	}
	return s.issue(ctx, p, ScopeRequest{Unscoped: true})
}

// mappedUser finds or makes the user behind a mapping's result.
func (s *Service) mappedUser(ctx context.Context, tx *store.Tx, idp IdentityProvider, proto Protocol, m Mapped) (User, error) {
	groups, err := s.mappedGroups(ctx, tx, idp, m)
	if err != nil {
		return User{}, err
	}
	if m.Local {
		return s.localMapped(ctx, tx, idp, m)
	}
	u, err := s.shadowUser(ctx, tx, idp, proto, m)
	if err != nil {
		return u, err
	}
	ttl := s.cfg.TokenTTL
	if idp.AuthorizationTTL != nil && *idp.AuthorizationTTL > 0 {
		ttl = minutes(*idp.AuthorizationTTL)
	}
	if err := s.store.Groups.SetExpiring(ctx, tx, u.ID, idp.ID, groups, s.now().Add(ttl)); err != nil {
		return u, err
	}
	if err := s.mappedProjects(ctx, tx, u, m); err != nil {
		return u, err
	}
	return u, s.changed(ctx, tx, userTag(u.ID))
}

// localMapped finds a user that exists here already.
func (s *Service) localMapped(ctx context.Context, tx *store.Tx, idp IdentityProvider, m Mapped) (User, error) {
	if m.UserID != "" {
		return get(ctx, tx, s.store.Users.Table, m.UserID)
	}
	domain, err := s.mappedDomain(ctx, tx, idp, m.UserDomain)
	if err != nil {
		return User{}, err
	}
	return byName(ctx, tx, s.store.Users.Table, domain, m.UserName)
}

func (s *Service) mappedDomain(ctx context.Context, tx *store.Tx, idp IdentityProvider, d MappedDomain) (string, error) {
	switch {
	case d.ID != "":
		_, err := s.domain(ctx, tx, d.ID)
		return d.ID, err
	case d.Name != "":
		p, err := byName(ctx, tx, s.store.Projects.Table, "", d.Name)
		return p.ID, err
	}
	return idp.DomainID, nil
}

// shadowUser keeps a user of its own for everybody a provider sends.
func (s *Service) shadowUser(ctx context.Context, tx *store.Tx, idp IdentityProvider, proto Protocol, m Mapped) (User, error) {
	unique := m.UserID
	if unique == "" {
		unique = m.UserName
	}
	name := m.UserName
	if name == "" {
		name = unique
	}
	link, err := s.store.Users.ByFederated(ctx, tx, idp.ID, proto.ID, unique)
	if err == nil {
		u, err := get(ctx, tx, s.store.Users.Table, link.UserID)
		if err != nil || u.Kind != Federated {
			return u, err
		}
		if name, err = s.freeName(ctx, tx, u.DomainID, name, u.ID, idp); err == nil && u.Name != name {
			u.Name = name
			err = s.store.Users.Update(ctx, tx, &u)
		}
		return u, err
	}
	if !errs.Is(err, errs.NotFound) {
		return User{}, err
	}
	domain, err := s.mappedDomain(ctx, tx, idp, m.UserDomain)
	if err != nil {
		return User{}, err
	}
	u := User{ID: ids.NewHex(), DomainID: domain, Enabled: true, Kind: Federated, CreatedAt: s.now(), LastActiveAt: s.now()}
	if u.Name, err = s.freeName(ctx, tx, domain, name, u.ID, idp); err != nil {
		return u, err
	}
	if m.Email != "" {
		u.Extra = Attrs{"email": m.Email}
	}
	if err := s.store.Users.Insert(ctx, tx, &u); err != nil {
		return u, err
	}
	if err := s.noted(ctx, tx, "user", created, u.ID); err != nil {
		return u, err
	}
	return u, s.store.Users.SetFederated(ctx, tx, u.ID, []FederatedIdentity{{IdPID: idp.ID, ProtocolID: proto.ID, UniqueID: unique, DisplayName: name}})
}

// freeName is the name that a provider's user is known by here. Names are unique
// in a domain, and a provider must not be able to take one from somebody else
// nor keep its own user out by naming him so: then its id is added.
func (s *Service) freeName(ctx context.Context, tx *store.Tx, domainID, name, userID string, idp IdentityProvider) (string, error) {
	for _, try := range []string{name, name + "@" + idp.ID, name + "@" + idp.ID + " " + userID} {
		have, err := byName(ctx, tx, s.store.Users.Table, domainID, try)
		if errs.Is(err, errs.NotFound) || err == nil && have.ID == userID {
			return try, nil
		}
		if err != nil {
			return "", err
		}
	}
	return "", errs.New(errs.Exists, "The name %s is taken.", name)
}

// mappedGroups turns the groups of a mapping into ids. A group id that does
// not exist is a wrong mapping; a name that does not is passed over.
func (s *Service) mappedGroups(ctx context.Context, tx *store.Tx, idp IdentityProvider, m Mapped) ([]string, error) {
	var out []string
	for _, id := range m.GroupIDs {
		if _, err := get(ctx, tx, s.store.Groups.Table, id); err != nil {
			return nil, err
		}
		out = append(out, id)
	}
	for _, g := range m.GroupNames {
		domain, err := s.mappedDomain(ctx, tx, idp, g.Domain)
		if err != nil {
			return nil, err
		}
		found, err := byName(ctx, tx, s.store.Groups.Table, domain, g.Name)
		if errs.Is(err, errs.NotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		out = append(out, found.ID)
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// mappedProjects makes the projects that a mapping provides and gives their roles.
func (s *Service) mappedProjects(ctx context.Context, tx *store.Tx, u User, m Mapped) error {
	for _, want := range m.Projects {
		domain, err := s.mappedDomain(ctx, tx, IdentityProvider{DomainID: u.DomainID}, want.Domain)
		if err != nil {
			return err
		}
		p, err := byName(ctx, tx, s.store.Projects.Table, domain, want.Name)
		if errs.Is(err, errs.NotFound) {
			p = Project{ID: ids.NewHex(), Name: want.Name, DomainID: domain, ParentID: domain, Enabled: true}
			p.Path = domain + "/" + p.ID + "/"
			if err = s.store.Projects.Insert(ctx, tx, &p); err == nil {
				err = s.noted(ctx, tx, "project", created, p.ID)
			}
		}
		if err != nil {
			return err
		}
		for _, name := range want.Roles {
			r, err := byName(ctx, tx, s.store.Roles.Table, "", name)
			if err != nil {
				return err
			}
			a := Assignment{ActorKind: UserActor, ActorID: u.ID, TargetKind: ProjectTarget, TargetID: p.ID, RoleID: r.ID}
			if has, err := s.store.Assignments.Has(ctx, tx, a); err != nil {
				return err
			} else if has {
				continue
			}
			if err := s.store.Assignments.Add(ctx, tx, a); err != nil {
				return err
			}
			if err := s.notedGrant(ctx, tx, created, a); err != nil {
				return err
			}
		}
	}
	return nil
}
