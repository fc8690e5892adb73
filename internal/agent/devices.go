package agent

import (
	"context"
	"slices"
	"strings"

	"kumoi/internal/agent/hypervisor"
	"kumoi/internal/hostapi"
)

// ensureDevices gives a running guest the NICs and volumes of the spec and
// takes others away. Disks that are no volumes stay as they are.
func (a *Agent) ensureDevices(ctx context.Context, s *server, spec *hostapi.ServerSpec) error {
	have, err := a.hv.Devices(ctx, s.id)
	if err != nil {
		return err
	}
	if err := a.ensureNICs(ctx, s, spec, have.NICs); err != nil {
		return err
	}
	return a.ensureVolumes(ctx, s, spec, have.Disks)
}

func (a *Agent) ensureNICs(ctx context.Context, s *server, spec *hostapi.ServerSpec, have []hypervisor.NIC) error {
	for _, h := range have {
		if slices.ContainsFunc(spec.NICs, func(n hostapi.NIC) bool { return n.PortID == h.PortID && strings.EqualFold(n.MAC, h.MAC) }) {
			continue
		}
		if err := a.hv.DetachNIC(ctx, s.id, h.MAC); err != nil {
			return err
		}
		if err := a.vif.Unplug(ctx, h.PortID); err != nil {
			return err
		}
	}
	for _, n := range spec.NICs {
		if slices.ContainsFunc(have, func(h hypervisor.NIC) bool { return n.PortID == h.PortID && strings.EqualFold(n.MAC, h.MAC) }) {
			continue
		}
		if err := a.hv.AttachNIC(ctx, s.id, a.vif.NIC(n)); err != nil {
			return err
		}
	}
	return nil
}

// ensureVolumes knows volumes by their serial, which is the volume's id.
func (a *Agent) ensureVolumes(ctx context.Context, s *server, spec *hostapi.ServerSpec, have []hypervisor.Disk) error {
	for _, h := range have {
		if h.Serial == "" || slices.ContainsFunc(spec.Volumes, func(v hostapi.Volume) bool { return v.ID == h.Serial }) {
			continue
		}
		if err := a.hv.DetachDisk(ctx, s.id, h.Device); err != nil {
			return err
		}
	}
	want, err := s.disks(spec)
	if err != nil {
		return err
	}
	for _, d := range want {
		if d.Serial == "" {
			continue
		}
		at := slices.IndexFunc(have, func(h hypervisor.Disk) bool { return h.Serial == d.Serial })
		if at < 0 {
			err = a.hv.AttachDisk(ctx, s.id, d)
		} else if size := sizeOf(spec, d.Serial); size > 0 && !d.CDROM {
			err = a.hv.ResizeDisk(ctx, s.id, have[at].Device, size)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// sizeOf is what the guest is to find of a volume; 0: unknown.
func sizeOf(spec *hostapi.ServerSpec, volumeID string) int64 {
	for _, v := range spec.Volumes {
		if v.ID == volumeID {
			return int64(v.SizeGiB) << 30
		}
	}
	return 0
}
