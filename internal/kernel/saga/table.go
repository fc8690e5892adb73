package saga

import (
	"context"
	"embed"
	"encoding/json"
	"strings"
	"time"

	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

//go:embed migrations
var migrations embed.FS

// Migrations is the schema of the saga tables.
func Migrations() store.Migrations { return store.Migrations{Service: "saga", FS: migrations} }

// row is a saga as stored.
type row struct {
	Saga
	actor     []byte
	cancel    bool
	owner     string
	term      int64
	lease     int64 // unix microseconds
	rawCause  string
	createdUS int64
	updatedUS int64
	endedUS   int64
}

const rowColumns = `SELECT id, kind, version, resource, state, step, error, actor, cancel_requested,
	owner, term, lease_until, created_at, updated_at, finished_at FROM saga`

func scanRow(r store.Row) (row, error) {
	var x row
	var who string
	err := r.Scan(&x.ID, &x.Kind, &x.Version, &x.Resource, &x.State, &x.Step, &x.rawCause, &who, &x.cancel,
		&x.owner, &x.term, &x.lease, &x.createdUS, &x.updatedUS, &x.endedUS)
	if err != nil {
		return x, err
	}
	x.actor = []byte(who)
	x.Owner, x.Cancelled = x.owner, x.cancel
	x.Created, x.Updated, x.Ended = store.Time(x.createdUS), store.Time(x.updatedUS), store.Time(x.endedUS)
	if x.rawCause != "" {
		x.Err = errs.Unmarshal([]byte(x.rawCause))
	}
	var a actor.Actor
	if json.Unmarshal(x.actor, &a) == nil {
		x.UserID, x.ProjectID, x.RequestID = a.UserID, a.ProjectID, a.RequestID
	}
	return x, nil
}

func getRow(ctx context.Context, tx *store.Tx, id string) (row, error) {
	return store.One(ctx, tx, scanRow, rowColumns+" WHERE id = ?", id)
}

// insertRow adds a saga; false if its resource has one that runs already.
func insertRow(ctx context.Context, tx *store.Tx, x row, c *cursor, def *definition, now time.Time) (bool, error) {
	us := store.Micros(now)
	ended := int64(0)
	if c.state.Ended() {
		ended = us
	}
	n, err := tx.Exec(ctx, `INSERT INTO saga (id, kind, version, resource, state, step, error, actor,
		cancel_requested, owner, term, lease_until, created_at, updated_at, finished_at)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
		x.ID, def.kind, def.version, x.Resource, string(c.state), c.stepName(def), causeText(c.cause), string(x.actor),
		false, x.owner, x.term, x.lease, us, us, ended)
	return n == 1, err
}

// updateRow moves a saga to where its cursor is and renews the lease.
func updateRow(ctx context.Context, tx *store.Tx, id string, term int64, c *cursor, def *definition, lease, now time.Time) error {
	ended := int64(0)
	if c.state.Ended() {
		ended = store.Micros(now)
	}
	n, err := tx.Exec(ctx, `UPDATE saga SET state = ?, step = ?, error = ?, lease_until = ?, updated_at = ?, finished_at = ?
		WHERE id = ? AND term = ?`,
		string(c.state), c.stepName(def), causeText(c.cause), store.Micros(lease), store.Micros(now), ended, id, term)
	if err == nil && n == 0 {
		return ErrLeaseLost
	}
	return err
}

// stepName is where the saga is, for people.
func (c *cursor) stepName(def *definition) string {
	i := c.current()
	if i < 0 && c.state == Stuck {
		for j, p := range c.steps {
			if p == undoing {
				i = j
			}
		}
	}
	if i < 0 {
		return ""
	}
	return def.steps[i].name
}

func causeText(e *errs.Error) string {
	if e == nil {
		return ""
	}
	return string(errs.Marshal(e))
}

// appendEvents adds to a saga's log, from number first on.
func appendEvents(ctx context.Context, tx *store.Tx, id string, term, first int64, events []event, now time.Time) error {
	if len(events) == 0 {
		return nil
	}
	var q strings.Builder
	q.WriteString("INSERT INTO saga_event (saga, seq, term, at, event, step, target, data, error) VALUES ")
	args := make([]any, 0, 9*len(events))
	for i, ev := range events {
		if i > 0 {
			q.WriteString(", ")
		}
		q.WriteString("(?, ?, ?, ?, ?, ?, ?, ?, ?)")
		args = append(args, id, first+int64(i), term, store.Micros(now), ev.name, ev.step, ev.target, string(ev.data), causeText(ev.err))
	}
	_, err := tx.Exec(ctx, q.String(), args...)
	return err
}

// record is an event as stored.
type record struct {
	event
	seq, term, at int64
}

func scanRecord(r store.Row) (record, error) {
	var x record
	var data, cause string
	err := r.Scan(&x.seq, &x.term, &x.at, &x.name, &x.step, &x.target, &data, &cause)
	if data != "" {
		x.data = []byte(data)
	}
	if cause != "" {
		x.err = errs.Unmarshal([]byte(cause))
	}
	return x, err
}

func getEvents(ctx context.Context, tx *store.Tx, id string) ([]record, error) {
	return store.All(ctx, tx, scanRecord,
		`SELECT seq, term, at, event, step, target, data, error FROM saga_event WHERE saga = ? ORDER BY seq`, id)
}

// replay computes the position, and the number of the next event, from the log.
func replay(def *definition, log []record) (cursor, int64, error) {
	c, next := newCursor(def), int64(0)
	for _, rec := range log {
		if err := c.apply(def, rec.event); err != nil {
			return c, 0, err
		}
		next = rec.seq + 1
	}
	return c, next, nil
}
