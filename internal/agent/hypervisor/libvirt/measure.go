package libvirt

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	golibvirt "github.com/digitalocean/go-libvirt"
	"libvirt.org/go/libvirtxml"

	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/errs"
)

// Diagnostics implements hypervisor.Hypervisor.
func (d *Driver) Diagnostics(ctx context.Context, serverID string) (*hostapi.Diagnostics, error) {
	out, err := askDomain(ctx, d, "measure guest", serverID, func(l *golibvirt.Libvirt, dom golibvirt.Domain) (*hostapi.Diagnostics, error) {
		g, ours, err := guest(l, dom)
		switch {
		case err != nil:
			return nil, err
		case !ours:
			return nil, errs.New(errs.NotFound, "The hypervisor has no such guest.")
		case g.Power != hostapi.PowerRunning && g.Power != hostapi.PowerPaused:
			return nil, errs.New(errs.Conflict, "The guest does not run; there is nothing to measure.")
		}
		records, err := l.ConnectGetAllDomainStats([]golibvirt.Domain{dom}, uint32(golibvirt.DomainStatsVCPU|
			golibvirt.DomainStatsBalloon|golibvirt.DomainStatsInterface|golibvirt.DomainStatsBlock|golibvirt.DomainStatsCPUTotal), 0)
		if err != nil {
			return nil, err
		}
		out := &hostapi.Diagnostics{
			Driver: "libvirt", Hypervisor: d.cfg.VirtType, Extra: map[string]int64{},
			Power: g.Power, UptimeSec: int64(time.Since(g.Mark.StartedAt).Seconds()),
		}
		for _, r := range records {
			collect(out, r.Params)
		}
		return out, nil
	})
	if err != nil {
		return nil, err
	}
	devices, err := d.Devices(ctx, serverID)
	if err != nil {
		return nil, err
	}
	for i := range min(len(out.NICs), len(devices.NICs)) {
		out.NICs[i].MAC = devices.NICs[i].MAC
	}
	return out, nil
}

// collect sorts libvirt's flat list of measurements.
func collect(out *hostapi.Diagnostics, params []golibvirt.TypedParam) {
	m := make(map[string]int64, len(params))
	names := make(map[string]string)
	for _, p := range params {
		switch v := p.Value.I.(type) {
		case int32:
			m[p.Field] = int64(v)
		case uint32:
			m[p.Field] = int64(v)
		case int64:
			m[p.Field] = v
		case uint64:
			m[p.Field] = int64(v)
		case string:
			names[p.Field] = v
		}
	}
	for i := range m["vcpu.maximum"] {
		if t, ok := m[fmt.Sprintf("vcpu.%d.time", i)]; ok {
			out.CPUTimeNs = append(out.CPUTimeNs, t)
		}
	}
	out.MemoryMiB = int(m["balloon.maximum"] >> 10)
	if unused, ok := m["balloon.usable"]; ok {
		out.MemoryUsed = int((m["balloon.current"] - unused) >> 10)
	} else {
		out.MemoryUsed = int(m["balloon.rss"] >> 10)
	}
	for i := range m["block.count"] {
		at := func(name string) string { return fmt.Sprintf("block.%d.%s", i, name) }
		out.Disks = append(out.Disks, hostapi.DiskCounters{
			Device: names[at("name")], ReadBytes: m[at("rd.bytes")], ReadRequests: m[at("rd.reqs")],
			WriteBytes: m[at("wr.bytes")], WriteReqs: m[at("wr.reqs")], Errors: m[at("errors")],
		})
	}
	for i := range m["net.count"] {
		at := func(name string) int64 { return m[fmt.Sprintf("net.%d.%s", i, name)] }
		out.NICs = append(out.NICs, hostapi.NICCounters{
			RxBytes: at("rx.bytes"), RxPackets: at("rx.pkts"), RxDrop: at("rx.drop"), RxErrors: at("rx.errs"),
			TxBytes: at("tx.bytes"), TxPackets: at("tx.pkts"), TxDrop: at("tx.drop"), TxErrors: at("tx.errs"),
		})
	}
	out.Extra["cpu_time_ns"] = m["cpu.time"]
	out.Extra["memory_rss_kib"] = m["balloon.rss"]
}

// CopyDisk implements hypervisor.Hypervisor with QEMU's backup job: it copies
// the disk as it was at the job's start, whatever the guest writes meanwhile,
// and never touches the chain that the guest runs on.
func (d *Driver) CopyDisk(ctx context.Context, serverID, device, path string) (err error) {
	devices, err := d.Devices(ctx, serverID)
	if err != nil {
		return err
	}
	disks := &libvirtxml.DomainBackupPushDisks{}
	found := false
	for _, disk := range devices.Disks {
		x := libvirtxml.DomainBackupPushDisk{Name: disk.Device, Backup: "no"}
		if disk.Device == device {
			found = true
			x.Backup = "yes"
			x.Driver = &libvirtxml.DomainBackupDiskDriver{Type: "qcow2"}
			x.Target = &libvirtxml.DomainDiskSource{File: &libvirtxml.DomainDiskSourceFile{File: path}}
		}
		disks.Disks = append(disks.Disks, x)
	}
	if !found {
		return errs.New(errs.NotFound, "The guest has no disk %s.", device)
	}
	text, err := (&libvirtxml.DomainBackup{Push: &libvirtxml.DomainBackupPush{Disks: disks}}).Marshal()
	if err != nil {
		return fmt.Errorf("describe backup: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, remove(path))
		}
	}()
	if err := d.withDomain(ctx, "copy disk", serverID, func(l *golibvirt.Libvirt, dom golibvirt.Domain) error {
		return l.DomainBackupBegin(dom, text, nil, 0)
	}); err != nil {
		return err
	}
	return d.awaitBackup(ctx, serverID)
}

func remove(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// awaitBackup waits for the job to end; if nobody waits any more, the job is
// ended.
func (d *Driver) awaitBackup(ctx context.Context, serverID string) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		job, err := askDomain(ctx, d, "copy disk", serverID, func(l *golibvirt.Libvirt, dom golibvirt.Domain) (golibvirt.DomainJobType, error) {
			kind, _, _, _, _, _, _, _, _, _, _, _, err := l.DomainGetJobInfo(dom)
			return golibvirt.DomainJobType(kind), err
		})
		if err != nil && ctx.Err() == nil {
			return err
		}
		if err == nil && job == golibvirt.DomainJobNone {
			return d.backupResult(ctx, serverID)
		}
		select {
		case <-ctx.Done():
			abort, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
			defer cancel()
			_ = d.withDomain(abort, "end copy of disk", serverID, func(l *golibvirt.Libvirt, dom golibvirt.Domain) error {
				return l.DomainAbortJob(dom)
			})
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
}

// backupResult asks how the last job ended.
func (d *Driver) backupResult(ctx context.Context, serverID string) error {
	return d.withDomain(ctx, "copy disk", serverID, func(l *golibvirt.Libvirt, dom golibvirt.Domain) error {
		kind, params, err := l.DomainGetJobStats(dom, golibvirt.DomainJobStatsCompleted)
		if err != nil {
			return err
		}
		if golibvirt.DomainJobType(kind) == golibvirt.DomainJobCompleted {
			return nil
		}
		for _, p := range params {
			if text, ok := p.Value.I.(string); ok && p.Field == "errmsg" {
				return errs.New(errs.Internal, "The disk could not be copied: %s", text)
			}
		}
		return errs.New(errs.Internal, "The disk could not be copied.")
	})
}
