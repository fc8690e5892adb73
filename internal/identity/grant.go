package identity

import (
	"context"

	"kumoi/internal/identity/family"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/policy"
	"kumoi/internal/kernel/store"
)

// target loads the ends of a grant for the policy and reports which of
// them does not exist, to be said only after the policy has been asked.
func (f *Grants) target(ctx context.Context, tx *store.Tx, verb string, a Assignment) (policy.Target, error) {
	t := policy.Target{}
	var missing error
	note := func(err error) error {
		if errs.Is(err, errs.NotFound) {
			if missing == nil {
				missing = err
			}
			return nil
		}
		return err
	}
	var err error
	switch a.ActorKind {
	case UserActor:
		var u User
		if u, err = family.Get(ctx, tx, f.s.store.Users.Table, a.ActorID); err == nil {
			t = targetOf(t, userTarget(u))
		}
	case GroupActor:
		var g Group
		if g, err = family.Get(ctx, tx, f.s.store.Groups.Table, a.ActorID); err == nil {
			t = targetOf(t, groupTarget(g))
		}
	}
	if err = note(err); err != nil {
		return nil, err
	}
	switch a.TargetKind {
	case ProjectTarget:
		var p Project
		if p, err = family.Get(ctx, tx, f.s.store.Projects.Table, a.TargetID); err == nil {
			t = targetOf(t, projectTarget(p))
		}
	case DomainTarget:
		if _, err = f.s.Domains.get(ctx, tx, a.TargetID); err == nil {
			t = targetOf(t, domainTarget(a.TargetID))
		}
	}
	if err = note(err); err != nil {
		return nil, err
	}
	if a.RoleID != "" {
		var r Role
		if r, err = family.Get(ctx, tx, f.s.store.Roles.Table, a.RoleID); err == nil {
			t = targetOf(t, roleTarget(r))
			if misfit := roleFits(r, a, t); misfit != nil && verb == "create" {
				missing = misfit
			}
		}
		if err = note(err); err != nil {
			return nil, err
		}
	}
	return t, missing
}

// roleFits refuses a domain's role on the projects of another, and on the
// system. As in Keystone, grants on domains are not bound.
func roleFits(r Role, a Assignment, t policy.Target) error {
	if r.DomainID == "" {
		return nil
	}
	if a.TargetKind == SystemTarget {
		return errs.New(errs.Invalid, "Role %s is a domain-specific role. Unable to use a domain-specific role in a system assignment.", r.ID)
	}
	if domain := t["target.project.domain_id"]; a.TargetKind != DomainTarget && domain != "" && domain != r.DomainID {
		return errs.New(errs.Forbidden, "Domain-specific role %s cannot be assigned outside its domain.", r.ID)
	}
	return nil
}

// grantRule is the policy for a verb: system grants have rules of their own.
func grantRule(verb string, a Assignment) string {
	if a.TargetKind != SystemTarget {
		if verb == "list" {
			return "identity:list_grants"
		}
		return "identity:" + verb + "_grant"
	}
	if verb == "list" {
		return "identity:list_system_grants_for_" + string(a.ActorKind)
	}
	return "identity:" + verb + "_system_grant_for_" + string(a.ActorKind)
}

func (f *Grants) may(ctx context.Context, tx *store.Tx, verb string, a Assignment) error {
	target, missing := f.target(ctx, tx, verb, a)
	if target == nil {
		return missing
	}
	if err := f.s.check(ctx, grantRule(verb, a), target); err != nil {
		return err
	}
	return missing
}

// List lists the roles that an actor has been given on a target.
func (f *Grants) List(ctx context.Context, a Assignment) ([]Role, error) {
	return family.Read(ctx, f.s.db, func(tx *store.Tx) ([]Role, error) {
		if err := f.may(ctx, tx, "list", a); err != nil {
			return nil, err
		}
		rows, err := f.s.store.Assignments.List(ctx, tx, AssignmentFilter{
			ActorKind: a.ActorKind, ActorIDs: []string{a.ActorID},
			TargetKind: a.TargetKind, TargetIDs: []string{a.TargetID}, Inherited: &a.Inherited,
		})
		if err != nil || len(rows) == 0 {
			return []Role{}, err
		}
		return family.Find(ctx, tx, f.s.store.Roles.Table, store.In("id", roleIDs(rows)))
	})
}

// Check answers whether a grant is there: nil, or NotFound.
func (f *Grants) Check(ctx context.Context, a Assignment) error {
	return f.s.db.Read(ctx, func(tx *store.Tx) error {
		if err := f.may(ctx, tx, "check", a); err != nil {
			return err
		}
		has, err := f.s.store.Assignments.Has(ctx, tx, a)
		if err == nil && !has {
			err = noGrant(a)
		}
		return err
	})
}

func noGrant(a Assignment) error {
	return errs.New(errs.NotFound, "Could not find role assignment with role: %s, user or group: %s, project, domain, or system: %s.", a.RoleID, a.ActorID, a.TargetID)
}

// Add gives a role.
func (f *Grants) Add(ctx context.Context, a Assignment) error {
	return f.s.db.Write(ctx, func(tx *store.Tx) error {
		if err := f.may(ctx, tx, "create", a); err != nil {
			return err
		}
		if err := f.s.store.Assignments.Add(ctx, tx, a); err != nil {
			return err
		}
		if err := f.s.notedGrant(ctx, tx, created, a); err != nil {
			return err
		}
		return f.s.changed(ctx, tx, a.tag())
	})
}

// Remove takes a role away. Application credentials that the user made on the
// project lose it at once, and go, as they no longer are what was delegated.
func (f *Grants) Remove(ctx context.Context, a Assignment) error {
	return f.s.db.Write(ctx, func(tx *store.Tx) error {
		if err := f.may(ctx, tx, "revoke", a); err != nil {
			return err
		}
		was, err := f.s.store.Assignments.Remove(ctx, tx, a)
		if err != nil {
			return err
		}
		if !was {
			return noGrant(a)
		}
		if a.ActorKind == UserActor && a.TargetKind == ProjectTarget {
			if _, err := f.s.store.AppCredentials.DeleteWhere(ctx, tx, store.Eq("user_id", a.ActorID), store.Eq("project_id", a.TargetID)); err != nil {
				return err
			}
		}
		if err := f.s.notedGrant(ctx, tx, deleted, a); err != nil {
			return err
		}
		return f.s.changed(ctx, tx, a.tag())
	})
}

func (a Assignment) tag() string {
	if a.ActorKind == GroupActor {
		return groupTag(a.ActorID)
	}
	return userTag(a.ActorID)
}
