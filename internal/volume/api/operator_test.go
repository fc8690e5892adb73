package api_test

import (
	"testing"

	"kumoi/internal/volume/volumetest"
)

const backendName = "host@fake"

func TestServices(t *testing.T) {
	each(t, func(t *testing.T, c *volumetest.Cloud) {
		alice, admin := c.As("alice"), c.As("admin")
		c.Volume("alice") // has the backends known
		alice.Want(403, "GET", "/os-services", nil)
		row := admin.Want(200, "GET", "/os-services?binary=cinder-volume", nil)
		for k, want := range map[string]string{
			"host": `"host@fake"`, "zone": `"nova"`, "status": `"enabled"`, "state": `"up"`, "backend_state": `"up"`, "cluster": "null",
			"frozen": "false", "disabled_reason": "null", "replication_status": `"disabled"`, "active_backend_id": "null",
		} {
			row.Same("services.0."+k, want)
		}
		all := admin.Want(200, "GET", "/os-services", nil, "OpenStack-API-Version", "volume 3.6")
		if rows, _ := all.Get("services").([]any); len(rows) != 3 {
			t.Errorf("services: %s", all.Raw)
		}
		admin.Want(200, "GET", "/os-services?host=nowhere", nil).Same("services", "[]")

		disable := func(want int, verb string, body object) { admin.Want(want, "PUT", "/os-services/"+verb, body) }
		disable(404, "disable", object{"host": "nowhere", "binary": "cinder-volume"})
		disable(404, "enable", object{"host": backendName, "binary": "nothing"})
		disable(400, "disable", object{"host": backendName})
		disable(400, "disable", object{"binary": "cinder-volume"})
		disable(400, "disable-log-reason", object{"host": backendName, "binary": "cinder-volume", "disabled_reason": " "})
		disable(400, "disable", object{"host": "host", "binary": "cinder-scheduler"})
		alice.Want(403, "PUT", "/os-services/disable", object{"host": backendName, "binary": "cinder-volume"})
		admin.Want(200, "PUT", "/os-services/disable-log-reason", object{"host": backendName, "binary": "cinder-volume", "disabled_reason": "repair"}).
			Same("", `{"host":"host@fake","service":"","binary":"cinder-volume","status":"disabled","disabled":true,"disabled_reason":"repair"}`)
		admin.Want(200, "GET", "/os-services?binary=cinder-volume", nil).Same("services.0.disabled_reason", `"repair"`)
		if got := c.Status(c.Volume("alice")); got != "error" {
			t.Errorf("a disabled back end took a volume: %s", got)
		}
		disable(200, "enable", object{"host": backendName, "service": "cinder-volume"})
		admin.Want(200, "GET", "/os-services?binary=cinder-volume", nil).Same("services.0.disabled_reason", `null`)
		if got := c.Status(c.Volume("alice")); got != "available" {
			t.Errorf("the back end takes no volumes again: %s", got)
		}
	})
}

func TestFreezeAndFailover(t *testing.T) {
	each(t, func(t *testing.T, c *volumetest.Cloud) {
		admin := c.As("admin")
		volume := c.Volume("alice")
		for _, verb := range []string{"freeze", "thaw", "failover_host"} {
			admin.Want(400, "PUT", "/os-services/"+verb, object{"host": "nowhere"})
			admin.Want(400, "PUT", "/os-services/"+verb, object{})
			admin.Want(400, "PUT", "/os-services/"+verb, object{"host": backendName, "cluster": "c"})
			admin.Want(400, "PUT", "/os-services/"+verb, object{"host": backendName, "other": 1})
			c.As("alice").Want(403, "PUT", "/os-services/"+verb, object{"host": backendName})
		}
		admin.Want(400, "PUT", "/os-services/failover_host", object{"host": backendName, "backend_id": "x"})
		admin.Want(200, "PUT", "/os-services/freeze", object{"host": backendName})
		admin.Want(400, "PUT", "/os-services/freeze", object{"host": backendName})
		admin.Want(200, "GET", "/os-services?binary=cinder-volume", nil).Same("services.0.frozen", "true")
		c.As("alice").Want(400, "DELETE", "/volumes/"+volume, nil)
		admin.Want(200, "PUT", "/os-services/thaw", object{"host": backendName})
		c.As("alice").Want(202, "DELETE", "/volumes/"+volume, nil)
	})
}

