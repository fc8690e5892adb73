package identity

import (
	"context"
	"slices"

	"kumoi/internal/identity/family"
	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/ids"
	"kumoi/internal/kernel/policy"
	"kumoi/internal/kernel/store"
)

func trustTarget(t Trust) policy.Target {
	return policy.Target{
		"target.trust.id": t.ID, "target.trust.trustor_user_id": t.TrustorUserID, "target.trust.trustee_user_id": t.TrusteeUserID,
		"target.trust.project_id": none(t.ProjectID),
	}
}

// alive tells whether a trust can still be used.
func (f *Trusts) alive(t Trust) bool {
	return t.DeletedAt.IsZero() && (t.ExpiresAt.IsZero() || f.s.now().Before(t.ExpiresAt)) && t.RemainingUses != 0
}

// List lists trusts: all, a trustor's or a trustee's.
func (f *Trusts) List(ctx context.Context, q store.Query) (store.Page[Trust], error) {
	rule, target := "identity:list_trusts", policy.Target{}
	if id := said(q, "trustor_user_id"); id != "" {
		rule, target = "identity:list_trusts_for_trustor", policy.Target{"target.trust.trustor_user_id": id}
	} else if id := said(q, "trustee_user_id"); id != "" {
		rule, target = "identity:list_trusts_for_trustee", policy.Target{"target.trust.trustee_user_id": id}
	}
	q = q.Within(store.Eq("deleted_at", int64(0)))
	if err := f.s.check(ctx, rule, target); err != nil {
		return store.Page[Trust]{}, err
	}
	if err := notByAppCred(actor.From(ctx)); err != nil {
		return store.Page[Trust]{}, err
	}
	return family.Read(ctx, f.s.db, func(tx *store.Tx) (store.Page[Trust], error) {
		return f.s.store.Trusts.ListKept(ctx, tx, f.s.base.Capped(q), func(rows []*Trust) ([]*Trust, error) {
			// Those that are still good and not beyond the actor's delegation.
			return slices.DeleteFunc(rows, func(t *Trust) bool { return !f.alive(*t) || withinTrust(actor.From(ctx), *t) != nil }), nil
		})
	})
}

func (f *Trusts) get(ctx context.Context, tx *store.Tx, rule, id string) (Trust, error) {
	t, err := family.Get(ctx, tx, f.s.store.Trusts, id)
	if err == nil && !f.alive(t) {
		err = errs.New(errs.NotFound, "Could not find trust: %s.", id)
	}
	if err != nil {
		return t, err
	}
	if err := f.s.check(ctx, rule, trustTarget(t)); err != nil {
		return t, err
	}
	if err := withinTrust(actor.From(ctx), t); err != nil {
		return t, err
	}
	t.Roles, err = family.Find(ctx, tx, f.s.store.Roles.Table, store.In("id", t.RoleIDs))
	return t, err
}

// Show returns a trust with its roles.
func (f *Trusts) Show(ctx context.Context, id string) (*Trust, error) {
	return f.Under(ctx, "identity:get_trust", id)
}

// Under is Show under another rule.
func (f *Trusts) Under(ctx context.Context, rule, id string) (*Trust, error) {
	return family.One(family.Read(ctx, f.s.db, func(tx *store.Tx) (Trust, error) { return f.get(ctx, tx, rule, id) }))
}

// Create lets another user act for the actor. A trust made with the token
// of another trust passes on what that one allows, and no more.
func (f *Trusts) Create(ctx context.Context, in NewTrust) (*Trust, error) {
	t := in.Trust
	a := actor.From(ctx)
	if err := f.s.check(ctx, "identity:create_trust", trustTarget(t)); err != nil {
		return nil, err
	}
	if err := notByAppCred(a); err != nil {
		return nil, err
	}
	if a.TrustID == "" { // a trust may be passed on
		if err := proves(a, "trusts"); err != nil {
			return nil, err
		}
	}
	if a.UserID != t.TrustorUserID {
		return nil, errs.New(errs.Forbidden, "The authenticated user should match the trustor.")
	}
	if t.ProjectID != "" && len(in.RoleRefs) == 0 {
		return nil, errs.New(errs.Forbidden, "At least one role should be specified.")
	}
	if !t.ExpiresAt.IsZero() && !f.s.now().Before(t.ExpiresAt) {
		return nil, errs.New(errs.Invalid, "The expires_at must not be in the past.")
	}
	if err := f.depth(&t, in.Depth); err != nil {
		return nil, err
	}
	return family.One(family.Write(ctx, f.s.db, func(tx *store.Tx) (Trust, error) {
		t := t
		t.ID = ids.NewHex()
		if _, err := family.Get(ctx, tx, f.s.store.Users.Table, t.TrusteeUserID); err != nil {
			return t, err
		}
		if err := f.roles(ctx, tx, &t, in.RoleRefs); err != nil {
			return t, err
		}
		if a.TrustID != "" {
			if err := f.redelegate(ctx, tx, &t, a.TrustID, in.Depth); err != nil {
				return t, err
			}
		}
		if err := f.s.store.Trusts.Insert(ctx, tx, &t); err != nil {
			return t, err
		}
		var err error
		if t.Roles, err = family.Find(ctx, tx, f.s.store.Roles.Table, store.In("id", t.RoleIDs)); err != nil {
			return t, err
		}
		return t, f.s.base.Made(ctx, tx, "trust", t.ID)
	}))
}

