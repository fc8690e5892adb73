package api_test

import (
	"context"
	"io"
	"net/http"
	"net/netip"
	"testing"

	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/change"
	"kumoi/internal/kernel/ids"
	"kumoi/internal/kernel/store"
	"kumoi/internal/kernel/store/storetest"
	"kumoi/internal/network"
)

// BenchmarkListPorts is GET /v2.0/ports of a project that has 1,000 of servers.
func BenchmarkListPorts(b *testing.B) {
	c := serve(b, storetest.SQLite(b))
	ctx := actor.With(context.WithoutCancel(b.Context()), &actor.Actor{UserID: "u", ProjectID: "p", Roles: []string{"admin", "member", "reader"}})
	if err := c.svc.SetQuotas(ctx, "p", map[string]int64{"port": -1}, false); err != nil {
		b.Fatal(err)
	}
	if err := c.svc.Write(ctx, func(tx *store.Tx) error {
		net, err := c.svc.Networks.CreateTx(ctx, tx, change.New(func(n *network.Network) { n.Name = "n" }))
		if err != nil {
			return err
		}
		_, err = c.svc.Subnets.CreateTx(ctx, tx, change.New(func(n *network.NewSubnet) { n.NetworkID, n.CIDR = net.ID, netip.MustParsePrefix("10.0.0.0/8") }))
		for range 1000 {
			if err == nil {
				_, err = c.svc.AllocatePortsTx(ctx, tx, network.AllocateRequest{ServerID: ids.New(), ProjectID: "p"})
			}
		}
		return err
	}); err != nil {
		b.Fatal(err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url+"/v2.0/ports", http.NoBody)
	if err != nil {
		b.Fatal(err)
	}
	req.Header.Set("X-Auth-Token", "p")
	req.Header.Set("Accept-Encoding", "identity")
	for b.Loop() {
		answer, err := http.DefaultClient.Do(req)
		if err != nil {
			b.Fatal(err)
		}
		if n, err := io.Copy(io.Discard, answer.Body); err != nil || answer.StatusCode != http.StatusOK || n < 500_000 {
			b.Fatal(answer.StatusCode, n, err)
		}
		if err := answer.Body.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
