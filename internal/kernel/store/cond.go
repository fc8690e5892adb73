package store

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"kumoi/internal/kernel/errs"
)

// Cond is one condition on a field of a table. It names the field, and no SQL:
// the table knows which column or expression stands behind it.
type Cond struct {
	Field string
	Op    Op
	Value any
	parts []Cond // of Or and Not
}

// Op is how a condition compares.
type Op string

// The comparisons; those with an i in front ignore case. The words are those
// that Keystone's filters have behind two underscores.
const (
	Equal       Op = ""
	NotEqual    Op = "not"
	OneOf       Op = "in" // Value is a slice
	Contains    Op = "contains"
	StartsWith  Op = "startswith"
	EndsWith    Op = "endswith"
	IContains   Op = "icontains"
	IStartsWith Op = "istartswith"
	IEndsWith   Op = "iendswith"
	Less        Op = "lt"
	LessEqual   Op = "lte"
	Greater     Op = "gt"
	GreaterEq   Op = "gte"
	// HasAll and the others are about fields declared with Table.Set; Value is a []string.
	HasAll Op = "tags"
	HasAny Op = "tags-any"
	NotAll Op = "not-tags"
	NotAny Op = "not-tags-any"
	// Holds is about conditions declared with Table.Condition.
	Holds  Op = "holds"
	anyOf  Op = "or"
	noneOf Op = "nor"
)

// Eq wants a field to have a value; nil means NULL.
func Eq(field string, v any) Cond { return Cond{Field: field, Value: v} }

// Ne wants a field to have another value.
func Ne(field string, v any) Cond { return Cond{Field: field, Op: NotEqual, Value: v} }

// In wants a field to have one of the values; none of them finds no row.
func In[T any](field string, values []T) Cond {
	return Cond{Field: field, Op: OneOf, Value: values}
}

// Is wants what the table declared under the name with Condition.
func Is(name string, value any) Cond { return Cond{Field: name, Op: Holds, Value: value} }

// Or wants one of the conditions to hold.
func Or(parts ...Cond) Cond { return Cond{Op: anyOf, parts: parts} }

// Not wants none of the conditions to hold.
func Not(parts ...Cond) Cond { return Cond{Op: noneOf, parts: parts} }

// Expr is SQL text in the words of each database.
type Expr struct{ SQLite, Postgres string }

// SQL is text that both databases understand.
func SQL(text string) Expr { return Expr{text, text} }

// Path is what a JSON column has at a path, such as "Gateway.NetworkID".
func Path(column, path string, k Kind) Expr {
	cast := map[Kind]string{KindInt: "::bigint", KindTime: "::bigint", KindBool: "::boolean", KindFloat: "::double precision"}[k]
	return Expr{
		SQLite:   "json_extract(" + column + ", '$." + path + "')",
		Postgres: "(" + column + "::jsonb #>> '{" + strings.ReplaceAll(path, ".", ",") + "}')" + cast,
	}
}

// Listed tells whether a JSON column has a text in the list at the path; use it with Table.Set.
func Listed(column, path string) Expr {
	return Expr{
		SQLite:   "EXISTS (SELECT 1 FROM json_each(" + column + ", '$." + path + "') WHERE value = ?)",
		Postgres: "COALESCE(jsonb_exists(" + column + "::jsonb #> '{" + strings.ReplaceAll(path, ".", ",") + "}', ?), FALSE)",
	}
}

func (e Expr) in(d Dialect) string {
	if d == Postgres {
		return e.Postgres
	}
	return e.SQLite
}

// field is what a condition or an order can name.
type field struct {
	expr Expr
	kind Kind
	null bool
	set  bool // expr tells whether the row has the text of its placeholder
	cond bool // expr is a condition on its placeholders
	fold *folding
}

// folding compares a text without regard to case: by its key, if it has one.
type folding struct {
	key  string
	fold func(string) string
}

// term is a condition on a text that is compared without case; ok is false for
// the comparisons that are the same as of any text.
func (f *folding) term(expr string, c Cond) (t term, ok bool, err error) {
	s, isText := c.Value.(string)
	switch {
	case !isText:
		return t, false, nil
	case c.Op == Equal && f.key != "":
		return term{f.key + " = ? OR " + expr + " = ?", []any{f.fold(s), s}}, true, nil
	case c.Op == Equal:
		return term{"lower(" + expr + ") = ?", []any{f.fold(s)}}, true, nil
	case f.key != "" && (c.Op == IContains || c.Op == IStartsWith): // not IEndsWith: a key may end in more than the name
		t, err = like(f.key, c.Op[1:], f.fold(s))
		return t, true, err
	}
	return t, false, nil
}

// fields are a table's, by name.
type fields map[string]field

var comparisons = map[Op]string{
	Equal: " = ?", NotEqual: " <> ?", Less: " < ?", LessEqual: " <= ?", Greater: " > ?", GreaterEq: " >= ?",
}

// where adds the conditions in the order of their texts, so that the same
// conditions make the same statement, whatever order a request named them in.
func (fs fields) where(q *Selection, d Dialect, conds []Cond) error {
	var room [8]term
	terms := room[:0]
	for _, c := range conds {
		t, err := fs.term(d, c)
		if err != nil {
			return err
		}
		if t.text != "" {
			terms = append(terms, t)
		}
	}
	slices.SortStableFunc(terms, func(a, b term) int { return strings.Compare(a.text, b.text) })
	for _, t := range terms {
		q.Where(t.text, t.args...)
	}
	return nil
}

