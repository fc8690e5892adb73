package demo

import (
	"encoding/binary"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/servers"

	"kumoi/internal/agent/hypervisor/fake"
	"kumoi/internal/app"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/service"
	"kumoi/test/apptest"
)

// A walk whose guest does not start says what the host said and leads to the
// explanation; the next walk makes that server anew, with the address it had.
func TestAWalkMendsWhatIsBroken(t *testing.T) {
	c := apptest.New(t)
	image := filepath.Join(t.TempDir(), "guest.qcow2")
	if err := os.WriteFile(image, qcow2(), 0o600); err != nil {
		t.Fatal(err)
	}
	admin := Credentials{AuthURL: c.AuthURL(), User: "admin", Password: apptest.AdminPassword, Project: "admin", Region: "RegionOne"}
	again := func() (*walk, *gophercloud.ProviderClient, error) {
		w := &walk{Config: Config{
			Admin: admin, ImageFile: image, OutsideCIDR: "172.24.4.0/24", OutsideGW: "172.24.4.1", OutsideFirst: "172.24.4.10", OutsideLast: "172.24.4.20",
			Dir: filepath.Join(c.Config.DataDir, "demo"), User: "kumoi", Out: io.Discard,
		}, ctx: t.Context(), region: gophercloud.EndpointOpts{Region: "RegionOne"}, password: "secret for demo"}
		if err := os.MkdirAll(w.Dir, 0o700); err != nil {
			t.Fatal(err)
		}
		p, err := admin.Client(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := w.provide(p); err != nil {
			t.Fatal(err)
		}
		if p, err = w.login("demo", w.password, "demo"); err != nil {
			t.Fatal(err)
		}
		return w, p, w.use(p)
	}
	whole, p, err := again()
	if err != nil {
		t.Fatal(err)
	}
	compute, err := openstack.NewComputeV2(p, whole.region)
	if err != nil {
		t.Fatal(err)
	}
	if err := servers.Delete(t.Context(), compute, whole.serverID).ExtractErr(); err != nil {
		t.Fatal(err)
	}
	apptest.Until(t, "the server to be gone", func() bool {
		_, err := servers.Get(t.Context(), compute, whole.serverID).Extract()
		return apptest.Gone(err)
	})

	c.Guests.Script("Start", fake.Script{Err: errs.New(errs.Internal, "The hypervisor failed (start): no room for the guest's memory")})
	broken, _, err := again()
	if err == nil || !strings.Contains(err.Error(), "the server is in ERROR") {
		t.Fatalf("the walk went on: %v", err)
	}
	c.Guests.Unscript()
	var e service.Explanation
	ask := func(which string) error {
		return app.AdminClientOf(c.Config.DataDir).Call(t.Context(), "GET", "/explain/server/"+which, nil, &e)
	}
	if err := ask("first"); err != nil || !strings.Contains(e.Reason, "On host testhost") || !strings.Contains(e.Reason, "no room for the guest's memory") || !strings.Contains(e.Text, e.Reason) {
		t.Errorf("the host's reason is hidden: %v\n%s", err, e.Text)
	}
	if err := ask("second"); err == nil || !strings.Contains(err.Error(), "kumoi explain server lists them") {
		t.Errorf("no such server: %v", err)
	}

	mended, _, err := again()
	if err != nil || mended.serverID == broken.serverID || mended.address != whole.address {
		t.Errorf("%v: server %s, was %s; address %s, was %s", err, mended.serverID, broken.serverID, mended.address, whole.address)
	}
	var list []service.Resource
	if err := app.AdminClientOf(c.Config.DataDir).Call(t.Context(), "GET", "/explain/server", nil, &list); err != nil || len(list) != 1 || list[0].Name != "first" {
		t.Errorf("%v: %+v", err, list)
	}
}

// qcow2 is an empty disk of 1 MiB.
func qcow2() []byte {
	const cluster = 1 << 16
	h := make([]byte, 4*cluster)
	copy(h, "QFI\xfb\x00\x00\x00\x03")
	for at, v := range map[int]uint32{20: 16, 28: 1 << 20, 36: 1, 44: 3 * cluster, 52: cluster, 56: 1, 96: 4, 100: 104, cluster + 4: 2 * cluster} {
		binary.BigEndian.PutUint32(h[at:], v)
	}
	for i := range 4 { // the clusters in use
		h[2*cluster+2*i+1] = 1
	}
	return h
}
