//go:build e2e

package e2e

import (
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// TestGuestsComeBackAfterAPowerCut ends everything at once, as a power cut does, and
// wants the guests that ran to run again, without anybody taking their absence for
// their own doing.
func TestGuestsComeBackAfterAPowerCut(t *testing.T) {
	d := startDoomed(t)
	servers := []string{d.create(), d.create()}
	for _, id := range servers {
		d.waitActive(id)
	}
	slices.Sort(servers)

	(&cloud{t: t, dir: d.dir}).cutPower()
	d.start()
	start := time.Now()
	eventually(t, "the guests to run again", time.Minute, func() bool {
		running := d.lines("virsh", "-q", "-c", "qemu:///system?socket="+filepath.Join(d.dir, "libvirt/run/libvirt-sock"), "list", "--uuid")
		slices.Sort(running)
		return slices.Equal(running, servers)
	})
	t.Logf("they run again %s after kumoi was ready", time.Since(start).Round(time.Millisecond))
	for _, id := range servers {
		d.waitActive(id)
		d.delete(id)
	}
	d.nothing(servers[0])
}
