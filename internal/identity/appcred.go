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

// List lists a user's application credentials.
func (f *AppCredentials) List(ctx context.Context, q store.Query) (store.Page[AppCredential], error) {
	if err := f.s.check(ctx, "identity:list_application_credentials", policy.Target{"user_id": f.user}); err != nil {
		return store.Page[AppCredential]{}, err
	}
	if err := notByTrust(actor.From(ctx)); err != nil {
		return store.Page[AppCredential]{}, err
	}
	q.Where = append(q.Where, store.Eq("user_id", f.user))
	if a := actor.From(ctx); a.AppCredentialRestricted {
		q.Where = append(q.Where, store.Eq("id", a.AppCredentialID))
	}
	return family.Read(ctx, f.s.db, func(tx *store.Tx) (store.Page[AppCredential], error) {
		page, err := f.s.store.AppCredentials.List(ctx, tx, f.s.base.Capped(q))
		for _, a := range page.Rows {
			if err == nil {
				err = f.fill(ctx, tx, a)
			}
		}
		return page, err
	})
}

// fill loads the roles and rules behind the ids. A role that is gone is
// left out.
func (f *AppCredentials) fill(ctx context.Context, tx *store.Tx, a *AppCredential) error {
	roles, err := family.Find(ctx, tx, f.s.store.Roles.Table, store.In("id", a.RoleIDs))
	if err != nil {
		return err
	}
	a.Roles = inOrder(roles, a.RoleIDs, func(r Role) string { return r.ID })
	if len(a.AccessRuleIDs) > 0 {
		rules, err := family.Find(ctx, tx, f.s.store.AccessRules, store.In("id", a.AccessRuleIDs))
		if err != nil {
			return err
		}
		a.AccessRules = inOrder(rules, a.AccessRuleIDs, func(r AccessRule) string { return r.ID })
	}
	return nil
}

// inOrder gives back rows in the order in which somebody listed their ids.
func inOrder[T any](rows []T, ids []string, id func(T) string) []T {
	slices.SortStableFunc(rows, func(a, b T) int { return slices.Index(ids, id(a)) - slices.Index(ids, id(b)) })
	return rows
}

// get loads an application credential under a rule. The owner that the
// rule sees is the credential's, whatever user the path names.
func (f *AppCredentials) get(ctx context.Context, tx *store.Tx, rule, userID, id string) (AppCredential, error) {
	a, err := family.Get(ctx, tx, f.s.store.AppCredentials, id)
	target := policy.Target{"user_id": userID}
	if err == nil {
		target["user_id"] = a.UserID
	} else if !errs.Is(err, errs.NotFound) {
		return a, err
	}
	if perr := f.s.check(ctx, rule, target); perr != nil {
		return a, perr
	}
	if err != nil {
		return a, err
	}
	if a.UserID != userID {
		return a, errs.New(errs.NotFound, "Could not find Application Credential: %s.", id)
	}
	if err := seesAppCred(actor.From(ctx), id); err != nil {
		return a, err
	}
	return a, f.fill(ctx, tx, &a)
}

// Show returns an application credential.
func (f *AppCredentials) Show(ctx context.Context, id string) (*AppCredential, error) {
	return family.One(family.Read(ctx, f.s.db, func(tx *store.Tx) (AppCredential, error) {
		return f.get(ctx, tx, "identity:get_application_credential", f.user, id)
	}))
}

// Create makes an application credential for the actor himself,
// with some or all of the roles that his token has.
func (f *AppCredentials) Create(ctx context.Context, in NewAppCredential) (*AppCredential, error) {
	a := in.AppCredential
	a.UserID = f.user
	who := actor.From(ctx)
	if err := f.s.check(ctx, "identity:create_application_credential", policy.Target{"user_id": a.UserID}); err != nil {
		return nil, err
	}
	if err := notByTrust(who); err != nil {
		return nil, err
	}
	if err := mayManage(who); err != nil {
		return nil, err
	}
	if who.UserID != a.UserID || who.ProjectID == "" {
		return nil, errs.New(errs.Forbidden, "An application credential is made by its own user, with a token for a project.")
	}
	if !a.ExpiresAt.IsZero() && !f.s.now().Before(a.ExpiresAt) {
		return nil, errs.New(errs.Invalid, "The expires_at must not be in the past.")
	}
	a.ID, a.ProjectID = ids.NewHex(), who.ProjectID
	if a.Secret == "" {
		a.Secret = opaque(86)
	}
	var err error
	if a.SecretHash, err = f.s.hasher.hash(ctx, a.Secret); err != nil {
		return nil, err
	}
	return family.One(family.Write(ctx, f.s.db, func(tx *store.Tx) (AppCredential, error) {
		a := a
		if a.RoleIDs, err = f.delegable(ctx, tx, in.RoleRefs, who.RoleIDs, "application credential"); err != nil {
			return a, err
		}
		maker, err := f.makerOf(ctx, tx, who)
		if err != nil {
			return a, err
		}
		if err := narrower(maker, &a); err != nil {
			return a, err
		}
		for i := range a.AccessRules {
			if err := f.s.AccessRules.keep(ctx, tx, a.UserID, &a.AccessRules[i]); err != nil {
				return a, err
			}
			a.AccessRuleIDs = append(a.AccessRuleIDs, a.AccessRules[i].ID)
		}
		if err := f.s.store.AppCredentials.Insert(ctx, tx, &a); err != nil {
			return a, err
		}
		if err := f.fill(ctx, tx, &a); err != nil {
			return a, err
		}
		return a, f.s.base.Made(ctx, tx, "application_credential", a.ID)
	}))
}

