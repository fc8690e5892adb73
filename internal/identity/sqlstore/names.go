package sqlstore

import (
	"context"
	"strings"

	"kumoi/internal/identity"
	"kumoi/internal/kernel/store"
)

// The tables that are keyed keep, beside the name as it was given, the name as
// it is compared. The databases' own lower() would not do: what it takes for a
// letter differs between them.

// named finds a row by its name in an owner. A row of before names compared
// without case may have no key of its name; it is found by the name itself, which
// goes before another's key.
func (t *table[T]) named(ctx context.Context, tx *store.Tx, owner, ownerID, name string) (T, error) {
	return t.one(ctx, tx, name, owner+" = ? AND (name_key = ? OR name = ?) ORDER BY CASE WHEN name = ? THEN 0 ELSE 1 END LIMIT 1",
		ownerID, identity.FoldName(name), name, name)
}

// name is a keyed row's name.
func (t *table[T]) nameOf(fields []any) string {
	for i, c := range t.columns {
		if c == "name" {
			return *fields[i].(*string)
		}
	}
	return ""
}

// anyCase adds a condition on a text that compares without case.
func (t *table[T]) anyCase(q *store.Selection, m identity.Match) bool {
	s, ok := m.Value.(string)
	if !ok {
		return false
	}
	column, _ := t.column(m.Field)
	switch {
	case t.keyed && m.Field == "name" && m.Op == identity.Equal:
		q.Where("("+t.name+".name_key = ? OR "+column+" = ?)", identity.FoldName(s), s)
	case t.keyed && m.Field == "name" && (m.Op == identity.IContains || m.Op == identity.IStartsWith):
		m.Op, m.Value = m.Op[1:], identity.FoldName(s) // a key may end in more than the name
		text(q, t.name+".name_key", m)
	case !t.keyed && m.Op == identity.Equal && (m.Field == "name" || m.Field == "type"):
		q.Where("lower("+column+") = ?", strings.ToLower(s))
	default:
		return false
	}
	return true
}
