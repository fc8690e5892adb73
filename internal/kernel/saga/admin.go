package saga

import (
	"context"
	"errors"
	"fmt"
	"time"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
	"kumoi/internal/kernel/task"
)

// Saga is what an operator sees of a saga.
type Saga struct {
	ID       string
	Kind     string
	Version  int
	Resource string
	State    State
	Step     string // at work, or where it is stuck
	Err      *errs.Error
	// Cancelled tells that somebody asked for it, not that it has happened.
	Cancelled bool

	UserID, ProjectID, RequestID string // who wanted it
	Owner                        string // which process runs it

	Created, Updated, Ended time.Time
}

// Event is one line of a saga's log.
type Event struct {
	Time  time.Time
	Name  string
	Step  string
	Err   *errs.Error
	Data  string // the variables as JSON, where they changed
	Since time.Duration
}

// Detail is a saga with its log. Event.Since is how long the step had been at
// work, for events that end one; zero for others.
type Detail struct {
	Saga
	Events []Event
}

// Filter chooses sagas; what is empty does not matter.
type Filter struct {
	States   []State
	Kind     string
	Resource string
	Limit    int
}

// List returns sagas, newest first.
func (e *Engine) List(ctx context.Context, f Filter) ([]Saga, error) {
	q := store.Select(rowColumns).OrderBy("created_at DESC, id").Limit(f.Limit)
	if len(f.States) > 0 {
		states := make([]string, len(f.States))
		for i, s := range f.States {
			states[i] = string(s)
		}
		store.Among(q, "state", states)
	}
	if f.Kind != "" {
		q.Where("kind = ?", f.Kind)
	}
	if f.Resource != "" {
		q.Where("resource = ?", f.Resource)
	}
	var out []Saga
	err := e.db.Read(ctx, func(tx *store.Tx) error {
		rows, err := store.Find(ctx, tx, scanRow, q)
		out = make([]Saga, len(rows))
		for i, x := range rows {
			out[i] = x.Saga
		}
		return err
	})
	return out, err
}

// Show returns a saga and its log, or NotFound.
func (e *Engine) Show(ctx context.Context, id string) (Detail, error) {
	var d Detail
	err := e.db.Read(ctx, func(tx *store.Tx) error {
		x, err := e.get(ctx, tx, id)
		if err != nil {
			return err
		}
		log, err := getEvents(ctx, tx, id)
		d = Detail{Saga: x.Saga, Events: describe(log)}
		return err
	})
	return d, err
}

func (e *Engine) get(ctx context.Context, tx *store.Tx, id string) (row, error) {
	x, err := getRow(ctx, tx, id)
	if errors.Is(err, store.ErrNoRows) {
		return x, errs.New(errs.NotFound, "Saga %s could not be found.", id)
	}
	return x, err
}

func describe(log []record) []Event {
	began := map[string]int64{} // step → when its Do or Undo began
	out := make([]Event, 0, len(log))
	for _, rec := range log {
		ev := Event{Time: store.Time(rec.at), Name: rec.name, Step: rec.step, Err: rec.err, Data: string(rec.data)}
		switch rec.name {
		case evBegin, evUndo:
			began[rec.step] = rec.at
		case evDone, evFail, evRewind, evUndone, evStuck, evAttempt:
			if at, ok := began[rec.step]; ok {
				ev.Since = time.Duration(rec.at-at) * time.Microsecond
			}
		}
		out = append(out, ev)
	}
	return out
}

// Retry has a stuck saga undo what is left. Conflict if it is not stuck, or if
// another saga works on the resource.
func (e *Engine) Retry(ctx context.Context, id string) error {
	var r *run
	err := e.db.Write(ctx, func(tx *store.Tx) error {
		r = nil
		x, err := e.get(ctx, tx, id)
		if err != nil {
			return err
		}
		if x.State != Stuck {
			return errs.New(errs.Conflict, "Saga %s is %s; only a stuck one can be retried.", id, x.State)
		}
		def := e.definition(x.Kind, x.Version)
		if def == nil {
			return errs.New(errs.Unsupported, "This release does not know %s version %d.", x.Kind, x.Version)
		}
		if _, busy, err := e.Active(ctx, tx, x.Resource); err != nil {
			return err
		} else if busy {
			return errs.New(errs.Conflict, "Another operation on %s is still in progress.", x.Resource)
		}
		return e.reopen(ctx, tx, x, def, &r)
	})
	if err != nil {
		return fmt.Errorf("retry saga: %w", err)
	}
	e.launch(r)
	return nil
}

