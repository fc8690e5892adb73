package store

import (
	"context"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"
)

// Migrations is one service's schema history: files NNNN_title.sql in a folder
// "migrations" of FS, applied in order, forward only. Where the databases need
// different words, NNNN_title.postgres.sql replaces NNNN_title.sql there.
type Migrations struct {
	Service string
	FS      fs.FS
}

// Migrate brings every service's schema up to date, each file in one transaction.
func (db *DB) Migrate(ctx context.Context, sources ...Migrations) error {
	err := db.Write(ctx, func(tx *Tx) error {
		_, err := tx.Exec(ctx, `CREATE TABLE IF NOT EXISTS schema_migration (
			service TEXT NOT NULL, name TEXT NOT NULL, applied_at BIGINT NOT NULL, PRIMARY KEY (service, name))`)
		return err
	})
	if err != nil {
		return err
	}
	for _, src := range sources {
		if err := db.migrateOne(ctx, src); err != nil {
			return fmt.Errorf("migrate %s: %w", src.Service, err)
		}
	}
	return nil
}

func (db *DB) migrateOne(ctx context.Context, src Migrations) error {
	entries, err := fs.ReadDir(src.FS, "migrations")
	if err != nil {
		return err
	}
	files := map[string]string{} // title → file for this dialect
	for _, e := range entries {
		title, ok := strings.CutSuffix(e.Name(), ".sql")
		if !ok {
			continue
		}
		if base, special := strings.CutSuffix(title, ".postgres"); special {
			if db.dialect == Postgres {
				files[base] = e.Name()
			}
		} else if _, taken := files[title]; !taken {
			files[title] = e.Name()
		}
	}
	titles := make([]string, 0, len(files))
	for t := range files {
		titles = append(titles, t)
	}
	slices.Sort(titles)
	return db.Write(ctx, func(tx *Tx) error {
		done, err := All(ctx, tx, Value[string], "SELECT name FROM schema_migration WHERE service = ?", src.Service)
		if err != nil {
			return err
		}
		for _, title := range titles {
			if slices.Contains(done, title) {
				continue
			}
			text, err := fs.ReadFile(src.FS, "migrations/"+files[title])
			if err != nil {
				return err
			}
			for _, stmt := range splitStatements(string(text)) {
				if _, err := tx.Exec(ctx, stmt); err != nil {
					return fmt.Errorf("%s: %w", title, err)
				}
			}
			if _, err := tx.Exec(ctx, "INSERT INTO schema_migration (service, name, applied_at) VALUES (?, ?, ?)",
				src.Service, title, Micros(time.Now())); err != nil {
				return err
			}
		}
		return nil
	})
}

// splitStatements cuts a migration at semicolons that end a line; comments (--) go.
func splitStatements(text string) []string {
	var out []string
	var b strings.Builder
	for line := range strings.Lines(text) {
		trimmed := strings.TrimSpace(line)
		if trimmed == "" || strings.HasPrefix(trimmed, "--") {
			continue
		}
		b.WriteString(line)
		if strings.HasSuffix(trimmed, ";") {
			out = append(out, strings.TrimSuffix(strings.TrimSpace(b.String()), ";"))
			b.Reset()
		}
	}
	if rest := strings.TrimSpace(b.String()); rest != "" {
		out = append(out, rest)
	}
	return out
}
