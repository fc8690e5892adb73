// Package sqlstore keeps placement's tables.
package sqlstore

import (
	"context"
	"embed"
	"time"

	"kumoi/internal/kernel/store"
	"kumoi/internal/placement"
)

//go:embed migrations/*.sql
var files embed.FS

// Migrations is placement's schema.
func Migrations() store.Migrations { return store.Migrations{Service: "placement", FS: files} }

// Store implements placement.Store.
type Store struct{}

const inventoryColumns = `class, total, reserved, min_unit, max_unit, step_size, allocation_ratio, used, updated_at`

func scanInventory(r store.Row) (placement.Inventory, error) {
	var i placement.Inventory
	var updated int64
	err := r.Scan(&i.Class, &i.Total, &i.Reserved, &i.MinUnit, &i.MaxUnit, &i.StepSize, &i.AllocationRatio, &i.Used, &updated)
	i.UpdatedAt = store.Time(updated)
	return i, err
}

type named[T any] struct {
	name string
	v    T
}

// HostStates reads the providers of these names with inventories and traits.
func (Store) HostStates(ctx context.Context, tx *store.Tx, names []string) ([]placement.HostState, error) {
	q := store.Select("SELECT p.name, " + prefixed("i.", inventoryColumns) +
		" FROM placement_provider p JOIN placement_inventory i ON i.provider_id = p.id").OrderBy("p.name")
	rows, err := store.Find(ctx, tx, func(r store.Row) (named[placement.Inventory], error) {
		var n named[placement.Inventory]
		var err error
		n.v, err = scanInventory(prepend{r, &n.name})
		return n, err
	}, store.Among(q, "p.name", names))
	if err != nil {
		return nil, err
	}
	var out []placement.HostState
	index := map[string]int{}
	for _, row := range rows {
		i, ok := index[row.name]
		if !ok {
			i = len(out)
			index[row.name] = i
			out = append(out, placement.HostState{Name: row.name, Inventories: map[string]placement.Inventory{}})
		}
		out[i].Inventories[row.v.Class] = row.v
	}
	t := store.Select("SELECT p.name, t.trait FROM placement_provider p JOIN placement_provider_trait t ON t.provider_id = p.id")
	traits, err := store.Find(ctx, tx, func(r store.Row) (named[string], error) {
		var n named[string]
		err := r.Scan(&n.name, &n.v)
		return n, err
	}, store.Among(t, "p.name", names))
	for _, row := range traits {
		if i, ok := index[row.name]; ok {
			out[i].Traits = append(out[i].Traits, row.v)
		}
	}
	return out, err
}

// ProviderByName returns the id of a provider.
func (Store) ProviderByName(ctx context.Context, tx *store.Tx, name string) (string, error) {
	return store.One(ctx, tx, store.Value[string], "SELECT id FROM placement_provider WHERE name = ?", name)
}

// PutProvider makes or renames a root provider.
func (Store) PutProvider(ctx context.Context, tx *store.Tx, id, name string, now time.Time) error {
	n, err := tx.Exec(ctx, "UPDATE placement_provider SET name = ?, updated_at = ? WHERE id = ? AND name <> ?", name, store.Micros(now), id, name)
	if err != nil || n > 0 {
		return err
	}
	_, err = tx.Exec(ctx, `INSERT INTO placement_provider (id, name, generation, parent_id, root_id, created_at, updated_at)
		VALUES (?, ?, 0, '', ?, ?, ?) ON CONFLICT (id) DO NOTHING`, id, name, id, store.Micros(now), store.Micros(now))
	return err
}

