//go:build realdeps

package ovn

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"kumoi/internal/hoststack"
	"kumoi/internal/kernel/ids"
	"kumoi/internal/kernel/nstest"
	"kumoi/internal/network/fabric"
)

func TestMain(m *testing.M) { nstest.Main(m) }

// lab is a real host with a real OVN, and the fabric under test.
type lab struct {
	t     *testing.T // of the subtest that runs
	all   *testing.T // of the whole test: what lives as long as the lab
	stack *hoststack.Stack
	cfg   hoststack.Config
	f     *Fabric

	mu      sync.Mutex
	up      map[string]time.Time
	resyncs int
	changed chan struct{}
}

func openLab(t *testing.T) *lab {
	t.Helper()
	dir, err := os.MkdirTemp("/var/tmp", "kumoi-ovn-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	l := &lab{t: t, all: t, up: map[string]time.Time{}, changed: make(chan struct{}, 1)}
	l.cfg = hoststack.Config{
		DataDir: dir, Central: true, Host: true, HostName: "host-a", OutsideCIDR: netip.MustParsePrefix("172.24.4.0/24"),
		Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if t.Failed() {
			l.tell(ctx)
		}
		if err := hoststack.Purge(ctx, l.cfg); err != nil {
			t.Errorf("purge: %v", err)
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if l.stack, err = hoststack.Up(t.Context(), l.cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.stack.Close)
	if l.f, err = New(Config{NB: l.stack.NBRemote(), SB: l.stack.SBRemote(), Log: l.cfg.Log}); err != nil {
		t.Fatal(err)
	}
	if err := l.f.Start(t.Context(), l.take); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.f.Stop)
	l.wait("the host to join", func() bool {
		hosts, err := l.f.Chassis(t.Context())
		return err == nil && len(hosts) == 1 && hosts[0].Mappings["outside"] != "" && l.resyncs > 0
	})
	return l
}

// tell prints what OVN thinks, for a failure.
func (l *lab) tell(ctx context.Context) {
	for _, args := range [][]string{
		{"ovn-nbctl", "--db=" + l.stack.NBRemote(), "show"},
		{"ovn-sbctl", "--db=" + l.stack.SBRemote(), "show"},
		{"ovs-vsctl", "--db=" + l.stack.OVSRemote(), "show"},
	} {
		out, err := exec.CommandContext(ctx, args[0], args[1:]...).CombinedOutput()
		l.t.Logf("%v (%v):\n%s", args[0], err, out)
	}
	out, _ := exec.CommandContext(ctx, "sh", "-c", "tail -n 30 "+filepath.Join(l.cfg.DataDir, "*", "*.log")).CombinedOutput()
	l.t.Logf("%s", out)
}

func (l *lab) take(e fabric.Event) {
	l.mu.Lock()
	switch e.Kind {
	case fabric.PortUp:
		l.up[e.PortID] = time.Now()
	case fabric.PortDown:
		delete(l.up, e.PortID)
	case fabric.Resync:
		l.resyncs++
	case fabric.ChassisNews:
	}
	l.mu.Unlock()
	select {
	case l.changed <- struct{}{}:
	default:
	}
}

// wait asks again and again, with the events' lock held.
func (l *lab) wait(what string, ok func() bool) {
	l.t.Helper()
	timeout := time.After(30 * time.Second)
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		l.mu.Lock()
		done := ok()
		l.mu.Unlock()
		if done {
			return
		}
		select {
		case <-l.changed:
		case <-again.C:
		case <-timeout:
			l.t.Fatalf("waited in vain for %s", what)
		}
	}
}

func (l *lab) apply(s fabric.Statement) time.Duration {
	l.t.Helper()
	begin := time.Now()
	if err := l.f.Apply(l.t.Context(), s); err != nil {
		l.t.Fatal(err)
	}
	return time.Since(begin)
}

func (l *lab) waitUp(ports ...string) {
	l.t.Helper()
	for _, p := range ports {
		l.wait("port "+p+" to come up", func() bool { return !l.up[p].IsZero() })
	}
}

func (l *lab) run(name string, args ...string) string {
	l.t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		l.t.Fatalf("%s %v: %v: %s", name, args, err, out)
	}
	return string(out)
}

