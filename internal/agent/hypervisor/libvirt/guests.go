package libvirt

import (
	"context"
	"fmt"
	"time"

	golibvirt "github.com/digitalocean/go-libvirt"
	"github.com/google/uuid"
	"libvirt.org/go/libvirtxml"

	"kumoi/internal/agent/hypervisor"
	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/errs"
)

// Guests implements hypervisor.Hypervisor.
func (d *Driver) Guests(ctx context.Context) ([]hypervisor.Guest, error) {
	return ask(ctx, d, "list guests", func(l *golibvirt.Libvirt) ([]hypervisor.Guest, error) {
		domains, _, err := l.ConnectListAllDomains(1, golibvirt.ConnectListDomainsActive|golibvirt.ConnectListDomainsInactive)
		if err != nil {
			return nil, err
		}
		out := make([]hypervisor.Guest, 0, len(domains))
		for _, dom := range domains {
			g, ours, err := guest(l, dom)
			if err != nil {
				return nil, err
			}
			if ours {
				out = append(out, g)
			}
		}
		return out, nil
	})
}

// Guest implements hypervisor.Hypervisor.
func (d *Driver) Guest(ctx context.Context, serverID string) (hypervisor.Guest, error) {
	return askDomain(ctx, d, "look at guest", serverID, func(l *golibvirt.Libvirt, dom golibvirt.Domain) (hypervisor.Guest, error) {
		g, ours, err := guest(l, dom)
		if err == nil && !ours {
			return g, errs.New(errs.NotFound, "The hypervisor has no such guest.")
		}
		return g, err
	})
}

// guest reads a domain's mark and state. A domain that vanishes meanwhile, or
// that has no mark of ours, is not ours.
func guest(l *golibvirt.Libvirt, dom golibvirt.Domain) (g hypervisor.Guest, ours bool, err error) {
	// The element of the running machine if there is one.
	text, err := l.DomainGetMetadata(dom, int32(golibvirt.DomainMetadataElement), golibvirt.OptString{markURI}, golibvirt.DomainAffectCurrent)
	if err != nil {
		if ignore(err, golibvirt.ErrNoDomain) == nil || ignore(err, golibvirt.ErrNoDomainMetadata) == nil {
			return g, false, nil
		}
		return g, false, err
	}
	mark, ok := parseMark(text)
	if !ok {
		return g, false, nil
	}
	mark.ServerID = uuid.UUID(dom.UUID).String()
	g = hypervisor.Guest{Mark: mark, Name: dom.Name}
	state, reason, err := l.DomainGetState(dom, 0)
	if err != nil {
		return g, false, ignore(err, golibvirt.ErrNoDomain)
	}
	g.Power, g.Why = power(golibvirt.DomainState(state), reason)
	if g.Power == hostapi.PowerStopped {
		saved, err := l.DomainHasManagedSaveImage(dom, 0)
		if err != nil {
			return g, false, ignore(err, golibvirt.ErrNoDomain)
		}
		if saved == 1 {
			g.Power, g.Why = hostapi.PowerSuspended, hypervisor.WhyAsked
		}
	}
	return g, true, nil
}

func power(state golibvirt.DomainState, reason int32) (hostapi.Power, hypervisor.Why) {
	switch state {
	case golibvirt.DomainRunning, golibvirt.DomainBlocked, golibvirt.DomainShutdown:
		return hostapi.PowerRunning, ""
	case golibvirt.DomainPaused:
		if golibvirt.DomainPausedReason(reason) == golibvirt.DomainPausedIoerror {
			return hostapi.PowerRunning, hypervisor.WhyStalled
		}
		return hostapi.PowerPaused, ""
	case golibvirt.DomainCrashed:
		return hostapi.PowerCrashed, ""
	case golibvirt.DomainPmsuspended:
		return hostapi.PowerRunning, "" // asleep by its own will, awake at the first event
	}
	switch golibvirt.DomainShutoffReason(reason) {
	case golibvirt.DomainShutoffShutdown:
		return hostapi.PowerStopped, hypervisor.WhyGuest
	case golibvirt.DomainShutoffCrashed:
		return hostapi.PowerCrashed, hypervisor.WhyFailed
	case golibvirt.DomainShutoffFailed:
		return hostapi.PowerStopped, hypervisor.WhyFailed
	case golibvirt.DomainShutoffUnknown, golibvirt.DomainShutoffDaemon:
		return hostapi.PowerStopped, hypervisor.WhyUnknown
	}
	return hostapi.PowerStopped, hypervisor.WhyAsked
}

