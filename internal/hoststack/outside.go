package hoststack

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/vishvananda/netlink"

	"kumoi/internal/kernel/errs"
)

// nftTable is ours alone: it is replaced as a whole and removed by Down.
const nftTable = "kumoi"

func linkExists(name string) bool {
	_, err := netlink.LinkByName(name)
	return err == nil
}

// checkForeignBridges refuses to fight over an interface that something else, such
// as a second Kumoi on this machine, has already made under our bridge's name.
func (s *Stack) checkForeignBridges(ctx context.Context) error {
	if s.system[vswitchd] {
		return nil
	}
	for _, d := range s.daemons {
		if d.name == vswitchd {
			if _, ok := d.running(); ok {
				return nil
			}
		}
	}
	for _, name := range []string{s.cfg.OutsideBridge, IntegrationBridge} {
		// A vswitchd that was just killed may take a moment to let go.
		wait, cancel := context.WithTimeout(ctx, 2*time.Second)
		free := poll(wait, 10*time.Millisecond, func() bool { return !foreign(name) })
		cancel()
		if !free {
			return errs.New(errs.Conflict, "The interface %s already exists and is not this Kumoi's; stop whatever made it, or run this one in a network namespace of its own.", name)
		}
	}
	return nil
}

// ensureNetwork brings up what depends on vswitchd's interfaces: the tunnels' own
// address where the userspace datapath needs it, and the way outside. A failing way
// outside is reported by Health and tried again; guests can live without it.
func (s *Stack) ensureNetwork(ctx context.Context) error {
	if err := s.waitBridges(ctx); err != nil {
		return err
	}
	if err := s.ensureUnderlay(ctx); err != nil {
		return err
	}
	err := s.ensureOutside(ctx)
	if err != nil {
		s.log.Warn("guests may not reach beyond this machine", "error", err)
	}
	s.outsideMu.Lock()
	s.outsideErr = err
	s.outsideMu.Unlock()
	return nil
}

// ensureOutside gives the machine its own address on the outside network, so that
// floating IPs answer here, and lets guests out through the machine's other
// interfaces under the machine's address.
func (s *Stack) ensureOutside(ctx context.Context) error {
	bridge := s.cfg.OutsideBridge
	if s.datapath == DatapathNetdev {
		// Packets enter the userspace switch with whatever checksum the
		// machine's stack put there; nobody completes it later.
		if _, err := run(ctx, nil, "ethtool", "-K", bridge, "tx", "off"); err != nil {
			return err
		}
	}
	if !s.cfg.OutsideCIDR.IsValid() {
		return setUp(bridge)
	}
	if err := setAddress(bridge, s.outsideAddress()); err != nil {
		return err
	}
	if err := s.enableForwarding(); err != nil {
		return err
	}
	_, err := runInput(ctx, nil, s.nftRules(), "nft", "-f", "-")
	return err
}

// outsideAddress is the first address of the outside network, with its length.
func (s *Stack) outsideAddress() netip.Prefix {
	p := s.cfg.OutsideCIDR
	return netip.PrefixFrom(p.Masked().Addr().Next(), p.Bits())
}

func (s *Stack) nftRules() string {
	family := "ip"
	if s.cfg.OutsideCIDR.Addr().Is6() {
		family = "ip6"
	}
	return strings.NewReplacer(
		"FAMILY", family, "TABLE", nftTable, "CIDR", s.cfg.OutsideCIDR.Masked().String(), "BRIDGE", s.cfg.OutsideBridge,
	).Replace(`add table FAMILY TABLE
delete table FAMILY TABLE
table FAMILY TABLE {
	chain postrouting {
		type nat hook postrouting priority srcnat; policy accept;
		FAMILY saddr CIDR oifname != { "BRIDGE", "lo" } masquerade
	}
}
`)
}

func forwardingFile(p netip.Prefix) string {
	if p.Addr().Is6() {
		return "/proc/sys/net/ipv6/conf/all/forwarding"
	}
	return "/proc/sys/net/ipv4/ip_forward"
}

// enableForwarding turns forwarding on and remembers what it was.
func (s *Stack) enableForwarding() error {
	file := forwardingFile(s.cfg.OutsideCIDR)
	was, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if strings.TrimSpace(string(was)) != "0" {
		return nil
	}
	if err := s.remember(func(st *state) { st.ForwardingOff = file }); err != nil {
		return err
	}
	if err := os.WriteFile(file, []byte("1\n"), 0o644); err != nil {
		return fmt.Errorf("turn on IP forwarding: %w", err)
	}
	return nil
}

func setUp(name string) error {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return err
	}
	return netlink.LinkSetUp(link)
}

// setAddress puts the address on the interface, unless it is there, and turns it on.
func setAddress(name string, prefix netip.Prefix) error {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return err
	}
	addr := &netlink.Addr{IPNet: &net.IPNet{
		IP:   prefix.Addr().AsSlice(),
		Mask: net.CIDRMask(prefix.Bits(), prefix.Addr().BitLen()),
	}}
	if err := netlink.AddrReplace(link, addr); err != nil {
		return fmt.Errorf("put %s on %s: %w", prefix, name, err)
	}
	return netlink.LinkSetUp(link)
}

// outsideIntact tells whether the bridge is up and has its address.
func (s *Stack) outsideIntact() bool {
	link, err := netlink.LinkByName(s.cfg.OutsideBridge)
	if err != nil || link.Attrs().Flags&net.FlagUp == 0 {
		return false
	}
	if !s.cfg.OutsideCIDR.IsValid() {
		return true
	}
	addrs, err := netlink.AddrList(link, netlink.FAMILY_ALL)
	if err != nil {
		return false
	}
	want := s.outsideAddress()
	for _, a := range addrs {
		if ip, ok := netip.AddrFromSlice(a.IP); ok && ip.Unmap() == want.Addr() {
			return true
		}
	}
	return false
}

// removeOutside takes back what ensureOutside did beyond the bridge itself.
func removeOutside(ctx context.Context, st state) error {
	var failures []error
	for _, family := range []string{"ip", "ip6"} {
		table := family + " " + nftTable
		if _, err := runInput(ctx, nil, "add table "+table+"\ndelete table "+table+"\n", "nft", "-f", "-"); err != nil {
			failures = append(failures, err)
		}
	}
	if st.ForwardingOff != "" {
		if err := os.WriteFile(st.ForwardingOff, []byte("0\n"), 0o644); err != nil {
			failures = append(failures, err)
		}
	}
	return errors.Join(failures...)
}
