package libvirt

import (
	"context"
	"encoding/xml"
	"fmt"

	golibvirt "github.com/digitalocean/go-libvirt"

	"kumoi/internal/agent/hypervisor"
)

// capabilities is what we read of libvirt's description of a host.
type capabilities struct {
	Host struct {
		CPU struct {
			Model    string `xml:"model"`
			Vendor   string `xml:"vendor"`
			Topology struct {
				Sockets int `xml:"sockets,attr"`
				Dies    int `xml:"dies,attr"`
				Cores   int `xml:"cores,attr"`
				Threads int `xml:"threads,attr"`
			} `xml:"topology"`
			Features []struct {
				Name string `xml:"name,attr"`
			} `xml:"feature"`
		} `xml:"cpu"`
	} `xml:"host"`
}

// Info implements hypervisor.Hypervisor.
func (d *Driver) Info(ctx context.Context) (hypervisor.Info, error) {
	return ask(ctx, d, "describe host", func(l *golibvirt.Libvirt) (hypervisor.Info, error) {
		info := hypervisor.Info{Type: "QEMU", VirtType: d.cfg.VirtType, Arch: d.arch}
		version, err := l.ConnectGetVersion()
		if err != nil {
			return info, err
		}
		info.Version = int64(version)
		_, memoryKiB, cpus, _, _, _, _, _, err := l.NodeGetInfo()
		if err != nil {
			return info, err
		}
		info.MemoryMiB, info.CPUs = int(memoryKiB>>10), int(cpus)
		text, err := l.ConnectGetCapabilities()
		if err != nil {
			return info, err
		}
		var caps capabilities
		if err := xml.Unmarshal([]byte(text), &caps); err != nil {
			return info, fmt.Errorf("capabilities: %w", err)
		}
		cpu := caps.Host.CPU
		info.CPUModel, info.CPUVendor = cpu.Model, cpu.Vendor
		info.Sockets = max(1, cpu.Topology.Sockets)
		info.Cores = max(1, cpu.Topology.Cores) * max(1, cpu.Topology.Dies)
		info.Threads = max(1, cpu.Topology.Threads)
		for _, f := range cpu.Features {
			info.CPUFeatures = append(info.CPUFeatures, f.Name)
		}
		return info, nil
	})
}
