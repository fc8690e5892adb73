package hoststack

import (
	"errors"
	"fmt"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// The userspace datapath's interfaces are persistent taps: they stay, with their
// addresses, when vswitchd is killed, and the next one takes them over. So a tap
// under a bridge's name is a leftover or in use, and only the kernel knows which:
// it lets one process attach at a time.

// errTapInUse says that some process is attached to a tap.
var errTapInUse = errors.New("in use by another process")

// attachTap opens an existing tap, calls with its descriptor, and closes it.
func attachTap(name string, use func(fd int) error) error {
	request, err := unix.NewIfreq(name)
	if err != nil {
		return err
	}
	request.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI)
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open /dev/net/tun: %w", err)
	}
	defer func() { _ = unix.Close(fd) }()
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, request); errors.Is(err, unix.EBUSY) {
		return errTapInUse
	} else if err != nil {
		return fmt.Errorf("attach to %s: %w", name, err)
	}
	return use(fd)
}

// foreign tells whether an interface under a bridge's name belongs to somebody
// else. What the kernel's datapath holds is not: it outlives vswitchd too.
func foreign(name string) bool {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return false
	}
	switch link.Type() {
	case "openvswitch":
		return false
	case "tuntap", "tun":
		return attachTap(name, func(int) error { return nil }) != nil
	default:
		return true
	}
}

// removeTap removes a tap that nobody is attached to.
func removeTap(name string) error {
	link, err := netlink.LinkByName(name)
	if err != nil || (link.Type() != "tuntap" && link.Type() != "tun") {
		return nil
	}
	err = attachTap(name, func(fd int) error { return unix.IoctlSetInt(fd, unix.TUNSETPERSIST, 0) })
	if errors.Is(err, errTapInUse) {
		return nil // another switch's
	}
	return err
}
