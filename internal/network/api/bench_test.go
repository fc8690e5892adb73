package api_test

import (
	"context"
	"io"
	"net/http"
	"net/netip"
	"syscall"
	"testing"
	"time"

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
	if err := c.svc.Quotas.Set(ctx, "p", map[string]int64{"port": -1}, false); err != nil {
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
				_, err = c.svc.Servers.AllocatePortsTx(ctx, tx, network.AllocateRequest{ServerID: ids.New(), ProjectID: "p"})
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
	for _, way := range []struct{ token, coding string }{{"p:admin", "identity"}, {"p:admin", "gzip"}, {"p", "identity"}} {
		req.Header.Set("X-Auth-Token", way.token)
		req.Header.Set("Accept-Encoding", way.coding)
		b.Run(way.token+" "+way.coding, func(b *testing.B) {
			before := spent(b)
			for b.Loop() {
				answer, err := http.DefaultClient.Do(req)
				if err != nil {
					b.Fatal(err)
				}
				if n, err := io.Copy(io.Discard, answer.Body); err != nil || answer.StatusCode != http.StatusOK || n < 20_000 {
					b.Fatal(answer.StatusCode, n, err)
				}
				if err := answer.Body.Close(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(spent(b)-before)/float64(time.Millisecond)/float64(b.N), "cpu-ms/op")
		})
	}
}

// spent is the processor time of this process, which other work on the machine changes little.
func spent(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkShowNetwork is GET of a network with a subnet.
func BenchmarkShowNetwork(b *testing.B) {
	c := serve(b, storetest.SQLite(b))
	net := c.create("/v2.0/networks", "network", object{"name": "n"})
	c.create("/v2.0/subnets", "subnet", object{"network_id": net["id"], "ip_version": 4, "cidr": "10.0.0.0/24"})
	for _, path := range []string{"/v2.0/networks/" + net["id"].(string), "/v2.0/networks", "/v2.0/subnets"} {
		b.Run(path[6:], func(b *testing.B) {
			before := spent(b)
			for b.Loop() {
				c.must(http.StatusOK, http.MethodGet, path, nil)
			}
			b.ReportMetric(float64(spent(b)-before)/float64(time.Microsecond)/float64(b.N), "cpu-µs/op")
		})
	}
}
