package saga

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
	"kumoi/internal/kernel/store/storetest"
)

// vars are the variables of the tests' sagas.
type vars struct {
	ID       string
	Excluded []string
	Notes    []string
}

// world is what the tests' steps act upon, and what they were seen to do.
type world struct {
	mu    sync.Mutex
	trace []string
	cause *errs.Error
}

func (w *world) note(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.trace = append(w.trace, fmt.Sprintf(format, args...))
}

func (w *world) got() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.Join(w.trace, " ")
}

func (w *world) failedWith() *errs.Error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.cause
}

// plain makes steps a, b, c …, whose Do and Undo only leave a trace.
func (w *world) plain(names ...string) []Step[vars] {
	var out []Step[vars]
	for _, name := range names {
		out = append(out, Step[vars]{
			Name: name,
			Do:   func(context.Context, *vars) error { w.note("+%s", name); return nil },
			Undo: func(context.Context, *vars) error { w.note("-%s", name); return nil },
		})
	}
	return out
}

func (w *world) definition(steps []Step[vars]) Definition[vars] {
	return Definition[vars]{
		Kind: "test", Version: 1, Steps: steps,
		Done: func(_ context.Context, _ *store.Tx, _ *vars) error { w.note("done"); return nil },
		Failed: func(_ context.Context, _ *store.Tx, _ *vars, cause *errs.Error) error {
			w.note("failed")
			w.mu.Lock()
			w.cause = cause
			w.mu.Unlock()
			return nil
		},
	}
}

func migrate(t testing.TB, db *store.DB) {
	t.Helper()
	if err := db.Migrate(t.Context(), Migrations()); err != nil {
		t.Fatal(err)
	}
}

// quick makes repetitions immediate.
func quick(cfg Config) Config {
	if cfg.Backoff == nil {
		cfg.Backoff = func(int) time.Duration { return 0 }
	}
	return cfg
}

func open(t testing.TB, db *store.DB, cfg Config, defs ...Definition[vars]) *Engine {
	t.Helper()
	e := NewEngine(db, quick(cfg))
	for _, d := range defs {
		Register(e, d)
	}
	if err := e.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	return e
}

func start(t testing.TB, e *Engine, resource string) string {
	t.Helper()
	id, err := tryStart(t.Context(), e, resource)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func tryStart(ctx context.Context, e *Engine, resource string) (id string, err error) {
	err = e.db.Write(ctx, func(tx *store.Tx) error {
		id, err = e.Start(ctx, tx, "test", resource, vars{ID: resource})
		return err
	})
	return id, err
}

func cancelSaga(t *testing.T, e *Engine, resource string) (found bool) {
	t.Helper()
	err := e.db.Write(t.Context(), func(tx *store.Tx) (err error) {
		found, err = e.Cancel(t.Context(), tx, resource)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func wait(t testing.TB, e *Engine, id string) Saga {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), 30*time.Second)
	defer stop()
	s, err := e.Wait(ctx, id)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func expect(t *testing.T, s Saga, state State, w *world, trace string) {
	t.Helper()
	if s.State != state {
		t.Errorf("the saga is %s (%v), want %s", s.State, s.Err, state)
	}
	if got := w.got(); got != trace {
		t.Errorf("trace %q, want %q", got, trace)
	}
}

func TestRunsStepsInOrder(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		migrate(t, db)
		w := &world{}
		steps := w.plain("a", "b", "c")
		var id string
		steps[1].Do = func(ctx context.Context, s *vars) error {
			a := actor.From(ctx)
			w.note("%s/%s/%s/%v", a.UserID, a.RequestID, s.ID, ID(ctx) != "")
			s.Notes = append(s.Notes, "b was here")
			return nil
		}
		steps[2].Skip = func(s *vars) bool { return slices.Contains(s.Notes, "b was here") }
		e := open(t, db, Config{}, w.definition(steps))
		ctx := actor.With(t.Context(), &actor.Actor{UserID: "u1", RequestID: "req-1", Roles: []string{"member"}})
		id, err := tryStart(ctx, e, "r1")
		if err != nil {
			t.Fatal(err)
		}
		s := wait(t, e, id)
		expect(t, s, Done, w, "+a u1/req-1/r1/true done")
		if s.UserID != "u1" || s.RequestID != "req-1" || s.Ended.IsZero() || s.Resource != "r1" {
			t.Errorf("%+v", s)
		}
		d, err := e.Show(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, ev := range d.Events {
			names = append(names, strings.TrimSuffix(ev.Name+" "+ev.Step, " "))
		}
		if got := strings.Join(names, ", "); got != "start, begin a, done a, begin b, done b, skip c, end" {
			t.Errorf("log: %s", got)
		}
		if !strings.Contains(d.Events[4].Data, "b was here") {
			t.Errorf("variables after b: %s", d.Events[4].Data)
		}
	})
}

func TestFailureUndoesWhatHadBegun(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		migrate(t, db)
		w := &world{}
		steps := w.plain("a", "b", "c", "d")
		steps[1].Undo = nil
		steps[2].Do = func(_ context.Context, s *vars) error {
			s.Notes = append(s.Notes, "half")
			return errs.New(errs.NoCapacity, "No host.")
		}
		steps[2].Undo = func(_ context.Context, s *vars) error { w.note("-c:%v", s.Notes); return nil }
		e := open(t, db, Config{}, w.definition(steps))
		s := wait(t, e, start(t, e, "r1"))
		expect(t, s, Undone, w, "+a +b -c:[half] -a failed")
		if c := w.failedWith(); c.Kind != errs.NoCapacity || c.Msg != "No host." {
			t.Errorf("cause %v", c)
		}
		if s.Err == nil || s.Err.Msg != "No host." {
			t.Errorf("the saga shows %v", s.Err)
		}
	})
}