// guest is a network namespace with one interface on the switch.
type guest struct {
	l   *lab
	pid int
	dev string
}

// plug makes a guest whose interface is the port's.
func (l *lab) plug(name string, p fabric.Port) *guest {
	l.t.Helper()
	cmd := exec.Command("unshare", "--net", "sleep", "3600")
	if err := cmd.Start(); err != nil {
		l.t.Fatal(err)
	}
	g := &guest{l: l, pid: cmd.Process.Pid, dev: name}
	l.all.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	own, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		l.t.Fatal(err)
	}
	l.wait("a namespace", func() bool {
		theirs, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/net", g.pid))
		return err == nil && theirs != own
	})
	l.run("ip", "link", "add", "t-"+name, "type", "veth", "peer", "name", "g-"+name)
	l.run("ip", "link", "set", "g-"+name, "netns", fmt.Sprint(g.pid), "name", "eth0")
	l.run("ip", "link", "set", "t-"+name, "up")
	l.run("ethtool", "-K", "t-"+name, "tx", "off")
	g.exec("ip", "link", "set", "lo", "up")
	g.exec("ip", "link", "set", "eth0", "address", p.MAC, "mtu", "1400", "up")
	g.exec("ethtool", "-K", "eth0", "tx", "off")
	l.run("ovs-vsctl", "--db="+l.stack.OVSRemote(), "add-port", hoststack.IntegrationBridge, "t-"+name, "--", "set", "interface", "t-"+name,
		"external_ids:iface-id="+p.ID)
	return g
}

func (g *guest) try(args ...string) (string, error) {
	out, err := exec.Command("nsenter", append([]string{"-t", fmt.Sprint(g.pid), "-n"}, args...)...).CombinedOutput()
	return string(out), err
}

func (g *guest) exec(args ...string) string {
	g.l.t.Helper()
	out, err := g.try(args...)
	if err != nil {
		g.l.t.Fatalf("%s: %v: %v: %s", g.dev, args, err, out)
	}
	return out
}

// lease asks for an address as a guest does.
func (g *guest) lease() string {
	g.l.t.Helper()
	script := filepath.Join(g.l.cfg.DataDir, "lease.sh")
	text := `#!/bin/sh
[ "$1" = bound ] || exit 0
ip addr replace $ip/$mask dev $interface
set -- $staticroutes
while [ $# -gt 1 ]; do ip route replace $1 via $2; shift 2; done
env
`
	if err := os.WriteFile(script, []byte(text), 0o700); err != nil { //nolint:gosec // a script must be executable
		g.l.t.Fatal(err)
	}
	return g.exec("busybox", "udhcpc", "-i", "eth0", "-n", "-q", "-f", "-t", "10", "-T", "1", "-s", script,
		"-O", "staticroutes", "-O", "mtu", "-O", "hostname", "-O", "ntpsrv")
}

// pings tells whether one ping of two is answered.
func (g *guest) pings(ip string) bool {
	for range 2 {
		if _, err := g.try("busybox", "ping", "-c", "1", "-W", "1", ip); err == nil {
			return true
		}
	}
	return false
}

func (l *lab) pings(ip string) bool {
	for range 2 {
		if exec.Command("busybox", "ping", "-c", "1", "-W", "1", ip).Run() == nil {
			return true
		}
	}
	return false
}

func (l *lab) must(ok bool, what string) {
	l.t.Helper()
	if !ok {
		l.t.Errorf("not so: %s", what)
	}
}

