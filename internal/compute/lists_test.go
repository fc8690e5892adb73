package compute_test

import (
	"math"
	"net/url"
	"strings"
	"testing"
	"time"

	"kumoi/internal/compute/computetest"
)

// A parameter of a list is used or refused: one that is ignored makes clients
// that page ask for ever.
func TestListParametersAreUsedOrRefused(t *testing.T) {
	member(t, func(t *testing.T, _ *computetest.Cloud, p *computetest.Client) {
		ops := p.As("ops:admin")
		id := p.Server(nil)
		const nobody = "99999999-9999-4999-8999-999999999999"
		for path, marker := range map[string]string{
			"/v2.1/servers": nobody, "/v2.1/servers/detail": nobody, "/v2.1/flavors": "nope", "/v2.1/flavors/detail": "nope",
			"/v2.1/os-keypairs": "nope", "/v2.1/os-simple-tenant-usage": nobody, "/v2.1/os-simple-tenant-usage/p": nobody,
			"/v2.1/os-hypervisors": nobody, "/v2.1/os-hypervisors/detail": nobody, "/v2.1/os-migrations": nobody,
			"/v2.1/servers/" + id + "/os-instance-actions": "req-nope",
		} {
			ops.Fails(400, "limit", "GET", path+"?limit=abc", nil)
			ops.Fails(400, "limit", "GET", path+"?limit=-1", nil)
			ops.Fails(400, marker, "GET", path+"?marker="+marker, nil)
			ops.Fails(400, "unexpected", "GET", path+"?nope=1", nil)
		}
		for _, c := range []struct{ path, version string }{{"/v2.1/os-server-groups", "2.96"}, {"/v2.1/os-security-groups", "2.35"}} {
			ops.At(c.version).Fails(400, "limit", "GET", c.path+"?limit=abc", nil)
			ops.At(c.version).Fails(400, "offset", "GET", c.path+"?offset=abc", nil)
		}
		p.At("2.35").Must(200, "POST", "/v2.1/os-security-groups", object{"security_group": object{"name": "web", "description": ""}})
		all := p.At("2.35").Must(200, "GET", "/v2.1/os-security-groups", nil)["security_groups"].([]any)
		rest := p.At("2.35").Must(200, "GET", "/v2.1/os-security-groups?offset=1&limit=7", nil)["security_groups"].([]any)
		if len(rest) != len(all)-1 {
			t.Errorf("offset=1 leaves %d of %d groups", len(rest), len(all))
		}

		p.Must(202, "POST", "/v2.1/servers/"+id+"/action", object{"lock": nil})
		p.Must(200, "PUT", "/v2.1/servers/"+id, object{"server": object{"OS-DCF:diskConfig": "MANUAL"}})
		for query, want := range map[string]int{
			"locked_by=owner": 1, "locked_by=admin": 0, "root_device_name=/dev/vda": 1, "root_device_name=/dev/sda": 0,
			"auto_disk_config=false": 1, "auto_disk_config=True": 0,
			"metadata=" + url.QueryEscape(`{"a": "b"}`): 0, "metadata=" + url.QueryEscape(`{}`): 1,
		} {
			got := ops.At("2.74").Must(200, "GET", "/v2.1/servers?all_tenants=1&"+query, nil)["servers"].([]any)
			if len(got) != want {
				t.Errorf("%s finds %d servers, want %d", query, len(got), want)
			}
			if seen := p.At("2.74").Must(200, "GET", "/v2.1/servers?"+query, nil)["servers"].([]any); len(seen) != 1 {
				t.Errorf("%s, which is for administrators, narrows a member's list to %d", query, len(seen))
			}
		}
		for _, name := range []string{"kernel_id", "ramdisk_id", "security_groups", "services", "system_metadata", "block_device_mapping"} {
			ops.At("2.74").Fails(400, name, "GET", "/v2.1/servers?"+name+"=x", nil)
		}
	})
}

// Usages are paged by servers, of whichever projects they are. The pages end,
// and add up to the whole.
func TestUsagePages(t *testing.T) {
	each(t, func(t *testing.T, _ *computetest.Cloud, p *computetest.Client) {
		for i := range 5 {
			who := []*computetest.Client{p, p.As("q")}[i%2]
			who.Wait(who.Server(nil), "ACTIVE")
		}
		ops := p.As("ops:admin")
		for path, want := range map[string]int{"/v2.1/os-simple-tenant-usage?detailed=1": 5, "/v2.1/os-simple-tenant-usage/p?limit=1000": 3} {
			seen, asked := map[string]bool{}, 0
			next := strings.Replace(path+"&limit=2", "limit=1000&", "", 1)
			for next != "" {
				if asked++; asked > 10 {
					t.Fatalf("%s: pages without end", path)
				}
				out := ops.Must(200, "GET", next, nil)
				usages, _ := out["tenant_usages"].([]any)
				if one, ok := out["tenant_usage"].(object); ok {
					usages = []any{one}
				}
				hours, sum := 0.0, 0.0
				for _, u := range usages {
					hours += u.(object)["total_hours"].(float64)
					for _, s := range u.(object)["server_usages"].([]any) {
						id := s.(object)["instance_id"].(string)
						if seen[id] {
							t.Errorf("%s: server %s stands on two pages", path, id)
						}
						seen[id] = true
						sum += s.(object)["hours"].(float64)
					}
				}
				if hours-sum > 1e-9 || sum-hours > 1e-9 {
					t.Errorf("%s: a page's total is %v, its servers' %v", path, hours, sum)
				}
				next = ""
				links, ok := out["tenant_usages_links"].([]any)
				if !ok {
					links, _ = out["tenant_usage_links"].([]any)
				}
				if len(links) > 0 {
					_, next, _ = strings.Cut(links[0].(object)["href"].(string), "/compute")
				}
			}
			if len(seen) != want || asked != (want+1)/2 {
				t.Errorf("%s: %d servers on %d pages, want %d", path, len(seen), asked, want)
			}
			// Clients that do not follow links ask behind the last one they saw.
			for id := range seen {
				ops.Must(200, "GET", path+"&marker="+id, nil)
			}
		}
		// Before there were pages, what projects used was added up by the database.
		const micros = "2006-01-02T15:04:05.000000"
		now := time.Now().UTC()
		period := "?start=" + now.Add(-time.Hour).Format(micros) + "&end=" + now.Format(micros)
		totals := func(query string) (out []object) {
			for _, u := range ops.At("2.1").Must(200, "GET", "/v2.1/os-simple-tenant-usage"+period+query, nil)["tenant_usages"].([]any) {
				out = append(out, u.(object))
			}
			return out
		}
		sums, details := totals(""), totals("&detailed=1")
		if len(sums) != 2 || len(details) != 2 {
			t.Fatalf("%v, %v", sums, details)
		}
		for i, sum := range sums {
			for _, key := range []string{"total_hours", "total_memory_mb_usage", "total_vcpus_usage", "total_local_gb_usage"} {
				got, want := sum[key].(float64), details[i][key].(float64)
				if math.Abs(got-want) > 1e-9*want || want == 0 || sum["tenant_id"] != details[i]["tenant_id"] {
					t.Errorf("%s of %v: %v, its servers' %v", key, sum["tenant_id"], got, want)
				}
			}
		}
	})
}