func TestRetryGoesBackAndForwardAgain(t *testing.T) {
	migratedSQLite(t, func(t *testing.T, db *store.DB) {
		w := &world{}
		steps := w.plain("a", "claim", "ports", "boot")
		steps[3].Do = func(_ context.Context, s *vars) error {
			w.note("+boot")
			if len(s.Excluded) < 2 {
				s.Excluded = append(s.Excluded, "h"+fmt.Sprint(len(s.Excluded)+1))
				return Retry("claim", errors.New("host is broken"))
			}
			return nil
		}
		e := open(t, db, Config{}, w.definition(steps))
		s := wait(t, e, start(t, e, "r1"))
		round := "+claim +ports +boot -boot -ports -claim "
		expect(t, s, Done, w, "+a "+round+round+"+claim +ports +boot done")
		if s.Err != nil {
			t.Errorf("a saga that is done shows %v", s.Err)
		}
	})
}

func TestRetryGivesUpWithItsError(t *testing.T) {
	migratedSQLite(t, func(t *testing.T, db *store.DB) {
		for name, err := range map[string]error{
			"r1": errs.New(errs.NoCapacity, "Enough."),
			"r2": Retry("later", errs.New(errs.NoCapacity, "x")),
			"r3": Retry("nowhere", errs.New(errs.NoCapacity, "x")),
		} {
			w := &world{}
			steps := w.plain("a", "b", "later")
			steps[1].Do = func(context.Context, *vars) error { return err }
			d := w.definition(steps)
			d.Kind = "test"
			e := open(t, db, Config{Owner: name}, d)
			expect(t, wait(t, e, start(t, e, name)), Undone, w, "+a -b -a failed")
			e.Close()
		}
	})
}

