package store_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
	"kumoi/internal/kernel/store/storetest"
)

var schema = store.Migrations{Service: "test", FS: fstest.MapFS{
	"migrations/0001_first.sql": {Data: []byte(`
-- a comment
CREATE TABLE thing (
	id TEXT PRIMARY KEY,
	n BIGINT NOT NULL,
	done BOOLEAN NOT NULL DEFAULT FALSE
);
CREATE INDEX thing_n ON thing (n);`)},
	"migrations/0002_second.sql": {Data: []byte(`ALTER TABLE thing ADD COLUMN note TEXT NOT NULL DEFAULT 'why?';`)},
}}

func migrated(t *testing.T, db *store.DB) {
	t.Helper()
	for range 2 { // twice: the second run must find nothing to do
		if err := db.Migrate(t.Context(), schema); err != nil {
			t.Fatal(err)
		}
	}
}

func TestWriteReadAndErrors(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		migrated(t, db)
		committed := 0
		insert := func(id string) error {
			return db.Write(ctx, func(tx *store.Tx) error {
				tx.AfterCommit(func() { committed++ })
				_, err := tx.Exec(ctx, "INSERT INTO thing (id, n, done) VALUES (?, ?, ?)", id, 7, true)
				return err
			})
		}
		if err := insert("a"); err != nil {
			t.Fatal(err)
		}
		if err := insert("a"); !errs.Is(err, errs.Exists) {
			t.Errorf("duplicate: %v", err)
		}
		if committed != 1 {
			t.Errorf("AfterCommit ran %d times, want 1", committed)
		}
		boom := errors.New("boom")
		err := db.Write(ctx, func(tx *store.Tx) error {
			if err := tx.ExecOne(ctx, "UPDATE thing SET n = ? WHERE id = ?", 8, "a"); err != nil {
				return err
			}
			return boom
		})
		if !errors.Is(err, boom) {
			t.Errorf("rolled back write: %v", err)
		}
		err = db.Read(ctx, func(tx *store.Tx) error {
			n, err := store.One(ctx, tx, store.Value[int64], "SELECT n FROM thing WHERE id = ? AND note = 'why?'", "a")
			if err != nil || n != 7 {
				t.Errorf("n = %d, %v; want 7", n, err)
			}
			q := store.Select("SELECT id FROM thing").Where("done = ?", true)
			ids, err := store.Find(ctx, tx, store.Value[string], store.Among(q, "id", []string{"a", "b"}).OrderBy("id").Limit(5).Offset(0))
			if err != nil || len(ids) != 1 {
				t.Errorf("ids = %v, %v", ids, err)
			}
			_, err = store.One(ctx, tx, store.Value[int64], "SELECT n FROM thing WHERE id = ?", "none")
			return err
		})
		if !errors.Is(err, store.ErrNoRows) {
			t.Errorf("missing row: %v", err)
		}
		if err := db.Write(ctx, func(tx *store.Tx) error {
			return tx.ExecOne(ctx, "DELETE FROM thing WHERE id = 'none'")
		}); !errs.Is(err, errs.NotFound) {
			t.Errorf("ExecOne on nothing: %v", err)
		}
		err = db.Read(ctx, func(tx *store.Tx) error {
			_, err := tx.Exec(ctx, "DELETE FROM thing")
			return err
		})
		if err == nil {
			t.Error("a read transaction wrote")
		}
	})
}

// Read-modify-write by many at once must lose nothing on either database.
func TestWritesAreSerializable(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		migrated(t, db)
		if err := db.Write(ctx, func(tx *store.Tx) error {
			_, err := tx.Exec(ctx, "INSERT INTO thing (id, n) VALUES ('c', 0)")
			return err
		}); err != nil {
			t.Fatal(err)
		}
		const workers, rounds = 8, 10
		var wg sync.WaitGroup
		for range workers {
			wg.Go(func() {
				for range rounds {
					err := db.Write(ctx, func(tx *store.Tx) error {
						n, err := store.One(ctx, tx, store.Value[int64], "SELECT n FROM thing WHERE id = 'c'")
						if err != nil {
							return err
						}
						return tx.ExecOne(ctx, "UPDATE thing SET n = ? WHERE id = 'c'", n+1)
					})
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		_ = db.Read(ctx, func(tx *store.Tx) error {
			n, err := store.One(ctx, tx, store.Value[int64], "SELECT n FROM thing WHERE id = 'c'")
			if err != nil || n != workers*rounds {
				t.Errorf("n = %d, %v; want %d", n, err, workers*rounds)
			}
			return nil
		})
	})
}

func TestTimes(t *testing.T) {
	now := time.Now().UTC().Truncate(time.Microsecond)
	if got := store.Time(store.Micros(now)); !got.Equal(now) {
		t.Errorf("%v became %v", now, got)
	}
	if !store.Time(store.Micros(time.Time{})).IsZero() {
		t.Error("the zero time does not survive")
	}
}

func TestOpenRefusesUnknown(t *testing.T) {
	if _, err := store.Open(context.Background(), "mysql://x"); !errs.Is(err, errs.Invalid) {
		t.Errorf("got %v", err)
	}
}
