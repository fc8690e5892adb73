package saga

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/ids"
	"kumoi/internal/kernel/logx"
	"kumoi/internal/kernel/store"
)

// Config is what an engine may be told; the zero value works.
type Config struct {
	// Owner names this process among those that share the database. No two that
	// live may have the same; a restarted one keeps its own, and takes over at
	// once what it was running. "kumoi" if empty.
	Owner string
	// Workers is how many steps may run at the same time; 32 if zero.
	Workers int
	// Lease is after how long another process may take over; 30 s if zero.
	Lease time.Duration
	// Attempts is how often a step is tried while it reports Unavailable; 6 if zero.
	Attempts int
	// Backoff is the pause after the attempt, counted from 1; by default 100 ms,
	// four times longer each time, up to 10 s.
	Backoff func(attempt int) time.Duration
	Log     *slog.Logger
	Clock   func() time.Time
	// Crash is for tests: where it returns true the engine dies as if killed,
	// without another write. It is asked before and after every commit.
	Crash func(Point) bool
}

// Point is a moment at which a process may die: just before the event is
// written (the work is done, nobody knows), or just after.
type Point struct {
	Saga, Step, Event string
	Written           bool
}

func (p Point) String() string {
	when := "before"
	if p.Written {
		when = "after"
	}
	return fmt.Sprintf("%s %s of step %q", when, p.Event, p.Step)
}

// Engine runs sagas. Make it, Register all kinds, Open it.
type Engine struct {
	db  *store.DB
	cfg Config
	log *slog.Logger

	ctx   context.Context // of everything that runs; ended by Close or a lost life
	end   context.CancelCauseFunc
	slots chan struct{} // one for each step at work
	wg    sync.WaitGroup

	mu      sync.Mutex
	defs    map[string]map[int]*definition // by kind and version
	newest  map[string]*definition
	open    bool
	active  map[string]*run // by saga
	changed chan struct{}   // closed, and made anew, when a run has left active
}

var (
	errClosing = errors.New("the saga engine is closing")
	errKilled  = errors.New("the saga engine was killed by a test")
)

// NewEngine makes an engine over db, whose saga tables are migrated.
func NewEngine(db *store.DB, cfg Config) *Engine {
	if cfg.Owner == "" {
		cfg.Owner = "kumoi"
	}
	if cfg.Workers <= 0 {
		cfg.Workers = 32
	}
	if cfg.Lease <= 0 {
		cfg.Lease = 30 * time.Second
	}
	if cfg.Attempts <= 0 {
		cfg.Attempts = 6
	}
	if cfg.Backoff == nil {
		cfg.Backoff = func(attempt int) time.Duration {
			return min(100*time.Millisecond<<(2*min(attempt-1, 4)), 10*time.Second)
		}
	}
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	e := &Engine{
		db: db, cfg: cfg, log: logx.Or(cfg.Log).With("component", "saga"),
		slots:  make(chan struct{}, cfg.Workers),
		defs:   map[string]map[int]*definition{},
		newest: map[string]*definition{},
		active: map[string]*run{}, changed: make(chan struct{}),
	}
	e.ctx, e.end = context.WithCancelCause(context.Background())
	return e
}

