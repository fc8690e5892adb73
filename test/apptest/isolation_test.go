package apptest

import (
	"testing"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/servers"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/networks"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/ports"
)

// What one user has, another does not see, name or guess into.
func TestAnotherUserSeesNothing(t *testing.T) {
	Each(t, func(t *testing.T, c *Cloud) {
		admin := c.Admin()
		alice, bob := c.NewUser(admin, "alice"), c.NewUser(admin, "bob")
		need := Prepare(admin, alice)
		id := alice.NewServer("secret", need)
		alice.WaitServer(id, "ACTIVE")

		page, err := servers.List(bob.Compute, servers.ListOpts{Name: "secret"}).AllPages(bob.ctx)
		if err != nil {
			t.Fatal(err)
		}
		if list := must[[]servers.Server](t)(servers.ExtractServers(page)); len(list) != 0 {
			t.Errorf("bob lists %d servers", len(list))
		}
		page, err = networks.List(bob.Network, nil).AllPages(bob.ctx)
		if err != nil {
			t.Fatal(err)
		}
		if list := must[[]networks.Network](t)(networks.ExtractNetworks(page)); len(list) != 0 {
			t.Errorf("bob lists %d networks", len(list))
		}
		page, err = ports.List(bob.Network, ports.ListOpts{DeviceID: id}).AllPages(bob.ctx)
		if err != nil {
			t.Fatal(err)
		}
		if list := must[[]ports.Port](t)(ports.ExtractPorts(page)); len(list) != 0 {
			t.Errorf("bob lists %d ports", len(list))
		}
		for what, err := range map[string]error{
			"show":           servers.Get(bob.ctx, bob.Compute, id).Err,
			"stop":           servers.Stop(bob.ctx, bob.Compute, id).ExtractErr(),
			"delete":         servers.Delete(bob.ctx, bob.Compute, id).ExtractErr(),
			"console":        servers.ShowConsoleOutput(bob.ctx, bob.Compute, id, servers.ShowConsoleOutputOpts{}).Err,
			"metadata":       servers.Metadata(bob.ctx, bob.Compute, id).Err,
			"show network":   networks.Get(bob.ctx, bob.Network, need.Network).Err,
			"delete network": networks.Delete(bob.ctx, bob.Network, need.Network).ExtractErr(),
		} {
			if !Gone(err) {
				t.Errorf("%s by bob: %v, want 404", what, err)
			}
		}
		_, err = servers.Create(bob.ctx, bob.Compute, servers.CreateOpts{
			Name: "intruder", ImageRef: need.Image, FlavorRef: need.Flavor, Networks: []servers.Network{{UUID: need.Network}},
		}, nil).Extract()
		if !gophercloud.ResponseCodeIs(err, 400) {
			t.Errorf("bob's server on alice's network: %v, want 400", err)
		}
		page, err = servers.List(bob.Compute, servers.ListOpts{AllTenants: true}).AllPages(bob.ctx)
		if err == nil {
			if list, _ := servers.ExtractServers(page); len(list) != 0 {
				t.Errorf("bob lists %d servers of all projects", len(list))
			}
		} else if !gophercloud.ResponseCodeIs(err, 403) {
			t.Errorf("all projects' servers by bob: %v, want 403", err)
		}
		if s := alice.Server(id); s.Status != "ACTIVE" {
			t.Errorf("alice's server is %s", s.Status)
		}
	})
}
