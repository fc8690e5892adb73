//go:build realdeps

package agent_test

import (
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"kumoi/internal/agent/hypervisor/libvirt"
	"kumoi/internal/hostapi"
)

// patience is how long a guest may take: several boot at once, emulated, on a
// machine that has other things to do.
const patience = 5 * time.Minute

// TestGuests goes a guest's whole way. Its parts build on each other: booting
// under emulation takes seconds.
func TestGuests(t *testing.T) {
	h := newRealHost(t)
	a := h.start()
	n := h.network("10.5.0.0/24")
	other := h.network("10.5.0.0/24") // the same addresses, another network

	web := h.spec("web", `
wget -q -O - http://169.254.169.254/openstack/latest/meta_data.json | grep -o '"uuid":"[^"]*"'
wget -q -O - --header 'X-Forwarded-For: 10.5.0.12' http://169.254.169.254/2009-04-04/meta-data/local-hostname; echo
wget -q -O - http://169.254.169.254/latest/meta-data/instance-id; echo
(i=0; while true; do i=$((i+1)); echo tick $i; sleep 1; done) >/dev/console &
echo web is up`, n.nic())
	db := h.spec("db", `
mkdir -p /mnt; mount -o ro /dev/disk/by-label/config-2 /mnt || mount -o ro LABEL=config-2 /mnt
ls /mnt/openstack/latest; cat /mnt/openstack/content/0000; cat /mnt/ec2/latest/meta-data.json | grep -o '"local-hostname":"[^"]*"'
ping -c 2 10.5.0.11 && echo db reaches web
cat /proc/swaps; swapon /dev/vdc && echo swap is on
mount /dev/vdb /mnt && echo ephemeral is mounted
echo db is up`, n.nic())
	db.ConfigDrive, db.Ephemeral, db.Swap = true, []hostapi.LocalDisk{{SizeMiB: 1 << 10, Format: "ext4"}}, &hostapi.LocalDisk{SizeMiB: 64}
	db.Metadata.Files = []hostapi.File{{Path: "/etc/motd", Content: []byte("content of a file\n")}}
	twin := h.spec("twin", "hostname", other.nic())

	for _, spec := range []*hostapi.ServerSpec{web, db, twin} {
		r := h.cloud.ensure(spec)
		for _, s := range r.Steps {
			t.Logf("%-4s %-12s %s", spec.Name, s.Name, s.Took.Round(10*time.Microsecond))
		}
	}
	log := h.cloud.console(web.ID, "web is up", patience)
	for _, want := range []string{`"uuid":"` + web.ID + `"`, "\nweb\r", "i-" + web.ID[:8]} {
		if !strings.Contains(log, want) {
			t.Errorf("web's console lacks %q:\n%s", want, log)
		}
	}
	log = h.cloud.console(db.ID, "db is up", patience)
	for _, want := range []string{"meta_data.json", "content of a file", `"local-hostname":"db"`, "db reaches web", "swap is on", "ephemeral is mounted"} {
		if !strings.Contains(log, want) {
			t.Errorf("db's console lacks %q:\n%s", want, log)
		}
	}
	h.cloud.console(twin.ID, "instance "+twin.ID, patience)

	t.Run("pause and suspend keep the memory", func(t *testing.T) { h.pauseAndSuspend(web) })
	t.Run("diagnostics", func(t *testing.T) {
		d, err := h.cloud.client.Diagnostics(h.cloud.ctx(), "host-a", db.ID)
		if err != nil {
			t.Fatal(err)
		}
		if len(d.CPUTimeNs) != 1 || d.CPUTimeNs[0] == 0 || len(d.Disks) < 3 || d.Disks[0].ReadBytes == 0 || len(d.NICs) != 1 || d.NICs[0].RxBytes == 0 || d.NICs[0].MAC != db.NICs[0].MAC {
			t.Errorf("diagnostics %+v", d)
		}
	})
	t.Run("libvirtd dies", func(t *testing.T) { h.libvirtdDies(web) })
	t.Run("hotplug", func(t *testing.T) { h.hotplug(db, n) })
	t.Run("snapshot", func(t *testing.T) { h.snapshot(db, n) })
	t.Run("soft reboot", func(t *testing.T) { h.softReboot(web) })
	t.Run("the host reboots", func(t *testing.T) {
		if err := a.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		h.reboot(web, db, twin)
	})
	t.Run("remove leaves nothing", func(t *testing.T) { h.removeAll(web, db, twin) })
}

