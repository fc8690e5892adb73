package identity

import (
	"context"
	"slices"

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
func (s *Service) alive(t Trust) bool {
	return t.DeletedAt.IsZero() && (t.ExpiresAt.IsZero() || s.now().Before(t.ExpiresAt)) && t.RemainingUses != 0
}

// ListTrusts lists trusts: all, a trustor's or a trustee's. Of the query only
// the page counts.
func (s *Service) ListTrusts(ctx context.Context, trustorID, trusteeID string, q Query) (Page[Trust], error) {
	rule, target := "identity:list_trusts", policy.Target{}
	q.Where = []Match{Eq("deleted_at", int64(0))}
	switch {
	case trustorID != "":
		rule, target = "identity:list_trusts_for_trustor", policy.Target{"target.trust.trustor_user_id": trustorID}
		q.Where = append(q.Where, Eq("trustor_user_id", trustorID))
	case trusteeID != "":
		rule, target = "identity:list_trusts_for_trustee", policy.Target{"target.trust.trustee_user_id": trusteeID}
		q.Where = append(q.Where, Eq("trustee_user_id", trusteeID))
	}
	if err := s.check(ctx, rule, target); err != nil {
		return Page[Trust]{}, err
	}
	if err := notByAppCred(actor.From(ctx)); err != nil {
		return Page[Trust]{}, err
	}
	rows, err := read(ctx, s, func(tx *store.Tx) ([]Trust, error) { return s.visibleTrusts(ctx, tx, s.limited(q)) })
	return page(s, q, rows), err
}

// visibleTrusts reads on until it has as many trusts as asked for that are still
// good and not beyond the actor's delegation.
func (s *Service) visibleTrusts(ctx context.Context, tx *store.Tx, q Query) ([]Trust, error) {
	out := []Trust{}
	for {
		rows, err := s.store.Trusts.List(ctx, tx, q)
		if err != nil {
			return nil, err
		}
		for _, t := range rows {
			q.Marker = t.ID
			if s.alive(t) && withinTrust(actor.From(ctx), t) == nil && (q.Limit == 0 || len(out) < q.Limit) {
				out = append(out, t)
			}
		}
		if q.Limit == 0 || len(rows) < q.Limit || len(out) >= q.Limit {
			return out, nil
		}
	}
}

func (s *Service) getTrust(ctx context.Context, tx *store.Tx, rule, id string) (Trust, error) {
	t, err := s.store.Trusts.Get(ctx, tx, id)
	if err == nil && !s.alive(t) {
		err = errs.New(errs.NotFound, "Could not find trust: %s.", id)
	}
	if err != nil {
		return t, err
	}
	if err := s.check(ctx, rule, trustTarget(t)); err != nil {
		return t, err
	}
	if err := withinTrust(actor.From(ctx), t); err != nil {
		return t, err
	}
	t.Roles, err = s.store.Roles.List(ctx, tx, Query{Where: []Match{{Field: "id", Op: In, Value: t.RoleIDs}}})
	return t, err
}

// GetTrust returns a trust with its roles, under a rule.
func (s *Service) GetTrust(ctx context.Context, rule, id string) (Trust, error) {
	return read(ctx, s, func(tx *store.Tx) (Trust, error) { return s.getTrust(ctx, tx, rule, id) })
}

// CreateTrust lets another user act for the actor. A trust made with the token
// of another trust passes on what that one allows, and no more.
func (s *Service) CreateTrust(ctx context.Context, t Trust, wanted []Ref, depth *int64) (Trust, error) {
	a := actor.From(ctx)
	if err := s.check(ctx, "identity:create_trust", trustTarget(t)); err != nil {
		return t, err
	}
	if err := notByAppCred(a); err != nil {
		return t, err
	}
	if a.TrustID == "" { // a trust may be passed on
		if err := proves(a, "trusts"); err != nil {
			return t, err
		}
	}
	if a.UserID != t.TrustorUserID {
		return t, errs.New(errs.Forbidden, "The authenticated user should match the trustor.")
	}
	if t.ProjectID != "" && len(wanted) == 0 {
		return t, errs.New(errs.Forbidden, "At least one role should be specified.")
	}
	if !t.ExpiresAt.IsZero() && !s.now().Before(t.ExpiresAt) {
		return t, errs.New(errs.Invalid, "The expires_at must not be in the past.")
	}
	if err := s.depth(&t, depth); err != nil {
		return t, err
	}
	return write(ctx, s, func(tx *store.Tx) (Trust, error) {
		t := t
		t.ID = ids.NewHex()
		if _, err := s.store.Users.Get(ctx, tx, t.TrusteeUserID); err != nil {
			return t, err
		}
		if err := s.trustRoles(ctx, tx, &t, wanted); err != nil {
			return t, err
		}
		if a.TrustID != "" {
			if err := s.redelegate(ctx, tx, &t, a.TrustID, depth); err != nil {
				return t, err
			}
		}
		if err := s.store.Trusts.Insert(ctx, tx, t); err != nil {
			return t, err
		}
		var err error
		if t.Roles, err = s.store.Roles.List(ctx, tx, Query{Where: []Match{{Field: "id", Op: In, Value: t.RoleIDs}}}); err != nil {
			return t, err
		}
		return t, s.noted(ctx, tx, "trust", created, t.ID)
	})
}

// depth settles how far a trust may be passed on.
func (s *Service) depth(t *Trust, asked *int64) error {
	top := int64(s.cfg.MaxRedelegation)
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

// trustRoles turns the wanted roles into ids; the trustor must have them all.
func (s *Service) trustRoles(ctx context.Context, tx *store.Tx, t *Trust, wanted []Ref) error {
	if t.ProjectID == "" {
		return nil
	}
	p, err := s.store.Projects.Get(ctx, tx, t.ProjectID)
	if err != nil {
		return err
	}
	held, err := s.trustorRoles(ctx, tx, t.TrustorUserID, p)
	if err != nil {
		return err
	}
	for _, ref := range wanted {
		id := ref.ID
		if id == "" {
			r, err := s.store.Roles.ByName(ctx, tx, "", ref.Name)
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

func (s *Service) trustorRoles(ctx context.Context, tx *store.Tx, userID string, p Project) ([]Role, error) {
	groups, err := s.store.Groups.IDsOfUser(ctx, tx, userID, s.now())
	if err != nil {
		return nil, err
	}
	return s.rolesOnProject(ctx, tx, userID, groups, p)
}

// redelegate checks a new trust against the one it passes on.
func (s *Service) redelegate(ctx context.Context, tx *store.Tx, t *Trust, parentID string, asked *int64) error {
	parent, err := s.store.Trusts.Get(ctx, tx, parentID)
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
		up, err := s.store.Trusts.Get(ctx, tx, id)
		if err != nil {
			return err
		}
		chain = append(chain, up)
		id = up.RedelegatedTrustID
	}
	for _, up := range chain {
		switch {
		case up.RedelegationCount <= 0 || up.RedelegationCount > int64(s.cfg.MaxRedelegation):
			return forbid("Remaining redelegation depth of %d out of allowed range of [0..%d].", up.RedelegationCount, s.cfg.MaxRedelegation)
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

// DeleteTrust ends a trust, and those that pass it on.
func (s *Service) DeleteTrust(ctx context.Context, id string) error {
	return s.db.Write(ctx, func(tx *store.Tx) error {
		t, err := s.getTrust(ctx, tx, "identity:delete_trust", id)
		if err != nil {
			return err
		}
		return s.removeTrust(ctx, tx, t)
	})
}

func (s *Service) removeTrust(ctx context.Context, tx *store.Tx, t Trust) error {
	children, err := s.store.Trusts.List(ctx, tx, Query{Where: []Match{Eq("redelegated_trust_id", t.ID)}})
	if err != nil {
		return err
	}
	for _, c := range children {
		if err := s.removeTrust(ctx, tx, c); err != nil {
			return err
		}
	}
	if err := s.store.Trusts.Delete(ctx, tx, t.ID); err != nil {
		return err
	}
	if err := s.noted(ctx, tx, "trust", deleted, t.ID); err != nil {
		return err
	}
	return s.revoke(ctx, tx, trustTag(t.ID))
}

// trustScope turns a login of the trustee into a token of the trust.
func (s *Service) trustScope(ctx context.Context, t *Token, id string) error {
	tr, err := read(ctx, s, func(tx *store.Tx) (Trust, error) { return s.store.Trusts.Get(ctx, tx, id) })
	if errs.Is(err, errs.NotFound) {
		return unauthorized("no such trust: " + id)
	}
	if err != nil {
		return err
	}
	if !s.alive(tr) || tr.ProjectID == "" {
		return unauthorized("the trust cannot be used any more: " + id)
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

// spendTrust counts one use of a trust, if its uses are counted.
func (s *Service) spendTrust(ctx context.Context, id string) error {
	return s.db.Write(ctx, func(tx *store.Tx) error {
		t, err := s.store.Trusts.Get(ctx, tx, id)
		if err != nil {
			return badToken(err)
		}
		switch {
		case t.RemainingUses < 0:
			return nil
		case t.RemainingUses == 0:
			return unauthorized("the trust has no uses left: " + id)
		}
		t.RemainingUses--
		return s.store.Trusts.Update(ctx, tx, t)
	})
}

// trustPrincipal gives a token the trust's roles, as long as everybody in the
// chain is enabled and the first trustor still has them.
func (s *Service) trustPrincipal(ctx context.Context, tx *store.Tx, p *principal, id string) error {
	t, err := s.store.Trusts.Get(ctx, tx, id)
	if err != nil {
		return err
	}
	// A trust whose uses are spent still backs the tokens it gave.
	if !t.DeletedAt.IsZero() || !t.ExpiresAt.IsZero() && !s.now().Before(t.ExpiresAt) {
		return denied("Trust %s has ended.", id)
	}
	if p.Project == nil || t.ProjectID != p.Project.ID {
		return denied("Trust %s is not for this project.", id)
	}
	p.tags = append(p.tags, trustTag(id))
	origin := t
	for up := t; ; {
		for _, who := range []string{up.TrustorUserID, up.TrusteeUserID} {
			u, d, err := s.enabledUser(ctx, tx, who)
			if err != nil {
				return err
			}
			p.tags = append(p.tags, userTag(u.ID), projectTag(d.ID))
		}
		origin = up
		if up.RedelegatedTrustID == "" {
			break
		}
		if up, err = s.store.Trusts.Get(ctx, tx, up.RedelegatedTrustID); err != nil {
			return err
		}
		p.tags = append(p.tags, trustTag(up.ID))
	}
	groups, err := s.store.Groups.IDsOfUser(ctx, tx, origin.TrustorUserID, s.now())
	if err != nil {
		return err
	}
	for _, g := range groups {
		p.tags = append(p.tags, groupTag(g))
	}
	held, err := s.rolesOnProject(ctx, tx, origin.TrustorUserID, groups, *p.Project)
	if err != nil {
		return err
	}
	for _, id := range t.RoleIDs {
		if !slices.ContainsFunc(held, func(r Role) bool { return r.ID == id }) {
			return errs.New(errs.Forbidden, "The trustor no longer has the role %s that trust %s delegates.", id, t.ID)
		}
	}
	if p.Roles, err = s.expand(ctx, tx, t.RoleIDs); err != nil {
		return err
	}
	p.Trust = &t
	p.GroupIDs = nil
	return nil
}
