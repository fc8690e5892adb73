package api

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"kumoi/internal/compute"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/isotime"
	"kumoi/internal/kernel/rest"
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

func usageDoc(u *compute.Usage, detailed bool) object {
	doc := object{
		"tenant_id": u.ProjectID, "start": rest.Micros.Of(u.Start), "stop": rest.Micros.Of(u.Stop), "total_hours": u.Hours,
		"total_memory_mb_usage": u.RAMHours, "total_vcpus_usage": u.VCPUHours, "total_local_gb_usage": u.DiskHours,
	}
	if !detailed {
		return doc
	}
	list := []object{}
	for _, s := range u.Servers {
		srv := s.Server
		state := string(srv.VMState)
		if srv.Deleted {
			state = "terminated"
		}
		list = append(list, object{
			"instance_id": srv.ID, "name": srv.Name, "hours": s.Hours, "tenant_id": srv.ProjectID, "flavor": srv.Flavor.Name,
			"vcpus": srv.Flavor.VCPUs, "memory_mb": srv.Flavor.RAM, "local_gb": srv.Flavor.Disk + srv.Flavor.Ephemeral,
			"started_at": rest.Micros.Of(srv.LaunchedAt), "ended_at": rest.Micros.OrNull(srv.TerminatedAt), "state": state, "uptime": int64(s.Uptime.Seconds()),
		})
	}
	doc["server_usages"] = list
	return doc
}

func (a *usages) list(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	if strings.HasSuffix(r.HTTP.URL.Path, "/") { // one project, with an empty id
		return nil, errs.New(errs.NotFound, "The resource could not be found.")
	}
	start, end, detailed, err := usagePeriod(r)
	if err != nil {
		return nil, err
	}
	usages, err := a.svc.Usages.List(ctx, "", start, end)
	if err != nil {
		return nil, err
	}
	usages, next, err := pageUsage(r, usages)
	if err != nil {
		return nil, err
	}
	docs := []object{}
	for _, u := range usages {
		docs = append(docs, usageDoc(u, detailed))
	}
	out := object{"tenant_usages": docs}
	if next != nil {
		out["tenant_usages_links"] = next
	}
	return httpx.JSON(http.StatusOK, out), nil
}

// pageUsage cuts usages to a page of servers, of whichever projects they are:
// since 2.40 what a page adds up is what its own servers used.
func pageUsage(r *httpx.Request, usages []*compute.Usage) (of []*compute.Usage, next any, err error) {
	if !r.AtLeast(2, 40) {
		return usages, nil, nil
	}
	var all []compute.ServerUsage
	for _, u := range usages {
		all = append(all, u.Servers...)
	}
	kept, more, err := page(r, all, func(s compute.ServerUsage) string { return s.Server.ID })
	if err != nil {
		return nil, nil, err
	}
	if more {
		next = []object{{"rel": "next", "href": r.PageURL(map[string]string{"marker": kept[len(kept)-1].Server.ID})}}
	}
	for _, u := range usages {
		n := 0
		for n < len(kept) && kept[n].Server.ProjectID == u.ProjectID {
			n++
		}
		if n > 0 {
			of = append(of, u.Only(kept[:n]))
			kept = kept[n:]
		}
	}
	return of, next, nil
}

func (a *usages) show(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	start, end, _, err := usagePeriod(r)
	if err != nil {
		return nil, err
	}
	usages, err := a.svc.Usages.List(ctx, r.Var("project_id"), start, end)
	if err != nil {
		return nil, err
	}
	usages, next, err := pageUsage(r, usages)
	if err != nil {
		return nil, err
	}
	if len(usages) == 0 {
		return httpx.JSON(http.StatusOK, object{"tenant_usage": object{}}), nil
	}
	out := object{"tenant_usage": usageDoc(usages[0], true)}
	if next != nil {
		out["tenant_usage_links"] = next
	}
	return httpx.JSON(http.StatusOK, out), nil
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
