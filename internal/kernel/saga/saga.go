package saga

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

// State is where a saga stands as a whole.
type State string

// The states; see the package's comment.
const (
	Running   State = "running"
	Unwinding State = "unwinding"
	Done      State = "done"
	Undone    State = "undone"
	Stuck     State = "stuck"
	Abandoned State = "abandoned"
)

// Ended tells whether nothing will happen any more without an operator.
func (s State) Ended() bool { return s != Running && s != Unwinding }

const defaultTimeout = 5 * time.Minute

// Step is one part of a saga over variables S.
type Step[S any] struct {
	Name string
	// Do ensures that the step's effect is there. It may record in s what it
	// found; a run that crashed is repeated with s as it was before.
	Do func(ctx context.Context, s *S) error
	// Undo ensures that the effect is not there. It also runs for the step that
	// failed, so it must cope with effects that never came to be. A step without
	// Undo needs none.
	Undo func(ctx context.Context, s *S) error
	// Timeout bounds Do, and Undo, with all repetitions; 5 minutes if zero.
	Timeout time.Duration
	// Skip, if set, leaves the step out. It looks at s and nothing else.
	Skip func(s *S) bool
}

// Definition is a kind of saga.
type Definition[S any] struct {
	Kind    string // "server.create"
	Version int
	Steps   []Step[S]
	// Done runs in the transaction that ends the saga well. An error undoes it
	// all. Like every transaction it may run several times; it leaves s alone.
	Done func(ctx context.Context, tx *store.Tx, s *S) error
	// Failed runs in the transaction that ends the saga undone or stuck; cause
	// says why, and Cancelled(cause) whether somebody wanted it so. It runs
	// again when an operator's retry of a stuck saga ends.
	Failed func(ctx context.Context, tx *store.Tx, s *S, cause *errs.Error) error
}

// Register makes a kind of saga known. It panics on a definition that cannot
// work, as it is called while the program is put together.
func Register[S any](e *Engine, d Definition[S]) {
	def := &definition{
		kind: d.Kind, version: d.Version,
		decode: func(data []byte) (any, error) {
			s := new(S)
			return s, json.Unmarshal(data, s)
		},
	}
	for _, st := range d.Steps {
		def.steps = append(def.steps, erase(st))
	}
	if d.Done != nil {
		def.done = func(ctx context.Context, tx *store.Tx, s any) error { return d.Done(ctx, tx, s.(*S)) }
	}
	if d.Failed != nil {
		def.failed = func(ctx context.Context, tx *store.Tx, s any, cause *errs.Error) error {
			return d.Failed(ctx, tx, s.(*S), cause)
		}
	}
	e.register(def)
}

// definition is a Definition without its type parameter: s is always a *S.
type definition struct {
	kind    string
	version int
	steps   []step
	decode  func(data []byte) (any, error)
	done    func(ctx context.Context, tx *store.Tx, s any) error
	failed  func(ctx context.Context, tx *store.Tx, s any, cause *errs.Error) error
}

type step struct {
	name    string
	do      func(ctx context.Context, s any) error
	undo    func(ctx context.Context, s any) error // nil if there is nothing to undo
	skip    func(s any) bool                       // nil if it never is
	timeout time.Duration
}

func erase[S any](st Step[S]) step {
	out := step{
		name: st.Name, timeout: st.Timeout,
		do: func(ctx context.Context, s any) error { return st.Do(ctx, s.(*S)) },
	}
	if st.Do == nil {
		out.do = nil
	}
	if st.Undo != nil {
		out.undo = func(ctx context.Context, s any) error { return st.Undo(ctx, s.(*S)) }
	}
	if st.Skip != nil {
		out.skip = func(s any) bool { return st.Skip(s.(*S)) }
	}
	if out.timeout == 0 {
		out.timeout = defaultTimeout
	}
	return out
}

// index finds a step by its name; -1 if there is none.
func (d *definition) index(name string) int {
	for i, st := range d.steps {
		if st.name == name {
			return i
		}
	}
	return -1
}

func (d *definition) check() error {
	if d.kind == "" || d.version < 1 || len(d.steps) == 0 {
		return errors.New("a saga needs a kind, a version from 1 on and steps")
	}
	for i, st := range d.steps {
		if st.name == "" || st.do == nil {
			return fmt.Errorf("saga %s: step %d lacks a name or a Do", d.kind, i)
		}
		if d.index(st.name) != i {
			return fmt.Errorf("saga %s: two steps are called %s", d.kind, st.name)
		}
	}
	return nil
}

// Retry is what a Do returns to have the saga undone down to, and including,
// the step called from, and then go forward again from there: "try another
// host". The variables are kept, so the step records in them what not to
// choose again; it also decides when to stop, by returning err itself.
func Retry(from string, err error) error { return &retryError{from, err} }

type retryError struct {
	from string
	err  error
}

func (r *retryError) Error() string { return fmt.Sprintf("retry from %s: %v", r.from, r.err) }
func (r *retryError) Unwrap() error { return r.err }

// ErrLeaseLost says that another engine runs the saga now.
var ErrLeaseLost = errs.New(errs.Conflict, "The saga is run by another process now.")

const cancelledCode = "saga.cancelled"

var errCancelled = errs.New(errs.Conflict, "The operation was cancelled.").WithCode(cancelledCode)

// Cancelled tells whether err, a cause given to Failed or the cause of a
// step's context, means that Engine.Cancel was called.
func Cancelled(err error) bool {
	var e *errs.Error
	return errors.As(err, &e) && e.Code == cancelledCode
}

type runKey struct{}

func runOf(ctx context.Context) *run {
	r, _ := ctx.Value(runKey{}).(*run)
	return r
}

// ID is the saga in whose step ctx is; empty outside of any.
func ID(ctx context.Context) string {
	if r := runOf(ctx); r != nil {
		return r.id
	}
	return ""
}

// Note has f write something in the transaction that writes down how the step
// went: as often as that and no more, and without a transaction of its own. What
// cannot be noted is no reason for a step to fail. The step calls it itself, in
// its own goroutine; outside of steps nothing is noted.
func Note(ctx context.Context, f func(ctx context.Context, tx *store.Tx) error) {
	if r := runOf(ctx); r != nil {
		r.notes = append(r.notes, f)
	}
}
