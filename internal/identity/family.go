package identity

import (
	"context"

	"kumoi/internal/kernel/audit"
	"kumoi/internal/kernel/change"
	"kumoi/internal/kernel/policy"
	"kumoi/internal/kernel/store"
)

// Family are the use cases of a resource whose policy depends on nothing but
// its kind: regions, services, mappings and the like.
type Family[T any] struct {
	s            *Service
	table        *store.Table[T]
	noun, plural string // in the names of policies
	id           func(v *T) *string
	tag          string // what is stale after a change; may be empty
	// known says that everybody may learn which ids exist: Keystone tells of
	// absence before it asks the policy.
	known bool
	// fresh sets what a new row is before the request says more.
	fresh func(v *T)
	// valid completes and judges a row before it is stored; before is nil for a new one.
	valid func(ctx context.Context, tx *store.Tx, v, before *T) error
	// gone clears what hangs from a deleted row, or refuses to.
	gone func(ctx context.Context, tx *store.Tx, v *T) error
}

func (f *Family[T]) may(ctx context.Context, verb, id string) error {
	if f.known && id != "" {
		if _, err := read(ctx, f.s, func(tx *store.Tx) (*T, error) { return f.table.Get(ctx, tx, id) }); err != nil {
			return err
		}
	}
	noun := f.noun
	if verb == "list" {
		noun = f.plural
	}
	return f.s.check(ctx, "identity:"+verb+"_"+noun, policy.Target{})
}

// List returns a page of those there are.
func (f *Family[T]) List(ctx context.Context, q store.Query) (store.Page[T], error) {
	if err := f.may(ctx, "list", ""); err != nil {
		return store.Page[T]{}, err
	}
	return list(ctx, f.s, f.table, q)
}

// Show returns one.
func (f *Family[T]) Show(ctx context.Context, id string) (*T, error) {
	if err := f.may(ctx, "get", id); err != nil {
		return nil, err
	}
	return read(ctx, f.s, func(tx *store.Tx) (*T, error) { return f.table.Get(ctx, tx, id) })
}

// Create adds one. Its id is the one that the request says, or a new one.
func (f *Family[T]) Create(ctx context.Context, p change.Patch[T]) (*T, error) {
	if err := f.may(ctx, "create", ""); err != nil {
		return nil, err
	}
	return write(ctx, f.s, func(tx *store.Tx) (*T, error) {
		v := new(T)
		if f.fresh != nil {
			f.fresh(v)
		}
		if err := p.To(v); err != nil {
			return nil, err
		}
		freshID(f.id(v))
		if err := f.judge(ctx, tx, v, nil); err != nil {
			return nil, err
		}
		if err := f.table.Insert(ctx, tx, v); err != nil {
			return nil, err
		}
		audit.Created(ctx, *f.id(v))
		return v, f.after(ctx, tx, created, v)
	})
}

// Update changes one.
func (f *Family[T]) Update(ctx context.Context, id string, p change.Patch[T]) (*T, error) {
	if err := f.may(ctx, "update", id); err != nil {
		return nil, err
	}
	return write(ctx, f.s, func(tx *store.Tx) (*T, error) {
		v, err := f.table.Get(ctx, tx, id)
		if err != nil {
			return nil, err
		}
		before := *v
		if err := p.To(v); err != nil {
			return nil, err
		}
		if err := f.judge(ctx, tx, v, &before); err != nil {
			return nil, err
		}
		if err := f.table.Update(ctx, tx, v); err != nil {
			return nil, err
		}
		return v, f.after(ctx, tx, updated, v)
	})
}

func (f *Family[T]) judge(ctx context.Context, tx *store.Tx, v, before *T) error {
	if f.valid == nil {
		return nil
	}
	return f.valid(ctx, tx, v, before)
}

// Delete removes one.
func (f *Family[T]) Delete(ctx context.Context, id string) error {
	if err := f.may(ctx, "delete", id); err != nil {
		return err
	}
	return f.s.db.Write(ctx, func(tx *store.Tx) error {
		v, err := f.table.Get(ctx, tx, id)
		if err != nil {
			return err
		}
		if f.gone != nil {
			if err := f.gone(ctx, tx, v); err != nil {
				return err
			}
		}
		if err := f.table.Delete(ctx, tx, id); err != nil {
			return err
		}
		return f.after(ctx, tx, deleted, v)
	})
}

func (f *Family[T]) after(ctx context.Context, tx *store.Tx, what string, v *T) error {
	if err := f.s.noted(ctx, tx, f.noun, what, *f.id(v)); err != nil || f.tag == "" {
		return err
	}
	return f.s.changed(ctx, tx, f.tag)
}
