package compute_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"kumoi/internal/compute"
	"kumoi/internal/compute/computetest"
	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/change"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
	"kumoi/internal/kernel/store/storetest"
	"kumoi/internal/network"
)

// What a request asks for is done, or the request is refused.
func TestRequestsAreNotWeakened(t *testing.T) {
	member(t, func(t *testing.T, c *computetest.Cloud, p *computetest.Client) {
		create := func(change, hints object) (string, object) {
			server := object{"name": "s", "imageRef": computetest.Image, "flavorRef": "small", "networks": "none"}
			for k, v := range change {
				server[k] = v
			}
			if hints == nil {
				hints = object{}
			}
			return "/v2.1/servers", object{"server": server, "os:scheduler_hints": hints}
		}
		for hint, value := range map[string]any{
			"query": "[\">=\",\"$free_ram_mb\",1024]", "target_cell": "x", "different_cell": "x", "build_near_host_ip": "10.0.0.1", "cidr": "/24",
		} {
			path, body := create(nil, object{hint: value})
			p.Fails(400, hint, "POST", path, body)
		}
		path, body := create(nil, object{"my_own": "x"})
		p.Must(202, "POST", path, body)

		// Groups on a network that filters nothing would be a false promise.
		open := openNetwork(t, c, "p")
		for _, groups := range []string{"default", "web"} {
			status := map[string]int{"default": 202, "web": 400}[groups]
			if groups == "web" {
				p.At("2.35").Must(200, "POST", "/v2.1/os-security-groups", object{"security_group": object{"name": "web", "description": ""}})
			}
			path, body = create(object{"networks": []object{{"uuid": open}}, "security_groups": []object{{"name": groups}}}, nil)
			if got, _, out := p.Do("POST", path, body); got != status {
				t.Errorf("%s on a network without port security: %d %v, want %d", groups, got, out, status)
			}
		}
		p.Fails(400, "port security disabled", "POST", path, body)
		path, body = create(object{"networks": []object{{"uuid": open}}}, nil)
		id := p.Must(202, "POST", path, body)["server"].(object)["id"].(string)
		p.Fails(400, "port security disabled", "POST", "/v2.1/servers/"+id+"/action", object{"addSecurityGroup": object{"name": "web"}})
		p.As("ops:admin").At("2.13").Fails(400, "onSharedStorage", "POST", "/v2.1/servers/"+id+"/action",
			object{"evacuate": object{"onSharedStorage": true}})

		// A flavor's id may come as its URL, at creation alone.
		for ref, status := range map[string]int{
			p.URL + "/v2.1/flavors/small": 202, p.URL + "/flavors/small": 202, "http://elsewhere/flavors/small": 202, p.URL + "/flavors/nope": 400,
		} {
			path, body = create(object{"flavorRef": ref}, nil)
			if got, _, out := p.Do("POST", path, body); got != status {
				t.Errorf("flavorRef %s: %d %v, want %d", ref, got, out, status)
			}
		}
	})
}

// openNetwork makes a network whose ports are not filtered.
func openNetwork(t *testing.T, c *computetest.Cloud, project string) string {
	t.Helper()
	id, err := c.MakeNetwork(t.Context(), project, "open", "10.9.0.0/24")
	if err == nil {
		ctx := actor.With(t.Context(), computetest.Actor(project, ""))
		_, err = c.Network.Networks.Update(ctx, id, change.New(func(n *network.Network) { n.PortSecurity = false }))
	}
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// A migration to a host goes there or nowhere.
func TestMigrationGoesWhereItIsTold(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := computetest.New(t, db, true, []string{"h1", "h2", "h3"})
		p := c.Client(t, "p")
		ops := p.As("ops:admin")
		p.Flavor("small", nil)
		// The host that was insisted on at creation holds the server no longer.
		out := ops.Must(202, "POST", "/v2.1/servers", object{"server": object{
			"name": "s", "imageRef": computetest.Image, "flavorRef": "small", "networks": "none", "host": "h1",
		}})
		id := out["server"].(object)["id"].(string)
		ops.Wait(id, "ACTIVE")
		for _, host := range []string{"h2", "h3", "h1", "h3"} {
			ops.Action(202, id, "migrate", object{"host": host})
			if s := ops.Wait(id, "VERIFY_RESIZE"); s["OS-EXT-SRV-ATTR:host"] != host {
				t.Fatalf("told to go to %s, the server went to %v", host, s["OS-EXT-SRV-ATTR:host"])
			}
			ops.Action(204, id, "confirmResize", nil)
			ops.Wait(id, "ACTIVE")
		}
	})
}