// in runs fn in the guest's network namespace.
func (g *guest) in(fn func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		file, err := os.Open(fmt.Sprintf("/proc/%d/ns/net", g.pid))
		if err != nil {
			done <- err
			return
		}
		defer file.Close()
		if err := unix.Setns(int(file.Fd()), unix.CLONE_NEWNET); err != nil {
			done <- err
			return
		}
		done <- fn()
	}()
	return <-done
}

// serve answers every TCP connection with the guest's name and who asked.
func (g *guest) serve(port int) {
	g.l.t.Helper()
	err := g.in(func() error {
		var lc net.ListenConfig
		ln, err := lc.Listen(context.Background(), "tcp4", fmt.Sprintf("0.0.0.0:%d", port))
		if err != nil {
			return err
		}
		g.l.all.Cleanup(func() { _ = ln.Close() })
		go func() {
			for {
				c, err := ln.Accept()
				if err != nil {
					return
				}
				_, _ = fmt.Fprintf(c, "%s %s", g.dev, c.RemoteAddr())
				_ = c.Close()
			}
		}()
		return nil
	})
	if err != nil {
		g.l.t.Fatal(err)
	}
}

func ask(address string) (string, error) {
	c, err := net.DialTimeout("tcp4", address, 1500*time.Millisecond)
	if err != nil {
		return "", err
	}
	defer c.Close()
	buf := make([]byte, 100)
	_ = c.SetDeadline(time.Now().Add(2 * time.Second))
	n, err := c.Read(buf)
	return string(buf[:n]), err
}

func (g *guest) ask(address string) (answer string, err error) {
	err = g.in(func() (err error) {
		answer, err = ask(address)
		return err
	})
	return answer, err
}

// cloud is what the test states: two networks behind a router to the outside.
type cloud struct {
	fabric.Statement
	groupA                                  *fabric.Group
	red1, red2, blue, lone, meta            *fabric.Port
	redIf, blueIf, gwIf                     *fabric.Port
	red, blueNet, loneNet, outside          *fabric.Network
	router                                  *fabric.Router
	redSub, blueSub, loneSub, outsideSubnet string
}

