package identity

import (
	"context"
	"slices"

	"kumoi/internal/identity/family"
	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/policy"
	"kumoi/internal/kernel/store"
)

// AssignmentQuery is what a client asks of the list of role assignments.
type AssignmentQuery struct {
	UserID, GroupID, RoleID     string
	ProjectID, DomainID, System string
	Inherited                   *bool
	Effective                   bool // groups, inheritance and implication resolved
	IncludeSubtree              bool
	IncludeNames                bool
	Limit                       int    // 0: all
	Marker                      string // of the last one already seen
}

// EffectiveAssignment is an assignment and, if it is the effect of another,
// what it came by.
type EffectiveAssignment struct {
	Assignment
	ViaGroup  string     // a member has what the group was given
	ViaKind   TargetKind // inherited from this target
	ViaTarget string
	ViaRole   string // implied by this role
	Names     *AssignmentNames
	at        place
}

// AssignmentNames are the names behind an assignment's ids.
type AssignmentNames struct{ Actor, ActorDomain, ActorDomainName, Target, TargetDomain, TargetDomainName, Role, RoleDomain, RoleDomainName string }

// List lists who has which role where, all of it or a page.
func (f *Assignments) List(ctx context.Context, q AssignmentQuery) (store.Page[EffectiveAssignment], error) {
	var out store.Page[EffectiveAssignment]
	if err := q.validate(); err != nil {
		return out, err
	}
	from, err := parsePlace(q.Marker)
	if err != nil {
		return out, err
	}
	return family.Read(ctx, f.s.db, func(tx *store.Tx) (store.Page[EffectiveAssignment], error) {
		domain, err := f.may(ctx, tx, q)
		if err != nil {
			return out, err
		}
		w, err := f.walk(ctx, tx, q, domain)
		if err != nil {
			return out, err
		}
		want := q.Limit
		if want > 0 {
			want++ // one more tells whether another page follows
		}
		rows, err := w.from(from, want)
		if err != nil {
			return out, err
		}
		page := store.Page[EffectiveAssignment]{More: q.Limit > 0 && len(rows) > q.Limit}
		if page.More {
			rows = rows[:q.Limit]
		}
		if q.IncludeNames {
			err = f.named(ctx, tx, rows)
		}
		page.Rows = family.Pointers(rows)
		return page, err
	})
}

func (q AssignmentQuery) validate() error {
	both := func(a, b, words string) error {
		if a != "" && b != "" {
			return errs.New(errs.Invalid, "Specify %s, not both.", words)
		}
		return nil
	}
	for _, err := range []error{
		both(q.DomainID, q.ProjectID, "a domain or project"), both(q.DomainID, q.System, "system or domain"),
		both(q.ProjectID, q.System, "system or project"), both(q.UserID, q.GroupID, "a user or group"),
	} {
		if err != nil {
			return err
		}
	}
	if q.Effective && q.GroupID != "" {
		return errs.New(errs.Invalid, "Combining effective and group filter will always result in an empty list.")
	}
	if q.Effective && q.Inherited != nil && *q.Inherited && q.DomainID != "" {
		return errs.New(errs.Invalid, "Combining effective, domain and inherited filters will always result in an empty list.")
	}
	return nil
}

// may checks the policy and returns the domain that the answer
// is confined to, if any.
func (f *Assignments) may(ctx context.Context, tx *store.Tx, q AssignmentQuery) (string, error) {
	if q.IncludeSubtree {
		target := policy.Target{}
		if q.ProjectID != "" {
			p, err := family.Get(ctx, tx, f.s.store.Projects.Table, q.ProjectID)
			if err != nil {
				return "", err
			}
			target = targetOf(projectTarget(p), policy.Target{"target.domain_id": p.Owner()})
		}
		if err := f.s.check(ctx, "identity:list_role_assignments_for_tree", target); err != nil {
			return "", err
		}
		if q.ProjectID == "" {
			return "", errs.New(errs.Invalid, "scope.project.id must be specified if include_subtree is also specified.")
		}
		return actor.From(ctx).DomainID, nil
	}
	domain := actor.From(ctx).DomainID
	target := policy.Target{}
	if domain != "" {
		target["target.domain_id"] = domain
	}
	return domain, f.s.check(ctx, "identity:list_role_assignments", target)
}

