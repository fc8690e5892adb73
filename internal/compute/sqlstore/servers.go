package sqlstore

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"sync"

	"kumoi/internal/compute"
	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/store"
)

// serverColumns are the columns of compute_server in the order of
// serverValues and scanServer.
var serverColumns = []string{
	"id", "project_id", "user_id", "name", "description", "hostname", "reservation_id", "launch_index",
	"image_id", "image_props", "root", "local_disks", "flavor_id", "flavor", "vcpus", "ram",
	"key_name", "key_type", "public_key", "user_data", "config_drive", "metadata", "files", "admin_pass",
	"security_groups", "hints", "tags", "availability_zone", "pinned_zone", "host", "domain", "requested_host",
	"vm_state", "task_state", "power_state", "progress", "locked", "locked_by", "lock_reason",
	"access_ipv4", "access_ipv6", "disk_config", "fault", "password",
	"generation", "boot", "hard_boot", "rebuild", "power", "rescue", "snapshot_image_id", "old_vm_state", "host_sequence",
	"shelved_image_id", "delete_requested", "group_id", "resized_at",
	"created_at", "updated_at", "launched_at", "terminated_at", "deleted_at", "deleted",
}

// hidden are the columns that no list shows: what only hosts are told, and what
// guards sagas. Half the time of a long list is the database handing over columns.
var hidden = []string{
	"root", "local_disks", "vcpus", "ram", "key_type", "public_key", "files", "admin_pass", "security_groups", "requested_host", "password",
	"generation", "boot", "hard_boot", "rebuild", "power", "rescue", "snapshot_image_id", "old_vm_state", "host_sequence",
	"shelved_image_id", "delete_requested", "resized_at",
}

// shown are the indices of the other columns.
var shown = func() (out []int) {
	for i, c := range serverColumns {
		if !slices.Contains(hidden, c) {
			out = append(out, i)
		}
	}
	return out
}()

var selectShown = func() string {
	var names []string
	for _, i := range shown {
		names = append(names, serverColumns[i])
	}
	return "SELECT " + strings.Join(names, ", ") + " FROM compute_server"
}()

var (
	selectServer = "SELECT " + strings.Join(serverColumns, ", ") + " FROM compute_server"
	insertServer = "INSERT INTO compute_server (" + strings.Join(serverColumns, ", ") +
		") VALUES (?" + strings.Repeat(", ?", len(serverColumns)-1) + ")"
	updateServer = "UPDATE compute_server SET " + strings.Join(serverColumns[1:], " = ?, ") + " = ? WHERE id = ?"
)

func serverValues(s *compute.Server) []any {
	fault, rescue := "", ""
	if s.Rescue != nil {
		rescue = toJSON(s.Rescue)
	}
	if s.Fault != nil {
		fault = toJSON(s.Fault)
	}
	return []any{
		s.ID, s.ProjectID, s.UserID, s.Name, s.Description, s.Hostname, s.ReservationID, s.LaunchIndex,
		s.ImageID, toJSON(s.ImageProps), toJSON(s.Root), toJSON(s.Local), s.Flavor.ID, toJSON(s.Flavor), s.Flavor.VCPUs, s.Flavor.RAM,
		s.KeyName, s.KeyType, s.PublicKey, s.UserData, s.ConfigDrive, toJSON(s.Metadata), toJSON(s.Files), s.AdminPass,
		toJSON(s.SecurityGroups), toJSON(s.Hints), toJSON(s.Tags), s.AvailabilityZone, s.PinnedZone, s.Host, s.Domain, s.RequestedHost,
		string(s.VMState), string(s.TaskState), int(s.PowerState), s.Progress, s.Locked, s.LockedBy, s.LockReason,
		s.AccessIPv4, s.AccessIPv6, s.DiskConfig, fault, s.Password,
		s.Generation, s.Boot, s.HardBoot, s.Rebuild, string(s.Power), rescue, s.SnapshotImageID, string(s.OldVMState), s.HostSequence,
		s.ShelvedImageID, s.DeleteRequested, s.GroupID, store.Micros(s.AutoResizeWindow),
		store.Micros(s.CreatedAt), store.Micros(s.UpdatedAt), store.Micros(s.LaunchedAt),
		store.Micros(s.TerminatedAt), store.Micros(s.DeletedAt), s.Deleted,
	}
}

func scanServer(r store.Row) (*compute.Server, error) {
	return scanColumns(r, nil)
}

// scanShown reads a row of selectShown.
func scanShown(r store.Row) (*compute.Server, error) { return scanColumns(r, shown) }

