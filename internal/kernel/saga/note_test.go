package saga

import (
	"context"
	"testing"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
	"kumoi/internal/kernel/store/storetest"
)

// TestNotesGoWithTheOutcome has steps note how they went, well and badly: each is
// written as often as its outcome, also where a process died before it could be;
// what cannot be written stops nothing.
func TestNotesGoWithTheOutcome(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		migrate(t, db)
		if err := db.Write(t.Context(), func(tx *store.Tx) error {
			_, err := tx.Exec(t.Context(), "CREATE TABLE noted (word TEXT NOT NULL)")
			return err
		}); err != nil {
			t.Fatal(err)
		}
		noting := func(ctx context.Context, word string) {
			Note(ctx, func(ctx context.Context, tx *store.Tx) error {
				_, err := tx.Exec(ctx, "INSERT INTO noted (word) VALUES (?)", word)
				return err
			})
		}
		busy := errs.New(errs.Unavailable, "not yet")
		def := (&world{}).definition([]Step[vars]{
			{Name: "a", Do: func(ctx context.Context, _ *vars) error { noting(ctx, "a"); return nil }},
			{Name: "b", Do: func(ctx context.Context, v *vars) error {
				noting(ctx, "b")
				if v.Notes = append(v.Notes, ""); len(v.Notes) == 1 {
					return busy
				}
				return nil
			}},
			{Name: "c", Do: func(ctx context.Context, _ *vars) error {
				Note(ctx, func(context.Context, *store.Tx) error { return errs.New(errs.Invalid, "no") })
				return nil
			}},
		})
		died := false
		first := open(t, db, Config{Owner: "one", Crash: func(p Point) bool {
			die := p.Step == "a" && p.Event == evDone && !p.Written && !died
			died = died || die
			return die
		}}, def)
		id := start(t, first, "r")
		<-first.ctx.Done()
		first.Close()
		if s := wait(t, open(t, db, Config{Owner: "one"}, def), id); s.State != Done {
			t.Fatalf("%+v", s)
		}
		var got string
		if err := db.Read(t.Context(), func(tx *store.Tx) error {
			words, err := store.All(t.Context(), tx, store.Value[string], "SELECT word FROM noted ORDER BY word")
			for _, w := range words {
				got += w
			}
			return err
		}); err != nil || got != "abb" {
			t.Errorf("noted %q, %v", got, err)
		}
	})
}
