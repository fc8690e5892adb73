package sqlstore

import (
	"context"
	"time"

	"kumoi/internal/kernel/store"
)

// CustomTraits returns the traits that were added, or that a host has.
func (Store) CustomTraits(ctx context.Context, tx *store.Tx) ([]string, error) {
	return store.All(ctx, tx, store.Value[string], "SELECT name FROM placement_trait ORDER BY name")
}

// HasTrait tells whether a trait was added.
func (Store) HasTrait(ctx context.Context, tx *store.Tx, name string) (bool, error) {
	n, err := store.One(ctx, tx, store.Value[int64], "SELECT COUNT(*) FROM placement_trait WHERE name = ?", name)
	return n > 0, err
}

// AddTrait adds a trait.
func (Store) AddTrait(ctx context.Context, tx *store.Tx, name string, now time.Time) error {
	_, err := tx.Exec(ctx, "INSERT INTO placement_trait (name, created_at) VALUES (?, ?)", name, store.Micros(now))
	return err
}

// DeleteTrait forgets a trait.
func (Store) DeleteTrait(ctx context.Context, tx *store.Tx, name string) error {
	_, err := tx.Exec(ctx, "DELETE FROM placement_trait WHERE name = ?", name)
	return err
}

// UsedTraits returns the traits that some provider has.
func (Store) UsedTraits(ctx context.Context, tx *store.Tx) ([]string, error) {
	return store.All(ctx, tx, store.Value[string], "SELECT DISTINCT trait FROM placement_provider_trait")
}

// CustomClasses returns the resource classes that were added.
func (Store) CustomClasses(ctx context.Context, tx *store.Tx) ([]string, error) {
	return store.All(ctx, tx, store.Value[string], "SELECT name FROM placement_class ORDER BY name")
}

// AddClass adds a resource class.
func (Store) AddClass(ctx context.Context, tx *store.Tx, name string, now time.Time) error {
	_, err := tx.Exec(ctx, "INSERT INTO placement_class (name, created_at) VALUES (?, ?)", name, store.Micros(now))
	return err
}

// RenameClass renames a resource class, and what is counted in it.
func (Store) RenameClass(ctx context.Context, tx *store.Tx, from, to string, now time.Time) error {
	if err := tx.ExecOne(ctx, "UPDATE placement_class SET name = ?, created_at = ? WHERE name = ?", to, store.Micros(now), from); err != nil {
		return err
	}
	for _, table := range []string{"placement_inventory", "placement_allocation"} {
		if _, err := tx.Exec(ctx, "UPDATE "+table+" SET class = ? WHERE class = ?", to, from); err != nil {
			return err
		}
	}
	return nil
}

// DeleteClass forgets a resource class.
func (Store) DeleteClass(ctx context.Context, tx *store.Tx, name string) error {
	return tx.ExecOne(ctx, "DELETE FROM placement_class WHERE name = ?", name)
}

// ClassInUse tells whether a provider has inventory of a class.
func (Store) ClassInUse(ctx context.Context, tx *store.Tx, name string) (bool, error) {
	n, err := store.One(ctx, tx, store.Value[int64], "SELECT COUNT(*) FROM placement_inventory WHERE class = ?", name)
	return n > 0, err
}
