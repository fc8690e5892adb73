package api

import (
	"net/url"
	"strconv"
	"strings"
	"time"

	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/rest"
	"kumoi/internal/kernel/store"
)

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
