package compute_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"kumoi/internal/compute/computetest"
	"kumoi/internal/kernel/store"
	"kumoi/internal/kernel/store/storetest"
)

// member runs f with a cloud whose sagas do not run: for what needs no guest.
func member(t *testing.T, f func(t *testing.T, c *computetest.Cloud, p *computetest.Client)) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := computetest.New(t, db, false, []string{"h1", "h2"})
		p := c.Client(t, "p")
		p.Flavor("small", nil)
		f(t, c, p)
	})
}

func TestVersions(t *testing.T) {
	member(t, func(t *testing.T, c *computetest.Cloud, p *computetest.Client) {
		doc := p.As("").Must(200, "GET", "/v2.1/", nil)["version"].(object)
		if doc["min_version"] != "2.1" || doc["version"] == "" {
			t.Errorf("document: %v", doc)
		}
		status, h, _ := p.At("2.53").Do("GET", "/v2.1/servers", nil)
		if status != 200 || h.Get("OpenStack-API-Version") != "compute 2.53" || h.Get("X-OpenStack-Nova-API-Version") != "2.53" || h.Get("X-Compute-Request-Id") == "" {
			t.Errorf("%d %v", status, h)
		}
		if status, _, _ := p.At("2.999").Do("GET", "/v2.1/servers", nil); status != http.StatusNotAcceptable {
			t.Errorf("a version too new: %d", status)
		}
		p.At("x").Fails(400, "invalid format", "GET", "/v2.1/servers", nil)
		p.Must(200, "GET", "/v2.1/p/servers", nil)
		p.Fails(400, "doesn't match", "GET", "/v2.1/q/servers", nil)
		if status, _, out := p.As("").Do("GET", "/v2.1/servers", nil); status != 401 || out["error"] == nil {
			t.Errorf("without a token: %d %v", status, out)
		}
		_ = c
	})
}

func TestViewsByVersion(t *testing.T) {
	member(t, func(t *testing.T, _ *computetest.Cloud, p *computetest.Client) {
		id := p.Server(nil)
		for _, tc := range []struct {
			version string
			has     []string
			hasNot  []string
		}{
			{"2.1", []string{"OS-EXT-STS:vm_state", "key_name", "accessIPv4"}, []string{"locked", "description", "tags"}},
			{"2.8", nil, []string{"locked"}},
			{"2.9", []string{"locked"}, []string{"description"}},
			{"2.19", []string{"description"}, []string{"tags"}},
			{"2.26", []string{"tags"}, []string{"trusted_image_certificates"}},
			{"2.63", []string{"trusted_image_certificates"}, []string{"server_groups"}},
			{"2.71", []string{"server_groups"}, []string{"locked_reason"}},
			{"2.73", []string{"locked_reason"}, []string{"OS-EXT-SRV-ATTR:hostname"}},
			{"2.90", []string{"OS-EXT-SRV-ATTR:hostname"}, []string{"pinned_availability_zone"}},
			{"2.96", []string{"pinned_availability_zone"}, []string{"scheduler_hints"}},
			{"2.100", []string{"scheduler_hints"}, []string{"OS-EXT-SRV-ATTR:host", "host_status"}},
		} {
			s := p.At(tc.version).Must(200, "GET", "/v2.1/servers/"+id, nil)["server"].(object)
			for _, k := range tc.has {
				if _, ok := s[k]; !ok {
					t.Errorf("%s lacks %s", tc.version, k)
				}
			}
			for _, k := range tc.hasNot {
				if _, ok := s[k]; ok {
					t.Errorf("%s shows %s", tc.version, k)
				}
			}
		}
		old := p.At("2.46").Must(200, "GET", "/v2.1/servers/"+id, nil)["server"].(object)["flavor"].(object)
		now := p.At("2.47").Must(200, "GET", "/v2.1/servers/"+id, nil)["server"].(object)["flavor"].(object)
		if old["id"] != "small" || now["original_name"] != "small" {
			t.Errorf("flavors: %v, %v", old, now)
		}
		admin := p.As("ops:admin").Must(200, "GET", "/v2.1/servers/"+id, nil)["server"].(object)
		if _, ok := admin["OS-EXT-SRV-ATTR:host"]; !ok || admin["host_status"] != "" {
			t.Errorf("administrators see %v", admin["host_status"])
		}
	})
}