// reopen makes a stuck saga unwind again, under this engine's lease.
func (e *Engine) reopen(ctx context.Context, tx *store.Tx, x row, def *definition, out **run) error {
	now := e.cfg.Clock()
	term := x.term + 1
	log, err := getEvents(ctx, tx, x.ID)
	if err != nil {
		return err
	}
	c, next, err := replay(def, log)
	if err != nil {
		return err
	}
	ev := event{name: evRetry}
	if err := c.apply(def, ev); err != nil {
		return err
	}
	if err := appendEvents(ctx, tx, x.ID, term, next, []event{ev}, now); err != nil {
		return err
	}
	if err := tx.ExecOne(ctx, "UPDATE saga SET owner = ?, term = ? WHERE id = ?", e.cfg.Owner, term, x.ID); err != nil {
		return err
	}
	var lease time.Time // an engine that runs nothing leaves it to others
	e.mu.Lock()
	if e.open {
		lease = now.Add(e.cfg.Lease)
	}
	e.mu.Unlock()
	if err := updateRow(ctx, tx, x.ID, term, &c, def, lease, now); err != nil {
		return err
	}
	*out, err = e.load(ctx, tx, x.ID, def)
	return err
}

// Abandon ends a saga as it is, whatever it was doing, and frees its resource
// for another. What it has made stays; nobody is told.
func (e *Engine) Abandon(ctx context.Context, id, reason string) error {
	err := e.db.Write(ctx, func(tx *store.Tx) error {
		x, err := e.get(ctx, tx, id)
		if err != nil {
			return err
		}
		if x.State.Ended() && x.State != Stuck {
			return errs.New(errs.Conflict, "Saga %s is %s; there is nothing to abandon.", id, x.State)
		}
		next, err := store.One(ctx, tx, store.Value[int64], "SELECT COUNT(*) FROM saga_event WHERE saga = ?", id)
		if err != nil {
			return err
		}
		now := e.cfg.Clock()
		cause := errs.New(errs.Conflict, "Abandoned: %s", reason)
		ev := event{name: evAbandon, step: "", err: cause}
		if err := appendEvents(ctx, tx, id, x.term+1, next, []event{ev}, now); err != nil {
			return err
		}
		return tx.ExecOne(ctx, `UPDATE saga SET state = ?, error = ?, term = term + 1, lease_until = 0,
			updated_at = ?, finished_at = ? WHERE id = ?`,
			string(Abandoned), causeText(cause), store.Micros(now), store.Micros(now), id)
	})
	if err != nil {
		return fmt.Errorf("abandon saga: %w", err)
	}
	e.mu.Lock()
	r := e.active[id]
	e.mu.Unlock()
	if r != nil {
		r.stop(ErrLeaseLost)
	}
	return nil
}

// Prune deletes sagas that ended before the time, except stuck ones, and
// returns how many.
func (e *Engine) Prune(ctx context.Context, before time.Time) (int, error) {
	const batch = 500
	total := 0
	for {
		var n int64
		err := e.db.Write(ctx, func(tx *store.Tx) error {
			old := `SELECT id FROM saga WHERE finished_at > 0 AND finished_at < ? AND state <> 'stuck' ORDER BY finished_at LIMIT ?`
			if _, err := tx.Exec(ctx, "DELETE FROM saga_event WHERE saga IN ("+old+")", store.Micros(before), batch); err != nil {
				return err
			}
			var err error
			n, err = tx.Exec(ctx, "DELETE FROM saga WHERE id IN ("+old+")", store.Micros(before), batch)
			return err
		})
		total += int(n)
		if err != nil || n < batch {
			return total, err
		}
	}
}

// PruneTask deletes what ended more than a week ago.
func (e *Engine) PruneTask() task.Task {
	return task.Task{
		Name: "saga-prune", Every: time.Hour,
		Run: func(ctx context.Context) (string, error) {
			n, err := e.Prune(ctx, e.cfg.Clock().AddDate(0, 0, -7))
			return fmt.Sprintf("%d sagas deleted", n), err
		},
	}
}
