package store

import (
	"context"
	"errors"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"zombiezen.com/go/sqlite"

	"kumoi/internal/kernel/errs"
)

// Open opens the database that dsn names: "sqlite:/path/to/file.db", or a
// PostgreSQL URL ("postgres://user:password@host/name").
func Open(ctx context.Context, dsn string) (*DB, error) {
	switch {
	case strings.HasPrefix(dsn, "sqlite:"):
		return openSQLite(ctx, strings.TrimPrefix(dsn, "sqlite:"))
	case strings.HasPrefix(dsn, "postgres://"), strings.HasPrefix(dsn, "postgresql://"):
		return openPostgres(ctx, dsn)
	}
	return nil, errs.New(errs.Invalid, "database %q: want sqlite:/path/to/file or postgres://user@host/name", dsn)
}

// errClosed is what a transaction gets that begins after Close.
var errClosed = errs.New(errs.Unavailable, "The database is closed.")

// ErrAgain marks a race that a closure noticed itself, such as an address that
// another transaction took first: Write runs the closure again.
var ErrAgain = errors.New("another transaction was first")

// retryable tells whether the database asks for the transaction to be run again.
func retryable(err error) bool {
	if errors.Is(err, ErrAgain) {
		return true
	}
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Code == "40001" || pg.Code == "40P01" || pg.Code == "55P03"
	}
	switch sqlite.ErrCode(err).ToPrimary() {
	case sqlite.ResultBusy, sqlite.ResultLocked:
		return true
	}
	return false
}

// translate gives the databases' constraint errors a kind; typed errors pass through.
func translate(err error) error {
	var typed *errs.Error
	if errors.As(err, &typed) {
		return err
	}
	if Duplicate(err) {
		return errs.Wrap(errs.Exists, err, "It exists already.")
	}
	var pg *pgconn.PgError
	if errors.As(err, &pg) && (strings.HasPrefix(pg.Code, "08") || strings.HasPrefix(pg.Code, "57P")) {
		return errs.Wrap(errs.Unavailable, err, "The database is away; try again.")
	}
	return err
}

// Duplicate tells whether err is a violated unique constraint. On PostgreSQL
// the transaction is dead afterwards: return from the closure.
func Duplicate(err error) bool {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Code == "23505"
	}
	switch sqlite.ErrCode(err) {
	case sqlite.ResultConstraintUnique, sqlite.ResultConstraintPrimaryKey:
		return true
	}
	return false
}
