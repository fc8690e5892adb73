package store

import (
	"bytes"
	"context"
	"database/sql/driver"
	"fmt"
	"strings"
)

// Sparing has an Update name only the columns that have changed since the row was
// read, if that was in the same transaction. SQLite writes every index anew that
// has one of the columns named in an UPDATE, whether its value has changed or not;
// where a row has many indexes and changes often, that is most of the work.
func (t *Table[T]) Sparing() *Table[T] {
	if t.derives {
		panic("table " + t.name + ": what is written of a row depends on what is stored")
	}
	t.sparing = true
	return t
}

// mostKnown is how many rows of one query are remembered: who reads more changes few.
const mostKnown = 8

// rowKey names a row in a transaction.
type rowKey struct{ table, key string }

func (t *Table[T]) rowKey(args []any) rowKey {
	k := rowKey{table: t.name}
	for i, at := range t.keyAt {
		if s, ok := args[at].(string); ok && i == 0 {
			k.key = s
		} else {
			k.key += fmt.Sprint("\x00", args[at])
		}
	}
	return k
}

// remember notes what is stored of rows that were read to be changed, perhaps.
func (t *Table[T]) remember(tx *Tx, rows []*T) error {
	if !t.sparing || !tx.writing || len(rows) > mostKnown {
		return nil
	}
	for _, v := range rows {
		args, err := stored(t.row(v).args)
		if err != nil {
			return err
		}
		tx.know(t.rowKey(args), args)
	}
	return nil
}

// updateChanged writes what has changed of a row that was stored so.
func (t *Table[T]) updateChanged(ctx context.Context, tx *Tx, v *T, was []any, c *Columns) error {
	now, err := stored(c.args)
	if err != nil {
		return err
	}
	var b strings.Builder
	var args []any
	b.WriteString("UPDATE " + t.name)
	word := " SET "
	for i, name := range t.names {
		if !same(was[i], now[i]) {
			b.WriteString(word + name + " = ?")
			args, word = append(args, now[i]), ", "
		}
	}
	if len(args) > 0 {
		b.WriteString(" WHERE " + t.isKey)
		for _, i := range t.keyAt {
			args = append(args, now[i])
		}
		if err = tx.ExecOne(ctx, b.String(), args...); err == nil {
			tx.know(t.rowKey(now), now)
		}
	}
	return t.wrote(ctx, tx, Changed, v, t.Absent(err, t.key(v)...))
}

// stored are values as the database has them. A document is left as it is: that it
// has changed goes without saying.
func stored(args []any) ([]any, error) {
	out := make([]any, len(args))
	for i, a := range args {
		out[i] = a
		v, ok := a.(driver.Valuer)
		if _, doc := a.(docField); doc || !ok {
			continue
		}
		var err error
		if out[i], err = v.Value(); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func same(a, b any) bool {
	if _, doc := a.(docField); doc {
		return false
	}
	if x, ok := a.([]byte); ok {
		y, ok := b.([]byte)
		return ok && bytes.Equal(x, y)
	}
	return a == b
}

func (tx *Tx) know(k rowKey, args []any) {
	if tx.known == nil {
		tx.known = map[rowKey][]any{}
	}
	tx.known[k] = args
}

// forget is for changes of rows that nobody sees.
func (tx *Tx) forget(table string) {
	for k := range tx.known {
		if k.table == table {
			delete(tx.known, k)
		}
	}
}
