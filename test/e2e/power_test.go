//go:build e2e

package e2e

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"kumoi/internal/app"
)

// TestGuestsComeBackAfterAPowerCut ends everything at once, as a power cut does, and
// wants the guests that ran to run again, without anybody taking their absence for
// their own doing.
func TestGuestsComeBackAfterAPowerCut(t *testing.T) {
	dir, err := os.MkdirTemp("/var/tmp", "kumoi-e2e-")
	if err != nil {
		t.Fatal(err)
	}
	cfg := doomedConfig(dir)
	d := &doomedCloud{t: t, dir: dir, cfg: &cfg}
	t.Cleanup(func() {
		d.end()
		if err := app.Down(context.Background(), &cfg, app.DownOptions{Purge: true, Say: func(string) {}}); err != nil {
			t.Error(err)
		}
		leavesNothing(t, dir)
	})
	d.start()
	d.prepare()
	servers := []string{d.create(), d.create()}
	for _, id := range servers {
		d.waitActive(id)
	}
	slices.Sort(servers)

	(&cloud{t: t, dir: dir}).cutPower()
	d.start()
	start := time.Now()
	eventually(t, "the guests to run again", time.Minute, func() bool {
		running := d.lines("virsh", "-q", "-c", "qemu:///system?socket="+filepath.Join(dir, "libvirt/run/libvirt-sock"), "list", "--uuid")
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
