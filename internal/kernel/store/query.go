package store

import (
	"context"
	"strings"
)

// Query builds a SELECT whose conditions depend on a request's filters.
// The zero value is not useful; start with Select.
type Query struct {
	sel   string
	conds []string
	args  []any
	order string
	limit int
	off   int
}

// Select starts a query: sel is everything before WHERE.
func Select(sel string, args ...any) *Query { return &Query{sel: sel, args: args} }

// Where adds a condition; all conditions must hold.
func (q *Query) Where(cond string, args ...any) *Query {
	q.conds = append(q.conds, cond)
	q.args = append(q.args, args...)
	return q
}

// In adds "column IN (values)"; no values means no row. The last value is
// repeated up to a power of two, so that lists of many lengths share few texts
// and with them the databases' prepared statements.
func In[T any](q *Query, column string, values []T) *Query {
	if len(values) == 0 {
		return q.Where("1 = 0")
	}
	n := 1
	for n < len(values) {
		n *= 2
	}
	if n > mostParameters {
		n = len(values)
	}
	args := make([]any, n)
	for i := range args {
		args[i] = values[min(i, len(values)-1)]
	}
	return q.Where(column+" IN (?"+strings.Repeat(", ?", n-1)+")", args...)
}

// mostParameters bounds the repetition in In; the databases take at most
// 32,766 and 65,535 placeholders.
const mostParameters = 16384

// OrderBy sets the order; text is trusted SQL, never a request's.
func (q *Query) OrderBy(text string) *Query {
	q.order = text
	return q
}

// Limit sets how many rows at most; 0 means all.
func (q *Query) Limit(n int) *Query {
	q.limit = n
	return q
}

// Offset skips rows.
func (q *Query) Offset(n int) *Query {
	q.off = n
	return q
}

// SQL returns the text and its arguments.
func (q *Query) SQL() (string, []any) {
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
func Find[T any](ctx context.Context, tx *Tx, scan func(Row) (T, error), q *Query) ([]T, error) {
	text, args := q.SQL()
	return All(ctx, tx, scan, text, args...)
}