func TestOneSagaForAResource(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		migrate(t, db)
		w := &world{}
		steps := w.plain("a")
		release := make(chan struct{})
		steps[0].Do = func(ctx context.Context, _ *vars) error {
			select {
			case <-release:
			case <-ctx.Done():
			}
			return ctx.Err()
		}
		e := open(t, db, Config{}, w.definition(steps))
		id := start(t, e, "r1")
		if _, err := tryStart(t.Context(), e, "r1"); !errs.Is(err, errs.Conflict) {
			t.Errorf("a second saga: %v", err)
		}
		err := db.Read(t.Context(), func(tx *store.Tx) error {
			s, ok, err := e.Active(t.Context(), tx, "r1")
			if !ok || s.ID != id || s.Step != "a" {
				t.Errorf("active: %+v, %v", s, ok)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
		other := start(t, e, "r2")
		close(release)
		wait(t, e, id)
		wait(t, e, other)
		if s := wait(t, e, start(t, e, "r1")); s.State != Done {
			t.Errorf("after the first: %s", s.State)
		}
	})
}

func TestNothingRunsWithoutItsRequest(t *testing.T) {
	migratedSQLite(t, func(t *testing.T, db *store.DB) {
		w := &world{}
		e := open(t, db, Config{}, w.definition(w.plain("a")))
		refused := errors.New("over quota")
		err := db.Write(t.Context(), func(tx *store.Tx) error {
			if _, err := e.Start(t.Context(), tx, "test", "r1", vars{}); err != nil {
				return err
			}
			return refused
		})
		if !errors.Is(err, refused) {
			t.Fatal(err)
		}
		if all, err := e.List(t.Context(), Filter{}); err != nil || len(all) != 0 || w.got() != "" {
			t.Errorf("%v, %v, %q", all, err, w.got())
		}
		err = db.Write(t.Context(), func(tx *store.Tx) error {
			_, err := e.Start(t.Context(), tx, "nonesuch", "r1", vars{})
			return err
		})
		if err == nil {
			t.Error("an unknown kind was started")
		}
	})
}

func TestCancelUnwinds(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		migrate(t, db)
		w := &world{}
		steps := w.plain("a", "b", "c")
		entered := make(chan struct{})
		steps[1].Do = func(ctx context.Context, _ *vars) error {
			close(entered)
			<-ctx.Done()
			w.note("cancelled=%v", Cancelled(context.Cause(ctx)))
			return ctx.Err()
		}
		e := open(t, db, Config{}, w.definition(steps))
		id := start(t, e, "r1")
		<-entered
		if !cancelSaga(t, e, "r1") {
			t.Error("the saga was not found")
		}
		expect(t, wait(t, e, id), Undone, w, "+a cancelled=true -b -a failed")
		if c := w.failedWith(); !Cancelled(c) {
			t.Errorf("cause %v", c)
		}
		if cancelSaga(t, e, "r1") {
			t.Error("a saga that has ended was found")
		}
	})
}

// A step that does not look at its context ends well; the saga unwinds then.
func TestCancelIsSeenBetweenSteps(t *testing.T) {
	migratedSQLite(t, func(t *testing.T, db *store.DB) {
		for _, last := range []bool{false, true} {
			w := &world{}
			steps := w.plain("a", "b")
			if last {
				steps = steps[:1]
			}
			entered, release := make(chan struct{}), make(chan struct{})
			steps[0].Do = func(context.Context, *vars) error { close(entered); <-release; return nil }
			e := open(t, db, Config{Owner: fmt.Sprint(last)}, w.definition(steps))
			id := start(t, e, "r1")
			<-entered
			cancelSaga(t, e, "r1")
			close(release)
			expect(t, wait(t, e, id), Undone, w, "-a failed")
			if !Cancelled(w.failedWith()) {
				t.Errorf("cause %v", w.failedWith())
			}
			e.Close()
		}
	})
}

func TestCancelDuringUnwindingTellsFailed(t *testing.T) {
	migratedSQLite(t, func(t *testing.T, db *store.DB) {
		w := &world{}
		steps := w.plain("a", "b")
		entered, release := make(chan struct{}), make(chan struct{})
		// A rewind under way becomes an unwinding for good.
		steps[1].Do = func(context.Context, *vars) error { return Retry("a", errors.New("broken")) }
		steps[1].Undo = func(context.Context, *vars) error { close(entered); <-release; w.note("-b"); return nil }
		e := open(t, db, Config{}, w.definition(steps))
		id := start(t, e, "r1")
		<-entered
		if !cancelSaga(t, e, "r1") {
			t.Error("not found while unwinding")
		}
		close(release)
		expect(t, wait(t, e, id), Undone, w, "+a -b -a failed")
		if !Cancelled(w.failedWith()) {
			t.Errorf("cause %v", w.failedWith())
		}
	})
}

