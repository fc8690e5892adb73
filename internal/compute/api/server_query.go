package api

import (
	"context"
	"encoding/json"
	"net/url"
	"strconv"
	"strings"
	"time"

	"kumoi/internal/compute"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/ids"
	"kumoi/internal/kernel/isotime"
	"kumoi/internal/kernel/rest"
	"kumoi/internal/kernel/store"
)

// maxLimit is the longest page of any list.
const maxLimit = 1000

// serverParams are the query parameters that lists of servers know, each with
// the version that brought it.
var serverParams = map[string]int{
	"user_id": 1, "project_id": 1, "tenant_id": 1, "launch_index": 1, "image_ref": 1, "image": 1, "kernel_id": 1, "ramdisk_id": 1,
	"hostname": 1, "key_name": 1, "power_state": 1, "vm_state": 1, "task_state": 1, "host": 1, "node": 1, "flavor": 1,
	"reservation_id": 1, "launched_at": 1, "terminated_at": 1, "created_at": 1, "availability_zone": 1, "name": 1,
	"display_name": 1, "description": 1, "display_description": 1, "locked_by": 1, "uuid": 1, "root_device_name": 1,
	"config_drive": 1, "access_ip_v4": 1, "access_ip_v6": 1, "auto_disk_config": 1, "progress": 1, "sort_key": 1,
	"sort_dir": 1, "all_tenants": 1, "soft_deleted": 1, "deleted": 1, "status": 1, "changes-since": 1, "ip": 1, "ip6": 1,
	"limit": 1, "marker": 1, "metadata": 1, "system_metadata": 1, "security_groups": 1, "services": 1, "tags": 26, "tags-any": 26,
	"not-tags": 26, "not-tags-any": 26, "changes-before": 66, "locked": 73, "block_device_mapping": 1, "tenant": 1,
	"instance_type_id": 1, "updated_at": 1, "cells_name": 1,
}

// open are the filters that everybody may use; administrators use all.
var openParams = map[string]int{
	"status": 1, "name": 1, "image": 1, "image_ref": 1, "flavor": 1, "reservation_id": 1, "ip": 1, "changes-since": 1, "all_tenants": 1,
	"ip6": 5, "tags": 26, "tags-any": 26, "not-tags": 26, "not-tags-any": 26, "changes-before": 66, "locked": 73,
	"availability_zone": 83, "config_drive": 83, "key_name": 83, "created_at": 83, "launched_at": 83, "terminated_at": 83,
	"power_state": 83, "task_state": 83, "vm_state": 83, "progress": 83, "user_id": 83,
	"limit": 1, "marker": 1, "sort_key": 1, "sort_dir": 1, "display_name": 1,
}

// serverList is what lists of servers are sorted by, and the filters that the
// database decides by one column.
var serverList = &rest.List{
	Dialect: func() *rest.Dialect {
		d := *dialect
		d.Unknown = nil // judged by version and role
		d.BadSort = func(key string) error {
			return bad("Invalid input for query parameters sort_key. Value: %s. '%s' is not one of the sort keys", key, key)
		}
		d.BadDir = func(dir string) error {
			return bad("Invalid sort direction, must be 'asc' or 'desc', not '%s'.", dir)
		}
		return &d
	}(),
	Sort: []store.Sort{{Field: "created_at", Desc: true}},
	Fields: append([]rest.Field{
		given("user_id", "user_id", nil), given("host", "host", nil), given("node", "host", nil),
		given("image", "image_id", idOf), given("image_ref", "image_id", idOf), given("flavor", "flavor_id", idOf),
		given("reservation_id", "reservation_id", nil), given("availability_zone", "availability_zone", nil), given("key_name", "key_name", nil),
		given("access_ip_v4", "access_ipv4", nil), given("access_ip_v6", "access_ipv6", nil), given("uuid", "id", nil), given("locked_by", "locked_by", nil),
		number("launch_index"), number("progress"), number("power_state"), yesOrNo("config_drive"), yesOrNo("locked"),
		notBefore("created_at"), notBefore("launched_at"), notBefore("terminated_at"),
		{Name: "vm_state", NoSort: true, Filter: oneOf("vm_state")},
		{Name: "task_state", NoSort: true, Filter: oneOf("task_state")},
		tagged("tags", store.HasAll), tagged("tags-any", store.HasAny), tagged("not-tags", store.NotAll), tagged("not-tags-any", store.NotAny),
	}, sortedBy(map[string]string{
		"access_ip_v4": "access_ipv4", "access_ip_v6": "access_ipv6", "auto_disk_config": "disk_config",
		"availability_zone": "availability_zone", "config_drive": "config_drive", "created_at": "created_at",
		"display_description": "description", "display_name": "name", "host": "host", "hostname": "hostname",
		"image_ref": "image_id", "instance_type_id": "flavor_id", "kernel_id": "image_id", "ramdisk_id": "image_id",
		"key_name": "key_name", "launch_index": "launch_index", "launched_at": "launched_at", "node": "host",
		"power_state": "power_state", "progress": "progress", "project_id": "project_id", "root_device_name": "id",
		"task_state": "task_state", "terminated_at": "terminated_at", "updated_at": "updated_at", "user_id": "user_id",
		"uuid": "id", "vm_state": "vm_state", "locked": "locked", "locked_by": "locked_by",
	})...),
}