// PutInventory makes or changes one inventory, keeping what is used, and tells
// whether anything changed.
func (Store) PutInventory(ctx context.Context, tx *store.Tx, providerID string, i placement.Inventory, now time.Time) (bool, error) {
	n, err := tx.Exec(ctx, `INSERT INTO placement_inventory (provider_id, class, total, reserved, min_unit, max_unit, step_size, allocation_ratio, capacity, used, updated_at)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?)
		ON CONFLICT (provider_id, class) DO UPDATE SET total = excluded.total, reserved = excluded.reserved, min_unit = excluded.min_unit,
			max_unit = excluded.max_unit, step_size = excluded.step_size, allocation_ratio = excluded.allocation_ratio,
			capacity = excluded.capacity, updated_at = excluded.updated_at
		WHERE placement_inventory.total <> excluded.total OR placement_inventory.reserved <> excluded.reserved
			OR placement_inventory.min_unit <> excluded.min_unit OR placement_inventory.max_unit <> excluded.max_unit
			OR placement_inventory.step_size <> excluded.step_size OR placement_inventory.allocation_ratio <> excluded.allocation_ratio`,
		providerID, i.Class, i.Total, i.Reserved, i.MinUnit, i.MaxUnit, i.StepSize, i.AllocationRatio, i.Capacity(), store.Micros(now))
	return n > 0, err
}

// Bump raises a provider's generation.
func (Store) Bump(ctx context.Context, tx *store.Tx, providerID string, now time.Time) error {
	_, err := tx.Exec(ctx, "UPDATE placement_provider SET generation = generation + 1, updated_at = ? WHERE id = ?", store.Micros(now), providerID)
	return err
}

// Take takes an amount if there is room: the one conditional update.
func (Store) Take(ctx context.Context, tx *store.Tx, providerID, class string, amount int64) (bool, error) {
	n, err := tx.Exec(ctx, "UPDATE placement_inventory SET used = used + ? WHERE provider_id = ? AND class = ? AND used + ? <= capacity",
		amount, providerID, class, amount)
	return n == 1, err
}

// Give gives an amount back.
func (Store) Give(ctx context.Context, tx *store.Tx, providerID, class string, amount int64) error {
	_, err := tx.Exec(ctx, "UPDATE placement_inventory SET used = used - ? WHERE provider_id = ? AND class = ?", amount, providerID, class)
	return err
}

// PutConsumer makes a consumer, or raises its generation.
func (Store) PutConsumer(ctx context.Context, tx *store.Tx, c placement.Consumer, now time.Time) error {
	_, err := tx.Exec(ctx, `INSERT INTO placement_consumer (id, generation, project_id, user_id, type, created_at, updated_at)
		VALUES (?, 1, ?, ?, ?, ?, ?)
		ON CONFLICT (id) DO UPDATE SET generation = placement_consumer.generation + 1, project_id = excluded.project_id,
			user_id = excluded.user_id, type = excluded.type, updated_at = excluded.updated_at`,
		c.ID, c.ProjectID, c.UserID, c.Type, store.Micros(now), store.Micros(now))
	return err
}

// DeleteConsumer forgets a consumer.
func (Store) DeleteConsumer(ctx context.Context, tx *store.Tx, id string) error {
	_, err := tx.Exec(ctx, "DELETE FROM placement_consumer WHERE id = ?", id)
	return err
}

// Allocations returns what a consumer holds.
func (Store) Allocations(ctx context.Context, tx *store.Tx, consumerID string) ([]placement.Allocation, error) {
	return store.All(ctx, tx, func(r store.Row) (placement.Allocation, error) {
		var a placement.Allocation
		err := r.Scan(&a.ConsumerID, &a.ProviderID, &a.ProviderName, &a.Class, &a.Used)
		return a, err
	}, `SELECT a.consumer_id, a.provider_id, p.name, a.class, a.used FROM placement_allocation a
		JOIN placement_provider p ON p.id = a.provider_id WHERE a.consumer_id = ? ORDER BY p.name, a.class`, consumerID)
}

// PutAllocation notes what a consumer took.
func (Store) PutAllocation(ctx context.Context, tx *store.Tx, a placement.Allocation, now time.Time) error {
	_, err := tx.Exec(ctx, "INSERT INTO placement_allocation (consumer_id, provider_id, class, used, updated_at) VALUES (?, ?, ?, ?, ?)",
		a.ConsumerID, a.ProviderID, a.Class, a.Used, store.Micros(now))
	return err
}