func TestLogLevels(t *testing.T) {
	t.Parallel()
	c := volumetest.New(t)
	admin := c.As("admin")
	admin.Want(200, "PUT", "/os-services/get-log", object{"binary": "cinder-api", "server": "", "prefix": ""}).
		Same("log_levels", `[{"host":"host","binary":"cinder-api","levels":{"kumoi":"INFO"}}]`)
	if rows, _ := admin.Want(200, "PUT", "/os-services/get-log", object{"binary": "*"}).Get("log_levels").([]any); len(rows) != 4 {
		t.Errorf("%d services log", len(rows))
	}
	admin.Want(400, "PUT", "/os-services/set-log", object{"level": "loud"})
	admin.Want(400, "PUT", "/os-services/get-log", object{"binary": "nova-api"})
	admin.Want(501, "PUT", "/os-services/set-log", object{"level": "DEBUG"}) // tests log to nowhere
	c.As("alice").Want(403, "PUT", "/os-services/set-log", object{"level": "DEBUG"})
}

func TestBackends(t *testing.T) {
	each(t, func(t *testing.T, c *volumetest.Cloud) {
		alice, admin := c.As("alice"), c.As("admin")
		c.Volume("alice")
		alice.Want(403, "GET", "/scheduler-stats/get_pools", nil)
		admin.Want(200, "GET", "/scheduler-stats/get_pools", nil).Same("pools", `[{"name":"host@fake#fake"}]`)
		pool := admin.Want(200, "GET", "/scheduler-stats/get_pools?detail=true", nil)
		pool.Same("pools.0.capabilities.volume_backend_name", `"fake"`)
		pool.Same("pools.0.capabilities.allocated_capacity_gb", "1")
		admin.Want(200, "GET", "/scheduler-stats/get_pools?name=other", nil).Same("pools", "[]")
		newType(c, object{"name": "other", "extra_specs": object{"volume_backend_name": "other"}})
		admin.Want(200, "GET", "/scheduler-stats/get_pools?volume_type=other", nil).Same("pools", "[]")
		admin.Want(200, "GET", "/scheduler-stats/get_pools?name=other", nil, "OpenStack-API-Version", "volume 3.27").Same("pools.0.name", `"host@fake#fake"`)
		admin.Want(400, "GET", "/scheduler-stats/get_pools?detail=maybe", nil)

		alice.Want(403, "GET", "/capabilities/"+backendName, nil)
		admin.Want(404, "GET", "/capabilities/nowhere", nil)
		admin.Want(200, "GET", "/capabilities/"+backendName, nil).Same("namespace", `"OS::Storage::Capabilities::host@fake"`)

		alice.Want(403, "GET", "/os-hosts", nil)
		admin.Want(200, "GET", "/os-hosts", nil).Same("hosts.2.host_name", `"host@fake"`)
		admin.Want(200, "GET", "/os-hosts/"+backendName, nil).Same("host", `[
			{"resource":{"host":"host@fake","project":"(total)","volume_count":"1","total_volume_gb":"1","snapshot_count":"0","total_snapshot_gb":"0"}},
			{"resource":{"host":"host@fake","project":"p-alice","volume_count":"1","total_volume_gb":"1","snapshot_count":"0","total_snapshot_gb":"0"}}]`)
		admin.Want(404, "GET", "/os-hosts/nowhere", nil)
		admin.Want(400, "PUT", "/os-hosts/"+backendName, object{"status": "maybe"})
		admin.Want(404, "PUT", "/os-hosts/nowhere", object{"status": "disable"})
		admin.Want(200, "PUT", "/os-hosts/"+backendName, object{"status": "Disable"}).Same("", `{"host":"host@fake","status":"disabled"}`)
		if rows, _ := admin.Want(200, "GET", "/os-hosts", nil).Get("hosts").([]any); len(rows) != 2 {
			t.Errorf("%d hosts are enabled", len(rows))
		}
	})
}

