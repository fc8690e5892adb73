package compute_test

import (
	"testing"
	"time"

	"kumoi/internal/compute"
	"kumoi/internal/compute/computetest"
	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/event"
	"kumoi/internal/kernel/store"
	"kumoi/internal/kernel/store/storetest"
	"kumoi/internal/kernel/waittest"
	"kumoi/internal/network"
)

// newToldCloud is a cloud with a log of events.
func newToldCloud(t *testing.T, hosts ...string) (*computetest.Cloud, *event.Log) {
	t.Helper()
	db := storetest.SQLite(t)
	if err := db.Migrate(t.Context(), event.Migrations()); err != nil {
		t.Fatal(err)
	}
	log := event.New(db, event.Config{})
	c := computetest.New(t, db, true, hosts, func(d *compute.Deps) { d.Events = log })
	if err := log.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(log.Stop)
	return c, log
}

// A host states a server anew when the network says that it has other addresses.
func TestHostsApplyWhatTheNetworkChanges(t *testing.T) {
	t.Parallel()
	c, log := newToldCloud(t, "h1")
	p := c.Client(t, "p")
	p.Flavor("small", nil)
	id := p.Server(nil)
	p.Wait(id, "ACTIVE")
	before := c.Agent("h1").Guest(id).Generation
	for _, resource := range []string{"gone", id} {
		err := c.DB.Write(t.Context(), func(tx *store.Tx) error {
			return log.Publish(t.Context(), tx, event.Event{Type: network.ServerChanged, Resource: resource}, nil)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	waittest.True(t, 30*time.Second, "the host states the server anew", func() bool { return c.Agent("h1").Guest(id).Generation > before })
}

// A guest is told that a volume of its has grown or moved. Its attachment is
// nobody's to delete, connected or, while the server is shelved, reserved.
func TestVolumesOfServersChange(t *testing.T) {
	t.Parallel()
	c, _ := newToldCloud(t, "h1", "h2")
	p, v := c.Client(t, "p"), c.VolumeClient(t, "p")
	v.Version = "volume 3.70"
	p.Flavor("small", nil)
	server, vol := p.Server(nil), v.Create(nil)
	host, _ := p.Wait(server, "ACTIVE")["hostId"].(string)
	p.Must(200, "POST", "/v2.1/servers/"+server+"/os-volume_attachments", object{"volumeAttachment": object{"volumeId": vol}})
	seen := v.Wait(vol, "in-use")["attachments"].([]any)[0].(object)
	guest := func() hostapi.Volume {
		for _, h := range []string{"h1", "h2"} {
			if g := c.Agent(h).Guest(server); g != nil && len(g.Volumes) == 1 {
				return g.Volumes[0]
			}
		}
		t.Fatalf("no host has the guest with its volume (%s)", host)
		return hostapi.Volume{}
	}
	v.Must(202, "POST", "/volumes/"+vol+"/action", object{"os-extend": object{"new_size": 2}})
	waittest.True(t, 30*time.Second, "the guest is told of the size", func() bool { return guest().SizeGiB == 2 })
	v.Wait(vol, "in-use")
	waittest.True(t, 30*time.Second, "the history tells of it, ended", func() bool {
		for _, a := range p.Must(200, "GET", "/v2.1/servers/"+server+"/os-instance-actions", nil)["instanceActions"].([]any) {
			if a.(object)["action"] != "extend_volume" {
				continue
			}
			one := p.Must(200, "GET", "/v2.1/servers/"+server+"/os-instance-actions/"+a.(object)["request_id"].(string), nil)["instanceAction"].(object)
			for _, e := range one["events"].([]any) {
				if e.(object)["event"] == "compute_extend_volume" && e.(object)["result"] == "Success" {
					return true
				}
			}
		}
		return false
	})
	from := guest().Connection.Host
	to := map[string]string{"h1": "h2", "h2": "h1"}[from]
	admin := c.VolumeClient(t, "p:admin")
	admin.Version = v.Version
	admin.Must(202, "POST", "/volumes/"+vol+"/action", object{"os-migrate_volume": object{"host": to + "@fake#fake"}})
	waittest.True(t, 30*time.Second, "the guest is told of the place", func() bool {
		at := guest().Connection
		return at.Host == to && at.Backend == "fake" && at.Export != ""
	})
	attachment := "/attachments/" + seen["attachment_id"].(string)
	refused := func() {
		t.Helper()
		for _, who := range []computetest.VolumeClient{v, admin} {
			who.Fails(409, "using the Compute API", "DELETE", attachment, nil)
			who.Fails(409, "using the Compute API", "POST", "/volumes/"+vol+"/action", object{"os-detach": object{"attachment_id": seen["attachment_id"]}})
		}
	}
	refused()
	p.Action(202, server, "shelve", nil)
	p.Wait(server, "SHELVED_OFFLOADED")
	v.Wait(vol, "reserved")
	refused()
}
