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

func (a *api) listUsage(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	if err := a.svc.Check(ctx, "os-simple-tenant-usage:list"); err != nil {
		return nil, err
	}
	if strings.HasSuffix(r.HTTP.URL.Path, "/") { // one project, with an empty id
		return nil, errs.New(errs.NotFound, "The resource could not be found.")
	}
	start, end, detailed, err := usagePeriod(r)
	if err != nil {
		return nil, err
	}
	usages, err := a.svc.Usage(ctx, "", start, end)
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

func (a *api) showUsage(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	start, end, _, err := usagePeriod(r)
	if err != nil {
		return nil, err
	}
	usages, err := a.svc.Usage(ctx, r.Var("project_id"), start, end)
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
func (a *api) auditLog(rule string) httpx.Handler {
	return func(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
		hosts, err := a.svc.Hosts(ctx, rule)
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

func migrationDoc(r *httpx.Request, m *compute.Migration) object {
	doc := object{
		"id": m.ID, "instance_uuid": m.ServerID, "status": m.Status, "source_compute": m.SourceHost, "source_node": m.SourceHost,
		"dest_compute": m.DestHost, "dest_node": m.DestHost, "dest_host": any(nil), "old_instance_type_id": any(nil), "new_instance_type_id": any(nil),
		"created_at": rest.Micros.Of(m.CreatedAt), "updated_at": rest.Micros.OrNull(m.UpdatedAt),
	}
	if r.AtLeast(2, 23) {
		doc["migration_type"] = m.Type
	}
	if r.AtLeast(2, 59) {
		doc["uuid"] = m.UUID
	}
	if r.AtLeast(2, 80) {
		doc["user_id"], doc["project_id"] = m.UserID, m.ProjectID
	}
	return doc
}

func (a *api) listMigrations(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	q := r.Query
	if r.AtLeast(2, 59) {
		known := []string{"hidden", "host", "instance_uuid", "source_compute", "status", "migration_type", "limit", "marker", "changes-since"}
		if r.AtLeast(2, 66) {
			known = append(known, "changes-before")
		}
		if r.AtLeast(2, 80) {
			known = append(known, "user_id", "project_id")
		}
		if err := onlyKnown(r, known...); err != nil {
			return nil, err
		}
	}
	f := compute.MigrationFilter{
		ServerID: q.Get("instance_uuid"), Status: q.Get("status"), Type: q.Get("migration_type"), Host: q.Get("host"), SourceHost: q.Get("source_compute"),
	}
	if r.AtLeast(2, 80) {
		f.UserID, f.ProjectID = q.Get("user_id"), q.Get("project_id")
	}
	migrations, err := a.svc.Migrations(ctx, f)
	if err != nil {
		return nil, err
	}
	if hidden, err := r.Bool("hidden", false); err != nil {
		return nil, err
	} else if hidden { // none is
		migrations = nil
	}
	more := false
	if r.AtLeast(2, 59) {
		if migrations, err = byChange(r, migrations); err != nil {
			return nil, err
		}
		if migrations, more, err = page(r, migrations, func(m *compute.Migration) string { return m.UUID }); err != nil {
			return nil, err
		}
	}
	docs := []object{}
	for _, m := range migrations {
		docs = append(docs, migrationDoc(r, m))
	}
	out := object{"migrations": docs}
	if more {
		out["migrations_links"] = []object{{"rel": "next", "href": r.PageURL(map[string]string{"marker": migrations[len(migrations)-1].UUID})}}
	}
	return httpx.JSON(http.StatusOK, out), nil
}

func byChange(r *httpx.Request, in []*compute.Migration) ([]*compute.Migration, error) {
	since, before, err := readChanges(r.Query)
	if err != nil {
		return nil, err
	}
	var out []*compute.Migration
	for _, m := range in {
		if within(m.UpdatedAt, since, before) {
			out = append(out, m)
		}
	}
	return out, nil
}

var eventsSchema = perVersion(func(minor int) object {
	names := list{"network-changed", "network-vif-plugged", "network-vif-unplugged", "network-vif-deleted"}
	if minor >= 51 {
		names = append(names, "volume-extended")
	}
	if minor >= 76 {
		names = append(names, "power-update")
	}
	if minor >= 82 {
		names = append(names, "accelerator-request-bound")
	}
	if minor >= 93 {
		names = append(names, "volume-reimaged")
	}
	return strict(list{"events"}, object{"events": object{"type": "array", "minItems": 1, "items": strict(list{"server_uuid", "name"}, object{
		"server_uuid": uuidType, "name": object{"type": "string", "enum": names},
		"status": object{"type": "string", "enum": list{"failed", "completed", "in-progress"}}, "tag": object{"type": "string", "maxLength": 255},
	})}})
})

func (a *api) externalEvents(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	if err := a.svc.Check(ctx, "os-server-external-events:create"); err != nil {
		return nil, err
	}
	var b struct {
		Events []struct {
			Server string `json:"server_uuid"`
			Name   string
			Status string
			Tag    string
		}
	}
	if err := body(r, eventsSchema, &b); err != nil {
		return nil, err
	}
	events := make([]compute.ExternalEvent, len(b.Events))
	for i, e := range b.Events {
		events[i] = compute.ExternalEvent{ServerID: e.Server, Name: e.Name, Status: e.Status, Tag: e.Tag}
	}
	events, err := a.svc.TakeEvents(ctx, events)
	if err != nil {
		return nil, err
	}
	docs, status, found := []object{}, http.StatusOK, false
	for _, e := range events {
		doc := object{"server_uuid": e.ServerID, "name": e.Name, "status": e.Status, "code": e.Code}
		if e.Tag != "" {
			doc["tag"] = e.Tag
		}
		docs = append(docs, doc)
		found = found || e.Code != http.StatusNotFound
		if e.Code != http.StatusOK {
			status = http.StatusMultiStatus
		}
	}
	if !found {
		return nil, errs.New(errs.NotFound, "No instances found for any event")
	}
	return httpx.JSON(status, object{"events": docs}), nil
}
