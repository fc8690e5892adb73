package identity

import (
	"context"
	"slices"
	"time"

	"kumoi/internal/identity/family"
	"kumoi/internal/identity/federation"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/ids"
	"kumoi/internal/kernel/store"
)

// login logs in whoever an identity provider vouches for: it runs the
// mapping on the assertion, finds or makes the user, and issues a token
// without a scope. The caller has proved that the assertion is the provider's;
// err is what came of that.
func (f *shadows) login(ctx context.Context, idp, protocol string, assertion federation.Assertion, err error) (*Issued, error) {
	var issued *Issued
	if err == nil {
		issued, err = f.federate(ctx, idp, protocol, assertion)
	}
	if err := f.s.auditLogin(ctx, AuthRequest{Methods: []string{MappedMethod}}, issued, err); err != nil {
		return nil, err
	}
	return issued, nil
}

func (f *shadows) federate(ctx context.Context, idpID, protocolID string, assertion federation.Assertion) (*Issued, error) {
	if err := assertion.Text(); err != nil {
		return nil, err
	}
	p := &proof{idp: idpID, proto: protocolID, methods: []string{MappedMethod}}
	user, err := family.Write(ctx, f.s.db, func(tx *store.Tx) (User, error) {
		idp, err := family.Get(ctx, tx, f.s.store.Federation.IdPs, idpID)
		if err != nil {
			return User{}, err
		}
		if !idp.Enabled {
			return User{}, errs.New(errs.Forbidden, "Identity Provider %s is disabled.", idpID)
		}
		proto, err := f.s.Federation.Protocol(ctx, tx, idpID, protocolID)
		if err != nil {
			return User{}, err
		}
		if err := idp.Vouches(proto.RemoteIDAttribute, assertion); err != nil {
			return User{}, err
		}
		mapping, err := family.Get(ctx, tx, f.s.store.Federation.Mappings, proto.MappingID)
		if err != nil {
			return User{}, err
		}
		mapped, err := mapping.Map(assertion)
		if err != nil {
			return User{}, err
		}
		return f.mappedUser(ctx, tx, idp, proto, mapped)
	})
	if err != nil {
		return nil, err
	}
	if p.user, err = f.s.loginUser(ctx, user.ID); err != nil {
		return nil, err
	}
	return f.s.issue(ctx, p, ScopeRequest{Unscoped: true})
}

// mappedUser finds or makes the user behind a mapping's result.
func (f *shadows) mappedUser(ctx context.Context, tx *store.Tx, idp federation.IdentityProvider, proto federation.Protocol, m federation.Mapped) (User, error) {
	groups, err := f.groups(ctx, tx, idp, m)
	if err != nil {
		return User{}, err
	}
	if m.Local {
		return f.local(ctx, tx, idp, m)
	}
	u, err := f.shadow(ctx, tx, idp, proto, m)
	if err != nil {
		return u, err
	}
	if err := f.s.store.Groups.SetExpiring(ctx, tx, u.ID, idp.ID, groups, f.s.now().Add(f.vouched(idp))); err != nil {
		return u, err
	}
	if err := f.projects(ctx, tx, u, m); err != nil {
		return u, err
	}
	return u, f.s.changed(ctx, tx, userTag(u.ID))
}

// vouched is how long a provider's word holds.
func (f *shadows) vouched(idp federation.IdentityProvider) time.Duration {
	if idp.AuthorizationTTL != nil && *idp.AuthorizationTTL > 0 {
		return time.Duration(*idp.AuthorizationTTL) * time.Minute
	}
	return f.s.cfg.TokenTTL
}

// local finds a user that exists here already.
func (f *shadows) local(ctx context.Context, tx *store.Tx, idp federation.IdentityProvider, m federation.Mapped) (User, error) {
	if m.UserID != "" {
		return family.Get(ctx, tx, f.s.store.Users.Table, m.UserID)
	}
	domain, err := f.domain(ctx, tx, idp, m.UserDomain)
	if err != nil {
		return User{}, err
	}
	return byName(ctx, tx, f.s.store.Users.Table, domain, m.UserName)
}

func (f *shadows) domain(ctx context.Context, tx *store.Tx, idp federation.IdentityProvider, d federation.MappedDomain) (string, error) {
	switch {
	case d.ID != "":
		_, err := f.s.Domains.get(ctx, tx, d.ID)
		return d.ID, err
	case d.Name != "":
		p, err := byName(ctx, tx, f.s.store.Projects.Table, "", d.Name)
		return p.ID, err
	}
	return idp.DomainID, nil
}

