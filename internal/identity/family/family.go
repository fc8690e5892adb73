package family

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
	Base
	Table        *store.Table[T]
	Noun, Plural string // in the names of policies
	ID           func(v *T) *string
	Tag          string // what is stale after a change; may be empty
	// Known says that everybody may learn which ids exist: Keystone tells of
	// absence before it asks the policy.
	Known bool
	// Fresh sets what a new row is before the request says more.
	Fresh func(v *T)
	// Valid completes and judges a row before it is stored; before is nil for a new one.
	Valid func(ctx context.Context, tx *store.Tx, v, before *T) error
	// Gone clears what hangs from a deleted row, or refuses to.
	Gone func(ctx context.Context, tx *store.Tx, v *T) error
}

func (f *Family[T]) may(ctx context.Context, verb, id string) error {
	if f.Known && id != "" {
		if _, err := Read(ctx, f.DB, func(tx *store.Tx) (*T, error) { return f.Table.Get(ctx, tx, id) }); err != nil {
			return err
		}
	}
	noun := f.Noun
	if verb == "list" {
		noun = f.Plural
	}
	return f.Check(ctx, "identity:"+verb+"_"+noun, policy.Target{})
}

// List returns a page of those there are.
func (f *Family[T]) List(ctx context.Context, q store.Query) (store.Page[T], error) {
	if err := f.may(ctx, "list", ""); err != nil {
		return store.Page[T]{}, err
	}
	return List(ctx, f.Base, f.Table, q)
}

// Show returns one.
func (f *Family[T]) Show(ctx context.Context, id string) (*T, error) {
	if err := f.may(ctx, "get", id); err != nil {
		return nil, err
	}
	return Read(ctx, f.DB, func(tx *store.Tx) (*T, error) { return f.Table.Get(ctx, tx, id) })
}

// Create adds one. Its id is the one that the request says, or a new one.
func (f *Family[T]) Create(ctx context.Context, p change.Patch[T]) (*T, error) {
	if err := f.may(ctx, "create", ""); err != nil {
		return nil, err
	}
	return Write(ctx, f.DB, func(tx *store.Tx) (*T, error) {
		v := new(T)
		if f.Fresh != nil {
			f.Fresh(v)
		}
		if err := p.To(v); err != nil {
			return nil, err
		}
		FreshID(f.ID(v))
		if err := f.judge(ctx, tx, v, nil); err != nil {
			return nil, err
		}
		if err := f.Table.Insert(ctx, tx, v); err != nil {
			return nil, err
		}
		audit.Created(ctx, *f.ID(v))
		return v, f.after(ctx, tx, Created, v)
	})
}

// Update changes one.
func (f *Family[T]) Update(ctx context.Context, id string, p change.Patch[T]) (*T, error) {
	if err := f.may(ctx, "update", id); err != nil {
		return nil, err
	}
	return Write(ctx, f.DB, func(tx *store.Tx) (*T, error) {
		v, err := f.Table.Get(ctx, tx, id)
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
		if err := f.Table.Update(ctx, tx, v); err != nil {
			return nil, err
		}
		return v, f.after(ctx, tx, Updated, v)
	})
}

func (f *Family[T]) judge(ctx context.Context, tx *store.Tx, v, before *T) error {
	if f.Valid == nil {
		return nil
	}
	return f.Valid(ctx, tx, v, before)
}

// Delete removes one.
func (f *Family[T]) Delete(ctx context.Context, id string) error {
	if err := f.may(ctx, "delete", id); err != nil {
		return err
	}
	return f.DB.Write(ctx, func(tx *store.Tx) error {
		v, err := f.Table.Get(ctx, tx, id)
		if err != nil {
			return err
		}
		if f.Gone != nil {
			if err := f.Gone(ctx, tx, v); err != nil {
				return err
			}
		}
		if err := f.Table.Delete(ctx, tx, id); err != nil {
			return err
		}
		return f.after(ctx, tx, Deleted, v)
	})
}

func (f *Family[T]) after(ctx context.Context, tx *store.Tx, what string, v *T) error {
	if err := f.Noted(ctx, tx, f.Noun, what, *f.ID(v)); err != nil || f.Tag == "" {
		return err
	}
	return f.Changed(ctx, tx, f.Tag)
}