func TestOnlyUnavailableIsTriedAgain(t *testing.T) {
	migratedSQLite(t, func(t *testing.T, db *store.DB) {
		for _, tc := range []struct {
			name  string
			fail  int // how many times
			err   func() error
			state State
			calls int
			kind  errs.Kind
		}{
			{"away for a while", 3, func() error { return errs.New(errs.Unavailable, "away") }, Done, 4, 0},
			{"away for ever", 100, func() error { return errs.New(errs.Unavailable, "away") }, Undone, 6, errs.Unavailable},
			{"conflict", 1, func() error { return errs.New(errs.Conflict, "no") }, Undone, 1, errs.Conflict},
			{"plain error", 1, func() error { return errors.New("bug") }, Undone, 1, errs.Internal},
			{"panic", 1, func() error { panic("boom") }, Undone, 1, errs.Internal},
		} {
			t.Run(tc.name, func(t *testing.T) {
				w := &world{}
				steps := w.plain("a")
				calls := 0
				steps[0].Do = func(context.Context, *vars) error {
					if calls++; calls <= tc.fail {
						return tc.err()
					}
					return nil
				}
				e := open(t, db, Config{Owner: tc.name}, w.definition(steps))
				s := wait(t, e, start(t, e, tc.name))
				if s.State != tc.state || calls != tc.calls {
					t.Errorf("%s after %d calls", s.State, calls)
				}
				if s.State == Undone && w.failedWith().Kind != tc.kind {
					t.Errorf("cause %v", w.failedWith())
				}
				e.Close()
			})
		}
	})
}

func TestTimeoutEndsAStep(t *testing.T) {
	migratedSQLite(t, func(t *testing.T, db *store.DB) {
		w := &world{}
		steps := w.plain("a")
		steps[0].Timeout = 10 * time.Millisecond
		steps[0].Do = func(ctx context.Context, _ *vars) error { w.note("+a"); <-ctx.Done(); return ctx.Err() }
		e := open(t, db, Config{}, w.definition(steps))
		expect(t, wait(t, e, start(t, e, "r1")), Undone, w, "+a -a failed")
		if c := w.failedWith(); !strings.Contains(c.Msg, "not finished within 10ms") {
			t.Errorf("cause %v", c)
		}
	})
}

func TestFailingUndoIsStuckUntilAnOperatorActs(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		migrate(t, db)
		w := &world{}
		steps := w.plain("a", "b")
		var repaired atomic.Bool
		steps[0].Undo = func(context.Context, *vars) error {
			if !repaired.Load() {
				return errors.New("disk is read-only")
			}
			w.note("-a")
			return nil
		}
		steps[1].Do = func(context.Context, *vars) error { return errs.New(errs.Invalid, "bad") }
		e := open(t, db, Config{}, w.definition(steps))
		id := start(t, e, "r1")
		s := wait(t, e, id)
		expect(t, s, Stuck, w, "+a -b failed")
		if s.Step != "a" || s.Err.Msg != "bad" {
			t.Errorf("stuck in %q, cause %v", s.Step, s.Err)
		}
		if err := e.Retry(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		expect(t, wait(t, e, id), Stuck, w, "+a -b failed failed")
		repaired.Store(true)
		if err := e.Retry(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		expect(t, wait(t, e, id), Undone, w, "+a -b failed failed -a failed")
		if err := e.Retry(t.Context(), id); !errs.Is(err, errs.Conflict) {
			t.Errorf("retrying what is undone: %v", err)
		}
		if err := e.Abandon(t.Context(), id, "x"); !errs.Is(err, errs.Conflict) {
			t.Errorf("abandoning what is undone: %v", err)
		}
		if err := e.Retry(t.Context(), "nonesuch"); !errs.Is(err, errs.NotFound) {
			t.Errorf("retrying nothing: %v", err)
		}
	})
}

