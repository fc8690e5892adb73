package identity

import (
	"context"

	"kumoi/internal/kernel/policy"
	"kumoi/internal/kernel/store"
)

// Simple are the use cases of a resource whose policy depends on nothing but
// its kind: regions, services, mappings and the like.
type Simple[T any] struct {
	s            *Service
	table        Table[T]
	noun, plural string // in the names of policies
	id           func(v T) string
	tag          string // what is stale after a change; may be empty
	// known says that everybody may learn which ids exist: Keystone tells of
	// absence before it asks the policy.
	known bool
	// valid completes and judges a row before it is stored; before is nil for a new one.
	valid func(ctx context.Context, tx *store.Tx, v *T, before *T) error
	// gone clears what hangs from a deleted row, or refuses to.
	gone func(ctx context.Context, tx *store.Tx, v T) error
}

func (c Simple[T]) may(ctx context.Context, verb, id string) error {
	if c.known && id != "" {
		if _, err := read(ctx, c.s, func(tx *store.Tx) (T, error) { return c.table.Get(ctx, tx, id) }); err != nil {
			return err
		}
	}
	noun := c.noun
	if verb == "list" {
		noun = c.plural
	}
	return c.s.check(ctx, "identity:"+verb+"_"+noun, policy.Target{})
}

// List returns what matches.
func (c Simple[T]) List(ctx context.Context, q Query) (Page[T], error) {
	if err := c.may(ctx, "list", ""); err != nil {
		return Page[T]{}, err
	}
	rows, err := read(ctx, c.s, func(tx *store.Tx) ([]T, error) { return c.table.List(ctx, tx, c.s.limited(q)) })
	return page(c.s, q, rows), err
}

// Get returns one.
func (c Simple[T]) Get(ctx context.Context, id string) (T, error) {
	if err := c.may(ctx, "get", id); err != nil {
		var v T
		return v, err
	}
	return read(ctx, c.s, func(tx *store.Tx) (T, error) { return c.table.Get(ctx, tx, id) })
}

// Create adds one.
func (c Simple[T]) Create(ctx context.Context, v T) (T, error) {
	if err := c.may(ctx, "create", ""); err != nil {
		return v, err
	}
	return write(ctx, c.s, func(tx *store.Tx) (T, error) {
		v := v
		if c.valid != nil {
			if err := c.valid(ctx, tx, &v, nil); err != nil {
				return v, err
			}
		}
		if err := c.table.Insert(ctx, tx, v); err != nil {
			return v, err
		}
		return v, c.after(ctx, tx, "created", v)
	})
}

// Update changes one.
func (c Simple[T]) Update(ctx context.Context, id string, change func(v *T) error) (T, error) {
	if err := c.may(ctx, "update", id); err != nil {
		var v T
		return v, err
	}
	return write(ctx, c.s, func(tx *store.Tx) (T, error) {
		v, err := c.table.Get(ctx, tx, id)
		if err != nil {
			return v, err
		}
		before := v
		if err := change(&v); err != nil {
			return v, err
		}
		if c.valid != nil {
			if err := c.valid(ctx, tx, &v, &before); err != nil {
				return v, err
			}
		}
		if err := c.table.Update(ctx, tx, v); err != nil {
			return v, err
		}
		return v, c.after(ctx, tx, "updated", v)
	})
}

// Delete removes one.
func (c Simple[T]) Delete(ctx context.Context, id string) error {
	if err := c.may(ctx, "delete", id); err != nil {
		return err
	}
	return c.s.db.Write(ctx, func(tx *store.Tx) error {
		v, err := c.table.Get(ctx, tx, id)
		if err != nil {
			return err
		}
		if c.gone != nil {
			if err := c.gone(ctx, tx, v); err != nil {
				return err
			}
		}
		if err := c.table.Delete(ctx, tx, id); err != nil {
			return err
		}
		return c.after(ctx, tx, "deleted", v)
	})
}

func (c Simple[T]) after(ctx context.Context, tx *store.Tx, what string, v T) error {
	if err := c.s.noted(ctx, tx, c.noun, what, c.id(v)); err != nil || c.tag == "" {
		return err
	}
	return c.s.changed(ctx, tx, c.tag)
}
