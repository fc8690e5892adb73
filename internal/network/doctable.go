package network

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	jsonv2 "github.com/go-json-experiment/json"

	"kumoi/internal/kernel/store"
)

// docColumn is one attribute kept beside the document for queries.
type docColumn[T any] struct {
	Name  string
	Value func(*T) any
}

// docTable keeps values of T as documents; the first column is the key. It goes
// as the families move to store.Table.
type docTable[T any] struct {
	name    string
	columns []docColumn[T]
	sel     string
	insert  string
	update  string
	delete  string
}

// newDocTable describes a table by its name and columns.
func newDocTable[T any](name string, columns ...docColumn[T]) *docTable[T] {
	names := make([]string, len(columns))
	sets := make([]string, 0, len(columns))
	for i, c := range columns {
		names[i] = c.Name
		if i > 0 {
			sets = append(sets, c.Name+" = ?")
		}
	}
	sets = append(sets, "doc = ?")
	return &docTable[T]{
		name: name, columns: columns,
		sel: "SELECT doc FROM " + name,
		insert: fmt.Sprintf("INSERT INTO %s (%s, doc) VALUES (?%s)", name, strings.Join(names, ", "),
			strings.Repeat(", ?", len(columns))),
		update: fmt.Sprintf("UPDATE %s SET %s WHERE %s = ?", name, strings.Join(sets, ", "), names[0]),
		delete: fmt.Sprintf("DELETE FROM %s WHERE %s = ?", name, names[0]),
	}
}

// Name is the table's name.
func (t *docTable[T]) Name() string { return t.name }

// Select starts a query for whole values; add conditions and give it to Find.
func (t *docTable[T]) Select() *store.Selection { return store.Select(t.sel) }

// Find runs a query made with Select.
func (t *docTable[T]) Find(ctx context.Context, tx *store.Tx, q *store.Selection) ([]*T, error) {
	return store.Find(ctx, tx, scanDoc[T], q)
}

// Where returns the values whose column has the value.
func (t *docTable[T]) Where(ctx context.Context, tx *store.Tx, column string, value any) ([]*T, error) {
	return store.All(ctx, tx, scanDoc[T], t.sel+" WHERE "+column+" = ?", value)
}

// WhereIn returns the values whose column has one of the values.
func (t *docTable[T]) WhereIn(ctx context.Context, tx *store.Tx, column string, values []string) ([]*T, error) {
	if len(values) == 0 {
		return nil, nil
	}
	out := []*T{}
	for len(values) > 0 { // the databases bound the number of arguments
		n := min(len(values), 500)
		part, err := t.Find(ctx, tx, store.Among(t.Select(), column, values[:n]))
		if err != nil {
			return nil, err
		}
		out, values = append(out, part...), values[n:]
	}
	return out, nil
}

// Get returns the value with the key, or store.ErrNoRows.
func (t *docTable[T]) Get(ctx context.Context, tx *store.Tx, key string) (*T, error) {
	return store.One(ctx, tx, scanDoc[T], t.sel+" WHERE "+t.columns[0].Name+" = ?", key)
}

// Insert adds v.
func (t *docTable[T]) Insert(ctx context.Context, tx *store.Tx, v *T) error {
	doc, err := json.Marshal(v)
	if err != nil {
		return err
	}
	args := make([]any, 0, len(t.columns)+1)
	for _, c := range t.columns {
		args = append(args, c.Value(v))
	}
	if _, err = tx.Exec(ctx, t.insert, append(args, string(doc))...); err != nil {
		return err
	}
	return tx.Tell(ctx, t.name, store.Created, v)
}

// Update replaces the value with v's key, or returns store.ErrNoRows.
func (t *docTable[T]) Update(ctx context.Context, tx *store.Tx, v *T) error {
	doc, err := json.Marshal(v)
	if err != nil {
		return err
	}
	args := make([]any, 0, len(t.columns)+1)
	for _, c := range t.columns[1:] {
		args = append(args, c.Value(v))
	}
	if err := tx.ExecOne(ctx, t.update, append(args, string(doc), t.columns[0].Value(v))...); err != nil {
		return err
	}
	return tx.Tell(ctx, t.name, store.Changed, v)
}

// Delete removes the value with the key; removing nothing is no error.
func (t *docTable[T]) Delete(ctx context.Context, tx *store.Tx, key string) error {
	var v *T
	if tx.Observed(t.name) {
		var err error
		if v, err = t.Get(ctx, tx, key); isNotFound(err) {
			return nil
		} else if err != nil {
			return err
		}
	}
	if _, err := tx.Exec(ctx, t.delete, key); err != nil {
		return err
	}
	return tx.Tell(ctx, t.name, store.Removed, v)
}

// Count counts rows.
func (t *docTable[T]) Count(ctx context.Context, tx *store.Tx, where string, args ...any) (int64, error) {
	return store.One(ctx, tx, store.Value[int64], "SELECT COUNT(*) FROM "+t.name+" WHERE "+where, args...)
}

func scanDoc[T any](r store.Row) (*T, error) {
	var doc []byte
	if err := r.Scan(&doc); err != nil {
		return nil, err
	}
	v := new(T)
	if err := jsonv2.Unmarshal(doc, v); err != nil { // lists decode thousands, and it takes a third of the time
		return nil, fmt.Errorf("stored document: %w", err)
	}
	return v, nil
}