// ticks is how far web has counted on its console.
func (h *realHost) ticks(id string) int {
	h.t.Helper()
	log, err := h.cloud.client.ConsoleLog(h.cloud.ctx(), "host-a", id, 50)
	if err != nil {
		h.t.Fatal(err)
	}
	found := regexp.MustCompile(`tick (\d+)`).FindAllStringSubmatch(log, -1)
	if found == nil {
		return 0
	}
	n, _ := strconv.Atoi(found[len(found)-1][1])
	return n
}

// goesOn waits until the guest counts on from where it was.
func (h *realHost) goesOn(id string, from int) {
	h.t.Helper()
	eventually(h.t, 30*time.Second, func() error {
		switch n := h.ticks(id); {
		case n > from+50:
			return fmt.Errorf("it counts %d after %d", n, from)
		case n <= from:
			return errors.New("the guest does not go on")
		}
		return nil
	})
}

func (h *realHost) pauseAndSuspend(spec *hostapi.ServerSpec) {
	h.t.Helper()
	for _, power := range []hostapi.Power{hostapi.PowerPaused, hostapi.PowerSuspended} {
		for _, p := range []hostapi.Power{power, hostapi.PowerRunning} {
			spec.Power, spec.Generation = p, spec.Generation+1
			begin := time.Now()
			from := h.ticks(spec.ID)
			h.cloud.ensure(spec)
			h.t.Logf("%s after %s", p, time.Since(begin).Round(time.Millisecond))
			if p == hostapi.PowerRunning {
				h.goesOn(spec.ID, from)
			}
		}
	}
}

func (h *realHost) pidOf(name string) int {
	h.t.Helper()
	for _, c := range h.stack.Health(h.t.Context()) {
		if c.Name == name {
			return c.PID
		}
	}
	return 0
}

func (h *realHost) libvirtdDies(spec *hostapi.ServerSpec) {
	h.t.Helper()
	from, pid := h.ticks(spec.ID), h.pidOf("libvirtd")
	if err := unix.Kill(pid, unix.SIGKILL); err != nil {
		h.t.Fatal(err)
	}
	eventually(h.t, 30*time.Second, func() error {
		if now := h.pidOf("libvirtd"); now == 0 || now == pid {
			return errors.New("libvirtd is not back")
		}
		return nil
	})
	spec.Generation++
	eventually(h.t, 30*time.Second, func() error {
		_, err := h.cloud.client.EnsureServer(h.cloud.ctx(), "host-a", spec)
		return err
	})
	h.goesOn(spec.ID, from)
	// And its events arrive again.
	spec.Power, spec.Generation = hostapi.PowerPaused, spec.Generation+1
	h.cloud.ensure(spec)
	spec.Power, spec.Generation = hostapi.PowerRunning, spec.Generation+1
	h.cloud.ensure(spec)
}

func (h *realHost) hotplug(spec *hostapi.ServerSpec, n *network) {
	h.t.Helper()
	nic := n.nic()
	spec.NICs, spec.Generation = append(spec.NICs, nic), spec.Generation+1
	h.cloud.ensure(spec)
	tap := "tap" + nic.PortID[:11]
	if got := h.vsctl("get", "Interface", tap, "external_ids:iface-id"); strings.Trim(got, `"`) != nic.PortID {
		h.t.Errorf("%s is plugged in as %s", tap, got)
	}
	spec.NICs, spec.Generation = spec.NICs[:1], spec.Generation+1
	h.cloud.ensure(spec)
	if got := h.vsctl("--if-exists", "get", "Interface", tap, "name"); got != "" {
		h.t.Errorf("%s is still plugged in", tap)
	}
}

