//go:build realdeps

package hoststack

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const secondHost = "KUMOI_TEST_SECOND_HOST"

// runSecondHost is the test binary's other life: a host in a network namespace of
// its own, up until its standard input ends.
func runSecondHost(text string) error {
	var cfg Config
	if err := json.Unmarshal([]byte(text), &cfg); err != nil {
		return err
	}
	cfg.Log = slog.New(slog.NewTextHandler(os.Stderr, nil))
	ctx, cancel := signal.NotifyContext(context.Background(), unix.SIGTERM)
	defer cancel()
	s, err := Up(ctx, cfg)
	if err != nil {
		return err
	}
	os.Stdout.WriteString("ready\n")
	_, _ = io.Copy(io.Discard, os.Stdin)
	s.Close()
	return Down(context.WithoutCancel(ctx), cfg)
}

func sh(t *testing.T, script string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "sh", "-ec", script).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v: %s", script, err, out)
	}
	return string(out)
}

// TestTwoHosts joins a second host in its own network namespace to the first one's
// southbound database and sends packets through the tunnel between them.
func TestTwoHosts(t *testing.T) {
	sh(t, `mount -t tmpfs tmpfs /run/netns 2>/dev/null || { mkdir -p /run/netns; mount -t tmpfs tmpfs /run/netns; }
ip netns add hostb
ip link add eth0 type veth peer name eth0 netns hostb
ip addr add 192.168.50.1/24 dev eth0; ip link set eth0 up; ip link set lo up
ip -n hostb addr add 192.168.50.2/24 dev eth0; ip -n hostb link set eth0 up; ip -n hostb link set lo up
ip -n hostb route add 198.51.100.0/24 via 192.168.50.1`)
	t.Cleanup(func() { _ = exec.Command("sh", "-c", "ip netns del hostb; ip link del eth0; umount /run/netns").Run() })

	a := testConfig(t, notAlone{})
	a.Datapath, a.SBListen = DatapathNetdev, "192.168.50.1:6642"
	a.EncapIP, a.UnderlayInterface = netip.MustParseAddr("192.168.50.1"), "eth0"
	sa := up(t, a)
	requireHealthy(t, sa)

	b := testConfig(t, notAlone{})
	b.Central, b.HostName, b.Datapath, b.Log = false, "host-b", DatapathNetdev, nil
	b.SystemID, b.EncapIP, b.UnderlayInterface = "host-b", netip.MustParseAddr("192.168.50.2"), "eth0"
	b.OutsideCIDR = netip.Prefix{}
	var err error
	if b.SBAccess, err = sa.GrantSB(t.Context(), "host-b"); err != nil {
		t.Fatal(err)
	}
	stopB := startSecondHost(t, b)

	nbctl := func(args ...string) {
		t.Helper()
		if _, err := run(t.Context(), sa.OVSEnv(), "ovn-nbctl", append([]string{"--db=" + sa.NBRemote()}, args...)...); err != nil {
			t.Fatal(err)
		}
	}
	nbctl("ls-add", "net", "--", "lsp-add", "net", "pa", "--", "lsp-set-addresses", "pa", "fa:16:3e:00:01:01 10.0.0.1",
		"--", "lsp-add", "net", "pb", "--", "lsp-set-addresses", "pb", "fa:16:3e:00:01:02 10.0.0.2")
	plug := func(in, db, port, mac, address string) {
		t.Helper()
		sh(t, "ovs-vsctl --db="+db+" --timeout=10 add-port br-int "+port+" -- set Interface "+port+" type=internal external_ids:iface-id="+port+` mac='"`+mac+`"'`)
		sh(t, in+"ip addr add "+address+" dev "+port+"; "+in+"ip link set "+port+" up; "+in+"ethtool -K "+port+" tx off >/dev/null")
	}
	plug("", sa.OVSRemote(), "pa", "fa:16:3e:00:01:01", "10.0.0.1/24")
	plug("ip netns exec hostb ", "unix:"+newLayout(b.DataDir).ovs("db.sock"), "pb", "fa:16:3e:00:01:02", "10.0.0.2/24")
	waitFor(t, "the other host's port answers through the tunnel", time.Minute, func() bool { return pings(t.Context(), "10.0.0.2") })

	if got := sh(t, "ip -n hostb route show 198.51.100.0/24"); !strings.Contains(got, "dev "+underlayBridge) {
		t.Errorf("the route did not move with the address: %s", got)
	}
	t.Run("tunnel survives vswitchd", func(t *testing.T) {
		kill(t, sa, vswitchd)
		waitFor(t, "the other host answers", time.Minute, func() bool { return pings(t.Context(), "10.0.0.2") })
	})

	t.Run("a host may change what is its own", func(t *testing.T) { hostsRights(t, sa, b) })

	if err := stopB(); err != nil {
		t.Fatal(err)
	}
	if got := sh(t, "ip -n hostb -o addr show dev eth0; ip -n hostb route"); !strings.Contains(got, "192.168.50.2/24") || !strings.Contains(got, "198.51.100.0/24 via 192.168.50.1 dev eth0") {
		t.Errorf("the underlay interface did not get its address and route back: %s", got)
	}
	chassis, err := run(t.Context(), sa.OVSEnv(), "ovn-sbctl", "--db="+sa.SBRemote(), "--bare", "--columns=name", "list", "Chassis")
	if err != nil || strings.TrimSpace(chassis) != "host-a" {
		t.Errorf("chassis after one host went down: %q (%v)", chassis, err)
	}
	sa.Close()
	if err := Down(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	if got := sh(t, "ip -o addr show dev eth0"); !strings.Contains(got, "192.168.50.1/24") {
		t.Errorf("the underlay interface did not get its address back: %s", got)
	}
}

// startSecondHost runs this binary as the other host; the returned function takes it
// down again.
func startSecondHost(t *testing.T, cfg Config) func() error {
	t.Helper()
	text, err := json.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("ip", "netns", "exec", "hostb", self)
	cmd.Env = append(os.Environ(), secondHost+"="+string(text))
	cmd.Stderr = t.Output()
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stop := func() error { return errors.Join(stdin.Close(), cmd.Wait()) }
	line, _ := bufio.NewReader(stdout).ReadString('\n')
	if line != "ready\n" {
		t.Fatalf("the second host did not come up: %v", stop())
	}
	return stop
}

// hostsRights looks at who gets into the southbound database, and what they may do there.
func hostsRights(t *testing.T, sa *Stack, b Config) {
	remote := b.SBAccess.Remote
	sbctl := func(a *SBAccess, args ...string) (string, error) {
		dir := t.TempDir()
		for name, text := range map[string]string{"key": a.Key, "crt": a.Certificate, "ca": a.Central} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		return run(t.Context(), sa.OVSEnv(), "ovn-sbctl", append([]string{
			"--db=" + remote, "--timeout=5", "--private-key=" + filepath.Join(dir, "key"), "--certificate=" + filepath.Join(dir, "crt"),
			"--ca-cert=" + filepath.Join(dir, "ca"),
		}, args...)...)
	}
	if out, err := sbctl(b.SBAccess, "--bare", "--columns=name", "list", "Chassis"); err != nil || !strings.Contains(out, "host-a") {
		t.Errorf("with its own credentials: %q %v", out, err)
	}
	if _, err := sbctl(b.SBAccess, "set", "Chassis", "host-a", "external_ids:mine=yes"); err == nil || !strings.Contains(err.Error(), "permission") {
		t.Errorf("a host changes another's chassis: %v", err)
	}
	if _, err := sbctl(b.SBAccess, "--all", "destroy", "Logical_Flow"); err == nil {
		t.Error("a host removes everybody's flows")
	}
	cert, key, err := newPair("host-b")
	if err != nil {
		t.Fatal(err)
	}
	forged := &SBAccess{Remote: remote, Central: b.SBAccess.Central, Certificate: string(cert), Key: string(key)}
	if out, err := sbctl(forged, "list", "Chassis"); err == nil {
		t.Errorf("a forged certificate of the same name gets in: %s", out)
	}
	if _, err := run(t.Context(), sa.OVSEnv(), "ovn-sbctl", "--db=tcp:"+strings.TrimPrefix(remote, "ssl:"), "--timeout=2", "list", "Chassis"); err == nil {
		t.Error("the database speaks without TLS")
	}
	other, err := sa.GrantSB(t.Context(), "host-c")
	if err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the new host to be let in", 20*time.Second, func() bool { _, err := sbctl(other, "list", "SB_Global"); return err == nil })
	if err := sa.RevokeSB(t.Context(), "host-c"); err != nil {
		t.Fatal(err)
	}
	if out, err := sbctl(other, "list", "SB_Global"); err == nil {
		t.Errorf("who was removed still gets in: %s", out)
	}
	waitFor(t, "the other host to be let in again", 20*time.Second, func() bool { _, err := sbctl(b.SBAccess, "list", "SB_Global"); return err == nil })
	waitFor(t, "the other host's port answers", time.Minute, func() bool { return pings(t.Context(), "10.0.0.2") })
}
