package sqlstore

import (
	"strings"
	"testing"

	"kumoi/internal/identity"
	"kumoi/internal/kernel/store"
	"kumoi/internal/kernel/store/storetest"
)

// A page is read from an index in its order: nothing is sorted, and no table is
// read from its beginning to its end.
func TestPagesAreReadInOrder(t *testing.T) {
	db := storetest.SQLite(t)
	ctx := t.Context()
	if err := db.Migrate(ctx, Migrations()); err != nil {
		t.Fatal(err)
	}
	row := &identity.Assignment{ActorKind: identity.UserActor, ActorID: "a", TargetKind: identity.ProjectTarget, TargetID: "b", RoleID: "c"}
	plain := func(name string, order func(*store.Selection, identity.Query), sel string, key string) (string, *store.Selection) {
		q := store.Select(sel)
		order(q, identity.Query{Marker: "m", SortKey: key})
		return name, q.Limit(20)
	}
	queries := map[string]*store.Selection{
		"assignments":              assignmentQuery(identity.AssignmentFilter{Limit: 20}, nil, nil),
		"assignments from a place": assignmentQuery(identity.AssignmentFilter{Limit: 20, From: row}, nil, nil),
		"assignments of a user":    assignmentQuery(identity.AssignmentFilter{Limit: 20, ActorKind: identity.UserActor, From: row}, []string{"a"}, nil),
		"assignments on a project": assignmentQuery(identity.AssignmentFilter{Limit: 20, TargetKind: identity.ProjectTarget, From: row}, nil, []string{"b"}),
		"assignments of a role":    assignmentQuery(identity.AssignmentFilter{Limit: 20, RoleIDs: []string{"c"}, From: row}, nil, nil),
	}
	u, p, g := newUsers(), newProjects(), newGroups()
	for _, add := range []func() (string, *store.Selection){
		func() (string, *store.Selection) { return plain("users", u.order, u.sel(), "") },
		func() (string, *store.Selection) { return plain("users by name", u.order, u.sel(), "name") },
		func() (string, *store.Selection) { return plain("projects", p.order, p.sel(), "") },
		func() (string, *store.Selection) { return plain("groups", g.order, g.sel(), "") },
	} {
		name, q := add()
		queries[name] = q
	}
	for name, q := range queries {
		text, args := q.SQL()
		err := db.Read(ctx, func(tx *store.Tx) error {
			steps, err := store.All(ctx, tx, func(r store.Row) (step string, err error) {
				var id, parent, unused int
				return step, r.Scan(&id, &parent, &unused, &step)
			}, "EXPLAIN QUERY PLAN "+text, args...)
			plan := strings.Join(steps, "; ")
			for _, s := range steps {
				whole := strings.Contains(s, "TEMP B-TREE") && !strings.Contains(s, "LAST TERM") // rows of one name may be sorted by id
				if whole || strings.HasPrefix(s, "SCAN") && !strings.Contains(s, "INDEX") {
					t.Errorf("%s: %s\n%s", name, plan, text)
				}
			}
			return err
		})
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
