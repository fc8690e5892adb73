package compute_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"kumoi/internal/compute"
	"kumoi/internal/compute/computetest"
	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
	"kumoi/internal/kernel/store/storetest"
)

type object = computetest.Object

// each runs f with a running cloud of one host on each database.
func each(t *testing.T, f func(t *testing.T, c *computetest.Cloud, p *computetest.Client)) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := computetest.New(t, db, true, []string{"h1"})
		p := c.Client(t, "p")
		p.Flavor("small", nil)
		f(t, c, p)
	})
}

func TestCreateShowListDelete(t *testing.T) {
	each(t, func(t *testing.T, c *computetest.Cloud, p *computetest.Client) {
		net, err := c.MakeNetwork(t.Context(), "p", "blue", "10.1.0.0/24")
		if err != nil {
			t.Fatal(err)
		}
		id := p.Server(object{"name": "web", "networks": []object{{"uuid": net}}, "metadata": object{"a": "1"}, "tags": []string{"x"}, "user_data": "aGk="})
		s := p.Wait(id, "ACTIVE")
		if s["name"] != "web" || s["hostId"] == "" || s["OS-EXT-AZ:availability_zone"] != "nova" {
			t.Errorf("server: %v", s)
		}
		addresses := s["addresses"].(object)["blue"].([]any)
		if len(addresses) != 1 || !strings.HasPrefix(addresses[0].(object)["addr"].(string), "10.1.0.") {
			t.Errorf("addresses: %v", addresses)
		}
		if _, shown := s["OS-EXT-SRV-ATTR:host"]; shown {
			t.Error("a member sees the host's name")
		}
		g := c.Agent("h1").Guest(id)
		if g == nil || g.Power != hostapi.PowerRunning || len(g.NICs) != 1 || string(g.Metadata.UserData) != "hi" || g.Metadata.Meta["a"] != "1" {
			t.Fatalf("guest: %+v", g)
		}
		if list := p.Must(200, "GET", "/v2.1/servers/detail", nil)["servers"].([]any); len(list) != 1 {
			t.Errorf("list: %v", list)
		}
		q := p.As("q")
		q.Fails(404, "could not be found", "GET", "/v2.1/servers/"+id, nil)
		q.Fails(404, "could not be found", "DELETE", "/v2.1/servers/"+id, nil)
		if list := q.Must(200, "GET", "/v2.1/servers", nil)["servers"].([]any); len(list) != 0 {
			t.Errorf("another project lists %v", list)
		}
		q.Fails(403, "get_all_tenants", "GET", "/v2.1/servers?all_tenants=1", nil)

		p.Must(204, "DELETE", "/v2.1/servers/"+id, nil)
		p.WaitGone(id)
		if c.Agent("h1").Guests() != 0 {
			t.Error("the guest is left on the host")
		}
		ports, err := c.Network.Servers.PortsOfServer(t.Context(), id)
		if err != nil || len(ports) != 0 {
			t.Errorf("ports left: %v %v", ports, err)
		}
	})
}

func TestPowerActionsAndStates(t *testing.T) {
	each(t, func(t *testing.T, c *computetest.Cloud, p *computetest.Client) {
		id := p.Server(nil)
		p.Wait(id, "ACTIVE")
		act := "/v2.1/servers/" + id + "/action"
		p.Fails(409, "Cannot 'start' instance "+id+" while it is in vm_state active", "POST", act, object{"os-start": nil})
		for _, step := range []struct {
			action string
			args   any
			status string
			power  hostapi.Power
		}{
			{"os-stop", nil, "SHUTOFF", hostapi.PowerStopped},
			{"os-start", nil, "ACTIVE", hostapi.PowerRunning},
			{"reboot", object{"type": "SOFT"}, "ACTIVE", hostapi.PowerRunning},
			{"reboot", object{"type": "HARD"}, "ACTIVE", hostapi.PowerRunning},
			{"pause", nil, "PAUSED", hostapi.PowerPaused},
			{"unpause", nil, "ACTIVE", hostapi.PowerRunning},
			{"suspend", nil, "SUSPENDED", hostapi.PowerSuspended},
			{"resume", nil, "ACTIVE", hostapi.PowerRunning},
			{"rebuild", object{"imageRef": computetest.Image, "name": "new"}, "ACTIVE", hostapi.PowerRunning},
			{"shelve", nil, "SHELVED_OFFLOADED", ""},
			{"unshelve", nil, "ACTIVE", hostapi.PowerRunning},
		} {
			p.Action(http.StatusAccepted, id, step.action, step.args)
			p.Wait(id, step.status)
			g := c.Agent("h1").Guest(id)
			if step.power == "" {
				if g != nil {
					t.Errorf("after %s the host still has the guest", step.action)
				}
				continue
			}
			if g == nil || g.Power != step.power {
				t.Errorf("after %s the host was told %+v", step.action, g)
			}
		}
		g := c.Agent("h1").Guest(id)
		if g.Boot != 1 || g.HardBoot != 1 || g.Rebuild != 1 || g.Name != "new" {
			t.Errorf("guest: %+v", g)
		}
	})
}

