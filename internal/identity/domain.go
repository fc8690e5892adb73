package identity

import (
	"context"

	"kumoi/internal/identity/family"
	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/change"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/ids"
	"kumoi/internal/kernel/policy"
	"kumoi/internal/kernel/store"
)

// List lists domains. A token for a domain sees that one.
func (f *Domains) List(ctx context.Context, q store.Query) (store.Page[Project], error) {
	a := actor.From(ctx)
	target := policy.Target{}
	if a.DomainID != "" {
		target = domainTarget(a.DomainID)
	}
	if err := f.s.check(ctx, "identity:list_domains", target); err != nil {
		return store.Page[Project]{}, err
	}
	q.Where = append(q.Where, store.Eq("is_domain", true))
	if a.DomainID != "" && !a.HasRole("admin") {
		q.Where = append(q.Where, store.Eq("id", a.DomainID))
	}
	return family.List(ctx, f.s.base, f.s.store.Projects.Table, q)
}

// get loads a domain without a policy check.
func (f *Domains) get(ctx context.Context, tx *store.Tx, id string) (Project, error) {
	d, err := family.Get(ctx, tx, f.s.store.Projects.Table, id)
	if errs.Is(err, errs.NotFound) || err == nil && !d.IsDomain {
		return d, errs.New(errs.NotFound, "Could not find domain: %s.", id)
	}
	return d, err
}

// Show returns a domain. Who may not see domains learns nothing of which exist.
func (f *Domains) Show(ctx context.Context, id string) (*Project, error) {
	return family.One(family.Read(ctx, f.s.db, func(tx *store.Tx) (Project, error) {
		d, err := f.get(ctx, tx, id)
		if err != nil && !errs.Is(err, errs.NotFound) {
			return d, err
		}
		if perr := f.s.check(ctx, "identity:get_domain", domainTarget(id)); perr != nil {
			return d, perr
		}
		return d, err
	}))
}

// Create makes a domain.
func (f *Domains) Create(ctx context.Context, in change.Patch[Project]) (*Project, error) {
	d := Project{Enabled: true}
	if err := in.To(&d); err != nil {
		return nil, err
	}
	if err := f.s.check(ctx, "identity:create_domain", policy.Target{}); err != nil {
		return nil, err
	}
	return family.One(f.create(ctx, d))
}

func (f *Domains) create(ctx context.Context, d Project) (Project, error) {
	if d.ID == "" {
		d.ID = ids.NewHex()
	} else if len(d.ID) != 32 || !ids.IsUUID(d.ID) {
		return d, errs.New(errs.Invalid, "The explicit domain ID must be 32 hexadecimal digits, not %.64q.", d.ID)
	}
	d.IsDomain, d.Path = true, d.ID+"/"
	return family.Write(ctx, f.s.db, func(tx *store.Tx) (Project, error) {
		if err := f.s.store.Projects.Insert(ctx, tx, &d); err != nil {
			return d, err
		}
		return d, f.s.noted(ctx, tx, "domain", created, d.ID)
	})
}

// Update changes a domain.
func (f *Domains) Update(ctx context.Context, id string, in change.Patch[Project]) (*Project, error) {
	return family.One(family.Write(ctx, f.s.db, func(tx *store.Tx) (Project, error) {
		d, err := f.get(ctx, tx, id)
		if err != nil {
			return d, err
		}
		if err := f.s.check(ctx, "identity:update_domain", domainTarget(id)); err != nil {
			return d, err
		}
		return f.s.Projects.update(ctx, tx, d, in)
	}))
}

// Delete deletes a disabled domain with all that is in it.
func (f *Domains) Delete(ctx context.Context, id string) error {
	return f.s.db.Write(ctx, func(tx *store.Tx) error {
		d, err := f.get(ctx, tx, id)
		if err != nil {
			return err
		}
		if err := f.s.check(ctx, "identity:delete_domain", domainTarget(id)); err != nil {
			return err
		}
		return f.remove(ctx, tx, d)
	})
}

func (f *Domains) remove(ctx context.Context, tx *store.Tx, d Project) error {
	switch {
	case d.ID == DefaultDomainID:
		return errs.New(errs.Forbidden, "You are not authorized to perform the requested action: delete the default domain.")
	case d.Enabled:
		return errs.New(errs.Forbidden, "Cannot delete a domain that is enabled, please disable it first.")
	}
	if err := mayDelete("domain", d.ID, d.Immutable()); err != nil {
		return err
	}
	of := []store.Cond{store.Eq("domain_id", d.ID)}
	users, err := family.Find(ctx, tx, f.s.store.Users.Table, of...)
	if err != nil {
		return err
	}
	for _, u := range users {
		if err := f.s.Users.remove(ctx, tx, u); err != nil {
			return err
		}
	}
	groups, err := family.Find(ctx, tx, f.s.store.Groups.Table, of...)
	if err != nil {
		return err
	}
	for _, g := range groups {
		if err := f.s.Groups.remove(ctx, tx, g); err != nil {
			return err
		}
	}
	projects, err := family.Find(ctx, tx, f.s.store.Projects.Table, of...)
	if err != nil {
		return err
	}
	for _, p := range projects {
		if err := f.s.Projects.remove(ctx, tx, p); err != nil {
			return err
		}
	}
	roles, err := family.Find(ctx, tx, f.s.store.Roles.Table, of...)
	if err != nil {
		return err
	}
	for _, r := range roles {
		if err := f.s.Roles.remove(ctx, tx, r); err != nil {
			return err
		}
	}
	if err := f.s.store.Assignments.RemoveTarget(ctx, tx, DomainTarget, d.ID); err != nil {
		return err
	}
	if _, err := f.s.store.Limit.Limits.DeleteWhere(ctx, tx, of...); err != nil {
		return err
	}
	if _, err := f.s.store.Federation.IdPs.DeleteWhere(ctx, tx, of...); err != nil {
		return err
	}
	if _, err := f.s.store.DomainOptions.DeleteWhere(ctx, tx, store.Eq("domain_id", d.ID)); err != nil {
		return err
	}
	return f.s.Projects.remove(ctx, tx, d)
}