// What is there for clients that ask, though this cloud has little to say.
func TestQuietCorners(t *testing.T) {
	t.Parallel()
	c := volumetest.New(t)
	alice, admin := c.As("alice"), c.As("admin")
	alice.Want(200, "GET", "/os-availability-zone", nil).Same("availabilityZoneInfo", `[{"zoneName":"nova","zoneState":{"available":true}}]`)
	alice.Want(200, "GET", "/resource_filters?resource=pool", nil).Same("resource_filters", `[{"resource":"pool","filters":["name","volume_type"]}]`)
	alice.Want(404, "GET", "/resource_filters", nil, "OpenStack-API-Version", "volume 3.32")
	if rows, _ := alice.Want(200, "GET", "/extensions", nil).Get("extensions").([]any); len(rows) < 30 {
		t.Errorf("%d extensions", len(rows))
	}
	admin.Want(200, "GET", "/clusters", nil).Same("clusters", "[]")
	admin.Want(200, "GET", "/clusters/detail?binary=cinder-volume", nil).Same("clusters", "[]")
	admin.Want(400, "GET", "/clusters?nonsense=1", nil)
	admin.Want(404, "GET", "/clusters/c", nil).Same("itemNotFound.message", `"Cluster c could not be found."`)
	admin.Want(404, "PUT", "/clusters/disable", object{"name": "c"})
	alice.Want(403, "GET", "/clusters", nil)
	admin.Want(202, "POST", "/workers/cleanup", object{}).Same("", `{"cleaning":[],"unavailable":[]}`)
	admin.Want(400, "POST", "/workers/cleanup", object{"binary": "cinder-api"})
	alice.Want(403, "POST", "/workers/cleanup", object{})
}

// What fails in the background leaves a message for the user.
func TestMessages(t *testing.T) {
	each(t, func(t *testing.T, c *volumetest.Cloud) {
		alice, bob, admin := c.As("alice"), c.As("bob"), c.As("admin")
		newType(c, object{"name": "nowhere", "extra_specs": object{"volume_backend_name": "nowhere"}})
		volume := c.Volume("alice", "volume_type", "nowhere")
		if got := c.Status(volume); got != "error" {
			t.Fatalf("the volume is %s", got)
		}
		list := alice.Want(200, "GET", "/messages", nil)
		for k, want := range map[string]string{
			"event_id": `"VOLUME_VOLUME_001_003"`, "message_level": `"ERROR"`, "resource_type": `"VOLUME"`, "resource_uuid": `"` + volume + `"`,
			"user_message": `"schedule allocate volume:Could not find any available weighted backend."`,
		} {
			list.Same("messages.0."+k, want)
		}
		id := list.Text("messages.0.id")
		bob.Want(200, "GET", "/messages", nil).Same("messages", "[]")
		admin.Want(200, "GET", "/messages?resource_uuid="+volume, nil).Same("messages.0.id", `"`+id+`"`)
		alice.Want(200, "GET", "/messages?resource_type=VOLUME_SNAPSHOT", nil).Same("messages", "[]")
		alice.Want(200, "GET", "/messages?event_id~=001", nil).Same("messages.0.id", `"`+id+`"`)
		alice.Want(400, "GET", "/messages?nonsense=1", nil)
		alice.Want(400, "GET", "/messages?sort=nonsense", nil)
		alice.Want(404, "GET", "/messages", nil, "OpenStack-API-Version", "volume 3.2")
		alice.Want(200, "GET", "/messages?limit=1", nil).Text("messages_links.0.href")
		whole := alice.Want(200, "GET", "/messages?limit=1", nil, "OpenStack-API-Version", "volume 3.4")
		if _, links := whole.Get("messages_links").([]any); links {
			t.Errorf("a list without pages leads to the next: %s", whole.Raw)
		}
		alice.Want(200, "GET", "/messages/"+id, nil).Same("message.id", `"`+id+`"`)
		bob.Want(404, "GET", "/messages/"+id, nil)
		bob.Want(404, "DELETE", "/messages/"+id, nil)
		c.As("reader").Want(403, "DELETE", "/messages/"+id, nil)
		alice.Want(204, "DELETE", "/messages/"+id, nil)
		alice.Want(404, "GET", "/messages/"+id, nil).Same("itemNotFound.message", `"Message `+id+` could not be found."`)
	})
}
