package store

import (
	"context"
	"strings"
)

// Selection builds the text of a SELECT, for those that a Table does not write.
// The zero value is not useful; start with Select.
type Selection struct {
	sel   string
	conds []string
	args  []any
	order string
	limit int
	off   int
	none  bool // no row can match
}

// never is a condition that no row meets.
const never = "1 = 0"

// Select starts a query: sel is everything before WHERE.
func Select(sel string, args ...any) *Selection { return &Selection{sel: sel, args: args} }

// Where adds a condition; all conditions must hold.
func (q *Selection) Where(cond string, args ...any) *Selection {
	q.none = q.none || cond == never
	q.conds = append(q.conds, cond)
	q.args = append(q.args, args...)
	return q
}

// Among adds "column IN (values)"; no values means no row. The last value is
// repeated up to a power of two, so that lists of many lengths share few texts
// and with them the databases' prepared statements.
func Among[T any](q *Selection, column string, list []T) *Selection {
	args := make([]any, len(list))
	for i, v := range list {
		args[i] = v
	}
	return in(q, column, args)
}

func in(q *Selection, column string, list []any) *Selection {
	if len(list) == 0 {
		return q.Where(never)
	}
	n := 1
	for n < len(list) {
		n *= 2
	}
	if n > mostParameters {
		n = len(list)
	}
	args := make([]any, n)
	for i := range args {
		args[i] = list[min(i, len(list)-1)]
	}
	return q.Where(column+" IN (?"+strings.Repeat(", ?", n-1)+")", args...)
}

// mostParameters bounds the repetition in Among; the databases take at most
// 32,766 and 65,535 placeholders.
const mostParameters = 16384

// OrderBy sets the order; text is trusted SQL, never a request's.
func (q *Selection) OrderBy(text string) *Selection {
	q.order = text
	return q
}

// Limit sets how many rows at most; 0 means all.
func (q *Selection) Limit(n int) *Selection {
	q.limit = n
	return q
}

// Offset skips rows.
func (q *Selection) Offset(n int) *Selection {
	q.off = n
	return q
}

// SQL returns the text and its arguments.
func (q *Selection) SQL() (string, []any) {
	var b strings.Builder
	b.WriteString(q.sel)
	if len(q.conds) > 0 {
		b.WriteString(" WHERE (")
		b.WriteString(strings.Join(q.conds, ") AND ("))
		b.WriteString(")")
	}
	if q.order != "" {
		b.WriteString(" ORDER BY " + q.order)
	}
	args := q.args
	if q.limit > 0 {
		b.WriteString(" LIMIT ?")
		args = append(args[:len(args):len(args)], q.limit)
	}
	if q.off > 0 {
		if q.limit == 0 { // SQLite wants a limit before an offset
			b.WriteString(" LIMIT 9223372036854775807")
		}
		b.WriteString(" OFFSET ?")
		args = append(args[:len(args):len(args)], q.off)
	}
	return b.String(), args
}

// Find runs a built query.
func Find[T any](ctx context.Context, tx *Tx, scan func(Row) (T, error), q *Selection) ([]T, error) {
	text, args := q.SQL()
	return All(ctx, tx, scan, text, args...)
}