// A port is plugged, or unplugged, when the answer comes: clients go on at once.
func TestInterfaces(t *testing.T) {
	each(t, func(t *testing.T, c *computetest.Cloud, p *computetest.Client) {
		net, err := c.MakeNetwork(t.Context(), "p", "green", "10.2.0.0/24")
		if err != nil {
			t.Fatal(err)
		}
		id := p.Server(nil)
		p.Wait(id, "ACTIVE")
		nics := func() int { return len(c.Agent("h1").Guest(id).NICs) }
		before, path := nics(), "/v2.1/servers/"+id+"/os-interface"
		for range 3 {
			made := p.Must(200, "POST", path, object{"interfaceAttachment": object{"net_id": net}})["interfaceAttachment"].(object)
			if nics() != before+1 {
				t.Fatalf("%d NICs after the attachment, were %d", nics(), before)
			}
			p.Must(202, "DELETE", path+"/"+made["port_id"].(string), nil)
			if nics() != before {
				t.Fatalf("%d NICs after the detachment, want %d", nics(), before)
			}
		}
		c.Agent("h1").Fail("ensure", errs.New(errs.Invalid, "no slot is free"))
		p.Fails(409, "no slot is free", "POST", path, object{"interfaceAttachment": object{"net_id": net}})
		if ports, err := c.Network.Servers.PortsOfServer(t.Context(), id); err != nil || len(ports) != before {
			t.Errorf("ports after the failure: %v %v", ports, err)
		}
		p.Fails(404, "could not be found", "DELETE", path+"/00000000-0000-0000-0000-000000000000", nil)
	})
}

func TestRescueResizeAndLock(t *testing.T) {
	each(t, func(t *testing.T, c *computetest.Cloud, p *computetest.Client) {
		p.Flavor("big", object{"ram": 128, "vcpus": 2})
		id := p.Server(nil)
		p.Wait(id, "ACTIVE")
		if out := p.Action(200, id, "rescue", object{"adminPass": "x"}); out["adminPass"] != "x" {
			t.Errorf("rescue: %v", out)
		}
		p.Wait(id, "RESCUE")
		if c.Agent("h1").Guest(id).Rescue == nil {
			t.Error("the host was not told to rescue")
		}
		p.Action(202, id, "unrescue", nil)
		p.Wait(id, "ACTIVE")
		if c.Agent("h1").Guest(id).Rescue != nil {
			t.Error("the host still rescues")
		}

		p.Action(202, id, "resize", object{"flavorRef": "big"})
		p.Wait(id, "VERIFY_RESIZE")
		if g := c.Agent("h1").Guest(id); g.VCPUs != 2 || g.MemoryMiB != 128 {
			t.Errorf("resized guest: %+v", g)
		}
		p.Action(202, id, "revertResize", nil)
		p.Wait(id, "ACTIVE")
		if g := c.Agent("h1").Guest(id); g.VCPUs != 1 || g.Power != hostapi.PowerRunning {
			t.Errorf("reverted guest: %+v", g)
		}
		p.Action(202, id, "resize", object{"flavorRef": "big"})
		p.Wait(id, "VERIFY_RESIZE")
		p.Action(204, id, "confirmResize", nil)
		s := p.Wait(id, "ACTIVE")
		if s["flavor"].(object)["original_name"] != "big" {
			t.Errorf("flavor: %v", s["flavor"])
		}

		p.Action(202, id, "lock", object{"locked_reason": "mine"})
		if s := p.Wait(id, "ACTIVE"); s["locked"] != true || s["locked_reason"] != "mine" {
			t.Errorf("lock: %v", s)
		}
		// The owner is stopped by the lock, too: only administrators pass.
		p.Fails(409, "is locked", "POST", "/v2.1/servers/"+id+"/action", object{"os-stop": nil})
		p.As("ops:admin").Action(202, id, "os-stop", nil)
		p.Wait(id, "SHUTOFF")
		p.Action(202, id, "unlock", nil)
		p.Action(202, id, "os-start", nil)
		p.Wait(id, "ACTIVE")
	})
}

func TestAnotherHostIsTried(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := computetest.New(t, db, true, []string{"h1", "h2"})
		p := c.Client(t, "p")
		p.Flavor("small", nil)
		broken := errs.New(errs.NoCapacity, "The disk of this host is full.")
		c.Agent("h1").Fail(hostapi.VerbEnsure, broken)
		c.Agent("h2").Fail(hostapi.VerbEnsure, broken)
		id := p.Server(nil)
		s := p.Wait(id, "ERROR")
		fault := s["fault"].(object)
		if fault["code"] != 500.0 || !strings.Contains(fault["message"].(string), "No valid host was found") {
			t.Errorf("fault: %v", fault)
		}
		if c.Agent("h1").Calls(hostapi.VerbEnsure) != 1 || c.Agent("h2").Calls(hostapi.VerbEnsure) != 1 {
			t.Error("not every host was tried once")
		}
		usage := map[string]bool{}
		if err := db.Read(t.Context(), func(tx *store.Tx) error {
			m, err := c.Placement.Usage(t.Context(), tx)
			for host, u := range m {
				if u.VCPU != 0 {
					usage[host] = true
				}
			}
			return err
		}); err != nil || len(usage) != 0 {
			t.Errorf("claims left: %v %v", usage, err)
		}
		p.Must(204, "DELETE", "/v2.1/servers/"+id, nil)
		p.WaitGone(id)

		c.Agent("h2").Fail(hostapi.VerbEnsure, nil)
		id = p.Server(nil)
		p.Wait(id, "ACTIVE")
		if c.Agent("h2").Guest(id) == nil {
			t.Error("the server is not on the host that works")
		}
	})
}

