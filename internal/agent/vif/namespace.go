package vif

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"unsafe"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

const (
	namespaceDir = "/run/netns" // where "ip netns" looks
	innerLink    = "metadata"   // the interface inside
)

func namespaceExists(name string) bool {
	_, err := os.Stat(filepath.Join(namespaceDir, name))
	return err == nil
}

// ensureNamespace makes the namespace and its cable to the switch, as far as
// they are missing.
func ensureNamespace(name, link string, network Network, userspace bool) error {
	ns, err := openNamespace(name)
	if err != nil {
		return err
	}
	defer ns.Close() //nolint:errcheck // the namespace has a name
	inside, err := netlink.NewHandleAt(ns)
	if err != nil {
		return fmt.Errorf("enter namespace %s: %w", name, err)
	}
	defer inside.Close()
	inner, err := inside.LinkByName(innerLink)
	if err != nil {
		if inner, err = makeCable(ns, inside, link, network); err != nil {
			return err
		}
	}
	if err := configure(inside, inner, network); err != nil {
		return fmt.Errorf("configure namespace %s: %w", name, err)
	}
	outer, err := netlink.LinkByName(link)
	if err == nil {
		err = netlink.LinkSetUp(outer)
	}
	if err != nil {
		return fmt.Errorf("cable of namespace %s: %w", name, err)
	}
	if userspace {
		return within(ns, func() error { return checksumsOn(innerLink) })
	}
	return nil
}

// openNamespace opens the named namespace, making it if need be. A name whose
// namespace is gone, as after a crash halfway, is made anew.
func openNamespace(name string) (netns.NsHandle, error) {
	path := filepath.Join(namespaceDir, name)
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err == nil && st.Type == unix.NSFS_MAGIC {
		return netns.GetFromPath(path)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, fmt.Errorf("namespace %s: %w", name, err)
	}
	made := make(chan error, 1)
	go func() {
		// The thread lives in the new namespace from now on, so it is never
		// given back: it ends with this goroutine.
		runtime.LockOSThread()
		ns, err := netns.NewNamed(name)
		if err == nil {
			err = ns.Close()
		}
		made <- err
	}()
	if err := <-made; err != nil {
		return 0, fmt.Errorf("make namespace %s: %w", name, err)
	}
	return netns.GetFromPath(path)
}

// makeCable connects the namespace with the host by a pair of interfaces. It
// survives a restart of the switch, which an interface of the switch's own
// would not.
func makeCable(ns netns.NsHandle, inside *netlink.Handle, link string, network Network) (netlink.Link, error) {
	if old, err := netlink.LinkByName(link); err == nil { // its other end is lost
		if err := netlink.LinkDel(old); err != nil {
			return nil, fmt.Errorf("replace %s: %w", link, err)
		}
	}
	mac, err := net.ParseMAC(network.Port.MAC)
	if err != nil {
		return nil, fmt.Errorf("metadata port's MAC: %w", err)
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.MTU = link, network.MTU
	veth := &netlink.Veth{LinkAttrs: attrs, PeerName: innerLink, PeerHardwareAddr: mac, PeerNamespace: netlink.NsFd(ns)}
	if network.MTU > 0 {
		veth.PeerMTU = uint32(network.MTU)
	}
	if err := netlink.LinkAdd(veth); err != nil {
		return nil, fmt.Errorf("make %s: %w", link, err)
	}
	return inside.LinkByName(innerLink)
}

// configure gives the interface its addresses, no more and no fewer.
func configure(h *netlink.Handle, link netlink.Link, network Network) error {
	lo, err := h.LinkByName("lo")
	if err == nil {
		err = h.LinkSetUp(lo)
	}
	if err != nil {
		return err
	}
	want := map[netip.Prefix]bool{
		netip.PrefixFrom(MetadataAddress, 32):  true,
		netip.PrefixFrom(MetadataAddress6, 64): true,
	}
	for _, p := range network.Port.IPs {
		want[p] = true
	}
	have, err := h.AddrList(link, netlink.FAMILY_ALL)
	if err != nil {
		return err
	}
	for i := range have {
		p, ok := prefixOf(have[i].IPNet)
		if ok && want[p] {
			delete(want, p)
		} else if !have[i].IP.IsLinkLocalUnicast() {
			if err := h.AddrDel(link, &have[i]); err != nil {
				return err
			}
		}
	}
	for p := range want {
		addr := &netlink.Addr{IPNet: &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}}
		if p.Addr().Is6() {
			addr.Flags = unix.IFA_F_NODAD
		}
		if err := h.AddrAdd(link, addr); err != nil && !errors.Is(err, unix.EEXIST) {
			if p.Addr() == MetadataAddress6 {
				continue // a host without IPv6 serves IPv4
			}
			return fmt.Errorf("address %s: %w", p, err)
		}
	}
	return h.LinkSetUp(link)
}

func prefixOf(n *net.IPNet) (netip.Prefix, bool) {
	addr, ok := netip.AddrFromSlice(n.IP)
	bits, _ := n.Mask.Size()
	return netip.PrefixFrom(addr.Unmap(), bits), ok
}

// listenIn opens the metadata service's sockets inside the namespace. A socket
// stays in the namespace that it was made in.
func listenIn(ctx context.Context, name string) ([]net.Listener, error) {
	ns, err := netns.GetFromPath(filepath.Join(namespaceDir, name))
	if err != nil {
		return nil, fmt.Errorf("enter namespace %s: %w", name, err)
	}
	defer ns.Close() //nolint:errcheck // the namespace has a name
	var out []net.Listener
	err = within(ns, func() error {
		var lc net.ListenConfig
		l, err := lc.Listen(ctx, "tcp4", netip.AddrPortFrom(MetadataAddress, 80).String())
		if err != nil {
			return err
		}
		out = append(out, l)
		l, err = lc.Listen(ctx, "tcp6", netip.AddrPortFrom(MetadataAddress6.WithZone(innerLink), 80).String())
		if err == nil {
			out = append(out, l)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("listen in namespace %s: %w", name, err)
	}
	return out, nil
}

// within runs f on a thread that is inside the namespace.
func within(ns netns.NsHandle, f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // ends with this goroutine, see openNamespace
		if err := netns.Set(ns); err != nil {
			done <- err
			return
		}
		done <- f()
	}()
	return <-done
}

// checksumsOn has the kernel fill in the checksums of what it sends.
func checksumsOn(link string) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd) //nolint:errcheck // nothing was written
	value := struct{ cmd, data uint32 }{cmd: unix.ETHTOOL_STXCSUM}
	req, err := unix.NewIfreq(link)
	if err != nil {
		return err
	}
	type ifreq struct {
		name [unix.IFNAMSIZ]byte
		data unsafe.Pointer
		_    [16]byte
	}
	r := ifreq{data: unsafe.Pointer(&value)}
	copy(r.name[:], req.Name())
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&r))); errno != 0 {
		return fmt.Errorf("checksums of %s: %w", link, errno)
	}
	return nil
}

func removeNamespace(name, link string) error {
	if l, err := netlink.LinkByName(link); err == nil {
		if err := netlink.LinkDel(l); err != nil {
			return err
		}
	}
	if !namespaceExists(name) {
		return nil
	}
	if err := netns.DeleteNamed(name); err != nil && !errors.Is(err, unix.EINVAL) {
		return err
	}
	if err := os.Remove(filepath.Join(namespaceDir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
