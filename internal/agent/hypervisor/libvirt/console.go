package libvirt

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"

	"libvirt.org/go/libvirtxml"

	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/errs"
)

// Console implements hypervisor.Hypervisor. Where a guest's sockets are is read
// from the running domain: an older kumoi may have started it.
func (d *Driver) Console(ctx context.Context, serverID string, kind hostapi.ConsoleKind) (net.Conn, error) {
	guest, err := d.Guest(ctx, serverID)
	if err != nil {
		return nil, err
	}
	if guest.Power != hostapi.PowerRunning && guest.Power != hostapi.PowerPaused {
		return nil, errs.New(errs.Conflict, "The guest is %s.", guest.Power)
	}
	dom, err := d.live(ctx, serverID)
	if err != nil {
		return nil, err
	}
	path := consoleSocket(dom, kind)
	if path == "" {
		return nil, errs.New(errs.Conflict, "The guest was started without a %s console; it has one after its next stop and start.", kind)
	}
	conn, err := dialSocket(ctx, d.visible(path))
	if err != nil {
		return nil, errs.Wrap(errs.Conflict, err, "The guest's %s console does not answer.", kind)
	}
	return conn, nil
}

// systemDir is libvirtd's own, as its descriptions of guests name it.
const systemDir = "/var/lib/libvirt"

// visible is a path of libvirtd's as this process reaches it.
func (d *Driver) visible(path string) string {
	if rest, ok := strings.CutPrefix(path, systemDir+"/"); ok && d.cfg.LibDir != "" {
		return filepath.Join(d.cfg.LibDir, rest)
	}
	return path
}

// dialSocket connects to a Unix socket whose path may be longer than an
// address of one can be.
func dialSocket(ctx context.Context, path string) (net.Conn, error) {
	if len(path) > maxSocket {
		dir, err := os.Open(filepath.Dir(path))
		if err != nil {
			return nil, err
		}
		defer dir.Close()
		path = fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), filepath.Base(path))
	}
	return (&net.Dialer{}).DialContext(ctx, "unix", path)
}

// consoleSocket finds a console's socket in a running domain; "" if it has none.
func consoleSocket(dom *libvirtxml.Domain, kind hostapi.ConsoleKind) string {
	if dom.Devices == nil {
		return ""
	}
	if kind == hostapi.ConsoleScreen {
		for _, g := range dom.Devices.Graphics {
			if g.VNC == nil {
				continue
			}
			for _, l := range g.VNC.Listeners {
				if l.Socket != nil && l.Socket.Socket != "" {
					return l.Socket.Socket
				}
			}
			return g.VNC.Socket
		}
		return ""
	}
	for _, s := range dom.Devices.Serials { // x86's
		if s.Source != nil && s.Source.UNIX != nil {
			return s.Source.UNIX.Path
		}
	}
	for _, c := range dom.Devices.Consoles {
		if c.Source != nil && c.Source.UNIX != nil {
			return c.Source.UNIX.Path
		}
	}
	return ""
}
