package doctor

import (
	"context"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"kumoi/internal/hoststack"
)

func checkDatapath(ctx context.Context, _ Options) Check {
	if hoststack.KernelDatapath(ctx) {
		return ok("the kernel's Open vSwitch module")
	}
	return ok("userspace: this kernel has no openvswitch module; all works, at about 1 Gbit/s")
}

func checkTun(context.Context, Options) Check {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return fail("Load the module with modprobe tun; in a container, pass the device in.", "/dev/net/tun cannot be opened: %v", err)
	}
	_ = unix.Close(fd)
	return ok("/dev/net/tun opens")
}

// checkNamespaces makes the two kinds of namespace that Kumoi uses, and in there a
// NAT table.
func checkNamespaces(ctx context.Context, _ Options) Check {
	if out, err := exec.CommandContext(ctx, "unshare", "--net", "--mount", "true").CombinedOutput(); err != nil {
		return fail("Run kumoi on the machine itself or in a privileged container.", "namespaces cannot be made: %s", oneLine(out, err))
	}
	cmd := exec.CommandContext(ctx, "unshare", "--net", "nft", "-f", "-")
	cmd.Stdin = strings.NewReader("table ip kumoi { chain p { type nat hook postrouting priority srcnat; masquerade; }; }\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		return warn("Load the modules nf_tables and nft_masq; without them servers do not reach beyond this machine.", "the kernel does not masquerade: %s", oneLine(out, err))
	}
	return ok("network and mount namespaces, and NAT in them, work")
}

func oneLine(out []byte, err error) string {
	line, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	if line == "" {
		return err.Error()
	}
	return line
}

// checkForwarding looks for what keeps servers from reaching beyond the machine.
func checkForwarding(ctx context.Context, opts Options) Check {
	const file = "/proc/sys/net/ipv4/ip_forward"
	raw, err := os.ReadFile(file)
	if err != nil {
		return warn("Mount /proc writable.", "%v", err)
	}
	on := strings.TrimSpace(string(raw)) == "1"
	if !on {
		if err := unix.Access(file, unix.W_OK); err != nil {
			return warn("Turn it on with sysctl -w net.ipv4.ip_forward=1 outside this container.", "IP forwarding is off and cannot be turned on: %v", err)
		}
	}
	rules, _ := exec.CommandContext(ctx, "nft", "list", "ruleset").Output()
	if chain := droppingForward(string(rules)); chain != "" {
		return warn("Allow it with iptables -I FORWARD -i "+opts.OutsideBridge+" -j ACCEPT and iptables -I FORWARD -o "+opts.OutsideBridge+" -j ACCEPT.",
			"the firewall chain %s drops forwarded packets; servers may not reach beyond this machine", chain)
	}
	if !on {
		return ok("IP forwarding is off; kumoi up turns it on, kumoi down back off")
	}
	return ok("IP forwarding is on")
}

// droppingForward names the first chain on the forward hook whose policy is drop.
func droppingForward(ruleset string) string {
	table, chain := "", ""
	for line := range strings.Lines(ruleset) {
		f := strings.Fields(line)
		switch {
		case len(f) >= 3 && f[0] == "table":
			table = f[1] + " " + f[2]
		case len(f) >= 2 && f[0] == "chain":
			chain = f[1]
		case strings.Contains(line, "hook forward") && strings.Contains(line, "policy drop"):
			return table + " " + chain
		}
	}
	return ""
}

// checkOutside looks for a network of the machine that overlaps the floating IPs'.
func checkOutside(_ context.Context, opts Options) Check {
	if !opts.OutsideCIDR.IsValid() {
		return ok("none configured")
	}
	links, err := net.Interfaces()
	if err != nil {
		return warn("", "%v", err)
	}
	for _, l := range links {
		if l.Name == opts.OutsideBridge {
			continue
		}
		addrs, _ := l.Addrs()
		for _, a := range addrs {
			p, err := netip.ParsePrefix(a.String())
			if err == nil && p.Overlaps(opts.OutsideCIDR) {
				return fail("Give kumoi another network with --outside-cidr.", "%s overlaps %s on interface %s", opts.OutsideCIDR, p, l.Name)
			}
		}
	}
	return ok("%s overlaps no network of this machine", opts.OutsideCIDR)
}

// checkLeftovers finds what a Kumoi that was removed without kumoi down has left.
func checkLeftovers(ctx context.Context, opts Options) Check {
	if opts.Running {
		return ok("Kumoi runs")
	}
	var found []string
	if _, err := net.InterfaceByName(opts.OutsideBridge); err == nil {
		found = append(found, "interface "+opts.OutsideBridge)
	}
	namespaces, _ := filepath.Glob("/run/netns/kumoi*")
	for _, ns := range namespaces {
		found = append(found, "network namespace "+filepath.Base(ns))
	}
	links, _ := filepath.Glob("/run/kumoi-*")
	for _, l := range links {
		if _, err := os.Stat(l); err != nil {
			found = append(found, "dangling link "+l)
		}
	}
	if out, _ := exec.CommandContext(ctx, "nft", "list", "tables").Output(); strings.Contains(string(out), " kumoi\n") {
		found = append(found, "nftables table kumoi")
	}
	if len(found) > 0 {
		return warn("If kumoi was stopped while its servers go on, this is as it should be; else run kumoi down.", "%s", strings.Join(found, ", "))
	}
	return ok("nothing is left of an earlier run")
}