// depth settles how far a trust may be passed on.
func (f *Trusts) depth(t *Trust, asked *int64) error {
	top := int64(f.s.cfg.MaxRedelegation)
	if !t.AllowRedelegation || asked != nil && *asked == 0 {
		t.AllowRedelegation, t.RedelegationCount = false, 0
		return nil
	}
	if t.RemainingUses >= 0 {
		return errs.New(errs.Invalid, "remaining_uses must not be set if redelegation is allowed.")
	}
	t.RedelegationCount = top
	if asked != nil {
		if *asked > top {
			return errs.New(errs.Forbidden, "Requested redelegation depth of %d is greater than allowed %d.", *asked, top)
		}
		t.RedelegationCount = *asked
	}
	return nil
}

// roles turns the wanted roles into ids; the trustor must have them all.
func (f *Trusts) roles(ctx context.Context, tx *store.Tx, t *Trust, wanted []Ref) error {
	if t.ProjectID == "" {
		return nil
	}
	p, err := family.Get(ctx, tx, f.s.store.Projects.Table, t.ProjectID)
	if err != nil {
		return err
	}
	held, err := f.trustorRoles(ctx, tx, t.TrustorUserID, p)
	if err != nil {
		return err
	}
	for _, ref := range wanted {
		id := ref.ID
		if id == "" {
			r, err := byName(ctx, tx, f.s.store.Roles.Table, "", ref.Name)
			if err != nil {
				return err
			}
			id = r.ID
		}
		if !slices.ContainsFunc(held, func(r Role) bool { return r.ID == id }) {
			return errs.New(errs.NotFound, "Could not find role: %s.", id)
		}
		t.RoleIDs = append(t.RoleIDs, id)
	}
	return nil
}

func (f *Trusts) trustorRoles(ctx context.Context, tx *store.Tx, userID string, p Project) ([]Role, error) {
	groups, err := f.s.store.Groups.IDsOfUser(ctx, tx, userID, f.s.now())
	if err != nil {
		return nil, err
	}
	return f.s.resolver.rolesOnProject(ctx, tx, userID, groups, p)
}

// redelegate checks a new trust against the one it passes on.
func (f *Trusts) redelegate(ctx context.Context, tx *store.Tx, t *Trust, parentID string, asked *int64) error {
	parent, err := family.Get(ctx, tx, f.s.store.Trusts, parentID)
	if err != nil {
		return err
	}
	forbid := func(format string, args ...any) error { return errs.New(errs.Forbidden, format, args...) }
	t.RedelegatedTrustID = parent.ID
	if t.AllowRedelegation && asked != nil && *asked != parent.RedelegationCount-1 {
		return forbid("Modifying \"redelegation_count\" upon redelegation is forbidden. Omitting this parameter is advised.")
	}
	if t.AllowRedelegation {
		t.RedelegationCount = parent.RedelegationCount - 1
		t.AllowRedelegation = t.RedelegationCount > 0
	}
	chain := []Trust{parent}
	for id := parent.RedelegatedTrustID; id != ""; {
		up, err := family.Get(ctx, tx, f.s.store.Trusts, id)
		if err != nil {
			return err
		}
		chain = append(chain, up)
		id = up.RedelegatedTrustID
	}
	for _, up := range chain {
		switch {
		case up.RedelegationCount <= 0 || up.RedelegationCount > int64(f.s.cfg.MaxRedelegation):
			return forbid("Remaining redelegation depth of %d out of allowed range of [0..%d].", up.RedelegationCount, f.s.cfg.MaxRedelegation)
		case t.RemainingUses >= 0:
			return forbid("Field \"remaining_uses\" is set to %d while it must not be set in order to redelegate a trust.", t.RemainingUses)
		case !up.ExpiresAt.IsZero() && t.ExpiresAt.After(up.ExpiresAt):
			return forbid("Requested expiration time is more than redelegated trust can provide.")
		case t.Impersonation && !up.Impersonation:
			return forbid("Impersonation is not allowed because redelegated trust does not specify impersonation.")
		case t.ProjectID != up.ProjectID:
			return forbid("A trust can be passed on for its own project only.")
		}
		for _, r := range t.RoleIDs {
			if !slices.Contains(up.RoleIDs, r) {
				return forbid("Some of requested roles are not in redelegated trust.")
			}
		}
		if t.ExpiresAt.IsZero() {
			t.ExpiresAt = up.ExpiresAt
		}
	}
	return nil
}

