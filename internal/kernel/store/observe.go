package store

import (
	"context"
	"maps"
)

// Verb is what a transaction did to a row.
type Verb string

// What is done to rows.
const (
	Created Verb = "create"
	Changed Verb = "update"
	Removed Verb = "delete"
)

// Observer is told of a row, a *T, inside the transaction that writes it; of one
// that is removed, as it was.
type Observer func(ctx context.Context, tx *Tx, did Verb, row any) error

// Observe has f told of every row of a table that is written through a Table. A
// table has one observer.
func (db *DB) Observe(table string, f Observer) {
	if db == nil { // services that can only be looked at
		return
	}
	for {
		old := db.observers.Load()
		next := map[string]Observer{}
		if old != nil {
			maps.Copy(next, *old)
		}
		next[table] = f
		if db.observers.CompareAndSwap(old, &next) {
			return
		}
	}
}

// Observed tells whether somebody is told of a table's rows.
func (tx *Tx) Observed(table string) bool { return tx.observers[table] != nil }

// Tell tells the table's observer, if it has one.
func (tx *Tx) Tell(ctx context.Context, table string, did Verb, row any) error {
	if f := tx.observers[table]; f != nil {
		return f(ctx, tx, did, row)
	}
	return nil
}

// tellAll tells of several rows.
func tellAll[T any](ctx context.Context, tx *Tx, table string, did Verb, rows []*T) error {
	for _, v := range rows {
		if err := tx.Tell(ctx, table, did, v); err != nil {
			return err
		}
	}
	return nil
}
