//go:build realdeps

package hoststack

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/digitalocean/go-libvirt"
	"github.com/digitalocean/go-libvirt/socket/dialers"
	"golang.org/x/sys/unix"
)

const (
	guestIP   = "172.24.4.10"
	guestMAC  = "fa:16:3e:00:00:0a"
	guestPort = "6d8f0c5e-4b7e-4f0a-9d6e-2f6d5d1c0b0a"
	guestName = "kumoi-test"
)

// buildGuest makes an initial file system that takes its address by DHCP and then
// counts on the console for ever.
func buildGuest(t *testing.T, dir string) (kernel, initrd string) {
	t.Helper()
	kernels, _ := filepath.Glob("/boot/vmlinuz-*-cloud-*")
	if len(kernels) == 0 {
		t.Skip("needs Debian's cloud kernel")
	}
	kernel = kernels[len(kernels)-1]
	release := strings.TrimPrefix(filepath.Base(kernel), "vmlinuz-")
	initrd = filepath.Join(dir, "initrd")
	script := `set -e
R=$(mktemp -d); trap 'rm -rf $R' EXIT
mkdir -p $R/bin $R/dev $R/proc $R/m; cp "$(command -v busybox)" $R/bin/busybox
n=0; for f in $(modprobe --show-depends -S "$1" virtio_net | awk '$1 == "insmod" {print $2}') $(modprobe --show-depends -S "$1" virtio_pci | awk '$1 == "insmod" {print $2}'); do n=$((n+1)); cp "$f" $R/m/$n-$(basename $f); done
cat > $R/dhcp <<'E'
#!/bin/busybox sh
[ "$1" = bound ] && /bin/busybox ifconfig eth0 $ip netmask $subnet
exit 0
E
cat > $R/init <<'E'
#!/bin/busybox sh
b=/bin/busybox
$b mount -t proc proc /proc
for m in $($b seq 20); do for f in /m/$m-*.ko; do $b insmod $f; done; done 2>/dev/null
$b ip link set eth0 up
$b udhcpc -i eth0 -s /dhcp -n -q
n=0; while :; do echo "tick $n"; n=$((n+1)); $b sleep 0.2; done
E
chmod +x $R/init $R/dhcp; cd $R; find . | cpio -o -H newc --quiet > "$2"; chmod 644 "$2"`
	if out, err := exec.Command("sh", "-c", script, "sh", release, initrd).CombinedOutput(); err != nil {
		t.Fatalf("build guest: %v: %s", err, out)
	}
	return kernel, initrd
}

// wire makes a logical switch whose one port is the guest's and whose localnet
// port leads through the outside bridge to the host itself.
func wire(t *testing.T, s *Stack) {
	t.Helper()
	out, err := run(t.Context(), s.OVSEnv(), "ovn-nbctl", "--db="+s.NBRemote(),
		"ls-add", "out",
		"--", "lsp-add", "out", "out-net", "--", "lsp-set-type", "out-net", "localnet",
		"--", "lsp-set-addresses", "out-net", "unknown", "--", "lsp-set-options", "out-net", "network_name="+OutsideNetwork,
		"--", "lsp-add", "out", guestPort, "--", "lsp-set-addresses", guestPort, guestMAC+" "+guestIP,
		"--", "--id=@d", "create", "DHCP_Options", "cidr=172.24.4.0/24",
		`options={"server_id"="172.24.4.2","server_mac"="fa:16:3e:00:00:02","lease_time"="3600","router"="172.24.4.1"}`,
		"--", "set", "Logical_Switch_Port", guestPort, "dhcpv4_options=@d")
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

func libvirtConn(t *testing.T, s *Stack) *libvirt.Libvirt {
	t.Helper()
	conn := libvirt.NewWithDialer(dialers.NewLocal(dialers.WithSocket(s.LibvirtSocket())))
	if err := conn.ConnectToURI(libvirt.QEMUSystem); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Disconnect() })
	return conn
}

