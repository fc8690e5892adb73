//go:build realdeps && storage

package volume_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"

	"kumoi/internal/agent/volume"
	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/waittest"
	"kumoi/internal/volume/backend/backendtest"
)

// ceph is a cluster of one node, with keys, for all tests of a run.
type ceph struct {
	dir, conf string
	osd       *exec.Cmd
}

const cephConf = `[global]
fsid = %[1]s
mon host = v1:127.0.0.1:16789
public network = 127.0.0.0/8
auth cluster required = cephx
auth service required = cephx
auth client required = cephx
keyring = %[2]s/keyring
osd pool default size = 1
osd pool default min size = 1
mon allow pool size one = true
mon data avail warn = 1
mon data avail crit = 0
osd crush chooseleaf type = 0
mon data = %[2]s/mon
mgr data = %[2]s/mgr
osd data = %[2]s/osd
run dir = %[2]s/run
admin socket = %[2]s/run/$name.asok
log file = %[2]s/$name.log
pid file = %[2]s/run/$name.pid
osd objectstore = bluestore
bluestore block size = 4294967296
osd memory target = 939524096
ms bind msgr2 = false
setuser match path = %[2]s
`

func (c *ceph) run(t *testing.T, script string) {
	t.Helper()
	cmd := exec.Command("bash", "-ec", script)
	cmd.Env = append(os.Environ(), "C="+c.conf, "D="+c.dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", script, err, out)
	}
}

