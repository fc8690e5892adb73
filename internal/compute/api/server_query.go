package api

import (
	"context"
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"kumoi/internal/compute"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/ids"
	"kumoi/internal/kernel/isotime"
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

var sortKeys = []string{
	"access_ip_v4", "access_ip_v6", "auto_disk_config", "availability_zone", "config_drive", "created_at",
	"display_description", "display_name", "host", "hostname", "image_ref", "instance_type_id", "kernel_id", "key_name",
	"launch_index", "launched_at", "locked_by", "node", "power_state", "progress", "project_id", "ramdisk_id",
	"root_device_name", "task_state", "terminated_at", "updated_at", "user_id", "uuid", "vm_state",
}

// serverQuery reads the query of a list of servers.
func (a *api) serverQuery(ctx context.Context, r *httpx.Request) (compute.ListServers, error) {
	var out compute.ListServers
	minor := r.Version.Minor
	q := url.Values{}
	free := a.svc.Allowed(ctx, "servers:allow_all_filters")
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
	for _, read := range []func(context.Context, *httpx.Request, url.Values, *compute.ListServers) error{
		a.readPage, a.readScope, a.readStates, readTimes, readPlain, readTags, readRare,
	} {
		if err := read(ctx, r, q, &out); err != nil {
			return out, err
		}
	}
	return out, nil
}

func (a *api) readPage(ctx context.Context, r *httpx.Request, q url.Values, out *compute.ListServers) error {
	var err error
	if out.Limit, err = pageLimit(r); err != nil {
		return err
	}
	out.Marker = q.Get("marker")
	if out.Marker != "" && !ids.IsUUID(out.Marker) {
		return bad("marker [%s] not found", out.Marker)
	}
	out.SortKeys, out.SortDirs = q["sort_key"], q["sort_dir"]
	for _, k := range out.SortKeys {
		if !slices.Contains(sortKeys, k) && !(k == "locked" && r.AtLeast(2, 73)) {
			return bad("Invalid input for query parameters sort_key. Value: %s. '%s' is not one of the sort keys", k, k)
		}
		if (k == "host" || k == "node") && !a.svc.Allowed(ctx, "servers:allow_all_filters") {
			return errs.New(errs.Forbidden, "Only administrators can sort servers by %s", k)
		}
	}
	for _, d := range out.SortDirs {
		if d != "asc" && d != "desc" {
			return bad("Invalid sort direction, must be 'asc' or 'desc', not '%s'.", d)
		}
	}
	return nil
}

// pageLimit reads ?limit= as Nova does: a page is never longer than maxLimit.
func pageLimit(r *httpx.Request) (int, error) {
	if v, given := r.Query["limit"]; given {
		n, err := strconv.Atoi(v[0])
		if err != nil || n < 0 {
			return 0, bad("Invalid input for query parameters limit. Value: %s. '%s' is not a non-negative integer", v[0], v[0])
		}
		if n == 0 { // an empty page, as asked for
			return 0, nil
		}
	}
	return r.Limit(maxLimit)
}

func (a *api) readScope(ctx context.Context, _ *httpx.Request, q url.Values, out *compute.ListServers) error {
	if v, given := q["all_tenants"]; given {
		all := true
		if v[0] != "" {
			value, known := httpx.ParseBool(v[0])
			if !known {
				return bad("Invalid input for query parameters all_tenants. Value: %s. Unrecognized value '%s'", v[0], v[0])
			}
			all = value
		}
		out.AllProjects = all
	}
	project := q.Get("project_id")
	if project == "" {
		project = q.Get("tenant_id")
	}
	if project != "" && a.svc.Allowed(ctx, "servers:index:get_all_tenants") {
		// Naming a project without all_tenants narrows to the own one, as ever.
		if out.AllProjects {
			out.ProjectID = project
		}
	}
	return nil
}

func (a *api) readStates(ctx context.Context, r *httpx.Request, q url.Values, out *compute.ListServers) error {
	out.Statuses = q["status"]
	for _, word := range out.Statuses {
		if !compute.KnownStatus(word) && r.AtLeast(2, 38) {
			return bad("Invalid status value")
		}
	}
	alive := false
	out.Deleted = &alive
	if q.Has("changes-since") || q.Has("changes-before") {
		out.Deleted = nil
	}
	if v := q.Get("deleted"); v != "" {
		deleted, known := httpx.ParseBool(v)
		if !known {
			return bad("Invalid input for query parameters deleted. Value: %s. It is not a boolean", v)
		}
		out.Deleted = &deleted
	}
	if len(out.Statuses) == 1 && strings.EqualFold(out.Statuses[0], "DELETED") {
		if !a.svc.Allowed(ctx, "servers:allow_all_filters") {
			return errs.New(errs.Forbidden, "Only administrators may list deleted instances")
		}
		gone := true
		out.Deleted = &gone
	}
	for _, v := range q["vm_state"] {
		out.VMStates = append(out.VMStates, compute.VMState(v))
	}
	for _, v := range q["task_state"] {
		out.TaskStates = append(out.TaskStates, compute.TaskState(v))
	}
	return nil
}

func readTimes(_ context.Context, _ *httpx.Request, q url.Values, out *compute.ListServers) error {
	for name, to := range map[string]*time.Time{
		"created_at": &out.CreatedAt, "launched_at": &out.LaunchedAt, "terminated_at": &out.TerminatedAt,
	} {
		if err := readTime(q, name, to); err != nil {
			return err
		}
	}
	var err error
	out.ChangedSince, out.ChangedBefore, err = readChanges(q)
	return err
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

// readChanges reads changes-since and changes-before. What we show of times are
// whole seconds, so before takes in all of the second that it names.
func readChanges(q url.Values) (since, before time.Time, err error) {
	if err = readTime(q, "changes-since", &since); err != nil {
		return
	}
	if err = readTime(q, "changes-before", &before); err != nil || before.IsZero() {
		return
	}
	if since.After(before) {
		err = bad("The value of changes-since must be less than or equal to changes-before.")
		return
	}
	if before.Nanosecond() == 0 {
		before = before.Add(time.Second - time.Microsecond)
	}
	return
}

// within tells whether a change lies between the two, either of which may be zero.
func within(t, since, before time.Time) bool {
	return !t.Before(since) && (before.IsZero() || !t.After(before))
}

func readPlain(_ context.Context, _ *httpx.Request, q url.Values, out *compute.ListServers) error {
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
	out.Hostname = first("hostname")
	out.Image, out.FlavorID = idOf(first("image", "image_ref")), idOf(first("flavor"))
	out.IP, out.IP6 = first("ip"), first("ip6")
	out.Host, out.Node, out.UserID = first("host"), first("node"), first("user_id")
	out.ReservationID, out.Zone, out.KeyName = first("reservation_id"), first("availability_zone"), first("key_name")
	out.AccessIPv4, out.AccessIPv6 = first("access_ip_v4"), first("access_ip_v6")
	if v := first("uuid"); v != "" {
		out.ID = []string{v}
	}
	for name, to := range map[string]**int{"launch_index": &out.LaunchIndex, "progress": &out.Progress} {
		if v := first(name); v != "" {
			n, err := strconv.Atoi(v)
			if err != nil {
				return bad("Invalid input for query parameters %s. Value: %s. It is not an integer", name, v)
			}
			*to = &n
		}
	}
	if v := first("power_state"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil {
			return bad("Invalid input for query parameters power_state. Value: %s. It is not an integer", v)
		}
		p := compute.PowerState(n)
		out.PowerState = &p
	}
	for name, to := range map[string]**bool{"config_drive": &out.ConfigDrive, "locked": &out.Locked} {
		if v := first(name); v != "" {
			b, known := httpx.ParseBool(v)
			if !known {
				return bad("Invalid input for query parameters %s. Value: %s. It is not a boolean", name, v)
			}
			*to = &b
		}
	}
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
	out.LockedBy = q.Get("locked_by")
	if v := q.Get("root_device_name"); v != "" && v != rootDevice {
		out.ID = []string{}
	}
	if v := q.Get("auto_disk_config"); v != "" {
		auto, known := httpx.ParseBool(v)
		if !known {
			return bad("Invalid input for query parameters auto_disk_config. Value: %s. It is not a boolean", v)
		}
		out.DiskConfig = "MANUAL"
		if auto {
			out.DiskConfig = "AUTO"
		}
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

func readTags(_ context.Context, _ *httpx.Request, q url.Values, out *compute.ListServers) error {
	for name, to := range map[string]*[]string{
		"tags": &out.Tags, "tags-any": &out.TagsAny, "not-tags": &out.NotTags, "not-tags-any": &out.NotTagsAny,
	} {
		if v := q.Get(name); v != "" {
			*to = strings.Split(v, ",")
		}
	}
	return nil
}