func newCloud() *cloud {
	ip, cidr := netip.MustParseAddr, netip.MustParsePrefix
	c := &cloud{}
	network := func(name, gateway, metadata string, range_ netip.Prefix) fabric.Network {
		return fabric.Network{
			ID: ids.New(), Name: name, AdminUp: true, MTU: 1400,
			Subnets: []fabric.Subnet{{
				ID: ids.New(), CIDR: range_, Gateway: ip(gateway), DHCP: true, Metadata: ip(metadata), MTU: 1400,
				DNS: []netip.Addr{ip("192.0.2.53")}, Domain: "kumoi.internal",
			}},
		}
	}
	c.Networks = []fabric.Network{
		network("red", "10.0.1.1", "10.0.1.2", cidr("10.0.1.0/24")),
		network("blue", "10.0.2.1", "10.0.2.2", cidr("10.0.2.0/24")),
		network("lone", "10.0.1.1", "10.0.1.2", cidr("10.0.1.0/24")), // the same addresses on another network
		{
			ID: ids.New(), Name: "outside", AdminUp: true, MTU: 1500, Physical: "outside", External: true,
			Subnets: []fabric.Subnet{{ID: ids.New(), CIDR: cidr("172.24.4.0/24"), Gateway: ip("172.24.4.1")}},
		},
	}
	c.red, c.blueNet, c.loneNet, c.outside = &c.Networks[0], &c.Networks[1], &c.Networks[2], &c.Networks[3]
	c.redSub, c.blueSub, c.loneSub, c.outsideSubnet = c.red.Subnets[0].ID, c.blueNet.Subnets[0].ID, c.loneNet.Subnets[0].ID, c.outside.Subnets[0].ID
	group := ids.New()
	c.Groups = []fabric.Group{{
		ID: group, Name: "a", Stateful: true, Rules: []fabric.Rule{
			{ID: "out"}, {ID: "out6", IPv6: true}, {ID: "ping", Ingress: true, Protocol: "icmp"},
		},
	}}
	c.groupA = &c.Groups[0]
	n := 0
	port := func(network *fabric.Network, address string, role fabric.Role) fabric.Port {
		n++
		p := fabric.Port{
			ID: ids.New(), NetworkID: network.ID, MAC: fmt.Sprintf("fa:16:3e:00:01:%02x", n), AdminUp: true, Role: role,
			IPs: []fabric.Address{{IP: ip(address), SubnetID: network.Subnets[0].ID}},
		}
		if role == fabric.RoleGuest {
			p.PortSecurity, p.Groups, p.Host, p.DeviceOwner, p.DNSName = true, []string{group}, "host-a", "compute:nova", fmt.Sprintf("guest-%d", n)
			p.DNSDomain = "kumoi.internal."
		}
		return p
	}
	c.Ports = []fabric.Port{
		port(c.red, "10.0.1.10", fabric.RoleGuest), port(c.red, "10.0.1.11", fabric.RoleGuest),
		port(c.blueNet, "10.0.2.10", fabric.RoleGuest), port(c.loneNet, "10.0.1.12", fabric.RoleGuest),
		port(c.red, "10.0.1.2", fabric.RoleMetadata),
		port(c.red, "10.0.1.1", fabric.RoleRouter), port(c.blueNet, "10.0.2.1", fabric.RoleRouter), port(c.outside, "172.24.4.10", fabric.RoleRouter),
	}
	c.red1, c.red2, c.blue, c.lone, c.meta = &c.Ports[0], &c.Ports[1], &c.Ports[2], &c.Ports[3], &c.Ports[4]
	c.redIf, c.blueIf, c.gwIf = &c.Ports[5], &c.Ports[6], &c.Ports[7]
	c.red2.DHCPOptions = []fabric.DHCPOption{{Name: "ntp-server", Value: "192.0.2.123", IPVersion: 4}}
	c.gwIf.Gateway = true
	c.Routers = []fabric.Router{{
		ID: ids.New(), Name: "edge", AdminUp: true,
		Interfaces: []fabric.Interface{
			{PortID: c.redIf.ID, NetworkID: c.red.ID, MAC: c.redIf.MAC, MTU: 1400, Addresses: []netip.Prefix{cidr("10.0.1.1/24")}},
			{PortID: c.blueIf.ID, NetworkID: c.blueNet.ID, MAC: c.blueIf.MAC, MTU: 1400, Addresses: []netip.Prefix{cidr("10.0.2.1/24")}},
			{
				PortID: c.gwIf.ID, NetworkID: c.outside.ID, MAC: c.gwIf.MAC, MTU: 1500, External: true, Physical: "outside",
				Addresses: []netip.Prefix{cidr("172.24.4.10/24")}, Gateways: []netip.Addr{ip("172.24.4.1")},
			},
		},
		NATs: []fabric.NAT{
			{External: ip("172.24.4.10"), Internal: cidr("10.0.1.0/24")},
			{External: ip("172.24.4.10"), Internal: cidr("10.0.2.0/24")},
			{ID: ids.New(), External: ip("172.24.4.20"), Internal: cidr("10.0.1.10/32"), PortID: c.red1.ID},
		},
	}}
	c.router = &c.Routers[0]
	return c
}

