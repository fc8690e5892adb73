package identity

import (
	"context"
	"slices"
	"strings"

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
}

// AssignmentNames are the names behind an assignment's ids.
type AssignmentNames struct{ Actor, ActorDomain, ActorDomainName, Target, TargetDomain, TargetDomainName, Role, RoleDomain, RoleDomainName string }

// ListAssignments lists who has which role where.
func (s *Service) ListAssignments(ctx context.Context, q AssignmentQuery) ([]EffectiveAssignment, error) {
	if err := q.validate(); err != nil {
		return nil, err
	}
	return read(ctx, s, func(tx *store.Tx) ([]EffectiveAssignment, error) {
		domain, err := s.mayListAssignments(ctx, tx, q)
		if err != nil {
			return nil, err
		}
		var rows []EffectiveAssignment
		if q.Effective {
			rows, err = s.effective(ctx, tx, q)
		} else {
			rows, err = s.direct(ctx, tx, q)
		}
		if err != nil {
			return nil, err
		}
		if domain != "" {
			if rows, err = s.withinDomain(ctx, tx, rows, domain); err != nil {
				return nil, err
			}
		}
		if q.IncludeNames {
			err = s.nameAssignments(ctx, tx, rows)
		}
		return rows, err
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

// mayListAssignments checks the policy and returns the domain that the answer
// is confined to, if any.
func (s *Service) mayListAssignments(ctx context.Context, tx *store.Tx, q AssignmentQuery) (string, error) {
	if q.IncludeSubtree {
		target := policy.Target{}
		if q.ProjectID != "" {
			p, err := s.store.Projects.Get(ctx, tx, q.ProjectID)
			if err != nil {
				return "", err
			}
			target = targetOf(projectTarget(p), policy.Target{"target.domain_id": p.Owner()})
		}
		if err := s.check(ctx, "identity:list_role_assignments_for_tree", target); err != nil {
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
	return domain, s.check(ctx, "identity:list_role_assignments", target)
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

// direct lists assignments as they were made.
func (s *Service) direct(ctx context.Context, tx *store.Tx, q AssignmentQuery) ([]EffectiveAssignment, error) {
	f := q.filter()
	if q.IncludeSubtree {
		p, err := s.store.Projects.Get(ctx, tx, q.ProjectID)
		if err != nil {
			return nil, err
		}
		below, err := s.store.Projects.Subtree(ctx, tx, p)
		if err != nil {
			return nil, err
		}
		for _, b := range below {
			f.TargetIDs = append(f.TargetIDs, b.ID)
		}
	}
	rows, err := s.store.Assignments.List(ctx, tx, f)
	out := make([]EffectiveAssignment, len(rows))
	for i, r := range rows {
		out[i].Assignment = r
	}
	return out, err
}

// effective lists what assignments come to: those of groups for each member,
// inherited ones for each project below, and implied roles beside their prior.
func (s *Service) effective(ctx context.Context, tx *store.Tx, q AssignmentQuery) ([]EffectiveAssignment, error) {
	rules, err := s.store.Roles.Implied(ctx, tx)
	if err != nil {
		return nil, err
	}
	roles, err := s.rolesByID(ctx, tx)
	if err != nil {
		return nil, err
	}
	var f AssignmentFilter
	if q.UserID != "" {
		groups, err := s.store.Groups.IDsOfUser(ctx, tx, q.UserID, s.now())
		if err != nil {
			return nil, err
		}
		f.ActorIDs = append([]string{q.UserID}, groups...)
	}
	if q.RoleID != "" {
		for id := range roles {
			if slices.Contains(closure([]string{id}, rules), q.RoleID) {
				f.RoleIDs = append(f.RoleIDs, id)
			}
		}
		if f.RoleIDs == nil {
			return []EffectiveAssignment{}, nil
		}
	}
	rows, err := s.spread(ctx, tx, q, f)
	if err != nil {
		return nil, err
	}
	if rows, err = s.toMembers(ctx, tx, q, rows); err != nil {
		return nil, err
	}
	var out []EffectiveAssignment
	for _, r := range rows {
		if q.Inherited != nil && *q.Inherited != (r.ViaTarget != "") {
			continue
		}
		for _, id := range closure([]string{r.RoleID}, rules) {
			if roles[id].DomainID != "" || q.RoleID != "" && id != q.RoleID {
				continue
			}
			implied := r
			if id != r.RoleID {
				implied.RoleID, implied.ViaRole = id, r.RoleID
			}
			out = append(out, implied)
		}
	}
	return out, nil
}

// spread puts inherited assignments onto the projects below their targets.
func (s *Service) spread(ctx context.Context, tx *store.Tx, q AssignmentQuery, f AssignmentFilter) ([]EffectiveAssignment, error) {
	var wanted []Project // nil: every project
	switch {
	case q.ProjectID != "":
		p, err := s.store.Projects.Get(ctx, tx, q.ProjectID)
		if errs.Is(err, errs.NotFound) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		wanted = []Project{p}
		f.TargetIDs = strings.Split(strings.TrimSuffix(p.Path, "/"), "/")
		if q.IncludeSubtree {
			below, err := s.store.Projects.Subtree(ctx, tx, p)
			if err != nil {
				return nil, err
			}
			for _, b := range below {
				wanted = append(wanted, b)
				f.TargetIDs = append(f.TargetIDs, b.ID)
			}
		}
	case q.DomainID != "":
		no := false
		f.TargetKind, f.TargetIDs, f.Inherited = DomainTarget, []string{q.DomainID}, &no
	case q.System != "":
		f.TargetKind = SystemTarget
	}
	rows, err := s.store.Assignments.List(ctx, tx, f)
	if err != nil {
		return nil, err
	}
	var out []EffectiveAssignment
	for _, r := range rows {
		if !r.Inherited {
			if wanted == nil || r.TargetKind == ProjectTarget && slices.ContainsFunc(wanted, func(p Project) bool { return p.ID == r.TargetID }) {
				out = append(out, EffectiveAssignment{Assignment: r})
			}
			continue
		}
		below, err := s.below(ctx, tx, r.TargetID, wanted)
		if err != nil {
			return nil, err
		}
		for _, p := range below {
			e := EffectiveAssignment{Assignment: r, ViaKind: r.TargetKind, ViaTarget: r.TargetID}
			e.TargetKind, e.TargetID, e.Inherited = ProjectTarget, p.ID, false
			out = append(out, e)
		}
	}
	return out, nil
}

// below finds the projects under a target: of those wanted, or all.
func (s *Service) below(ctx context.Context, tx *store.Tx, targetID string, wanted []Project) ([]Project, error) {
	if wanted == nil {
		t, err := s.store.Projects.Get(ctx, tx, targetID)
		if err != nil {
			return nil, err
		}
		return s.store.Projects.Subtree(ctx, tx, t)
	}
	var out []Project
	for _, p := range wanted {
		if p.ID != targetID && strings.Contains("/"+p.Path, "/"+targetID+"/") {
			out = append(out, p)
		}
	}
	return out, nil
}

// toMembers replaces what groups have by what their members have.
func (s *Service) toMembers(ctx context.Context, tx *store.Tx, q AssignmentQuery, rows []EffectiveAssignment) ([]EffectiveAssignment, error) {
	var groups []string
	for _, r := range rows {
		if r.ActorKind == GroupActor && !slices.Contains(groups, r.ActorID) {
			groups = append(groups, r.ActorID)
		}
	}
	members := map[string][]string{}
	if q.UserID != "" {
		for _, g := range groups {
			members[g] = []string{q.UserID}
		}
	} else if len(groups) > 0 {
		var err error
		if members, err = s.store.Groups.Members(ctx, tx, groups); err != nil {
			return nil, err
		}
	}
	var out []EffectiveAssignment
	for _, r := range rows {
		if r.ActorKind == UserActor {
			out = append(out, r)
			continue
		}
		for _, u := range members[r.ActorID] {
			m := r
			m.ActorKind, m.ActorID, m.ViaGroup = UserActor, u, r.ActorID
			out = append(out, m)
		}
	}
	return out, nil
}

// withinDomain keeps what concerns a domain or its projects.
func (s *Service) withinDomain(ctx context.Context, tx *store.Tx, rows []EffectiveAssignment, domain string) ([]EffectiveAssignment, error) {
	projects, err := s.targets(ctx, tx, rows)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(rows, func(r EffectiveAssignment) bool {
		switch r.TargetKind {
		case DomainTarget:
			return r.TargetID != domain
		case ProjectTarget:
			return projects[r.TargetID].Owner() != domain
		}
		return true
	}), nil
}

func (s *Service) targets(ctx context.Context, tx *store.Tx, rows []EffectiveAssignment) (map[string]Project, error) {
	ids := map[string]bool{}
	for _, r := range rows {
		if r.TargetKind != SystemTarget {
			ids[r.TargetID] = true
		}
	}
	return byIDs(ctx, tx, ids, s.store.Projects.List, func(p Project) string { return p.ID })
}

// byIDs loads rows by their ids, some hundreds at a time.
func byIDs[T any](ctx context.Context, tx *store.Tx, ids map[string]bool, list func(context.Context, *store.Tx, Query) ([]T, error), id func(T) string) (map[string]T, error) {
	all := make([]string, 0, len(ids))
	for i := range ids {
		all = append(all, i)
	}
	out := make(map[string]T, len(all))
	for part := range slices.Chunk(all, 500) {
		rows, err := list(ctx, tx, Query{Where: []Match{{Field: "id", Op: In, Value: part}}})
		if err != nil {
			return nil, err
		}
		for _, r := range rows {
			out[id(r)] = r
		}
	}
	return out, nil
}

// nameAssignments fills in the names, each looked up once.
func (s *Service) nameAssignments(ctx context.Context, tx *store.Tx, rows []EffectiveAssignment) error {
	userIDs, groupIDs, domainIDs := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, r := range rows {
		if r.ActorKind == UserActor {
			userIDs[r.ActorID] = true
		} else {
			groupIDs[r.ActorID] = true
		}
	}
	targets, err := s.targets(ctx, tx, rows)
	if err != nil {
		return err
	}
	users, err := byIDs(ctx, tx, userIDs, s.store.Users.List, func(u User) string { return u.ID })
	if err != nil {
		return err
	}
	groups, err := byIDs(ctx, tx, groupIDs, s.store.Groups.List, func(g Group) string { return g.ID })
	if err != nil {
		return err
	}
	roles, err := s.rolesByID(ctx, tx)
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
	domains, err := byIDs(ctx, tx, domainIDs, s.store.Projects.List, func(p Project) string { return p.ID })
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
