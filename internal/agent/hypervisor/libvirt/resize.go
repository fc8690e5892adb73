package libvirt

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	golibvirt "github.com/digitalocean/go-libvirt"

	"kumoi/internal/agent/hypervisor"
	"kumoi/internal/kernel/errs"
)

// ResizeDisk implements hypervisor.Hypervisor. A storage daemon lets its clients
// go when a volume grows. QEMU comes again, and learns of the new size, only when
// something is read: so something is, until the guest can be told.
func (d *Driver) ResizeDisk(ctx context.Context, serverID, device string, size int64) error {
	dom, err := d.live(ctx, serverID)
	if err != nil {
		return err
	}
	socket := ""
	for _, x := range dom.Devices.Disks {
		if x.Target != nil && x.Target.Dev == device && x.Source != nil && x.Source.Network != nil && len(x.Source.Network.Hosts) == 1 {
			socket = x.Source.Network.Hosts[0].Socket
		}
	}
	enough := time.NewTimer(30 * time.Second)
	defer enough.Stop()
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	for {
		err := d.withDomain(ctx, "resize disk", serverID, func(l *golibvirt.Libvirt, dom golibvirt.Domain) error {
			if state, reason, err := l.DomainGetState(dom, 0); err == nil {
				if _, why := power(golibvirt.DomainState(state), reason); why == hypervisor.WhyStalled {
					_ = l.DomainResume(dom) // it stalls again while the disk is away
				}
			}
			if _, capacity, _, err := l.DomainGetBlockInfo(dom, device, 0); err == nil && int64(capacity) >= size {
				return nil
			}
			if err := touch(l, dom, socket); err != nil {
				return err
			}
			return l.DomainBlockResize(dom, device, uint64(size), golibvirt.DomainBlockResizeBytes)
		})
		if err == nil || errs.Is(err, errs.NotFound) || errs.Is(err, errs.Unavailable) {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-enough.C:
			return errs.Wrap(errs.Conflict, err, "The guest does not take the new size of the disk.")
		case <-tick.C:
		}
	}
}

// touch has QEMU read from the disk that it finds at the socket.
func touch(l *golibvirt.Libvirt, dom golibvirt.Domain, socket string) error {
	if socket == "" {
		return nil
	}
	text, err := monitor(l, dom, "query-block", nil)
	if err != nil {
		return err
	}
	var answer struct {
		Return []struct {
			Inserted struct {
				Node string `json:"node-name"`
				File string `json:"file"`
			} `json:"inserted"`
		} `json:"return"`
	}
	if err := json.Unmarshal([]byte(text), &answer); err != nil {
		return err
	}
	for _, b := range answer.Return {
		if strings.Contains(b.Inserted.File, socket) {
			// Whether it could be read is not said here; that it was tried is enough.
			_, err := monitor(l, dom, "human-monitor-command", map[string]string{"command-line": "qemu-io " + b.Inserted.Node + " \"read 0 512\""})
			return err
		}
	}
	return fmt.Errorf("no disk of the guest is at %s", socket)
}

func monitor(l *golibvirt.Libvirt, dom golibvirt.Domain, command string, args map[string]string) (string, error) {
	m := map[string]any{"execute": command}
	if args != nil {
		m["arguments"] = args
	}
	text, err := json.Marshal(m)
	if err != nil {
		return "", err
	}
	return l.QEMUDomainMonitorCommand(dom, string(text), 0)
}
