// Package storetest gives tests a fresh database of each supported kind.
package storetest

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kumoi/internal/kernel/ids"
	"kumoi/internal/kernel/store"
)

// Each runs f as a subtest on SQLite and on PostgreSQL. PostgreSQL is that of
// KUMOI_TEST_POSTGRES (a postgres:// URL whose user may create databases);
// "make test" installs and starts one. Without it that half is skipped, unless
// CI is set, where a missing database is a failure.
func Each(t *testing.T, f func(t *testing.T, db *store.DB)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { f(t, SQLite(t)) })
	t.Run("postgres", func(t *testing.T) { f(t, Postgres(t)) })
}

// SQLite returns an empty database in a temporary folder.
func SQLite(t testing.TB) *store.DB {
	t.Helper()
	return open(t, "sqlite:"+filepath.Join(t.TempDir(), "kumoi.db"))
}

// Postgres returns an empty database of its own on the test server.
func Postgres(t testing.TB) *store.DB {
	t.Helper()
	return open(t, PostgresDSN(t))
}

// PostgresDSN makes an empty database on the test server, dropped with the test.
func PostgresDSN(t testing.TB) string {
	t.Helper()
	server := os.Getenv("KUMOI_TEST_POSTGRES")
	if server == "" {
		if os.Getenv("CI") != "" {
			t.Fatal("KUMOI_TEST_POSTGRES is not set; run the tests with make test, which starts a server")
		}
		t.Skip("KUMOI_TEST_POSTGRES is not set")
	}
	admin, err := sql.Open("pgx", server)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { admin.Close() })
	name := "kumoi_" + strings.ReplaceAll(ids.NewHex()[:12], "-", "")
	if _, err := admin.Exec("CREATE DATABASE " + name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := admin.Exec(fmt.Sprintf("DROP DATABASE IF EXISTS %s WITH (FORCE)", name)); err != nil {
			t.Log(err)
		}
	})
	base, query, _ := strings.Cut(server, "?")
	base = base[:strings.LastIndex(base, "/")+1] + name
	if query != "" {
		base += "?" + query
	}
	return base
}

func open(t testing.TB, dsn string) *store.DB {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	db, err := store.Open(ctx, dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}
