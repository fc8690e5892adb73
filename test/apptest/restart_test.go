package apptest

import (
	"testing"

	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/servers"

	"kumoi/internal/hostapi"
)

// Guests go on when kumoi stops, and are adopted at the next start; tokens and
// everything else are as they were.
func TestRestartOnTheSameData(t *testing.T) {
	Each(t, func(t *testing.T, c *Cloud) {
		admin := c.Admin()
		user := c.NewUser(admin, "alice")
		need := Prepare(admin, user)
		on, off := user.NewServer("on", need), user.NewServer("off", need)
		user.WaitServer(on, "ACTIVE")
		user.WaitServer(off, "ACTIVE")
		if err := servers.Stop(user.ctx, user.Compute, off).ExtractErr(); err != nil {
			t.Fatal(err)
		}
		user.WaitServer(off, "SHUTOFF")
		before := user.Server(on)

		c.Stop()
		if g, err := c.Guests.Guest(t.Context(), on); err != nil || g.Power != hostapi.PowerRunning {
			t.Fatalf("while kumoi is down, the guest is %+v, %v", g, err)
		}
		c.Start()

		after := user.Server(on) // with the token of before
		if after.Status != "ACTIVE" || after.HostID != before.HostID || !after.Updated.Equal(before.Updated) {
			t.Errorf("before %+v\nafter %+v", before, after)
		}
		if s := user.Server(off); s.Status != "SHUTOFF" {
			t.Errorf("the server that was off is %s", s.Status)
		}
		if err := servers.Start(user.ctx, user.Compute, off).ExtractErr(); err != nil {
			t.Fatal(err)
		}
		user.WaitServer(off, "ACTIVE")
	})
}