// Define implements hypervisor.Hypervisor.
func (d *Driver) Define(ctx context.Context, m hypervisor.Machine) error {
	text, err := d.domain(m)
	if err != nil {
		return errs.Wrap(errs.Invalid, err, "The host cannot run such a machine: %v.", err)
	}
	return d.do(ctx, "define guest", func(l *golibvirt.Libvirt) error {
		_, err := l.DomainDefineXMLFlags(text, 0)
		return err
	})
}

// Undefine implements hypervisor.Hypervisor.
func (d *Driver) Undefine(ctx context.Context, serverID string) error {
	return d.withDomain(ctx, "undefine guest", serverID, func(l *golibvirt.Libvirt, dom golibvirt.Domain) error {
		// libvirt would let a running guest go on without a definition.
		if state, _, err := l.DomainGetState(dom, 0); err != nil {
			return err
		} else if state := golibvirt.DomainState(state); state != golibvirt.DomainShutoff && state != golibvirt.DomainCrashed {
			return errs.New(errs.Conflict, "The guest still runs.")
		}
		return l.DomainUndefineFlags(dom, golibvirt.DomainUndefineManagedSave|golibvirt.DomainUndefineNvram|
			golibvirt.DomainUndefineSnapshotsMetadata|golibvirt.DomainUndefineCheckpointsMetadata)
	})
}

// Start implements hypervisor.Hypervisor.
func (d *Driver) Start(ctx context.Context, serverID string, paused bool) error {
	flags := golibvirt.DomainNone
	if paused {
		flags = golibvirt.DomainStartPaused
	}
	return d.withDomain(ctx, "start guest", serverID, func(l *golibvirt.Libvirt, dom golibvirt.Domain) error {
		_, err := l.DomainCreateWithFlags(dom, uint32(flags))
		return err
	})
}

// Shutdown implements hypervisor.Hypervisor.
func (d *Driver) Shutdown(ctx context.Context, serverID string) error {
	return d.withDomain(ctx, "shut guest down", serverID, func(l *golibvirt.Libvirt, dom golibvirt.Domain) error {
		return l.DomainShutdownFlags(dom, golibvirt.DomainShutdownAcpiPowerBtn)
	})
}

// Destroy implements hypervisor.Hypervisor.
func (d *Driver) Destroy(ctx context.Context, serverID string) error {
	return d.withDomain(ctx, "switch guest off", serverID, func(l *golibvirt.Libvirt, dom golibvirt.Domain) error {
		return ignore(l.DomainDestroyFlags(dom, golibvirt.DomainDestroyDefault), golibvirt.ErrOperationInvalid)
	})
}

// Pause implements hypervisor.Hypervisor.
func (d *Driver) Pause(ctx context.Context, serverID string) error {
	return d.withDomain(ctx, "pause guest", serverID, func(l *golibvirt.Libvirt, dom golibvirt.Domain) error {
		return l.DomainSuspend(dom)
	})
}

// Resume implements hypervisor.Hypervisor.
func (d *Driver) Resume(ctx context.Context, serverID string) error {
	return d.withDomain(ctx, "resume guest", serverID, func(l *golibvirt.Libvirt, dom golibvirt.Domain) error {
		return l.DomainResume(dom)
	})
}

// Suspend implements hypervisor.Hypervisor. The guest will run after it is
// started from its memory, also if it is paused now.
func (d *Driver) Suspend(ctx context.Context, serverID string) error {
	return d.withDomain(ctx, "suspend guest", serverID, func(l *golibvirt.Libvirt, dom golibvirt.Domain) error {
		return l.DomainManagedSave(dom, uint32(golibvirt.DomainSaveRunning))
	})
}

// DropSaved implements hypervisor.Hypervisor.
func (d *Driver) DropSaved(ctx context.Context, serverID string) error {
	return d.withDomain(ctx, "drop saved memory", serverID, func(l *golibvirt.Libvirt, dom golibvirt.Domain) error {
		saved, err := l.DomainHasManagedSaveImage(dom, 0)
		if err != nil || saved == 0 {
			return err
		}
		return l.DomainManagedSaveRemove(dom, 0)
	})
}

// live reads what a running guest has now.
func (d *Driver) live(ctx context.Context, serverID string) (*libvirtxml.Domain, error) {
	text, err := askDomain(ctx, d, "look at guest's devices", serverID, func(l *golibvirt.Libvirt, dom golibvirt.Domain) (string, error) {
		return l.DomainGetXMLDesc(dom, 0)
	})
	if err != nil {
		return nil, err
	}
	dom := &libvirtxml.Domain{}
	if err := dom.Unmarshal(text); err != nil {
		return nil, fmt.Errorf("read domain of server %s: %w", serverID, err)
	}
	return dom, nil
}