// makerOf is the application credential whose token makes another; nil: none.
func (f *AppCredentials) makerOf(ctx context.Context, tx *store.Tx, who *actor.Actor) (*AppCredential, error) {
	if who.AppCredentialID == "" {
		return nil, nil
	}
	a, err := family.Get(ctx, tx, f.s.store.AppCredentials, who.AppCredentialID)
	if err == nil {
		err = f.fill(ctx, tx, &a)
	}
	return &a, err
}

// delegable turns the roles that are to be delegated into ids, all those held
// when none is named; one that is not held is refused, as is one whose implied
// roles are not.
func (f *AppCredentials) delegable(ctx context.Context, tx *store.Tx, wanted []Ref, held []string, to string) ([]string, error) {
	if len(wanted) == 0 {
		return slices.Clone(held), nil
	}
	rules, err := f.s.store.Roles.Implied(ctx, tx)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, ref := range wanted {
		id := ref.ID
		if id == "" {
			r, err := byName(ctx, tx, f.s.store.Roles.Table, "", ref.Name)
			if err != nil {
				return nil, err
			}
			id = r.ID
		}
		for _, implied := range closure([]string{id}, rules) {
			if !slices.Contains(held, implied) {
				return nil, errs.New(errs.Invalid, "Invalid %s: the role %s is not among those that you have here.", to, implied)
			}
			if !slices.Contains(out, implied) {
				out = append(out, implied)
			}
		}
	}
	return out, nil
}

// keep finds the user's rule with this content, or makes it.
func (f *AccessRules) keep(ctx context.Context, tx *store.Tx, userID string, r *AccessRule) error {
	if r.ID != "" && r.Path == "" {
		have, err := family.Get(ctx, tx, f.s.store.AccessRules, r.ID)
		if err == nil && have.UserID != userID {
			err = errs.New(errs.NotFound, "Could not find Access Rule: %s.", r.ID)
		}
		*r = have
		return err
	}
	have, err := family.Find(ctx, tx, f.s.store.AccessRules, store.Eq("user_id", userID), store.Eq("service", r.Service), store.Eq("path", r.Path), store.Eq("method", r.Method))
	if err != nil {
		return err
	}
	if len(have) > 0 {
		*r = have[0]
		return nil
	}
	r.ID, r.UserID = ids.NewHex(), userID
	return f.s.store.AccessRules.Insert(ctx, tx, r)
}

// Delete deletes an application credential; its tokens are void.
func (f *AppCredentials) Delete(ctx context.Context, id string) error {
	return f.s.db.Write(ctx, func(tx *store.Tx) error {
		if _, err := f.get(ctx, tx, "identity:delete_application_credential", f.user, id); err != nil {
			return err
		}
		if err := mayManage(actor.From(ctx)); err != nil {
			return err
		}
		if err := f.s.store.AppCredentials.Delete(ctx, tx, id); err != nil {
			return err
		}
		if err := f.s.noted(ctx, tx, "application_credential", deleted, id); err != nil {
			return err
		}
		return f.s.revoke(ctx, tx, appCredTag(id))
	})
}

// List lists a user's access rules.
func (f *AccessRules) List(ctx context.Context, q store.Query) (store.Page[AccessRule], error) {
	q.Where = append(q.Where, store.Eq("user_id", f.user))
	return family.Read(ctx, f.s.db, func(tx *store.Tx) (page store.Page[AccessRule], err error) {
		if _, err := f.s.Users.get(ctx, tx, "identity:list_access_rules", f.user); err != nil {
			return page, err
		}
		if err := managesRules(actor.From(ctx)); err != nil {
			return page, err
		}
		return f.s.store.AccessRules.List(ctx, tx, f.s.base.Capped(q))
	})
}

func (f *AccessRules) get(ctx context.Context, tx *store.Tx, rule, userID, id string) (AccessRule, error) {
	if _, err := f.s.Users.get(ctx, tx, rule, userID); err != nil {
		return AccessRule{}, err
	}
	if err := managesRules(actor.From(ctx)); err != nil {
		return AccessRule{}, err
	}
	r, err := family.Get(ctx, tx, f.s.store.AccessRules, id)
	if err == nil && r.UserID != userID {
		err = errs.New(errs.NotFound, "Could not find Access Rule: %s.", id)
	}
	return r, err
}

