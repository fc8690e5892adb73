package schema

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"kumoi/internal/app"
	"kumoi/internal/kernel/store"
	"kumoi/internal/kernel/store/storetest"
)

const internal = "../../internal/"

// owners are the folders that have migrations, as a cloud applies them.
func owners(t *testing.T) map[string]store.Migrations {
	t.Helper()
	list, err := app.Migrations()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]store.Migrations{}
	for _, m := range list {
		dir := m.Service + "/sqlstore"
		if _, err := os.Stat(internal + dir); err != nil {
			dir = "kernel/" + m.Service
		}
		out[dir] = m
	}
	return out
}

func TestEveryOwnerIsKnown(t *testing.T) {
	t.Parallel()
	known := owners(t)
	for _, pattern := range []string{"*/migrations", "*/*/migrations", "*/*/*/migrations"} {
		dirs, err := filepath.Glob(internal + pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range dirs {
			dir := strings.TrimPrefix(filepath.Dir(d), internal)
			if _, ok := known[dir]; !ok {
				t.Errorf("internal/%s has migrations that no cloud applies", dir)
			}
			delete(known, dir)
		}
	}
	for dir := range known {
		t.Errorf("internal/%s has no migrations", dir)
	}
}

// The files say what the migrations make; UPDATE_GOLDEN=1 writes them.
func TestSchema(t *testing.T) {
	for dir, m := range owners(t) {
		t.Run(m.Service, func(t *testing.T) {
			storetest.Each(t, func(t *testing.T, db *store.DB) {
				if err := db.Migrate(t.Context(), m); err != nil {
					t.Fatal(err)
				}
				dialect, describe := "sqlite", sqlite
				if db.Dialect() == store.Postgres {
					dialect, describe = "postgres", postgres
				}
				var statements []string
				err := db.Read(t.Context(), func(tx *store.Tx) (err error) {
					statements, err = describe(t.Context(), tx)
					return err
				})
				if err != nil || len(statements) == 0 {
					t.Fatalf("%d statements: %v", len(statements), err)
				}
				got := fmt.Sprintf("-- What the migrations of %s make; UPDATE_GOLDEN=1 go test ./test/schema writes it.\n\n%s\n",
					m.Service, strings.Join(statements, "\n\n"))
				compare(t, filepath.Join(internal, dir, "schema."+dialect+".sql"), got)
			})
		})
	}
}

func compare(t *testing.T, path, got string) {
	t.Helper()
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got == string(want) {
		return
	}
	is, was := strings.Split(got, "\n"), strings.Split(string(want), "\n")
	for _, l := range is {
		if !slices.Contains(was, l) {
			t.Errorf("new: %s", l)
		}
	}
	for _, l := range was {
		if !slices.Contains(is, l) {
			t.Errorf("gone: %s", l)
		}
	}
	t.Errorf("the migrations make something else than %s; see whether it is meant so, and write it with: UPDATE_GOLDEN=1 packaging/with-postgres.sh go test ./test/schema", path)
}

// sqlite are the statements that make the tables and indexes, each table before its indexes.
func sqlite(ctx context.Context, tx *store.Tx) ([]string, error) {
	return store.All(ctx, tx, store.Value[string], `SELECT sql || ';' FROM sqlite_master
		WHERE sql IS NOT NULL AND tbl_name <> 'schema_migration' AND name NOT LIKE 'sqlite_%' ORDER BY tbl_name, type DESC, name`)
}

// postgres words the catalogue as statements in the same order.
func postgres(ctx context.Context, tx *store.Tx) ([]string, error) {
	tables, err := store.All(ctx, tx, store.Value[string], `SELECT relname::text FROM pg_class
		WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND relname <> 'schema_migration' ORDER BY relname`)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, table := range tables {
		lines, err := store.All(ctx, tx, store.Value[string], `
			SELECT '    ' || attname || ' ' || format_type(atttypid, atttypmod) ||
				CASE WHEN attnotnull THEN ' NOT NULL' ELSE '' END ||
				CASE WHEN attidentity <> '' THEN ' GENERATED AS IDENTITY' ELSE '' END ||
				CASE WHEN attcollation <> 0 AND c.collname <> 'default' THEN ' COLLATE ' || c.collname ELSE '' END ||
				coalesce(CASE WHEN attgenerated <> '' THEN ' GENERATED ALWAYS AS ' ELSE ' DEFAULT ' END || pg_get_expr(adbin, adrelid), '')
			FROM pg_attribute a LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum LEFT JOIN pg_collation c ON c.oid = attcollation
			WHERE attrelid = ?::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum`, table)
		if err != nil {
			return nil, err
		}
		constraints, err := store.All(ctx, tx, store.Value[string], `
			SELECT '    ' || pg_get_constraintdef(oid) FROM pg_constraint
			WHERE conrelid = ?::regclass AND contype <> 'n' ORDER BY contype DESC, pg_get_constraintdef(oid)`, table)
		if err != nil {
			return nil, err
		}
		out = append(out, "CREATE TABLE "+table+" (\n"+strings.Join(append(lines, constraints...), ",\n")+"\n);")
		indexes, err := store.All(ctx, tx, store.Value[string], `
			SELECT replace(pg_get_indexdef(i.indexrelid), ' public.', ' ') || ';' FROM pg_index i JOIN pg_class ON pg_class.oid = i.indexrelid
			WHERE i.indrelid = ?::regclass AND NOT EXISTS (SELECT 1 FROM pg_constraint WHERE conindid = i.indexrelid AND conrelid = i.indrelid) ORDER BY relname`, table)
		if err != nil {
			return nil, err
		}
		out = append(out, indexes...)
	}
	return out, nil
}
