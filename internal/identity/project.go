package identity

import (
	"context"
	"slices"
	"strings"

	"kumoi/internal/identity/catalog"
	"kumoi/internal/identity/family"
	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/change"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/ids"
	"kumoi/internal/kernel/policy"
	"kumoi/internal/kernel/store"
)

// homeDomain is the domain for something whose creator named none.
func homeDomain(ctx context.Context, asked string) string {
	if asked != "" {
		return asked
	}
	if d := actor.From(ctx).DomainID; d != "" {
		return d
	}
	return DefaultDomainID
}

// Project returns a project, or a domain acting as one, without a policy check:
// it is for other services.
func (s *Service) Project(ctx context.Context, id string) (Project, error) {
	return family.Read(ctx, s.db, func(tx *store.Tx) (Project, error) { return family.Get(ctx, tx, s.store.Projects.Table, id) })
}

// ProjectExists tells whether a project is there, inside the caller's transaction.
func (s *Service) ProjectExists(ctx context.Context, tx *store.Tx, id string) (bool, error) {
	_, err := family.Get(ctx, tx, s.store.Projects.Table, id)
	if errs.Is(err, errs.NotFound) {
		return false, nil
	}
	return err == nil, err
}

// List lists projects that match. A token for a domain sees its own.
func (f *Projects) List(ctx context.Context, q store.Query) (store.Page[Project], error) {
	a := actor.From(ctx)
	target := policy.Target{}
	if a.DomainID != "" {
		target["target.domain_id"] = a.DomainID
		q = q.Within(store.Eq("domain_id", a.DomainID))
	}
	if err := f.s.check(ctx, "identity:list_projects", target); err != nil {
		return store.Page[Project]{}, err
	}
	if !slices.ContainsFunc(q.Where, func(m store.Cond) bool { return m.Field == "is_domain" }) {
		q = q.Filter(store.Eq("is_domain", false))
	}
	return family.List(ctx, f.s.base, f.s.store.Projects.Table, q)
}

// get loads a project under a rule. One that does not exist is reported
// only to those who may see any.
func (f *Projects) get(ctx context.Context, tx *store.Tx, rule, id string) (Project, error) {
	p, err := family.Get(ctx, tx, f.s.store.Projects.Table, id)
	target := policy.Target{}
	if err == nil {
		target = projectTarget(p)
	} else if !errs.Is(err, errs.NotFound) {
		return p, err
	}
	if perr := f.s.check(ctx, rule, target); perr != nil {
		return p, perr
	}
	return p, err
}

// Show returns a project.
func (f *Projects) Show(ctx context.Context, id string) (*Project, error) {
	return family.One(family.Read(ctx, f.s.db, func(tx *store.Tx) (Project, error) { return f.get(ctx, tx, "identity:get_project", id) }))
}

// Relatives are the projects above and below one; for the views that ask.
type Relatives struct{ Parents, Subtree []Project }

// Relatives returns the relatives of a project, nearest first. For
// lists (not ids) the actor sees only those he has a role on.
func (f *Projects) Relatives(ctx context.Context, p Project, ownOnly bool) (Relatives, error) {
	return family.Read(ctx, f.s.db, func(tx *store.Tx) (Relatives, error) {
		var r Relatives
		var err error
		if r.Parents, err = f.s.store.Projects.Ancestors(ctx, tx, p); err != nil {
			return r, err
		}
		if r.Subtree, err = f.s.store.Projects.Subtree(ctx, tx, p); err != nil || !ownOnly {
			return r, err
		}
		mine, err := f.s.Scopes.projectsOf(ctx, tx, actor.From(ctx).UserID)
		if err != nil {
			return r, err
		}
		foreign := func(p Project) bool {
			return !slices.ContainsFunc(mine, func(m Project) bool { return m.ID == p.ID })
		}
		r.Parents = slices.DeleteFunc(r.Parents, foreign)
		r.Subtree = slices.DeleteFunc(r.Subtree, foreign)
		return r, nil
	})
}

