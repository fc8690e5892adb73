package store

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"kumoi/internal/kernel/errs"
)

// Query says which rows of a table are wanted, in which order, and which part
// of them. It holds no SQL: root packages make queries, tables run them.
type Query struct {
	// Scope is what the actor may see at all, Where what the request asks for
	// among that. A marker is looked for in the scope: it need not match the
	// filters, but what the actor may not see is no marker.
	Scope, Where []Cond
	// Sort orders the rows; what is equal in all of it is ordered by the key.
	Sort []Sort
	// Marker is the last part of the key of the row behind which the page
	// begins; in reverse the page ends before it. "" begins at the beginning,
	// or ends at the end.
	Marker  string
	Reverse bool
	// LostMarker lets a page begin behind a row that is gone: in the order of
	// keys its place is known; in another the page is empty.
	LostMarker bool
	Limit      int // rows at most; 0: all, less: none
	Offset     int // rows to leave out first, for APIs that know no markers
	// Everyone asks for what all projects have; the use case decides whether it may.
	Everyone bool
	Cap      int // the cloud's own limit; 0: none
}

// Sort is one key of an order.
type Sort struct {
	Field string
	Desc  bool
}

// Filter returns the query with further conditions in Where.
func (q Query) Filter(conds ...Cond) Query {
	q.Where = append(slices.Clip(q.Where), conds...)
	return q
}

// Within returns the query with further conditions in Scope.
func (q Query) Within(conds ...Cond) Query {
	q.Scope = append(slices.Clip(q.Scope), conds...)
	return q
}

// Page is a part of a list.
type Page[T any] struct {
	Rows []*T
	More bool // further rows follow; in reverse, go before
	// Truncated tells that the cloud's limit cut the page, not the request's.
	Truncated bool
}

// ErrNoMarker says that a query's marker is not in its scope. Services turn it
// into the words of their API.
var ErrNoMarker = errs.New(errs.Invalid, "The marker could not be found.")

// window is how many rows a query takes: 0 is all.
func (q Query) window() (n int, capped bool) {
	if q.Cap > 0 && (q.Limit == 0 || q.Limit > q.Cap) {
		return q.Cap, true
	}
	return q.Limit, false
}

// order is a total order: the last keys make a row unique.
type order struct {
	exprs []string
	desc  []bool
}

// order resolves a query's sort keys, and completes them with the table's key.
func (t *Table[T]) order(q Query, d Dialect) (order, error) {
	var o order
	add := func(name string, desc bool) error {
		f, ok := t.fields[name]
		if !ok || f.set || f.cond {
			return fmt.Errorf("table %s has no field %q to sort by", t.name, name)
		}
		expr := f.expr.in(d)
		if f.null { // NULL is neither less nor more than a value: as the least it has its place
			expr = "COALESCE(" + expr + ", " + least(f.kind, d) + ")"
		}
		if !slices.Contains(o.exprs, expr) {
			o.exprs, o.desc = append(o.exprs, expr), append(o.desc, desc != q.Reverse)
		}
		return nil
	}
	desc := false
	for _, s := range q.Sort {
		if err := add(s.Field, s.Desc); err != nil {
			return o, err
		}
		desc = s.Desc
	}
	for _, k := range t.keys {
		if err := add(k, desc); err != nil {
			return o, err
		}
	}
	return o, nil
}

func least(k Kind, d Dialect) string {
	switch {
	case k == KindText:
		return "''"
	case k == KindBool && d == Postgres:
		return "FALSE"
	case k == KindBool:
		return "0"
	}
	return "-9223372036854775808"
}

// by adds ORDER BY.
func (o order) by(q *Selection) {
	terms := make([]string, len(o.exprs))
	for i, e := range o.exprs {
		if terms[i] = e; o.desc[i] {
			terms[i] += " DESC"
		}
	}
	q.OrderBy(strings.Join(terms, ", "))
}

// after adds the condition that a row stands behind the one with the values.
func (o order) after(q *Selection, values []any) {
	if !slices.Contains(o.desc, !o.desc[0]) {
		// As one comparison of rows, which an index can begin at.
		marks := strings.Repeat(", ?", len(values))[2:]
		if len(values) == 1 {
			q.Where(o.exprs[0]+compare(o.desc[0])+marks, values...)
			return
		}
		q.Where("("+strings.Join(o.exprs, ", ")+")"+compare(o.desc[0])+"("+marks+")", values...)
		return
	}
	var alternatives []string
	var args []any
	equal := ""
	for i, e := range o.exprs {
		alternatives = append(alternatives, "("+equal+e+compare(o.desc[i])+"?)")
		args = append(append(args, values[:i]...), values[i])
		equal += e + " = ? AND "
	}
	q.Where(strings.Join(alternatives, " OR "), args...)
}