func TestRealOVN(t *testing.T) {
	l := openLab(t)
	c := newCloud()
	c.Full = true
	t.Logf("first statement: %s", l.apply(c.Statement))
	t.Logf("the same again: %s", l.apply(c.Statement))
	red1, red2 := l.plug("red1", *c.red1), l.plug("red2", *c.red2)
	blue, lone := l.plug("blue", *c.blue), l.plug("lone", *c.lone)
	l.waitUp(c.red1.ID, c.red2.ID, c.blue.ID, c.lone.ID)

	t.Run("leases", func(t *testing.T) {
		l.as(t)
		begin := time.Now()
		env := red1.lease()
		t.Logf("lease in %s", time.Since(begin))
		for _, want := range []string{"ip=10.0.1.10", "mtu=1400", "router=10.0.1.1", "dns=192.0.2.53", "domain=kumoi.internal", "hostname=guest-1"} {
			if !strings.Contains(env, want) {
				t.Errorf("no %s in the lease:\n%s", want, env)
			}
		}
		if env := red2.lease(); !strings.Contains(env, "ip=10.0.1.11") || !strings.Contains(env, "ntpsrv=192.0.2.123") {
			t.Errorf("the port's own option is missing:\n%s", env)
		}
		blue.lease()
		lone.lease()
		if routes := red1.exec("ip", "route"); !strings.Contains(routes, "169.254.169.254 via 10.0.1.2") || !strings.Contains(routes, "default via 10.0.1.1") {
			t.Errorf("routes:\n%s", routes)
		}
	})
	t.Run("switching and routing", func(t *testing.T) {
		l := l.as(t)
		begin := time.Now()
		l.must(red1.pings("10.0.1.11"), "a neighbour on the same network answers")
		t.Logf("first ping in %s", time.Since(begin))
		l.must(!lone.pings("10.0.1.10"), "a guest on another network is not reached")
		l.must(!red1.pings("10.0.1.12"), "nor the other way round")
		begin = time.Now()
		l.must(red1.pings("10.0.2.10"), "a guest behind the router answers")
		t.Logf("first ping through the router in %s", time.Since(begin))
	})
	t.Run("names", func(t *testing.T) {
		l.as(t)
		for name, want := range map[string]string{"guest-2": "10.0.1.11", "guest-2.kumoi.internal": "10.0.1.11"} {
			out, err := red1.try("busybox", "nslookup", "-type=a", name, "192.0.2.53")
			if err != nil || !strings.Contains(out, want) {
				t.Errorf("%s: %v\n%s", name, err, out)
			}
		}
	})
	t.Run("security groups change without a reconnect", func(t *testing.T) {
		l := l.as(t)
		red1.serve(22)
		_, err := red2.ask("10.0.1.10:22")
		l.must(err != nil, "no group allows ssh yet")
		ssh := 22
		c.groupA.Rules = append(c.groupA.Rules, fabric.Rule{ID: "ssh", Ingress: true, Protocol: "tcp", PortMin: &ssh, PortMax: &ssh, RemoteGroup: c.groupA.ID})
		took := l.apply(fabric.Statement{Groups: c.Groups})
		begin := time.Now()
		l.wait("ssh to be let in", func() bool { _, err := red2.ask("10.0.1.10:22"); return err == nil })
		t.Logf("stated in %s, in force after %s", took, time.Since(begin))
		_, err = ask("172.24.4.20:22")
		l.must(err != nil, "ssh from elsewhere stays closed")
		c.groupA.Rules[len(c.groupA.Rules)-1].RemoteGroup = ""
		l.apply(fabric.Statement{Groups: c.Groups})
		l.wait("ssh from everywhere", func() bool { _, err := ask("172.24.4.20:22"); return err == nil })
	})
	t.Run("bandwidth limits hold", func(t *testing.T) {
		l := l.as(t)
		// 200 packets of 1,400 bytes in two seconds: about 1,100 kbit/s.
		received := func() int {
			out, _ := red1.try("busybox", "ping", "-q", "-s", "1372", "-i", "0.01", "-c", "200", "-W", "1", "10.0.1.11")
			n := 0
			if i := strings.Index(out, "packets transmitted, "); i >= 0 {
				fmt.Sscanf(out[i:], "packets transmitted, %d", &n)
			}
			return n
		}
		if n := received(); n < 190 {
			t.Fatalf("without a limit, %d of 200 packets arrive", n)
		}
		c.red1.QoS = &fabric.QoS{Egress: fabric.Bandwidth{Kbps: 200, BurstKbit: 100}}
		l.apply(fabric.Statement{Ports: []fabric.Port{*c.red1}})
		l.wait("the limit", func() bool { return received() < 100 })
		c.red1.QoS = nil
		l.apply(fabric.Statement{Ports: []fabric.Port{*c.red1}})
		l.wait("the limit to end", func() bool { return received() > 190 })
	})
	t.Run("a trunk's ports come up with their parent", func(t *testing.T) {
		l := l.as(t)
		sub := *c.red2
		sub.ID, sub.MAC, sub.DNSName, sub.IPs = ids.New(), "fa:16:3e:00:03:01", "", nil
		sub.Parent, sub.Tag, sub.Host = c.red1.ID, 101, c.red1.Host
		l.apply(fabric.Statement{Ports: []fabric.Port{sub}})
		l.waitUp(sub.ID)
		l.apply(fabric.Statement{Gone: []fabric.Key{{Kind: fabric.KindPort, ID: sub.ID}}})
	})
	t.Run("spoofed addresses are dropped", func(t *testing.T) {
		l := l.as(t)
		red2.exec("ip", "addr", "add", "10.0.1.99/24", "dev", "eth0")
		_, err := red2.try("busybox", "ping", "-I", "10.0.1.99", "-c", "2", "-i", "0.2", "-W", "1", "10.0.1.10")
		l.must(err != nil, "a foreign address gets no answer")
		red2.exec("ip", "addr", "del", "10.0.1.99/24", "dev", "eth0")
	})
	t.Run("outside", func(t *testing.T) {
		l := l.as(t)
		ln, err := net.Listen("tcp4", "172.24.4.1:8080")
		if err != nil {
			t.Fatal(err)
		}
		defer ln.Close()
		from := make(chan string, 10)
		go func() {
			for {
				conn, err := ln.Accept()
				if err != nil {
					return
				}
				from <- conn.RemoteAddr().String()
				_, _ = conn.Write([]byte("hello"))
				_ = conn.Close()
			}
		}()
		for g, want := range map[*guest]string{red1: "172.24.4.20:", red2: "172.24.4.10:", blue: "172.24.4.10:"} {
			if _, err := g.ask("172.24.4.1:8080"); err != nil {
				t.Errorf("%s does not reach the outside: %v", g.dev, err)
				continue
			}
			if who := <-from; !strings.HasPrefix(who, want) {
				t.Errorf("%s came as %s, want %s", g.dev, who, want)
			}
		}
		l.must(l.pings("172.24.4.20"), "the floating IP answers the machine")
		l.must(red2.pings("172.24.4.20"), "and a guest of the same network")
		l.must(blue.pings("172.24.4.20"), "and a guest behind the same router")
		answer, err := ask("172.24.4.20:22")
		l.must(err == nil && strings.HasPrefix(answer, "red1 172.24.4.1:"), fmt.Sprintf("the guest sees who asks, got %q %v", answer, err))
	})
	t.Run("metadata", func(t *testing.T) {
		l := l.as(t)
		md := l.plug("meta", *c.meta)
		md.exec("ip", "addr", "add", "10.0.1.2/24", "dev", "eth0")
		md.exec("ip", "addr", "add", "169.254.169.254/32", "dev", "eth0")
		md.serve(80)
		l.wait("the metadata to answer", func() bool {
			answer, err := red1.ask("169.254.169.254:80")
			return err == nil && strings.HasPrefix(answer, "meta 10.0.1.10:")
		})
		c.groupA.Rules = slices.DeleteFunc(c.groupA.Rules, func(r fabric.Rule) bool { return !r.Ingress })
		l.apply(fabric.Statement{Groups: c.Groups})
		l.wait("the way out to close", func() bool { return !red2.pings("10.0.1.10") })
		answer, err := red2.ask("169.254.169.254:80")
		l.must(err == nil && strings.HasPrefix(answer, "meta 10.0.1.11:"), fmt.Sprintf("metadata answers although no group allows the way out: %q %v", answer, err))
		red2.lease()
		c.groupA.Rules = append(c.groupA.Rules, fabric.Rule{ID: "out"})
		l.apply(fabric.Statement{Groups: c.Groups})
		l.wait("the way out to open", func() bool { return red2.pings("10.0.1.10") })
	})
	t.Run("forwarded ports", func(t *testing.T) {
		l := l.as(t)
		red1.serve(8022)
		eightyTwo := 8022
		c.groupA.Rules = append(c.groupA.Rules, fabric.Rule{ID: "8022", Ingress: true, Protocol: "tcp", PortMin: &eightyTwo, PortMax: &eightyTwo})
		c.router.Forwardings = []fabric.Forwarding{{
			FloatingIPID: ids.New(), Protocol: "tcp", External: netip.MustParseAddrPort("172.24.4.21:2222"), Internal: netip.MustParseAddrPort("10.0.1.10:8022"),
		}}
		l.apply(fabric.Statement{Groups: c.Groups, Routers: c.Routers})
		l.wait("the forwarded port", func() bool {
			answer, err := ask("172.24.4.21:2222")
			return err == nil && strings.HasPrefix(answer, "red1 ")
		})
	})
	t.Run("another network's down", func(t *testing.T) {
		l := l.as(t)
		c.blueNet.AdminUp = false
		l.apply(fabric.Statement{Networks: c.Networks[1:2]})
		l.wait("the network to fall silent", func() bool { return !red1.pings("10.0.2.10") })
		c.blueNet.AdminUp = true
		l.apply(fabric.Statement{Networks: c.Networks[1:2]})
		l.wait("the network to speak again", func() bool { return red1.pings("10.0.2.10") })
	})
	t.Run("IPv6", func(t *testing.T) { l.as(t).sixth(c) })
	t.Run("latency", func(t *testing.T) { l.as(t).latency(c) })
	t.Run("the northbound database is lost", func(t *testing.T) { l.as(t).lose(c, red1, red2) })
	t.Run("an unbound port goes down", func(t *testing.T) {
		l := l.as(t)
		c.Ports[1].Host = ""
		l.apply(fabric.Statement{Ports: c.Ports[1:2]})
		l.wait("the port to go down", func() bool { return l.up[c.red2.ID].IsZero() })
	})
}

