package store

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"sync"
	"time"

	"zombiezen.com/go/sqlite"
)

// SQLite is used without database/sql between: its connections run in this
// process, so what database/sql adds for a far server (a goroutine to watch
// every query, boxed values, statements parsed anew each time) costs more than
// most queries do.

// openSQLite opens a file with one writing connection and some reading ones.
func openSQLite(ctx context.Context, path string) (*DB, error) {
	// The file is made first, for its owner only; SQLite gives its companions the same mode.
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	f.Close()
	// One writer whose transactions take the lock at once: no upgrade can fail half-way.
	write := newPool(1, "BEGIN IMMEDIATE", func() (*lite, error) { return openLite(path) })
	read := newPool(max(4, 2*runtime.NumCPU()), "BEGIN", func() (*lite, error) { return openLite(path, "query_only = 1") })
	s, err := write.begin(ctx)
	if err != nil {
		return nil, fmt.Errorf("open database %s: %w", path, err)
	}
	s.rollback()
	return &DB{dialect: SQLite, read: read, write: write}, nil
}

// pool hands connections out, the last returned first, so that few stay warm.
type pool struct {
	open  func() (*lite, error)
	start string        // the statement that begins a transaction
	slots chan struct{} // one for each connection there may be
	mu    sync.Mutex
	idle  []*lite
	ended bool
}

func newPool(size int, start string, open func() (*lite, error)) *pool {
	return &pool{open: open, start: start, slots: make(chan struct{}, size)}
}

func (p *pool) begin(ctx context.Context) (session, error) {
	select {
	case p.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	c, err := p.take()
	if err == nil {
		if _, err = c.exec(ctx, p.start, nil); err == nil {
			return &liteTx{ctx: ctx, lite: c, pool: p}, nil
		}
		p.give(c)
	}
	<-p.slots
	return nil, err
}

func (p *pool) take() (*lite, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		return nil, errClosed
	}
	if n := len(p.idle); n > 0 {
		c := p.idle[n-1]
		p.idle = p.idle[:n-1]
		return c, nil
	}
	return p.open()
}

func (p *pool) give(c *lite) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		c.conn.Close()
		return
	}
	p.idle = append(p.idle, c)
}

// close closes the idle connections now and the others when they come back.
func (p *pool) close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended = true
	var err error
	for _, c := range p.idle {
		if e := c.conn.Close(); err == nil {
			err = e
		}
	}
	p.idle = nil
	return err
}

// lite is one connection to SQLite; one goroutine uses it at a time.
type lite struct {
	conn  *sqlite.Conn
	stmts *statements
}

// busyTimeout is how long a connection waits for another process's lock.
const busyTimeout = 10 * time.Second

func openLite(path string, pragmas ...string) (*lite, error) {
	conn, err := sqlite.OpenConn(path, sqlite.OpenReadWrite, sqlite.OpenCreate)
	if err != nil {
		return nil, err
	}
	conn.SetBusyTimeout(busyTimeout)
	c := &lite{conn: conn, stmts: newStatements(conn)}
	for _, p := range append([]string{
		"journal_mode = WAL", "synchronous = NORMAL", "foreign_keys = 1", "temp_store = MEMORY", "cache_size = -8000",
	}, pragmas...) {
		if _, err := c.exec(context.Background(), "PRAGMA "+p, nil); err != nil {
			conn.Close()
			return nil, err
		}
	}
	return c, nil
}

func (c *lite) exec(ctx context.Context, query string, args []any) (int64, error) {
	rows, err := c.query(ctx, query, args)
	if err != nil {
		return 0, err
	}
	for rows.Next() { //nolint:revive // a statement is run to its end
	}
	err = rows.Err()
	rows.Close()
	return int64(c.conn.Changes()), err
}

func (c *lite) query(ctx context.Context, query string, args []any) (rows, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s, err := c.stmts.take(query)
	if err != nil {
		return nil, err
	}
	if n := s.BindParamCount(); n != len(args) {
		c.stmts.give(s)
		return nil, fmt.Errorf("the statement has %d placeholders, but %d arguments came", n, len(args))
	}
	for i, arg := range args {
		if err := bind(s.Stmt, i+1, arg); err != nil {
			c.stmts.give(s)
			return nil, fmt.Errorf("argument %d: %w", i+1, err)
		}
	}
	return &liteRows{ctx: ctx, from: c.stmts, stmt: s}, nil
}

// liteTx is a transaction on a connection that goes back to its pool at the end.
type liteTx struct {
	*lite
	ctx  context.Context //nolint:containedctx // a transaction lives as long as its context
	pool *pool
	done bool
}

func (t *liteTx) commit() error {
	_, err := t.exec(t.ctx, "COMMIT", nil)
	if err == nil {
		t.end()
	}
	return err
}