// Devices implements hypervisor.Hypervisor.
func (d *Driver) Devices(ctx context.Context, serverID string) (hypervisor.Devices, error) {
	var out hypervisor.Devices
	dom, err := d.live(ctx, serverID)
	if err != nil || dom.Devices == nil {
		return out, err
	}
	for _, i := range dom.Devices.Interfaces {
		n := hypervisor.NIC{}
		if i.MAC != nil {
			n.MAC = i.MAC.Address
		}
		if i.Target != nil {
			n.Target = i.Target.Dev
		}
		if i.VirtualPort != nil && i.VirtualPort.Params != nil && i.VirtualPort.Params.OpenVSwitch != nil {
			n.PortID = i.VirtualPort.Params.OpenVSwitch.InterfaceID
		}
		out.NICs = append(out.NICs, n)
	}
	for _, disk := range dom.Devices.Disks {
		x := hypervisor.Disk{Serial: disk.Serial}
		if disk.Target != nil {
			x.Device, x.Bus = disk.Target.Dev, disk.Target.Bus
		}
		if disk.Source != nil && disk.Source.File != nil {
			x.Path = disk.Source.File.File
		}
		if disk.Source != nil && disk.Source.Network != nil && len(disk.Source.Network.Hosts) == 1 {
			x.Export, x.Socket = disk.Source.Network.Name, disk.Source.Network.Hosts[0].Socket
		}
		out.Disks = append(out.Disks, x)
	}
	return out, nil
}

// AttachNIC implements hypervisor.Hypervisor.
func (d *Driver) AttachNIC(ctx context.Context, serverID string, nic hypervisor.NIC) error {
	x := d.nic(nic)
	text, err := x.Marshal()
	if err != nil {
		return fmt.Errorf("describe NIC %s: %w", nic.PortID, err)
	}
	return d.attach(ctx, serverID, text)
}

// AttachDisk implements hypervisor.Hypervisor.
func (d *Driver) AttachDisk(ctx context.Context, serverID string, disk hypervisor.Disk) error {
	x, err := d.disk(disk)
	if err != nil {
		return errs.Wrap(errs.Invalid, err, "The host cannot attach the disk: %v.", err)
	}
	text, err := x.Marshal()
	if err != nil {
		return fmt.Errorf("describe disk %s: %w", disk.Device, err)
	}
	return d.attach(ctx, serverID, text)
}

func (d *Driver) attach(ctx context.Context, serverID, device string) error {
	return d.withDomain(ctx, "attach device", serverID, func(l *golibvirt.Libvirt, dom golibvirt.Domain) error {
		return l.DomainAttachDeviceFlags(dom, device, uint32(golibvirt.DomainAffectLive))
	})
}

// DetachNIC implements hypervisor.Hypervisor. The guest has to let go of it,
// so it is asked, and asked again, until it has or ctx ends.
func (d *Driver) DetachNIC(ctx context.Context, serverID, mac string) error {
	return d.detach(ctx, serverID, func(dom *libvirtxml.Domain) (string, bool, error) {
		for _, i := range dom.Devices.Interfaces {
			if i.MAC != nil && i.MAC.Address == mac {
				text, err := i.Marshal()
				return text, true, err
			}
		}
		return "", false, nil
	})
}

// DetachDisk implements hypervisor.Hypervisor.
func (d *Driver) DetachDisk(ctx context.Context, serverID, device string) error {
	return d.detach(ctx, serverID, func(dom *libvirtxml.Domain) (string, bool, error) {
		for _, disk := range dom.Devices.Disks {
			if disk.Target != nil && disk.Target.Dev == device {
				text, err := disk.Marshal()
				return text, true, err
			}
		}
		return "", false, nil
	})
}

func (d *Driver) detach(ctx context.Context, serverID string, find func(*libvirtxml.Domain) (string, bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for n := 0; ; n++ {
		dom, err := d.live(ctx, serverID)
		if err != nil {
			return err
		}
		text, found, err := find(dom)
		if err != nil || !found {
			return err
		}
		if n%30 == 0 {
			err = d.withDomain(ctx, "detach device", serverID, func(l *golibvirt.Libvirt, dom golibvirt.Domain) error {
				return l.DomainDetachDeviceFlags(dom, text, uint32(golibvirt.DomainAffectLive))
			})
			// Being on its way already, or gone since we looked, is fine: the
			// next look tells.
			if err != nil && !errs.Is(err, errs.Conflict) && !errs.Is(err, errs.Internal) {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return errs.New(errs.Conflict, "The guest does not let go of the device.")
		case <-tick.C:
		}
	}
}
