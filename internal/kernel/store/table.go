package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"kumoi/internal/kernel/errs"
)

// Table keeps values of T in one SQL table. A service's sqlstore package
// declares it; its root package holds it and speaks of fields only:
//
//	var groups = store.NewTable("compute_server_group", func(g *compute.ServerGroup, c *store.Columns) {
//		c.Key("id", &g.ID)
//		c.Text("project_id", &g.ProjectID)
//		c.JSON("rules", &g.Rules)
//		c.Time("created_at", &g.CreatedAt)
//	})
//
// Every column is a field that queries may name. Field, Set and Condition
// declare further ones.
type Table[T any] struct {
	name     string
	describe func(v *T, c *Columns)
	fields   fields
	keys     []string
	whole    bool // rows are read from a document
	gen      bool
	derives  bool // an UPDATE says more of a column than its value, or of the row
	sparing  bool
	then     func(ctx context.Context, tx *Tx, rows []*T) error
	beside   func(ctx context.Context, tx *Tx, v *T) error
	absent   func(key string) error
	taken    func(v *T) error

	sel, get, insert, update, remove, isKey string
	names                                   []string
	keyAt                                   []int
}

// NewTable describes a table by its name and its columns. To read rows the
// description is asked once for all of them: the places that it names lie in v
// itself, not behind pointers that it sets.
func NewTable[T any](name string, describe func(v *T, c *Columns)) *Table[T] {
	t := &Table[T]{name: name, describe: describe, fields: fields{}}
	var c Columns
	describe(new(T), &c)
	t.whole = c.whole
	var read, set, isKey []string
	gen := ""
	for i, col := range c.defs {
		full := name + "." + col.name
		t.names = append(t.names, col.name)
		if f := col.fold; f != nil && f.key != "" {
			col.fold = &folding{name + "." + f.key, f.fold}
		}
		t.fields[col.name] = field{expr: SQL(full), kind: col.kind, null: col.null, fold: col.fold}
		if col.key {
			t.keys, t.keyAt, isKey = append(t.keys, col.name), append(t.keyAt, i), append(isKey, col.name+" = ?")
		} else if col.set != "" {
			set, t.derives = append(set, col.set), true
		} else {
			set = append(set, col.name+" = ?")
		}
		if col.gen {
			t.gen, t.derives, gen = true, true, " AND "+col.name+" = ?"
		}
		if !t.whole && col.role != derived || col.role == document {
			read = append(read, full)
		}
	}
	if len(t.keys) == 0 {
		panic("table " + name + " has no key")
	}
	t.isKey = strings.Join(isKey, " AND ")
	t.sel = "SELECT " + strings.Join(read, ", ") + " FROM " + name
	t.get = t.sel + " WHERE " + t.isKey
	t.insert = "INSERT INTO " + name + " (" + strings.Join(t.names, ", ") + ") VALUES (?" + strings.Repeat(", ?", len(t.names)-1) + ")"
	t.update = "UPDATE " + name + " SET " + strings.Join(set, ", ") + " WHERE " + t.isKey + gen
	t.remove = "DELETE FROM " + name + " WHERE " + t.isKey
	return t
}

// PartOf tells that the rows are another table's with fewer columns, for queries
// that read less of them: an index may have it all. Conditions and orders name any
// field of the other one.
func (t *Table[T]) PartOf(whole *Table[T]) *Table[T] {
	for name, f := range whole.fields {
		if _, own := t.fields[name]; !own {
			t.fields[name] = f
		}
	}
	return t
}

// Field declares what is no column of its own, but can be compared and sorted by.
func (t *Table[T]) Field(name string, k Kind, e Expr) *Table[T] {
	t.fields[name] = field{expr: e, kind: k, null: true}
	return t
}

// Set declares a field that is a list of texts: e tells whether the row has the
// text of its one placeholder.
func (t *Table[T]) Set(name string, e Expr) *Table[T] {
	t.fields[name] = field{expr: e, set: true}
	return t
}

// Condition declares SQL that queries ask for by name (store.Is), such as who
// may see a row. All its placeholders get the condition's value, or, if that is
// a []any, one each.
func (t *Table[T]) Condition(name string, e Expr) *Table[T] {
	t.fields[name] = field{expr: e, cond: true}
	return t
}

// Then completes the rows that are read with what other tables know.
func (t *Table[T]) Then(f func(ctx context.Context, tx *Tx, rows []*T) error) *Table[T] {
	t.then = f
	return t
}

// Beside stores what other tables keep of a row, whenever it is inserted or updated.
func (t *Table[T]) Beside(f func(ctx context.Context, tx *Tx, v *T) error) *Table[T] {
	t.beside = f
	return t
}

// Worded gives errors a service's words: absent that there is no row with a key,
// taken that a unique index refuses one.
func (t *Table[T]) Worded(absent func(key string) error, taken func(v *T) error) *Table[T] {
	t.absent, t.taken = absent, taken
	return t
}