func TestStuckLeavesTheResourceFree(t *testing.T) {
	migratedSQLite(t, func(t *testing.T, db *store.DB) {
		w := &world{}
		steps := w.plain("a")
		var healthy atomic.Bool
		release := make(chan struct{})
		steps[0].Do = func(context.Context, *vars) error {
			if healthy.Load() {
				<-release
				return nil
			}
			return errors.New("x")
		}
		steps[0].Undo = func(context.Context, *vars) error { return errors.New("y") }
		e := open(t, db, Config{}, w.definition(steps))
		stuck := start(t, e, "r1")
		wait(t, e, stuck)
		healthy.Store(true)
		second := start(t, e, "r1")
		if err := e.Retry(t.Context(), stuck); !errs.Is(err, errs.Conflict) {
			t.Errorf("retry beside another saga: %v", err)
		}
		close(release)
		wait(t, e, second)
		if err := e.Abandon(t.Context(), stuck, "cleaned by hand"); err != nil {
			t.Fatal(err)
		}
		d, err := e.Show(t.Context(), stuck)
		if err != nil || d.State != Abandoned || !strings.Contains(d.Err.Msg, "cleaned by hand") {
			t.Errorf("%+v, %v", d.Saga, err)
		}
	})
}

func TestAbandonARunningSaga(t *testing.T) {
	migratedSQLite(t, func(t *testing.T, db *store.DB) {
		w := &world{}
		steps := w.plain("a")
		entered := make(chan struct{})
		steps[0].Do = func(ctx context.Context, _ *vars) error { close(entered); <-ctx.Done(); return context.Cause(ctx) }
		e := open(t, db, Config{}, w.definition(steps))
		id := start(t, e, "r1")
		<-entered
		if err := e.Abandon(t.Context(), id, "hangs"); err != nil {
			t.Fatal(err)
		}
		expect(t, wait(t, e, id), Abandoned, w, "")
	})
}

