package network

import (
	"context"
	"slices"

	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/store"
)

// Filter narrows a list by columns; further conditions are the caller's.
type Filter struct {
	IDs     []string
	Columns map[string][]string // column → any of the values
	// Page, if set, cuts one page out of the list in the order of ids, so that
	// no more is read than is shown.
	Page *Page
}

// Page is a part of a list: Limit rows after the one whose id is Marker, or in
// reverse those before it. Without a marker it is the first page, or the last.
type Page struct {
	Marker  string
	Limit   int
	Reverse bool
}

// list returns what the actor may see, oldest first, or one page of it.
func (k *kind[T, P]) list(ctx context.Context, s *Service, tx *store.Tx, f Filter) ([]*T, error) {
	if f.Page != nil {
		return k.page(ctx, s, tx, f, *f.Page)
	}
	vs, err := k.table.Find(ctx, tx, k.query(ctx, s, f))
	if err != nil {
		return nil, err
	}
	if vs, err = k.permitted(ctx, s, tx, vs); err != nil {
		return nil, err
	}
	slices.SortFunc(vs, func(x, y *T) int {
		sx, sy := P(x).Std(), P(y).Std()
		if c := sx.CreatedAt.Compare(sy.CreatedAt); c != 0 {
			return c
		}
		return compareText(sx.ID, sy.ID)
	})
	return vs, nil
}

// query selects what the filter wants and the actor's project may know of.
func (k *kind[T, P]) query(ctx context.Context, s *Service, f Filter) *store.Selection {
	q := k.table.Select()
	if !s.isAdmin(ctx) {
		k.scope(q, actor.From(ctx).ProjectID)
	}
	if f.IDs != nil {
		store.Among(q, "id", f.IDs)
	}
	for column, values := range f.Columns {
		store.Among(q, column, values)
	}
	return q
}

// permitted completes the values and leaves out those that the policy hides.
func (k *kind[T, P]) permitted(ctx context.Context, s *Service, tx *store.Tx, vs []*T) ([]*T, error) {
	if k.hydrate != nil && len(vs) > 0 {
		if err := k.hydrate(ctx, tx, vs); err != nil {
			return nil, err
		}
	}
	return slices.DeleteFunc(vs, func(v *T) bool { return !s.permits(ctx, "get_"+k.name, k.policyTarget(v)) }), nil
}

func (k *kind[T, P]) page(ctx context.Context, s *Service, tx *store.Tx, f Filter, p Page) ([]*T, error) {
	if p.Marker != "" {
		if _, err := k.visible(ctx, s, tx, p.Marker); err != nil {
			return nil, err
		}
	}
	var out []*T
	for at, more := p.Marker, true; more && len(out) < p.Limit; { // again for those that the policy hid
		q := k.query(ctx, s, f).Limit(p.Limit - len(out))
		if p.Reverse {
			q.OrderBy("id DESC")
		} else {
			q.OrderBy("id")
		}
		switch {
		case at == "":
		case p.Reverse:
			q.Where("id < ?", at)
		default:
			q.Where("id > ?", at)
		}
		vs, err := k.table.Find(ctx, tx, q)
		if err != nil {
			return nil, err
		}
		if more = len(vs) == p.Limit-len(out); more {
			at = P(vs[len(vs)-1]).Std().ID
		}
		if vs, err = k.permitted(ctx, s, tx, vs); err != nil {
			return nil, err
		}
		out = append(out, vs...)
	}
	if p.Reverse {
		slices.Reverse(out)
	}
	return out, nil
}

// all is list in a transaction of its own.
func (k *kind[T, P]) all(ctx context.Context, s *Service, f Filter) ([]*T, error) {
	var vs []*T
	err := s.db.Read(ctx, func(tx *store.Tx) (err error) {
		vs, err = k.list(ctx, s, tx, f)
		return err
	})
	return vs, err
}
