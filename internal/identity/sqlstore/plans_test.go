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
	queries := map[string]*store.Selection{
		"assignments":              assignmentQuery(identity.AssignmentFilter{Limit: 20}, nil, nil),
		"assignments from a place": assignmentQuery(identity.AssignmentFilter{Limit: 20, From: row}, nil, nil),
		"assignments of a user":    assignmentQuery(identity.AssignmentFilter{Limit: 20, ActorKind: identity.UserActor, From: row}, []string{"a"}, nil),
		"assignments on a project": assignmentQuery(identity.AssignmentFilter{Limit: 20, TargetKind: identity.ProjectTarget, From: row}, nil, []string{"b"}),
		"assignments of a role":    assignmentQuery(identity.AssignmentFilter{Limit: 20, RoleIDs: []string{"c"}, From: row}, nil, nil),
	}
	u, p, g := users(), projects(), groups()
	if err := db.Write(ctx, func(tx *store.Tx) error {
		if err := p.Insert(ctx, tx, &identity.Project{ID: "d", Name: "d", IsDomain: true}); err != nil {
			return err
		}
		return u.Insert(ctx, tx, &identity.User{ID: "m", Name: "m", DomainID: "d"})
	}); err != nil {
		t.Fatal(err)
	}
	page := store.Query{Marker: "m", LostMarker: true, Limit: 20}
	byName := page
	byName.Sort = []store.Sort{{Field: "name"}}
	named := store.Query{Where: []store.Cond{store.Eq("name", "m")}}
	if err := db.Read(ctx, func(tx *store.Tx) (err error) {
		for _, add := range []func() (string, *store.Selection, error){
			func() (string, *store.Selection, error) { q, err := u.Selection(ctx, tx, page); return "users", q, err },
			func() (string, *store.Selection, error) {
				q, err := u.Selection(ctx, tx, byName)
				return "users by name", q, err
			},
			func() (string, *store.Selection, error) {
				q, err := u.Selection(ctx, tx, named)
				return "users named", q, err
			},
			func() (string, *store.Selection, error) {
				q, err := p.Selection(ctx, tx, page)
				return "projects", q, err
			},
			func() (string, *store.Selection, error) {
				q, err := g.Selection(ctx, tx, page)
				return "groups", q, err
			},
		} {
			name, q, err := add()
			if err != nil {
				return err
			}
			queries[name] = q
		}
		return nil
	}); err != nil {
		t.Fatal(err)
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
				whole := name != "users named" && strings.Contains(s, "TEMP B-TREE") && !strings.Contains(s, "LAST TERM") // rows of one name may be sorted by id
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