func (h *realHost) snapshot(spec *hostapi.ServerSpec, n *network) {
	h.t.Helper()
	begin := time.Now()
	if err := h.cloud.client.Snapshot(h.cloud.ctx(), "host-a", hostapi.SnapshotRequest{ServerID: spec.ID, ImageID: "snapshot", Live: true}); err != nil {
		h.t.Fatal(err)
	}
	h.cloud.mu.Lock()
	data := h.cloud.written["snapshot"]
	h.cloud.mu.Unlock()
	h.t.Logf("snapshot of %d bytes took %s", len(data), time.Since(begin).Round(time.Millisecond))
	path := filepath.Join(h.t.TempDir(), "snapshot.qcow2")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		h.t.Fatal(err)
	}
	h.run("qemu-img", "check", "-f", "qcow2", path)
	// It boots.
	h.cloud.images["snapshot"] = data
	copied := h.spec("copy", "echo the copy lives", n.nic())
	sum := sha512.Sum512(data)
	copied.Root = hostapi.RootDisk{ImageID: "snapshot", DiskFormat: "qcow2", ImageBytes: int64(len(data)), SHA512: hex.EncodeToString(sum[:])}
	h.cloud.ensure(copied)
	h.cloud.console(copied.ID, "the copy lives", patience)
	if err := h.cloud.client.RemoveServer(h.cloud.ctx(), "host-a", copied.ID, 0); err != nil {
		h.t.Fatal(err)
	}
}

func (h *realHost) softReboot(spec *hostapi.ServerSpec) {
	h.t.Helper()
	spec.Boot, spec.Generation = spec.Boot+1, spec.Generation+1
	begin := time.Now()
	r := h.cloud.ensure(spec)
	took := time.Since(begin)
	h.t.Logf("soft reboot took %s", took.Round(time.Millisecond))
	if !r.StartedAt.After(begin) {
		h.t.Error("the guest was not started again")
	}
	eventually(h.t, patience, func() error {
		log, err := h.cloud.client.ConsoleLog(h.cloud.ctx(), "host-a", spec.ID, 0)
		if n := strings.Count(log, "web is ready"); n < 2 {
			return errors.Join(err, fmt.Errorf("the guest has booted %d times", n))
		}
		return err
	})
	if took > spec.StopGrace {
		h.t.Error("the guest did not hear its power button")
	}
}

// reboot does what a reboot of the host does, as far as an agent can see:
// guests are gone, namespaces and cables too, and the boot has another id.
func (h *realHost) reboot(specs ...*hostapi.ServerSpec) {
	h.t.Helper()
	stopped := specs[1]
	h.cloud.wants(false, specs...)
	for _, pid := range qemuPIDs(h.t, filepath.Dir(h.dir)) {
		if err := unix.Kill(pid, unix.SIGKILL); err != nil {
			h.t.Fatal(err)
		}
	}
	driver := libvirt.New(libvirt.Config{Socket: h.stack.LibvirtSocket(), VirtType: "qemu"})
	defer driver.Close() //nolint:errcheck // only asked
	eventually(h.t, 10*time.Second, func() error {
		guests, err := driver.Guests(h.cloud.ctx())
		for _, g := range guests {
			if g.Power == hostapi.PowerRunning {
				err = fmt.Errorf("libvirt still thinks that %s runs", g.Name)
			}
		}
		return err
	})
	files, _ := os.ReadDir("/run/netns")
	for _, f := range files {
		h.run("ip", "netns", "del", f.Name())
	}
	states, _ := filepath.Glob(filepath.Join(h.dir, "servers/*/state.json"))
	for _, f := range states {
		data, err := os.ReadFile(f)
		if err != nil {
			h.t.Fatal(err)
		}
		if strings.Contains(f, stopped.ID) { // its owner had stopped this one
			continue
		}
		data = []byte(strings.Replace(string(data), `"boot_id":"`, `"boot_id":"x`, 1))
		if err := os.WriteFile(f, data, 0o600); err != nil {
			h.t.Fatal(err)
		}
	}
	h.start()
	for _, spec := range []*hostapi.ServerSpec{specs[0], specs[2]} {
		eventually(h.t, patience, func() error { return h.is(spec.ID, hostapi.PowerRunning) })
	}
	eventually(h.t, patience, func() error {
		log, err := h.cloud.client.ConsoleLog(h.cloud.ctx(), "host-a", specs[0].ID, 0)
		if n := strings.Count(log, "web is ready"); n < 3 {
			return errors.Join(err, fmt.Errorf("the guest has booted %d times:\n%s", n, log))
		}
		return err
	})
	// The metadata service is back, and still tells nobody else's secrets.
	out, err := exec.Command("ip", "netns", "exec", "kumoi-"+specs[0].NICs[0].NetworkID[:13], "busybox", "wget", "-O", "-", "http://169.254.169.254/").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "404") {
		h.t.Errorf("a stranger was answered %s", out)
	}
}

