package sqlstore

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"kumoi/internal/image"
	"kumoi/internal/kernel/store"
	"kumoi/internal/kernel/store/storetest"
)

// The usual lists must walk an index in the order of the list: then a page
// costs what a page costs, however many images there are.
func TestListsWalkAnIndex(t *testing.T) {
	db := storetest.SQLite(t)
	ctx := context.Background()
	if err := db.Migrate(ctx, Migrations()); err != nil {
		t.Fatal(err)
	}
	hidden := image.Filter{Field: "os_hidden", Op: "eq", Values: []any{false}}
	for _, everything := range []bool{true, false} {
		for _, sort := range [][]image.SortKey{
			{{Field: "created_at", Desc: true}}, {{Field: "name"}}, {{Field: "size", Desc: true}}, {{Field: "updated_at", Desc: true}},
		} {
			for _, marker := range []*image.Image{nil, {ID: "x"}} {
				q := image.Query{Everything: everything, Project: "p", MemberStatus: "accepted", Filters: []image.Filter{hidden}, Sort: sort, Marker: marker, Limit: 25}
				sel := store.Select("EXPLAIN QUERY PLAN SELECT "+imageColumns+imageFrom, q.Project).Limit(q.Limit)
				scope(sel, q, store.SQLite)
				if err := filter(sel, hidden); err != nil {
					t.Fatal(err)
				}
				if err := order(sel, q); err != nil {
					t.Fatal(err)
				}
				err := db.Read(ctx, func(tx *store.Tx) error {
					plan, err := store.Find(ctx, tx, func(r store.Row) (string, error) {
						var a, b, c int
						var text string
						err := r.Scan(&a, &b, &c, &text)
						return text, err
					}, sel)
					if all := strings.Join(plan, "; "); strings.Contains(all, "TEMP B-TREE") || !strings.Contains(all, "INDEX image_"+strings.TrimSuffix(sort[0].Field, "_at")) {
						t.Errorf("%v %v marker %v: %s", everything, sort, marker != nil, all)
					}
					return err
				})
				if err != nil {
					t.Fatal(fmt.Errorf("%v: %w", sort, err))
				}
			}
		}
	}
}
