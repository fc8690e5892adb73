package compute

import (
	"context"
	"time"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/policy"
	"kumoi/internal/kernel/store"
)

// Usage is what a project's servers used in a period.
type Usage struct {
	ProjectID                  string
	Hours, RAMHours, VCPUHours float64 // server hours; MiB hours; vCPU hours
	DiskHours                  float64 // GiB hours
	Start, Stop                time.Time
	Servers                    []ServerUsage
}

// ServerUsage is one server's part of a Usage.
type ServerUsage struct {
	Server *Server
	Hours  float64
	Uptime time.Duration
}

// Page tells what a page of servers used between two times, by project; of
// one project's if it is given. Since 2.40 that is what reports add up. A query
// without a limit takes all servers.
func (s *Usages) Page(ctx context.Context, projectID string, start, stop time.Time, q store.Query) (usages []*Usage, more bool, err error) {
	if err := s.mayReport(ctx, projectID, start, stop); err != nil {
		return nil, false, err
	}
	q = q.Within(
		store.Cond{Field: "launched_at", Op: store.Greater, Value: time.Time{}}, store.Cond{Field: "launched_at", Op: store.LessEqual, Value: stop},
		store.Or(store.Eq("terminated_at", time.Time{}), store.Cond{Field: "terminated_at", Op: store.GreaterEq, Value: start}),
	)
	if projectID != "" {
		q = q.Within(store.Eq("project_id", projectID))
	}
	q.Sort = []store.Sort{{Field: "project_id"}}
	var page store.Page[Server]
	err = s.read(ctx, func(tx *store.Tx) (err error) {
		page, err = s.usedServers.List(ctx, tx, q)
		return err
	})
	now := s.now()
	var u *Usage
	for _, srv := range page.Rows {
		if u == nil || u.ProjectID != srv.ProjectID {
			u = &Usage{ProjectID: srv.ProjectID, Start: start, Stop: stop}
			usages = append(usages, u)
		}
		u.add(srv, now)
	}
	return usages, page.More, err
}

// Totals tells what each project's servers used between two times.
func (s *Usages) Totals(ctx context.Context, start, stop time.Time) (usages []*Usage, err error) {
	if err := s.mayReport(ctx, "", start, stop); err != nil {
		return nil, err
	}
	err = s.read(ctx, func(tx *store.Tx) (err error) {
		usages, err = s.store.UsageTotals(ctx, tx, start, stop, s.now())
		return err
	})
	return usages, err
}

func (s *Usages) mayReport(ctx context.Context, projectID string, start, stop time.Time) error {
	rule := "os-simple-tenant-usage:list"
	if projectID != "" {
		rule = "os-simple-tenant-usage:show"
	}
	if err := s.check(ctx, rule, policy.Target{"project_id": projectID}); err != nil {
		return err
	}
	if !start.Before(stop) {
		return errs.New(errs.Invalid, "Invalid start time. The start time cannot occur after the end time.")
	}
	return nil
}

func (u *Usage) add(srv *Server, now time.Time) {
	from, to := srv.LaunchedAt, srv.TerminatedAt
	end := to
	if end.IsZero() {
		end = now
	}
	uptime := end.Sub(from)
	if from.Before(u.Start) {
		from = u.Start
	}
	if end.After(u.Stop) {
		end = u.Stop
	}
	used := ServerUsage{Server: srv, Hours: max(0, end.Sub(from).Hours()), Uptime: uptime}
	u.Servers = append(u.Servers, used)
	u.Hours += used.Hours
	u.RAMHours += used.Hours * float64(srv.Flavor.RAM)
	u.VCPUHours += used.Hours * float64(srv.Flavor.VCPUs)
	u.DiskHours += used.Hours * float64(srv.Flavor.Disk+srv.Flavor.Ephemeral)
}