func (e *Engine) register(def *definition) {
	if err := def.check(); err != nil {
		panic(err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	versions := e.defs[def.kind]
	if versions == nil {
		versions = map[int]*definition{}
		e.defs[def.kind] = versions
	}
	if versions[def.version] != nil {
		panic(fmt.Sprintf("saga %s version %d is registered twice", def.kind, def.version))
	}
	versions[def.version] = def
	if e.newest[def.kind] == nil || e.newest[def.kind].version < def.version {
		e.newest[def.kind] = def
	}
}

// Kinds are the kinds that were registered, in order.
func (e *Engine) Kinds() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Sorted(maps.Keys(e.defs))
}

func (e *Engine) definition(kind string, version int) *definition {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.defs[kind][version]
}

// Start adds a saga of the newest version of a kind to the caller's
// transaction; it runs from the commit on. params is the S it begins with.
// While a saga runs for the resource, another gets Conflict.
func (e *Engine) Start(ctx context.Context, tx *store.Tx, kind, resource string, params any) (string, error) {
	e.mu.Lock()
	def, open := e.newest[kind], e.open
	e.mu.Unlock()
	if def == nil {
		return "", fmt.Errorf("start saga: no kind %q is registered", kind)
	}
	data, err := json.Marshal(params)
	if err != nil {
		return "", fmt.Errorf("start saga %s: %w", kind, err)
	}
	s, err := def.decode(data)
	if err != nil {
		return "", fmt.Errorf("start saga %s: parameters: %w", kind, err)
	}
	who := actor.From(ctx)
	whoText, err := json.Marshal(who)
	if err != nil {
		return "", fmt.Errorf("start saga %s: %w", kind, err)
	}
	c := newCursor(def)
	events, err := c.advance(def, s, false, event{name: evStart, data: data})
	if err != nil {
		return "", err
	}
	now := e.cfg.Clock()
	x := row{actor: whoText}
	x.ID, x.Resource = ids.New(), resource
	if open { // ours from the start: no claim needed
		x.owner, x.term, x.lease = e.cfg.Owner, 1, store.Micros(now.Add(e.cfg.Lease))
	}
	fresh, err := insertRow(ctx, tx, x, &c, def, now)
	if err != nil {
		return "", fmt.Errorf("start saga %s: %w", kind, err)
	}
	if !fresh {
		return "", errs.New(errs.Conflict, "Another operation on %s is still in progress.", resource)
	}
	if err := appendEvents(ctx, tx, x.ID, x.term, 0, events, now); err != nil {
		return "", fmt.Errorf("start saga %s: %w", kind, err)
	}
	r := e.newRun(x, def, c, int64(len(events)), s, who)
	if err := r.hook(ctx, tx, &c); err != nil { // every step was skipped
		return "", err
	}
	if open && !c.state.Ended() {
		tx.AfterCommit(func() { e.launch(r) })
	}
	return x.ID, nil
}

// Cancel asks the saga that runs for the resource, if one does, to stop
// between two steps and unwind; a step at work sees its context end. The
// saga's Failed then tells Cancelled. found is false if none runs.
func (e *Engine) Cancel(ctx context.Context, tx *store.Tx, resource string) (found bool, err error) {
	id, err := store.One(ctx, tx, store.Value[string],
		"SELECT id FROM saga WHERE resource = ? AND state IN ('running', 'unwinding')", resource)
	if errors.Is(err, store.ErrNoRows) {
		return false, nil
	}
	if err == nil {
		err = tx.ExecOne(ctx, "UPDATE saga SET cancel_requested = ? WHERE id = ?", true, id)
	}
	if err != nil {
		return false, fmt.Errorf("cancel saga of %s: %w", resource, err)
	}
	tx.AfterCommit(func() { e.interrupt(id) })
	return true, nil
}

// Active is the saga that runs for the resource; ok is false if none does.
func (e *Engine) Active(ctx context.Context, tx *store.Tx, resource string) (s Saga, ok bool, err error) {
	x, err := store.One(ctx, tx, scanRow, rowColumns+" WHERE resource = ? AND state IN ('running', 'unwinding')", resource)
	if errors.Is(err, store.ErrNoRows) {
		return Saga{}, false, nil
	}
	return x.Saga, err == nil, err
}

func (e *Engine) interrupt(id string) {
	e.mu.Lock()
	r := e.active[id]
	e.mu.Unlock()
	if r != nil {
		r.interrupt(errCancelled)
	}
}

// Open takes over what this owner ran before and what others let expire, and
// runs sagas from now on. It fails if there is one of an unknown kind or version.
func (e *Engine) Open(ctx context.Context) error {
	if err := e.checkKnown(ctx); err != nil {
		return err
	}
	e.mu.Lock()
	e.open = true
	e.mu.Unlock()
	if err := e.takeOver(ctx, true); err != nil {
		return err
	}
	e.wg.Go(e.keep)
	return nil
}

func (e *Engine) checkKnown(ctx context.Context) error {
	type pair struct {
		kind    string
		version int
	}
	var all []pair
	err := e.db.Read(ctx, func(tx *store.Tx) (err error) {
		all, err = store.All(ctx, tx, func(r store.Row) (p pair, err error) { return p, r.Scan(&p.kind, &p.version) },
			"SELECT DISTINCT kind, version FROM saga WHERE state IN ('running', 'unwinding')")
		return err
	})
	if err != nil {
		return fmt.Errorf("open saga engine: %w", err)
	}
	var unknown []string
	for _, p := range all {
		if e.definition(p.kind, p.version) == nil {
			unknown = append(unknown, fmt.Sprintf("%s version %d", p.kind, p.version))
		}
	}
	if len(unknown) > 0 {
		return errs.New(errs.Unsupported,
			"Operations of a kind that this release does not know are in progress (%s). Let the release that began them finish them, or abandon them.",
			strings.Join(unknown, ", "))
	}
	return nil
}

// Close ends the contexts of all steps, waits for them and gives the leases
// back, so that another process, or the next Open, goes on at once.
func (e *Engine) Close() {
	e.mu.Lock()
	wasOpen := e.open
	e.open = false
	e.mu.Unlock()
	e.end(errClosing)
	e.wg.Wait()
	if !wasOpen || errors.Is(context.Cause(e.ctx), errKilled) {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	err := e.db.Write(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(ctx, "UPDATE saga SET lease_until = 0 WHERE owner = ? AND lease_until > 0 AND state IN ('running', 'unwinding')", e.cfg.Owner)
		return err
	})
	if err != nil {
		e.log.Warn("leases not given back", "error", err)
	}
}

// WaitIdle waits until no saga runs in this process.
func (e *Engine) WaitIdle(ctx context.Context) error {
	return e.wait(ctx, func() bool { return len(e.active) == 0 })
}

// Wait waits until the saga does not run in this process any more, and returns it.
func (e *Engine) Wait(ctx context.Context, id string) (Saga, error) {
	if err := e.wait(ctx, func() bool { return e.active[id] == nil }); err != nil {
		return Saga{}, err
	}
	d, err := e.Show(ctx, id)
	return d.Saga, err
}

func (e *Engine) wait(ctx context.Context, cond func() bool) error {
	for {
		e.mu.Lock()
		ok, changed := cond(), e.changed
		e.mu.Unlock()
		if ok {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// launch runs r in the background, unless the engine is closed or runs it already.
func (e *Engine) launch(r *run) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.open || e.ctx.Err() != nil || e.active[r.id] != nil {
		return
	}
	r.start()
	e.active[r.id] = r
	e.wg.Go(func() {
		defer e.leave(r)
		r.loop()
	})
}

func (e *Engine) leave(r *run) {
	r.stop(nil)
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.active, r.id)
	close(e.changed)
	e.changed = make(chan struct{})
}

// kill ends the engine's life without another write.
func (e *Engine) kill() { e.end(errKilled) }
