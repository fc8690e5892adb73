package sqlstore

import (
	"context"
	"time"

	"kumoi/internal/kernel/store"
	"kumoi/internal/placement"
)

const providerColumns = `id, name, generation, parent_id, root_id, created_at, updated_at`

func scanProvider(r store.Row) (placement.Provider, error) {
	var p placement.Provider
	var created, updated int64
	err := r.Scan(&p.ID, &p.Name, &p.Generation, &p.ParentID, &p.RootID, &created, &updated)
	p.CreatedAt, p.UpdatedAt = store.Time(created), store.Time(updated)
	return p, err
}

// Provider returns a provider, or ErrNoRows.
func (Store) Provider(ctx context.Context, tx *store.Tx, id string) (placement.Provider, error) {
	return store.One(ctx, tx, scanProvider, "SELECT "+providerColumns+" FROM placement_provider WHERE id = ?", id)
}

// Providers returns those of a name, an id and a tree, each "" for any, by name.
func (Store) Providers(ctx context.Context, tx *store.Tx, name, id, inTree string) ([]placement.Provider, error) {
	q := store.Select("SELECT " + providerColumns + " FROM placement_provider").OrderBy("name")
	if name != "" {
		q.Where("name = ?", name)
	}
	if id != "" {
		q.Where("id = ?", id)
	}
	if inTree != "" {
		q.Where("root_id = (SELECT t.root_id FROM placement_provider t WHERE t.id = ?)", inTree)
	}
	return store.Find(ctx, tx, scanProvider, q)
}

// fewProviders is up to how many providers' belongings are read by id, not all at once.
const fewProviders = 100

// Nodes adds inventories, traits and aggregates to providers.
func (Store) Nodes(ctx context.Context, tx *store.Tx, providers []placement.Provider) ([]*placement.Node, error) {
	out := make([]*placement.Node, len(providers))
	byID := make(map[string]*placement.Node, len(providers))
	ids := make([]string, len(providers))
	for i, p := range providers {
		out[i] = &placement.Node{Provider: p, Inventories: map[string]placement.Inventory{}}
		byID[p.ID], ids[i] = out[i], p.ID
	}
	of := func(sel, order string) *store.Selection {
		q := store.Select(sel).OrderBy(order)
		if len(ids) <= fewProviders {
			store.Among(q, "provider_id", ids)
		}
		return q
	}
	_, err := store.Find(ctx, tx, func(r store.Row) (struct{}, error) {
		var id string
		i, err := scanInventory(prepend{r, &id})
		if n := byID[id]; n != nil {
			n.Inventories[i.Class] = i
		}
		return struct{}{}, err
	}, of("SELECT provider_id, "+inventoryColumns+" FROM placement_inventory", "provider_id"))
	if err != nil {
		return nil, err
	}
	collect := func(q *store.Selection, add func(n *placement.Node, value string)) error {
		_, err := store.Find(ctx, tx, func(r store.Row) (struct{}, error) {
			var id, value string
			err := r.Scan(&id, &value)
			if n := byID[id]; n != nil {
				add(n, value)
			}
			return struct{}{}, err
		}, q)
		return err
	}
	err = collect(of("SELECT provider_id, trait FROM placement_provider_trait", bytewise(tx, "trait")),
		func(n *placement.Node, v string) { n.Traits = append(n.Traits, v) })
	if err != nil {
		return nil, err
	}
	err = collect(of("SELECT provider_id, aggregate_id FROM placement_provider_aggregate", "aggregate_id"),
		func(n *placement.Node, v string) { n.Aggregates = append(n.Aggregates, v) })
	return out, err
}

// bytewise orders by bytes, as Go does, whatever the database's locale.
func bytewise(tx *store.Tx, column string) string {
	if tx.Dialect() == store.Postgres {
		return column + ` COLLATE "C"`
	}
	return column
}

// prepend scans one more column before those of a scan function.
type prepend struct {
	store.Row
	first any
}

func (p prepend) Scan(dest ...any) error { return p.Row.Scan(append([]any{p.first}, dest...)...) }

// AddProvider makes a provider.
func (Store) AddProvider(ctx context.Context, tx *store.Tx, p placement.Provider) error {
	_, err := tx.Exec(ctx, "INSERT INTO placement_provider ("+providerColumns+") VALUES (?, ?, ?, ?, ?, ?, ?)",
		p.ID, p.Name, p.Generation, p.ParentID, p.RootID, store.Micros(p.CreatedAt), store.Micros(p.UpdatedAt))
	return err
}

// Rename gives a provider a name.
func (Store) Rename(ctx context.Context, tx *store.Tx, id, name string, now time.Time) error {
	_, err := tx.Exec(ctx, "UPDATE placement_provider SET name = ?, updated_at = ? WHERE id = ?", name, store.Micros(now), id)
	return err
}

// Reparent hangs a provider below another and tells its subtree of the root.
func (Store) Reparent(ctx context.Context, tx *store.Tx, id, parentID, rootID string, subtree []string, now time.Time) error {
	if _, err := tx.Exec(ctx, "UPDATE placement_provider SET parent_id = ?, updated_at = ? WHERE id = ?", parentID, store.Micros(now), id); err != nil {
		return err
	}
	for _, p := range subtree {
		if _, err := tx.Exec(ctx, "UPDATE placement_provider SET root_id = ? WHERE id = ?", rootID, p); err != nil {
			return err
		}
	}
	return nil
}

// Aggregates returns a provider's aggregates.
func (Store) Aggregates(ctx context.Context, tx *store.Tx, providerID string) ([]string, error) {
	return store.All(ctx, tx, store.Value[string], "SELECT aggregate_id FROM placement_provider_aggregate WHERE provider_id = ? ORDER BY aggregate_id", providerID)
}

// SetAggregates replaces a provider's aggregates.
func (Store) SetAggregates(ctx context.Context, tx *store.Tx, providerID string, aggregates []string) error {
	if _, err := tx.Exec(ctx, "DELETE FROM placement_provider_aggregate WHERE provider_id = ?", providerID); err != nil {
		return err
	}
	for _, a := range aggregates {
		if _, err := tx.Exec(ctx, "INSERT INTO placement_provider_aggregate (provider_id, aggregate_id) VALUES (?, ?)", providerID, a); err != nil {
			return err
		}
	}
	return nil
}

// Inventories returns what a provider has, by class.
func (Store) Inventories(ctx context.Context, tx *store.Tx, providerID string) ([]placement.Inventory, error) {
	return store.All(ctx, tx, scanInventory, "SELECT "+inventoryColumns+" FROM placement_inventory WHERE provider_id = ? ORDER BY class", providerID)
}

// DeleteInventory takes a class from a provider.
func (Store) DeleteInventory(ctx context.Context, tx *store.Tx, providerID, class string) error {
	_, err := tx.Exec(ctx, "DELETE FROM placement_inventory WHERE provider_id = ? AND class = ?", providerID, class)
	return err
}
