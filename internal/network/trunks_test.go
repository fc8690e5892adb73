package network_test

import (
	"testing"

	"kumoi/internal/kernel/change"
	"kumoi/internal/kernel/ids"
	"kumoi/internal/kernel/store"
	"kumoi/internal/kernel/store/storetest"
	"kumoi/internal/network"
)

// A trunk's ports are on its parent's host, and only while it carries them; with
// the server that the parent was made for, the trunk ends.
func TestTrunkFollowsItsServer(t *testing.T) {
	c, ctx := newCloud(t, storetest.SQLite(t)), as(t, "p")
	n := c.network(ctx, network.Network{})
	c.subnet(ctx, n.ID, "10.0.0.0/24")
	server := ids.New()
	made, err := c.allocate(ctx, network.AllocateRequest{ServerID: server, ProjectID: "p", Networks: []network.RequestedNetwork{{NetworkID: n.ID}}})
	if err != nil {
		t.Fatal(err)
	}
	parent, sub := made[0], c.port(ctx, n.ID)
	trunk, err := c.Trunks.Create(ctx, change.New(func(t *network.Trunk) {
		t.PortID, t.SubPorts = parent.ID, []network.SubPort{{PortID: sub.ID, Segment: 7}}
	}))
	if err != nil {
		t.Fatal(err)
	}
	carried := func(parent, host string, tag int) {
		t.Helper()
		eventually(t, "the sub-port to be where its trunk is", func() bool {
			f, _ := c.fabric.Port(sub.ID)
			return f.Parent == parent && f.Host == host && f.Tag == tag
		})
	}
	status := func(want string) {
		t.Helper()
		eventually(t, "the trunk to be "+want, func() bool {
			got, err := c.Trunks.Show(ctx, trunk.ID)
			return err == nil && got.Status == want
		})
	}
	carried(parent.ID, "", 7)
	status(network.StatusDown)
	if err := c.Servers.BindPorts(ctx, server, "host-1"); err != nil {
		t.Fatal(err)
	}
	carried(parent.ID, "host-1", 7)
	status(network.StatusActive)
	if err := c.Servers.BindPorts(ctx, server, "host-2"); err != nil {
		t.Fatal(err)
	}
	carried(parent.ID, "host-2", 7)
	if err := c.Servers.ReleasePorts(ctx, server); err != nil {
		t.Fatal(err)
	}
	carried("", "", 0)
	if all, err := c.Trunks.List(ctx, store.Query{}); err != nil || len(all.Rows) != 0 {
		t.Errorf("left: %v %v", all, err)
	}
	if p, err := c.Ports.Show(ctx, sub.ID); err != nil || p.DeviceOwner != "" {
		t.Errorf("the sub-port: %+v %v", p, err)
	}
}