func TestDoneAndFailedMayRefuse(t *testing.T) {
	migratedSQLite(t, func(t *testing.T, db *store.DB) {
		w := &world{}
		d := w.definition(w.plain("a", "b"))
		d.Done = func(context.Context, *store.Tx, *vars) error { return errs.New(errs.Conflict, "row is gone") }
		e := open(t, db, Config{}, d)
		expect(t, wait(t, e, start(t, e, "r1")), Undone, w, "+a +b -b -a failed")
		if c := w.failedWith(); c.Msg != "row is gone" {
			t.Errorf("cause %v", c)
		}
		e.Close()

		w = &world{}
		steps := w.plain("a")
		steps[0].Do = func(context.Context, *vars) error { return errs.New(errs.Invalid, "bad") }
		d = w.definition(steps)
		var broken atomic.Bool
		broken.Store(true)
		d.Failed = func(context.Context, *store.Tx, *vars, *errs.Error) error {
			if broken.Load() {
				panic("bug")
			}
			return nil
		}
		e = open(t, db, Config{}, d)
		id := start(t, e, "r1")
		expect(t, wait(t, e, id), Stuck, w, "-a")
		broken.Store(false)
		if err := e.Retry(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		expect(t, wait(t, e, id), Undone, w, "-a")
	})
}

// A saga whose Done wrote something is undone without it: the same transaction.
func TestDoneIsInTheTransactionOfTheEnd(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		migrate(t, db)
		err := db.Write(t.Context(), func(tx *store.Tx) error {
			_, err := tx.Exec(t.Context(), "CREATE TABLE thing (id TEXT PRIMARY KEY)")
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		w := &world{}
		d := w.definition(w.plain("a"))
		d.Done = func(ctx context.Context, tx *store.Tx, s *vars) error {
			if _, err := tx.Exec(ctx, "INSERT INTO thing (id) VALUES (?)", s.ID); err != nil {
				return err
			}
			if s.ID == "bad" {
				return errors.New("no")
			}
			return nil
		}
		e := open(t, db, Config{}, d)
		wait(t, e, start(t, e, "good"))
		wait(t, e, start(t, e, "bad"))
		var things []string
		err = db.Read(t.Context(), func(tx *store.Tx) (err error) {
			things, err = store.All(t.Context(), tx, store.Value[string], "SELECT id FROM thing")
			return err
		})
		if err != nil || !slices.Equal(things, []string{"good"}) {
			t.Errorf("things %v, %v", things, err)
		}
	})
}

func TestListAndPrune(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		migrate(t, db)
		var now atomic.Int64
		now.Store(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Unix())
		clock := func() time.Time { return time.Unix(now.Load(), 0) }
		w := &world{}
		steps := w.plain("a")
		steps[0].Do = func(_ context.Context, s *vars) error {
			if s.ID == "old" {
				return nil
			}
			return errors.New("x")
		}
		steps[0].Undo = func(_ context.Context, s *vars) error {
			if s.ID == "stuck" {
				return errors.New("y")
			}
			return nil
		}
		e := open(t, db, Config{Clock: clock}, w.definition(steps))
		for _, r := range []string{"old", "stuck"} {
			wait(t, e, start(t, e, r))
			now.Add(60)
		}
		now.Add(6 * 86400)
		wait(t, e, start(t, e, "young"))
		now.Add(2 * 86400)

		names := func(f Filter) string {
			all, err := e.List(t.Context(), f)
			if err != nil {
				t.Fatal(err)
			}
			var out []string
			for _, s := range all {
				out = append(out, s.Resource)
			}
			return strings.Join(out, " ")
		}
		for _, tc := range []struct {
			f    Filter
			want string
		}{
			{Filter{}, "young stuck old"},
			{Filter{Limit: 1}, "young"},
			{Filter{States: []State{Stuck, Done}}, "stuck old"},
			{Filter{Resource: "old"}, "old"},
			{Filter{Kind: "test", States: []State{Undone}}, "young"},
			{Filter{Kind: "other"}, ""},
		} {
			if got := names(tc.f); got != tc.want {
				t.Errorf("%+v lists %q, want %q", tc.f, got, tc.want)
			}
		}
		report, err := e.PruneTask().Run(t.Context())
		if err != nil || report != "1 sagas deleted" {
			t.Errorf("%q, %v", report, err)
		}
		if got := names(Filter{}); got != "young stuck" {
			t.Errorf("left: %q", got)
		}
		err = db.Read(t.Context(), func(tx *store.Tx) error {
			n, err := store.One(t.Context(), tx, store.Value[int64],
				"SELECT COUNT(*) FROM saga_event WHERE saga NOT IN (SELECT id FROM saga)")
			if n != 0 {
				t.Errorf("%d events without a saga", n)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	})
}

func TestRegisterRefusesWhatCannotWork(t *testing.T) {
	w := &world{}
	nop := func(context.Context, *vars) error { return nil }
	for name, d := range map[string]Definition[vars]{
		"no kind":    {Version: 1, Steps: w.plain("a")},
		"no version": {Kind: "k", Steps: w.plain("a")},
		"no steps":   {Kind: "k", Version: 1},
		"no name":    {Kind: "k", Version: 1, Steps: []Step[vars]{{Do: nop}}},
		"no do":      {Kind: "k", Version: 1, Steps: []Step[vars]{{Name: "a"}}},
		"same names": {Kind: "k", Version: 1, Steps: w.plain("a", "a")},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s was accepted", name)
				}
			}()
			Register(NewEngine(nil, Config{}), d)
		}()
	}
}

// migratedSQLite is for what does not depend on the database.
func migratedSQLite(t *testing.T, f func(t *testing.T, db *store.DB)) {
	t.Helper()
	db := storetest.SQLite(t)
	migrate(t, db)
	f(t, db)
}

func TestTheLogKeepsTheWordsAroundAnError(t *testing.T) {
	migratedSQLite(t, func(t *testing.T, db *store.DB) {
		w := &world{}
		steps := w.plain("a")
		steps[0].Do = func(context.Context, *vars) error {
			return fmt.Errorf("bind port p1: %w", errs.New(errs.Conflict, "Port is in use."))
		}
		e := open(t, db, Config{}, w.definition(steps))
		id := start(t, e, "r1")
		wait(t, e, id)
		if c := w.failedWith(); c.Kind != errs.Conflict || c.Msg != "Port is in use." {
			t.Errorf("the user reads %+v", c)
		}
		d, err := e.Show(t.Context(), id)
		if err != nil || !strings.Contains(d.Err.Error(), "bind port p1") {
			t.Errorf("the operator reads %v, %v", d.Err, err)
		}
	})
}
