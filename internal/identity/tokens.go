package identity

import (
	"context"
	"slices"
	"time"

	"kumoi/internal/identity/family"
	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/policy"
	"kumoi/internal/kernel/store"
)

// Ping tells whether the database answers.
func (s *Service) Ping(ctx context.Context) error { return s.db.Ping(ctx) }

// subject finds the token that a request is about and checks the rule on it.
func (f *Tokens) subject(ctx context.Context, rule, text string, allowExpired bool) (*Session, error) {
	var grace time.Duration
	if allowExpired {
		grace = f.s.cfg.AllowExpiredWindow
	}
	se, err := f.s.session(ctx, text, grace)
	if errs.Is(err, errs.Unauthenticated) {
		return nil, errs.Wrap(errs.NotFound, err, "Could not find token.")
	}
	if err != nil {
		return nil, err
	}
	return se, f.s.check(ctx, rule, policy.Target{"target.token.user_id": se.User.ID})
}

// Validate answers what a token stands for. A caller restricted to the
// access rules of services must say that it knows them (access rules are
// enforced by the services; one that does not must not be shown such a token).
func (f *Tokens) Validate(ctx context.Context, text string, allowExpired, knowsAccessRules bool) (*Session, error) {
	se, err := f.subject(ctx, "identity:validate_token", text, allowExpired)
	if err != nil {
		return nil, err
	}
	if se.AppCred != nil && len(se.AppCred.AccessRuleIDs) > 0 && !knowsAccessRules {
		return nil, errs.New(errs.NotFound, "Could not find token.")
	}
	return se, nil
}

// Check answers whether a token is valid.
func (f *Tokens) Check(ctx context.Context, text string, allowExpired bool) error {
	_, err := f.subject(ctx, "identity:check_token", text, allowExpired)
	return err
}

// Revoke voids one token, by its audit id.
func (f *Tokens) Revoke(ctx context.Context, text string) error {
	se, err := f.subject(ctx, "identity:revoke_token", text, false)
	if err != nil {
		return err
	}
	return f.s.db.Write(ctx, func(tx *store.Tx) error {
		return f.s.revoke(ctx, tx, auditTag(se.Token.AuditIDs[0]))
	})
}

// Own is the session of the token that the request came with.
func (f *Tokens) Own(ctx context.Context, text string) (*Session, error) {
	return f.s.session(ctx, text, 0)
}

// Projects lists the projects that the actor could scope a token to.
func (f *Scopes) Projects(ctx context.Context) ([]Project, error) {
	return family.Read(ctx, f.s.db, func(tx *store.Tx) ([]Project, error) {
		return f.projectsOf(ctx, tx, actor.From(ctx).UserID)
	})
}

// projectsOf finds the enabled projects on which a user has any role.
func (f *Scopes) projectsOf(ctx context.Context, tx *store.Tx, userID string) ([]Project, error) {
	rows, err := f.assignmentsOf(ctx, tx, userID)
	if err != nil {
		return nil, err
	}
	found := map[string]Project{}
	add := func(p Project) {
		if !p.IsDomain {
			found[p.ID] = p
		}
	}
	for _, a := range rows {
		if a.TargetKind == SystemTarget || !a.Inherited && a.TargetKind != ProjectTarget {
			continue
		}
		p, err := family.Get(ctx, tx, f.s.store.Projects.Table, a.TargetID)
		if errs.Is(err, errs.NotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if !a.Inherited {
			add(p)
			continue
		}
		below, err := f.s.store.Projects.Subtree(ctx, tx, p)
		if err != nil {
			return nil, err
		}
		for _, b := range below {
			add(b)
		}
	}
	return f.inEnabledDomains(ctx, tx, found)
}

func (f *Scopes) inEnabledDomains(ctx context.Context, tx *store.Tx, found map[string]Project) ([]Project, error) {
	enabled := map[string]bool{}
	out := []Project{}
	for _, p := range found {
		ok, known := enabled[p.DomainID]
		if !known {
			d, err := family.Get(ctx, tx, f.s.store.Projects.Table, p.DomainID)
			if err != nil {
				return nil, err
			}
			ok = d.Enabled
			enabled[p.DomainID] = ok
		}
		if ok && p.Enabled {
			out = append(out, p)
		}
	}
	slices.SortFunc(out, func(a, b Project) int { return compare(a.ID, b.ID) })
	return out, nil
}

func compare(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// assignmentsOf lists what a user has, by himself or by his groups.
func (f *Scopes) assignmentsOf(ctx context.Context, tx *store.Tx, userID string) ([]Assignment, error) {
	groups, err := f.s.store.Groups.IDsOfUser(ctx, tx, userID, f.s.now())
	if err != nil {
		return nil, err
	}
	return f.s.store.Assignments.List(ctx, tx, AssignmentFilter{ActorIDs: append([]string{userID}, groups...)})
}

// Domains lists the domains that the actor could scope a token to.
func (f *Scopes) Domains(ctx context.Context) ([]Project, error) {
	return family.Read(ctx, f.s.db, func(tx *store.Tx) ([]Project, error) {
		rows, err := f.assignmentsOf(ctx, tx, actor.From(ctx).UserID)
		if err != nil {
			return nil, err
		}
		var ids []string
		for _, a := range rows {
			if a.TargetKind == DomainTarget && !a.Inherited && !slices.Contains(ids, a.TargetID) {
				ids = append(ids, a.TargetID)
			}
		}
		if len(ids) == 0 {
			return []Project{}, nil
		}
		return family.Find(ctx, tx, f.s.store.Projects.Table, store.In("id", ids), store.Eq("enabled", true), store.Eq("is_domain", true))
	})
}

// System tells whether the actor could scope a token to the system.
func (f *Scopes) System(ctx context.Context) (bool, error) {
	return family.Read(ctx, f.s.db, func(tx *store.Tx) (bool, error) {
		rows, err := f.assignmentsOf(ctx, tx, actor.From(ctx).UserID)
		return slices.ContainsFunc(rows, func(a Assignment) bool { return a.TargetKind == SystemTarget }), err
	})
}
