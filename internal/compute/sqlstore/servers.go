package sqlstore

import (
	"context"
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"sync"

	"kumoi/internal/compute"
	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/store"
)

// servers are whole servers.
func servers() *store.Table[compute.Server] {
	return listable(store.NewTable("compute_server", func(s *compute.Server, c *store.Columns) {
		shownColumns(s, c)
		hiddenColumns(s, c)
	})).Sparing()
}

// shownServers are servers without what no list shows: what only hosts are told,
// and what guards sagas. Half the time of a long list is the database handing
// over columns.
func shownServers() *store.Table[compute.Server] {
	return listable(store.NewTable("compute_server", shownColumns))
}

// namedServers are what lists without details show.
func namedServers() *store.Table[compute.Server] {
	return store.NewTable("compute_server", func(s *compute.Server, c *store.Columns) {
		c.Key("id", &s.ID)
		c.Text("name", &s.Name)
	}).PartOf(servers())
}

// listable adds what lists ask for beside columns.
func listable(t *store.Table[compute.Server]) *store.Table[compute.Server] {
	return t.Set("has_tag", store.Expr{
		SQLite:   "EXISTS (SELECT 1 FROM json_each(compute_server.tags) WHERE value = ?)",
		Postgres: "COALESCE(jsonb_exists(compute_server.tags::jsonb, ?), FALSE)",
	})
}

func shownColumns(s *compute.Server, c *store.Columns) {
	size := s.Flavor
	if size == nil {
		size = &compute.Flavor{}
	}
	c.Key("id", &s.ID)
	c.Text("project_id", &s.ProjectID)
	c.Text("user_id", &s.UserID)
	c.Text("name", &s.Name)
	c.NullText("description", &s.Description)
	c.Text("hostname", &s.Hostname)
	c.Text("reservation_id", &s.ReservationID)
	c.Int("launch_index", &s.LaunchIndex)
	c.Text("image_id", &s.ImageID)
	c.Custom("image_props", store.KindText, shared[map[string]string]{&s.ImageProps, &properties})
	c.Derived("flavor_id", store.KindText, size.ID)
	c.Custom("flavor", store.KindText, sharedPointer[compute.Flavor]{&s.Flavor, &sizes})
	c.Text("key_name", &s.KeyName)
	c.Text("user_data", &s.UserData)
	c.Bool("config_drive", &s.ConfigDrive)
	c.Custom("metadata", store.KindText, shared[map[string]string]{&s.Metadata, &properties})
	c.Custom("hints", store.KindText, sparse{&s.Hints})
	c.Custom("tags", store.KindText, sparse{&s.Tags})
	c.Text("availability_zone", &s.AvailabilityZone)
	c.Text("pinned_zone", &s.PinnedZone)
	c.Text("host", &s.Host)
	c.Text("domain", &s.Domain)
	c.Text("vm_state", (*string)(&s.VMState))
	c.Text("task_state", (*string)(&s.TaskState))
	c.Int("power_state", (*int)(&s.PowerState))
	c.Int("progress", &s.Progress)
	c.Bool("locked", &s.Locked)
	c.Text("locked_by", &s.LockedBy)
	c.NullText("lock_reason", &s.LockReason)
	c.Text("access_ipv4", &s.AccessIPv4)
	c.Text("access_ipv6", &s.AccessIPv6)
	c.Text("disk_config", &s.DiskConfig)
	c.Custom("fault", store.KindText, orEmpty[compute.Fault]{&s.Fault})
	c.Text("group_id", &s.GroupID)
	c.Time("created_at", &s.CreatedAt)
	c.Time("updated_at", &s.UpdatedAt)
	c.Time("launched_at", &s.LaunchedAt)
	c.Time("terminated_at", &s.TerminatedAt)
	c.Time("deleted_at", &s.DeletedAt)
	c.Bool("deleted", &s.Deleted)
}