// filter is a filter that an empty value does not ask for.
func filter(name, field string, op store.Op, read func(text string) (any, error)) rest.Field {
	return rest.Field{Name: name, NoSort: true, Filter: func(values []string) ([]store.Cond, error) {
		if values[0] == "" {
			return nil, nil
		}
		v, err := read(values[0])
		return []store.Cond{{Field: field, Op: op, Value: v}}, err
	}}
}

func given(name, field string, of func(string) string) rest.Field {
	return filter(name, field, store.Equal, func(text string) (any, error) {
		if of != nil {
			text = of(text)
		}
		return text, nil
	})
}

func number(name string) rest.Field {
	return filter(name, name, store.Equal, func(text string) (any, error) {
		n, err := strconv.Atoi(text)
		if err != nil {
			err = bad("Invalid input for query parameters %s. Value: %s. It is not an integer", name, text)
		}
		return n, err
	})
}

func yesOrNo(name string) rest.Field {
	return filter(name, name, store.Equal, func(text string) (any, error) {
		b, known := httpx.ParseBool(text)
		if !known {
			return nil, bad("Invalid input for query parameters %s. Value: %s. It is not a boolean", name, text)
		}
		return b, nil
	})
}

func notBefore(name string) rest.Field {
	return filter(name, name, store.GreaterEq, func(text string) (any, error) {
		var t time.Time
		err := readTime(url.Values{name: {text}}, name, &t)
		return t, err
	})
}

func oneOf(field string) func([]string) ([]store.Cond, error) {
	return func(values []string) ([]store.Cond, error) { return []store.Cond{store.In(field, values)}, nil }
}

func tagged(name string, op store.Op) rest.Field {
	return filter(name, "has_tag", op, func(text string) (any, error) { return strings.Split(text, ","), nil })
}

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

func readTime(q url.Values, name string, to *time.Time) error {
	v := q.Get(name)
	if v == "" {
		return nil
	}
	t, err := isotime.Parse(v)
	if err != nil {
		return bad("Invalid input for query parameters %s. Value: %s. '%s' is not a 'date-time'", name, v, v)
	}
	*to = t
	return nil
}

// changeFields are the parameters of readChanges, each with the version that brought it.
func changeFields(since, before int) []rest.Field {
	none := func([]string) ([]store.Cond, error) { return nil, nil }
	return []rest.Field{
		{Name: "changes-since", NoSort: true, Since: since, Filter: none}, {Name: "changes-before", NoSort: true, Since: before, Filter: none},
	}
}

// changes reads them since a version, for lists.
func changes(since int) func(r *httpx.Request) ([]store.Cond, error) {
	return func(r *httpx.Request) ([]store.Cond, error) {
		if !r.AtLeast(2, since) {
			return nil, nil
		}
		return readChanges(r.Query)
	}
}

// readChanges reads changes-since and changes-before. What we show of times are
// whole seconds, so before takes in all of the second that it names.
func readChanges(q url.Values) (conds []store.Cond, err error) {
	var since, before time.Time
	if err := readTime(q, "changes-since", &since); err != nil {
		return nil, err
	}
	if err := readTime(q, "changes-before", &before); err != nil {
		return nil, err
	}
	if !since.IsZero() {
		conds = append(conds, store.Cond{Field: "updated_at", Op: store.GreaterEq, Value: since})
	}
	if before.IsZero() {
		return conds, nil
	}
	if since.After(before) {
		return nil, bad("The value of changes-since must be less than or equal to changes-before.")
	}
	if before.Nanosecond() == 0 {
		before = before.Add(time.Second - time.Microsecond)
	}
	return append(conds, store.Cond{Field: "updated_at", Op: store.LessEqual, Value: before}), nil
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
