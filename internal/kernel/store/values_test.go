package store_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
	"kumoi/internal/kernel/store/storetest"
)

type word string

// What goes in comes out, whatever the Go type, on both databases.
func TestValuesSurvive(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		text := "some 文字 with a \x01 in it"
		err := db.Write(ctx, func(tx *store.Tx) error {
			if _, err := tx.Exec(ctx, `CREATE TABLE v (id TEXT, s TEXT, n BIGINT, b BOOLEAN, f DOUBLE PRECISION, o TEXT, e TEXT)`); err != nil {
				return err
			}
			var none *string
			for _, row := range [][]any{
				{"full", word(text), int64(-1 << 40), true, 1.5, &text, ""},
				{"empty", "", uint16(0), false, 0.0, none, ""},
			} {
				if _, err := tx.Exec(ctx, "INSERT INTO v VALUES (?, ?, ?, ?, ?, ?, ?)", row...); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		type row struct {
			s    word
			n    int64
			b    bool
			f    float64
			o    *string
			null sql.Null[string]
			e    string
		}
		scan := func(r store.Row) (v row, err error) {
			return v, r.Scan(&v.s, &v.n, &v.b, &v.f, &v.o, &v.null, &v.e)
		}
		get := func(id string) (v row, err error) {
			err = db.Read(ctx, func(tx *store.Tx) error {
				v, err = store.One(ctx, tx, scan, "SELECT s, n, b, f, o, o, e FROM v WHERE id = ?", id)
				return err
			})
			return v, err
		}
		v, err := get("full")
		if err != nil || v.s != word(text) || v.n != -1<<40 || !v.b || v.f != 1.5 || v.o == nil || *v.o != text || v.null.V != text {
			t.Errorf("full row: %+v, %v", v, err)
		}
		v, err = get("empty")
		if err != nil || v.s != "" || v.n != 0 || v.b || v.f != 0 || v.o != nil || v.null.Valid || v.e != "" {
			t.Errorf("empty row: %+v, %v", v, err)
		}
		for _, c := range []struct {
			what, query string
			args        []any
		}{
			{"NULL into a string", "SELECT o FROM v WHERE id = 'empty'", nil},
			{"too many columns", "SELECT s, o FROM v WHERE id = 'full'", nil},
			{"too few arguments", "SELECT s FROM v WHERE id = ?", nil},
			{"a value no column holds", "SELECT s FROM v WHERE id = ?", []any{struct{}{}}},
			{"no such table", "SELECT s FROM nothing", nil},
		} {
			err := db.Read(ctx, func(tx *store.Tx) error {
				_, err := store.One(ctx, tx, store.Value[string], c.query, c.args...)
				return err
			})
			if err == nil || errors.Is(err, store.ErrNoRows) {
				t.Errorf("%s: %v, want an error", c.what, err)
			}
		}
	})
}

// Far more statements than are kept, some of them again, one inside itself.
func TestManyStatements(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		for round := range 3 {
			err := db.Read(ctx, func(tx *store.Tx) error {
				for i := range 500 {
					n, err := store.One(ctx, tx, store.Value[int], fmt.Sprintf("SELECT %d + CAST(? AS INTEGER)", i), round)
					if err != nil || n != i+round {
						return fmt.Errorf("statement %d gave %d: %w", i, n, err)
					}
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		const long = "SELECT 1 WHERE 1 IN (?"
		var args []any
		for i := range 4000 {
			args = append(args, i)
		}
		if err := db.Read(ctx, func(tx *store.Tx) error {
			_, err := store.One(ctx, tx, store.Value[int], long+strings.Repeat(", ?", len(args)-1)+")", args...)
			return err
		}); err != nil {
			t.Errorf("a long statement: %v", err)
		}
	})
}

func TestInsideItself(t *testing.T) {
	db := storetest.SQLite(t)
	ctx := t.Context()
	const q = "SELECT CAST(? AS INTEGER)"
	err := db.Read(ctx, func(tx *store.Tx) error {
		n, err := store.One(ctx, tx, func(r store.Row) (n int, err error) {
			inner, err := store.One(ctx, tx, store.Value[int], q, 2)
			if err != nil || inner != 2 {
				return 0, fmt.Errorf("inner gave %d: %w", inner, err)
			}
			return n, r.Scan(&n)
		}, q, 1)
		if err == nil && n != 1 {
			err = fmt.Errorf("outer gave %d", n)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestTransactionsEnd(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		migrated(t, db)
		insert := func(ctx context.Context, id string, then func()) error {
			return db.Write(ctx, func(tx *store.Tx) error {
				_, err := tx.Exec(ctx, "INSERT INTO thing (id, n) VALUES (?, 1)", id)
				then()
				return err
			})
		}
		ctx, cancel := context.WithCancel(t.Context())
		if err := insert(ctx, "given up", cancel); err == nil {
			t.Error("a transaction whose caller gave up was committed")
		}
		func() {
			defer func() { _ = recover() }()
			_ = insert(t.Context(), "panicked", func() { panic("here") })
		}()
		if err := insert(t.Context(), "good", func() {}); err != nil {
			t.Errorf("after transactions that failed: %v", err)
		}
		err := db.Read(t.Context(), func(tx *store.Tx) error {
			ids, err := store.All(t.Context(), tx, store.Value[string], "SELECT id FROM thing")
			if err == nil && (len(ids) != 1 || ids[0] != "good") {
				err = fmt.Errorf("committed: %v", ids)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	})
}

func TestClosed(t *testing.T) {
	db := storetest.SQLite(t)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if err := db.Ping(t.Context()); !errs.Is(err, errs.Unavailable) {
		t.Errorf("a closed database said %v", err)
	}
}

// Texts that rows have in common are read once; those that only look alike are not.
func TestTextsOfManyRows(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		migrated(t, db)
		long := strings.Repeat("雲", 500)
		want := []string{"aa", "aa", "bb", "ba", "", "cc", long, long, long[3:] + "abc", "aa"}
		if err := db.Write(ctx, func(tx *store.Tx) error {
			for i, note := range want {
				if _, err := tx.Exec(ctx, "INSERT INTO thing (id, n, note) VALUES (?, ?, ?)", fmt.Sprint(i), i, note); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if err := db.Read(ctx, func(tx *store.Tx) error {
			got, err := store.All(ctx, tx, store.Value[string], "SELECT note FROM thing ORDER BY n")
			if !slices.Equal(got, want) {
				t.Errorf("got %q", got)
			}
			numbers, nerr := store.All(ctx, tx, func(r store.Row) (s string, err error) {
				return s, r.Scan(&s)
			}, "SELECT CAST(n AS TEXT) FROM thing ORDER BY n")
			if !slices.Equal(numbers, []string{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"}) {
				t.Errorf("got %q", numbers)
			}
			return errors.Join(err, nerr)
		}); err != nil {
			t.Error(err)
		}
	})
}