// as reports to a subtest.
func (l *lab) as(t *testing.T) *lab {
	l.t = t
	return l
}

// sixth gives a network a second IPv6 subnet: the router advertises, the guest
// makes its own address, and reaches a guest on the other network.
func (l *lab) sixth(c *cloud) {
	sub := fabric.Subnet{
		ID: ids.New(), CIDR: netip.MustParsePrefix("fd00:1::/64"), Gateway: netip.MustParseAddr("fd00:1::1"), DHCP: true, IPv6: "dhcpv6-stateless",
		DNS: []netip.Addr{netip.MustParseAddr("fd00:1::53")},
	}
	c.red.Subnets = append(c.red.Subnets, sub)
	p := *c.red1
	p.ID, p.MAC = ids.New(), "fa:16:3e:00:06:01"
	p.IPs = []fabric.Address{{IP: netip.MustParseAddr("fd00:1::f816:3eff:fe00:601"), SubnetID: sub.ID}}
	in := fabric.Interface{
		PortID: ids.New(), NetworkID: c.red.ID, MAC: "fa:16:3e:00:06:00", MTU: 1400, RA: "dhcpv6-stateless",
		Addresses: []netip.Prefix{netip.MustParsePrefix("fd00:1::1/64")},
	}
	side := fabric.Port{ID: in.PortID, NetworkID: c.red.ID, MAC: in.MAC, AdminUp: true, Role: fabric.RoleRouter}
	c.groupA.Rules = append(c.groupA.Rules, fabric.Rule{ID: "out6", IPv6: true}, fabric.Rule{ID: "ping6", IPv6: true, Ingress: true, Protocol: "ipv6-icmp"})
	c.router.Interfaces = append(c.router.Interfaces, in)
	c.Ports = append(c.Ports, p, side)
	l.apply(c.Statement)
	g := l.plug("six", p)
	l.waitUp(p.ID)
	l.wait("the guest to make its address", func() bool {
		out, _ := g.try("ip", "-6", "addr", "show", "dev", "eth0", "-tentative", "scope", "global")
		return strings.Contains(out, "fd00:1::f816:3eff:fe00:601")
	})
	if out := g.exec("ip", "-6", "route"); !strings.Contains(out, "default via fe80::") {
		l.t.Errorf("routes:\n%s", out)
	}
	l.wait("the router to answer", func() bool { return g.pings("fd00:1::1") })
}

