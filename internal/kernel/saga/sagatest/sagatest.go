// Package sagatest proves that a saga keeps its promises: that every step may
// run twice, that a failure at any step leaves nothing behind, and that a
// process may die at any moment.
//
//	func TestServerCreateSaga(t *testing.T) {
//		sagatest.Run(t, func(t *testing.T) sagatest.Env[createVars] {
//			f := newFixture(t) // database, fakes, a server in BUILD
//			return sagatest.Env[createVars]{
//				DB: f.db, Definition: f.service.createSaga(), Resource: f.server.ID,
//				Params:     createVars{ServerID: f.server.ID},
//				CheckClean: f.nothingIsLeft, CheckDone: f.serverRuns,
//			}
//		})
//	}
package sagatest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/saga"
	"kumoi/internal/kernel/store"
)

// Env is a fresh world in which the saga may run once.
type Env[S any] struct {
	DB         *store.DB // the saga's tables are made by Run
	Definition saga.Definition[S]
	Resource   string
	Params     S
	Actor      *actor.Actor // who wants it; a system actor if nil
	// Register makes other kinds known that the steps start.
	Register func(*saga.Engine)
	// CheckClean fails the test if anything is left after the saga was undone.
	// Nil for a saga that cannot be undone.
	CheckClean func(t *testing.T)
	// CheckDone fails the test if the saga's purpose is not fulfilled.
	CheckDone func(t *testing.T)
}

// Run runs all tests. newEnv is called for each of them, some dozens of times.
func Run[S any](t *testing.T, newEnv func(t *testing.T) Env[S]) {
	t.Helper()
	t.Run("golden", func(t *testing.T) { golden(t, newEnv(t).Definition) })
	t.Run("every step twice", func(t *testing.T) { twice(t, newEnv) })
	t.Run("failure at every step", func(t *testing.T) { failures(t, newEnv) })
	t.Run("crash after every event", func(t *testing.T) {
		crashes(t, newEnv, nil, saga.Done, func(t *testing.T, env Env[S]) { env.CheckDone(t) })
	})
	t.Run("crash while unwinding", func(t *testing.T) {
		steps := newEnv(t).Definition.Steps
		inject := func(d *saga.Definition[S]) { failAt(d, len(steps)-1, true) }
		crashes(t, newEnv, inject, saga.Undone, func(t *testing.T, env Env[S]) {
			if env.CheckClean != nil {
				env.CheckClean(t)
			}
		})
	})
}

// twice repeats every Do: once as after a failed attempt, with what the first
// run left in the variables, once as after a crash, without.
func twice[S any](t *testing.T, newEnv func(t *testing.T) Env[S]) {
	for _, crash := range []bool{false, true} {
		name := "as after a failed attempt"
		if crash {
			name = "as after a crash"
		}
		t.Run(name, func(t *testing.T) {
			env := newEnv(t)
			for i := range env.Definition.Steps {
				env.Definition.Steps[i].Do = repeat(env.Definition.Steps[i].Do, crash)
			}
			run(t, env, saga.Done)
			env.CheckDone(t)
		})
	}
}

// failures lets each step fail in turn, before it did anything and after all
// of it was done, and runs every Undo twice.
func failures[S any](t *testing.T, newEnv func(t *testing.T) Env[S]) {
	for i, st := range newEnv(t).Definition.Steps {
		for _, after := range []bool{false, true} {
			name := st.Name + ", nothing done"
			if after {
				name = st.Name + ", all done"
			}
			t.Run(name, func(t *testing.T) {
				env := newEnv(t)
				injected := failAt(&env.Definition, i, after)
				for j := range env.Definition.Steps {
					if undo := env.Definition.Steps[j].Undo; undo != nil {
						env.Definition.Steps[j].Undo = repeat(undo, j%2 == 0)
					}
				}
				if s := runAny(t, env); !*injected {
					if s.State != saga.Done {
						t.Fatalf("the saga is %s: %v", s.State, s.Err)
					}
					t.Skip("the step is not part of this run")
				} else if s.State != saga.Undone {
					t.Fatalf("the saga is %s: %v", s.State, s.Err)
				}
				if env.CheckClean != nil {
					env.CheckClean(t)
				}
			})
		}
	}
}

