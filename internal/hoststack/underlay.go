package hoststack

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"time"

	"github.com/vishvananda/netlink"

	"kumoi/internal/kernel/errs"
)

// moved is what an underlay interface had before it became a port of a bridge. The
// userspace datapath encapsulates tunnels only when their local address sits on one
// of its own bridges, so address and routes move there, and back on Down.
type moved struct {
	Interface string   `json:"interface"`
	Addresses []string `json:"addresses"`
	Routes    []route  `json:"routes"`
}

type route struct {
	Destination string `json:"destination,omitempty"` // empty is the default route
	Gateway     string `json:"gateway"`
	Metric      int    `json:"metric,omitempty"`
}

// ensureUnderlay moves the underlay's addresses onto a bridge, if that is needed,
// and puts them back there after vswitchd has made the bridge anew.
func (s *Stack) ensureUnderlay(ctx context.Context) error {
	name := s.cfg.UnderlayInterface
	if name == "" || s.datapath != DatapathNetdev {
		return nil
	}
	m, err := s.recordUnderlay(name)
	if err != nil {
		return err
	}
	link, err := netlink.LinkByName(name)
	if err != nil {
		return fmt.Errorf("underlay interface %s: %w", name, err)
	}
	attrs := link.Attrs()
	if _, err := s.vsctl(ctx, "--may-exist", "add-br", underlayBridge,
		"--", "set", "Bridge", underlayBridge, "datapath_type=netdev", "external_ids:kumoi=true",
		"other_config:hwaddr="+strconv.Quote(attrs.HardwareAddr.String()),
		"--", "set", "Interface", underlayBridge, "mtu_request="+strconv.Itoa(attrs.MTU),
		"--", "--may-exist", "add-port", underlayBridge, name); err != nil {
		return err
	}
	wait, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	if !poll(wait, 5*time.Millisecond, func() bool { return linkExists(underlayBridge) }) {
		return errs.New(errs.Unavailable, "Open vSwitch did not make the bridge %s.", underlayBridge)
	}
	if _, err := run(ctx, nil, "ethtool", "-K", underlayBridge, "tx", "off"); err != nil {
		return err
	}
	if err := setUp(name); err != nil {
		return err
	}
	return m.moveTo(underlayBridge, name)
}

// recordUnderlay returns what the interface had when Kumoi first saw it.
func (s *Stack) recordUnderlay(name string) (*moved, error) {
	s.stateMu.Lock()
	st, err := s.paths.readState()
	s.stateMu.Unlock()
	if err != nil {
		return nil, err
	}
	if st.Underlay != nil && st.Underlay.Interface == name {
		return st.Underlay, nil
	}
	m, err := inspect(name)
	if err != nil {
		return nil, err
	}
	carries := false
	for _, a := range m.Addresses {
		if p, err := netip.ParsePrefix(a); err == nil && p.Addr() == s.cfg.EncapIP {
			carries = true
		}
	}
	if !carries {
		return nil, errs.New(errs.Invalid, "The underlay interface %s does not carry the tunnel address %s.", name, s.cfg.EncapIP)
	}
	return m, s.remember(func(st *state) { st.Underlay = m })
}

func inspect(name string) (*moved, error) {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return nil, errs.Wrap(errs.Invalid, err, "There is no underlay interface %s.", name)
	}
	addrs, err := netlink.AddrList(link, netlink.FAMILY_ALL)
	if err != nil {
		return nil, err
	}
	m := &moved{Interface: name}
	for _, a := range addrs {
		if !a.IP.IsLinkLocalUnicast() {
			m.Addresses = append(m.Addresses, a.IPNet.String())
		}
	}
	routes, err := netlink.RouteList(link, netlink.FAMILY_ALL)
	if err != nil {
		return nil, err
	}
	for _, r := range routes {
		if r.Gw == nil {
			continue // comes back by itself with the address
		}
		dst := ""
		if r.Dst != nil && r.Dst.String() != "0.0.0.0/0" && r.Dst.String() != "::/0" {
			dst = r.Dst.String()
		}
		m.Routes = append(m.Routes, route{Destination: dst, Gateway: r.Gw.String(), Metric: r.Priority})
	}
	return m, nil
}

// moveTo puts addresses and routes on one interface and takes them off another.
func (m *moved) moveTo(to, from string) error {
	link, err := netlink.LinkByName(to)
	if err != nil {
		return err
	}
	if old, err := netlink.LinkByName(from); err == nil {
		for _, text := range m.Addresses {
			if a, err := netlink.ParseAddr(text); err == nil {
				_ = netlink.AddrDel(old, a) // it may be gone already
			}
		}
	}
	for _, text := range m.Addresses {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return err
		}
		if err := setAddress(to, p); err != nil {
			return err
		}
	}
	for _, r := range m.Routes {
		nl := &netlink.Route{LinkIndex: link.Attrs().Index, Gw: net.ParseIP(r.Gateway), Priority: r.Metric}
		if r.Destination != "" {
			if _, nl.Dst, err = net.ParseCIDR(r.Destination); err != nil {
				return err
			}
		}
		if err := netlink.RouteReplace(nl); err != nil {
			return fmt.Errorf("route by %s on %s: %w", r.Gateway, to, err)
		}
	}
	return nil
}
