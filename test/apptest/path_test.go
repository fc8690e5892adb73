package apptest

import (
	"testing"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/servers"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/ports"
	"github.com/gophercloud/gophercloud/v2/openstack/placement/v1/resourceproviders"
)

// A server's life: made, used in every way, deleted, and nothing is left over.
func TestServerLife(t *testing.T) {
	Each(t, func(t *testing.T, c *Cloud) {
		admin := c.Admin()
		user := c.NewUser(admin, "alice")
		need := Prepare(admin, user)
		id := user.NewServer("first", need)
		s := user.WaitServer(id, "ACTIVE")
		if len(s.Addresses) != 1 || s.Name != "first" {
			t.Errorf("server %+v", s)
		}
		portList := func() []ports.Port {
			page, err := ports.List(user.Network, ports.ListOpts{DeviceID: id}).AllPages(user.ctx)
			if err != nil {
				t.Fatal(err)
			}
			return must[[]ports.Port](t)(ports.ExtractPorts(page))
		}
		if p := portList(); len(p) != 1 || p[0].Status != "ACTIVE" || p[0].DeviceOwner != "compute:nova" {
			t.Errorf("ports %+v", p)
		}
		for _, step := range []struct {
			name   string
			do     func() error
			status string
		}{
			{"stop", func() error { return servers.Stop(user.ctx, user.Compute, id).ExtractErr() }, "SHUTOFF"},
			{"start", func() error { return servers.Start(user.ctx, user.Compute, id).ExtractErr() }, "ACTIVE"},
			{"pause", func() error { return servers.Pause(user.ctx, user.Compute, id).ExtractErr() }, "PAUSED"},
			{"unpause", func() error { return servers.Unpause(user.ctx, user.Compute, id).ExtractErr() }, "ACTIVE"},
			{"suspend", func() error { return servers.Suspend(user.ctx, user.Compute, id).ExtractErr() }, "SUSPENDED"},
			{"resume", func() error { return servers.Resume(user.ctx, user.Compute, id).ExtractErr() }, "ACTIVE"},
			{"soft reboot", func() error {
				return servers.Reboot(user.ctx, user.Compute, id, servers.RebootOpts{Type: servers.SoftReboot}).ExtractErr()
			}, "ACTIVE"},
			{"hard reboot", func() error {
				return servers.Reboot(user.ctx, user.Compute, id, servers.RebootOpts{Type: servers.HardReboot}).ExtractErr()
			}, "ACTIVE"},
			{"rename", func() error {
				_, err := servers.Update(user.ctx, user.Compute, id, servers.UpdateOpts{Name: "second"}).Extract()
				return err
			}, "ACTIVE"},
		} {
			if err := step.do(); err != nil {
				t.Fatalf("%s: %v", step.name, err)
			}
			Until(t, step.name+" to end", func() bool {
				s = user.Server(id)
				return s.Status == step.status && s.TaskState == ""
			})
		}
		if s.Name != "second" {
			t.Errorf("the server is named %s", s.Name)
		}
		err := servers.Start(user.ctx, user.Compute, id).ExtractErr()
		if !gophercloud.ResponseCodeIs(err, 409) {
			t.Errorf("start of a running server: %v, want 409", err)
		}

		if err := servers.Delete(user.ctx, user.Compute, id).ExtractErr(); err != nil {
			t.Fatal(err)
		}
		Until(t, "the server to be gone", func() bool {
			_, err := servers.Get(user.ctx, user.Compute, id).Extract()
			return Gone(err)
		})
		if p := portList(); len(p) != 0 {
			t.Errorf("ports are left: %+v", p)
		}
		Until(t, "no guest to be left", func() bool { return len(must[[]string](t)(guests(c))) == 0 })
		for class, used := range usage(t, admin) {
			if used != 0 {
				t.Errorf("%d %s are still taken", used, class)
			}
		}
	})
}

func guests(c *Cloud) ([]string, error) {
	list, err := c.Guests.Guests(c.t.Context())
	ids := []string{}
	for _, g := range list {
		ids = append(ids, g.Mark.ServerID)
	}
	return ids, err
}

// usage is what placement says is taken of the only host.
func usage(t *testing.T, admin *Session) map[string]int {
	t.Helper()
	page, err := resourceproviders.List(admin.Placement, nil).AllPages(admin.ctx)
	if err != nil {
		t.Fatal(err)
	}
	list := must[[]resourceproviders.ResourceProvider](t)(resourceproviders.ExtractResourceProviders(page))
	if len(list) != 1 {
		t.Fatalf("%d resource providers", len(list))
	}
	return must[*resourceproviders.ResourceProviderUsage](t)(resourceproviders.GetUsages(admin.ctx, admin.Placement, list[0].UUID).Extract()).Usages
}

// Several at once, all on addresses of their own.
func TestManyServers(t *testing.T) {
	Each(t, func(t *testing.T, c *Cloud) {
		admin := c.Admin()
		user := c.NewUser(admin, "alice")
		need := Prepare(admin, user)
		const n = 8
		_, err := servers.Create(user.ctx, user.Compute, servers.CreateOpts{
			Name: "many", ImageRef: need.Image, FlavorRef: need.Flavor, Networks: []servers.Network{{UUID: need.Network}}, Min: n, Max: n,
		}, nil).Extract()
		if err != nil {
			t.Fatal(err)
		}
		var list []servers.Server
		Until(t, "all servers to run", func() bool {
			page, err := servers.List(user.Compute, nil).AllPages(user.ctx)
			if err != nil {
				t.Fatal(err)
			}
			list = must[[]servers.Server](t)(servers.ExtractServers(page))
			for _, s := range list {
				if s.Status != "ACTIVE" {
					return false
				}
			}
			return len(list) == n
		})
		addresses := map[string]bool{}
		for _, s := range list {
			for _, nets := range s.Addresses {
				for _, a := range nets.([]any) {
					addresses[a.(map[string]any)["addr"].(string)] = true
				}
			}
		}
		if len(addresses) != n {
			t.Errorf("%d addresses for %d servers: %v", len(addresses), n, addresses)
		}
		if u := usage(t, admin); u["VCPU"] != n {
			t.Errorf("%d CPUs taken, want %d", u["VCPU"], n)
		}
	})
}
