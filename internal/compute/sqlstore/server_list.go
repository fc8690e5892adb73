package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"kumoi/internal/compute"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

// sortColumns maps the sort keys of the API to columns.
var sortColumns = map[string]string{
	"access_ip_v4": "access_ipv4", "access_ip_v6": "access_ipv6", "auto_disk_config": "disk_config",
	"availability_zone": "availability_zone", "config_drive": "config_drive", "created_at": "created_at",
	"display_description": "description", "display_name": "name", "host": "host", "hostname": "hostname",
	"image_ref": "image_id", "instance_type_id": "flavor_id", "kernel_id": "image_id", "ramdisk_id": "image_id",
	"key_name": "key_name", "launch_index": "launch_index", "launched_at": "launched_at", "node": "host",
	"power_state": "power_state", "progress": "progress", "project_id": "project_id", "root_device_name": "id",
	"task_state": "task_state", "terminated_at": "terminated_at", "updated_at": "updated_at", "user_id": "user_id",
	"uuid": "id", "vm_state": "vm_state", "locked": "locked", "locked_by": "locked_by",
}

// Servers lists servers. The order always ends with the id, so that pages neither repeat nor skip.
func (st *Store) Servers(ctx context.Context, tx *store.Tx, f compute.ServerFilter) ([]*compute.Server, error) {
	columns, scan := selectServer, scanServer
	if f.Shown {
		columns, scan = selectShown, scanShown
	}
	q := store.Select(columns)
	serverConditions(q, f)
	keys, dirs := order(f)
	if f.Marker != "" {
		marker, err := st.Server(ctx, tx, f.Marker)
		if errors.Is(err, store.ErrNoRows) || err == nil && f.ProjectID != "" && marker.ProjectID != f.ProjectID {
			return nil, errs.New(errs.Invalid, "marker [%s] not found", f.Marker)
		}
		if err != nil {
			return nil, err
		}
		after(q, keys, dirs, marker)
	}
	var by []string
	for i, k := range keys {
		by = append(by, coalesced(k)+" "+dirs[i])
	}
	q.OrderBy(strings.Join(by, ", "))
	q.Limit(f.Limit)
	return store.Find(ctx, tx, scan, q)
}

func serverConditions(q *store.Selection, f compute.ServerFilter) {
	for _, c := range []struct{ column, value string }{
		{"project_id", f.ProjectID},
		{"user_id", f.UserID},
		{"host", f.Host},
		{"host", f.Node},
		{"group_id", f.Group},
		{"image_id", f.Image},
		{"flavor_id", f.FlavorID},
		{"reservation_id", f.ReservationID},
		{"availability_zone", f.Zone},
		{"key_name", f.KeyName},
		{"access_ipv4", f.AccessIPv4},
		{"access_ipv6", f.AccessIPv6},
		{"locked_by", f.LockedBy},
		{"disk_config", f.DiskConfig},
	} {
		if c.value != "" {
			q.Where(c.column+" = ?", c.value)
		}
	}
	if f.ID != nil {
		store.Among(q, "id", f.ID)
	}
	if f.VMStates != nil {
		store.Among(q, "vm_state", words(f.VMStates))
	}
	if f.TaskStates != nil {
		store.Among(q, "task_state", words(f.TaskStates))
	}
	if f.ConfigDrive != nil {
		q.Where("config_drive = ?", *f.ConfigDrive)
	}
	if f.PowerState != nil {
		q.Where("power_state = ?", int(*f.PowerState))
	}
	if f.Progress != nil {
		q.Where("progress = ?", *f.Progress)
	}
	if f.LaunchIndex != nil {
		q.Where("launch_index = ?", *f.LaunchIndex)
	}
	if f.Locked != nil {
		q.Where("locked = ?", *f.Locked)
	}
	if f.Deleted != nil {
		q.Where("deleted = ?", *f.Deleted)
	}
	for _, c := range []struct {
		cond string
		at   time.Time
	}{
		{"updated_at >= ?", f.ChangedSince},
		{"updated_at <= ?", f.ChangedBefore},
		{"created_at >= ?", f.CreatedAt},
		{"launched_at >= ?", f.LaunchedAt},
		{"terminated_at >= ?", f.TerminatedAt},
		{"launched_at > 0 AND launched_at <= ?", f.LivedBefore},
		{"(terminated_at = 0 OR terminated_at >= ?)", f.LivedAfter},
	} {
		if !c.at.IsZero() {
			q.Where(c.cond, store.Micros(c.at))
		}
	}
	// Tags are a JSON list: a tag with its quotes occurs in the text or not.
	const has = "REPLACE(tags, ?, '') <> tags"
	for _, t := range f.Tags {
		q.Where(has, toJSON(t))
	}
	tagGroup(q, f.TagsAny, has, " OR ", "")
	tagGroup(q, f.NotTags, has, " AND ", "NOT ")
	tagGroup(q, f.NotTagsAny, has, " OR ", "NOT ")
}

func tagGroup(q *store.Selection, tags []string, cond, join, not string) {
	if len(tags) == 0 {
		return
	}
	args := make([]any, len(tags))
	for i, t := range tags {
		args[i] = toJSON(t)
	}
	q.Where(not+"("+cond+strings.Repeat(join+cond, len(tags)-1)+")", args...)
}

func words[T ~string](in []T) []string {
	out := make([]string, len(in))
	for i, w := range in {
		out[i] = string(w)
	}
	return out
}

func order(f compute.ServerFilter) (keys, dirs []string) {
	for i, k := range f.SortKeys {
		column, ok := sortColumns[k]
		if !ok || slices.Contains(keys, column) {
			continue
		}
		dir := "DESC"
		if i < len(f.SortDirs) && f.SortDirs[i] == "asc" {
			dir = "ASC"
		}
		keys, dirs = append(keys, column), append(dirs, dir)
	}
	if len(keys) == 0 {
		keys, dirs = []string{"created_at"}, []string{"DESC"}
	}
	if !slices.Contains(keys, "id") {
		keys, dirs = append(keys, "id"), append(dirs, dirs[len(dirs)-1])
	}
	return keys, dirs
}

// coalesced keeps NULL out of comparisons and orders.
func coalesced(column string) string {
	if column == "description" {
		return "COALESCE(description, '')"
	}
	return column
}

// after adds the condition that a row comes behind the marker in the order.
func after(q *store.Selection, keys, dirs []string, marker *compute.Server) {
	values := serverValues(marker)
	var alternatives []string
	var args []any
	for i := range keys {
		var parts []string
		for j := 0; j <= i; j++ {
			op := "="
			if j == i {
				op = ">"
				if dirs[j] == "DESC" {
					op = "<"
				}
			}
			parts = append(parts, fmt.Sprintf("%s %s ?", coalesced(keys[j]), op))
			v := values[slices.Index(serverColumns, keys[j])]
			if d, ok := v.(*string); ok {
				v = ""
				if d != nil {
					v = *d
				}
			}
			args = append(args, v)
		}
		alternatives = append(alternatives, "("+strings.Join(parts, " AND ")+")")
	}
	q.Where(strings.Join(alternatives, " OR "), args...)
}