// Create makes a project, or a domain if it is asked to act as one.
func (f *Projects) Create(ctx context.Context, in change.Patch[Project]) (*Project, error) {
	p := Project{Enabled: true}
	if err := in.To(&p); err != nil {
		return nil, err
	}
	if p.IsDomain {
		if p.DomainID != "" || p.ParentID != "" {
			return nil, errs.New(errs.Invalid, "A project that acts as a domain cannot have domain_id or parent_id.")
		}
		if err := f.s.check(ctx, "identity:create_project", projectTarget(p)); err != nil {
			return nil, err
		}
		return family.One(f.s.Domains.create(ctx, p))
	}
	return family.One(family.Write(ctx, f.s.db, func(tx *store.Tx) (Project, error) {
		p := p
		p.ID = ids.NewHex()
		if p.DomainID == "" && p.ParentID != "" {
			parent, err := family.Get(ctx, tx, f.s.store.Projects.Table, p.ParentID)
			switch {
			case err == nil:
				p.DomainID = parent.Owner()
			case !errs.Is(err, errs.NotFound):
				return p, err
			}
		}
		p.DomainID = homeDomain(ctx, p.DomainID)
		if err := f.s.check(ctx, "identity:create_project", projectTarget(p)); err != nil {
			return p, err
		}
		if err := f.place(ctx, tx, &p); err != nil {
			return p, err
		}
		if err := f.s.store.Projects.Insert(ctx, tx, &p); err != nil {
			return p, err
		}
		return p, f.s.base.Made(ctx, tx, "project", p.ID)
	}))
}

// place finds a new project's parent and path.
func (f *Projects) place(ctx context.Context, tx *store.Tx, p *Project) error {
	if p.ParentID == "" {
		p.ParentID = p.DomainID
	}
	parent, err := family.Get(ctx, tx, f.s.store.Projects.Table, p.ParentID)
	if errs.Is(err, errs.NotFound) {
		if p.ParentID == p.DomainID {
			return errs.New(errs.NotFound, "Could not find domain: %s.", p.DomainID)
		}
		return errs.New(errs.NotFound, "Could not find project: %s.", p.ParentID)
	}
	if err != nil {
		return err
	}
	if parent.Owner() != p.DomainID {
		return errs.New(errs.Invalid, "Cannot create project %s, since it specifies domain_id %s, but its parent is in domain %s.", p.Name, p.DomainID, parent.Owner())
	}
	if !parent.Enabled {
		return errs.New(errs.Invalid, "Cannot create project, since its parent %s is disabled.", parent.ID)
	}
	p.Path = parent.Path + p.ID + "/"
	if depth := strings.Count(p.Path, "/") - 1; depth > f.s.cfg.MaxProjectDepth {
		return errs.New(errs.Forbidden, "Cannot create project: it would be %d levels below its domain, and %d are allowed.", depth, f.s.cfg.MaxProjectDepth)
	}
	return nil
}

// Update changes a project.
func (f *Projects) Update(ctx context.Context, id string, in change.Patch[Project]) (*Project, error) {
	return family.One(family.Write(ctx, f.s.db, func(tx *store.Tx) (Project, error) {
		p, err := f.get(ctx, tx, "identity:update_project", id)
		if err != nil {
			return p, err
		}
		return f.update(ctx, tx, p, in)
	}))
}

