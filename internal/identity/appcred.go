package identity

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"slices"

	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/ids"
	"kumoi/internal/kernel/policy"
	"kumoi/internal/kernel/store"
)

// ListAppCredentials lists a user's application credentials.
func (s *Service) ListAppCredentials(ctx context.Context, userID string, q Query) (Page[AppCredential], error) {
	if err := s.check(ctx, "identity:list_application_credentials", policy.Target{"user_id": userID}); err != nil {
		return Page[AppCredential]{}, err
	}
	if err := notByTrust(actor.From(ctx)); err != nil {
		return Page[AppCredential]{}, err
	}
	q.Where = append(q.Where, Eq("user_id", userID))
	if a := actor.From(ctx); a.AppCredentialRestricted {
		q.Where = append(q.Where, Eq("id", a.AppCredentialID))
	}
	rows, err := read(ctx, s, func(tx *store.Tx) ([]AppCredential, error) {
		rows, err := s.store.AppCredentials.List(ctx, tx, s.limited(q))
		for i := range rows {
			if err == nil {
				err = s.fillAppCred(ctx, tx, &rows[i])
			}
		}
		return rows, err
	})
	return page(s, q, rows), err
}

// fillAppCred loads the roles and rules behind the ids. A role that is gone is
// left out.
func (s *Service) fillAppCred(ctx context.Context, tx *store.Tx, a *AppCredential) error {
	roles, err := s.store.Roles.List(ctx, tx, Query{Where: []Match{{Field: "id", Op: In, Value: a.RoleIDs}}})
	if err != nil {
		return err
	}
	a.Roles = inOrder(roles, a.RoleIDs, func(r Role) string { return r.ID })
	if len(a.AccessRuleIDs) > 0 {
		rules, err := s.store.AccessRules.List(ctx, tx, Query{Where: []Match{{Field: "id", Op: In, Value: a.AccessRuleIDs}}})
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

// getAppCred loads an application credential under a rule. The owner that the
// rule sees is the credential's, whatever user the path names.
func (s *Service) getAppCred(ctx context.Context, tx *store.Tx, rule, userID, id string) (AppCredential, error) {
	a, err := s.store.AppCredentials.Get(ctx, tx, id)
	target := policy.Target{"user_id": userID}
	if err == nil {
		target["user_id"] = a.UserID
	} else if !errs.Is(err, errs.NotFound) {
		return a, err
	}
	if perr := s.check(ctx, rule, target); perr != nil {
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
	return a, s.fillAppCred(ctx, tx, &a)
}

// GetAppCredential returns an application credential.
func (s *Service) GetAppCredential(ctx context.Context, userID, id string) (AppCredential, error) {
	return read(ctx, s, func(tx *store.Tx) (AppCredential, error) {
		return s.getAppCred(ctx, tx, "identity:get_application_credential", userID, id)
	})
}

// CreateAppCredential makes an application credential for the actor himself,
// with some or all of the roles that his token has.
func (s *Service) CreateAppCredential(ctx context.Context, a AppCredential, wanted []Ref) (AppCredential, error) {
	who := actor.From(ctx)
	if err := s.check(ctx, "identity:create_application_credential", policy.Target{"user_id": a.UserID}); err != nil {
		return a, err
	}
	if err := notByTrust(who); err != nil {
		return a, err
	}
	if err := mayManage(who); err != nil {
		return a, err
	}
	if who.UserID != a.UserID || who.ProjectID == "" {
		return a, errs.New(errs.Forbidden, "An application credential is made by its own user, with a token for a project.")
	}
	if !a.ExpiresAt.IsZero() && !s.now().Before(a.ExpiresAt) {
		return a, errs.New(errs.Invalid, "The expires_at must not be in the past.")
	}
	a.ID, a.ProjectID = ids.NewHex(), who.ProjectID
	if a.Secret == "" {
		raw := make([]byte, 64)
		rand.Read(raw)
		a.Secret = base64.RawURLEncoding.EncodeToString(raw)
	}
	var err error
	if a.SecretHash, err = s.hasher.hash(ctx, a.Secret); err != nil {
		return a, err
	}
	return write(ctx, s, func(tx *store.Tx) (AppCredential, error) {
		a := a
		if a.RoleIDs, err = s.delegable(ctx, tx, wanted, who.RoleIDs, "application credential"); err != nil {
			return a, err
		}
		maker, err := s.makerOf(ctx, tx, who)
		if err != nil {
			return a, err
		}
		if err := narrower(maker, &a); err != nil {
			return a, err
		}
		for i := range a.AccessRules {
			if err := s.keepAccessRule(ctx, tx, a.UserID, &a.AccessRules[i]); err != nil {
				return a, err
			}
			a.AccessRuleIDs = append(a.AccessRuleIDs, a.AccessRules[i].ID)
		}
		if err := s.store.AppCredentials.Insert(ctx, tx, a); err != nil {
			return a, err
		}
		if err := s.fillAppCred(ctx, tx, &a); err != nil {
			return a, err
		}
		return a, s.noted(ctx, tx, "application_credential", created, a.ID)
	})
}

// makerOf is the application credential whose token makes another; nil: none.
func (s *Service) makerOf(ctx context.Context, tx *store.Tx, who *actor.Actor) (*AppCredential, error) {
	if who.AppCredentialID == "" {
		return nil, nil
	}
	a, err := s.store.AppCredentials.Get(ctx, tx, who.AppCredentialID)
	if err == nil {
		err = s.fillAppCred(ctx, tx, &a)
	}
	return &a, err
}

// delegable turns the roles that are to be delegated into ids, all those held
// when none is named; one that is not held is refused, as is one whose implied
// roles are not.
func (s *Service) delegable(ctx context.Context, tx *store.Tx, wanted []Ref, held []string, to string) ([]string, error) {
	if len(wanted) == 0 {
		return slices.Clone(held), nil
	}
	rules, err := s.store.Roles.Implied(ctx, tx)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, ref := range wanted {
		id := ref.ID
		if id == "" {
			r, err := s.store.Roles.ByName(ctx, tx, "", ref.Name)
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

// keepAccessRule finds the user's rule with this content, or makes it.
func (s *Service) keepAccessRule(ctx context.Context, tx *store.Tx, userID string, r *AccessRule) error {
	if r.ID != "" && r.Path == "" {
		have, err := s.store.AccessRules.Get(ctx, tx, r.ID)
		if err == nil && have.UserID != userID {
			err = errs.New(errs.NotFound, "Could not find Access Rule: %s.", r.ID)
		}
		*r = have
		return err
	}
	have, err := s.store.AccessRules.List(ctx, tx, Query{Where: []Match{
		Eq("user_id", userID), Eq("service", r.Service), Eq("path", r.Path), Eq("method", r.Method),
	}})
	if err != nil {
		return err
	}
	if len(have) > 0 {
		*r = have[0]
		return nil
	}
	r.ID, r.UserID = ids.NewHex(), userID
	return s.store.AccessRules.Insert(ctx, tx, *r)
}

// DeleteAppCredential deletes an application credential; its tokens are void.
func (s *Service) DeleteAppCredential(ctx context.Context, userID, id string) error {
	return s.db.Write(ctx, func(tx *store.Tx) error {
		if _, err := s.getAppCred(ctx, tx, "identity:delete_application_credential", userID, id); err != nil {
			return err
		}
		if err := mayManage(actor.From(ctx)); err != nil {
			return err
		}
		if err := s.store.AppCredentials.Delete(ctx, tx, id); err != nil {
			return err
		}
		if err := s.noted(ctx, tx, "application_credential", deleted, id); err != nil {
			return err
		}
		return s.revoke(ctx, tx, appCredTag(id))
	})
}

// ListAccessRules lists a user's access rules.
func (s *Service) ListAccessRules(ctx context.Context, userID string, q Query) (Page[AccessRule], error) {
	q.Where = append(q.Where, Eq("user_id", userID))
	rows, err := read(ctx, s, func(tx *store.Tx) ([]AccessRule, error) {
		if _, err := s.getUser(ctx, tx, "identity:list_access_rules", userID); err != nil {
			return nil, err
		}
		if err := managesRules(actor.From(ctx)); err != nil {
			return nil, err
		}
		return s.store.AccessRules.List(ctx, tx, s.limited(q))
	})
	return page(s, q, rows), err
}

func (s *Service) accessRule(ctx context.Context, tx *store.Tx, rule, userID, id string) (AccessRule, error) {
	if _, err := s.getUser(ctx, tx, rule, userID); err != nil {
		return AccessRule{}, err
	}
	if err := managesRules(actor.From(ctx)); err != nil {
		return AccessRule{}, err
	}
	r, err := s.store.AccessRules.Get(ctx, tx, id)
	if err == nil && r.UserID != userID {
		err = errs.New(errs.NotFound, "Could not find Access Rule: %s.", id)
	}
	return r, err
}

// GetAccessRule returns an access rule.
func (s *Service) GetAccessRule(ctx context.Context, userID, id string) (AccessRule, error) {
	return read(ctx, s, func(tx *store.Tx) (AccessRule, error) {
		return s.accessRule(ctx, tx, "identity:get_access_rule", userID, id)
	})
}

// DeleteAccessRule deletes an access rule that no application credential uses.
func (s *Service) DeleteAccessRule(ctx context.Context, userID, id string) error {
	return s.db.Write(ctx, func(tx *store.Tx) error {
		if _, err := s.accessRule(ctx, tx, "identity:delete_access_rule", userID, id); err != nil {
			return err
		}
		creds, err := s.store.AppCredentials.List(ctx, tx, Query{Where: []Match{Eq("user_id", userID)}})
		if err != nil {
			return err
		}
		for _, c := range creds {
			if slices.Contains(c.AccessRuleIDs, id) {
				return errs.New(errs.Forbidden, "Access rule %s is in use by application credential %s.", id, c.ID)
			}
		}
		return s.store.AccessRules.Delete(ctx, tx, id)
	})
}

// checkAppCred proves an application credential's secret.
func (s *Service) checkAppCred(ctx context.Context, in *AppCredAuth, p *proof) error {
	a, err := s.findAppCred(ctx, in)
	if err != nil && !errs.Is(err, errs.Unauthenticated) && !errs.Is(err, errs.NotFound) {
		return err
	}
	if err != nil {
		if perr := s.hasher.pretend(ctx, in.Secret); perr != nil {
			return perr
		}
		return unauthorized("no such application credential")
	}
	reached, err := read(ctx, s, func(tx *store.Tx) ([]Bound, error) { return s.bounds(ctx, tx, a.ID) })
	if err != nil {
		return err
	}
	if in.ID != "" && in.User != (Ref{}) { // a user may be named beside the id, but no other
		if named, err := s.findUser(ctx, in.User); err != nil || named != a.UserID {
			return unauthorized("application credential " + a.ID + " is another user's")
		}
	}
	right, err := s.guessSecret(ctx, guessFrom(ctx, AppCredMethod, a.ID), reached, a.SecretHash, in.Secret)
	if err != nil {
		return err
	}
	if !right {
		return unauthorized("wrong secret for application credential " + a.ID)
	}
	if !a.ExpiresAt.IsZero() && !s.now().Before(a.ExpiresAt) {
		return unauthorized("application credential " + a.ID + " has expired")
	}
	p.appCred = &a
	p.user, err = s.loginUser(ctx, a.UserID)
	return err
}

func (s *Service) findAppCred(ctx context.Context, in *AppCredAuth) (AppCredential, error) {
	var userID string
	if in.ID == "" {
		var err error
		if userID, err = s.findUser(ctx, in.User); err != nil {
			return AppCredential{}, err
		}
	}
	return read(ctx, s, func(tx *store.Tx) (AppCredential, error) {
		if in.ID != "" {
			return s.store.AppCredentials.Get(ctx, tx, in.ID)
		}
		rows, err := s.store.AppCredentials.List(ctx, tx, Query{Where: []Match{Eq("user_id", userID), Eq("name", in.Name)}})
		if err == nil && len(rows) == 0 {
			err = unauthorized("no application credential of this name")
		}
		if err != nil {
			return AppCredential{}, err
		}
		return rows[0], nil
	})
}

// appCredScope gives a token the credential's project; no other can be asked for.
func (s *Service) appCredScope(t *Token, a *AppCredential, want ScopeRequest) error {
	if !want.none() && (want.Project == nil || want.Project.ID != a.ProjectID) {
		return unauthorized("an application credential's scope cannot be chosen")
	}
	t.AppCredID, t.Scope = a.ID, Scope{ProjectScope, a.ProjectID}
	if !a.ExpiresAt.IsZero() && a.ExpiresAt.Before(t.ExpiresAt) {
		t.ExpiresAt = a.ExpiresAt
	}
	return nil
}

// appCredPrincipal keeps of the user's roles those that the credential has.
func (s *Service) appCredPrincipal(ctx context.Context, tx *store.Tx, p *principal, id string) error {
	a, err := s.store.AppCredentials.Get(ctx, tx, id)
	if err != nil {
		return err
	}
	if a.UserID != p.User.ID || p.Project == nil || a.ProjectID != p.Project.ID {
		return denied("Application credential %s is not of this user and project.", id)
	}
	if err := s.fillAppCred(ctx, tx, &a); err != nil {
		return err
	}
	p.Roles = slices.DeleteFunc(p.Roles, func(r Role) bool { return !slices.Contains(a.RoleIDs, r.ID) })
	p.AppCred = &a
	p.tags = append(p.tags, appCredTag(id))
	return nil
}
