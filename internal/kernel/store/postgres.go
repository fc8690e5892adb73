package store

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"strings"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the "pgx" driver, which keeps prepared statements itself
)

func openPostgres(ctx context.Context, dsn string) (*DB, error) {
	pool, err := sql.Open("pgx", dsn)
	if err != nil {
		return nil, err
	}
	pool.SetMaxOpenConns(32)
	pool.SetMaxIdleConns(16)
	pool.SetConnMaxIdleTime(5 * time.Minute)
	if err := pool.PingContext(ctx); err != nil {
		pool.Close()
		return nil, fmt.Errorf("open database: %w", err)
	}
	read := &pgPool{pool, sql.TxOptions{ReadOnly: true, Isolation: sql.LevelRepeatableRead}}
	write := &pgPool{pool, sql.TxOptions{Isolation: sql.LevelSerializable}}
	return &DB{dialect: Postgres, read: read, write: write}, nil
}

// pgPool begins transactions of one kind on PostgreSQL.
type pgPool struct {
	db   *sql.DB
	opts sql.TxOptions
}

func (p *pgPool) begin(ctx context.Context) (session, error) {
	tx, err := p.db.BeginTx(ctx, &p.opts)
	if err != nil {
		return nil, err
	}
	return pgTx{tx}, nil
}

func (p *pgPool) close() error { return p.db.Close() }

// pgTx is a transaction on PostgreSQL.
type pgTx struct{ tx *sql.Tx }

func (t pgTx) exec(ctx context.Context, query string, args []any) (int64, error) {
	res, err := t.tx.ExecContext(ctx, numbered(query), args...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

func (t pgTx) query(ctx context.Context, query string, args []any) (rows, error) {
	return t.tx.QueryContext(ctx, numbered(query), args...) //nolint:rowserrcheck,sqlclosecheck // the caller's
}

func (t pgTx) commit() error { return t.tx.Commit() }

func (t pgTx) rollback() { _ = t.tx.Rollback() } // after a commit it reports ErrTxDone

// numbered turns ? placeholders into $1, $2 …, leaving quoted text alone.
func numbered(q string) string {
	if !strings.Contains(q, "?") {
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