func startGuest(t *testing.T, s *Stack, cfg Config) (console string) {
	t.Helper()
	dir := filepath.Join(cfg.DataDir, "servers", guestName)
	if err := os.MkdirAll(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	kernel, initrd := buildGuest(t, dir)
	disk := filepath.Join(dir, "disk")
	if out, err := exec.Command("qemu-img", "create", "-q", "-f", "qcow2", disk, "64M").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if err := os.Chmod(disk, 0o600); err != nil {
		t.Fatal(err)
	}
	console = filepath.Join(dir, "console.log")
	xml := fmt.Sprintf(`<domain type='qemu'><name>%s</name><memory unit='MiB'>128</memory><vcpu>1</vcpu>
<os><type arch='x86_64' machine='pc'>hvm</type><kernel>%s</kernel><initrd>%s</initrd><cmdline>console=ttyS0 quiet</cmdline></os>
<features><acpi/></features>
<devices>
<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='%s'/><target dev='vda' bus='virtio'/></disk>
<interface type='bridge'><mac address='%s'/><source bridge='br-int'/><virtualport type='openvswitch'><parameters interfaceid='%s'/></virtualport>
<model type='virtio'/><driver><host csum='off' gso='off' tso4='off' tso6='off' ecn='off' ufo='off' mrg_rxbuf='off'/><guest csum='off' tso4='off' tso6='off' ecn='off' ufo='off'/></driver></interface>
<serial type='pty'><log file='%s' append='on'/></serial>
<video><model type='none'/></video>
</devices></domain>`, guestName, kernel, initrd, disk, guestMAC, guestPort, console)
	conn := libvirtConn(t, s)
	begin := time.Now()
	dom, err := conn.DomainDefineXML(xml)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("libvirt defined the guest in %s", time.Since(begin).Round(time.Millisecond))
	begin = time.Now()
	if err := conn.DomainCreate(dom); err != nil {
		t.Fatal(err)
	}
	t.Logf("libvirt started the guest in %s", time.Since(begin).Round(time.Millisecond))
	return console
}

func pings(ctx context.Context, address string) bool {
	return exec.CommandContext(ctx, "busybox", "ping", "-c1", "-W1", address).Run() == nil
}

func waitFor(t *testing.T, what string, within time.Duration, done func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	begin := time.Now()
	if !poll(ctx, 50*time.Millisecond, done) {
		t.Fatalf("%s: not within %s", what, within)
	}
	t.Logf("%s after %s", what, time.Since(begin).Round(time.Millisecond))
}

func size(file string) int64 {
	info, err := os.Stat(file)
	if err != nil {
		return 0
	}
	return info.Size()
}

// TestGuestOutlivesEverything is the promise that the data plane outlives the
// control plane, daemon by daemon.
func TestGuestOutlivesEverything(t *testing.T) {
	cfg := testConfig(t)
	cfg.OutsideCIDR = netip.MustParsePrefix("172.24.4.0/24")
	s := up(t, cfg)
	wire(t, s)
	console := startGuest(t, s, cfg)
	t.Cleanup(func() {
		if t.Failed() {
			dump(t, s, console)
		}
	})
	waitFor(t, "guest answers", 3*time.Minute, func() bool { return pings(t.Context(), guestIP) })
	guests := s.guests()
	if len(guests) != 1 {
		t.Fatalf("guests: %v", guests)
	}
	guest := guests[0]
	if uid := processUID(t, guest.pid); s.qemu.uid == 0 || uid != s.qemu.uid {
		t.Errorf("the guest runs as user %d, not libvirt-qemu: %s", uid, s.qemu.why)
	}

	requireAllCPUs(t, guest.pid)

	for _, name := range []string{ovnNB, ovnSB, ovnNorthd, ovsdbServer, ovnController, libvirtd, vswitchd} {
		t.Run("kill "+name, func(t *testing.T) {
			kill(t, s, name)
			waitFor(t, "guest answers", time.Minute, func() bool { return pings(t.Context(), guestIP) })
			if !guest.alive() {
				t.Fatal("the guest is dead")
			}
			requireGuestKnown(t, s)
		})
	}
	t.Run("without kumoi", func(t *testing.T) {
		s.Close()
		for _, c := range s.Health(t.Context()) {
			if c.PID != 0 {
				_ = unix.Kill(c.PID, unix.SIGKILL)
			}
		}
		s = up(t, cfg)
		waitFor(t, "guest answers", time.Minute, func() bool { return pings(t.Context(), guestIP) })
		if !guest.alive() {
			t.Fatal("the guest is dead")
		}
		requireGuestKnown(t, s)
		requireAllCPUs(t, requireHealthy(t, s)[libvirtd])
	})
	t.Logf("the console's log has %d bytes", size(console))

	t.Run("down leaves nothing", func(t *testing.T) {
		s.Close()
		begin := time.Now()
		if err := Down(t.Context(), cfg); err != nil {
			t.Fatal(err)
		}
		t.Logf("down in %s", time.Since(begin).Round(time.Millisecond))
		requireNothingLeft(t, cfg)
	})
	t.Run("up again from what is stored", func(t *testing.T) {
		s := up(t, cfg)
		requireHealthy(t, s)
		conn := libvirtConn(t, s)
		dom, err := conn.DomainLookupByName(guestName)
		if err != nil {
			t.Fatal(err)
		}
		if err := conn.DomainCreate(dom); err != nil {
			t.Fatal(err)
		}
		waitFor(t, "guest answers", 3*time.Minute, func() bool { return pings(t.Context(), guestIP) })
	})
}

func kill(t *testing.T, s *Stack, name string) {
	t.Helper()
	for _, c := range s.Health(t.Context()) {
		if c.Name == name {
			if err := unix.Kill(c.PID, unix.SIGKILL); err != nil {
				t.Fatal(err)
			}
			waitFor(t, name+" is back", time.Minute, func() bool {
				for _, now := range s.Health(t.Context()) {
					if now.Name == name {
						return now.State == StateRunning && now.PID != c.PID
					}
				}
				return false
			})
			return
		}
	}
	t.Fatalf("no component %s", name)
}

func requireGuestKnown(t *testing.T, s *Stack) {
	t.Helper()
	conn := libvirtConn(t, s)
	dom, err := conn.DomainLookupByName(guestName)
	if err != nil {
		t.Fatal(err)
	}
	state, _, err := conn.DomainGetState(dom, 0)
	if err != nil || libvirt.DomainState(state) != libvirt.DomainRunning {
		t.Errorf("libvirt says state %d (%v)", state, err)
	}
}

// requireAllCPUs sees that nothing of libvirtd's start on one processor stays with
// it or with its guests.
func requireAllCPUs(t *testing.T, pid int) {
	t.Helper()
	var ours, its unix.CPUSet
	if err := errors.Join(unix.SchedGetaffinity(0, &ours), unix.SchedGetaffinity(pid, &its)); err != nil {
		t.Fatal(err)
	}
	if ours != its {
		t.Errorf("process %d runs on %d processors of %d", pid, its.Count(), ours.Count())
	}
}

func processUID(t *testing.T, pid int) int {
	t.Helper()
	raw, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(raw)) {
		if rest, ok := strings.CutPrefix(line, "Uid:"); ok {
			uid, _ := strconv.Atoi(strings.Fields(rest)[0])
			return uid
		}
	}
	return -1
}

