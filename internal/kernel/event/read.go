package event

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

// Position is a place in the log: the id of a transaction, 0 on SQLite, and a
// number. Its text is "3-17".
type Position struct{ Transaction, Number int64 }

// Before tells whether p is earlier in the log than q.
func (p Position) Before(q Position) bool {
	return p.Transaction < q.Transaction || p.Transaction == q.Transaction && p.Number < q.Number
}

func (p Position) String() string { return fmt.Sprintf("%d-%d", p.Transaction, p.Number) }

// MarshalText writes a position as its text.
func (p Position) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads what MarshalText wrote; no text is the log's beginning.
func (p *Position) UnmarshalText(b []byte) error {
	if len(b) == 0 {
		*p = Position{}
		return nil
	}
	if _, err := fmt.Sscanf(string(b), "%d-%d", &p.Transaction, &p.Number); err != nil {
		return errs.New(errs.Invalid, "%q is no place in the log of events, such as 0-17", b)
	}
	return nil
}

// Filter selects events; what is empty selects all.
type Filter struct {
	Type     string // the type's beginning: "compute", "compute.server."
	Resource string
	Project  string
}

func (f Filter) wants(e Event) bool {
	return strings.HasPrefix(e.Type, f.Type) && (f.Resource == "" || f.Resource == e.Resource) && (f.Project == "" || f.Project == e.Project)
}

// batch is how many events are read at once.
const batch = 200

// Since returns events that come after a place, oldest first and at most some
// hundred, and how far it looked: all before that place were selected from.
func (l *Log) Since(ctx context.Context, after Position, f Filter) (found []Event, looked Position, err error) {
	err = l.db.Read(ctx, func(tx *store.Tx) (err error) {
		found, looked, err = since(ctx, tx, after, f)
		return err
	})
	return found, looked, err
}

// Wait is Since, but waits for some events until ctx ends.
func (l *Log) Wait(ctx context.Context, after Position, f Filter) ([]Event, Position, error) {
	for {
		next := l.next()
		before := after
		found, looked, err := l.Since(ctx, after, f)
		if err != nil || len(found) > 0 || ctx.Err() != nil {
			return found, looked, err
		}
		if after = looked; after != before {
			continue
		}
		select {
		case <-ctx.Done():
			return found, looked, nil
		case <-next:
		case <-time.After(l.cfg.Poll):
		}
	}
}

// End is the place after the newest event that can be read.
func (l *Log) End(ctx context.Context) (p Position, err error) {
	err = l.db.Read(ctx, func(tx *store.Tx) (err error) {
		p, err = end(ctx, tx)
		return err
	})
	return p, err
}

// Kept is the place up to which events are gone: the log has all that came after it.
func (l *Log) Kept(ctx context.Context) (p Position, err error) {
	err = l.db.Read(ctx, func(tx *store.Tx) (err error) {
		if p, err = cursor(ctx, tx, "", ""); errs.Is(err, errs.NotFound) {
			err = nil
		}
		return err
	})
	return p, err
}

// settled are the events that no running transaction can come before.
func settled(d store.Dialect) string {
	if d == store.Postgres {
		return "transaction_id < pg_snapshot_xmin(pg_current_snapshot())::text::bigint"
	}
	return "1 = 1"
}

// since reads one batch of those that a filter wants, and tells how far it looked.
func since(ctx context.Context, tx *store.Tx, after Position, f Filter) (found []Event, looked Position, err error) {
	q := store.Select("SELECT transaction_id, number, time, type, notification, resource, project, user_id, request, state FROM event_log").
		Where(settled(tx.Dialect())).Limit(batch)
	if tx.Dialect() == store.Postgres {
		q.Where("(transaction_id, number) > (?, ?)", after.Transaction, after.Number).OrderBy("transaction_id, number")
	} else {
		q.Where("number > ?", after.Number).OrderBy("number")
	}
	if f.Type != "" {
		q.Where("substr(type, 1, ?) = ?", utf8.RuneCountInString(f.Type), f.Type)
	}
	if f.Resource != "" {
		q.Where("resource = ?", f.Resource)
	}
	if f.Project != "" {
		q.Where("project = ?", f.Project)
	}
	if found, err = store.Find(ctx, tx, scan, q); err != nil {
		return nil, after, err
	}
	if len(found) == batch {
		return found, found[batch-1].At, nil
	}
	looked, err = end(ctx, tx)
	if looked.Before(after) { // nothing is left
		looked = after
	}
	return found, looked, err
}

func end(ctx context.Context, tx *store.Tx) (Position, error) {
	order := "number DESC"
	if tx.Dialect() == store.Postgres {
		order = "transaction_id DESC, number DESC"
	}
	p, err := store.One(ctx, tx, scanPosition, "SELECT transaction_id, number FROM event_log WHERE "+settled(tx.Dialect())+" ORDER BY "+order+" LIMIT 1")
	if errs.Is(err, errs.NotFound) {
		return p, nil
	}
	return p, err
}

func scanPosition(r store.Row) (p Position, err error) {
	err = r.Scan(&p.Transaction, &p.Number)
	return p, err
}

func scan(r store.Row) (Event, error) {
	var e Event
	var at int64
	var state string
	err := r.Scan(&e.At.Transaction, &e.At.Number, &at, &e.Type, &e.Notification, &e.Resource, &e.Project, &e.User, &e.Request, &state)
	e.Time = store.Time(at)
	if state != "" {
		e.State = json.RawMessage(state)
	}
	return e, err
}