func (q AssignmentQuery) filter() AssignmentFilter {
	f := AssignmentFilter{Inherited: q.Inherited}
	switch {
	case q.UserID != "":
		f.ActorKind, f.ActorIDs = UserActor, []string{q.UserID}
	case q.GroupID != "":
		f.ActorKind, f.ActorIDs = GroupActor, []string{q.GroupID}
	}
	switch {
	case q.ProjectID != "":
		f.TargetKind, f.TargetIDs = ProjectTarget, []string{q.ProjectID}
	case q.DomainID != "":
		f.TargetKind, f.TargetIDs = DomainTarget, []string{q.DomainID}
	case q.System != "":
		f.TargetKind = SystemTarget
	}
	if q.RoleID != "" {
		f.RoleIDs = []string{q.RoleID}
	}
	return f
}

func (f *Assignments) targets(ctx context.Context, tx *store.Tx, rows []EffectiveAssignment) (map[string]Project, error) {
	ids := map[string]bool{}
	for _, r := range rows {
		if r.TargetKind != SystemTarget {
			ids[r.TargetID] = true
		}
	}
	return byIDs(ctx, tx, ids, f.s.store.Projects.Table, func(p Project) string { return p.ID })
}

// byIDs loads rows by their ids, some hundreds at a time.
func byIDs[T any](ctx context.Context, tx *store.Tx, ids map[string]bool, table *store.Table[T], id func(T) string) (map[string]T, error) {
	all := make([]string, 0, len(ids))
	for i := range ids {
		all = append(all, i)
	}
	out := make(map[string]T, len(all))
	for part := range slices.Chunk(all, 500) {
		rows, err := family.Find(ctx, tx, table, store.In("id", part))
		if err != nil {
			return nil, err
		}
		for _, r := range rows {
			out[id(r)] = r
		}
	}
	return out, nil
}

// named fills in the names, each looked up once.
func (f *Assignments) named(ctx context.Context, tx *store.Tx, rows []EffectiveAssignment) error {
	userIDs, groupIDs, domainIDs := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, r := range rows {
		if r.ActorKind == UserActor {
			userIDs[r.ActorID] = true
		} else {
			groupIDs[r.ActorID] = true
		}
	}
	targets, err := f.targets(ctx, tx, rows)
	if err != nil {
		return err
	}
	users, err := byIDs(ctx, tx, userIDs, f.s.store.Users.Table, func(u User) string { return u.ID })
	if err != nil {
		return err
	}
	groups, err := byIDs(ctx, tx, groupIDs, f.s.store.Groups.Table, func(g Group) string { return g.ID })
	if err != nil {
		return err
	}
	roles, err := f.s.Roles.byID(ctx, tx)
	if err != nil {
		return err
	}
	for _, u := range users {
		domainIDs[u.DomainID] = true
	}
	for _, g := range groups {
		domainIDs[g.DomainID] = true
	}
	for _, p := range targets {
		domainIDs[p.Owner()] = true
	}
	for _, r := range roles {
		domainIDs[r.DomainID] = true
	}
	domains, err := byIDs(ctx, tx, domainIDs, f.s.store.Projects.Table, func(p Project) string { return p.ID })
	if err != nil {
		return err
	}
	for i, r := range rows {
		n := &AssignmentNames{Role: roles[r.RoleID].Name, RoleDomain: roles[r.RoleID].DomainID}
		n.Actor, n.ActorDomain = users[r.ActorID].Name, users[r.ActorID].DomainID
		if r.ActorKind == GroupActor {
			n.Actor, n.ActorDomain = groups[r.ActorID].Name, groups[r.ActorID].DomainID
		}
		if t, ok := targets[r.TargetID]; ok {
			n.Target, n.TargetDomain = t.Name, t.Owner()
		}
		n.ActorDomainName, n.TargetDomainName, n.RoleDomainName = domains[n.ActorDomain].Name, domains[n.TargetDomain].Name, domains[n.RoleDomain].Name
		rows[i].Names = n
	}
	return nil
}