// Show returns an access rule.
func (f *AccessRules) Show(ctx context.Context, id string) (*AccessRule, error) {
	return family.One(family.Read(ctx, f.s.db, func(tx *store.Tx) (AccessRule, error) {
		return f.get(ctx, tx, "identity:get_access_rule", f.user, id)
	}))
}

// Delete deletes an access rule that no application credential uses.
func (f *AccessRules) Delete(ctx context.Context, id string) error {
	return f.s.db.Write(ctx, func(tx *store.Tx) error {
		if _, err := f.get(ctx, tx, "identity:delete_access_rule", f.user, id); err != nil {
			return err
		}
		creds, err := family.Find(ctx, tx, f.s.store.AppCredentials, store.Eq("user_id", f.user))
		if err != nil {
			return err
		}
		for _, c := range creds {
			if slices.Contains(c.AccessRuleIDs, id) {
				return errs.New(errs.Forbidden, "Access rule %s is in use by application credential %s.", id, c.ID)
			}
		}
		return f.s.store.AccessRules.Delete(ctx, tx, id)
	})
}

// prove proves an application credential's secret.
func (f *AppCredentials) prove(ctx context.Context, in *AppCredAuth, p *proof) error {
	a, err := f.find(ctx, in)
	if err != nil && !errs.Is(err, errs.Unauthenticated) && !errs.Is(err, errs.NotFound) {
		return err
	}
	if err != nil {
		if perr := f.s.hasher.pretend(ctx, in.Secret); perr != nil {
			return perr
		}
		return family.Unauthorized("no such application credential")
	}
	reached, err := family.Read(ctx, f.s.db, func(tx *store.Tx) ([]Bound, error) { return f.s.guesses.bounds(ctx, tx, a.ID) })
	if err != nil {
		return err
	}
	if in.ID != "" && in.User != (Ref{}) { // a user may be named beside the id, but no other
		named, err := f.s.findUser(ctx, in.User)
		if err != nil && !errs.Is(err, errs.Unauthenticated) {
			return err
		}
		if err != nil || named != a.UserID {
			return family.Unauthorized("application credential " + a.ID + " is another user's")
		}
	}
	right, err := f.s.guesses.secret(ctx, guessFrom(ctx, AppCredMethod, a.ID), reached, a.SecretHash, in.Secret)
	if err != nil {
		return err
	}
	if !right {
		return family.Unauthorized("wrong secret for application credential " + a.ID)
	}
	if !a.ExpiresAt.IsZero() && !f.s.now().Before(a.ExpiresAt) {
		return family.Unauthorized("application credential " + a.ID + " has expired")
	}
	p.appCred = &a
	p.user, err = f.s.loginUser(ctx, a.UserID)
	return err
}

func (f *AppCredentials) find(ctx context.Context, in *AppCredAuth) (AppCredential, error) {
	var userID string
	if in.ID == "" {
		var err error
		if userID, err = f.s.findUser(ctx, in.User); err != nil {
			return AppCredential{}, err
		}
	}
	return family.Read(ctx, f.s.db, func(tx *store.Tx) (AppCredential, error) {
		if in.ID != "" {
			return family.Get(ctx, tx, f.s.store.AppCredentials, in.ID)
		}
		rows, err := family.Find(ctx, tx, f.s.store.AppCredentials, store.Eq("user_id", userID), store.Eq("name", in.Name))
		if err == nil && len(rows) == 0 {
			err = family.Unauthorized("no application credential of this name")
		}
		if err != nil {
			return AppCredential{}, err
		}
		return rows[0], nil
	})
}

// scope gives a token the credential's project; no other can be asked for.
func (f *AppCredentials) scope(t *Token, a *AppCredential, want ScopeRequest) error {
	if !want.none() && (want.Project == nil || want.Project.ID != a.ProjectID) {
		return family.Unauthorized("an application credential's scope cannot be chosen")
	}
	t.AppCredID, t.Scope = a.ID, Scope{ProjectScope, a.ProjectID}
	if !a.ExpiresAt.IsZero() && a.ExpiresAt.Before(t.ExpiresAt) {
		t.ExpiresAt = a.ExpiresAt
	}
	return nil
}

// principal keeps of the user's roles those that the credential has.
func (f *AppCredentials) principal(ctx context.Context, tx *store.Tx, p *principal, id string) error {
	a, err := family.Get(ctx, tx, f.s.store.AppCredentials, id)
	if err != nil {
		return err
	}
	if a.UserID != p.User.ID || p.Project == nil || a.ProjectID != p.Project.ID {
		return denied("Application credential %s is not of this user and project.", id)
	}
	if err := f.fill(ctx, tx, &a); err != nil {
		return err
	}
	p.Roles = slices.DeleteFunc(p.Roles, func(r Role) bool { return !slices.Contains(a.RoleIDs, r.ID) })
	p.AppCred = &a
	p.tags = append(p.tags, appCredTag(id))
	return nil
}
