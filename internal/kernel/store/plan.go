package store

import (
	"context"
	"slices"
)

// Plan is what SQLite says of how it would read a page, for tests of what pages
// cost. A marker need not be there.
func (t *Table[T]) Plan(ctx context.Context, tx *Tx, q Query) ([]string, error) {
	o, err := t.order(q, tx.dialect)
	if err != nil {
		return nil, err
	}
	sel := Select("EXPLAIN QUERY PLAN " + t.sel)
	if err := t.fields.where(sel, tx.dialect, append(slices.Clip(q.Scope), q.Where...)); err != nil {
		return nil, err
	}
	if q.Marker != "" {
		o.after(sel, make([]any, len(o.exprs)))
	}
	o.by(sel)
	return Find(ctx, tx, func(r Row) (string, error) {
		var id, parent, unused int
		var text string
		err := r.Scan(&id, &parent, &unused, &text)
		return text, err
	}, sel.Limit(q.Limit))
}