func compare(desc bool) string {
	if desc {
		return " < "
	}
	return " > "
}

// place finds the values that a marker has in the order.
func (t *Table[T]) place(ctx context.Context, tx *Tx, q Query, o order) ([]any, error) {
	key := t.keys[len(t.keys)-1]
	if q.LostMarker && len(o.exprs) == 1 && len(t.keys) == 1 {
		return []any{q.Marker}, nil // the order is that of the markers themselves
	}
	sel := Select("SELECT " + strings.Join(o.exprs, ", ") + " FROM " + t.name)
	if err := t.fields.where(sel, tx.dialect, append(slices.Clip(q.Scope), Eq(key, q.Marker))); err != nil {
		return nil, err
	}
	text, args := sel.SQL()
	values, err := One(ctx, tx, func(r Row) ([]any, error) { return scanAny(r, len(o.exprs)) }, text, args...)
	if errs.Is(err, errs.NotFound) {
		return nil, ErrNoMarker
	}
	return values, err
}

func scanAny(r Row, n int) ([]any, error) {
	values, to := make([]any, n), make([]any, n)
	for i := range values {
		to[i] = &values[i]
	}
	return values, r.Scan(to...)
}

// Selection is what List runs first for a query, for tests of its plan.
func (t *Table[T]) Selection(ctx context.Context, tx *Tx, q Query) (*Selection, error) {
	o, err := t.order(q, tx.dialect)
	if err != nil {
		return nil, err
	}
	sel := Select(t.sel)
	if err := t.fields.where(sel, tx.dialect, append(slices.Clip(q.Scope), q.Where...)); err != nil {
		return nil, err
	}
	if q.Marker != "" {
		behind, err := t.place(ctx, tx, q, o)
		if err != nil {
			return nil, err
		}
		o.after(sel, behind)
	}
	o.by(sel)
	return sel.Limit(q.Limit), nil
}

// List returns the page that a query asks for.
func (t *Table[T]) List(ctx context.Context, tx *Tx, q Query) (Page[T], error) {
	return t.ListKept(ctx, tx, q, nil)
}

// ListKept is List without the rows that keep leaves out, for what only the
// policy can tell. The page is filled up from those that follow.
func (t *Table[T]) ListKept(ctx context.Context, tx *Tx, q Query, keep func(rows []*T) ([]*T, error)) (Page[T], error) {
	page := Page[T]{Rows: []*T{}}
	o, err := t.order(q, tx.dialect)
	if err != nil {
		return page, err
	}
	var behind []any
	if q.Marker != "" {
		behind, err = t.place(ctx, tx, q, o)
		if q.LostMarker && errs.Is(err, errs.Invalid) {
			return page, nil
		}
		if err != nil {
			return page, err
		}
	}
	window, capped := q.window()
	for window >= 0 {
		sel := Select(t.sel)
		if err := t.fields.where(sel, tx.dialect, append(slices.Clip(q.Scope), q.Where...)); err != nil {
			return page, err
		}
		if behind != nil {
			o.after(sel, behind)
		}
		o.by(sel)
		want := 0
		if window > 0 {
			want = window - len(page.Rows) + 1 // one more tells whether there are more
		}
		rows, err := t.Find(ctx, tx, sel.Limit(want).Offset(q.Offset))
		if err != nil {
			return page, err
		}
		last := want == 0 || len(rows) < want
		if keep != nil && len(rows) > 0 {
			if !last {
				q.Offset = 0
				if behind, err = t.placeOf(ctx, tx, rows[len(rows)-1], o); err != nil {
					return page, err
				}
			}
			if rows, err = keep(rows); err != nil {
				return page, err
			}
		}
		page.Rows = append(page.Rows, rows...)
		if last || len(page.Rows) > window {
			break
		}
	}
	if window > 0 && len(page.Rows) > window { // a negative one has read nothing
		page.Rows, page.More, page.Truncated = page.Rows[:window], true, capped
	}
	if q.Reverse {
		slices.Reverse(page.Rows)
	}
	return page, nil
}

// placeOf is the place in the order of a row that was read.
func (t *Table[T]) placeOf(ctx context.Context, tx *Tx, v *T, o order) ([]any, error) {
	sel := Select("SELECT "+strings.Join(o.exprs, ", ")+" FROM "+t.name).Where(t.isKey, t.key(v)...)
	text, args := sel.SQL()
	return One(ctx, tx, func(r Row) ([]any, error) { return scanAny(r, len(o.exprs)) }, text, args...)
}
