package identity

import (
	"context"
	"errors"
	"slices"

	"kumoi/internal/kernel/store"
)

// Within the service rows are values, not pointers: what the caches share with
// every request cannot be changed by one.

// get reads the row with the id.
func get[T any](ctx context.Context, tx *store.Tx, t *store.Table[T], id string) (v T, err error) {
	p, err := t.Get(ctx, tx, id)
	if err == nil {
		v = *p
	}
	return v, err
}

// find reads the rows of which the conditions hold.
func find[T any](ctx context.Context, tx *store.Tx, t *store.Table[T], conds ...store.Cond) ([]T, error) {
	rows, err := t.All(ctx, tx, conds...)
	return values(rows), err
}

func values[T any](rows []*T) []T {
	out := make([]T, len(rows))
	for i, p := range rows {
		out[i] = *p
	}
	return out
}

func pointers[T any](rows []T) []*T {
	out := make([]*T, len(rows))
	for i := range rows {
		out[i] = &rows[i]
	}
	return out
}

// put adds a row, or replaces the one with its key.
func put[T any](ctx context.Context, tx *store.Tx, t *store.Table[T], v *T) error {
	err := t.Update(ctx, tx, v)
	if errors.Is(err, store.ErrNoRows) {
		err = t.Insert(ctx, tx, v)
	}
	return err
}

// named is what has a name in a domain.
type named interface{ name() string }

func (p Project) name() string { return p.Name }
func (u User) name() string    { return u.Name }
func (g Group) name() string   { return g.Name }
func (r Role) name() string    { return r.Name }

// byName finds what has a name in a domain. Of before names compared without
// case there may be two; the very name goes before the other's.
func byName[T named](ctx context.Context, tx *store.Tx, t *store.Table[T], domainID, name string) (v T, err error) {
	rows, err := find(ctx, tx, t, store.Eq("domain_id", domainID), store.Eq("name", name))
	if err != nil {
		return v, err
	}
	if len(rows) == 0 {
		return v, t.Absent(store.ErrNoRows, name)
	}
	return rows[max(0, slices.IndexFunc(rows, func(r T) bool { return r.name() == name }))], nil
}

// capped adds the cloud's own limit of lists to a query.
func (s *Service) capped(q store.Query) store.Query {
	q.Cap = s.cfg.ListLimit
	return q
}

// list reads the page that a query asks for, within the cloud's own limit.
func list[T any](ctx context.Context, s *Service, t *store.Table[T], q store.Query) (store.Page[T], error) {
	return read(ctx, s, func(tx *store.Tx) (store.Page[T], error) { return t.List(ctx, tx, s.capped(q)) })
}

// one hands out a row of its own.
func one[T any](v T, err error) (*T, error) {
	if err != nil {
		return nil, err
	}
	return &v, nil
}

// said is the value that a query wants a field to have; "" if it says none.
func said(q store.Query, field string) string {
	for _, c := range q.Where {
		if v, ok := c.Value.(string); ok && c.Field == field && c.Op == store.Equal {
			return v
		}
	}
	return ""
}
