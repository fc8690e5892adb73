//go:build realdeps

package agent_test

import (
	"context"
	"crypto/sha512"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"kumoi/internal/agent"
	"kumoi/internal/agent/hypervisor/libvirt"
	"kumoi/internal/agent/vif"
	"kumoi/internal/hostapi"
	"kumoi/internal/hoststack"
	"kumoi/internal/kernel/bus"
	"kumoi/internal/kernel/nstest"
)

func TestMain(m *testing.M) {
	if os.Getenv(agentEnv) != "" {
		if err := runAgent(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	nstest.Main(m)
}

// realHost is a host with everything real: switch, network, hypervisor.
type realHost struct {
	t     *testing.T
	stack *hoststack.Stack
	dir   string
	cloud *cloud
	log   *slog.Logger
	image []byte
}

func newRealHost(t *testing.T) *realHost {
	t.Helper()
	dir, err := os.MkdirTemp("/var/tmp", "kumoi-agent-test-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	cfg := hoststack.Config{
		DataDir: dir, Central: true, Host: true, HostName: "host-a",
		OutsideCIDR: netip.MustParsePrefix("172.24.4.0/24"), Log: log,
	}
	stack, err := hoststack.Up(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stack.Close()
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := hoststack.Purge(ctx, cfg); err != nil {
			t.Errorf("purge: %v", err)
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return &realHost{t: t, stack: stack, dir: filepath.Join(dir, "agent"), cloud: newCloud(t), log: log, image: guestImage(t)}
}

// wiring is what an agent needs to know of a stack.
type wiring struct {
	Dir, OVS, Libvirt, LibDir string
	Env                       []string
	Userspace                 bool
}

func (h *realHost) wiring() wiring {
	return wiring{h.dir, h.stack.OVSRemote(), h.stack.LibvirtSocket(), h.stack.LibvirtDir(), h.stack.OVSEnv(), h.stack.Datapath() == hoststack.DatapathNetdev}
}

func (w wiring) deps(conn bus.Conn, log *slog.Logger) (agent.Deps, error) {
	plugger, err := vif.NewOVS(vif.OVSConfig{Remote: w.OVS, Env: w.Env, Dir: filepath.Join(w.Dir, "networks"), Userspace: w.Userspace, Log: log})
	if err != nil {
		return agent.Deps{}, err
	}
	hv := libvirt.New(libvirt.Config{Socket: w.Libvirt, LibDir: w.LibDir, VirtType: "qemu", Log: log})
	return agent.Deps{Bus: conn, VIF: plugger, Log: log, Hypervisor: hv}, nil
}

// start brings an agent to life in this process.
func (h *realHost) start() *agent.Agent {
	h.t.Helper()
	return h.cloud.start("host-a", h.dir, func() agent.Deps {
		deps, err := h.wiring().deps(h.cloud.connect(), h.log)
		if err != nil {
			h.t.Fatal(err)
		}
		return deps
	})
}

func (h *realHost) run(name string, args ...string) string {
	h.t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), h.stack.OVSEnv()...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		h.t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

func (h *realHost) nbctl(args ...string) string {
	h.t.Helper()
	return h.run("ovn-nbctl", append([]string{"--db=" + h.stack.NBRemote()}, args...)...)
}

// network is an OVN network with DHCP and a metadata port.
type network struct {
	h    *realHost
	id   string
	dhcp string
	port hostapi.MetadataPort
	n    int
	cidr netip.Prefix
}

func (h *realHost) network(cidr string) *network {
	h.t.Helper()
	n := &network{h: h, id: uuid.NewString(), cidr: netip.MustParsePrefix(cidr), n: 10}
	base := n.cidr.Addr().As4()
	gw, md := base, base
	gw[3], md[3] = 1, 2
	n.port = hostapi.MetadataPort{
		PortID: uuid.NewString(), MAC: "fa:16:3e:00:00:02",
		IPs: []netip.Prefix{netip.PrefixFrom(netip.AddrFrom4(md), n.cidr.Bits())},
	}
	h.nbctl("ls-add", n.id, "--", "lsp-add", n.id, n.port.PortID, "--", "lsp-set-type", n.port.PortID, "localport",
		"--", "lsp-set-addresses", n.port.PortID, n.port.MAC+" "+netip.AddrFrom4(md).String())
	n.dhcp = h.nbctl("create", "DHCP_Options", "cidr="+cidr, fmt.Sprintf(
		`options="server_id"="%[1]s" "server_mac"="fa:16:3e:00:00:01" "lease_time"="3600" "router"="%[1]s" "classless_static_route"="{169.254.169.254/32,%[2]s, 0.0.0.0/0,%[1]s}"`,
		netip.AddrFrom4(gw), netip.AddrFrom4(md)))
	return n
}

func (n *network) nic() hostapi.NIC {
	n.h.t.Helper()
	n.n++
	ip := n.cidr.Addr().As4()
	ip[3] = byte(n.n)
	addr := netip.AddrFrom4(ip)
	nic := hostapi.NIC{
		PortID: uuid.NewString(), NetworkID: n.id, Network: "test", MAC: fmt.Sprintf("fa:16:3e:00:00:%02x", n.n), MTU: 1442,
		FixedIPs: []netip.Addr{addr}, Subnets: []hostapi.Subnet{{CIDR: n.cidr, DHCP: true}}, MetadataPort: n.port,
	}
	n.h.nbctl("lsp-add", n.id, nic.PortID, "--", "lsp-set-addresses", nic.PortID, nic.MAC+" "+addr.String(),
		"--", "lsp-set-port-security", nic.PortID, nic.MAC+" "+addr.String(), "--", "lsp-set-dhcpv4-options", nic.PortID, n.dhcp)
	return nic
}

// guestImage is the project's own guest, built by "make guest-image".
func guestImage(t *testing.T) []byte {
	t.Helper()
	path := os.Getenv("KUMOI_GUEST_IMAGE")
	if path == "" {
		path = "../../bin/kumoi-guest.qcow2"
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Skipf("no guest image (make guest-image, or set KUMOI_GUEST_IMAGE): %v", err)
	}
	return data
}

// spec is a server that runs a script as its user data.
func (h *realHost) spec(name, script string, nics ...hostapi.NIC) *hostapi.ServerSpec {
	h.cloud.images["guest"] = h.image
	image := h.image
	sum := sha512.Sum512(image)
	return &hostapi.ServerSpec{
		ID: uuid.NewString(), Generation: 1, Name: name, Hostname: name, ProjectID: strings.Repeat("a", 32), UserID: strings.Repeat("b", 32),
		FlavorName: "small", VCPUs: 1, MemoryMiB: 128,
		Root:  hostapi.RootDisk{ImageID: "guest", SizeGiB: 1, DiskFormat: "qcow2", ImageBytes: int64(len(image)), SHA512: hex.EncodeToString(sum[:])},
		NICs:  nics,
		Power: hostapi.PowerRunning, StopGrace: 20 * time.Second,
		Metadata: hostapi.Metadata{
			AvailabilityZone: "nova", KeyName: "k", PublicKey: "ssh-ed25519 AAAA test", ImageID: uuid.NewString(), CreatedAt: time.Now(),
			UserData: []byte("#!/bin/sh\n" + script + "\n"),
		},
	}
}
