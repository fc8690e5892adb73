package sqlstore

import (
	"context"

	"kumoi/internal/compute"
	"kumoi/internal/kernel/store"
)

// hosts are read without what they say of their guests, which grows with those.
func hosts() *store.Table[compute.Host] {
	return store.NewTable("compute_host", func(h *compute.Host, c *store.Columns) {
		c.Key("name", &h.Name)
		c.Int64("number", &h.Number)
		c.Text("service_id", &h.ServiceID)
		c.Text("hypervisor_id", &h.HypervisorID)
		c.JSON("report", &h.Report)
		c.Int64("sequence", &h.Sequence)
		c.Bool("disabled", &h.Disabled)
		c.Text("disabled_reason", &h.DisabledReason)
		c.Bool("forced_down", &h.ForcedDown)
		c.Time("seen_at", &h.SeenAt)
		c.Time("created_at", &h.CreatedAt)
		c.Time("updated_at", &h.UpdatedAt)
	})
}

// hostStates are of hosts what views of servers tell.
func hostStates() *store.Table[compute.Host] {
	return store.NewTable("compute_host", func(h *compute.Host, c *store.Columns) {
		c.Key("name", &h.Name)
		c.Bool("disabled", &h.Disabled)
		c.Bool("forced_down", &h.ForcedDown)
		c.Time("seen_at", &h.SeenAt)
	})
}

func guests() *store.Table[compute.Guests] {
	return store.NewTable("compute_host", func(g *compute.Guests, c *store.Columns) {
		c.Key("name", &g.Host)
		c.JSON("guests", &g.Reports)
	})
}

// HostCounts counts the servers of each host from an index alone.
func (*Store) HostCounts(ctx context.Context, tx *store.Tx) (map[string]compute.HostCount, error) {
	out := map[string]compute.HostCount{}
	_, err := store.All(ctx, tx, func(r store.Row) (struct{}, error) {
		var host string
		var n compute.HostCount
		err := r.Scan(&host, &n.Servers, &n.Busy)
		out[host] = n
		return struct{}{}, err
	}, "SELECT host, COUNT(*), SUM(CASE WHEN task_state = '' THEN 0 ELSE 1 END) FROM compute_server WHERE deleted = ? GROUP BY host", false)
	return out, err
}