func TestPagesSortAndFilters(t *testing.T) {
	member(t, func(t *testing.T, _ *computetest.Cloud, p *computetest.Client) {
		for i := range 5 {
			p.Server(object{"name": fmt.Sprintf("s%d", i), "tags": []string{fmt.Sprintf("t%d", i%2), "all"}})
		}
		var seen []string
		path := "/v2.1/servers?limit=2&sort_key=display_name&sort_dir=asc"
		for pages := 0; path != "" && pages < 5; pages++ {
			out := p.Must(200, "GET", path, nil)
			for _, s := range out["servers"].([]any) {
				seen = append(seen, s.(object)["name"].(string))
			}
			path = ""
			if links, ok := out["servers_links"].([]any); ok {
				_, path, _ = strings.Cut(links[0].(object)["href"].(string), "/compute")
			}
		}
		if strings.Join(seen, " ") != "s0 s1 s2 s3 s4" {
			t.Errorf("pages: %v", seen)
		}
		for query, want := range map[string]int{
			"name=s[12]": 2, "tags=t0,all": 3, "tags-any=t1,nope": 2, "not-tags=t0": 2, "not-tags-any=all": 0, "status=BUILD": 5,
			"status=active": 0, "flavor=small": 5, "image=nope": 0, "limit=0": 0, "changes-since=2100-01-01T00:00:00Z": 0, "locked=true": 0,
		} {
			if got := len(p.Must(200, "GET", "/v2.1/servers?"+query, nil)["servers"].([]any)); got != want {
				t.Errorf("%s finds %d, want %d", query, got, want)
			}
		}
		// Times are shown in whole seconds; what is shown is found again by it.
		updated := ""
		for _, s := range p.Must(200, "GET", "/v2.1/servers/detail", nil)["servers"].([]any) {
			updated = max(updated, s.(object)["updated"].(string))
		}
		for query, want := range map[string]int{"changes-before=" + updated: 5, "changes-before=2000-01-01T00:00:00Z": 0} {
			if got := len(p.Must(200, "GET", "/v2.1/servers?"+query, nil)["servers"].([]any)); got != want {
				t.Errorf("%s finds %d, want %d", query, got, want)
			}
		}
		p.Fails(400, "limit", "GET", "/v2.1/servers?limit=x", nil)
		p.Fails(400, "marker", "GET", "/v2.1/servers?marker=nope", nil)
		p.Fails(400, "Invalid status value", "GET", "/v2.1/servers?status=nope", nil)
		p.Fails(400, "'nope' was unexpected", "GET", "/v2.1/servers?nope=1", nil)
		p.At("2.74").Must(200, "GET", "/v2.1/servers?nope=1", nil)
	})
}

func TestBadCreates(t *testing.T) {
	member(t, func(t *testing.T, _ *computetest.Cloud, p *computetest.Client) {
		const missing = "99999999-9999-4999-8999-999999999999"
		for _, tc := range []struct {
			change object
			status int
			want   string
		}{
			{object{"imageRef": missing}, 400, "Can not find requested image"},
			{object{"imageRef": ""}, 400, "Invalid imageRef"},
			{object{"flavorRef": "nope"}, 400, "Flavor nope could not be found"},
			{object{"key_name": "nope"}, 400, "Invalid key_name"},
			{object{"networks": []object{{"uuid": missing}}}, 400, missing},
			{object{"networks": []object{{"port": missing}}}, 400, missing},
			{object{"security_groups": []object{{"name": "nope"}}, "networks": "auto"}, 400, ""},
			{object{"availability_zone": "nope"}, 400, "availability zone"},
			{object{"availability_zone": "nova:h1"}, 403, "forced_host"},
			{object{"min_count": 3, "max_count": 2}, 400, "min_count must be <= max_count"},
			{object{"block_device_mapping_v2": []object{{"source_type": "volume", "destination_type": "volume", "uuid": missing, "boot_index": 0}}}, 400, "failed to get volume"},
			{object{"trusted_image_certificates": []string{"x"}}, 400, "certificates"},
			{object{"name": strings.Repeat("x", 256)}, 400, "too long"},
		} {
			body := object{"name": "s", "imageRef": computetest.Image, "flavorRef": "small", "networks": "none"}
			for k, v := range tc.change {
				body[k] = v
			}
			p.Fails(tc.status, tc.want, "POST", "/v2.1/servers", object{"server": body})
		}
		p.Fails(400, "JSON", "POST", "/v2.1/servers", "{")
		p.As("p:reader").Fails(403, "servers:create", "POST", "/v2.1/servers",
			object{"server": object{"name": "s", "imageRef": computetest.Image, "flavorRef": "small", "networks": "none"}})
		if list := p.Must(200, "GET", "/v2.1/servers", nil)["servers"].([]any); len(list) != 0 {
			t.Errorf("refused requests left %v", list)
		}
	})
}

