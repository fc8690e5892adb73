//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestControlPlaneAndHostApart runs "kumoi server" and "kumoi agent" as two
// processes on two machines: network and mount namespaces with nothing between
// them but a cable. The host joins with its credentials, carries the demo's
// server, and both ends leave nothing.
func TestControlPlaneAndHostApart(t *testing.T) {
	bin, err := filepath.Abs("../../bin/kumoi")
	if err != nil {
		t.Fatal(err)
	}
	image, err := filepath.Abs("../../build/kumoi-guest.qcow2")
	if err != nil {
		t.Fatal(err)
	}
	control, far := newMachine(t, bin, "control"), newMachine(t, bin, "far")
	cable(t, control, far)
	// The far host carries the outside network.
	control.sh("ip route add " + outside + " via 192.168.50.2")

	control.kumoi("server", "--bus-listen", "192.168.50.1:4222", "--ovn-listen", "192.168.50.1:6642", "--host", "control", "--detach")
	join := filepath.Join(far.dir, "join")
	if err := os.WriteFile(join, []byte(control.kumoi("admin", "host", "add", "far")), 0o600); err != nil {
		t.Fatal(err)
	}
	far.kumoi("agent", "--host", "far", "--join", join, "--tunnel-address", "192.168.50.2", "--tunnel-device", "eth0", "--virt-type", "qemu", "--detach")
	t.Log(far.kumoi("status"))
	eventually(t, "the host to have joined", 20*time.Second, func() bool { return control.host("far").State == "up" })

	// The demo ends with a command over ssh through the floating IP.
	said := control.kumoi("demo", "--guest-image", image)
	t.Log(said)
	login := regexp.MustCompile(`kumoi@([0-9.]+)\n`).FindStringSubmatch(said)
	explain := regexp.MustCompile(`explain server ([0-9a-f-]+)`).FindStringSubmatch(said)
	if login == nil || explain == nil {
		t.Fatal("the demo does not say what it made")
	}
	address, id := login[1], explain[1]
	if text := control.kumoi("explain", "server", id); !strings.Contains(text, "far") {
		t.Errorf("the server is not on the far host:\n%s", text)
	}
	g := guest{key: read(t, filepath.Join(control.dir, "demo", "id_ed25519")), user: "kumoi", addr: address, dial: control.dial}
	if name := g.reach(t, "hostname"); name != "first" {
		t.Errorf("hostname %q", name)
	}
	if meta := g.reach(t, "wget -q -O - http://169.254.169.254/openstack/latest/meta_data.json"); !strings.Contains(meta, id) {
		t.Errorf("metadata: %s", meta)
	}
	boot := g.reach(t, "cat /proc/sys/kernel/random/boot_id")

	// Each end may stop and come back; the guest goes on.
	control.kumoi("down", "--keep-guests")
	far.kumoi("down", "--keep-guests")
	control.kumoi("server", "--bus-listen", "192.168.50.1:4222", "--ovn-listen", "192.168.50.1:6642", "--host", "control", "--detach")
	far.kumoi("agent", "--host", "far", "--join", join, "--tunnel-address", "192.168.50.2", "--tunnel-device", "eth0", "--virt-type", "qemu", "--detach")
	if got := g.reach(t, "cat /proc/sys/kernel/random/boot_id"); got != boot {
		t.Error("the guest was restarted")
	}

	// A host whose credentials were withdrawn is refused.
	control.kumoi("admin", "host", "remove", "far")
	if h := control.host("far"); h.Remote {
		t.Errorf("it still has credentials: %+v", h)
	}
	far.kumoi("down", "--purge")
	control.kumoi("down", "--purge")
	far.leavesNothing()
	control.leavesNothing()
	if addr := far.sh("ip -o -4 addr show dev eth0"); !strings.Contains(addr, "192.168.50.2/24") {
		t.Errorf("the far host's interface has not got its address back: %s", addr)
	}
}

// machine is a network and a mount namespace, held by a process that sleeps.
type machine struct {
	t      *testing.T
	bin    string
	dir    string
	holder *exec.Cmd
}