// The owner of a server is told in plain words why it failed; administrators
// also see what the host itself said, and which host.
func TestFaultsNameTheHostToAdministrators(t *testing.T) {
	each(t, func(t *testing.T, c *computetest.Cloud, p *computetest.Client) {
		ops := p.As("ops:admin")
		running := p.Server(nil)
		p.Wait(running, "ACTIVE")
		c.Agent("h1").Fail(hostapi.VerbEnsure, errs.New(errs.Internal, "qemu: no KVM here"))
		building := p.Server(nil)
		p.Wait(building, "ERROR")
		p.Action(202, running, "rebuild", object{"imageRef": computetest.Image})
		p.Wait(running, "ERROR")
		c.Agent("h1").Fail(hostapi.VerbEnsure, errs.New(errs.Invalid, "the image is broken"))
		invalid := p.Server(nil)
		p.Wait(invalid, "ERROR")
		for id, reason := range map[string]string{building: "no KVM here", running: "no KVM here", invalid: "the image is broken"} {
			seen := p.Must(200, "GET", "/v2.1/servers/"+id, nil)["server"].(object)["fault"].(object)
			if _, shown := seen["details"]; shown || strings.Contains(seen["message"].(string), "h1") {
				t.Errorf("the owner sees the host: %v", seen)
			}
			details, _ := ops.Must(200, "GET", "/v2.1/servers/"+id, nil)["server"].(object)["fault"].(object)["details"].(string)
			if !strings.Contains(details, "On host h1") || !strings.Contains(details, reason) {
				t.Errorf("administrators see %q, want the host's own reason %q", details, reason)
			}
		}
	})
}

// An answer does not point where nothing answers.
func TestLocationsOfImages(t *testing.T) {
	each(t, func(t *testing.T, _ *computetest.Cloud, p *computetest.Client) {
		id := p.Server(nil)
		p.Wait(id, "ACTIVE")
		status, header, _ := p.At("2.44").Do("POST", "/v2.1/servers/"+id+"/action", object{"createImage": object{"name": "i"}})
		base := strings.TrimSuffix(p.URL, "/compute")
		if at := header.Get("Location"); status != 202 || !strings.HasPrefix(at, base+"/image/v2/images/") {
			t.Errorf("%d, Location %q", status, at)
		}
	})
}

// projects is an identity service that knows the projects in it.
type projects []string

func (p projects) ProjectExists(_ context.Context, _ *store.Tx, id string) (bool, error) {
	return slices.Contains(p, id), nil
}

// Limits of a project that nobody has made are the defaults; its quota set is refused.
func TestLimitsOfNoProject(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := computetest.New(t, db, false, nil, func(d *compute.Deps) { d.Identity = projects{"p"} })
		ops := c.Client(t, "ops:admin")
		ops.Must(200, "GET", "/v2.1/limits?tenant_id=x", nil)
		ops.Must(200, "GET", "/v2.1/os-quota-sets/p", nil)
		ops.Fails(400, "not a valid project", "GET", "/v2.1/os-quota-sets/x", nil)
	})
}

// Backups are found by properties that anybody may give to an image: those of
// other projects neither count nor go.
func TestBackupsOfOthersDoNotCount(t *testing.T) {
	each(t, func(t *testing.T, c *computetest.Cloud, p *computetest.Client) {
		id := p.Server(nil)
		p.Wait(id, "ACTIVE")
		const theirs = "99999999-9999-4999-8999-999999999999"
		c.Images.Put(&compute.Image{ID: theirs, Status: "active", Owner: "q", Properties: map[string]string{
			"image_type": "backup", "backup_type": "daily", "instance_uuid": id,
		}})
		before := c.Images.Count()
		p.Action(202, id, "createBackup", object{"name": "b", "backup_type": "daily", "rotation": 1})
		p.Wait(id, "ACTIVE")
		if n := c.Images.Count(); n != before+1 {
			t.Errorf("%d images after the backup, want %d: another project's image counted", n, before+1)
		}
	})
}
