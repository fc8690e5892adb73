package saga

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/logx"
	"kumoi/internal/kernel/store"
)

// run is one saga while this engine holds its lease. Its loop is one
// goroutine; only stop and interrupt are called from others.
type run struct {
	e    *Engine
	id   string
	term int64
	def  *definition

	cur  cursor
	next int64 // number of the next event
	s    any   // *S
	// What goes into the log's next transaction, too.
	notes []func(ctx context.Context, tx *store.Tx) error

	resource string
	who      *actor.Actor
	began    time.Time

	// Set by start, as an open context would outlive a run that never starts.
	ctx       context.Context // of undos and hooks; ends with the engine or the lease
	stop      context.CancelCauseFunc
	doCtx     context.Context // of dos; ends when the saga is cancelled, too
	interrupt context.CancelCauseFunc
}

func (e *Engine) newRun(x row, def *definition, c cursor, next int64, s any, who *actor.Actor) *run {
	return &run{
		e: e, id: x.ID, term: x.term, def: def, cur: c, next: next, s: s,
		resource: x.Resource, who: who, began: e.cfg.Clock(),
	}
}

func (r *run) start() {
	ctx := actor.With(r.e.ctx, r.who)
	ctx = logx.With(ctx, slog.String("saga_id", r.id), slog.String("saga_kind", r.def.kind), slog.String("resource", r.resource))
	r.ctx, r.stop = context.WithCancelCause(context.WithValue(ctx, runKey{}, r))
	r.doCtx, r.interrupt = context.WithCancelCause(r.ctx)
}

// loop runs steps until the saga has ended, or is not this engine's any more.
func (r *run) loop() {
	// After a crash the position may be one that needs no work, or a request
	// to cancel may wait.
	if r.crash(event{name: evStart}, true) || !r.commit() {
		return
	}
	for !r.cur.state.Ended() {
		i := r.cur.current()
		var outcome event
		var ok bool
		if r.cur.state == Running {
			outcome, ok = r.forward(r.def.steps[i])
		} else {
			outcome, ok = r.backward(r.def.steps[i])
		}
		if !ok || !r.commit(outcome) {
			return
		}
	}
	took := slog.Duration("took", r.e.cfg.Clock().Sub(r.began))
	switch r.cur.state {
	case Done:
		r.e.log.InfoContext(r.ctx, "saga done", took)
	case Undone:
		r.e.log.WarnContext(r.ctx, "saga undone", took, slog.Any("error", r.cur.cause))
	case Stuck:
		r.e.log.ErrorContext(r.ctx, "saga stuck: an undo failed", took, slog.Any("cause", r.cur.cause))
	}
}

// forward runs a Do and says how it went; false if that is nobody's business
// any more, because the engine stops or has lost the lease.
func (r *run) forward(st step) (event, bool) {
	err := r.attempt(r.doCtx, st, st.do)
	if r.ctx.Err() != nil {
		return event{}, false
	}
	data, encErr := json.Marshal(r.s)
	if encErr != nil {
		return event{name: evFail, step: st.name, err: errs.As(fmt.Errorf("variables after %s: %w", st.name, encErr))}, true
	}
	if err == nil {
		return event{name: evDone, step: st.name, data: data}, true
	}
	ev := event{name: evFail, step: st.name, data: data, err: causeOf(err)}
	var again *retryError
	switch {
	case Cancelled(context.Cause(r.doCtx)):
		ev.err = errs.Wrap(errCancelled.Kind, err, "%s", errCancelled.Msg).WithCode(cancelledCode)
	case errors.As(err, &again):
		ev.err = causeOf(again.err)
		if i := r.def.index(again.from); i < 0 || i > r.def.index(st.name) {
			ev.err = errs.As(fmt.Errorf("step %s wants to retry from %q, which is not before it: %w", st.name, again.from, again.err))
			break
		}
		ev.name, ev.target = evRewind, again.from
	}
	r.e.log.WarnContext(r.ctx, "saga step failed", "step", st.name, "then", ev.name, "error", err)
	return ev, true
}

// backward runs an Undo.
func (r *run) backward(st step) (event, bool) {
	err := r.attempt(r.ctx, st, st.undo)
	if r.ctx.Err() != nil {
		return event{}, false
	}
	data, encErr := json.Marshal(r.s)
	if encErr != nil {
		err = errors.Join(err, fmt.Errorf("variables after undo of %s: %w", st.name, encErr))
		data = nil
	}
	if err != nil {
		r.e.log.ErrorContext(r.ctx, "saga undo failed", "step", st.name, "error", err)
		return event{name: evStuck, step: st.name, data: data, err: causeOf(err)}, true
	}
	return event{name: evUndone, step: st.name, data: data}, true
}

// causeOf is err with the kind and message of the Error in it, and the words
// around that for whoever reads the saga's log.
func causeOf(err error) *errs.Error {
	e := errs.As(err)
	if err.Error() == e.Error() {
		return e
	}
	outer := *e
	outer.Err = err
	return &outer
}

// attempt calls f until it works, fails for good or has used up its attempts
// or its time.
func (r *run) attempt(ctx context.Context, st step, f func(context.Context, any) error) error {
	timedOut := errs.New(errs.Unavailable, "Step %s was not finished within %s.", st.name, st.timeout)
	ctx, cancel := context.WithTimeoutCause(ctx, st.timeout, timedOut)
	defer cancel()
	for n := 1; ; n++ {
		err := r.call(ctx, st, f)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			if errors.Is(context.Cause(ctx), timedOut) {
				return errs.Wrap(timedOut.Kind, err, "%s", timedOut.Msg)
			}
			return err
		}
		var again *retryError
		if errors.As(err, &again) || !errs.Is(err, errs.Unavailable) || n >= r.e.cfg.Attempts {
			return err
		}
		r.e.log.WarnContext(ctx, "saga step will be tried again", "step", st.name, "attempt", n, "error", err)
		direction := r.cur.state
		if !r.commit(event{name: evAttempt, step: st.name, err: causeOf(err)}) || r.cur.state != direction {
			return err // not ours any more, or cancelled meanwhile
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(r.e.cfg.Backoff(n)):
		}
	}
}

