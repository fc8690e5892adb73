package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"kumoi/internal/compute"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/isotime"
	"kumoi/internal/kernel/rest"
	"kumoi/internal/kernel/store"
)

// usagePeriod reads ?start= and ?end=; by default the last four weeks.
func usagePeriod(r *httpx.Request) (start, end time.Time, detailed bool, err error) {
	known := []string{"start", "end", "detailed"}
	if r.AtLeast(2, 40) {
		known = append(known, "limit", "marker")
	}
	if r.AtLeast(2, 75) {
		if err := onlyKnown(r, known...); err != nil {
			return start, end, false, err
		}
	}
	end = time.Now().UTC()
	start = end.AddDate(0, 0, -28)
	for name, to := range map[string]*time.Time{"start": &start, "end": &end} {
		if v := r.Query.Get(name); v != "" {
			t, err := isotime.Parse(v)
			if err != nil {
				return start, end, false, bad("Datetime is in invalid format: %s=%s", name, v)
			}
			*to = t
		}
	}
	return start, end, r.Query.Get("detailed") == "1", nil
}

func usageRow(w *rest.Writer, u *compute.Usage, detailed bool) {
	w.Text("tenant_id", u.ProjectID)
	w.Time("start", u.Start, rest.Micros)
	w.Time("stop", u.Stop, rest.Micros)
	w.Any("total_hours", u.Hours)
	w.Any("total_memory_mb_usage", u.RAMHours)
	w.Any("total_vcpus_usage", u.VCPUHours)
	w.Any("total_local_gb_usage", u.DiskHours)
	if !detailed {
		return
	}
	w.List("server_usages", func() {
		for _, s := range u.Servers {
			w.Object("", func() { serverUsageRow(w, s) })
		}
	})
}

func serverUsageRow(w *rest.Writer, s compute.ServerUsage) {
	srv := s.Server
	state := string(srv.VMState)
	if srv.Deleted {
		state = "terminated"
	}
	w.Text("instance_id", srv.ID)
	w.Text("name", srv.Name)
	w.Any("hours", s.Hours)
	w.Text("tenant_id", srv.ProjectID)
	w.Text("flavor", srv.Flavor.Name)
	w.Int("vcpus", int64(srv.Flavor.VCPUs))
	w.Int("memory_mb", int64(srv.Flavor.RAM))
	w.Int("local_gb", int64(srv.Flavor.Disk+srv.Flavor.Ephemeral))
	w.Time("started_at", srv.LaunchedAt, rest.Micros)
	w.Time("ended_at", srv.TerminatedAt, rest.Micros)
	w.Text("state", state)
	w.Int("uptime", int64(s.Uptime.Seconds()))
}

// used reads what servers used: a page of them since 2.40, when reports add up
// what their own page used, before that of all.
func (a *usages) used(ctx context.Context, r *httpx.Request, projectID string, start, end time.Time, detailed bool) (of []*compute.Usage, next string, err error) {
	if !r.AtLeast(2, 40) {
		if detailed {
			of, _, err = a.svc.Usages.Page(ctx, projectID, start, end, store.Query{})
		} else {
			of, err = a.svc.Usages.Totals(ctx, start, end)
		}
		return of, "", err
	}
	q := store.Query{Marker: r.Query.Get("marker")}
	if q.Limit, err = pageLimit(r); err != nil {
		return nil, "", err
	}
	empty := q.Limit == 0 // as asked for
	if empty {
		q.Limit = 1
	}
	of, more, err := a.svc.Usages.Page(ctx, projectID, start, end, q)
	if errors.Is(err, store.ErrNoMarker) {
		err = bad("marker [%s] not found", q.Marker)
	}
	if err != nil || empty {
		return nil, "", err
	}
	if more {
		servers := of[len(of)-1].Servers
		next = r.PageURL(map[string]string{"marker": servers[len(servers)-1].Server.ID})
	}
	return of, next, nil
}

// usageLinks leads to the next page, if there is one.
func usageLinks(w *rest.Writer, key, next string) {
	if next != "" {
		w.List(key, func() { w.Link("next", next) })
	}
}

func (a *usages) list(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	if strings.HasSuffix(r.HTTP.URL.Path, "/") { // one project, with an empty id
		return nil, errs.New(errs.NotFound, "The resource could not be found.")
	}
	start, end, detailed, err := usagePeriod(r)
	if err != nil {
		return nil, err
	}
	usages, next, err := a.used(ctx, r, "", start, end, detailed)
	if err != nil {
		return nil, err
	}
	return rest.Answer(http.StatusOK, func(w *rest.Writer) {
		w.Object("", func() {
			w.List("tenant_usages", func() {
				for _, u := range usages {
					w.Object("", func() { usageRow(w, u, detailed) })
				}
			})
			usageLinks(w, "tenant_usages_links", next)
		})
	}), nil
}

func (a *usages) show(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	start, end, _, err := usagePeriod(r)
	if err != nil {
		return nil, err
	}
	usages, next, err := a.used(ctx, r, r.Var("project_id"), start, end, true)
	if err != nil {
		return nil, err
	}
	return rest.Answer(http.StatusOK, func(w *rest.Writer) {
		w.Object("", func() {
			w.Object("tenant_usage", func() {
				for _, u := range usages { // one, or none
					usageRow(w, u, true)
				}
			})
			usageLinks(w, "tenant_usage_links", next)
		})
	}), nil
}

// auditLog is the log of periodic usage audits; usage is computed when asked
// for here, so there are no audits to list.
func (a *usages) auditLog(rule string) httpx.Handler {
	return func(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
		hosts, err := a.svc.Hosts.List(ctx, rule)
		if err != nil {
			return nil, err
		}
		before := time.Now().UTC()
		key := "instance_usage_audit_logs"
		if v := r.Var("before_timestamp"); v != "" {
			t, err := isotime.Parse(v)
			if err != nil {
				return nil, bad("Invalid timestamp for date %s", v)
			}
			before, key = t, "instance_usage_audit_log"
		}
		end := time.Date(before.Year(), before.Month(), 1, 0, 0, 0, 0, time.UTC)
		begin := end.AddDate(0, -1, 0)
		names := []string{}
		for _, h := range hosts {
			names = append(names, h.Name)
		}
		return httpx.JSON(http.StatusOK, object{key: object{
			"period_beginning": begin.Format("2006-01-02 15:04:05"), "period_ending": end.Format("2006-01-02 15:04:05"),
			"num_hosts": len(names), "num_hosts_done": 0, "num_hosts_running": 0, "num_hosts_not_run": len(names),
			"hosts_not_run": names, "total_instances": 0, "total_errors": 0, "log": object{},
			"overall_status": fmt.Sprintf("0 of %d hosts done. 0 errors.", len(names)),
		}}), nil
	}
}