// Absent words ErrNoRows; other errors stay.
func (t *Table[T]) Absent(err error, key ...any) error {
	if t.absent == nil || !errors.Is(err, ErrNoRows) || len(key) == 0 {
		return err
	}
	return t.absent(fmt.Sprint(key[len(key)-1]))
}

// Taken words that a unique index refuses v; other errors stay.
func (t *Table[T]) Taken(err error, v *T) error {
	if t.taken == nil || !Duplicate(err) {
		return err
	}
	return t.taken(v)
}

// wrote ends an Insert or Update.
func (t *Table[T]) wrote(ctx context.Context, tx *Tx, did Verb, v *T, err error) error {
	err = t.Taken(err, v)
	if err == nil && t.beside != nil {
		err = t.beside(ctx, tx, v)
	}
	if err != nil {
		return err
	}
	return tx.Tell(ctx, t.name, did, v)
}

// Name is the table's name.
func (t *Table[T]) Name() string { return t.name }

// Select starts a query for whole rows, for sqlstore packages; give it to Find.
func (t *Table[T]) Select() *Selection { return Select(t.sel) }

// Find runs a query made with Select.
func (t *Table[T]) Find(ctx context.Context, tx *Tx, q *Selection) ([]*T, error) {
	if q.none {
		return nil, nil
	}
	text, args := q.SQL()
	rows, err := All(ctx, tx, t.scanner(), text, args...)
	if err == nil {
		err = t.remember(tx, rows)
	}
	if err == nil && t.then != nil && len(rows) > 0 {
		err = t.then(ctx, tx, rows)
	}
	return rows, err
}

// scanner reads the rows of one query, each into the same place, of which it
// makes copies: columns are described once.
func (t *Table[T]) scanner() func(Row) (*T, error) {
	c, row := &Columns{does: reading, whole: t.whole}, new(T)
	t.describe(row, c)
	return func(r Row) (*T, error) {
		var none T
		*row = none
		err := c.scan(r)
		v := *row
		return &v, err
	}
}

// Get returns the row with the key, or ErrNoRows.
func (t *Table[T]) Get(ctx context.Context, tx *Tx, key ...any) (*T, error) {
	v, err := One(ctx, tx, t.scanner(), t.get, key...)
	if err == nil {
		err = t.remember(tx, []*T{v})
	}
	if err == nil && t.then != nil {
		err = t.then(ctx, tx, []*T{v})
	}
	return v, t.Absent(err, key...)
}

// First returns the first row, in the order of keys, of which the conditions hold, or ErrNoRows.
func (t *Table[T]) First(ctx context.Context, tx *Tx, conds ...Cond) (*T, error) {
	rows, err := t.where(ctx, tx, 1, conds)
	if err == nil && len(rows) == 0 {
		err = ErrNoRows
	}
	if err != nil {
		return nil, err
	}
	return rows[0], nil
}

// All returns the rows of which the conditions hold, in the order of keys.
func (t *Table[T]) All(ctx context.Context, tx *Tx, conds ...Cond) ([]*T, error) {
	return t.where(ctx, tx, 0, conds)
}

func (t *Table[T]) where(ctx context.Context, tx *Tx, limit int, conds []Cond) ([]*T, error) {
	q := t.Select().OrderBy(strings.Join(t.keys, ", ")).Limit(limit)
	if err := t.fields.where(q, tx.dialect, conds); err != nil {
		return nil, err
	}
	return t.Find(ctx, tx, q)
}

// Count counts the rows of which the conditions hold.
func (t *Table[T]) Count(ctx context.Context, tx *Tx, conds ...Cond) (int64, error) {
	q := Select("SELECT COUNT(*) FROM " + t.name)
	if err := t.fields.where(q, tx.dialect, conds); err != nil {
		return 0, err
	}
	text, args := q.SQL()
	return One(ctx, tx, Value[int64], text, args...)
}

// Any tells whether there is a row of which the conditions hold.
func (t *Table[T]) Any(ctx context.Context, tx *Tx, conds ...Cond) (bool, error) {
	q := Select("SELECT 1 FROM " + t.name).Limit(1)
	if err := t.fields.where(q, tx.dialect, conds); err != nil {
		return false, err
	}
	text, args := q.SQL()
	_, err := One(ctx, tx, Value[int64], text, args...)
	if errs.Is(err, errs.NotFound) {
		return false, nil
	}
	return err == nil, err
}

// Insert adds a row. For one that breaks a unique index, Duplicate(err) is true.
func (t *Table[T]) Insert(ctx context.Context, tx *Tx, v *T) error {
	c := t.row(v)
	_, err := tx.Exec(ctx, t.insert, c.args...)
	if t.sparing {
		delete(tx.known, t.rowKey(c.args))
	}
	return t.wrote(ctx, tx, Created, v, err)
}