// latency measures from the statement of a port whose interface is there
// already, and from the interface of a port that was stated.
func (l *lab) latency(c *cloud) {
	var applied, first, second []time.Duration
	for i := range 10 {
		p := *c.red1
		p.ID, p.MAC = ids.New(), fmt.Sprintf("fa:16:3e:00:02:%02x", i)
		p.IPs = []fabric.Address{{IP: netip.AddrFrom4([4]byte{10, 0, 1, byte(100 + i)}), SubnetID: c.redSub}}
		stated := fabric.Statement{Ports: []fabric.Port{p}}
		if i%2 == 0 {
			l.plug(fmt.Sprintf("lat%d", i), p)
			begin := time.Now()
			applied = append(applied, l.apply(stated))
			l.waitUp(p.ID)
			first = append(first, l.up[p.ID].Sub(begin))
			continue
		}
		applied = append(applied, l.apply(stated))
		begin := time.Now()
		l.plug(fmt.Sprintf("lat%d", i), p)
		l.waitUp(p.ID)
		second = append(second, l.up[p.ID].Sub(begin))
	}
	for name, d := range map[string][]time.Duration{"Apply of one port": applied, "Apply to PortUp": first, "plugging (with ip and ovs-vsctl) to PortUp": second} {
		slices.Sort(d)
		l.t.Logf("%s: median %s, longest %s", name, d[len(d)/2].Round(time.Microsecond), d[len(d)-1].Round(time.Microsecond))
	}
}

