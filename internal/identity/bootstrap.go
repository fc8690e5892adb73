package identity

import (
	"context"
	"fmt"

	"kumoi/internal/identity/catalog"
	"kumoi/internal/identity/family"
	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/ids"
	"kumoi/internal/kernel/store"
)

// DefaultDomainID is the domain for requests that name none.
const DefaultDomainID = "default"

const serviceRole = "service"

// CatalogEntry is a service that Kumoi itself offers.
type CatalogEntry = catalog.Entry

// BootstrapConfig is what a new cloud starts with.
type BootstrapConfig struct {
	AdminUser     string // "admin"
	AdminPassword string // of the user that is made
	ResetPassword bool   // give a user who is there already the password as well, and enable him
	AdminProject  string // "admin"
	Region        string // "RegionOne"
	Catalog       []CatalogEntry
}

// Bootstrap makes the default domain, the roles, the administrator, the region
// and the catalogue, where they are missing, and tells whether it made the
// administrator. It may be run at every start: what an operator changed since
// stays as he left it, but the administrator always has his roles back.
func (s *Service) Bootstrap(ctx context.Context, c BootstrapConfig) (madeAdmin bool, err error) {
	if !actor.From(ctx).Authenticated() {
		ctx = actor.AsSystem(ctx, "bootstrap")
	}
	orDefault := func(p *string, v string) {
		if *p == "" {
			*p = v
		}
	}
	orDefault(&c.AdminUser, "admin")
	orDefault(&c.AdminProject, "admin")
	orDefault(&c.Region, "RegionOne")
	hash, err := s.founder.hash(ctx, c)
	if err != nil {
		return false, err
	}
	err = s.db.Write(ctx, func(tx *store.Tx) error {
		if err := s.founder.domain(ctx, tx); err != nil {
			return err
		}
		roles, err := s.founder.roles(ctx, tx)
		if err != nil {
			return err
		}
		if madeAdmin, err = s.founder.admin(ctx, tx, c, roles["admin"], hash); err != nil {
			return err
		}
		return s.Catalog.Bootstrap(ctx, tx, c.Region, c.Catalog)
	})
	if err != nil {
		return false, fmt.Errorf("bootstrap identity: %w", err)
	}
	for _, purpose := range []string{tokenKey, credentialKey} {
		if _, _, err := s.sealer.sealingKey(ctx, purpose); err != nil {
			return false, fmt.Errorf("bootstrap identity: %w", err)
		}
	}
	return madeAdmin, nil
}

// hash hashes the administrator's password, unless it is his already
// or not to be changed.
func (f *founder) hash(ctx context.Context, c BootstrapConfig) (string, error) {
	if c.AdminPassword == "" {
		return "", nil
	}
	u, err := family.Read(ctx, f.s.db, func(tx *store.Tx) (User, error) {
		return byName(ctx, tx, f.s.store.Users.Table, DefaultDomainID, c.AdminUser)
	})
	switch {
	case errs.Is(err, errs.NotFound):
	case err != nil:
		return "", err
	case !c.ResetPassword:
		return "", nil
	default:
		same, err := f.s.hasher.verify(ctx, u.PasswordHash, c.AdminPassword, f.s.now())
		if err != nil || same {
			return "", err
		}
	}
	return f.s.hasher.hash(ctx, c.AdminPassword)
}

func (f *founder) domain(ctx context.Context, tx *store.Tx) error {
	_, err := family.Get(ctx, tx, f.s.store.Projects.Table, DefaultDomainID)
	if !errs.Is(err, errs.NotFound) {
		return err
	}
	err = f.s.store.Projects.Insert(ctx, tx, &Project{
		ID: DefaultDomainID, Name: "Default", IsDomain: true, Enabled: true, Description: "The default domain",
		Path: DefaultDomainID + "/",
	})
	if err != nil {
		return err
	}
	return f.s.noted(ctx, tx, "domain", created, DefaultDomainID)
}

func (f *founder) roles(ctx context.Context, tx *store.Tx) (map[string]string, error) {
	byRole := map[string]string{}
	for _, name := range []string{"admin", "manager", "member", "reader", serviceRole} {
		r, err := byName(ctx, tx, f.s.store.Roles.Table, "", name)
		if errs.Is(err, errs.NotFound) {
			r = Role{ID: ids.NewHex(), Name: name, Options: Attrs{"immutable": true}}
			if err = f.s.store.Roles.Insert(ctx, tx, &r); err == nil {
				err = f.s.noted(ctx, tx, "role", created, r.ID)
			}
		}
		if err != nil {
			return nil, err
		}
		byRole[name] = r.ID
	}
	for prior, implied := range map[string]string{"admin": "manager", "manager": "member", "member": "reader"} {
		if err := f.s.store.Roles.Imply(ctx, tx, ImpliedRole{byRole[prior], byRole[implied]}); err != nil {
			return nil, err
		}
	}
	return byRole, f.s.changed(ctx, tx, rolesTag)
}

func (f *founder) project(ctx context.Context, tx *store.Tx, name, description string) (Project, error) {
	p, err := byName(ctx, tx, f.s.store.Projects.Table, DefaultDomainID, name)
	if errs.Is(err, errs.NotFound) {
		p = Project{ID: ids.NewHex(), Name: name, DomainID: DefaultDomainID, ParentID: DefaultDomainID, Enabled: true, Description: description}
		p.Path = DefaultDomainID + "/" + p.ID + "/"
		if err = f.s.store.Projects.Insert(ctx, tx, &p); err == nil {
			err = f.s.noted(ctx, tx, "project", created, p.ID)
		}
	}
	return p, err
}

func (f *founder) admin(ctx context.Context, tx *store.Tx, c BootstrapConfig, adminRole, hash string) (made bool, err error) {
	project, err := f.project(ctx, tx, c.AdminProject, "Bootstrap project for initializing the cloud.")
	if err != nil {
		return false, err
	}
	if _, err := f.project(ctx, tx, "service", "Project of the cloud's own services."); err != nil {
		return false, err
	}
	u, err := byName(ctx, tx, f.s.store.Users.Table, DefaultDomainID, c.AdminUser)
	switch {
	case errs.Is(err, errs.NotFound):
		made = true
		u = User{ID: ids.NewHex(), DomainID: DefaultDomainID, Name: c.AdminUser, Enabled: true, Kind: Local, CreatedAt: f.s.now()}
		u.PasswordHash, u.PasswordCreatedAt = hash, u.CreatedAt
		if err := f.s.store.Users.Insert(ctx, tx, &u); err != nil {
			return made, err
		}
		if err := f.s.noted(ctx, tx, "user", created, u.ID); err != nil {
			return made, err
		}
	case err != nil:
		return false, err
	case c.ResetPassword && (hash != "" || !u.Enabled):
		if err := f.s.Users.reset(ctx, tx, u, hash); err != nil {
			return false, err
		}
	}
	for _, a := range []Assignment{
		{ActorKind: UserActor, ActorID: u.ID, TargetKind: ProjectTarget, TargetID: project.ID, RoleID: adminRole},
		{ActorKind: UserActor, ActorID: u.ID, TargetKind: SystemTarget, TargetID: TheSystem, RoleID: adminRole},
	} {
		if err := f.s.store.Assignments.Add(ctx, tx, a); err != nil {
			return made, err
		}
	}
	return made, f.s.changed(ctx, tx, userTag(u.ID))
}
