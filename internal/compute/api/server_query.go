package api

import (
	"context"
	"encoding/json"
	"net/url"
	"strings"

	"kumoi/internal/compute"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/ids"
	"kumoi/internal/kernel/store"
)

// maxLimit is the longest page of any list.
const maxLimit = 1000

// query reads the query of a list of servers.
func (a *servers) query(ctx context.Context, r *httpx.Request) (compute.ListServers, error) {
	var out compute.ListServers
	minor := r.Version.Minor
	q := url.Values{}
	free := a.svc.Servers.AllFilters(ctx)
	for k, v := range r.Query {
		since, known := serverParams[k]
		if (!known || since > minor) && minor >= 75 {
			return out, bad("Invalid input for query parameters %s. Value: %s. Additional properties are not allowed ('%s' was unexpected)", k, v[0], k)
		}
		if open := openParams[k]; known && since <= minor && (free || open > 0 && open <= minor) {
			q[k] = v
		}
	}
	if !free && minor < 5 {
		q.Del("ip6")
	}
	own := *r // only with what this actor may ask in this version
	own.Query = q
	for _, k := range q["sort_key"] {
		switch {
		case k == "locked" && minor < 73:
			return out, serverList.BadSort(k)
		case (k == "host" || k == "node") && !free:
			return out, errs.New(errs.Forbidden, "Only administrators can sort servers by %s", k)
		}
	}
	var err error
	if out.Query, err = serverList.Query(&own); err != nil {
		return out, err
	}
	if out.Marker != "" && !ids.IsUUID(out.Marker) {
		return out, serverList.NoMarker(out.Marker)
	}
	for _, read := range []func(context.Context, *httpx.Request, url.Values, *compute.ListServers) error{
		readScope, a.readStates, readPatterns, readRare,
	} {
		if err := read(ctx, r, q, &out); err != nil {
			return out, err
		}
	}
	changed, err := readChanges(q)
	out.Where = append(out.Where, changed...)
	return out, err
}

func readScope(_ context.Context, _ *httpx.Request, q url.Values, out *compute.ListServers) error {
	if v, given := q["all_tenants"]; given {
		all := true
		if v[0] != "" {
			value, known := httpx.ParseBool(v[0])
			if !known {
				return bad("Invalid input for query parameters all_tenants. Value: %s. Unrecognized value '%s'", v[0], v[0])
			}
			all = value
		}
		out.Everyone = all
	}
	project := q.Get("project_id")
	if project == "" {
		project = q.Get("tenant_id")
	}
	// Naming a project without all_tenants narrows to the own one, as ever.
	if project != "" && out.Everyone { // who may not ask for all is refused
		out.Query = out.Within(store.Eq("project_id", project))
	}
	return nil
}

func (a *servers) readStates(ctx context.Context, r *httpx.Request, q url.Values, out *compute.ListServers) error {
	out.Statuses = q["status"]
	for _, word := range out.Statuses {
		if !compute.KnownStatus(word) && r.AtLeast(2, 38) {
			return bad("Invalid status value")
		}
	}
	var deleted any
	if !q.Has("changes-since") && !q.Has("changes-before") {
		deleted = false
	}
	if v := q.Get("deleted"); v != "" {
		asked, known := httpx.ParseBool(v)
		if !known {
			return bad("Invalid input for query parameters deleted. Value: %s. It is not a boolean", v)
		}
		deleted = asked
	}
	if len(out.Statuses) == 1 && strings.EqualFold(out.Statuses[0], "DELETED") {
		if !a.svc.Servers.AllFilters(ctx) {
			return errs.New(errs.Forbidden, "Only administrators may list deleted instances")
		}
		deleted = true
	}
	if deleted != nil {
		out.Query = out.Filter(store.Eq("deleted", deleted))
	}
	return nil
}

func readPatterns(_ context.Context, _ *httpx.Request, q url.Values, out *compute.ListServers) error {
	first := func(names ...string) string {
		for _, n := range names {
			if v := q.Get(n); v != "" {
				return v
			}
		}
		return ""
	}
	out.Name = first("name", "display_name")
	out.Description = first("description", "display_description")
	out.Hostname, out.IP, out.IP6 = first("hostname"), first("ip"), first("ip6")
	return nil
}

// readRare reads what few ask for. What Nova would look for in columns that are
// not kept here is refused: to ignore it would list too much.
func readRare(_ context.Context, _ *httpx.Request, q url.Values, out *compute.ListServers) error {
	for _, name := range []string{
		"kernel_id", "ramdisk_id", "system_metadata", "security_groups", "services", "block_device_mapping", "tenant",
		"instance_type_id", "updated_at", "cells_name",
	} {
		if q.Has(name) {
			return bad("Invalid input for query parameters %s. Value: %s. This cloud does not filter servers by it.", name, q.Get(name))
		}
	}
	if v := q.Get("root_device_name"); v != "" && v != rootDevice {
		out.Query = out.Filter(store.In("id", []string{}))
	}
	if v := q.Get("auto_disk_config"); v != "" {
		auto, known := httpx.ParseBool(v)
		if !known {
			return bad("Invalid input for query parameters auto_disk_config. Value: %s. It is not a boolean", v)
		}
		out.Query = out.Filter(store.Eq("disk_config", map[bool]string{true: "AUTO", false: "MANUAL"}[auto]))
	}
	for _, v := range q["metadata"] {
		var want map[string]string
		if err := json.Unmarshal([]byte(v), &want); err != nil {
			return bad("Invalid input for query parameters metadata. Value: %s. It is not a JSON object of texts", v)
		}
		out.Metadata = append(out.Metadata, want)
	}
	return nil
}

// idOf takes the id from what may be a resource's whole URL.
func idOf(ref string) string {
	if u, err := url.Parse(ref); err == nil {
		ref = u.Path
	}
	ref = strings.TrimRight(ref, "/")
	return ref[strings.LastIndex(ref, "/")+1:]
}