// scanColumns reads the columns with the indices, or all.
func scanColumns(r store.Row, only []int) (*compute.Server, error) {
	s := &compute.Server{}
	var props, root, flavorID, flavor, fault, metadata string
	var vcpus, ram, resized, created, updated, launched, terminated, deleted int64
	dest := []any{
		&s.ID, &s.ProjectID, &s.UserID, &s.Name, &s.Description, &s.Hostname, &s.ReservationID, &s.LaunchIndex,
		&s.ImageID, &props, &root, jsonOf{&s.Local}, &flavorID, &flavor, &vcpus, &ram,
		&s.KeyName, &s.KeyType, &s.PublicKey, &s.UserData, &s.ConfigDrive, &metadata,
		jsonOf{&s.Files},
		&s.AdminPass,
		jsonOf{&s.SecurityGroups},
		jsonOf{&s.Hints},
		jsonOf{&s.Tags},
		&s.AvailabilityZone, &s.PinnedZone, &s.Host, &s.Domain, &s.RequestedHost,
		&s.VMState, &s.TaskState, &s.PowerState, &s.Progress, &s.Locked, &s.LockedBy, &s.LockReason,
		&s.AccessIPv4, &s.AccessIPv6, &s.DiskConfig, &fault, &s.Password,
		&s.Generation, &s.Boot, &s.HardBoot, &s.Rebuild, &s.Power,
		jsonOf{&s.Rescue},
		&s.SnapshotImageID, &s.OldVMState, &s.HostSequence,
		&s.ShelvedImageID, &s.DeleteRequested, &s.GroupID, &resized,
		&created, &updated, &launched, &terminated, &deleted, &s.Deleted,
	}
	if only != nil {
		for to, from := range only {
			dest[to] = dest[from]
		}
		dest = dest[:len(only)]
	}
	if err := r.Scan(dest...); err != nil {
		return nil, err
	}
	s.AutoResizeWindow, s.CreatedAt, s.UpdatedAt = store.Time(resized), store.Time(created), store.Time(updated)
	s.LaunchedAt, s.TerminatedAt, s.DeletedAt = store.Time(launched), store.Time(terminated), store.Time(deleted)
	f, err := sizes.get(flavor)
	if err != nil {
		return nil, err
	}
	s.Flavor = f
	if only == nil {
		disk, err := roots.get(root)
		if err != nil {
			return nil, err
		}
		s.Root = *disk
	}
	p, err := properties.get(props)
	if err != nil {
		return nil, err
	}
	s.ImageProps = *p
	m, err := properties.get(metadata)
	if err != nil {
		return nil, err
	}
	s.Metadata = *m
	if fault != "" {
		s.Fault = &compute.Fault{}
		return s, json.Unmarshal([]byte(fault), s.Fault)
	}
	return s, nil
}

// memo decodes JSON texts that many rows share, once each. What it returns
// must not be changed, only replaced.
type memo[T any] struct {
	mu   sync.Mutex
	seen map[string]*T
}

const (
	memoSize = 2000
	memoText = 4 << 10 // longer ones are decoded each time
)

func (m *memo[T]) get(text string) (*T, error) {
	if len(text) > memoText {
		v := new(T)
		return v, json.Unmarshal([]byte(text), v)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if v, ok := m.seen[text]; ok {
		return v, nil
	}
	v := new(T)
	if err := json.Unmarshal([]byte(text), v); err != nil {
		return nil, err
	}
	if m.seen == nil || len(m.seen) >= memoSize {
		m.seen = map[string]*T{}
	}
	m.seen[text] = v
	return v, nil
}

var (
	sizes      memo[compute.Flavor]
	roots      memo[hostapi.RootDisk]
	properties memo[map[string]string]
)

// InsertServer adds a server.
func (*Store) InsertServer(ctx context.Context, tx *store.Tx, s *compute.Server) error {
	_, err := tx.Exec(ctx, insertServer, serverValues(s)...)
	return err
}

// UpdateServer writes a server that was read in the same transaction.
func (*Store) UpdateServer(ctx context.Context, tx *store.Tx, s *compute.Server) error {
	return tx.ExecOne(ctx, updateServer, append(serverValues(s)[1:], s.ID)...)
}

// Server finds a server, a deleted one too.
func (*Store) Server(ctx context.Context, tx *store.Tx, id string) (*compute.Server, error) {
	return store.One(ctx, tx, scanServer, selectServer+" WHERE id = ?", id)
}

// ServerTotals adds up a project's servers, or one user's in it.
func (*Store) ServerTotals(ctx context.Context, tx *store.Tx, projectID, userID string) (compute.ServerTotals, error) {
	q := "SELECT COUNT(*), COALESCE(SUM(vcpus), 0), COALESCE(SUM(ram), 0) FROM compute_server WHERE project_id = ? AND deleted = ?"
	args := []any{projectID, false}
	if userID != "" {
		q += " AND user_id = ?"
		args = append(args, userID)
	}
	return store.One(ctx, tx, func(r store.Row) (t compute.ServerTotals, err error) {
		return t, r.Scan(&t.Instances, &t.Cores, &t.RAM)
	}, q, args...)
}

// GroupHosts counts the group's servers on each host.
func (*Store) GroupHosts(ctx context.Context, tx *store.Tx, groupID string) (map[string]int, error) {
	type on struct {
		host string
		n    int
	}
	rows, err := store.All(ctx, tx, func(r store.Row) (o on, err error) { return o, r.Scan(&o.host, &o.n) },
		"SELECT host, COUNT(*) FROM compute_server WHERE group_id = ? AND deleted = ? AND host <> '' GROUP BY host", groupID, false)
	if err != nil {
		return nil, err
	}
	out := map[string]int{}
	for _, o := range rows {
		out[o.host] = o.n
	}
	return out, nil
}