func (f *Projects) update(ctx context.Context, tx *store.Tx, p Project, in change.Patch[Project]) (Project, error) {
	before := p
	before.Options = p.Options
	if err := in.To(&p); err != nil {
		return p, err
	}
	if err := mayChange("project", before.ID, before.Immutable(), p.Immutable()); err != nil {
		return p, err
	}
	switch {
	case p.ParentID != before.ParentID:
		return p, errs.New(errs.Forbidden, "Update of `parent_id` is not allowed.")
	case p.DomainID != before.DomainID:
		return p, errs.New(errs.Invalid, "Cannot change Domain ID.")
	case p.IsDomain != before.IsDomain:
		return p, errs.New(errs.Invalid, "Update of `is_domain` is not allowed.")
	case p.Enabled && !before.Enabled:
		above, err := f.s.store.Projects.Ancestors(ctx, tx, p)
		if err != nil {
			return p, err
		}
		if slices.ContainsFunc(above, func(a Project) bool { return !a.Enabled && !a.IsDomain }) {
			return p, errs.New(errs.Forbidden, "Cannot enable project %s since it has disabled parents.", p.ID)
		}
	case !p.Enabled && before.Enabled:
		if err := f.mayDisable(ctx, tx, p); err != nil {
			return p, err
		}
		if err := f.s.revoke(ctx, tx, projectTag(p.ID)); err != nil {
			return p, err
		}
	}
	if err := f.s.store.Projects.Update(ctx, tx, &p); err != nil {
		return p, err
	}
	if err := f.s.noted(ctx, tx, "project", updated, p.ID); err != nil {
		return p, err
	}
	return p, f.s.changed(ctx, tx, projectTag(p.ID))
}

// mayDisable refuses to disable what has enabled projects below. A domain may
// always be disabled: it takes all that is in it along.
func (f *Projects) mayDisable(ctx context.Context, tx *store.Tx, p Project) error {
	if p.IsDomain {
		return nil
	}
	below, err := f.s.store.Projects.Subtree(ctx, tx, p)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(below, func(b Project) bool { return b.Enabled }) {
		return errs.New(errs.Forbidden, "Cannot disable project %s since its subtree contains enabled projects.", p.ID)
	}
	return nil
}

// mayChange refuses to touch what is immutable, except to make it mutable again.
func mayChange(noun, id string, was, is bool) error {
	if was && is {
		return errs.New(errs.Forbidden, "Cannot update %s %s: it is immutable; set its option immutable to false first.", noun, id)
	}
	return nil
}

func mayDelete(noun, id string, immutable bool) error {
	if immutable {
		return errs.New(errs.Forbidden, "Cannot delete %s %s: it is immutable; set its option immutable to false first.", noun, id)
	}
	return nil
}

// Delete deletes a project that has none below.
func (f *Projects) Delete(ctx context.Context, id string) error {
	return f.s.db.Write(ctx, func(tx *store.Tx) error {
		p, err := f.get(ctx, tx, "identity:delete_project", id)
		if err != nil {
			return err
		}
		if p.IsDomain {
			return f.s.Domains.remove(ctx, tx, p)
		}
		if err := mayDelete("project", id, p.Immutable()); err != nil {
			return err
		}
		below, err := f.s.store.Projects.Subtree(ctx, tx, p)
		if err != nil {
			return err
		}
		if len(below) > 0 {
			return errs.New(errs.Forbidden, "Cannot delete the project %s since it is not a leaf in the hierarchy.", id)
		}
		return f.remove(ctx, tx, p)
	})
}

