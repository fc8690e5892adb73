// Package store is the one way to the database. It runs the same SQL on SQLite
// (the embedded default) and PostgreSQL, hides their placeholders and
// translates their errors.
//
// Read and Write each run a closure in one transaction. Write is serializable
// on both databases and is run again when the database asks for it, so the
// closure must do no I/O of its own; what must happen once, after the commit,
// goes into Tx.AfterCommit.
//
// Conventions: times are BIGINT unix microseconds in UTC (Micros, Time), JSON
// is TEXT, booleans are BOOLEAN, ids are TEXT.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"kumoi/internal/kernel/errs"
)

// Dialect says which database stands behind a DB.
type Dialect string

// The supported databases.
const (
	SQLite   Dialect = "sqlite"
	Postgres Dialect = "postgres"
)

// DB is an open database.
type DB struct {
	dialect Dialect
	read    *sql.DB
	write   *sql.DB // the same as read on PostgreSQL; a single connection on SQLite
}

// Dialect tells which database this is.
func (db *DB) Dialect() Dialect { return db.dialect }

// Ping tells whether the database answers.
func (db *DB) Ping(ctx context.Context) error { return db.read.PingContext(ctx) }

// Version returns the database server's own version text.
func (db *DB) Version(ctx context.Context) (string, error) {
	q := "SELECT sqlite_version()"
	if db.dialect == Postgres {
		q = "SHOW server_version"
	}
	var v string
	err := db.read.QueryRowContext(ctx, q).Scan(&v)
	return v, err
}

// Close closes all connections.
func (db *DB) Close() error {
	err := db.read.Close()
	if db.write != db.read {
		err = errors.Join(err, db.write.Close())
	}
	return err
}

// Tx is a transaction in progress. It must not be kept beyond its closure.
type Tx struct {
	tx          *sql.Tx
	dialect     Dialect
	afterCommit []func()
}

// Dialect tells which database the transaction runs on.
func (tx *Tx) Dialect() Dialect { return tx.dialect }

// AfterCommit runs f once, after the transaction is committed; never if it is not.
func (tx *Tx) AfterCommit(f func()) { tx.afterCommit = append(tx.afterCommit, f) }

// Read runs f in a read-only transaction: f sees one state of the database throughout.
func (db *DB) Read(ctx context.Context, f func(tx *Tx) error) error {
	opts := &sql.TxOptions{ReadOnly: true}
	if db.dialect == Postgres {
		opts.Isolation = sql.LevelRepeatableRead
	}
	return db.run(ctx, db.read, opts, f)
}

// Write runs f in a serializable transaction and commits it if f returns nil.
// f may run several times; only the last run counts.
func (db *DB) Write(ctx context.Context, f func(tx *Tx) error) error {
	opts := &sql.TxOptions{}
	if db.dialect == Postgres {
		opts.Isolation = sql.LevelSerializable
	}
	return db.run(ctx, db.write, opts, f)
}

const maxAttempts = 40

func (db *DB) run(ctx context.Context, pool *sql.DB, opts *sql.TxOptions, f func(tx *Tx) error) error {
	for attempt := 1; ; attempt++ {
		tx, err := db.once(ctx, pool, opts, f)
		if err == nil {
			for _, g := range tx.afterCommit {
				g()
			}
			return nil
		}
		if !retryable(err) {
			return translate(err)
		}
		if attempt == maxAttempts {
			return errs.Wrap(errs.Unavailable, err, "The database is too busy; try again.")
		}
		wait := time.Duration(1+rand.IntN(1<<min(attempt, 7))) * time.Millisecond
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
	}
}

func (db *DB) once(ctx context.Context, pool *sql.DB, opts *sql.TxOptions, f func(tx *Tx) error) (*Tx, error) {
	stx, err := pool.BeginTx(ctx, opts)
	if err != nil {
		return nil, err
	}
	tx := &Tx{tx: stx, dialect: db.dialect}
	defer stx.Rollback() //nolint:errcheck // after Commit it reports ErrTxDone
	if err := f(tx); err != nil {
		return nil, err
	}
	if err := stx.Commit(); err != nil {
		return nil, err
	}
	return tx, nil
}

// Exec runs a statement and returns how many rows it touched.
func (tx *Tx) Exec(ctx context.Context, query string, args ...any) (int64, error) {
	res, err := tx.tx.ExecContext(ctx, tx.rebind(query), args...)
	if err != nil {
		return 0, fmt.Errorf("exec %.80q: %w", squeeze(query), err)
	}
	return res.RowsAffected()
}

// ExecOne is Exec for a statement that must touch exactly one row; none gives NotFound.
func (tx *Tx) ExecOne(ctx context.Context, query string, args ...any) error {
	n, err := tx.Exec(ctx, query, args...)
	if err == nil && n == 0 {
		return ErrNoRows
	}
	return err
}

// Row is what a scan function reads from.
type Row interface{ Scan(dest ...any) error }

// ErrNoRows says that One or ExecOne found nothing. Services turn it into a
// message that names the resource.
var ErrNoRows = errs.New(errs.NotFound, "Not found.")

// One returns the single row of a query, or ErrNoRows.
func One[T any](ctx context.Context, tx *Tx, scan func(Row) (T, error), query string, args ...any) (T, error) {
	v, err := scan(tx.tx.QueryRowContext(ctx, tx.rebind(query), args...))
	if errors.Is(err, sql.ErrNoRows) {
		return v, ErrNoRows
	}
	if err != nil {
		return v, fmt.Errorf("query %.80q: %w", squeeze(query), err)
	}
	return v, nil
}

// All returns every row of a query; an empty slice, never nil, when there is none.
func All[T any](ctx context.Context, tx *Tx, scan func(Row) (T, error), query string, args ...any) ([]T, error) {
	rows, err := tx.tx.QueryContext(ctx, tx.rebind(query), args...)
	if err != nil {
		return nil, fmt.Errorf("query %.80q: %w", squeeze(query), err)
	}
	defer rows.Close()
	out := []T{}
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, fmt.Errorf("scan %.80q: %w", squeeze(query), err)
		}
		out = append(out, v)
	}
	return out, rows.Err()
}

// Value scans a single column; use it with One and All: store.One(ctx, tx, store.Value[int64], q).
func Value[T any](r Row) (T, error) {
	var v T
	err := r.Scan(&v)
	return v, err
}

// rebind turns ? placeholders into $1, $2 … for PostgreSQL, leaving quoted text alone.
func (tx *Tx) rebind(q string) string {
	if tx.dialect != Postgres || !strings.Contains(q, "?") {
		return q
	}
	var b strings.Builder
	b.Grow(len(q) + 16)
	n, quoted := 0, false
	for i := range len(q) {
		switch c := q[i]; {
		case c == '\'':
			quoted = !quoted
			b.WriteByte(c)
		case c == '?' && !quoted:
			n++
			b.WriteByte('$')
			b.WriteString(strconv.Itoa(n))
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

func squeeze(q string) string { return strings.Join(strings.Fields(q), " ") }

// Micros is a time as it is stored; the zero time is 0.
func Micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// Time is the inverse of Micros, in UTC.
func Time(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}