// requireAlone sees that no process but this one is left in the network namespace.
func requireAlone(t *testing.T) {
	t.Helper()
	ours, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	var left []string
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if !poll(ctx, 20*time.Millisecond, func() bool {
		left = nil
		namespaces, _ := filepath.Glob("/proc/[0-9]*/ns/net")
		for _, file := range namespaces {
			pid, _ := strconv.Atoi(strings.Split(file, "/")[2])
			if its, err := os.Readlink(file); err == nil && its == ours && pid != os.Getpid() {
				left = append(left, strings.Join(cmdline(pid), " "))
			}
		}
		return len(left) == 0
	}) {
		t.Errorf("left: processes %q", left)
	}
}

// requireNothingLeft looks for processes, for interfaces other than loopback, and
// for the firewall's table.
func requireNothingLeft(t *testing.T, cfg Config) {
	t.Helper()
	requireAlone(t)
	out, err := exec.Command("ip", "-o", "link").Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		if !strings.Contains(line, " lo:") {
			t.Errorf("left: interface %s", line)
		}
	}
	if out, _ := exec.Command("nft", "list", "tables").Output(); len(out) != 0 {
		t.Errorf("left: %s", out)
	}
	if raw, _ := os.ReadFile("/proc/sys/net/ipv4/ip_forward"); strings.TrimSpace(string(raw)) != "0" {
		t.Error("left: IP forwarding on")
	}
	mounts, _ := os.ReadFile("/proc/self/mounts")
	if strings.Contains(string(mounts), cfg.DataDir) {
		t.Error("left: a mount of the data directory")
	}
	for _, pattern := range []string{"ovs/*.ctl", "ovs/*.sock", "ovn/*.ctl", "ovn/*.sock", "libvirt/run"} {
		if files, _ := filepath.Glob(filepath.Join(cfg.DataDir, pattern)); len(files) > 0 {
			t.Errorf("left: %v", files)
		}
	}
}

func dump(t *testing.T, s *Stack, console string) {
	ctx := context.Background()
	holders, _ := exec.Command("sh", "-c", "ls -l /proc/[0-9]*/fd 2>/dev/null | grep -B99999 tun | grep -E '^/proc|tun'; ps -eLo pid,tid,ppid,stat,wchan:30,args | grep -E 'ovs|qemu' ").CombinedOutput()
	t.Logf("%s", holders)
	raw, _ := os.ReadFile(console)
	t.Logf("console:\n%s", raw[:min(2000, len(raw))])
	show, err := s.vsctl(ctx, "show")
	t.Logf("switch (%v):\n%s", err, show)
	bindings, err := run(ctx, s.OVSEnv(), "ovn-sbctl", "--db="+s.SBRemote(), "show")
	t.Logf("bindings (%v):\n%s", err, bindings)
	for _, f := range []string{s.paths.ovs("vswitchd.log"), s.paths.ovn("controller.log"), s.paths.libvirt("log/libvirtd.out"), s.paths.libvirt("log/qemu/" + guestName + ".log")} {
		raw, _ := os.ReadFile(f)
		t.Logf("%s:\n%s", f, raw[max(0, len(raw)-1500):])
	}
}