// lose deletes the northbound database while a guest pings another.
func (l *lab) lose(c *cloud, from, to *guest) {
	before := l.resyncs
	ping := exec.Command("nsenter", "-t", fmt.Sprint(from.pid), "-n", "busybox", "ping", "-i", "0.1", "-c", "150", "-w", "60", "10.0.1.11")
	var out strings.Builder
	ping.Stdout = &out
	if err := ping.Start(); err != nil {
		l.t.Fatal(err)
	}
	pid := 0
	for _, component := range l.stack.Health(l.t.Context()) {
		if component.Name == "ovn-nb" {
			pid = component.PID
		}
	}
	file := filepath.Join(l.cfg.DataDir, "ovn", "nb.db")
	if err := os.Remove(file); err != nil {
		l.t.Fatal(err)
	}
	if err := unix.Kill(pid, unix.SIGKILL); err != nil {
		l.t.Fatal(err)
	}
	begin := time.Now()
	l.wait("Resync", func() bool { return l.resyncs > before })
	l.t.Logf("Resync after %s", time.Since(begin))
	c.Full = true
	l.t.Logf("full statement: %s", l.apply(c.Statement))
	l.waitUp(c.red1.ID, c.red2.ID)
	l.t.Logf("ports are up after %s", time.Since(begin))
	_ = ping.Wait()
	l.t.Log(out.String()[strings.Index(out.String(), "--- "):])
	l.must(from.pings("10.0.1.11"), "the guests still reach each other")
	l.must(l.pings("172.24.4.20"), "and the floating IP still answers")
}
