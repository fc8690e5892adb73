package sqlstore

import (
	"cmp"
	"context"
	"slices"

	"kumoi/internal/identity"
	"kumoi/internal/kernel/store"
)

type assignments struct{}

func scanAssignment(r store.Row) (identity.Assignment, error) {
	var a identity.Assignment
	err := r.Scan((*string)(&a.ActorKind), &a.ActorID, (*string)(&a.TargetKind), &a.TargetID, &a.RoleID, &a.Inherited)
	return a, err
}

// List finds assignments. Long lists of ids are cut into several statements.
func (assignments) List(ctx context.Context, tx *store.Tx, f identity.AssignmentFilter) ([]identity.Assignment, error) {
	actorParts, targetParts := [][]string{nil}, [][]string{nil}
	if f.ActorIDs != nil {
		actorParts = split(f.ActorIDs)
	}
	if f.TargetIDs != nil {
		targetParts = split(f.TargetIDs)
	}
	out := []identity.Assignment{}
	for _, actors := range actorParts {
		for _, targets := range targetParts {
			rows, err := store.Find(ctx, tx, scanAssignment, assignmentQuery(f, actors, targets))
			if err != nil {
				return nil, err
			}
			out = append(out, rows...)
		}
	}
	if len(actorParts)*len(targetParts) > 1 {
		slices.SortFunc(out, compareAssignments)
	}
	if f.Limit > 0 && len(out) > f.Limit {
		out = out[:f.Limit]
	}
	return out, nil
}

// assignmentQuery selects the assignments of some actors on some targets; nil for any.
func assignmentQuery(f identity.AssignmentFilter, actors, targets []string) *store.Selection {
	q := store.Select("SELECT actor_kind, actor_id, target_kind, target_id, role_id, inherited FROM identity_assignment")
	if f.ActorKind != "" {
		q.Where("actor_kind = ?", string(f.ActorKind))
	}
	if actors != nil {
		store.Among(q, "actor_id", actors)
	}
	if f.TargetKind != "" {
		q.Where("target_kind = ?", string(f.TargetKind))
	}
	if targets != nil {
		store.Among(q, "target_id", targets)
	}
	if f.RoleIDs != nil {
		store.Among(q, "role_id", f.RoleIDs)
	}
	if f.Inherited != nil {
		q.Where("inherited = ?", *f.Inherited)
	}
	if f.Within != "" {
		q.Where("target_kind <> ?", string(identity.SystemTarget))
		q.Where("target_id = ? OR target_id IN (SELECT id FROM identity_project WHERE domain_id = ?)", f.Within, f.Within)
	}
	if a := f.From; a != nil {
		q.Where("("+assignmentOrder+") >= (?, ?, ?, ?, ?, ?)", a.ActorID, string(a.TargetKind), a.TargetID, a.RoleID, a.Inherited, string(a.ActorKind))
	}
	return q.OrderBy(assignmentOrder).Limit(f.Limit)
}

// assignmentOrder is the primary key's, so that pages are read from it.
const assignmentOrder = "actor_id, target_kind, target_id, role_id, inherited, actor_kind"

func compareAssignments(a, b identity.Assignment) int {
	flag := map[bool]int{true: 1}
	return cmp.Or(cmp.Compare(a.ActorID, b.ActorID), cmp.Compare(a.TargetKind, b.TargetKind), cmp.Compare(a.TargetID, b.TargetID),
		cmp.Compare(a.RoleID, b.RoleID), cmp.Compare(flag[a.Inherited], flag[b.Inherited]), cmp.Compare(a.ActorKind, b.ActorKind))
}

func split(ids []string) [][]string {
	if len(ids) == 0 {
		return [][]string{{}}
	}
	var out [][]string
	for part := range chunks(ids) {
		out = append(out, part)
	}
	return out
}

const exactly = " WHERE actor_kind = ? AND actor_id = ? AND target_kind = ? AND target_id = ? AND role_id = ? AND inherited = ?"

func args(a identity.Assignment) []any {
	return []any{string(a.ActorKind), a.ActorID, string(a.TargetKind), a.TargetID, a.RoleID, a.Inherited}
}

// Has tells whether the assignment is there.
func (assignments) Has(ctx context.Context, tx *store.Tx, a identity.Assignment) (bool, error) {
	n, err := store.One(ctx, tx, store.Value[int64], "SELECT count(*) FROM identity_assignment"+exactly, args(a)...)
	return n > 0, err
}

// Add makes the assignment; again does nothing.
func (assignments) Add(ctx context.Context, tx *store.Tx, a identity.Assignment) error {
	_, err := tx.Exec(ctx, `INSERT INTO identity_assignment (actor_kind, actor_id, target_kind, target_id, role_id, inherited)
		VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`, args(a)...)
	return err
}

// Remove takes the assignment away and tells whether it was there.
func (assignments) Remove(ctx context.Context, tx *store.Tx, a identity.Assignment) (bool, error) {
	n, err := tx.Exec(ctx, "DELETE FROM identity_assignment"+exactly, args(a)...)
	return n > 0, err
}

// RemoveActor takes everything from a user or group.
func (assignments) RemoveActor(ctx context.Context, tx *store.Tx, kind identity.ActorKind, id string) error {
	_, err := tx.Exec(ctx, "DELETE FROM identity_assignment WHERE actor_kind = ? AND actor_id = ?", string(kind), id)
	return err
}

// RemoveTarget takes away all that was given on a project or domain.
func (assignments) RemoveTarget(ctx context.Context, tx *store.Tx, kind identity.TargetKind, id string) error {
	_, err := tx.Exec(ctx, "DELETE FROM identity_assignment WHERE target_kind = ? AND target_id = ?", string(kind), id)
	return err
}