// shadow keeps a user of its own for everybody a provider sends.
func (f *shadows) shadow(ctx context.Context, tx *store.Tx, idp federation.IdentityProvider, proto federation.Protocol, m federation.Mapped) (User, error) {
	unique := m.UserID
	if unique == "" {
		unique = m.UserName
	}
	name := m.UserName
	if name == "" {
		name = unique
	}
	link, err := f.s.store.Users.ByFederated(ctx, tx, idp.ID, proto.ID, unique)
	if err == nil {
		u, err := family.Get(ctx, tx, f.s.store.Users.Table, link.UserID)
		if err != nil || u.Kind != Federated {
			return u, err
		}
		if name, err = f.freeName(ctx, tx, u.DomainID, name, u.ID, idp); err == nil && u.Name != name {
			u.Name = name
			err = f.s.store.Users.Update(ctx, tx, &u)
		}
		return u, err
	}
	if !errs.Is(err, errs.NotFound) {
		return User{}, err
	}
	domain, err := f.domain(ctx, tx, idp, m.UserDomain)
	if err != nil {
		return User{}, err
	}
	u := User{ID: ids.NewHex(), DomainID: domain, Enabled: true, Kind: Federated, CreatedAt: f.s.now(), LastActiveAt: f.s.now()}
	if u.Name, err = f.freeName(ctx, tx, domain, name, u.ID, idp); err != nil {
		return u, err
	}
	if m.Email != "" {
		u.Extra = Attrs{"email": m.Email}
	}
	if err := f.s.store.Users.Insert(ctx, tx, &u); err != nil {
		return u, err
	}
	if err := f.s.noted(ctx, tx, "user", created, u.ID); err != nil {
		return u, err
	}
	return u, f.s.store.Users.SetFederated(ctx, tx, u.ID, []FederatedIdentity{{IdPID: idp.ID, ProtocolID: proto.ID, UniqueID: unique, DisplayName: name}})
}

// freeName is the name that a provider's user is known by here. Names are unique
// in a domain, and a provider must not be able to take one from somebody else
// nor keep its own user out by naming him so: then its id is added.
func (f *shadows) freeName(ctx context.Context, tx *store.Tx, domainID, name, userID string, idp federation.IdentityProvider) (string, error) {
	for _, try := range []string{name, name + "@" + idp.ID, name + "@" + idp.ID + " " + userID} {
		have, err := byName(ctx, tx, f.s.store.Users.Table, domainID, try)
		if errs.Is(err, errs.NotFound) || err == nil && have.ID == userID {
			return try, nil
		}
		if err != nil {
			return "", err
		}
	}
	return "", errs.New(errs.Exists, "The name %s is taken.", name)
}

// groups turns the groups of a mapping into ids. A group id that does
// not exist is a wrong mapping; a name that does not is passed over.
func (f *shadows) groups(ctx context.Context, tx *store.Tx, idp federation.IdentityProvider, m federation.Mapped) ([]string, error) {
	var out []string
	for _, id := range m.GroupIDs {
		if _, err := family.Get(ctx, tx, f.s.store.Groups.Table, id); err != nil {
			return nil, err
		}
		out = append(out, id)
	}
	for _, g := range m.GroupNames {
		domain, err := f.domain(ctx, tx, idp, g.Domain)
		if err != nil {
			return nil, err
		}
		found, err := byName(ctx, tx, f.s.store.Groups.Table, domain, g.Name)
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

// projects makes the projects that a mapping provides and gives their roles.
func (f *shadows) projects(ctx context.Context, tx *store.Tx, u User, m federation.Mapped) error {
	for _, want := range m.Projects {
		domain, err := f.domain(ctx, tx, federation.IdentityProvider{DomainID: u.DomainID}, want.Domain)
		if err != nil {
			return err
		}
		p, err := byName(ctx, tx, f.s.store.Projects.Table, domain, want.Name)
		if errs.Is(err, errs.NotFound) {
			p = Project{ID: ids.NewHex(), Name: want.Name, DomainID: domain, ParentID: domain, Enabled: true}
			p.Path = domain + "/" + p.ID + "/"
			if err = f.s.store.Projects.Insert(ctx, tx, &p); err == nil {
				err = f.s.noted(ctx, tx, "project", created, p.ID)
			}
		}
		if err != nil {
			return err
		}
		for _, name := range want.Roles {
			r, err := byName(ctx, tx, f.s.store.Roles.Table, "", name)
			if err != nil {
				return err
			}
			a := Assignment{ActorKind: UserActor, ActorID: u.ID, TargetKind: ProjectTarget, TargetID: p.ID, RoleID: r.ID}
			if has, err := f.s.store.Assignments.Has(ctx, tx, a); err != nil {
				return err
			} else if has {
				continue
			}
			if err := f.s.store.Assignments.Add(ctx, tx, a); err != nil {
				return err
			}
			if err := f.s.notedGrant(ctx, tx, created, a); err != nil {
				return err
			}
		}
	}
	return nil
}