// call runs f once, when there is room for it. A panic becomes an error.
func (r *run) call(ctx context.Context, st step, f func(context.Context, any) error) (err error) {
	select {
	case r.e.slots <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-r.e.slots }()
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("step %s: panic: %v\n%s", st.name, p, debug.Stack())
		}
	}()
	return f(ctx, r.s)
}

// hookError is what Done or Failed returned.
type hookError struct{ err error }

func (h *hookError) Error() string { return h.err.Error() }
func (h *hookError) Unwrap() error { return h.err }

// noteError is why a note cannot be written.
type noteError struct{ err error }

func (n *noteError) Error() string { return n.err.Error() }
func (n *noteError) Unwrap() error { return n.err }

// note writes what the step noted.
func (r *run) note(tx *store.Tx) error {
	for _, f := range r.notes {
		if err := f(r.ctx, tx); err != nil {
			return &noteError{err}
		}
	}
	return nil
}

// commit writes the outcome of a step, and what follows from it without work,
// in one transaction. It tries until the database takes it; false means that
// the saga is not this engine's any more.
func (r *run) commit(outcome ...event) bool {
	noHook := false
	for n := 1; ; n++ {
		if len(outcome) > 0 && r.crash(outcome[0], false) {
			return false
		}
		var c cursor
		var events []event
		err := r.e.db.Write(r.ctx, func(tx *store.Tx) (err error) {
			c = r.cur.clone()
			events, err = r.write(tx, &c, outcome)
			if err != nil || len(events) == 0 {
				return err
			}
			if err := r.note(tx); err != nil || noHook {
				return err
			}
			return r.hook(r.ctx, tx, &c)
		})
		var hook *hookError
		var note *noteError
		switch {
		case err == nil:
			r.cur = c
			if len(events) > 0 {
				r.notes = nil
			}
			r.next += int64(len(events))
			return len(events) == 0 || !r.crash(events[len(events)-1], true)
		case r.ctx.Err() != nil:
			return false
		case errors.Is(err, ErrLeaseLost):
			r.e.log.WarnContext(r.ctx, "saga is run by another process now")
			return false
		case errors.As(err, &note) && !errs.Is(err, errs.Unavailable):
			r.e.log.WarnContext(r.ctx, "what a step noted cannot be written", "error", note.err)
			r.notes = nil
			continue
		case errors.As(err, &hook) && !errs.Is(err, errs.Unavailable):
			r.e.log.ErrorContext(r.ctx, "end of the saga failed", "state", c.state, "error", err)
			if c.state == Done {
				outcome = []event{{name: evFail, step: lastStep(outcome), err: errs.As(hook.err)}}
			} else {
				outcome = append(outcome, event{name: evStuck, err: errs.As(hook.err)})
				noHook = true
			}
			continue
		}
		r.e.log.WarnContext(r.ctx, "saga waits for the database", "error", err)
		select {
		case <-r.ctx.Done():
			return false
		case <-time.After(r.e.cfg.Backoff(n)):
		}
	}
}

func lastStep(outcome []event) string {
	if len(outcome) == 0 {
		return ""
	}
	return outcome[len(outcome)-1].step
}

// write moves c and writes down how.
func (r *run) write(tx *store.Tx, c *cursor, outcome []event) ([]event, error) {
	type held struct {
		cancel bool
		owner  string
		term   int64
		state  State
	}
	h, err := store.One(r.ctx, tx, func(row store.Row) (h held, err error) {
		return h, row.Scan(&h.cancel, &h.owner, &h.term, &h.state)
	}, "SELECT cancel_requested, owner, term, state FROM saga WHERE id = ?", r.id)
	if errors.Is(err, store.ErrNoRows) {
		return nil, ErrLeaseLost
	}
	if err != nil {
		return nil, err
	}
	if h.owner != r.e.cfg.Owner || h.term != r.term || h.state != r.cur.state {
		return nil, ErrLeaseLost
	}
	events, err := c.advance(r.def, r.s, h.cancel, outcome...)
	if err != nil || len(events) == 0 {
		return nil, err
	}
	now := r.e.cfg.Clock()
	if err := appendEvents(r.ctx, tx, r.id, r.term, r.next, events, now); err != nil {
		return nil, err
	}
	return events, updateRow(r.ctx, tx, r.id, r.term, c, r.def, now.Add(r.e.cfg.Lease), now)
}

// hook lets the service end its part of the story, in the same transaction.
func (r *run) hook(ctx context.Context, tx *store.Tx, c *cursor) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
		if err != nil {
			err = &hookError{err}
		}
	}()
	switch {
	case c.state == Done && r.def.done != nil:
		return r.def.done(ctx, tx, r.s)
	case (c.state == Undone || c.state == Stuck) && r.def.failed != nil:
		return r.def.failed(ctx, tx, r.s, c.cause)
	}
	return nil
}

// crash asks a test whether the process dies here.
func (r *run) crash(ev event, written bool) bool {
	if r.e.cfg.Crash == nil {
		return false
	}
	if r.e.ctx.Err() == nil && r.e.cfg.Crash(Point{Saga: r.id, Step: ev.step, Event: ev.name, Written: written}) {
		r.e.kill()
	}
	return r.e.ctx.Err() != nil
}