func newMachine(t *testing.T, bin, name string) *machine {
	t.Helper()
	dir, err := os.MkdirTemp("/var/tmp", "kumoi-"+name+"-")
	if err != nil {
		t.Fatal(err)
	}
	m := &machine{t: t, bin: bin, dir: dir}
	m.holder = exec.Command("unshare", "--net", "--mount", "--propagation", "private", "sh", "-ec",
		"mount -t tmpfs tmpfs /run; mkdir -p /run/netns /run/lock; ip link set lo up; echo ready; exec sleep infinity")
	out, err := m.holder.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := m.holder.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := os.Stat(dir); err == nil {
			if t.Failed() {
				t.Logf("end of %s's log:\n%s", name, (&cloud{dir: dir}).logTail())
			}
			m.try("down", "--purge")
			os.RemoveAll(dir)
		}
		m.holder.Process.Kill()
		m.holder.Wait()
	})
	if _, err := io.ReadFull(out, make([]byte, len("ready"))); err != nil {
		t.Fatalf("the namespaces of %s: %v", name, err)
	}
	return m
}

// cable connects two machines.
func cable(t *testing.T, a, b *machine) {
	t.Helper()
	link := exec.Command("ip", "link", "add", "eth0", "netns", strconv.Itoa(a.holder.Process.Pid), "type", "veth",
		"peer", "name", "eth0", "netns", strconv.Itoa(b.holder.Process.Pid))
	if out, err := link.CombinedOutput(); err != nil {
		t.Fatalf("cable: %s", out)
	}
	for i, m := range []*machine{a, b} {
		m.sh(fmt.Sprintf("ip addr add 192.168.50.%d/24 dev eth0; ip link set eth0 up; ethtool -K eth0 tx off >/dev/null", i+1))
	}
}

// command runs in the machine.
func (m *machine) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, "nsenter", append([]string{
		"--target", strconv.Itoa(m.holder.Process.Pid), "--net", "--mount", name,
	}, args...)...)
}

func (m *machine) sh(script string) string {
	m.t.Helper()
	out, err := m.command(context.Background(), "sh", "-ec", script).CombinedOutput()
	if err != nil {
		m.t.Fatalf("%s: %s", script, out)
	}
	return string(out)
}

func (m *machine) try(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Minute)
	defer cancel()
	cmd := m.command(ctx, m.bin, args...)
	cmd.Env = append(os.Environ(), "KUMOI_DATA_DIR="+m.dir, "KUMOI_LISTEN="+listen, "KUMOI_OUTSIDE_CIDR="+outside)
	var out, complaints bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaints
	err := cmd.Run()
	if err != nil {
		return out.String() + complaints.String(), err
	}
	return out.String(), nil
}

func (m *machine) kumoi(args ...string) string {
	m.t.Helper()
	out, err := m.try(args...)
	if err != nil {
		m.t.Fatalf("kumoi %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// hostRow is how the control plane sees a host.
type hostRow struct {
	Name, State string
	Remote      bool
}

func (m *machine) host(name string) hostRow {
	m.t.Helper()
	var hosts []hostRow
	if err := json.Unmarshal([]byte(m.kumoi("admin", "host", "list", "--format", "json")), &hosts); err != nil {
		m.t.Fatal(err)
	}
	for _, h := range hosts {
		if h.Name == name {
			return h
		}
	}
	return hostRow{}
}

// dial connects to an address as it is seen from the machine.
func (m *machine) dial(addr string) (net.Conn, error) {
	type result struct {
		conn net.Conn
		err  error
	}
	done := make(chan result)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		space, err := os.Open(fmt.Sprintf("/proc/%d/ns/net", m.holder.Process.Pid))
		if err != nil {
			done <- result{nil, err}
			return
		}
		defer space.Close()
		if err := unix.Setns(int(space.Fd()), unix.CLONE_NEWNET); err != nil {
			done <- result{nil, err}
			return
		}
		conn, err := net.DialTimeout("tcp", addr, 4*time.Second)
		done <- result{conn, err}
	}()
	r := <-done
	return r.conn, r.err
}

// leavesNothing looks for traces of a purged cloud.
func (m *machine) leavesNothing() {
	m.t.Helper()
	leavesNothing(m.t, m.dir)
	for line := range strings.Lines(m.sh("ip -o link")) {
		if !strings.Contains(line, ": lo") && !strings.Contains(line, ": eth0") {
			m.t.Errorf("an interface is left: %s", line)
		}
	}
	if left := m.sh("ip netns; nft list tables | grep kumoi || true"); left != "" {
		m.t.Errorf("left: %s", left)
	}
}
