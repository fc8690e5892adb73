package identity

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"

	"kumoi/internal/identity/family"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

// place is where a list of assignments has come to: how many of an
// assignment's effects have been seen. Assignments have no id, so a place
// stands in the markers of pages.
type place struct {
	row Assignment
	n   int
}

// Marker is the text of an assignment's place in its list.
func (e EffectiveAssignment) Marker() string {
	b, _ := json.Marshal([]any{e.at.row, e.at.n}) // strings and numbers always marshal
	return base64.RawURLEncoding.EncodeToString(b)
}

func parsePlace(marker string) (*place, error) {
	if marker == "" {
		return nil, nil
	}
	p := &place{}
	b, err := base64.RawURLEncoding.DecodeString(marker)
	if err == nil {
		err = json.Unmarshal(b, &[]any{&p.row, &p.n})
	}
	if err != nil || p.n < 0 {
		return nil, errs.Wrap(errs.Invalid, err, "The marker %.80q is not from a list of role assignments.", marker)
	}
	return p, nil
}

// assignmentWalk goes over assignments in their order and over what each comes
// to, one after the other, so that a page costs what it shows.
type assignmentWalk struct {
	s        *Service
	ctx      context.Context //nolint:containedctx // lives as long as one request
	tx       *store.Tx
	q        AssignmentQuery
	filter   AssignmentFilter
	nothing  bool      // no assignment can match
	wanted   []Project // the projects asked for; nil: every one
	rules    []ImpliedRole
	roles    map[string]Role
	subtrees map[string][]Project
	members  map[string][]string // of groups
}

// walk prepares a query's walk, within a domain if one is given.
func (f *Assignments) walk(ctx context.Context, tx *store.Tx, q AssignmentQuery, domain string) (*assignmentWalk, error) {
	w := &assignmentWalk{s: f.s, ctx: ctx, tx: tx, q: q, subtrees: map[string][]Project{}, members: map[string][]string{}}
	if q.Effective {
		if err := w.effective(); err != nil {
			return nil, err
		}
	} else if err := w.direct(); err != nil {
		return nil, err
	}
	w.filter.Within = domain
	return w, nil
}

// direct selects assignments as they were made.
func (w *assignmentWalk) direct() error {
	w.filter = w.q.filter()
	if !w.q.IncludeSubtree {
		return nil
	}
	p, err := family.Get(w.ctx, w.tx, w.s.store.Projects.Table, w.q.ProjectID)
	if err != nil {
		return err
	}
	below, err := w.s.store.Projects.Subtree(w.ctx, w.tx, p)
	for _, b := range below {
		w.filter.TargetIDs = append(w.filter.TargetIDs, b.ID)
	}
	return err
}

// effective selects the assignments whose effects may be asked for: those of a
// user's groups too, of targets above, and of roles that imply the one named.
func (w *assignmentWalk) effective() (err error) {
	if w.rules, err = w.s.store.Roles.Implied(w.ctx, w.tx); err != nil {
		return err
	}
	if w.roles, err = w.s.Roles.byID(w.ctx, w.tx); err != nil {
		return err
	}
	f := &w.filter
	if w.q.UserID != "" {
		groups, err := w.s.store.Groups.IDsOfUser(w.ctx, w.tx, w.q.UserID, w.s.now())
		if err != nil {
			return err
		}
		f.ActorIDs = append([]string{w.q.UserID}, groups...)
		for _, g := range groups {
			w.members[g] = []string{w.q.UserID}
		}
	}
	if w.q.RoleID != "" {
		for id := range w.roles {
			if slices.Contains(closure([]string{id}, w.rules), w.q.RoleID) {
				f.RoleIDs = append(f.RoleIDs, id)
			}
		}
		w.nothing = f.RoleIDs == nil
		slices.Sort(f.RoleIDs)
	}
	switch {
	case w.q.ProjectID != "":
		return w.effectiveOn(w.q.ProjectID)
	case w.q.DomainID != "":
		no := false
		f.TargetKind, f.TargetIDs, f.Inherited = DomainTarget, []string{w.q.DomainID}, &no
	case w.q.System != "":
		f.TargetKind = SystemTarget
	}
	return nil
}

// effectiveOn confines the walk to a project, and those below it if asked for.
func (w *assignmentWalk) effectiveOn(projectID string) error {
	p, err := family.Get(w.ctx, w.tx, w.s.store.Projects.Table, projectID)
	if errs.Is(err, errs.NotFound) {
		w.nothing = true
		return nil
	}
	if err != nil {
		return err
	}
	w.wanted = []Project{p}
	w.filter.TargetIDs = strings.Split(strings.TrimSuffix(p.Path, "/"), "/")
	if !w.q.IncludeSubtree {
		return nil
	}
	below, err := w.s.store.Projects.Subtree(w.ctx, w.tx, p)
	for _, b := range below {
		w.wanted = append(w.wanted, b)
		w.filter.TargetIDs = append(w.filter.TargetIDs, b.ID)
	}
	return err
}

