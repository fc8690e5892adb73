package hoststack

import (
	"context"
	"encoding/json"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"kumoi/internal/kernel/errs"
)

func TestConfigValidation(t *testing.T) {
	good := Config{DataDir: "/var/lib/kumoi", Central: true, Host: true}
	for name, tc := range map[string]struct {
		change func(*Config)
		want   string // in the message; empty: valid
	}{
		"defaults":          {func(*Config) {}, ""},
		"relative":          {func(c *Config) { c.DataDir = "data" }, "absolute"},
		"space in path":     {func(c *Config) { c.DataDir = "/srv/my cloud" }, "plain"},
		"no central at all": {func(c *Config) { c.Central = false }, "southbound"},
		"central elsewhere": {func(c *Config) { c.Central, c.SBRemote = false, "tcp:192.0.2.1:6642" }, ""},
		"long bridge":       {func(c *Config) { c.OutsideBridge = "a-bridge-with-a-long-name" }, "15"},
		"unknown datapath":  {func(c *Config) { c.Datapath = "dpdk" }, "dpdk"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := good
			tc.change(&cfg)
			err := cfg.withDefaults().validate()
			switch {
			case tc.want == "" && err != nil:
				t.Error(err)
			case tc.want != "" && (!errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), tc.want)):
				t.Errorf("got %v", err)
			}
		})
	}
}

// The identity must not change between starts, and must differ between hosts that
// share a machine.
func TestHostUUID(t *testing.T) {
	a := Config{DataDir: "/a", SystemID: "h"}
	if got := a.hostUUID(); got != "d6233011-b339-52fe-acd3-4bb82963b0d2" {
		t.Errorf("host UUID %s", got)
	}
	b := a
	b.DataDir = "/b"
	if a.hostUUID() == b.hostUUID() {
		t.Error("two hosts have the same UUID")
	}
}

func TestLongDataDirectoryGetsAShortName(t *testing.T) {
	if l := newLayout("/var/lib/kumoi"); l.base != "/var/lib/kumoi" {
		t.Errorf("a short path was replaced by %s", l.base)
	}
	long := "/var/lib/" + strings.Repeat("very-", 20) + "long"
	l := newLayout(long)
	if !strings.HasPrefix(l.base, "/run/kumoi-") {
		t.Errorf("base is %s", l.base)
	}
	for _, socket := range []string{l.ovn("ovn-controller.4194304.ctl"), l.ovs("vswitchd.ctl"), l.libvirt("run/virtlogd-sock")} {
		if len(socket) > socketPathMax {
			t.Errorf("%s has %d bytes", socket, len(socket))
		}
	}
	if other := newLayout(long + "er"); other.base == l.base {
		t.Error("two data directories share a short name")
	}
}

