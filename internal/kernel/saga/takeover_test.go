package saga

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
	"kumoi/internal/kernel/store/storetest"
)

func TestCloseLeavesASagaToTheNextOpen(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		migrate(t, db)
		for _, owner := range []string{"one", "two"} { // the same process again, or another
			w := &world{}
			steps := w.plain("a", "b", "c")
			entered := make(chan struct{})
			var hold atomic.Bool
			hold.Store(true)
			steps[1].Do = func(ctx context.Context, _ *vars) error {
				w.note("+b")
				if hold.Load() {
					close(entered)
					<-ctx.Done()
					return ctx.Err()
				}
				return nil
			}
			def := w.definition(steps)
			e := open(t, db, Config{Owner: "one"}, def)
			id := start(t, e, "r-"+owner)
			<-entered
			e.Close()
			hold.Store(false)
			e2 := open(t, db, Config{Owner: owner}, def)
			expect(t, wait(t, e2, id), Done, w, "+a +b +b +c done")
			e2.Close()
		}
	})
}

func TestStartBeforeOpenRunsAfterIt(t *testing.T) {
	migratedSQLite(t, func(t *testing.T, db *store.DB) {
		w := &world{}
		e := NewEngine(db, Config{})
		Register(e, w.definition(w.plain("a")))
		id := start(t, e, "r1")
		if s := wait(t, e, id); s.State != Running || w.got() != "" {
			t.Errorf("%s, %q", s.State, w.got())
		}
		if err := e.Open(t.Context()); err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		expect(t, wait(t, e, id), Done, w, "+a done")
	})
}

func TestStaleOwnerCannotWrite(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		migrate(t, db)
		var offset atomic.Int64 // the second engine's clock is ahead
		later := func() time.Time { return time.Now().Add(time.Duration(offset.Load())) }

		w1, w2 := &world{}, &world{}
		entered, release := make(chan struct{}), make(chan struct{})
		steps := w1.plain("a", "b")
		steps[0].Do = func(context.Context, *vars) error { close(entered); <-release; w1.note("+a"); return nil }
		e1 := open(t, db, Config{Owner: "one", Lease: time.Hour}, w1.definition(steps))
		e2 := open(t, db, Config{Owner: "two", Lease: time.Hour, Clock: later}, w2.definition(w2.plain("a", "b")))

		id := start(t, e1, "r1")
		<-entered
		e2.tick(t.Context())
		if s := wait(t, e2, id); s.Owner != "one" || w2.got() != "" {
			t.Fatalf("taken over before its time: %+v", s)
		}
		offset.Store(int64(2 * time.Hour))
		e2.tick(t.Context())
		expect(t, wait(t, e2, id), Done, w2, "+a +b done")
		close(release) // the first engine wakes up, and must not go on
		wait(t, e1, id)
		if got := w1.got(); got != "+a" {
			t.Errorf("the stale owner went on: %q", got)
		}
		d, err := e1.Show(t.Context(), id)
		if err != nil || d.State != Done || d.Owner != "two" || len(d.Events) != 6 {
			t.Errorf("%+v, %v", d, err)
		}
	})
}

func TestLostLeaseEndsTheStep(t *testing.T) {
	migratedSQLite(t, func(t *testing.T, db *store.DB) {
		w := &world{}
		steps := w.plain("a")
		entered := make(chan struct{})
		cause := make(chan error, 1)
		steps[0].Do = func(ctx context.Context, _ *vars) error {
			close(entered)
			<-ctx.Done()
			cause <- context.Cause(ctx)
			return ctx.Err()
		}
		e := open(t, db, Config{Lease: time.Hour}, w.definition(steps))
		id := start(t, e, "r1")
		<-entered
		err := db.Write(t.Context(), func(tx *store.Tx) error {
			return tx.ExecOne(t.Context(), "UPDATE saga SET owner = 'other', term = term + 1 WHERE id = ?", id)
		})
		if err != nil {
			t.Fatal(err)
		}
		e.tick(t.Context())
		if err := <-cause; !errors.Is(err, ErrLeaseLost) {
			t.Errorf("the step ended with %v", err)
		}
		expect(t, wait(t, e, id), Running, w, "")
	})
}

func TestRenewedLeaseIsNotTakenOver(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		migrate(t, db)
		var offset atomic.Int64
		clock := func() time.Time { return time.Now().Add(time.Duration(offset.Load())) }
		w := &world{}
		steps := w.plain("a")
		entered, release := make(chan struct{}), make(chan struct{})
		steps[0].Do = func(context.Context, *vars) error { close(entered); <-release; return nil }
		e1 := open(t, db, Config{Owner: "one", Lease: time.Hour, Clock: clock}, w.definition(steps))
		other := &world{}
		e2 := open(t, db, Config{Owner: "two", Lease: time.Hour, Clock: clock}, other.definition(other.plain("a")))
		id := start(t, e1, "r1")
		<-entered
		for range 4 {
			offset.Add(int64(40 * time.Minute))
			e1.tick(t.Context())
			e2.tick(t.Context())
		}
		close(release)
		expect(t, wait(t, e1, id), Done, w, "done")
		if got := other.got(); got != "" {
			t.Errorf("the other engine did %q", got)
		}
	})
}

