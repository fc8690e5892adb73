package compute_test

import (
	"reflect"
	"strings"
	"testing"

	"kumoi/internal/compute"
	"kumoi/internal/compute/api"
	"kumoi/internal/compute/computetest"
	"kumoi/internal/kernel/store"
	"kumoi/internal/kernel/store/storetest"
)

const elsewhere = "99999999-9999-4999-8999-999999999999"

// bodies are well-formed bodies of routes about one server, by method and path or action.
var bodies = map[string]any{
	"reboot": object{"type": "HARD"}, "rebuild": object{"imageRef": computetest.Image}, "resize": object{"flavorRef": "small"},
	"createImage": object{"name": "x"}, "createBackup": object{"name": "x", "backup_type": "daily", "rotation": 1},
	"changePassword": object{"adminPass": "x"}, "addSecurityGroup": object{"name": "default"}, "removeSecurityGroup": object{"name": "default"},
	"os-getConsoleOutput": object{}, "os-migrateLive": object{"host": nil, "block_migration": "auto"}, "evacuate": object{},
	"os-resetState": object{"state": "error"}, "rescue": object{}, "addFloatingIp": object{"address": "192.0.2.1"},
	"removeFloatingIp": object{"address": "192.0.2.1"}, "addFixedIp": object{"networkId": elsewhere}, "removeFixedIp": object{"address": "192.0.2.1"},
	"os-getVNCConsole": object{"type": "novnc"}, "os-getSPICEConsole": object{"type": "spice-html5"}, "os-getSerialConsole": object{"type": "serial"},
	"os-getRDPConsole":                                                object{"type": "rdp-html5"},
	"PUT /v2.1/servers/{server_id}":                                   object{"server": object{"name": "x"}},
	"POST /v2.1/servers/{server_id}/metadata":                         object{"metadata": object{"a": "b"}},
	"PUT /v2.1/servers/{server_id}/metadata":                          object{"metadata": object{"a": "b"}},
	"PUT /v2.1/servers/{server_id}/metadata/{key}":                    object{"meta": object{"x": "b"}},
	"PUT /v2.1/servers/{server_id}/tags":                              object{"tags": []string{"x"}},
	"POST /v2.1/servers/{server_id}/os-interface":                     object{"interfaceAttachment": object{}},
	"POST /v2.1/servers/{server_id}/remote-consoles":                  object{"remote_console": object{"protocol": "vnc", "type": "novnc"}},
	"POST /v2.1/servers/{server_id}/os-volume_attachments":            object{"volumeAttachment": object{"volumeId": elsewhere}},
	"PUT /v2.1/servers/{server_id}/os-volume_attachments/{volume_id}": object{"volumeAttachment": object{"volumeId": elsewhere}},
	"POST /v2.1/servers/{server_id}/shares":                           object{"share": object{"share_id": elsewhere}},
}

// Whatever is asked about another project's server, nothing is shown and
// nothing done: it does not exist.
func TestServersOfOthersDoNotExist(t *testing.T) {
	each(t, func(t *testing.T, c *computetest.Cloud, p *computetest.Client) {
		id := p.Server(object{"tags": []string{"x"}, "metadata": object{"x": "y"}})
		p.Wait(id, "ACTIVE")
		before := p.Must(200, "GET", "/v2.1/servers/"+id, nil)
		q := p.As("q")
		asked := 0
		for _, r := range api.New(c.Service).Routes {
			if !strings.Contains(r.Path, "{server_id}") {
				continue
			}
			path := r.Path
			for path != "" && strings.Contains(path, "{") {
				name := path[strings.Index(path, "{") : strings.Index(path, "}")+1]
				value := map[string]string{"{server_id}": id, "{key}": "x", "{tag}": "x", "{network_label}": "x", "{request_id}": "req-test", "{migration_id}": "1"}[name]
				if value == "" {
					value = elsewhere
				}
				path = strings.Replace(path, name, value, 1)
			}
			body := bodies[r.Method+" "+strings.Replace(r.Path, "/os-volumes_boot", "/servers", 1)]
			if r.Action != "" {
				body = object{r.Action: bodies[r.Action]}
			}
			version := "2.96"
			if r.Max.Minor > 0 {
				version = r.Max.String()
			}
			status, _, out := q.At(version).Do(r.Method, path, body)
			asked++
			// What only administrators may do is refused before anything is looked for.
			if status != 404 && status != 403 && status != 410 {
				t.Errorf("%s %s#%s at %s: %d %v", r.Method, r.Path, r.Action, version, status, out)
			}
		}
		if asked < 80 {
			t.Errorf("only %d routes were asked", asked)
		}
		if after := p.Must(200, "GET", "/v2.1/servers/"+id, nil); !reflect.DeepEqual(before, after) {
			t.Errorf("the server was changed:\n%v\n%v", before, after)
		}
	})
}

