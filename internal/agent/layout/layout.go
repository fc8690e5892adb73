// Package layout decides in which order a guest sees its disks, on which bus,
// and by which names. What defines the guest and what tells it about itself
// ask here, so that both say the same.
package layout

import (
	"runtime"
	"slices"
	"strings"

	"kumoi/internal/hostapi"
)

// Kind is what a disk is for.
type Kind string

// Kinds of disks.
const (
	Root      Kind = "root"
	Rescue    Kind = "rescue"
	Image     Kind = "image"     // the optical disk that Root is installed from
	RescueCD  Kind = "rescue-cd" // the same for Rescue
	Ephemeral Kind = "ephemeral"
	Swap      Kind = "swap"
	Volume    Kind = "volume"
	Config    Kind = "config"
)

// Disk is a place in a guest.
type Disk struct {
	Kind   Kind
	Index  int    // among the spec's disks of its kind
	Device string // "vda"
	Bus    string
	CDROM  bool
	// Order is 1 for the disk to boot from, 0 for one that is not booted.
	Order int
	Tag   string
}

// Optical says which of the images to boot from are optical disks.
type Optical struct{ Root, Rescue bool }

// Claimed is what the spec says of its images.
func Claimed(spec *hostapi.ServerSpec) Optical {
	return Optical{Root: spec.Root.DiskFormat == "iso", Rescue: spec.Rescue != nil && spec.Rescue.DiskFormat == "iso"}
}

// Disks lists the guest's disks in the order in which it sees them.
func Disks(spec *hostapi.ServerSpec, optical Optical) []Disk {
	l := layout{bus: busOf(spec.Hints), cdrom: cdromBusOf(spec.Hints, runtime.GOARCH)}
	first := 1 // what is booted from is what is added first
	if spec.Rescue != nil {
		l.boot(Disk{Kind: Rescue, Bus: spec.Rescue.Bus, Order: first}, RescueCD, optical.Rescue)
		first = 0
	}
	if spec.Root.ImageID != "" {
		l.boot(Disk{Kind: Root, Bus: spec.Root.Bus, Tag: spec.Root.Tag, Order: first}, Image, optical.Root)
	}
	l.volumes(spec.Volumes, true, first)
	for i, d := range spec.Ephemeral {
		l.add(Disk{Kind: Ephemeral, Index: i, Bus: d.Bus, Tag: d.Tag}, "")
	}
	if spec.Swap != nil {
		l.add(Disk{Kind: Swap, Bus: spec.Swap.Bus, Tag: spec.Swap.Tag}, "")
	}
	if spec.ConfigDrive { // before the volumes, which come and go while the guest has it
		l.add(Disk{Kind: Config, CDROM: true}, "")
	}
	l.volumes(spec.Volumes, false, 0)
	return l.disks
}

// layout gives disks their names: the one asked for, or the first that is free.
type layout struct {
	bus   string
	cdrom string // bus of optical drives
	disks []Disk
}

// boot adds a disk to boot from, and before it the optical disk that it is
// installed from.
func (l *layout) boot(d Disk, image Kind, optical bool) {
	if optical {
		l.add(Disk{Kind: image, CDROM: true, Order: d.Order}, "")
		if d.Order > 0 {
			d.Order++
		}
	}
	l.add(d, "")
}

func (l *layout) volumes(all []hostapi.Volume, boot bool, order int) {
	for i, v := range all {
		if v.Boot == boot {
			l.add(Disk{Kind: Volume, Index: i, Bus: v.Bus, Tag: v.Tag, Order: order, CDROM: v.DeviceType == "cdrom"}, strings.TrimPrefix(v.Device, "/dev/"))
		}
	}
}

// Buses that a disk can be on, and how its names begin there.
var Buses = map[string]string{"virtio": "vd", "scsi": "sd", "sata": "sd", "ide": "hd", "usb": "sd"}

func busOf(hints map[string]string) string {
	if b := hints["hw_disk_bus"]; Buses[b] != "" {
		return b
	}
	return "virtio"
}

// cdromBusOf finds a bus that the machine has and its firmware can boot from.
func cdromBusOf(hints map[string]string, arch string) string {
	switch b := hints["hw_cdrom_bus"]; {
	case Buses[b] != "" && b != "virtio":
		return b
	case arch != "amd64":
		return "scsi"
	case strings.Contains(hints["hw_machine_type"], "q35"):
		return "sata"
	}
	return "ide"
}

func (l *layout) add(d Disk, device string) {
	switch {
	case d.CDROM:
		d.Bus = l.cdrom
	case Buses[d.Bus] == "":
		d.Bus = l.bus
	}
	prefix := Buses[d.Bus]
	if d.Device = device; device == "" || l.taken(device) || !strings.HasPrefix(device, prefix) {
		for i := 'a'; i <= 'z'; i++ {
			if d.Device = prefix + string(i); !l.taken(d.Device) {
				break
			}
		}
	}
	l.disks = append(l.disks, d)
}

func (l *layout) taken(device string) bool {
	return slices.ContainsFunc(l.disks, func(d Disk) bool { return d.Device == device })
}
