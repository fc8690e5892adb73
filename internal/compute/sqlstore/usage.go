package sqlstore

import (
	"context"
	"time"

	"kumoi/internal/compute"
	"kumoi/internal/kernel/store"
)

// usedServers are servers as reports of usage show them.
func usedServers() *store.Table[compute.Server] {
	return store.NewTable("compute_server", func(s *compute.Server, c *store.Columns) {
		c.Key("id", &s.ID)
		c.Text("project_id", &s.ProjectID)
		c.Text("name", &s.Name)
		c.Custom("flavor", store.KindText, sharedPointer[compute.Flavor]{&s.Flavor, &sizes})
		c.Text("vm_state", (*string)(&s.VMState))
		c.Time("launched_at", &s.LaunchedAt)
		c.Time("terminated_at", &s.TerminatedAt)
		c.Bool("deleted", &s.Deleted)
	})
}

// UsageTotals adds up what servers used between two times, by project, from an
// index alone.
func (*Store) UsageTotals(ctx context.Context, tx *store.Tx, start, stop, now time.Time) ([]*compute.Usage, error) {
	from, to := start.UnixMicro(), stop.UnixMicro()
	until := min(now.UnixMicro(), to) // of those that go on
	return store.All(ctx, tx, func(r store.Row) (*compute.Usage, error) {
		u := &compute.Usage{Start: start, Stop: stop}
		return u, r.Scan(&u.ProjectID, &u.Hours, &u.RAMHours, &u.VCPUHours, &u.DiskHours)
	}, `SELECT project_id, SUM(h), SUM(h * ram), SUM(h * vcpus), SUM(h * disk) FROM (
		SELECT project_id, ram, vcpus, disk, CAST(CASE WHEN e > b THEN e - b ELSE 0 END AS DOUBLE PRECISION) / 3600000000.0 AS h FROM (
			SELECT project_id, ram, vcpus, disk, CASE WHEN launched_at < ? THEN ? ELSE launched_at END AS b,
				CASE WHEN terminated_at = 0 THEN ? WHEN terminated_at > ? THEN ? ELSE terminated_at END AS e
			FROM compute_server WHERE launched_at > 0 AND launched_at <= ? AND (terminated_at = 0 OR terminated_at >= ?)
		) AS span
	) AS hour GROUP BY project_id ORDER BY project_id`, from, from, until, to, to, to, from)
}