// from walks on from a place, or from the beginning, until it has found as many
// as wanted; 0 for all.
func (w *assignmentWalk) from(at *place, want int) ([]EffectiveAssignment, error) {
	out := []EffectiveAssignment{}
	if w.nothing {
		return out, nil
	}
	for {
		f := w.filter
		f.Limit = want
		if at != nil {
			f.From = &at.row
		}
		rows, err := w.s.store.Assignments.List(w.ctx, w.tx, f)
		if err != nil {
			return nil, err
		}
		for _, row := range rows {
			seen := 0
			if at != nil && at.row == row {
				seen = at.n
			}
			n := 0
			if err := w.effects(row, func(e EffectiveAssignment) bool {
				if n++; n > seen {
					e.at = place{row, n}
					out = append(out, e)
				}
				return want == 0 || len(out) < want
			}); err != nil {
				return nil, err
			}
			if want > 0 && len(out) >= want {
				return out, nil
			}
			at = &place{row, n}
		}
		if want == 0 || len(rows) < want {
			return out, nil
		}
	}
}

// effects hands out what an assignment comes to, until the receiver has enough:
// inherited ones for each project below, those of groups for each member, and
// implied roles beside their prior.
func (w *assignmentWalk) effects(row Assignment, yield func(EffectiveAssignment) bool) error {
	if !w.q.Effective {
		yield(EffectiveAssignment{Assignment: row})
		return nil
	}
	targets, err := w.targets(row)
	if err != nil {
		return err
	}
	actors, err := w.actors(row)
	if err != nil {
		return err
	}
	roles := closure([]string{row.RoleID}, w.rules)
	for _, on := range targets {
		if w.q.Inherited != nil && *w.q.Inherited != (on.ViaTarget != "") {
			continue
		}
		for _, actor := range actors {
			for _, id := range roles {
				if w.roles[id].DomainID != "" || w.q.RoleID != "" && id != w.q.RoleID {
					continue
				}
				e := on
				if row.ActorKind == GroupActor {
					e.ActorKind, e.ActorID, e.ViaGroup = UserActor, actor, row.ActorID
				}
				if id != row.RoleID {
					e.RoleID, e.ViaRole = id, row.RoleID
				}
				if !yield(e) {
					return nil
				}
			}
		}
	}
	return nil
}

// targets are the places where an assignment has effect, as assignments there.
func (w *assignmentWalk) targets(row Assignment) ([]EffectiveAssignment, error) {
	if !row.Inherited {
		if w.wanted == nil || row.TargetKind == ProjectTarget && slices.ContainsFunc(w.wanted, func(p Project) bool { return p.ID == row.TargetID }) {
			return []EffectiveAssignment{{Assignment: row}}, nil
		}
		return nil, nil
	}
	below, err := w.below(row.TargetID)
	out := make([]EffectiveAssignment, len(below))
	for i, p := range below {
		out[i] = EffectiveAssignment{Assignment: row, ViaKind: row.TargetKind, ViaTarget: row.TargetID}
		out[i].TargetKind, out[i].TargetID, out[i].Inherited = ProjectTarget, p.ID, false
	}
	return out, err
}

// below finds the projects under a target: of those wanted, or all.
func (w *assignmentWalk) below(targetID string) ([]Project, error) {
	if out, known := w.subtrees[targetID]; known {
		return out, nil
	}
	var out []Project
	if w.wanted == nil {
		t, err := family.Get(w.ctx, w.tx, w.s.store.Projects.Table, targetID)
		if err != nil {
			return nil, err
		}
		if out, err = w.s.store.Projects.Subtree(w.ctx, w.tx, t); err != nil {
			return nil, err
		}
	} else {
		for _, p := range w.wanted {
			if p.ID != targetID && strings.Contains("/"+p.Path, "/"+targetID+"/") {
				out = append(out, p)
			}
		}
	}
	w.subtrees[targetID] = out
	return out, nil
}

// actors are the users whom an assignment concerns.
func (w *assignmentWalk) actors(row Assignment) ([]string, error) {
	if row.ActorKind == UserActor {
		return []string{row.ActorID}, nil
	}
	if users, known := w.members[row.ActorID]; known {
		return users, nil
	}
	found, err := w.s.store.Groups.Members(w.ctx, w.tx, []string{row.ActorID})
	if err != nil {
		return nil, err
	}
	users := found[row.ActorID]
	slices.Sort(users) // pages go on where the one before ended
	w.members[row.ActorID] = users
	return users, nil
}