func hiddenColumns(s *compute.Server, c *store.Columns) {
	size := s.Flavor
	if size == nil {
		size = &compute.Flavor{}
	}
	c.Custom("root", store.KindText, shared[hostapi.RootDisk]{&s.Root, &roots})
	c.Custom("local_disks", store.KindText, sparse{&s.Local})
	c.Derived("vcpus", store.KindInt, size.VCPUs)
	c.Derived("ram", store.KindInt, size.RAM)
	c.Derived("disk", store.KindInt, size.Disk+size.Ephemeral)
	c.Text("key_type", &s.KeyType)
	c.Text("public_key", &s.PublicKey)
	c.Custom("files", store.KindText, sparse{&s.Files})
	c.Text("admin_pass", &s.AdminPass)
	c.Custom("security_groups", store.KindText, sparse{&s.SecurityGroups})
	c.Text("requested_host", &s.RequestedHost)
	c.Text("password", &s.Password)
	c.Int64("generation", &s.Generation)
	c.Int64("boot", &s.Boot)
	c.Int64("hard_boot", &s.HardBoot)
	c.Int64("rebuild", &s.Rebuild)
	c.Text("power", (*string)(&s.Power))
	c.Custom("rescue", store.KindText, orEmpty[hostapi.RootDisk]{&s.Rescue})
	c.Text("snapshot_image_id", &s.SnapshotImageID)
	c.Text("old_vm_state", (*string)(&s.OldVMState))
	c.Int64("host_sequence", &s.HostSequence)
	c.Text("shelved_image_id", &s.ShelvedImageID)
	c.Bool("delete_requested", &s.DeleteRequested)
	c.Time("resized_at", &s.AutoResizeWindow)
}

// GroupHosts counts the group's servers on each host.
func (*Store) GroupHosts(ctx context.Context, tx *store.Tx, groupID string) (map[string]int, error) {
	out := map[string]int{}
	_, err := store.All(ctx, tx, func(r store.Row) (struct{}, error) {
		var host string
		var n int
		err := r.Scan(&host, &n)
		out[host] = n
		return struct{}{}, err
	}, "SELECT host, COUNT(*) FROM compute_server WHERE group_id = ? AND deleted = ? AND host <> '' GROUP BY host", groupID, false)
	return out, err
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

var (
	sizes      memo[compute.Flavor]
	roots      memo[hostapi.RootDisk]
	properties memo[map[string]string]
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

// shared is a JSON column that many rows have alike.
type shared[T any] struct {
	at   *T
	memo *memo[T]
}

// Value writes it.
func (c shared[T]) Value() (driver.Value, error) { return toJSON(c.at), nil }

// Scan reads it.
func (c shared[T]) Scan(src any) error {
	text, err := textOf(src)
	if err != nil {
		return err
	}
	v, err := c.memo.get(text)
	if err == nil {
		*c.at = *v
	}
	return err
}

// sharedPointer is shared for a field that is a pointer.
type sharedPointer[T any] struct {
	at   **T
	memo *memo[T]
}

// Value writes it.
func (c sharedPointer[T]) Value() (driver.Value, error) { return toJSON(*c.at), nil }

// Scan reads it.
func (c sharedPointer[T]) Scan(src any) error {
	text, err := textOf(src)
	if err == nil {
		*c.at, err = c.memo.get(text)
	}
	return err
}

// sparse is a JSON column that most rows leave empty, which takes no decoding.
type sparse struct{ at any }

// Value writes it.
func (c sparse) Value() (driver.Value, error) { return toJSON(c.at), nil }

// Scan reads it.
func (c sparse) Scan(src any) error {
	text, err := textOf(src)
	switch {
	case err != nil || text == "" || text == "null" || text == "{}" || text == "[]":
		return err
	}
	return json.Unmarshal([]byte(text), c.at)
}

// orEmpty is a JSON column that is "" for nil.
type orEmpty[T any] struct{ at **T }

// Value writes it.
func (c orEmpty[T]) Value() (driver.Value, error) {
	if *c.at == nil {
		return "", nil
	}
	return toJSON(*c.at), nil
}

// Scan reads it.
func (c orEmpty[T]) Scan(src any) error {
	text, err := textOf(src)
	if err != nil || text == "" {
		return err
	}
	*c.at = new(T)
	return json.Unmarshal([]byte(text), *c.at)
}

func textOf(src any) (string, error) {
	switch s := src.(type) {
	case string:
		return s, nil
	case []byte:
		return string(s), nil
	}
	return "", fmt.Errorf("scan %T as JSON", src)
}
