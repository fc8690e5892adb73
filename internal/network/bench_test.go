package network_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"testing"

	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/change"
	"kumoi/internal/kernel/ids"
	"kumoi/internal/kernel/policy"
	"kumoi/internal/kernel/store"
	"kumoi/internal/kernel/store/storetest"
	"kumoi/internal/network"
	"kumoi/internal/network/fabric/fake"
	networkstore "kumoi/internal/network/sqlstore"
)

// benchCloud has a network with n servers' ports.
func benchCloud(b *testing.B, n int) (*network.Service, context.Context, []string) {
	b.Helper()
	db := storetest.SQLite(b)
	if err := db.Migrate(b.Context(), networkstore.Migrations()); err != nil {
		b.Fatal(err)
	}
	s, err := network.New(network.Deps{DB: db, Policy: policy.New(), Log: slog.New(slog.DiscardHandler), Fabric: fake.New(), Tables: networkstore.Tables()})
	if err != nil {
		b.Fatal(err)
	}
	ctx := actor.With(b.Context(), &actor.Actor{UserID: "u", ProjectID: "p", Roles: []string{"admin", "member", "reader"}})
	if err := s.Start(ctx); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(s.Stop)
	servers := make([]string, n)
	if err := s.Quotas.Set(ctx, "p", map[string]int64{"port": -1}, false); err != nil {
		b.Fatal(err)
	}
	if err := s.Write(ctx, func(tx *store.Tx) error {
		net, err := s.Networks.CreateTx(ctx, tx, change.New(func(n *network.Network) { n.Name = "n" }))
		if err != nil {
			return err
		}
		if _, err := s.Subnets.CreateTx(ctx, tx, change.New(func(n *network.NewSubnet) {
			n.NetworkID, n.CIDR = net.ID, netip.MustParsePrefix("10.0.0.0/8")
		})); err != nil {
			return err
		}
		for i := range servers {
			servers[i] = ids.New()
			if _, err := s.Servers.AllocatePortsTx(ctx, tx, network.AllocateRequest{ServerID: servers[i], ProjectID: "p"}); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		b.Fatal(err)
	}
	return s, ctx, servers
}

func BenchmarkServerAddresses(b *testing.B) {
	for _, n := range []int{1, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s, ctx, servers := benchCloud(b, n)
			for b.Loop() {
				got, err := s.Servers.ServerAddresses(ctx, servers)
				if err != nil || len(got) != n {
					b.Fatal(len(got), err)
				}
				if _, err := s.Servers.ServerSecurityGroups(ctx, servers); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkBindPorts is from the call to the statement in the fabric.
func BenchmarkBindPorts(b *testing.B) {
	for _, n := range []int{10, 2000} {
		b.Run(fmt.Sprintf("among-%d", n), func(b *testing.B) {
			s, ctx, servers := benchCloud(b, n)
			i := 0
			for b.Loop() {
				if err := s.Servers.BindPorts(ctx, servers[i%n], fmt.Sprint("host", i)); err != nil {
					b.Fatal(err)
				}
				i++
			}
		})
	}
}

// BenchmarkAllocate is one server's port in a transaction of its own.
func BenchmarkAllocate(b *testing.B) {
	s, ctx, _ := benchCloud(b, 100)
	for b.Loop() {
		if err := s.Write(ctx, func(tx *store.Tx) error {
			_, err := s.Servers.AllocatePortsTx(ctx, tx, network.AllocateRequest{ServerID: ids.New(), ProjectID: "p"})
			return err
		}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkListPorts(b *testing.B) {
	s, ctx, _ := benchCloud(b, 1000)
	for b.Loop() {
		if ps, err := s.Ports.List(ctx, store.Query{Sort: []store.Sort{{Field: "created_at"}, {Field: "id"}}}); err != nil || len(ps.Rows) < 1000 {
			b.Fatal(len(ps.Rows), err)
		}
	}
}
