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

// List adds up what servers used between two times, by project; of one
// project if it is given.
func (s *Usages) List(ctx context.Context, projectID string, start, stop time.Time) ([]*Usage, error) {
	rule := "os-simple-tenant-usage:list"
	if projectID != "" {
		rule = "os-simple-tenant-usage:show"
	}
	if err := s.check(ctx, rule, policy.Target{"project_id": projectID}); err != nil {
		return nil, err
	}
	if !start.Before(stop) {
		return nil, errs.New(errs.Invalid, "Invalid start time. The start time cannot occur after the end time.")
	}
	var servers []*Server
	err := s.read(ctx, func(tx *store.Tx) (err error) {
		q := store.Query{Sort: []store.Sort{{Field: "created_at"}}, Where: []store.Cond{
			{Field: "launched_at", Op: store.Greater, Value: time.Time{}},
			{Field: "launched_at", Op: store.LessEqual, Value: stop},
			store.Or(store.Eq("terminated_at", time.Time{}), store.Cond{Field: "terminated_at", Op: store.GreaterEq, Value: start}),
		}}
		if projectID != "" {
			q = q.Within(store.Eq("project_id", projectID))
		}
		page, err := s.shownServers.List(ctx, tx, q)
		servers = page.Rows
		return err
	})
	if err != nil {
		return nil, err
	}
	var order []*Usage
	by := map[string]*Usage{}
	now := s.now()
	for _, srv := range servers {
		u := by[srv.ProjectID]
		if u == nil {
			u = &Usage{ProjectID: srv.ProjectID, Start: start, Stop: stop}
			by[srv.ProjectID] = u
			order = append(order, u)
		}
		u.add(srv, now)
	}
	return order, nil
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
	u.count(ServerUsage{Server: srv, Hours: max(0, end.Sub(from).Hours()), Uptime: uptime})
}

func (u *Usage) count(s ServerUsage) {
	u.Servers = append(u.Servers, s)
	u.Hours += s.Hours
	u.RAMHours += s.Hours * float64(s.Server.Flavor.RAM)
	u.VCPUHours += s.Hours * float64(s.Server.Flavor.VCPUs)
	u.DiskHours += s.Hours * float64(s.Server.Flavor.Disk+s.Server.Flavor.Ephemeral)
}

// Only is what some of the servers used.
func (u *Usage) Only(servers []ServerUsage) *Usage {
	out := &Usage{ProjectID: u.ProjectID, Start: u.Start, Stop: u.Stop}
	for _, s := range servers {
		out.count(s)
	}
	return out
}