// Delete ends a trust, and those that pass it on.
func (f *Trusts) Delete(ctx context.Context, id string) error {
	return f.s.db.Write(ctx, func(tx *store.Tx) error {
		t, err := f.get(ctx, tx, "identity:delete_trust", id)
		if err != nil {
			return err
		}
		return f.remove(ctx, tx, t)
	})
}

func (f *Trusts) remove(ctx context.Context, tx *store.Tx, t Trust) error {
	children, err := family.Find(ctx, tx, f.s.store.Trusts, store.Eq("redelegated_trust_id", t.ID))
	if err != nil {
		return err
	}
	for _, c := range children {
		if err := f.remove(ctx, tx, c); err != nil {
			return err
		}
	}
	if err := f.s.store.Trusts.Delete(ctx, tx, t.ID); err != nil {
		return err
	}
	if err := f.s.noted(ctx, tx, "trust", deleted, t.ID); err != nil {
		return err
	}
	return f.s.revoke(ctx, tx, trustTag(t.ID))
}

// scope turns a login of the trustee into a token of the trust.
func (f *Trusts) scope(ctx context.Context, t *Token, id string) error {
	tr, err := family.Read(ctx, f.s.db, func(tx *store.Tx) (Trust, error) { return family.Get(ctx, tx, f.s.store.Trusts, id) })
	if errs.Is(err, errs.NotFound) {
		return family.Unauthorized("no such trust: " + id)
	}
	if err != nil {
		return err
	}
	if !f.alive(tr) || tr.ProjectID == "" {
		return family.Unauthorized("the trust cannot be used any more: " + id)
	}
	if t.UserID != tr.TrusteeUserID {
		return errs.New(errs.Forbidden, "The trust %s is not for you.", id)
	}
	t.TrustID, t.Scope = id, Scope{ProjectScope, tr.ProjectID}
	if tr.Impersonation {
		t.UserID = tr.TrustorUserID
	}
	if !tr.ExpiresAt.IsZero() && tr.ExpiresAt.Before(t.ExpiresAt) {
		t.ExpiresAt = tr.ExpiresAt
	}
	return nil
}

// spend counts one use of a trust, if its uses are counted.
func (f *Trusts) spend(ctx context.Context, id string) error {
	return f.s.db.Write(ctx, func(tx *store.Tx) error {
		t, err := family.Get(ctx, tx, f.s.store.Trusts, id)
		if err != nil {
			return gone(err)
		}
		switch {
		case t.RemainingUses < 0:
			return nil
		case t.RemainingUses == 0:
			return family.Unauthorized("the trust has no uses left: " + id)
		}
		t.RemainingUses--
		return f.s.store.Trusts.Update(ctx, tx, &t)
	})
}

// principal gives a token the trust's roles, as long as everybody in the
// chain is enabled and the first trustor still has them.
func (f *Trusts) principal(ctx context.Context, tx *store.Tx, p *principal, id string) error {
	t, err := family.Get(ctx, tx, f.s.store.Trusts, id)
	if err != nil {
		return err
	}
	// A trust whose uses are spent still backs the tokens it gave.
	if !t.DeletedAt.IsZero() || !t.ExpiresAt.IsZero() && !f.s.now().Before(t.ExpiresAt) {
		return denied("Trust %s has ended.", id)
	}
	if p.Project == nil || t.ProjectID != p.Project.ID {
		return denied("Trust %s is not for this project.", id)
	}
	p.tags = append(p.tags, trustTag(id))
	origin := t
	for up := t; ; {
		for _, who := range []string{up.TrustorUserID, up.TrusteeUserID} {
			u, d, err := f.s.resolver.enabledUser(ctx, tx, who)
			if err != nil {
				return err
			}
			p.tags = append(p.tags, userTag(u.ID), projectTag(d.ID))
		}
		origin = up
		if up.RedelegatedTrustID == "" {
			break
		}
		if up, err = family.Get(ctx, tx, f.s.store.Trusts, up.RedelegatedTrustID); err != nil {
			return err
		}
		p.tags = append(p.tags, trustTag(up.ID))
	}
	groups, err := f.s.store.Groups.IDsOfUser(ctx, tx, origin.TrustorUserID, f.s.now())
	if err != nil {
		return err
	}
	for _, g := range groups {
		p.tags = append(p.tags, groupTag(g))
	}
	held, err := f.s.resolver.rolesOnProject(ctx, tx, origin.TrustorUserID, groups, *p.Project)
	if err != nil {
		return err
	}
	for _, id := range t.RoleIDs {
		if !slices.ContainsFunc(held, func(r Role) bool { return r.ID == id }) {
			return errs.New(errs.Forbidden, "The trustor no longer has the role %s that trust %s delegates.", id, t.ID)
		}
	}
	if p.Roles, err = f.s.resolver.expand(ctx, tx, t.RoleIDs); err != nil {
		return err
	}
	p.Trust = &t
	p.GroupIDs = nil
	return nil
}