func newCeph(t *testing.T) *ceph {
	t.Helper()
	c := &ceph{dir: t.TempDir()}
	c.conf = filepath.Join(c.dir, "ceph.conf")
	for _, dir := range []string{"mon", "mgr", "osd", "run"} {
		if err := os.Mkdir(filepath.Join(c.dir, dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	fsid := uuid.NewString()
	if err := os.WriteFile(c.conf, fmt.Appendf(nil, cephConf, fsid, c.dir), 0o600); err != nil {
		t.Fatal(err)
	}
	c.run(t, `
k=$D/keyring
ceph-authtool -C $k --gen-key -n mon. --cap mon 'allow *'
ceph-authtool $k --gen-key -n client.admin --cap mon 'allow *' --cap osd 'allow *' --cap mgr 'allow *'
ceph-authtool $k --gen-key -n mgr.x --cap mon 'allow profile mgr' --cap osd 'allow *'
monmaptool --create --fsid `+fsid+` --addv a '[v1:127.0.0.1:16789]' $D/monmap
ceph-mon -c $C -i a --mkfs --monmap $D/monmap --keyring $k`)
	start(t, "ceph-mon", "-c", c.conf, "-i", "a", "-f")
	start(t, "ceph-mgr", "-c", c.conf, "-i", "x", "-f")
	osd := uuid.NewString()
	c.run(t, `
ceph -c $C --connect-timeout 60 osd new `+osd+`
ceph-authtool --gen-key -n osd.0 -C $D/osd.key
ceph -c $C auth add osd.0 mon 'allow profile osd' osd 'allow *' mgr 'allow profile osd' -i $D/osd.key
ceph-authtool $D/keyring --import-keyring $D/osd.key
ceph-osd -c $C -i 0 --mkfs --osd-uuid `+osd)
	c.startOSD(t)
	c.run(t, `
ceph -c $C osd pool create vols 8
rbd -c $C pool init vols
ceph -c $C auth get-or-create client.kumoi mon 'profile rbd' osd 'profile rbd pool=vols' -o $D/user.key
ceph-authtool $D/keyring --import-keyring $D/user.key`)
	return c
}

func (c *ceph) startOSD(t *testing.T) {
	c.osd = start(t, "ceph-osd", "-c", c.conf, "-i", "0", "-f")
}

func (c *ceph) open(cfg volume.Config) (*volume.Backend, error) {
	return volume.NewRBD(cfg, volume.RBD{Pool: "vols", User: "kumoi", Conf: c.conf})
}

func (c *ceph) ask(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command("rbd", append([]string{"-c", c.conf}, args...)...).Output()
	if err != nil {
		t.Fatalf("rbd %v: %v", args, err)
	}
	return string(out)
}

func TestRBD(t *testing.T) {
	c := newCeph(t)
	t.Run("backend", func(t *testing.T) {
		backendtest.Run(t, func(t *testing.T) backendtest.Harness {
			return newShared(t, "host-a", "ceph", c.open).harness(t)
		})
	})
	t.Run("clones", c.clones)
	t.Run("keys", c.keys)
	t.Run("two hosts", func(t *testing.T) { twoHosts(t, "ceph", c.open) })
	t.Run("away", c.away)
}

// What is deleted keeps room only as long as clones need it.
func (c *ceph) clones(t *testing.T) {
	h := newShared(t, "host-a", "ceph", c.open)
	before, trash := c.ask(t, "ls", "vols"), c.ask(t, "trash", "ls", "vols")
	ref := h.create(t, 1)
	put(t, h.dial(t, "c", h.export(t, ref, "c", "host-a")), 0, "in the first")
	if err := h.UnexportVolume(t.Context(), ref, "c"); err != nil {
		t.Fatal(err)
	}
	chain := []hostapi.VolumeRef{ref}
	for range 10 {
		next := hostapi.VolumeRef{Backend: "ceph", ID: uuid.NewString()}
		if _, err := h.CreateVolume(t.Context(), &hostapi.VolumeCreate{VolumeRef: next, SizeGiB: 1, Volume: &chain[len(chain)-1]}); err != nil {
			t.Fatal(err)
		}
		chain = append(chain, next)
	}
	for _, ref := range chain[:len(chain)-1] {
		if err := h.DeleteVolume(t.Context(), ref); err != nil {
			t.Fatal(err)
		}
	}
	last := chain[len(chain)-1]
	get(t, h.dial(t, "d", h.export(t, last, "d", "host-a")), 0, "in the first")
	if err := h.UnexportVolume(t.Context(), last, "d"); err != nil {
		t.Fatal(err)
	}
	waittest.Until(t, time.Minute, func() error { // what was just closed is watched for a moment
		return h.DeleteVolume(t.Context(), last)
	})
	if after := c.ask(t, "ls", "vols"); after != before {
		t.Errorf("images that are left: %s", after)
	}
	if after := c.ask(t, "trash", "ls", "vols"); after != trash {
		t.Errorf("left in the trash: %s, where %s was before", after, trash)
	}
}

// No process shows a key.
func (c *ceph) keys(t *testing.T) {
	key, err := exec.Command("ceph-authtool", "-p", "-n", "client.kumoi", filepath.Join(c.dir, "keyring")).Output()
	if err != nil {
		t.Fatal(err)
	}
	secret := strings.TrimSpace(string(key))
	stop := make(chan struct{})
	var looking sync.WaitGroup
	looking.Go(func() {
		for {
			lines, _ := filepath.Glob("/proc/[0-9]*/cmdline") // the pattern is good
			for _, name := range lines {
				if line, err := os.ReadFile(name); err == nil && strings.Contains(string(line), secret) {
					t.Errorf("a process shows the key: %.100q", line)
				}
			}
			select {
			case <-stop:
				return
			case <-time.After(10 * time.Millisecond):
			}
		}
	})
	h := newShared(t, "host-a", "ceph", c.open)
	ref := h.create(t, 1)
	put(t, h.dial(t, "c", h.export(t, ref, "c", "host-a")), 0, "x")
	if err := h.UnexportVolume(t.Context(), ref, "c"); err != nil {
		t.Error(err)
	}
	if err := h.DeleteVolume(t.Context(), ref); err != nil {
		t.Error(err)
	}
	close(stop)
	looking.Wait()
}

// A cluster that has stopped keeps a guest's request and answers it later.
func (c *ceph) away(t *testing.T) {
	h := newShared(t, "host-a", "ceph", c.open)
	ref := h.create(t, 1)
	d := h.dial(t, "c", h.export(t, ref, "c", "host-a"))
	put(t, d, 0, "before")
	if err := c.osd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	_ = c.osd.Wait() // how it ends is its matter
	answered := make(chan error, 1)
	go func() {
		_, err := d.WriteAt(make([]byte, 4096), 1<<20)
		answered <- err
	}()
	select {
	case err := <-answered:
		t.Errorf("answered while the cluster was away: %v", err)
	case <-time.After(time.Second): // how long nothing happens is what is looked at
	}
	c.startOSD(t)
	if err := <-answered; err != nil {
		t.Error(err)
	}
	get(t, d, 0, "before")
}