// rollback undoes what is not committed.
func (t *liteTx) rollback() {
	if t.done {
		return
	}
	if !t.conn.AutocommitEnabled() { // some errors roll back by themselves
		_, _ = t.exec(context.Background(), "ROLLBACK", nil)
	}
	t.end()
}

func (t *liteTx) end() {
	t.done = true
	t.pool.give(t.lite)
	<-t.pool.slots
}

// liteRows walks over a statement's rows.
type liteRows struct {
	ctx  context.Context //nolint:containedctx // rows live as long as their query's context
	from *statements
	stmt *statement
	n    int
	err  error
	last []string // of each column, the text of the row before
	room []byte
}

func (r *liteRows) Next() bool {
	const often = 128 // rows between two looks whether anybody still waits
	if r.n++; r.n%often == 0 {
		if r.err = r.ctx.Err(); r.err != nil {
			return false
		}
	}
	more, err := r.stmt.Step()
	r.err = err
	return more
}

func (r *liteRows) Scan(dest ...any) error {
	if r.last == nil {
		r.last = make([]string, r.stmt.ColumnCount())
	}
	if len(r.last) != len(dest) {
		return fmt.Errorf("the row has %d columns, but %d are wanted", len(r.last), len(dest))
	}
	for i, d := range dest {
		if err := r.column(i, d); err != nil {
			return fmt.Errorf("column %d: %w", i+1, err)
		}
	}
	return nil
}

func (r *liteRows) column(i int, dest any) error {
	switch d := dest.(type) {
	case *string:
		*d = r.text(i)
		return noNull(r.stmt.Stmt, i, *d == "")
	case jsonField:
		text := r.text(i)
		if err := noNull(r.stmt.Stmt, i, text == ""); err != nil {
			return err
		}
		return d.read(text)
	}
	return scanColumn(r.stmt.Stmt, i, dest)
}

// text reads a text column. Rows of a list often have most of their texts in
// common; those are kept once.
func (r *liteRows) text(i int) string {
	n := r.stmt.ColumnLen(i)
	if n == 0 {
		return ""
	}
	if n != len(r.last[i]) {
		r.last[i] = r.stmt.ColumnText(i)
		return r.last[i]
	}
	if cap(r.room) < n {
		r.room = make([]byte, max(n, 256))
	}
	b := r.room[:n]
	if r.stmt.ColumnBytes(i, b); string(b) != r.last[i] {
		r.last[i] = string(b)
	}
	return r.last[i]
}

func (r *liteRows) Err() error { return r.err }

func (r *liteRows) Close() error {
	r.from.give(r.stmt)
	return nil
}

// statements keeps a connection's prepared statements, those used last.
type statements struct {
	conn *sqlite.Conn
	kept map[string]*statement
	tick uint64
}

// statement is a prepared statement and when it was last used.
type statement struct {
	*sqlite.Stmt
	query string
	kept  bool
	busy  bool
	used  uint64
}

const (
	keptStatements = 160
	// longestKept is the text of a statement that is worth keeping: longer
	// ones are lists of ids, whose length is seldom the same again.
	longestKept = 8 << 10
)

func newStatements(conn *sqlite.Conn) *statements {
	return &statements{conn: conn, kept: map[string]*statement{}}
}

// take returns a statement that is ready to be bound. Old bindings are left:
// all are replaced, and clearing them makes SQLite plan the statement anew.
func (c *statements) take(query string) (*statement, error) {
	c.tick++
	if s, ok := c.kept[query]; ok && !s.busy {
		s.busy, s.used = true, c.tick
		return s, nil
	}
	if _, busy := c.kept[query]; busy || len(query) > longestKept {
		s, _, err := c.conn.PrepareTransient(query)
		return &statement{Stmt: s}, err
	}
	stmt, err := c.conn.Prepare(query)
	if err != nil {
		return nil, err
	}
	if len(c.kept) >= keptStatements {
		c.drop()
	}
	s := &statement{Stmt: stmt, query: query, kept: true, busy: true, used: c.tick}
	c.kept[query] = s
	return s, nil
}

// give takes a statement back.
func (c *statements) give(s *statement) {
	if !s.kept {
		_ = s.Finalize()
		return
	}
	_ = s.Reset() // it repeats the error of the last step, which is known
	s.busy = false
}

// drop forgets the statement used longest ago.
func (c *statements) drop() {
	var oldest *statement
	for _, s := range c.kept {
		if !s.busy && (oldest == nil || s.used < oldest.used) {
			oldest = s
		}
	}
	if oldest != nil {
		delete(c.kept, oldest.query)
		_ = oldest.Finalize()
	}
}
