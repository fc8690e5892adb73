package sqlstore

import (
	"context"
	"encoding/json"

	"kumoi/internal/compute/aggregate"
	"kumoi/internal/kernel/store"
)

func aggregates() *store.Table[aggregate.Aggregate] {
	return store.NewTable("compute_aggregate", func(a *aggregate.Aggregate, c *store.Columns) {
		c.Int64("id", &a.ID)
		c.Key("uuid", &a.UUID)
		c.Text("name", &a.Name)
		c.JSON("metadata", &a.Metadata)
		c.Time("created_at", &a.CreatedAt)
		c.Time("updated_at", &a.UpdatedAt)
	}).Then(aggregateHosts)
}

// aggregateHosts reads which hosts are in aggregates.
func aggregateHosts(ctx context.Context, tx *store.Tx, list []*aggregate.Aggregate) error {
	byID, ids := make(map[int64]*aggregate.Aggregate, len(list)), make([]any, len(list))
	for i, a := range list {
		a.Hosts = []string{}
		byID[a.ID], ids[i] = a, a.ID
	}
	q := store.Among(store.Select("SELECT aggregate_id, host FROM compute_aggregate_host"), "aggregate_id", ids).OrderBy("host")
	_, err := store.Find(ctx, tx, func(r store.Row) (struct{}, error) {
		var id int64
		var host string
		err := r.Scan(&id, &host)
		if a := byID[id]; a != nil {
			a.Hosts = append(a.Hosts, host)
		}
		return struct{}{}, err
	}, q)
	return err
}

// SetAggregateHosts replaces the hosts of an aggregate.
func (*Store) SetAggregateHosts(ctx context.Context, tx *store.Tx, a *aggregate.Aggregate) error {
	if _, err := tx.Exec(ctx, "DELETE FROM compute_aggregate_host WHERE aggregate_id = ?", a.ID); err != nil {
		return err
	}
	for _, h := range a.Hosts {
		if _, err := tx.Exec(ctx, "INSERT INTO compute_aggregate_host (aggregate_id, host) VALUES (?, ?)", a.ID, h); err != nil {
			return err
		}
	}
	return nil
}

// LeaveAggregates takes a host out of all aggregates.
func (*Store) LeaveAggregates(ctx context.Context, tx *store.Tx, host string) error {
	_, err := tx.Exec(ctx, "DELETE FROM compute_aggregate_host WHERE host = ?", host)
	return err
}

// Zones maps hosts to the zones that aggregates put them in; every view of a server asks.
func (*Store) Zones(ctx context.Context, tx *store.Tx) (map[string]string, error) {
	out := map[string]string{}
	_, err := store.All(ctx, tx, func(r store.Row) (struct{}, error) {
		var host, text string
		var a aggregate.Aggregate
		if err := r.Scan(&host, &text); err != nil {
			return struct{}{}, err
		}
		err := json.Unmarshal([]byte(text), &a.Metadata)
		if z := a.Zone(); z != "" {
			out[host] = z
		}
		return struct{}{}, err
	}, `SELECT h.host, a.metadata FROM compute_aggregate a JOIN compute_aggregate_host h ON h.aggregate_id = a.id ORDER BY a.id`)
	return out, err
}
