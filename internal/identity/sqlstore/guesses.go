package sqlstore

import (
	"context"
	"time"

	"kumoi/internal/identity"
	"kumoi/internal/kernel/store"
)

type guesses struct{}

type taken struct {
	count int64
	known bool
}

// Take counts and answers in one statement: the row's lock puts those that come
// at once in turn.
func (guesses) Take(ctx context.Context, tx *store.Tx, factor, subject, source string, now, old time.Time) (int64, bool, error) {
	at := store.Micros(now)
	t, err := store.One(ctx, tx, func(r store.Row) (taken, error) {
		var t taken
		var until int64
		err := r.Scan(&t.count, &until)
		t.known = until > at
		return t, err
	}, `INSERT INTO identity_guess (subject, factor, source, count, since, known_until) VALUES (?, ?, ?, 1, ?, 0)
		ON CONFLICT (subject, factor, source) DO UPDATE SET
			count = CASE WHEN identity_guess.since <= ? THEN 1 ELSE identity_guess.count + 1 END,
			since = CASE WHEN identity_guess.since <= ? THEN ? ELSE identity_guess.since END
		RETURNING count, known_until`, subject, factor, source, at, store.Micros(old), store.Micros(old), at)
	return t.count, t.known, err
}

// Right forgets a source's wrong guesses.
func (guesses) Right(ctx context.Context, tx *store.Tx, factor, subject, source string, known time.Time) error {
	if _, err := tx.Exec(ctx, "UPDATE identity_guess SET count = 0, known_until = ? WHERE subject = ? AND factor = ? AND source = ?",
		store.Micros(known), subject, factor, source); err != nil || source == "" {
		return err
	}
	_, err := tx.Exec(ctx, "UPDATE identity_guess SET count = count - 1 WHERE subject = ? AND factor = ? AND source = '' AND count > 0", subject, factor)
	return err
}

// Counted lists what was counted lately.
func (guesses) Counted(ctx context.Context, tx *store.Tx, subject string, old time.Time) ([]identity.Bound, error) {
	return store.All(ctx, tx, func(r store.Row) (identity.Bound, error) {
		var b identity.Bound
		var since int64
		err := r.Scan(&b.Factor, &b.Source, &b.Count, &since)
		b.Since = store.Time(since)
		return b, err
	}, "SELECT factor, source, count, since FROM identity_guess WHERE subject = ? AND since > ? AND count > 1", subject, store.Micros(old))
}

// Purge forgets what is old, of sources that are not known.
func (guesses) Purge(ctx context.Context, tx *store.Tx, now, old time.Time) error {
	_, err := tx.Exec(ctx, "DELETE FROM identity_guess WHERE since <= ? AND known_until <= ?", store.Micros(old), store.Micros(now))
	return err
}
