package compute_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"syscall"
	"testing"
	"time"

	"kumoi/internal/compute"
	"kumoi/internal/compute/computetest"
	"kumoi/internal/compute/sqlstore"
	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/change"
	"kumoi/internal/kernel/ids"
	"kumoi/internal/kernel/store"
	"kumoi/internal/kernel/store/storetest"
	"kumoi/internal/network"
)

// BenchmarkListDetail lists 1,000 servers of one project with all details, one
// port each, over HTTP.
func BenchmarkListDetail(b *testing.B) {
	c := computetest.New(b, storetest.SQLite(b), true, []string{"h1"})
	fill(b, c, 1000, true)
	req, err := http.NewRequestWithContext(b.Context(), "GET", c.URL+"/v2.1/servers/detail", nil)
	if err != nil {
		b.Fatal(err)
	}
	req.Header.Set("X-Auth-Token", "p")
	req.Header.Set("OpenStack-API-Version", "compute 2.96")
	b.ReportAllocs()
	for b.Loop() {
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			b.Fatal(err)
		}
		n, err := io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != 200 || n < 500_000 {
			b.Fatal(resp.Status, n, err)
		}
	}
}

// fill puts servers straight into the database, with a port each or without.
func fill(b *testing.B, c *computetest.Cloud, n int, ports bool) {
	b.Helper()
	ctx := actor.With(b.Context(), computetest.Actor("p", "admin"))
	net, err := c.MakeNetwork(ctx, "p", "blue", "10.0.0.0/16")
	if err != nil {
		b.Fatal(err)
	}
	st := sqlstore.Tables().Servers
	flavor := &compute.Flavor{ID: "small", Name: "small", VCPUs: 1, RAM: 64, Disk: 1}
	err = c.DB.Write(ctx, func(tx *store.Tx) error {
		for i := range n {
			now := time.Now().UTC()
			s := &compute.Server{
				ID: ids.New(), ProjectID: "p", UserID: "u-p", Name: fmt.Sprintf("srv-%d", i), Hostname: fmt.Sprintf("srv-%d", i),
				ImageID: computetest.Image, Root: hostapi.RootDisk{ImageID: computetest.Image}, Flavor: flavor, Host: "h1",
				VMState: compute.VMActive, PowerState: compute.PowerRunning, Power: hostapi.PowerRunning, DiskConfig: "MANUAL",
				Metadata: map[string]string{"role": "web"}, AvailabilityZone: "nova", CreatedAt: now, UpdatedAt: now, LaunchedAt: now,
			}
			if err := st.Insert(ctx, tx, s); err != nil {
				return err
			}
			if !ports {
				continue
			}
			if _, err := c.Network.Ports.CreateTx(ctx, tx, change.New(func(p *network.NewPort) {
				p.NetworkID, p.DeviceID, p.DeviceOwner, p.HeldAs, p.HeldBy = net, s.ID, "compute:nova", network.HeldByServer, s.ID
				p.ProjectID = fmt.Sprintf("p%d", i/400) // a project may have 500 ports
			})); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
}

// BenchmarkOperator asks what operators and dashboards ask about all servers of
// a cloud, with few servers in it and with many.
func BenchmarkOperator(b *testing.B) {
	for _, n := range []int{500, 7500} {
		c := computetest.New(b, storetest.SQLite(b), true, []string{"h1"})
		fill(b, c, n, false)
		for _, q := range []struct{ name, version, path string }{
			{"hypervisors", "2.96", "/v2.1/os-hypervisors/detail"},
			{"limits", "2.96", "/v2.1/limits"},
			{"usage-list", "2.1", "/v2.1/os-simple-tenant-usage"},
			{"usage-page", "2.96", "/v2.1/os-simple-tenant-usage"},
			{"usage-project", "2.96", "/v2.1/os-simple-tenant-usage/p"},
		} {
			b.Run(fmt.Sprintf("%s/%d", q.name, n), func(b *testing.B) {
				req, err := http.NewRequestWithContext(b.Context(), "GET", c.URL+q.path, nil)
				if err != nil {
					b.Fatal(err)
				}
				req.Header.Set("X-Auth-Token", "p:admin")
				req.Header.Set("OpenStack-API-Version", "compute "+q.version)
				before := processorTime(b)
				for b.Loop() {
					resp, err := http.DefaultClient.Do(req)
					if err != nil {
						b.Fatal(err)
					}
					_, err = io.Copy(io.Discard, resp.Body)
					resp.Body.Close()
					if err != nil || resp.StatusCode != 200 {
						b.Fatal(resp.Status, err)
					}
				}
				b.ReportMetric(float64((processorTime(b)-before).Microseconds())/float64(b.N), "cpu-us/op")
			})
		}
	}
}

// processorTime is what this process, client and server, has had.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkCreateToActive measures from the request to ACTIVE, one port each.
func BenchmarkCreateToActive(b *testing.B) {
	c := computetest.New(b, storetest.SQLite(b), true, []string{"h1"}, func(d *compute.Deps) {
		d.Config.Quota = map[string]int64{"instances": -1, "cores": -1, "ram": -1}
		d.Config.CPURatio, d.Config.RAMRatio, d.Config.DiskRatio = 1e6, 1e6, 1e6
	})
	p := c.Client(b, "p")
	p.Flavor("small", nil)
	net, err := c.MakeNetwork(b.Context(), "p", "blue", "10.0.0.0/16")
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		id := p.Server(object{"networks": []object{{"uuid": net}}})
		if err := c.Sagas.WaitIdle(context.Background()); err != nil {
			b.Fatal(err)
		}
		if s := p.Must(200, "GET", "/v2.1/servers/"+id, nil)["server"].(object); s["status"] != "ACTIVE" {
			b.Fatal(s)
		}
	}
}