// term is a condition in SQL.
type term struct {
	text string
	args []any
}

func (fs fields) term(d Dialect, c Cond) (term, error) {
	if c.Op == anyOf || c.Op == noneOf {
		return fs.or(d, c)
	}
	f, ok := fs[c.Field]
	if !ok {
		return term{}, fmt.Errorf("the table has no field %q", c.Field)
	}
	expr := f.expr.in(d)
	switch {
	case f.cond:
		return term{expr, spread(expr, c.Value)}, nil
	case f.set:
		return sets(expr, c)
	}
	if f.fold != nil {
		if t, ok, err := f.fold.term(expr, c); ok {
			return t, err
		}
	}
	v := plain(c.Value)
	if op, ok := comparisons[c.Op]; ok {
		switch {
		case v == nil && c.Op == Equal:
			return term{text: expr + " IS NULL"}, nil
		case v == nil && c.Op == NotEqual:
			return term{text: expr + " IS NOT NULL"}, nil
		}
		return term{expr + op, []any{v}}, nil
	}
	if c.Op == OneOf {
		list := values(c.Value)
		if len(list) > mostParameters {
			return among(d, expr, f.kind, list)
		}
		var q Selection
		in(&q, expr, list)
		return term{q.conds[0], q.args}, nil
	}
	return like(expr, c.Op, v)
}

// among is OneOf for more values than the databases take placeholders: as one
// JSON text.
func among(d Dialect, expr string, k Kind, list []any) (term, error) {
	text, err := json.Marshal(list)
	if err != nil {
		return term{}, err
	}
	if d == SQLite {
		return term{expr + " IN (SELECT value FROM json_each(?))", []any{string(text)}}, nil
	}
	value := "value"
	if k == KindInt || k == KindTime {
		value = "value::bigint"
	}
	return term{expr + " IN (SELECT " + value + " FROM jsonb_array_elements_text(?::text::jsonb))", []any{string(text)}}, nil
}

func (fs fields) or(d Dialect, c Cond) (term, error) {
	var all term
	for _, p := range c.parts {
		t, err := fs.term(d, p)
		if err != nil {
			return t, err
		}
		if all.text != "" {
			all.text += " OR "
		}
		all.text += "(" + t.text + ")"
		all.args = append(all.args, t.args...)
	}
	if all.text == "" {
		all.text = never
	}
	if c.Op == noneOf {
		all.text = "NOT (" + all.text + ")"
	}
	return all, nil
}

// spread gives each placeholder of a declared condition its value: a []any has
// one for each, anything else is the value of all.
func spread(text string, v any) []any {
	if many, ok := v.([]any); ok {
		return many
	}
	args := make([]any, strings.Count(text, "?"))
	for i := range args {
		args[i] = plain(v)
	}
	return args
}

// sets compares what a row has with a list of texts.
func sets(expr string, c Cond) (term, error) {
	want, ok := c.Value.([]string)
	if !ok {
		return term{}, fmt.Errorf("field %q: want a list of texts, not %T", c.Field, c.Value)
	}
	join, not := " AND ", ""
	switch c.Op {
	case HasAll:
	case HasAny:
		join = " OR "
	case NotAll:
		not = "NOT "
	case NotAny:
		join, not = " OR ", "NOT "
	default:
		return term{}, fmt.Errorf("field %q: %q is no comparison of lists", c.Field, c.Op)
	}
	if len(want) == 0 {
		return term{}, nil
	}
	args := make([]any, len(want))
	for i, w := range want {
		args[i] = w
	}
	return term{not + "(" + expr + strings.Repeat(join+expr, len(want)-1) + ")", args}, nil
}

// like adds the inexact comparisons in words that both databases take the same
// way: in LIKE they differ about case.
func like(expr string, op Op, v any) (term, error) {
	s, ok := v.(string)
	if !ok {
		return term{}, errs.New(errs.Invalid, "%v is no text to look for", v)
	}
	switch op {
	case IContains, IStartsWith, IEndsWith:
		expr, s, op = "lower("+expr+")", strings.ToLower(s), op[1:]
	}
	n := len([]rune(s))
	switch op {
	case Contains:
		if s == "" {
			return term{}, nil
		}
		return term{"replace(" + expr + ", ?, '') <> " + expr, []any{s}}, nil
	case StartsWith:
		return term{"substr(" + expr + ", 1, ?) = ?", []any{n, s}}, nil
	case EndsWith:
		return term{"length(" + expr + ") >= ? AND substr(" + expr + ", length(" + expr + ") - ? + 1) = ?", []any{n, n, s}}, nil
	}
	return term{}, fmt.Errorf("%q is no comparison of texts", op)
}

// plain is a value as it is stored.
func plain(v any) any {
	if t, ok := v.(time.Time); ok {
		return Micros(t)
	}
	return v
}

// values unpacks a slice of any type.
func values(v any) []any {
	switch list := v.(type) {
	case []any:
		return list
	case []string:
		out := make([]any, len(list))
		for i, s := range list {
			out[i] = s
		}
		return out
	}
	rv := reflect.ValueOf(v)
	if rv.Kind() != reflect.Slice {
		return []any{v}
	}
	out := make([]any, rv.Len())
	for i := range out {
		out[i] = plain(rv.Index(i).Interface())
	}
	return out
}