// remove deletes a project and all that hangs from it.
func (f *Projects) remove(ctx context.Context, tx *store.Tx, p Project) error {
	if err := f.s.store.Assignments.RemoveTarget(ctx, tx, ProjectTarget, p.ID); err != nil {
		return err
	}
	for _, del := range []func(context.Context, *store.Tx, ...store.Cond) (int64, error){
		f.s.store.Credentials.DeleteWhere, f.s.store.AppCredentials.DeleteWhere, f.s.store.Trusts.DeleteWhere,
		f.s.store.Limit.Limits.DeleteWhere, f.s.store.OAuth1.Tokens.DeleteWhere,
	} {
		if _, err := del(ctx, tx, store.Eq("project_id", p.ID)); err != nil {
			return err
		}
	}
	if err := f.s.store.Catalog.Links.UnlinkProject(ctx, tx, p.ID); err != nil {
		return err
	}
	homeless, err := family.Find(ctx, tx, f.s.store.Users.Table, store.Eq("default_project_id", p.ID))
	if err != nil {
		return err
	}
	for _, u := range homeless {
		u.DefaultProjectID = ""
		if err := f.s.store.Users.Update(ctx, tx, &u); err != nil {
			return err
		}
		if err := f.s.changed(ctx, tx, userTag(u.ID)); err != nil {
			return err
		}
	}
	if err := f.s.store.Projects.Delete(ctx, tx, p.ID); err != nil {
		return err
	}
	if err := f.s.noted(ctx, tx, "project", deleted, p.ID); err != nil {
		return err
	}
	return f.s.revoke(ctx, tx, projectTag(p.ID))
}

// SetTags replaces the tags that change returns for those there are.
func (f *Projects) SetTags(ctx context.Context, rule, id string, change func(tags []string) ([]string, error)) ([]string, error) {
	return family.Write(ctx, f.s.db, func(tx *store.Tx) ([]string, error) {
		p, err := f.get(ctx, tx, rule, id)
		if err != nil {
			return nil, err
		}
		if err := mayChange("project", id, p.Immutable(), true); err != nil {
			return nil, err
		}
		tags, err := change(p.Tags)
		if err != nil {
			return nil, err
		}
		if len(tags) > maxTags {
			return nil, errs.New(errs.Invalid, "A project can have %d tags at most, not %d.", maxTags, len(tags))
		}
		slices.Sort(tags)
		tags = slices.Compact(tags)
		if err := f.s.store.Projects.SetTags(ctx, tx, id, tags); err != nil {
			return nil, err
		}
		return tags, f.s.changed(ctx, tx, projectTag(id))
	})
}

const maxTags = 80

// Tags lists a project's tags under a rule.
func (f *Projects) Tags(ctx context.Context, rule, id string) ([]string, error) {
	return family.Read(ctx, f.s.db, func(tx *store.Tx) ([]string, error) {
		p, err := f.get(ctx, tx, rule, id)
		return p.Tags, err
	})
}

// OfUser lists the projects on which a user has a role.
func (f *Projects) OfUser(ctx context.Context, userID string, q store.Query) (store.Page[Project], error) {
	rows, err := family.Read(ctx, f.s.db, func(tx *store.Tx) ([]Project, error) {
		if _, err := f.s.Users.get(ctx, tx, "identity:list_user_projects", userID); err != nil {
			return nil, err
		}
		return f.s.Scopes.projectsOf(ctx, tx, userID)
	})
	rows = slices.DeleteFunc(rows, func(p Project) bool {
		return slices.ContainsFunc(q.Where, func(m store.Cond) bool {
			switch m.Field {
			case "name":
				return m.Op == store.Equal && p.Name != m.Value
			case "enabled":
				return p.Enabled != m.Value
			case "domain_id":
				return p.DomainID != m.Value
			}
			return false
		})
	})
	return store.Page[Project]{Rows: family.Pointers(rows)}, err
}

// Linked lists the projects that an endpoint or a group of them is linked to.
func (f *Projects) Linked(ctx context.Context, rule string, l catalog.Link) ([]Project, error) {
	if err := f.s.check(ctx, rule, policy.Target{}); err != nil {
		return nil, err
	}
	return family.Read(ctx, f.s.db, func(tx *store.Tx) ([]Project, error) {
		ids, err := f.s.Catalog.Links.Projects(ctx, tx, l)
		if err != nil {
			return nil, err
		}
		out := []Project{}
		for _, id := range ids {
			p, err := family.Get(ctx, tx, f.s.store.Projects.Table, id)
			if err != nil {
				return nil, err
			}
			out = append(out, p)
		}
		return out, nil
	})
}
