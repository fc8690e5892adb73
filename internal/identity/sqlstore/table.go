package sqlstore

import (
	"context"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"kumoi/internal/identity"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

// table keeps one kind of resource in one SQL table whose first column is its id.
type table[T any] struct {
	name    string   // of the SQL table
	noun    string   // in messages: "Could not find role: x."
	columns []string // the first is the id
	// fields returns pointers to v's fields in the order of columns; they are
	// scanned into and, dereferenced by database/sql, inserted from.
	fields func(v *T) []any
	// filters names the column behind an API filter where the names differ.
	filters map[string]string
	// keyed tables have a column name_key: the name as it is compared (names.go).
	keyed bool
	// taken words the error when a unique index refuses v.
	taken func(v T) string
	// load and save keep what lives in side tables; optional.
	load func(ctx context.Context, tx *store.Tx, rows []T) error
	save func(ctx context.Context, tx *store.Tx, v T) error
}

func (t *table[T]) scan(r store.Row) (T, error) {
	var v T
	err := r.Scan(t.fields(&v)...)
	return v, err
}

func (t *table[T]) sel() string {
	return "SELECT " + t.prefixed() + " FROM " + t.name
}

// prefixed lists the columns with their table, for joins.
func (t *table[T]) prefixed() string {
	return t.name + "." + strings.Join(t.columns, ", "+t.name+".")
}

func (t *table[T]) absent(err error, id string) error {
	if errors.Is(err, store.ErrNoRows) {
		return errs.New(errs.NotFound, "Could not find %s: %s.", t.noun, id)
	}
	return err
}

func (t *table[T]) one(ctx context.Context, tx *store.Tx, id, where string, args ...any) (T, error) {
	v, err := store.One(ctx, tx, t.scan, t.sel()+" WHERE "+where, args...)
	if err != nil {
		return v, t.absent(err, id)
	}
	if t.load != nil {
		rows := []T{v}
		err = t.load(ctx, tx, rows)
		v = rows[0]
	}
	return v, err
}

// Get finds a row by its id.
func (t *table[T]) Get(ctx context.Context, tx *store.Tx, id string) (T, error) {
	return t.one(ctx, tx, id, t.columns[0]+" = ?", id)
}

// List finds the rows of a query, ordered by id.
func (t *table[T]) List(ctx context.Context, tx *store.Tx, q identity.Query) ([]T, error) {
	return t.find(ctx, tx, store.Select(t.sel()), q)
}

func (t *table[T]) find(ctx context.Context, tx *store.Tx, sel *store.Selection, q identity.Query) ([]T, error) {
	t.where(sel, q.Where)
	t.order(sel, q)
	rows, err := store.Find(ctx, tx, t.scan, sel.Limit(q.Limit))
	if err == nil && t.load != nil && len(rows) > 0 {
		err = t.load(ctx, tx, rows)
	}
	return rows, err
}

// order sorts and goes on behind the marker.
func (t *table[T]) order(sel *store.Selection, q identity.Query) {
	id := t.name + "." + t.columns[0]
	after, way := " > ", ""
	if q.Descending {
		after, way = " < ", " DESC"
	}
	key, ok := t.column(q.SortKey)
	if !ok || key == id {
		sel.OrderBy(id + way)
		if q.Marker != "" {
			sel.Where(id+after+"?", q.Marker)
		}
		return
	}
	sel.OrderBy(key + way + ", " + id + way)
	if q.Marker != "" {
		// Compared as a pair, so that an index on the key alone finds the place.
		sel.Where("("+key+", "+id+")"+after+"((SELECT "+key+" FROM "+t.name+" WHERE "+id+" = ?), ?)", q.Marker, q.Marker)
	}
}

// column is what a field of the API is called in SQL.
func (t *table[T]) column(field string) (string, bool) {
	if c, ok := t.filters[field]; ok {
		return c, true
	}
	return t.name + "." + field, slices.Contains(t.columns, field)
}

// Insert adds a row.
func (t *table[T]) Insert(ctx context.Context, tx *store.Tx, v T) error {
	columns, f := t.columns, t.fields(&v)
	if t.keyed {
		columns, f = append(slices.Clone(columns), "name_key"), append(f, identity.FoldName(t.nameOf(f)))
	}
	_, err := tx.Exec(ctx, "INSERT INTO "+t.name+" ("+strings.Join(columns, ", ")+") VALUES (?"+strings.Repeat(", ?", len(columns)-1)+")", f...)
	return t.saved(ctx, tx, v, err)
}

// Update replaces a row.
func (t *table[T]) Update(ctx context.Context, tx *store.Tx, v T) error {
	f := t.fields(&v)
	set, args := strings.Join(t.columns[1:], " = ?, ")+" = ?", f[1:len(f):len(f)]
	if t.keyed { // a name that stays keeps the key it has
		name := t.nameOf(f)
		set += ", name_key = CASE WHEN name = ? THEN name_key ELSE ? END"
		args = append(args, name, identity.FoldName(name))
	}
	err := tx.ExecOne(ctx, "UPDATE "+t.name+" SET "+set+" WHERE "+t.columns[0]+" = ?", append(args, f[0])...)
	if id, ok := f[0].(*string); ok {
		err = t.absent(err, *id)
	}
	return t.saved(ctx, tx, v, err)
}

func (t *table[T]) saved(ctx context.Context, tx *store.Tx, v T, err error) error {
	if store.Duplicate(err) {
		msg := "Conflict occurred attempting to store " + t.noun + " - it exists already."
		if t.taken != nil {
			msg = "Conflict occurred attempting to store " + t.noun + " - " + t.taken(v)
		}
		return errs.Wrap(errs.Exists, err, "%s", msg)
	}
	if err == nil && t.save != nil {
		err = t.save(ctx, tx, v)
	}
	return err
}

// Delete removes a row.
func (t *table[T]) Delete(ctx context.Context, tx *store.Tx, id string) error {
	return t.absent(tx.ExecOne(ctx, "DELETE FROM "+t.name+" WHERE "+t.columns[0]+" = ?", id), id)
}

// DeleteWhere removes all rows that match.
func (t *table[T]) DeleteWhere(ctx context.Context, tx *store.Tx, where ...identity.Match) (int64, error) {
	q := store.Select("DELETE FROM " + t.name)
	t.where(q, where)
	text, args := q.SQL()
	if !strings.Contains(text, " WHERE ") {
		return 0, fmt.Errorf("delete from %s: no condition applies", t.name)
	}
	return tx.Exec(ctx, text, args...)
}

// where turns matches into conditions; unknown fields are ignored.
func (t *table[T]) where(q *store.Selection, matches []identity.Match) {
	for _, m := range matches {
		if column, ok := t.column(m.Field); ok && !t.anyCase(q, m) {
			condition(q, column, m)
		}
	}
}

func condition(q *store.Selection, col string, m identity.Match) {
	v := m.Value
	switch m.Op {
	case identity.Equal:
		q.Where(col+" = ?", v)
	case identity.NotEqual:
		q.Where(col+" <> ?", v)
	case identity.In:
		store.Among(q, col, v.([]string))
	case identity.Less:
		q.Where(col+" < ?", v)
	case identity.LessEqual:
		q.Where(col+" <= ?", v)
	case identity.Greater:
		q.Where(col+" > ?", v)
	case identity.GreaterEq:
		q.Where(col+" >= ?", v)
	default:
		text(q, col, m)
	}
}

// text adds the inexact comparisons in words that both databases take the same way.
func text(q *store.Selection, col string, m identity.Match) {
	s, _ := m.Value.(string)
	op := m.Op
	switch op {
	case identity.IContains, identity.IStartsWith, identity.IEndsWith:
		col, s, op = "lower("+col+")", strings.ToLower(s), op[1:]
	}
	n := len([]rune(s))
	switch op {
	case identity.Contains:
		if s != "" {
			q.Where("replace("+col+", ?, '') <> "+col, s)
		}
	case identity.StartsWith:
		q.Where("substr("+col+", 1, ?) = ?", n, s)
	case identity.EndsWith:
		q.Where("length("+col+") >= ? AND substr("+col+", length("+col+") - ? + 1) = ?", n, n, s)
	}
}

// jsonField keeps any value as JSON text.
type jsonField struct{ p any }

func (f jsonField) Value() (driver.Value, error) {
	b, err := json.Marshal(f.p)
	return string(b), err
}

func (f jsonField) Scan(src any) error {
	switch s := src.(type) {
	case string:
		return json.Unmarshal([]byte(s), f.p)
	case []byte:
		return json.Unmarshal(s, f.p)
	}
	return fmt.Errorf("scan %T as JSON", src)
}

// timeField keeps a time as unix microseconds, the zero time as 0.
type timeField struct{ p *time.Time }

func (f timeField) Value() (driver.Value, error) { return store.Micros(*f.p), nil }

func (f timeField) Scan(src any) error {
	us, ok := src.(int64)
	if !ok {
		return fmt.Errorf("scan %T as a time", src)
	}
	*f.p = store.Time(us)
	return nil
}

// optionalInt keeps a *int64 as a number, nil as -1.
type optionalInt struct{ p **int64 }

func (f optionalInt) Value() (driver.Value, error) {
	if *f.p == nil {
		return int64(-1), nil
	}
	return **f.p, nil
}

func (f optionalInt) Scan(src any) error {
	n, ok := src.(int64)
	if !ok {
		return fmt.Errorf("scan %T as a number", src)
	}
	if *f.p = nil; n >= 0 {
		*f.p = &n
	}
	return nil
}
