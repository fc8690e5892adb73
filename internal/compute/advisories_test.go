package compute_test

import (
	"strings"
	"testing"

	"kumoi/internal/compute"
	"kumoi/internal/compute/computetest"
	"kumoi/internal/kernel/store"
	"kumoi/internal/kernel/store/storetest"
)

// TestAdvisories tries what Nova's and Placement's published security
// advisories were about, as far as no other test does. The list, by class:
//
// Disks that name files of the host, or are larger than they say. A disk's format
// is what the image's record says, and the record what the image service found:
//
//	CVE-2011-3147, CVE-2022-47951, CVE-2024-32498 (OSSA-2024-001), CVE-2024-40767 (OSSA-2024-002)
//	               images that are more than their format says: internal/image/api/hostile_test.go, internal/diskimage
//	CVE-2015-7548, CVE-2016-2140, CVE-2026-24708 (OSSA-2026-002)
//	               a header that the guest wrote, read at a snapshot or resize: the format told to the host is the record's, here
//	CVE-2012-3360, -3361, -3447
//	               paths of injected files: they are names in the config drive, here
//	CVE-2013-2096, -4463, -4469, -6437
//	               sizes beyond the flavor: here
//
// Claims that are not made, or not given back:
//
//	CVE-2026-46448 (OSSA-2026-022)
//	               internal scheduler hints skip the claim: here
//	CVE-2014-2573, -3608, -8333, CVE-2015-3241, -3280, CVE-2016-7498, CVE-2017-17051
//	               resize, rescue, rebuild and deletion that leave guests or claims: the sagas' tests, which die after
//	               every step; what is refused takes nothing, here
//	CVE-2012-3371  hints that ask too much of the scheduler: here
//	CVE-2017-16239 a rebuild that evades the scheduler: the new image must fit the flavor, here
//	CVE-2012-1585, -2101
//	               names and rules without bounds: TestBadCreates, TestQuota
//
// What is another project's:
//
//	CVE-2012-0030  another project's id in the path: TestVersions
//	CVE-2013-2256, -4278, -4497, CVE-2014-0167
//	               private flavors and security groups: TestKeypairsAndFlavors, TestServersOfOthersDoNotExist, TestBodiesNameOnlyOwnThings
//	CVE-2012-5625  disks that hold what another had: internal/agent/disk makes each anew
//	CVE-2013-0335, CVE-2015-0259
//	               console tokens after their server, and sockets from other pages: TestConsolesAreGivenAsNovaDoes, internal/compute/console
//
// What must not be shown:
//
//	CVE-2015-8749, CVE-2017-7214, CVE-2019-14433
//	               faults that show the host or its secrets to the server's owner: TestFaultsNameTheHostToAdministrators
//	CVE-2014-3517  signatures of metadata compared in time that tells: the guest is known by its port, nothing is signed
//	CVE-2021-3654  the console's page redirects: it is one page
//
// What this cloud does not have: the EC2 API (CVE-2011-4076, -4596), live
// migration (CVE-2015-2687, CVE-2020-17376), SR-IOV ports (CVE-2022-37394),
// volumes (CVE-2017-18191, CVE-2023-2088). Placement has no advisory of its own;
// its API is administrators' and services' alone.
func TestAdvisories(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := computetest.New(t, db, true, []string{"h1"})
		p := c.Client(t, "p")
		p.Flavor("small", nil)
		p.Flavor("big", object{"ram": 128, "disk": 2})
		ask := func(change, hints object) object {
			server := object{"name": "s", "imageRef": computetest.Image, "flavorRef": "small", "networks": "none"}
			for k, v := range change {
				server[k] = v
			}
			return object{"server": server, "os:scheduler_hints": hints}
		}
		taken := func() (n int) {
			if err := db.Read(t.Context(), func(tx *store.Tx) error {
				all, err := c.Placement.Usage(t.Context(), tx)
				n = int(all["h1"].VCPU)
				return err
			}); err != nil {
				t.Fatal(err)
			}
			return n
		}

		t.Run("internal hints", func(t *testing.T) {
			for _, value := range []any{"rebuild", []string{"rebuild"}, object{"a": "b"}} {
				p.Fails(400, "_nova_check_type", "POST", "/v2.1/servers", ask(nil, object{"_nova_check_type": value}))
			}
			before := taken()
			id := p.Must(202, "POST", "/v2.1/servers", ask(nil, object{"rebuild": []string{"x"}, "requested_destination": "h1"}))["server"].(object)["id"].(string)
			p.Wait(id, "ACTIVE")
			if n := taken(); n != before+1 {
				t.Errorf("a server with strange hints took %d of its host, want 1", n-before)
			}
		})
		t.Run("hints without end", func(t *testing.T) {
			many := make([]string, 2000)
			for i := range many {
				many[i] = elsewhere
			}
			id := p.Must(202, "POST", "/v2.1/servers", ask(nil, object{"different_host": many}))["server"].(object)["id"].(string)
			p.Wait(id, "ACTIVE")
		})
		t.Run("formats are the record's", func(t *testing.T) {
			id := p.Server(nil)
			p.Wait(id, "ACTIVE")
			format := func() string { return c.Agent("h1").Guest(id).Root.DiskFormat }
			if format() != "qcow2" {
				t.Fatalf("the host is told %q", format())
			}
			for _, step := range []struct {
				action, status string
				args           any
			}{
				{"resize", "VERIFY_RESIZE", object{"flavorRef": "big"}},
				{"revertResize", "ACTIVE", nil},
				{"resize", "VERIFY_RESIZE", object{"flavorRef": "big"}},
				{"confirmResize", "ACTIVE", nil},
				{"createImage", "ACTIVE", object{"name": "i"}},
				{"shelve", "SHELVED_OFFLOADED", nil},
				{"unshelve", "ACTIVE", nil},
			} {
				status := 202
				if step.action == "confirmResize" {
					status = 204
				}
				p.Action(status, id, step.action, step.args)
				p.Wait(id, step.status)
				if step.action != "shelve" && format() != "qcow2" {
					t.Errorf("after %s the host is told %q", step.action, format())
				}
			}
		})
		t.Run("more than the flavor", func(t *testing.T) {
			c.Images.Put(&compute.Image{ID: elsewhere, Status: "active", Visibility: "public", Size: new(int64(1)), VirtualSize: new(int64(3 << 30)), DiskFormat: "qcow2"})
			p.Fails(400, "too small", "POST", "/v2.1/servers", ask(object{"imageRef": elsewhere}, object{}))
			id := p.Server(nil)
			p.Wait(id, "ACTIVE")
			before := taken()
			p.Fails(400, "too small", "POST", "/v2.1/servers/"+id+"/action", object{"rebuild": object{"imageRef": elsewhere}})
			p.As("ops:admin").Must(200, "PUT", "/v2.1/os-quota-sets/p", object{"quota_set": object{"ram": 1, "force": true}})
			p.Fails(403, "ram", "POST", "/v2.1/servers/"+id+"/action", object{"resize": object{"flavorRef": "big"}})
			p.As("ops:admin").Must(202, "DELETE", "/v2.1/os-quota-sets/p", nil)
			if n := taken(); n != before {
				t.Errorf("refused requests took %d", n-before)
			}
		})
		t.Run("files are content", func(t *testing.T) {
			old := p.At("2.1")
			id := old.Must(202, "POST", "/v2.1/servers", object{"server": object{
				"name": "s", "imageRef": computetest.Image, "flavorRef": "small",
				"personality": []object{{"path": "../../../etc/cron.d/x", "contents": "eA=="}},
			}})["server"].(object)["id"].(string)
			p.Wait(id, "ACTIVE")
			spec := c.Agent("h1").Guest(id)
			if files := spec.Metadata.Files; len(files) != 1 || !strings.HasSuffix(files[0].Path, "cron.d/x") || string(files[0].Content) != "x" {
				t.Errorf("files: %v", files)
			}
		})
	})
}