// Cancel called in one process reaches a step at work in another.
func TestCancelFromAnotherProcess(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		migrate(t, db)
		w := &world{}
		steps := w.plain("a")
		entered := make(chan struct{})
		steps[0].Do = func(ctx context.Context, _ *vars) error { close(entered); <-ctx.Done(); return ctx.Err() }
		e1 := open(t, db, Config{Owner: "one", Lease: time.Hour}, w.definition(steps))
		e2 := open(t, db, Config{Owner: "two", Lease: time.Hour}, w.definition(steps))
		id := start(t, e1, "r1")
		<-entered
		if !cancelSaga(t, e2, "r1") {
			t.Fatal("not found")
		}
		e1.tick(t.Context())
		expect(t, wait(t, e1, id), Undone, w, "-a failed")
	})
}

// A saga that was cancelled while nobody ran it unwinds without going on.
func TestCancelWhileNobodyRunsIt(t *testing.T) {
	migratedSQLite(t, func(t *testing.T, db *store.DB) {
		w := &world{}
		e := NewEngine(db, Config{})
		Register(e, w.definition(w.plain("a")))
		id := start(t, e, "r1")
		cancelSaga(t, e, "r1")
		if err := e.Open(t.Context()); err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		expect(t, wait(t, e, id), Undone, w, "-a failed")
	})
}

func TestOpenRefusesUnknownVersions(t *testing.T) {
	migratedSQLite(t, func(t *testing.T, db *store.DB) {
		w := &world{}
		e := NewEngine(db, Config{})
		d := w.definition(w.plain("a"))
		d.Version = 2
		Register(e, d)
		id := start(t, e, "r1")

		older := NewEngine(db, Config{})
		d.Version = 1
		Register(older, d)
		if err := older.Open(t.Context()); !errs.Is(err, errs.Unsupported) {
			t.Errorf("opened: %v", err)
		}
		// With both versions there, the old one is finished and the new one begun.
		both := NewEngine(db, Config{})
		Register(both, d)
		d.Version = 3
		Register(both, d)
		if err := both.Open(t.Context()); !errs.Is(err, errs.Unsupported) {
			t.Errorf("opened: %v", err)
		}
		d.Version = 2
		Register(both, d)
		if err := both.Open(t.Context()); err != nil {
			t.Fatal(err)
		}
		defer both.Close()
		if s := wait(t, both, id); s.State != Done || s.Version != 2 {
			t.Errorf("%+v", s)
		}
		if s := wait(t, both, start(t, both, "r1")); s.Version != 3 {
			t.Errorf("a new saga has version %d", s.Version)
		}
	})
}

func TestManySagasAtOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		migrate(t, db)
		const sagas, workers = 60, 8
		w := &world{}
		var at, most atomic.Int64
		steps := w.plain("a", "b", "c")
		for i := range steps {
			steps[i].Do = func(context.Context, *vars) error {
				n := at.Add(1)
				defer at.Add(-1)
				for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
				}
				return nil
			}
		}
		e := open(t, db, Config{Workers: workers}, w.definition(steps))
		var wg sync.WaitGroup
		for i := range sagas {
			wg.Go(func() {
				if _, err := tryStart(t.Context(), e, string(rune('A'+i))); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		ctx, stop := context.WithTimeout(t.Context(), 60*time.Second)
		defer stop()
		if err := e.WaitIdle(ctx); err != nil {
			t.Fatal(err)
		}
		done, err := e.List(t.Context(), Filter{States: []State{Done}})
		if err != nil || len(done) != sagas {
			t.Errorf("%d done, %v", len(done), err)
		}
		if most.Load() > workers {
			t.Errorf("%d steps at once", most.Load())
		}
	})
}

func BenchmarkSixSteps(b *testing.B) {
	db := storetest.SQLite(b)
	migrate(b, db)
	w := &world{}
	d := w.definition(nil)
	for _, name := range []string{"claim", "ports", "volumes", "image", "define", "wait"} {
		d.Steps = append(d.Steps, Step[vars]{Name: name, Do: func(context.Context, *vars) error { return nil }})
	}
	e := open(b, db, Config{}, d)
	for b.Loop() {
		wait(b, e, start(b, e, "r1"))
	}
}