func TestKeypairsAndFlavors(t *testing.T) {
	member(t, func(t *testing.T, _ *computetest.Cloud, p *computetest.Client) {
		k := p.Must(201, "POST", "/v2.1/os-keypairs", object{"keypair": object{"name": "k", "type": "ssh"}})["keypair"].(object)
		if !strings.Contains(k["private_key"].(string), "RSA PRIVATE KEY") || !strings.HasPrefix(k["public_key"].(string), "ssh-rsa ") {
			t.Errorf("key pair: %v", k)
		}
		if shown := p.Must(200, "GET", "/v2.1/os-keypairs/k", nil)["keypair"].(object); shown["private_key"] != nil {
			t.Error("the private key is shown twice")
		}
		p.Fails(409, "already exists", "POST", "/v2.1/os-keypairs", object{"keypair": object{"name": "k", "public_key": k["public_key"]}})
		p.Fails(400, "fingerprint", "POST", "/v2.1/os-keypairs", object{"keypair": object{"name": "bad", "public_key": "ssh-rsa AAAA"}})
		p.As("q").Fails(404, "not found", "GET", "/v2.1/os-keypairs/k", nil)
		p.Must(204, "DELETE", "/v2.1/os-keypairs/k", nil)

		ops := p.As("ops:admin")
		ops.Must(200, "POST", "/v2.1/flavors", object{"flavor": object{"name": "secret", "id": 1983269759, "ram": "64", "vcpus": 1, "disk": 0, "os-flavor-access:is_public": false}})
		p.Fails(404, "Flavor 1983269759", "GET", "/v2.1/flavors/1983269759", nil)
		ops.Must(200, "POST", "/v2.1/flavors/1983269759/action", object{"addTenantAccess": object{"tenant": "p"}})
		p.Must(200, "GET", "/v2.1/flavors/1983269759", nil)
		ops.Must(200, "POST", "/v2.1/flavors/1983269759/os-extra_specs", object{"extra_specs": object{"hw:cpu_policy": "shared", "a": 1}})
		specs := p.Must(200, "GET", "/v2.1/flavors/1983269759/os-extra_specs", nil)["extra_specs"].(object)
		if specs["hw:cpu_policy"] != "shared" || specs["a"] != "1" {
			t.Errorf("extra specs: %v", specs)
		}
		ops.Fails(400, "hw:cpu_policy", "POST", "/v2.1/flavors/1983269759/os-extra_specs", object{"extra_specs": object{"hw:cpu_policy": "x"}})
		ops.Fails(409, "already exists", "POST", "/v2.1/flavors", object{"flavor": object{"name": "small", "ram": 1, "vcpus": 1, "disk": 1}})
		p.Fails(403, "os-flavor-manage:create", "POST", "/v2.1/flavors", object{"flavor": object{"name": "x", "ram": 1, "vcpus": 1, "disk": 1}})
	})
}

func TestOperators(t *testing.T) {
	member(t, func(t *testing.T, _ *computetest.Cloud, p *computetest.Client) {
		ops := p.As("ops:admin")
		p.Fails(403, "os-services:list", "GET", "/v2.1/os-services", nil)
		services := ops.Must(200, "GET", "/v2.1/os-services", nil)["services"].([]any)
		first := services[0].(object)
		if len(services) != 2 || first["state"] != "up" || first["zone"] != "nova" {
			t.Errorf("services: %v", services)
		}
		ops.Must(200, "PUT", "/v2.1/os-services/"+first["id"].(string), object{"status": "disabled", "disabled_reason": "broken"})
		hypervisors := ops.At("2.87").Must(200, "GET", "/v2.1/os-hypervisors/detail", nil)["hypervisors"].([]any)
		if h := hypervisors[0].(object); h["status"] != "disabled" || h["vcpus"] != 16.0 || h["service"].(object)["disabled_reason"] != "broken" {
			t.Errorf("hypervisor: %v", h)
		}
		g := ops.Must(200, "POST", "/v2.1/os-aggregates", object{"aggregate": object{"name": "fast", "availability_zone": "z1"}})["aggregate"].(object)
		path := fmt.Sprintf("/v2.1/os-aggregates/%v", g["id"])
		ops.Must(200, "POST", path+"/action", object{"add_host": object{"host": "h2"}})
		ops.Fails(409, "already exists", "POST", path+"/action", object{"add_host": object{"host": "h2"}})
		ops.Fails(404, "h9", "POST", path+"/action", object{"add_host": object{"host": "h9"}})
		zones := p.Must(200, "GET", "/v2.1/os-availability-zone", nil)["availabilityZoneInfo"].([]any)
		if len(zones) != 2 || zones[1].(object)["zoneName"] != "z1" {
			t.Errorf("zones: %v", zones)
		}
		ops.Fails(400, "not empty", "DELETE", path, nil)
		ops.Must(200, "POST", path+"/action", object{"remove_host": object{"host": "h2"}})
		ops.Must(200, "DELETE", path, nil)
		ops.At("2.35").Must(200, "GET", "/v2.1/os-networks", nil)
		ops.Fails(404, "", "GET", "/v2.1/os-networks", nil)
		ops.Fails(410, "no longer available", "GET", "/v2.1/os-cells", nil)
	})
}