// crashes lets the process die at every point in turn; the next one resumes.
func crashes[S any](t *testing.T, newEnv func(t *testing.T) Env[S], inject func(*saga.Definition[S]), want saga.State, check func(*testing.T, Env[S])) {
	if inject == nil {
		inject = func(*saga.Definition[S]) {}
	}
	var points []saga.Point
	env := newEnv(t)
	inject(&env.Definition)
	e := open(t, env, func(p saga.Point) bool { points = append(points, p); return false })
	if s := wait(t, e, start(t, e, env)); s.State != want {
		t.Fatalf("without a crash the saga is %s: %v", s.State, s.Err)
	}
	e.Close()
	for n, point := range points {
		t.Run(fmt.Sprintf("%02d %s", n, point), func(t *testing.T) {
			env := newEnv(t)
			inject(&env.Definition)
			seen, died := 0, false
			e := open(t, env, func(saga.Point) bool {
				seen++
				died = died || seen == n+1
				return died
			})
			id := start(t, e, env)
			wait(t, e, id)
			e.Close()
			if !died {
				t.Fatal("the saga took another way than before")
			}
			e = open(t, env, nil)
			if s := wait(t, e, id); s.State != want {
				t.Fatalf("after the crash the saga is %s: %v", s.State, s.Err)
			}
			check(t, env)
		})
	}
}

// failAt makes a step fail, instead of its Do or after it.
func failAt[S any](d *saga.Definition[S], i int, after bool) (injected *bool) {
	injected = new(bool)
	do := d.Steps[i].Do
	d.Steps[i].Do = func(ctx context.Context, s *S) error {
		if after {
			if err := do(ctx, s); err != nil {
				return err
			}
		}
		*injected = true
		return errors.New("failure injected by the test")
	}
	return injected
}

// repeat runs f twice; forget takes what the first run wrote to the variables away.
func repeat[S any](f func(context.Context, *S) error, forget bool) func(context.Context, *S) error {
	return func(ctx context.Context, s *S) error {
		before, err := json.Marshal(s)
		if err != nil {
			return err
		}
		if err := f(ctx, s); err != nil {
			return err
		}
		if forget {
			*s = *new(S)
			if err := json.Unmarshal(before, s); err != nil {
				return err
			}
		}
		if err := f(ctx, s); err != nil {
			return fmt.Errorf("the second run: %w", err)
		}
		return nil
	}
}

func run[S any](t *testing.T, env Env[S], want saga.State) {
	t.Helper()
	if s := runAny(t, env); s.State != want {
		t.Fatalf("the saga is %s, want %s: %v", s.State, want, s.Err)
	}
}

func runAny[S any](t *testing.T, env Env[S]) saga.Saga {
	t.Helper()
	e := open(t, env, nil)
	return wait(t, e, start(t, e, env))
}

func open[S any](t *testing.T, env Env[S], crash func(saga.Point) bool) *saga.Engine {
	t.Helper()
	if err := env.DB.Migrate(t.Context(), saga.Migrations()); err != nil {
		t.Fatal(err)
	}
	e := saga.NewEngine(env.DB, saga.Config{
		Owner: "sagatest", Crash: crash, Backoff: func(int) time.Duration { return 0 },
	})
	saga.Register(e, env.Definition)
	if env.Register != nil {
		env.Register(e)
	}
	if err := e.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	return e
}

func start[S any](t *testing.T, e *saga.Engine, env Env[S]) (id string) {
	t.Helper()
	ctx := actor.AsSystem(t.Context(), "sagatest")
	if env.Actor != nil {
		ctx = actor.With(ctx, env.Actor)
	}
	err := env.DB.Write(ctx, func(tx *store.Tx) (err error) {
		id, err = e.Start(ctx, tx, env.Definition.Kind, env.Resource, env.Params)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func wait(t *testing.T, e *saga.Engine, id string) saga.Saga {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	s, err := e.Wait(ctx, id)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
