package sqlstore

import (
	"context"
	"time"

	"kumoi/internal/identity"
	"kumoi/internal/kernel/store"
)

type events struct{}

func scanEvent(r store.Row) (identity.Event, error) {
	var e identity.Event
	var at, before int64
	err := r.Scan(&e.ID, &e.Tag, &at, &before)
	e.At, e.IssuedBefore = store.Time(at), store.Time(before)
	return e, err
}

// Add appends an event.
func (events) Add(ctx context.Context, tx *store.Tx, e identity.Event) error {
	_, err := tx.Exec(ctx, "INSERT INTO identity_event (id, tag, at, issued_before) VALUES (?, ?, ?, ?)",
		e.ID, e.Tag, store.Micros(e.At), store.Micros(e.IssuedBefore))
	return err
}

// Since returns the events after a time.
func (events) Since(ctx context.Context, tx *store.Tx, at time.Time) ([]identity.Event, error) {
	return store.All(ctx, tx, scanEvent, "SELECT id, tag, at, issued_before FROM identity_event WHERE at > ? ORDER BY at", store.Micros(at))
}

// Revocations returns every event that revokes tokens.
func (events) Revocations(ctx context.Context, tx *store.Tx) ([]identity.Event, error) {
	return store.All(ctx, tx, scanEvent, "SELECT id, tag, at, issued_before FROM identity_event WHERE issued_before > 0 ORDER BY at")
}

// Purge forgets what no process needs any more.
func (events) Purge(ctx context.Context, tx *store.Tx, notices, revocations time.Time) error {
	_, err := tx.Exec(ctx, "DELETE FROM identity_event WHERE (issued_before = 0 AND at < ?) OR at < ?", store.Micros(notices), store.Micros(revocations))
	return err
}