// ErrStale says that a row was changed between being read and being written.
var ErrStale = errs.New(errs.Conflict, "It was changed by another request meanwhile; read it again.")

// Update replaces the row with v's key, or returns ErrNoRows. Where the table has
// a generation, it must be the one that was read (else ErrStale), and grows by one.
func (t *Table[T]) Update(ctx context.Context, tx *Tx, v *T) error {
	c := t.row(v)
	if t.sparing {
		if was := tx.known[t.rowKey(c.args)]; was != nil {
			return t.updateChanged(ctx, tx, v, was, c)
		}
	}
	was := int64(0)
	if t.gen { // the document must have the new one, too
		was = *c.grows
		*c.grows++
		c = t.row(v)
	}
	args := make([]any, 0, len(c.args)+2)
	for i, a := range c.args {
		if k, ok := a.(keyOf); ok {
			args = append(args, k.name)
		}
		if !slices.Contains(t.keyAt, i) {
			args = append(args, a)
		}
	}
	for _, i := range t.keyAt {
		args = append(args, c.args[i])
	}
	if !t.gen {
		return t.wrote(ctx, tx, Changed, v, t.Absent(tx.ExecOne(ctx, t.update, args...), t.key(v)...))
	}
	n, err := tx.Exec(ctx, t.update, append(args, was)...)
	if err == nil && n == 1 {
		return t.wrote(ctx, tx, Changed, v, nil)
	}
	*c.grows = was
	if err == nil {
		if _, err = t.Get(ctx, tx, t.key(v)...); err == nil {
			err = ErrStale
		}
	}
	return err
}

// Delete removes the row with the key, or returns ErrNoRows.
func (t *Table[T]) Delete(ctx context.Context, tx *Tx, key ...any) error {
	if !tx.Observed(t.name) {
		return t.Absent(tx.ExecOne(ctx, t.remove, key...), key...)
	}
	v, err := t.Get(ctx, tx, key...)
	if err != nil {
		return err
	}
	if err := t.Absent(tx.ExecOne(ctx, t.remove, key...), key...); err != nil {
		return err
	}
	return tx.Tell(ctx, t.name, Removed, v)
}

// DeleteWhere removes the rows of which the conditions hold; there must be a condition.
func (t *Table[T]) DeleteWhere(ctx context.Context, tx *Tx, conds ...Cond) (int64, error) {
	var rows []*T
	if tx.Observed(t.name) {
		var err error
		if rows, err = t.All(ctx, tx, conds...); err != nil || len(rows) == 0 {
			return 0, err
		}
	}
	n, err := t.change(ctx, tx, Select("DELETE FROM "+t.name), conds)
	if err != nil {
		return n, err
	}
	return n, tellAll(ctx, tx, t.name, Removed, rows)
}

// Changes are new values of columns.
type Changes map[string]any

// Patch changes columns of the rows of which the conditions hold, without
// reading them; there must be a condition. A document does not hear of it.
func (t *Table[T]) Patch(ctx context.Context, tx *Tx, set Changes, conds ...Cond) (int64, error) {
	if t.whole {
		return 0, fmt.Errorf("patch %s: its rows are documents", t.name)
	}
	names := slices.Sorted(maps.Keys(set))
	args := make([]any, len(names))
	for i, n := range names {
		if !slices.Contains(t.names, n) {
			return 0, fmt.Errorf("patch %s: it has no column %q", t.name, n)
		}
		args[i] = plain(set[n])
	}
	var rows []*T
	if tx.Observed(t.name) { // afterwards the conditions may not hold any more
		var err error
		if rows, err = t.All(ctx, tx, conds...); err != nil {
			return 0, err
		}
	}
	n, err := t.change(ctx, tx, Select("UPDATE "+t.name+" SET "+strings.Join(names, " = ?, ")+" = ?", args...), conds)
	if err != nil {
		return n, err
	}
	for i, v := range rows {
		if rows[i], err = t.Get(ctx, tx, t.key(v)...); err != nil {
			return n, err
		}
	}
	return n, tellAll(ctx, tx, t.name, Changed, rows)
}

func (t *Table[T]) change(ctx context.Context, tx *Tx, q *Selection, conds []Cond) (int64, error) {
	if err := t.fields.where(q, tx.dialect, conds); err != nil {
		return 0, err
	}
	if len(q.conds) == 0 {
		return 0, fmt.Errorf("change %s: no condition applies", t.name)
	}
	tx.forget(t.name)
	text, args := q.SQL()
	return tx.Exec(ctx, text, args...)
}

// row is what is written of v.
func (t *Table[T]) row(v *T) *Columns {
	c := &Columns{does: writing, args: make([]any, 0, len(t.names)+2)}
	t.describe(v, c)
	return c
}

// key is v's.
func (t *Table[T]) key(v *T) []any {
	c := t.row(v)
	out := make([]any, len(t.keyAt))
	for i, at := range t.keyAt {
		out[i] = c.args[at]
	}
	return out
}
