package network_test

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/event"
	"kumoi/internal/kernel/policy"
	"kumoi/internal/kernel/store"
	"kumoi/internal/kernel/store/storetest"
	"kumoi/internal/kernel/waittest"
	"kumoi/internal/network"
	"kumoi/internal/network/fabric/fake"
	networkstore "kumoi/internal/network/sqlstore"
)

// What becomes of resources is told under Neutron's names, once for each request.
func TestChangesAreTold(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		if err := db.Migrate(t.Context(), networkstore.Migrations(), event.Migrations()); err != nil {
			t.Fatal(err)
		}
		log := event.New(db, event.Config{})
		svc, err := network.New(network.Deps{
			DB: db, Policy: policy.New(), Log: slog.New(slog.DiscardHandler), Fabric: fake.New(), Tables: networkstore.Tables(), Events: log,
		})
		if err != nil {
			t.Fatal(err)
		}
		c := &cloud{Service: svc, t: t, db: db}
		ctx := actor.With(t.Context(), &actor.Actor{UserID: "u", ProjectID: "p", Roles: []string{"member", "reader"}})
		seen := event.Position{}
		told := func(want string) {
			t.Helper()
			var got []string
			// On PostgreSQL an event waits for older transactions of the whole server, other databases' too.
			waittest.True(t, 2*time.Minute, want, func() bool {
				events, to, err := log.Since(ctx, seen, event.Filter{})
				if err != nil {
					t.Fatal(err)
				}
				seen = to
				for _, e := range events {
					if e.Project != "p" || e.User != "u" || !strings.Contains(string(e.State), `"name"`) {
						t.Errorf("%+v", e)
					}
					got = append(got, e.Type+"="+e.Notification)
				}
				return len(got) > strings.Count(want, " ")
			})
			if fmt.Sprint(got) != want {
				t.Errorf("%v, want %s", got, want)
			}
		}
		n := c.network(ctx, network.Network{AdminStateUp: true, Standard: network.Standard{Name: "blue"}})
		told("[network.network.create=network.create.end network.security_group.create=security_group.create.end" +
			strings.Repeat(" network.security_group_rule.create=security_group_rule.create.end", 4) + "]") // the project's first
		c.subnet(ctx, n.ID, "10.0.0.0/24")
		// With the subnet comes the network's metadata port.
		told("[network.subnet.create=subnet.create.end network.port.create=port.create.end network.network.update=network.update.end]")
		p := c.port(ctx, n.ID)
		told("[network.port.create=port.create.end]")
		if err := c.Ports.Delete(ctx, p.ID); err != nil {
			t.Fatal(err)
		}
		told("[network.port.delete=port.delete.end]")
		if err := c.Networks.Delete(ctx, n.ID); err != nil {
			t.Fatal(err)
		}
		told("[network.port.delete=port.delete.end network.subnet.delete=subnet.delete.end network.network.delete=network.delete.end]")
	})
}