func TestLayoutForgetsAfterReboot(t *testing.T) {
	l := newLayout(t.TempDir())
	if err := l.create(); err != nil {
		t.Fatal(err)
	}
	stale := []string{l.ovs("db.sock"), l.ovs("vswitchd.pid"), l.libvirt("run/qemu/1.xml")}
	if err := os.MkdirAll(l.libvirt("run/qemu"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, f := range append(stale, l.ovs("conf.db")) {
		if err := os.WriteFile(f, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	exists := func(f string) bool { _, err := os.Stat(f); return err == nil }
	if err := l.create(); err != nil || !exists(stale[0]) || !exists(stale[2]) {
		t.Fatalf("without a reboot something was forgotten (%v)", err)
	}
	if err := os.WriteFile(l.bootID(), []byte("another boot\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := l.create(); err != nil {
		t.Fatal(err)
	}
	for _, f := range stale {
		if exists(f) {
			t.Errorf("%s outlived the reboot", f)
		}
	}
	if !exists(l.ovs("conf.db")) {
		t.Error("the database was forgotten")
	}
}

// A pidfile is believed only if the process is alive, is the program, and was given
// that very pidfile.
func TestFindProcess(t *testing.T) {
	dir := t.TempDir()
	pidfile := filepath.Join(dir, "d.pid")
	// A shell carries any argument.
	cmd := exec.Command("/bin/bash", "-c", "read -r; :", "daemon", "--pidfile="+pidfile)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	write := func(text string) {
		if err := os.WriteFile(pidfile, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	found := func(program string) bool { _, ok := findProcess(pidfile, program); return ok }

	if found("bash") {
		t.Error("found without a pidfile")
	}
	write(strconv.Itoa(cmd.Process.Pid) + "\n")
	if !poll(timeout(t), time.Millisecond, func() bool { return found("bash") }) {
		t.Fatal("the process was not found")
	}
	p, _ := findProcess(pidfile, "bash")
	if found("ovsdb-server") {
		t.Error("another program was taken for ours")
	}
	write(strconv.Itoa(os.Getpid()))
	if found(filepath.Base(os.Args[0])) {
		t.Error("a process that does not know the pidfile was taken for ours")
	}
	for _, nonsense := range []string{"", "x", "-1", "0", "1", "99999999"} {
		if write(nonsense); found("bash") {
			t.Errorf("found by a pidfile that holds %q", nonsense)
		}
	}
	if !p.alive() {
		t.Error("the process is said to be dead")
	}
	_ = stdin.Close()
	_ = cmd.Wait()
	if p.alive() {
		t.Error("the process is said to be alive")
	}
}

func timeout(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func TestStopEscalates(t *testing.T) {
	cmd := exec.Command("/bin/bash", "-c", "trap '' TERM; echo; read -r")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_, _ = stdout.Read(make([]byte, 1)) // it ignores SIGTERM from here on
	start, _ := startTime(cmd.Process.Pid)
	p := process{cmd.Process.Pid, start}
	if err := p.stop(t.Context(), 50*time.Millisecond); err != nil || p.alive() {
		t.Errorf("still alive: %v", err)
	}
	_ = cmd.Wait()
}

func TestSystemComponents(t *testing.T) {
	ovs := []string{"ovsdb-server.service", "ovs-vswitchd.service"}
	ovn := []string{"ovn-ovsdb-server-nb.service", "ovn-ovsdb-server-sb.service", "ovn-northd.service"}
	virt := []string{"libvirtd.socket", "virtlogd.socket"}
	for name, tc := range map[string]struct{ active, want []string }{
		"nothing runs": {nil, nil},
		"everything, libvirt resting behind its sockets": {
			slices.Concat(ovs, ovn, virt, []string{"ovn-controller.service"}),
			[]string{ovsdbServer, vswitchd, ovnNB, ovnSB, ovnNorthd, ovnController, virtlogd, libvirtd},
		},
		"libvirt without a switch would plug into none":  {virt, nil},
		"a controller without a switch":                  {[]string{"ovn-controller.service"}, nil},
		"half a switch":                                  {ovs[:1], nil},
		"databases without northd":                       {ovn[:2], nil},
		"a switch alone, everything above it is started": {ovs, []string{ovsdbServer, vswitchd}},
	} {
		t.Run(name, func(t *testing.T) {
			got := systemComponents(func(unit string) bool { return slices.Contains(tc.active, unit) })
			for _, c := range tc.want {
				if !got[c] {
					t.Errorf("%s is not used", c)
				}
			}
			if len(got) != len(tc.want) {
				t.Errorf("used: %v, want %v", got, tc.want)
			}
		})
	}
}

func TestPSSL(t *testing.T) {
	for listen, want := range map[string]string{
		"192.0.2.1:6642": "pssl:6642:192.0.2.1", "[2001:db8::1]:6642": "pssl:6642:[2001:db8::1]", "192.0.2.1": "pssl:6642:192.0.2.1",
		":6642": "pssl:6642",
	} {
		if got := pssl(listen); got != want {
			t.Errorf("%s: got %s, want %s", listen, got, want)
		}
	}
}

func TestOutsideRules(t *testing.T) {
	s := &Stack{cfg: Config{OutsideBridge: "br-kumoi", OutsideCIDR: netip.MustParsePrefix("172.24.4.7/24")}}
	if got := s.outsideAddress().String(); got != "172.24.4.1/24" {
		t.Errorf("the machine's own address is %s", got)
	}
	if rules := s.nftRules(); !strings.Contains(rules, `ip saddr 172.24.4.0/24 oifname != { "br-kumoi", "lo" } masquerade`) {
		t.Errorf("rules:\n%s", rules)
	}
	s.cfg.OutsideCIDR = netip.MustParsePrefix("2001:db8::/64")
	if rules := s.nftRules(); !strings.Contains(rules, "table ip6 kumoi") || !strings.Contains(rules, "ip6 saddr 2001:db8::/64") {
		t.Errorf("rules:\n%s", rules)
	}
}

func TestVersionNumber(t *testing.T) {
	for text, want := range map[string]string{
		"ovs-vswitchd (Open vSwitch) 3.1.0\nDPDK none": "3.1.0", "libvirtd (libvirt) 9.0.0": "9.0.0", "": "",
	} {
		if got := versionNumber(text); got != want {
			t.Errorf("%q gives %q", text, got)
		}
	}
}

// The peer may probe us in the middle of an answer, and may answer with an error.
func TestCall(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			var request struct {
				Method string   `json:"method"`
				Params []string `json:"params"`
			}
			_ = json.NewDecoder(conn).Decode(&request)
			_, _ = conn.Write([]byte(`{"id":"echo","method":"echo","params":[]}`))
			switch request.Method {
			case "version":
				_, _ = conn.Write([]byte(`{"id":1,"result":"x 1.2","error":null}`))
			case "echo":
				_, _ = conn.Write([]byte(`{"id":1,"result":[],"error":null}`))
			default:
				_, _ = conn.Write([]byte(`{"id":1,"result":null,"error":"no such command"}`))
			}
			_ = conn.Close()
		}
	}()
	if got, err := call(t.Context(), socket, "version"); err != nil || got != "x 1.2" {
		t.Errorf("version: %q, %v", got, err)
	}
	if _, err := call(t.Context(), socket, "echo"); err != nil {
		t.Errorf("echo: %v", err)
	}
	if _, err := call(t.Context(), socket, "dance"); err == nil || !strings.Contains(err.Error(), "no such command") {
		t.Errorf("dance: %v", err)
	}
}

// The reaper passes on how its command ended, and collects what that has left.
func TestReaper(t *testing.T) {
	prefix := reaper()
	if prefix == nil {
		t.Skip("needs Perl")
	}
	reaped := func(script string) ([]byte, error) {
		args := append(slices.Clone(prefix[1:]), "sh", "-c", script)
		return exec.CommandContext(t.Context(), prefix[0], args...).Output()
	}
	if _, err := reaped("exit 3"); err == nil || err.Error() != "exit status 3" {
		t.Errorf("got %v", err)
	}
	// The orphan says who its parent is, some time after its own has ended.
	out, err := reaped("echo $PPID; (sleep 0.2; exec sh -c 'echo $PPID') &")
	if err != nil {
		t.Fatal(err)
	}
	pids := strings.Fields(string(out))
	if len(pids) != 2 || pids[0] != pids[1] {
		t.Errorf("parents of the command and of its orphan: %v", pids)
	}
}
