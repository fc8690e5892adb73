package compute

import (
	"context"
	"time"

	"kumoi/internal/compute/flavor"
	"kumoi/internal/compute/keypair"
	"kumoi/internal/kernel/store"
)

// Tables are where families are kept that need no more than a table.
type Tables struct {
	Flavors      *store.Table[flavor.Flavor]
	FlavorAccess *store.Table[flavor.Access]
	Keypairs     *store.Table[keypair.Keypair]
	ServerGroups *store.Table[ServerGroup]
}

// Store is compute's other persistence. Methods run in the caller's transaction and
// do one thing each; a missing row is store.ErrNoRows.
type Store interface {
	InsertServer(ctx context.Context, tx *store.Tx, s *Server) error
	UpdateServer(ctx context.Context, tx *store.Tx, s *Server) error
	Server(ctx context.Context, tx *store.Tx, id string) (*Server, error)
	Servers(ctx context.Context, tx *store.Tx, f ServerFilter) ([]*Server, error)
	ServerTotals(ctx context.Context, tx *store.Tx, projectID, userID string) (ServerTotals, error)
	GroupHosts(ctx context.Context, tx *store.Tx, groupID string) (map[string]int, error)

	LeaveGroup(ctx context.Context, tx *store.Tx, id string) error

	InsertAction(ctx context.Context, tx *store.Tx, a *Action) error
	FinishAction(ctx context.Context, tx *store.Tx, id int64, message string, at time.Time) error
	InsertEvent(ctx context.Context, tx *store.Tx, actionID int64, e Event) error
	Actions(ctx context.Context, tx *store.Tx, serverID string) ([]*Action, error)
	ActionByRequest(ctx context.Context, tx *store.Tx, serverID, requestID string) (*Action, error)

	PutHost(ctx context.Context, tx *store.Tx, h *Host) error
	DeleteHost(ctx context.Context, tx *store.Tx, name string) error
	Host(ctx context.Context, tx *store.Tx, name string) (*Host, error)
	// Hosts leaves out what each host said of its guests.
	Hosts(ctx context.Context, tx *store.Tx) ([]*Host, error)

	PutAggregate(ctx context.Context, tx *store.Tx, a *Aggregate) error
	DeleteAggregate(ctx context.Context, tx *store.Tx, id int64) error
	Aggregates(ctx context.Context, tx *store.Tx) ([]*Aggregate, error)

	Quotas(ctx context.Context, tx *store.Tx, kind, owner string) (map[string]int, error)
	SetQuota(ctx context.Context, tx *store.Tx, kind, owner, resource string, hard int) error
	DeleteQuotas(ctx context.Context, tx *store.Tx, kind, owner string) error

	InsertMigration(ctx context.Context, tx *store.Tx, m *Migration) error
	UpdateMigration(ctx context.Context, tx *store.Tx, m *Migration) error
	Migrations(ctx context.Context, tx *store.Tx, serverID string) ([]*Migration, error)

	InsertConsole(ctx context.Context, tx *store.Tx, c Console) error
	Console(ctx context.Context, tx *store.Tx, tokenHash string) (Console, error)
	DeleteConsoles(ctx context.Context, tx *store.Tx, serverID string) error
	DeleteConsolesBefore(ctx context.Context, tx *store.Tx, t time.Time) error

	// Next takes the next number of the named counter, from 1.
	Next(ctx context.Context, tx *store.Tx, counter string) (int64, error)
}

// ServerTotals is what a project's (or one user's) servers add up to.
type ServerTotals struct{ Instances, Cores, RAM int }

// ServerFilter narrows a list of servers; zero values do not filter.
type ServerFilter struct {
	ProjectID, UserID        string
	Host, Node               string
	ID                       []string
	Group                    string
	VMStates                 []VMState
	TaskStates               []TaskState
	Name                     string // pattern
	Image, FlavorID          string
	ReservationID            string
	Zone                     string
	KeyName                  string
	Hostname                 string
	Description              string
	ConfigDrive              *bool
	PowerState               *PowerState
	Progress                 *int
	LaunchIndex              *int
	Locked                   *bool
	AccessIPv4, AccessIPv6   string
	LockedBy, DiskConfig     string
	Deleted                  *bool
	ChangedSince             time.Time
	ChangedBefore            time.Time
	CreatedAt                time.Time
	LaunchedAt, TerminatedAt time.Time
	// LivedAfter and LivedBefore select servers that existed at some time
	// between, for usage.
	LivedAfter, LivedBefore time.Time
	Tags, TagsAny           []string
	NotTags, NotTagsAny     []string
	// Shown leaves out of each server what lists do not show.
	Shown              bool
	SortKeys, SortDirs []string
	Marker             string
	Limit              int
}
