package image_test

import (
	"context"
	"log/slog"
	"strings"
	"testing"

	"kumoi/internal/image"
	"kumoi/internal/image/sqlstore"
	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/policy"
	"kumoi/internal/kernel/saga"
	"kumoi/internal/kernel/store"
	"kumoi/internal/kernel/store/storetest"
)

// The usual lists must walk an index in the order of the list: then a page
// costs what a page costs, however many images there are.
func TestListsWalkAnIndex(t *testing.T) {
	t.Parallel()
	db, tables := storetest.SQLite(t), sqlstore.Tables()
	if err := db.Migrate(t.Context(), saga.Migrations(), sqlstore.Migrations()); err != nil {
		t.Fatal(err)
	}
	svc, err := image.New(image.Deps{
		DB: db, Tables: tables, Policy: policy.New(), Log: slog.New(slog.DiscardHandler), Config: image.DefaultConfig(t.TempDir()),
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, role := range []string{"admin", "member"} {
		ctx := actor.With(t.Context(), &actor.Actor{ProjectID: "p", Roles: []string{role}})
		for _, sort := range [][]store.Sort{
			{{Field: "created_at", Desc: true}}, {{Field: "name"}}, {{Field: "size", Desc: true}}, {{Field: "updated_at", Desc: true}},
		} {
			for _, marker := range []string{"", "x"} {
				q := image.Scoped(svc.Images, ctx, store.Query{Where: []store.Cond{store.Eq("os_hidden", false)}, Sort: sort, Marker: marker, Limit: 25})
				index := "INDEX image_" + strings.TrimSuffix(sort[0].Field, "_at")
				if plan := explain(t, ctx, db, tables, q); strings.Contains(plan, "TEMP B-TREE") || !strings.Contains(plan, index) {
					t.Errorf("%s by %v behind %q: %s", role, sort, marker, plan)
				}
			}
		}
	}
}

func explain(t *testing.T, ctx context.Context, db *store.DB, tables image.Tables, q store.Query) (plan string) {
	t.Helper()
	err := db.Read(ctx, func(tx *store.Tx) error {
		lines, err := tables.Images.Plan(ctx, tx, q)
		plan = strings.Join(lines, "; ")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return plan
}
