package fake

import (
	"context"
	"os"
	"slices"
	"time"

	"kumoi/internal/agent/disk"
	"kumoi/internal/agent/hypervisor"
	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/errs"
)

// live runs f on the machine of a guest that runs.
func (h *Hypervisor) live(ctx context.Context, method, id string, f func(*hypervisor.Machine) error) error {
	return h.change(ctx, method, id, func(d *domain) error {
		if !active(d.power) {
			return conflict(d)
		}
		return f(&d.running)
	})
}

// Devices implements hypervisor.Hypervisor.
func (h *Hypervisor) Devices(ctx context.Context, id string) (out hypervisor.Devices, err error) {
	err = h.live(ctx, "Devices", id, func(m *hypervisor.Machine) error {
		out.NICs, out.Disks = slices.Clone(m.NICs), slices.Clone(m.Disks)
		return nil
	})
	return out, err
}

// AttachNIC implements hypervisor.Hypervisor.
func (h *Hypervisor) AttachNIC(ctx context.Context, id string, nic hypervisor.NIC) error {
	return h.live(ctx, "AttachNIC", id, func(m *hypervisor.Machine) error {
		if slices.ContainsFunc(m.NICs, func(n hypervisor.NIC) bool { return n.MAC == nic.MAC }) {
			return errs.New(errs.Conflict, "The guest has a NIC %s.", nic.MAC)
		}
		m.NICs = append(m.NICs, nic)
		return nil
	})
}

// DetachNIC implements hypervisor.Hypervisor.
func (h *Hypervisor) DetachNIC(ctx context.Context, id, mac string) error {
	return h.live(ctx, "DetachNIC", id, func(m *hypervisor.Machine) error {
		m.NICs = slices.DeleteFunc(m.NICs, func(n hypervisor.NIC) bool { return n.MAC == mac })
		return nil
	})
}

// AttachDisk implements hypervisor.Hypervisor.
func (h *Hypervisor) AttachDisk(ctx context.Context, id string, d hypervisor.Disk) error {
	return h.live(ctx, "AttachDisk", id, func(m *hypervisor.Machine) error {
		if slices.ContainsFunc(m.Disks, func(o hypervisor.Disk) bool { return o.Device == d.Device }) {
			return errs.New(errs.Conflict, "The guest has a disk %s.", d.Device)
		}
		m.Disks = append(m.Disks, d)
		return nil
	})
}

// DetachDisk implements hypervisor.Hypervisor.
func (h *Hypervisor) DetachDisk(ctx context.Context, id, device string) error {
	return h.live(ctx, "DetachDisk", id, func(m *hypervisor.Machine) error {
		m.Disks = slices.DeleteFunc(m.Disks, func(d hypervisor.Disk) bool { return d.Device == device })
		return nil
	})
}

// ResizeDisk implements hypervisor.Hypervisor.
func (h *Hypervisor) ResizeDisk(ctx context.Context, id, device string, _ int64) error {
	return h.live(ctx, "ResizeDisk", id, func(m *hypervisor.Machine) error {
		if !slices.ContainsFunc(m.Disks, func(d hypervisor.Disk) bool { return d.Device == device }) {
			return errs.New(errs.NotFound, "The guest has no disk %s.", device)
		}
		return nil
	})
}

// CopyDisk implements hypervisor.Hypervisor: nothing was ever written to the
// guest's disk, so a blank one of its size has to do.
func (h *Hypervisor) CopyDisk(ctx context.Context, id, device, path string) error {
	return h.live(ctx, "CopyDisk", id, func(m *hypervisor.Machine) error {
		i := slices.IndexFunc(m.Disks, func(d hypervisor.Disk) bool { return d.Device == device })
		if i < 0 {
			return errs.New(errs.NotFound, "The guest has no disk %s.", device)
		}
		size, err := sizeOf(m.Disks[i])
		if err != nil {
			return errs.Wrap(errs.Internal, err, "The disk could not be copied.")
		}
		return disk.CreateOverlay(path, size, "", "")
	})
}

func sizeOf(d hypervisor.Disk) (int64, error) {
	if d.Format == "qcow2" {
		return disk.Size(d.Path)
	}
	info, err := os.Stat(d.Path)
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// Diagnostics implements hypervisor.Hypervisor.
func (h *Hypervisor) Diagnostics(ctx context.Context, id string) (out *hostapi.Diagnostics, err error) {
	err = h.change(ctx, "Diagnostics", id, func(d *domain) error {
		if !active(d.power) {
			return errs.New(errs.Conflict, "The guest does not run; there is nothing to measure.")
		}
		up := time.Since(d.running.Mark.StartedAt)
		out = &hostapi.Diagnostics{
			Power: d.power, UptimeSec: int64(up.Seconds()), MemoryMiB: d.running.MemoryMiB, MemoryUsed: d.running.MemoryMiB / 2,
			Driver: "libvirt", Hypervisor: "qemu",
		}
		for range d.running.VCPUs {
			out.CPUTimeNs = append(out.CPUTimeNs, up.Nanoseconds()/100)
		}
		for _, x := range d.running.Disks {
			out.Disks = append(out.Disks, hostapi.DiskCounters{Device: x.Device})
		}
		for _, n := range d.running.NICs {
			out.NICs = append(out.NICs, hostapi.NICCounters{MAC: n.MAC})
		}
		return nil
	})
	return out, err
}

// Crash ends a running guest as a failing QEMU would.
func (h *Hypervisor) Crash(id string) { h.force(id, hostapi.PowerCrashed, hypervisor.WhyFailed) }

// PowerOff has a running guest shut itself down.
func (h *Hypervisor) PowerOff(id string) { h.force(id, hostapi.PowerStopped, hypervisor.WhyGuest) }

func (h *Hypervisor) force(id string, power hostapi.Power, why hypervisor.Why) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if d := h.domains[id]; d != nil && active(d.power) {
		d.power, d.why = power, why
		h.tell(hypervisor.Event{ServerID: id})
	}
}

// Reboot is what a reboot of the host leaves: definitions and saved memory.
func (h *Hypervisor) Reboot() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, d := range h.domains {
		if active(d.power) {
			d.power, d.why = hostapi.PowerStopped, hypervisor.WhyUnknown
		}
	}
	h.tell(hypervisor.Event{})
}

// Deaf has a guest ignore its power button.
func (h *Hypervisor) Deaf(id string, deaf bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if d := h.domains[id]; d != nil {
		d.deaf = deaf
	}
}

// Machine gives what a guest runs, or would run.
func (h *Hypervisor) Machine(id string) (hypervisor.Machine, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	d := h.domains[id]
	switch {
	case d == nil:
		return hypervisor.Machine{}, false
	case active(d.power):
		return d.running, true
	}
	return d.defined, true
}
