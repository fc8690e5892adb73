package compute

import (
	"context"
	"time"

	"kumoi/internal/compute/aggregate"
	"kumoi/internal/compute/flavor"
	"kumoi/internal/compute/keypair"
	"kumoi/internal/compute/servergroup"
	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/quota"
	"kumoi/internal/kernel/store"
)

// Tables are where compute keeps what it keeps.
type Tables struct {
	Servers      *store.Table[Server]
	ShownServers *store.Table[Server] // what lists show of them
	NamedServers *store.Table[Server] // their ids and names
	UsedServers  *store.Table[Server] // what reports of usage show of them
	Actions      *store.Table[Action]
	Events       *store.Table[Event]
	Migrations   *store.Table[Migration]
	Consoles     *store.Table[Console]
	Flavors      *store.Table[flavor.Flavor]
	FlavorAccess *store.Table[flavor.Access]
	Keypairs     *store.Table[keypair.Keypair]
	ServerGroups *store.Table[servergroup.Group]
	Quotas       *store.Table[quota.Limit]
	Hosts        *store.Table[Host]
	HostStates   *store.Table[Host] // what views of servers tell of them
	Guests       *store.Table[Guests]
	Aggregates   *store.Table[aggregate.Aggregate]
	Devices      *store.Table[VolumeDevice]
}

// Store is what of compute's persistence is no table: sums, and what lies across tables.
type Store interface {
	ServerTotals(ctx context.Context, tx *store.Tx, projectID, userID string) (ServerTotals, error)
	// UsageTotals adds up what servers used between two times, by project.
	UsageTotals(ctx context.Context, tx *store.Tx, start, stop, now time.Time) ([]*Usage, error)
	GroupHosts(ctx context.Context, tx *store.Tx, groupID string) (map[string]int, error)
	LeaveGroup(ctx context.Context, tx *store.Tx, id string) error
	HostCounts(ctx context.Context, tx *store.Tx) (map[string]HostCount, error)
	// Zones maps hosts to the zones that aggregates put them in.
	Zones(ctx context.Context, tx *store.Tx) (map[string]string, error)
	SetAggregateHosts(ctx context.Context, tx *store.Tx, a *aggregate.Aggregate) error
	LeaveAggregates(ctx context.Context, tx *store.Tx, host string) error
	// Next takes the next number of the named counter, from 1.
	Next(ctx context.Context, tx *store.Tx, counter string) (int64, error)
}

// ServerTotals is what a project's (or one user's) servers add up to.
type ServerTotals struct{ Instances, Cores, RAM int }

// HostCount is how many servers a host has, and how many of them have a task at work.
type HostCount struct{ Servers, Busy int }

// Guests is what a host said last of its guests.
type Guests struct {
	Host    string
	Reports []hostapi.ServerReport
}