// What a request names by id is the actor's to use, or does not exist.
func TestBodiesNameOnlyOwnThings(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := computetest.New(t, db, true, []string{"h1", "h2"})
		p := c.Client(t, "p")
		p.Flavor("small", nil)
		q := p.As("q")
		theirs := p.Server(nil)
		p.Wait(theirs, "ACTIVE")
		mine := q.Server(nil)
		q.Wait(mine, "ACTIVE")
		network, err := c.MakeNetwork(t.Context(), "p", "blue", "10.1.0.0/24")
		if err != nil {
			t.Fatal(err)
		}
		made := p.Must(200, "POST", "/v2.1/servers/"+theirs+"/os-interface", object{"interfaceAttachment": object{"net_id": network}})
		port := made["interfaceAttachment"].(object)["port_id"].(string)
		group := p.Must(200, "POST", "/v2.1/os-server-groups", object{"server_group": object{"name": "g", "policy": "affinity"}})["server_group"].(object)["id"].(string)
		c.Images.Put(&compute.Image{ID: elsewhere, Status: "active", Visibility: "private", Owner: "p", Size: new(int64(1)), DiskFormat: "qcow2"})
		create := func(change, hints object) object {
			server := object{"name": "s", "imageRef": computetest.Image, "flavorRef": "small", "networks": "none"}
			for k, v := range change {
				server[k] = v
			}
			return object{"server": server, "os:scheduler_hints": hints}
		}
		for what, body := range map[string]object{
			"image":         create(object{"imageRef": elsewhere}, object{}),
			"image device":  create(object{"imageRef": "", "block_device_mapping_v2": []object{{"source_type": "image", "destination_type": "local", "uuid": elsewhere, "boot_index": 0}}}, object{}),
			"network":       create(object{"networks": []object{{"uuid": network}}}, object{}),
			"port":          create(object{"networks": []object{{"port": port}}}, object{}),
			"server group":  create(nil, object{"group": group}),
			"volume":        create(object{"imageRef": "", "block_device_mapping_v2": []object{{"source_type": "volume", "destination_type": "volume", "uuid": elsewhere, "boot_index": 0}}}, object{}),
			"key pair":      create(object{"key_name": "theirs"}, object{}),
			"internal hint": create(nil, object{"_nova_check_type": []string{"rebuild"}}),
		} {
			if status, _, out := q.Do("POST", "/v2.1/servers", body); status != 400 {
				t.Errorf("%s: %d %v", what, status, out)
			}
		}
		at := "/v2.1/servers/" + mine
		q.Fails(400, "", "POST", at+"/action", object{"rebuild": object{"imageRef": elsewhere}})
		q.Fails(400, "", "POST", at+"/action", object{"rescue": object{"rescue_image_ref": elsewhere}})
		for _, want := range []object{{"net_id": network}, {"port_id": port}} {
			if status, _, out := q.Do("POST", at+"/os-interface", object{"interfaceAttachment": want}); status < 400 || status >= 500 {
				t.Errorf("attach %v: %d %v", want, status, out)
			}
		}
		q.Fails(404, "", "GET", at+"/os-interface/"+port, nil)
		q.Fails(404, "", "DELETE", at+"/os-interface/"+port, nil)
		q.Fails(404, "", "GET", "/v2.1/os-server-groups/"+group, nil)
		q.Fails(404, "", "DELETE", "/v2.1/os-server-groups/"+group, nil)
		// An action's request id is looked for in the server's own history only.
		request := p.Must(200, "GET", "/v2.1/servers/"+theirs+"/os-instance-actions", nil)["instanceActions"].([]any)[0].(object)["request_id"].(string)
		q.Fails(404, "", "GET", "/v2.1/servers/"+theirs+"/os-instance-actions/"+request, nil)
		q.Fails(403, "", "POST", "/v2.1/os-server-external-events", object{"events": []object{{"name": "power-update", "server_uuid": theirs, "tag": "POWER_OFF"}}})
		q.Fails(403, "", "GET", "/v2.1/os-migrations?instance_uuid="+theirs, nil)
		q.Fails(403, "", "GET", "/v2.1/os-console-auth-tokens/x", nil)
		q.Fails(403, "", "GET", "/v2.1/limits?tenant_id=p", nil)
		q.Fails(403, "", "GET", "/v2.1/os-quota-sets/p", nil)
		q.Fails(403, "", "GET", "/v2.1/os-simple-tenant-usage/p", nil)
		// Hints tell nobody where another project's server is.
		for hint, status := range map[string]string{"same_host": "ERROR", "different_host": "ACTIVE"} {
			id := q.Must(202, "POST", "/v2.1/servers", create(nil, object{hint: []string{theirs}}))["server"].(object)["id"].(string)
			q.Wait(id, status)
		}
	})
}
