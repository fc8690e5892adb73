// Package sqlstore keeps compute's data in SQL, in tables compute_*.
package sqlstore

import (
	"context"
	"embed"
	"encoding/json"

	"kumoi/internal/compute"
	"kumoi/internal/kernel/quota"
	"kumoi/internal/kernel/store"
)

//go:embed migrations/*.sql
var files embed.FS

// Migrations is the schema's history.
func Migrations() store.Migrations { return store.Migrations{Service: "compute", FS: files} }

// Tables are where compute keeps what it keeps.
func Tables() compute.Tables {
	return compute.Tables{
		Servers: servers(), ShownServers: shownServers(), NamedServers: namedServers(), UsedServers: usedServers(), Actions: actions(), Events: events(), Migrations: migrations(), Consoles: consoles(),
		Flavors: flavors(), FlavorAccess: flavorAccess(), Keypairs: keypairs(), ServerGroups: serverGroups(), Quotas: quota.Table("compute_quota"),
		Hosts: hosts(), HostStates: hostStates(), Guests: guests(), Aggregates: aggregates(), Devices: blockDevices(),
	}
}

// Store is compute.Store: sums, counts and what lies across tables. It has no state of its own.
type Store struct{}

// New returns the store.
func New() *Store { return &Store{} }

// Next takes the counter's next number.
func (*Store) Next(ctx context.Context, tx *store.Tx, counter string) (int64, error) {
	n, err := store.One(ctx, tx, store.Value[int64],
		"UPDATE compute_counter SET value = value + 1 WHERE name = ? RETURNING value", counter)
	if err != store.ErrNoRows { //nolint:errorlint // the sentinel itself
		return n, err
	}
	_, err = tx.Exec(ctx, "INSERT INTO compute_counter (name, value) VALUES (?, 1)", counter)
	return 1, err
}

// toJSON writes a value that always marshals: maps, slices and plain structs.
func toJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}