// DeleteAllocations forgets what a consumer holds.
func (Store) DeleteAllocations(ctx context.Context, tx *store.Tx, consumerID string) error {
	_, err := tx.Exec(ctx, "DELETE FROM placement_allocation WHERE consumer_id = ?", consumerID)
	return err
}

// MoveAllocations gives a consumer's allocations to another.
func (Store) MoveAllocations(ctx context.Context, tx *store.Tx, from, to string) error {
	_, err := tx.Exec(ctx, "UPDATE placement_allocation SET consumer_id = ? WHERE consumer_id = ?", to, from)
	return err
}

// Consumer returns a consumer, or ErrNoRows.
func (Store) Consumer(ctx context.Context, tx *store.Tx, id string) (placement.Consumer, error) {
	return store.One(ctx, tx, func(r store.Row) (placement.Consumer, error) {
		var c placement.Consumer
		err := r.Scan(&c.ID, &c.Generation, &c.ProjectID, &c.UserID, &c.Type)
		return c, err
	}, "SELECT id, generation, project_id, user_id, type FROM placement_consumer WHERE id = ?", id)
}

// Usage sums what is used on each provider, by provider name and class.
func (Store) Usage(ctx context.Context, tx *store.Tx) (map[string]map[string]int64, error) {
	out := map[string]map[string]int64{}
	_, err := store.All(ctx, tx, func(r store.Row) (struct{}, error) {
		var name, class string
		var used int64
		err := r.Scan(&name, &class, &used)
		if out[name] == nil {
			out[name] = map[string]int64{}
		}
		out[name][class] = used
		return struct{}{}, err
	}, "SELECT p.name, i.class, i.used FROM placement_inventory i JOIN placement_provider p ON p.id = i.provider_id")
	return out, err
}

// SetTraits replaces a provider's traits.
func (Store) SetTraits(ctx context.Context, tx *store.Tx, providerID string, traits []string, now time.Time) error {
	if _, err := tx.Exec(ctx, "DELETE FROM placement_provider_trait WHERE provider_id = ?", providerID); err != nil {
		return err
	}
	for _, t := range traits {
		if _, err := tx.Exec(ctx, "INSERT INTO placement_trait (name, created_at) VALUES (?, ?) ON CONFLICT (name) DO NOTHING", t, store.Micros(now)); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "INSERT INTO placement_provider_trait (provider_id, trait) VALUES (?, ?)", providerID, t); err != nil {
			return err
		}
	}
	return nil
}

// Traits returns a provider's traits.
func (Store) Traits(ctx context.Context, tx *store.Tx, providerID string) ([]string, error) {
	return store.All(ctx, tx, store.Value[string], "SELECT trait FROM placement_provider_trait WHERE provider_id = ? ORDER BY "+bytewise(tx, "trait"), providerID)
}

// DeleteProvider forgets a provider with all it has; it must hold no allocation.
func (Store) DeleteProvider(ctx context.Context, tx *store.Tx, id string) error {
	for _, q := range []string{
		"DELETE FROM placement_inventory WHERE provider_id = ?", "DELETE FROM placement_provider_trait WHERE provider_id = ?",
		"DELETE FROM placement_provider_aggregate WHERE provider_id = ?", "DELETE FROM placement_provider WHERE id = ?",
	} {
		if _, err := tx.Exec(ctx, q, id); err != nil {
			return err
		}
	}
	return nil
}

// InUse tells whether anything is allocated from a provider.
func (Store) InUse(ctx context.Context, tx *store.Tx, id string) (bool, error) {
	n, err := store.One(ctx, tx, store.Value[int64], "SELECT COUNT(*) FROM placement_allocation WHERE provider_id = ?", id)
	return n > 0, err
}
