package store_test

import (
	"context"
	"fmt"
	"testing"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

// spared are fruits of which only what has changed is written.
var spared = store.NewTable("test_fruit", func(f *fruit, c *store.Columns) {
	c.Key("id", &f.ID)
	c.Text("project_id", &f.Project)
	c.Text("name", &f.Name)
	c.NullText("note", &f.Note)
	c.Int("weight", &f.Weight)
	c.Bool("ripe", &f.Ripe)
	c.Float("price", &f.Price)
	c.JSON("tags", &f.Tags)
	c.Derived("letters", store.KindInt, len(f.Name))
	c.Time("at", &f.At)
	c.Int64("generation", &f.Generation)
}).Sparing()

// TestSparingWritesWhatHasChanged changes a row behind the table's back, which
// shows what an update has written of it.
func TestSparingWritesWhatHasChanged(t *testing.T) {
	inTables(t, func(t *testing.T, ctx context.Context, tx *store.Tx) {
		behind := func(weight int) {
			t.Helper()
			_, err := tx.Exec(ctx, "UPDATE test_fruit SET weight = ?", weight)
			must(t, err)
		}
		is := func(what, want string) {
			t.Helper()
			f, err := fruits.Get(ctx, tx, "a")
			must(t, err)
			n, err := fruits.Count(ctx, tx, store.Eq("letters", len(f.Name)))
			must(t, err)
			if got := fmt.Sprint(f.Name, f.Note != nil, f.Weight, f.Tags, n); got != want {
				t.Errorf("%s: %s, want %s", what, got, want)
			}
		}
		must(t, spared.Insert(ctx, tx, &fruit{ID: "a", Name: "plum", Tags: []string{"x"}}))
		f := &fruit{ID: "a", Name: "fig", Tags: []string{"x"}}
		behind(1)
		must(t, spared.Update(ctx, tx, f))
		is("a row that was not read is written whole", "figfalse 0 [x] 1")

		f, err := spared.Get(ctx, tx, "a")
		must(t, err)
		behind(2)
		must(t, spared.Update(ctx, tx, f))
		is("nothing has changed", "figfalse 2 [x] 1")
		note := "sweet"
		f.Name, f.Note, f.Tags[0] = "peach", &note, "y"
		must(t, spared.Update(ctx, tx, f))
		is("a name, a list and what follows from them", "peachtrue 2 [y] 1")
		f.Note = nil
		must(t, spared.Update(ctx, tx, f))
		is("once more", "peachfalse 2 [y] 1")

		all, err := spared.All(ctx, tx, store.Eq("name", "peach"))
		must(t, err)
		behind(3)
		all[0].Name = "date"
		must(t, spared.Update(ctx, tx, all[0]))
		is("a row of a list", "datefalse 3 [y] 1")
		_, err = spared.Patch(ctx, tx, store.Changes{"weight": 4}, store.Eq("id", "a"))
		must(t, err)
		must(t, spared.Update(ctx, tx, all[0]))
		is("after a patch the row is written whole", "datefalse 2 [y] 1")

		f, err = spared.Get(ctx, tx, "a")
		must(t, err)
		must(t, spared.Delete(ctx, tx, "a"))
		f.Name = "kiwi"
		if err := spared.Update(ctx, tx, f); !errs.Is(err, errs.NotFound) {
			t.Errorf("an update of what is gone: %v", err)
		}
	})
}
