// Package store is the one way to the database. It runs the same SQL on SQLite
// (the embedded default) and PostgreSQL, hides their placeholders and
// translates their errors.
//
// Read and Write each run a closure in one transaction. Write is serializable
// on both databases and is run again when the database asks for it, so the
// closure must do no I/O of its own; what must happen once, after the commit,
// goes into Tx.AfterCommit.
//
// Most rows go through a Table, which a service's sqlstore package declares: it
// names the columns and where each is kept in a Go value. Root packages hold the
// tables and ask them with a Query of conditions, orders and a page; they write
// no SQL. What a Table cannot say is a method of the sqlstore package, by hand,
// with Select, One and All; so is a hot path that was measured to need it.
//
// Conventions: times are BIGINT unix microseconds in UTC (Micros, Time), JSON
// is TEXT, booleans are BOOLEAN, ids are TEXT.
package store

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
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
	read    sessions
	write   sessions

	observers atomic.Pointer[map[string]Observer]
}

// sessions begins transactions; read and write have one each.
type sessions interface {
	begin(ctx context.Context) (session, error)
	close() error
}

// session is a transaction in one of the databases.
type session interface {
	exec(ctx context.Context, query string, args []any) (int64, error)
	query(ctx context.Context, query string, args []any) (rows, error)
	commit() error
	rollback() // does nothing after commit
}

// rows are what a query found; *sql.Rows is one.
type rows interface {
	Row
	Next() bool
	Err() error
	Close() error
}

// Dialect tells which database this is.
func (db *DB) Dialect() Dialect { return db.dialect }

// Ping tells whether the database answers.
func (db *DB) Ping(ctx context.Context) error {
	_, err := db.Version(ctx)
	return err
}

// Version returns the database server's own version text.
func (db *DB) Version(ctx context.Context) (v string, err error) {
	q := "SELECT sqlite_version()"
	if db.dialect == Postgres {
		q = "SHOW server_version"
	}
	err = db.Read(ctx, func(tx *Tx) error {
		v, err = One(ctx, tx, Value[string], q)
		return err
	})
	return v, err
}

// Close closes all connections.
func (db *DB) Close() error { return errors.Join(db.read.close(), db.write.close()) }

// Tx is a transaction in progress. It must not be kept beyond its closure, nor
// be used by two goroutines at once.
type Tx struct {
	in          session
	dialect     Dialect
	writing     bool // it may change rows
	wrote       bool
	known       map[rowKey][]any // rows of sparing tables, as they are stored
	afterCommit []func()
	observers   map[string]Observer
	endings     []ending
}

type ending struct {
	key any
	of  Ending
}

// Ending is work at the end of a transaction.
type Ending interface {
	// End runs inside the transaction, before its commit.
	End(ctx context.Context, tx *Tx) error
}

// Ending returns the transaction's work under the key, which fresh makes at first.
func (tx *Tx) Ending(key any, fresh func() Ending) Ending {
	for _, e := range tx.endings {
		if e.key == key {
			return e.of
		}
	}
	e := ending{key, fresh()}
	tx.endings = append(tx.endings, e)
	return e.of
}

// Dialect tells which database the transaction runs on.
func (tx *Tx) Dialect() Dialect { return tx.dialect }

// AfterCommit runs f once, after the transaction is committed; never if it is not.
func (tx *Tx) AfterCommit(f func()) { tx.afterCommit = append(tx.afterCommit, f) }

type beforeCommitKey struct{}

// BeforeCommit returns a context under which f ends every write transaction
// that has changed a row, inside it: what f writes is committed with the change
// or not at all. The audit trail uses it.
func BeforeCommit(ctx context.Context, f func(ctx context.Context, tx *Tx) error) context.Context {
	return context.WithValue(ctx, beforeCommitKey{}, f)
}

// Read runs f in a read-only transaction: f sees one state of the database throughout.
func (db *DB) Read(ctx context.Context, f func(tx *Tx) error) error {
	return db.run(ctx, db.read, f)
}

// Write runs f in a serializable transaction and commits it if f returns nil.
// f may run several times; only the last run counts.
func (db *DB) Write(ctx context.Context, f func(tx *Tx) error) error {
	return db.run(ctx, db.write, f)
}

const maxAttempts = 40

func (db *DB) run(ctx context.Context, from sessions, f func(tx *Tx) error) error {
	for attempt := 1; ; attempt++ {
		tx, err := db.once(ctx, from, f)
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

func (db *DB) once(ctx context.Context, from sessions, f func(tx *Tx) error) (*Tx, error) {
	in, err := from.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer in.rollback()
	in = interruptible(ctx, in)
	tx := &Tx{in: in, dialect: db.dialect, writing: from == db.write}
	if o := db.observers.Load(); o != nil {
		tx.observers = *o
	}
	if err := f(tx); err != nil {
		return nil, err
	}
	for _, e := range tx.endings {
		if err := e.of.End(ctx, tx); err != nil {
			return nil, err
		}
	}
	if last, ok := ctx.Value(beforeCommitKey{}).(func(context.Context, *Tx) error); ok && tx.wrote {
		if err := last(ctx, tx); err != nil {
			return nil, err
		}
	}
	if err := in.commit(); err != nil {
		return nil, err
	}
	return tx, nil
}

// Exec runs a statement and returns how many rows it touched.
func (tx *Tx) Exec(ctx context.Context, query string, args ...any) (int64, error) {
	n, err := tx.in.exec(ctx, query, args)
	if err != nil {
		return 0, fmt.Errorf("exec %.80q: %w", squeeze(query), err)
	}
	tx.wrote = tx.wrote || n > 0
	return n, nil
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
	var none T
	rows, err := tx.in.query(ctx, query, args)
	if err != nil {
		return none, fmt.Errorf("query %.80q: %w", squeeze(query), err)
	}
	defer rows.Close()
	if !rows.Next() {
		if err := rows.Err(); err != nil {
			return none, fmt.Errorf("query %.80q: %w", squeeze(query), err)
		}
		return none, ErrNoRows
	}
	v, err := scan(rows)
	if err != nil {
		return v, fmt.Errorf("scan %.80q: %w", squeeze(query), err)
	}
	return v, nil
}

// All returns every row of a query; an empty slice, never nil, when there is none.
func All[T any](ctx context.Context, tx *Tx, scan func(Row) (T, error), query string, args ...any) ([]T, error) {
	rows, err := tx.in.query(ctx, query, args)
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
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("query %.80q: %w", squeeze(query), err)
	}
	return out, nil
}

// Value scans a single column; use it with One and All: store.One(ctx, tx, store.Value[int64], q).
func Value[T any](r Row) (T, error) {
	var v T
	err := r.Scan(&v)
	return v, err
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