func TestDeleteWhileBuilding(t *testing.T) {
	each(t, func(t *testing.T, c *computetest.Cloud, p *computetest.Client) {
		release := c.Agent("h1").Hold(hostapi.VerbEnsure)
		defer release()
		id := p.Server(nil)
		p.Fails(409, "while it is in vm_state building", "POST", "/v2.1/servers/"+id+"/action", object{"os-stop": nil})
		p.Must(204, "DELETE", "/v2.1/servers/"+id, nil)
		release()
		p.WaitGone(id)
		if c.Agent("h1").Guests() != 0 {
			t.Error("the guest is left on the host")
		}
		actions := p.Must(200, "GET", "/v2.1/servers/"+id+"/os-instance-actions", nil)["instanceActions"].([]any)
		if len(actions) != 2 || actions[0].(object)["action"] != "delete" {
			t.Errorf("history: %v", actions)
		}
	})
}

func TestGuestThatStopsByItself(t *testing.T) {
	each(t, func(t *testing.T, c *computetest.Cloud, p *computetest.Client) {
		id := p.Server(nil)
		p.Wait(id, "ACTIVE")
		if err := c.Agent("h1").Die(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		p.Wait(id, "SHUTOFF")
		p.Action(202, id, "os-start", nil)
		p.Wait(id, "ACTIVE")
		// A guest that its host has lost is made again at the next heartbeat.
		before := c.Agent("h1").Calls(hostapi.VerbEnsure)
		c.Agent("h1").Lose(id)
		if err := c.Beat(t.Context(), "h1"); err != nil {
			t.Fatal(err)
		}
		for c.Agent("h1").Guest(id) == nil {
			select {
			case <-t.Context().Done():
				t.Fatal("the guest was not made again")
			default:
			}
		}
		if c.Agent("h1").Calls(hostapi.VerbEnsure) <= before {
			t.Error("nobody asked for the guest")
		}
	})
}

func TestQuota(t *testing.T) {
	each(t, func(t *testing.T, _ *computetest.Cloud, p *computetest.Client) {
		admin := p.As("ops:admin")
		admin.Must(200, "PUT", "/v2.1/os-quota-sets/p", object{"quota_set": object{"instances": 2}})
		body := object{"server": object{"name": "s", "imageRef": computetest.Image, "flavorRef": "small", "networks": "none", "min_count": 3}}
		p.Fails(403, "Quota exceeded for instances: Requested 3, but already used 0 of 2 instances", "POST", "/v2.1/servers", body)
		if list := p.Must(200, "GET", "/v2.1/servers", nil)["servers"].([]any); len(list) != 0 {
			t.Errorf("a refused request left %v", list)
		}
		p.Server(object{"min_count": 1, "max_count": 5})
		if list := p.Must(200, "GET", "/v2.1/servers", nil)["servers"].([]any); len(list) != 2 {
			t.Errorf("min 1, max 5 with room for 2 made %d", len(list))
		}
		limits := p.Must(200, "GET", "/v2.1/limits", nil)["limits"].(object)["absolute"].(object)
		if limits["totalInstancesUsed"] != 2.0 || limits["maxTotalInstances"] != 2.0 {
			t.Errorf("limits: %v", limits)
		}
	})
}

// TestAnInterfaceThatIsLateIsNotDone has a host that does not plug a port.
func TestAnInterfaceThatIsLateIsNotDone(t *testing.T) {
	c := computetest.New(t, storetest.SQLite(t), true, []string{"h1"}, func(d *compute.Deps) { d.Config.InterfaceWait = 50 * time.Millisecond })
	p := c.Client(t, "p")
	p.Flavor("small", nil)
	net, err := c.MakeNetwork(t.Context(), "p", "green", "10.2.0.0/24")
	if err != nil {
		t.Fatal(err)
	}
	id := p.Server(object{"networks": []object{{"uuid": net}}})
	p.Wait(id, "ACTIVE")
	release := c.Agent("h1").Hold("ensure")
	defer release()
	p.Fails(503, "has not plugged port", "POST", "/v2.1/servers/"+id+"/os-interface", object{"interfaceAttachment": object{"net_id": net}})
	release()
	if err := c.Sagas.WaitIdle(t.Context()); err != nil {
		t.Fatal(err)
	}
	if nics := len(c.Agent("h1").Guest(id).NICs); nics != 2 {
		t.Errorf("%d NICs once the host could, want 2", nics)
	}
}