func (h *realHost) is(id string, want hostapi.Power) error {
	r, err := h.cloud.client.Report(h.cloud.ctx(), "host-a")
	if err != nil {
		return err
	}
	for _, s := range r.Servers {
		if s.ServerID == id && s.Power == want {
			return nil
		}
	}
	return fmt.Errorf("server %s is not %s: %+v", id, want, r.Servers)
}

func (h *realHost) vsctl(args ...string) string {
	h.t.Helper()
	return h.run("ovs-vsctl", append([]string{"--db=" + h.stack.OVSRemote()}, args...)...)
}

func (h *realHost) removeAll(specs ...*hostapi.ServerSpec) {
	h.t.Helper()
	for _, spec := range specs {
		begin := time.Now()
		if err := h.cloud.client.RemoveServer(h.cloud.ctx(), "host-a", spec.ID, 0); err != nil {
			h.t.Fatal(err)
		}
		h.t.Logf("%s removed in %s", spec.Name, time.Since(begin).Round(time.Millisecond))
	}
	h.nothingLeft()
}

// nothingLeft finds whatever a server may leave behind.
func (h *realHost) nothingLeft() {
	h.t.Helper()
	if pids := qemuPIDs(h.t, filepath.Dir(h.dir)); len(pids) > 0 {
		h.t.Errorf("guests still run: %v", pids)
	}
	for _, dir := range []string{"/run/netns", filepath.Join(h.dir, "servers"), filepath.Join(h.dir, "networks"), filepath.Join(filepath.Dir(h.dir), "libvirt/lib/qemu/save")} {
		if entries, err := os.ReadDir(dir); err != nil || len(entries) > 0 {
			h.t.Errorf("%s: %v %v", dir, entries, err)
		}
	}
	if defs, _ := filepath.Glob(filepath.Join(filepath.Dir(h.dir), "libvirt/etc/qemu/*.xml")); len(defs) > 0 {
		h.t.Errorf("definitions are left: %v", defs)
	}
	ports := strings.Fields(h.vsctl("list-ports", "br-int"))
	ports = slices.DeleteFunc(ports, func(p string) bool { return strings.HasPrefix(p, "patch-") })
	if len(ports) > 0 {
		h.t.Errorf("ports are left on the bridge: %v", ports)
	}
	links := h.run("ip", "-o", "link")
	for _, prefix := range []string{": tap", ": kmd"} {
		if strings.Contains(links, prefix) {
			h.t.Errorf("interfaces are left:\n%s", links)
		}
	}
}

// qemuPIDs lists the processes of guests whose files are below dir.
func qemuPIDs(t *testing.T, dir string) []int {
	t.Helper()
	var out []int
	entries, err := os.ReadDir("/proc")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		line, _ := os.ReadFile(filepath.Join("/proc", e.Name(), "cmdline"))
		if strings.Contains(string(line), "qemu-system") && strings.Contains(string(line), dir) && strings.Contains(string(line), "kumoi-") {
			out = append(out, pid)
		}
	}
	return out
}

// console waits until the console's log has the text.
func (c *cloud) console(id, text string, limit time.Duration) string {
	c.t.Helper()
	var log string
	eventually(c.t, limit, func() error {
		var err error
		if log, err = c.client.ConsoleLog(c.ctx(), c.host, id, 0); err != nil {
			return err
		}
		if !strings.Contains(log, text) {
			return fmt.Errorf("console lacks %q:\n%s", text, log)
		}
		return nil
	})
	return log
}
