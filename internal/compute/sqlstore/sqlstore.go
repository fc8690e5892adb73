// Package sqlstore keeps compute's data in SQL, in tables compute_*.
package sqlstore

import (
	"context"
	"embed"
	"encoding/json"
	"time"

	"kumoi/internal/compute"
	"kumoi/internal/kernel/store"
)

//go:embed migrations/*.sql
var files embed.FS

// Migrations is the schema's history.
func Migrations() store.Migrations { return store.Migrations{Service: "compute", FS: files} }

// Store is compute.Store; it has no state of its own.
type Store struct{}

// Tables are the families that need no more than a table.
func Tables() compute.Tables {
	return compute.Tables{Flavors: flavors(), FlavorAccess: flavorAccess(), Keypairs: keypairs(), ServerGroups: serverGroups()}
}

// New returns the store.
func New() *Store { return &Store{} }

// Next takes the counter's next number.
func (*Store) Next(ctx context.Context, tx *store.Tx, counter string) (int64, error) {
	n, err := store.One(ctx, tx, store.Value[int64],
		"UPDATE compute_counter SET value = value + 1 WHERE name = ? RETURNING value", counter)
	if err != store.ErrNoRows { //nolint:errorlint // the sentinel itself
		return n, err
	}
	_, err = tx.Exec(ctx, "INSERT INTO compute_counter (name, value) VALUES (?, 1)", counter)
	return 1, err
}

// toJSON writes a value that always marshals: maps, slices and plain structs.
func toJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// jsonOf scans a JSON column into a value; an empty column leaves it alone.
type jsonOf struct{ to any }

func (j jsonOf) Scan(src any) error {
	text, ok := src.(string)
	if b, bytes := src.([]byte); bytes {
		text, ok = string(b), true
	}
	if !ok || text == "" || text == "null" || text == "{}" || text == "[]" {
		return nil
	}
	return json.Unmarshal([]byte(text), j.to)
}

// timeOf scans a time column.
type timeOf struct{ to *time.Time }

func (t timeOf) Scan(src any) error {
	if us, ok := src.(int64); ok {
		*t.to = store.Time(us)
	}
	return nil
}
