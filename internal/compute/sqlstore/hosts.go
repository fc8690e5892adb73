package sqlstore

import (
	"context"
	"strings"

	"kumoi/internal/compute"
	"kumoi/internal/kernel/store"
)

const hostColumns = "name, number, service_id, hypervisor_id, report, sequence, disabled, disabled_reason, forced_down, seen_at, created_at, updated_at"

func scanHost(r store.Row) (*compute.Host, error) {
	h := &compute.Host{}
	return h, r.Scan(&h.Name, &h.Number, &h.ServiceID, &h.HypervisorID, jsonOf{&h.Report}, &h.Sequence,
		&h.Disabled, &h.DisabledReason, &h.ForcedDown, timeOf{&h.SeenAt}, timeOf{&h.CreatedAt}, timeOf{&h.UpdatedAt})
}

// PutHost writes a host, new or not.
func (*Store) PutHost(ctx context.Context, tx *store.Tx, h *compute.Host) error {
	names := hostColumns + ", guests"
	columns := strings.Split(names, ", ")[1:]
	for i, c := range columns {
		columns[i] = c + " = excluded." + c
	}
	report := h.Report
	report.Servers = nil
	_, err := tx.Exec(ctx, "INSERT INTO compute_host ("+names+") VALUES (?"+strings.Repeat(", ?", len(columns))+
		") ON CONFLICT (name) DO UPDATE SET "+strings.Join(columns, ", "),
		h.Name, h.Number, h.ServiceID, h.HypervisorID, toJSON(report), h.Sequence,
		h.Disabled, h.DisabledReason, h.ForcedDown, store.Micros(h.SeenAt), store.Micros(h.CreatedAt), store.Micros(h.UpdatedAt),
		toJSON(h.Report.Servers))
	return err
}

// DeleteHost forgets a host, also in aggregates.
func (*Store) DeleteHost(ctx context.Context, tx *store.Tx, name string) error {
	if _, err := tx.Exec(ctx, "DELETE FROM compute_aggregate_host WHERE host = ?", name); err != nil {
		return err
	}
	return tx.ExecOne(ctx, "DELETE FROM compute_host WHERE name = ?", name)
}

// Host finds a host by name, with what it said of its guests.
func (*Store) Host(ctx context.Context, tx *store.Tx, name string) (*compute.Host, error) {
	h, err := store.One(ctx, tx, scanHost, "SELECT "+hostColumns+" FROM compute_host WHERE name = ?", name)
	if err != nil {
		return nil, err
	}
	guests, err := store.One(ctx, tx, store.Value[string], "SELECT guests FROM compute_host WHERE name = ?", name)
	if err != nil {
		return nil, err
	}
	return h, jsonOf{&h.Report.Servers}.Scan(guests)
}

// Hosts lists all hosts, without what they said of their guests.
func (*Store) Hosts(ctx context.Context, tx *store.Tx) ([]*compute.Host, error) {
	return store.All(ctx, tx, scanHost, "SELECT "+hostColumns+" FROM compute_host ORDER BY number")
}

// PutAggregate writes an aggregate and its hosts, new or not.
func (*Store) PutAggregate(ctx context.Context, tx *store.Tx, a *compute.Aggregate) error {
	metadata := a.Metadata
	if metadata == nil {
		metadata = map[string]string{}
	}
	_, err := tx.Exec(ctx, `INSERT INTO compute_aggregate (id, uuid, name, metadata, created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT (id) DO UPDATE SET name = excluded.name, metadata = excluded.metadata, updated_at = excluded.updated_at`,
		a.ID, a.UUID, a.Name, toJSON(metadata), store.Micros(a.CreatedAt), store.Micros(a.UpdatedAt))
	if err != nil {
		return err
	}
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

// DeleteAggregate removes an aggregate.
func (*Store) DeleteAggregate(ctx context.Context, tx *store.Tx, id int64) error {
	if _, err := tx.Exec(ctx, "DELETE FROM compute_aggregate_host WHERE aggregate_id = ?", id); err != nil {
		return err
	}
	return tx.ExecOne(ctx, "DELETE FROM compute_aggregate WHERE id = ?", id)
}

// Aggregates lists all aggregates with their hosts.
func (*Store) Aggregates(ctx context.Context, tx *store.Tx) ([]*compute.Aggregate, error) {
	list, err := store.All(ctx, tx, func(r store.Row) (*compute.Aggregate, error) {
		a := &compute.Aggregate{Metadata: map[string]string{}, Hosts: []string{}}
		return a, r.Scan(&a.ID, &a.UUID, &a.Name, jsonOf{&a.Metadata}, timeOf{&a.CreatedAt}, timeOf{&a.UpdatedAt})
	}, "SELECT id, uuid, name, metadata, created_at, updated_at FROM compute_aggregate ORDER BY id")
	if err != nil || len(list) == 0 {
		return list, err
	}
	byID := map[int64]*compute.Aggregate{}
	for _, a := range list {
		byID[a.ID] = a
	}
	_, err = store.All(ctx, tx, func(r store.Row) (struct{}, error) {
		var id int64
		var host string
		err := r.Scan(&id, &host)
		if a := byID[id]; a != nil {
			a.Hosts = append(a.Hosts, host)
		}
		return struct{}{}, err
	}, "SELECT aggregate_id, host FROM compute_aggregate_host ORDER BY host")
	return list, err
}
