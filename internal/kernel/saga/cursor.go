package saga

import (
	"fmt"
	"slices"

	"kumoi/internal/kernel/errs"
)

// The events of a saga's log.
const (
	evStart   = "start"   // data: the parameters
	evBegin   = "begin"   // a step's Do may run from now on
	evDone    = "done"    // it has ended well; data
	evSkip    = "skip"    // the step is left out
	evAttempt = "attempt" // a Do or Undo failed and will be tried again; error
	evFail    = "fail"    // a Do failed for good; data, error
	evRewind  = "rewind"  // a Do wants to try again from target; data, error
	evCancel  = "cancel"  // the runner has seen the request to cancel
	evUndo    = "undo"    // a step's Undo may run from now on
	evUndone  = "undone"  // it has ended well; data
	evStuck   = "stuck"   // it failed for good; data, error
	evEnd     = "end"     // the saga is done, or undone
	evRetry   = "retry"   // the operator wants a stuck saga to unwind again
	evAbandon = "abandon" // the operator gives the saga up; error
)

// event is one line of the log. The saga, its number and its time are added
// when it is written.
type event struct {
	name   string
	step   string
	target string      // evRewind: the step to go back to
	data   []byte      // S as JSON, where there is news
	err    *errs.Error // why
}

// progress of one step.
type progress uint8

const (
	pending progress = iota
	begun
	finished
	skipped
	undoing
	undone
)

// cursor is the position in a saga. It changes by apply only, so who replays
// the log arrives where its writer was.
type cursor struct {
	state     State
	steps     []progress
	target    int         // while unwinding: go forward again from here; -1: never
	data      []byte      // S as of the last event that had it
	cause     *errs.Error // why it unwinds
	cancelled bool
}

func newCursor(def *definition) cursor {
	return cursor{state: Running, steps: make([]progress, len(def.steps)), target: -1}
}

func (c *cursor) clone() cursor {
	out := *c
	out.steps = slices.Clone(c.steps)
	return out
}

// apply moves the cursor over one event.
func (c *cursor) apply(def *definition, ev event) error {
	i := def.index(ev.step)
	if i < 0 && ev.step != "" {
		return fmt.Errorf("saga %s version %d has no step %s", def.kind, def.version, ev.step)
	}
	set := func(p progress) {
		if i >= 0 {
			c.steps[i] = p
		}
	}
	if ev.data != nil {
		c.data = ev.data
	}
	switch ev.name {
	case evStart, evAttempt:
	case evBegin:
		c.forward()
		set(begun)
	case evSkip:
		c.forward()
		set(skipped)
	case evDone:
		set(finished)
	case evFail:
		c.unwind(-1, ev.err)
	case evRewind:
		target := def.index(ev.target)
		if target < 0 {
			return fmt.Errorf("saga %s version %d has no step %s", def.kind, def.version, ev.target)
		}
		c.unwind(target, ev.err)
	case evCancel:
		c.unwind(-1, ev.err)
	case evUndo:
		set(undoing)
	case evUndone:
		set(undone)
	case evStuck:
		c.state = Stuck
		if c.cause == nil {
			c.cause = ev.err
		}
	case evEnd:
		if c.state == Unwinding {
			c.state = Undone
		} else {
			c.state = Done
		}
	case evRetry:
		c.state = Unwinding
	case evAbandon:
		c.state = Abandoned
	default:
		return fmt.Errorf("unknown event %q", ev.name)
	}
	return nil
}

// unwind turns round. After a cancellation nothing changes the direction, or
// the cause, again.
func (c *cursor) unwind(target int, cause *errs.Error) {
	if !c.cancelled {
		c.state, c.target, c.cause, c.cancelled = Unwinding, target, cause, Cancelled(cause)
	}
}

// forward ends a rewind: from its target on, every step is new.
func (c *cursor) forward() {
	if c.state != Unwinding || c.target < 0 {
		return
	}
	for i := c.target; i < len(c.steps); i++ {
		c.steps[i] = pending
	}
	c.state, c.target, c.cause = Running, -1, nil
}

// current is the step whose Do (or Undo, while unwinding) is to run now; -1 if none.
func (c *cursor) current() int {
	for i, p := range c.steps {
		if c.state == Running && p == begun || c.state == Unwinding && p == undoing {
			return i
		}
	}
	return -1
}

// advance applies the outcome of the current step, and then whatever follows
// without any work, until a step is to run or the saga has ended. It returns
// all events, outcome included, to be written in one transaction.
func (c *cursor) advance(def *definition, s any, cancel bool, outcome ...event) ([]event, error) {
	events := slices.Clone(outcome)
	for _, ev := range outcome {
		if err := c.apply(def, ev); err != nil {
			return nil, err
		}
	}
	for {
		ev, ok := c.follow(def, s, cancel)
		if !ok {
			return events, nil
		}
		if err := c.apply(def, ev); err != nil {
			return nil, err
		}
		events = append(events, ev)
	}
}

// follow is the event that comes next without any work.
func (c *cursor) follow(def *definition, s any, cancel bool) (event, bool) {
	switch {
	case c.state.Ended():
		return event{}, false
	case cancel && !c.cancelled:
		cause := *errCancelled
		if c.cause != nil {
			cause.Err = c.cause
		}
		return event{name: evCancel, err: &cause}, true
	case c.current() >= 0:
		return event{}, false
	case c.state == Running:
		i := slices.Index(c.steps, pending)
		if i < 0 {
			return event{name: evEnd}, true
		}
		return enter(def.steps[i], s), true
	}
	// Unwinding: the last step that has left something to undo. A step that was
	// undone already, before a rewind was turned into a cancellation, stays so.
	for i := len(c.steps) - 1; i >= max(c.target, 0); i-- {
		if (c.steps[i] == begun || c.steps[i] == finished) && def.steps[i].undo != nil {
			return event{name: evUndo, step: def.steps[i].name}, true
		}
	}
	if c.target >= 0 {
		return enter(def.steps[c.target], s), true
	}
	return event{name: evEnd}, true
}

// enter begins a step, or skips it.
func enter(st step, s any) (ev event) {
	defer func() {
		if p := recover(); p != nil {
			ev = event{name: evFail, step: st.name, err: errs.As(fmt.Errorf("skip of %s: panic: %v", st.name, p))}
		}
	}()
	if st.skip != nil && st.skip(s) {
		return event{name: evSkip, step: st.name}
	}
	return event{name: evBegin, step: st.name}
}
