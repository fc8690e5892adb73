package family

import (
	"context"
	"errors"

	"kumoi/internal/kernel/store"
)

// Within identity rows are values, not pointers: what the caches share with
// every request cannot be changed by one.

// Get reads the row with the id.
func Get[T any](ctx context.Context, tx *store.Tx, t *store.Table[T], id string) (v T, err error) {
	p, err := t.Get(ctx, tx, id)
	if err == nil {
		v = *p
	}
	return v, err
}

// Find reads the rows of which the conditions hold.
func Find[T any](ctx context.Context, tx *store.Tx, t *store.Table[T], conds ...store.Cond) ([]T, error) {
	rows, err := t.All(ctx, tx, conds...)
	return Values(rows), err
}

// Values are the rows that pointers lead to.
func Values[T any](rows []*T) []T {
	out := make([]T, len(rows))
	for i, p := range rows {
		out[i] = *p
	}
	return out
}

// Pointers lead to rows.
func Pointers[T any](rows []T) []*T {
	out := make([]*T, len(rows))
	for i := range rows {
		out[i] = &rows[i]
	}
	return out
}

// Put adds a row, or replaces the one with its key.
func Put[T any](ctx context.Context, tx *store.Tx, t *store.Table[T], v *T) error {
	err := t.Update(ctx, tx, v)
	if errors.Is(err, store.ErrNoRows) {
		err = t.Insert(ctx, tx, v)
	}
	return err
}

// One hands out a row of its own.
func One[T any](v T, err error) (*T, error) {
	if err != nil {
		return nil, err
	}
	return &v, nil
}

// Read and Write run a closure in one transaction and hand back its value.
func Read[T any](ctx context.Context, db *store.DB, f func(tx *store.Tx) (T, error)) (T, error) {
	var v T
	err := db.Read(ctx, func(tx *store.Tx) (err error) {
		v, err = f(tx)
		return err
	})
	return v, err
}

// Write is Read for a closure that changes something.
func Write[T any](ctx context.Context, db *store.DB, f func(tx *store.Tx) (T, error)) (T, error) {
	var v T
	err := db.Write(ctx, func(tx *store.Tx) (err error) {
		v, err = f(tx)
		return err
	})
	return v, err
}

// List reads the page that a query asks for, within the cloud's own limit.
func List[T any](ctx context.Context, b Base, t *store.Table[T], q store.Query) (store.Page[T], error) {
	return Read(ctx, b.DB, func(tx *store.Tx) (store.Page[T], error) { return t.List(ctx, tx, b.Capped(q)) })
}
