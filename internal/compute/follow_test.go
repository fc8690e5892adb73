package compute_test

import (
	"testing"
	"time"

	"kumoi/internal/compute"
	"kumoi/internal/compute/computetest"
	"kumoi/internal/kernel/event"
	"kumoi/internal/kernel/store"
	"kumoi/internal/kernel/store/storetest"
	"kumoi/internal/kernel/waittest"
	"kumoi/internal/network"
)

// A host states a server anew when the network says that it has other addresses.
func TestHostsApplyWhatTheNetworkChanges(t *testing.T) {
	t.Parallel()
	db := storetest.SQLite(t)
	if err := db.Migrate(t.Context(), event.Migrations()); err != nil {
		t.Fatal(err)
	}
	log := event.New(db, event.Config{})
	c := computetest.New(t, db, true, []string{"h1"}, func(d *compute.Deps) { d.Events = log })
	if err := log.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(log.Stop)
	p := c.Client(t, "p")
	p.Flavor("small", nil)
	id := p.Server(nil)
	p.Wait(id, "ACTIVE")
	before := c.Agent("h1").Guest(id).Generation
	for _, resource := range []string{"gone", id} {
		err := db.Write(t.Context(), func(tx *store.Tx) error {
			return log.Publish(t.Context(), tx, event.Event{Type: network.ServerChanged, Resource: resource}, nil)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	waittest.True(t, 30*time.Second, "the host states the server anew", func() bool { return c.Agent("h1").Guest(id).Generation > before })
}
