package event

import (
	"context"
	"fmt"
	"time"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
	"kumoi/internal/kernel/task"
)

// forgotten is after how long the place of a subscriber that never came again goes.
const forgotten = 30 * 24 * time.Hour

// PruneTask deletes events that are too old or too many.
func (l *Log) PruneTask() task.Task {
	return task.Task{Name: "event-prune", Every: time.Minute, AtStart: true, Run: func(ctx context.Context) (string, error) {
		n, err := l.Prune(ctx)
		return fmt.Sprintf("%d old events deleted", n), err
	}}
}

// Prune deletes events that are too old or too many, and tells how many. The
// newest stays, so that numbers go on from it. The place up to which events went
// is kept as the cursor of nobody.
func (l *Log) Prune(ctx context.Context) (int64, error) {
	var n int64
	err := l.db.Write(ctx, func(tx *store.Tx) error {
		n = 0
		now := l.cfg.Now()
		if _, err := tx.Exec(ctx, "DELETE FROM event_cursor WHERE name <> '' AND seen_at < ?", store.Micros(now.Add(-forgotten))); err != nil {
			return err
		}
		order, below := "number DESC", "number <= ?"
		if tx.Dialect() == store.Postgres {
			order, below = "transaction_id DESC, number DESC", "(transaction_id, number) <= (?, ?)"
		}
		last, err := end(ctx, tx)
		if err != nil || last == (Position{}) {
			return err
		}
		edge := Position{}
		for _, q := range []struct {
			where string
			args  []any
			skip  int
		}{{"1 = 1", nil, l.cfg.Most}, {"time < ?", []any{store.Micros(now.Add(-l.cfg.Keep))}, 0}} {
			p, err := store.One(ctx, tx, scanPosition, fmt.Sprintf("SELECT transaction_id, number FROM event_log WHERE %s AND %s ORDER BY %s LIMIT 1 OFFSET %d",
				settled(tx.Dialect()), q.where, order, q.skip), q.args...)
			if err != nil && !errs.Is(err, errs.NotFound) {
				return err
			}
			if edge.Before(p) {
				edge = p
			}
		}
		if edge == (Position{}) {
			return nil
		}
		args := []any{edge.Number}
		keep := []any{last.Number}
		if tx.Dialect() == store.Postgres {
			args = []any{edge.Transaction, edge.Number}
			keep = []any{last.Transaction, last.Number}
		}
		if n, err = tx.Exec(ctx, "DELETE FROM event_log WHERE "+below+" AND NOT "+sameAs(tx.Dialect()), append(args, keep...)...); err != nil || n == 0 {
			return err
		}
		if edge == last { // it stayed
			edge.Number--
		}
		_, err = tx.Exec(ctx, `INSERT INTO event_cursor (name, host, transaction_id, number, seen_at) VALUES ('', '', ?, ?, ?)
			ON CONFLICT (name, host) DO UPDATE SET transaction_id = excluded.transaction_id, number = excluded.number, seen_at = excluded.seen_at`,
			edge.Transaction, edge.Number, store.Micros(now))
		return err
	})
	return n, err
}

func sameAs(d store.Dialect) string {
	if d == store.Postgres {
		return "(transaction_id, number) = (?, ?)"
	}
	return "number = ?"
}
