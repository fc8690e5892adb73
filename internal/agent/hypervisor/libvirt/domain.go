package libvirt

import (
	"encoding/xml"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"libvirt.org/go/libvirtxml"

	"kumoi/internal/agent/hypervisor"
)

// maxSocket is the longest path that a Unix socket can have.
const maxSocket = 107

// markURI is the namespace of our element in a domain's metadata.
const markURI = "urn:kumoi:server:1"

// domainName is what operators see in "virsh list". libvirt wants it unique,
// and so does the name of the monitor's socket, whose path must stay short.
func domainName(serverID string) string { return "kumoi-" + serverID[:min(13, len(serverID))] }

// domain describes the machine to libvirt.
func (d *Driver) domain(m hypervisor.Machine) (string, error) {
	x86 := d.arch == "x86_64"
	dom := &libvirtxml.Domain{
		Type:     d.cfg.VirtType,
		Name:     domainName(m.Mark.ServerID),
		UUID:     m.Mark.ServerID,
		Title:    printable(m.Mark.Name),
		Metadata: &libvirtxml.DomainMetadata{XML: markXML(m.Mark)},
		Memory:   &libvirtxml.DomainMemory{Value: uint(m.MemoryMiB), Unit: "MiB"},
		VCPU:     &libvirtxml.DomainVCPU{Value: uint(m.VCPUs), Placement: "static"},
		CPU:      d.cpu(m),
		OS: &libvirtxml.DomainOS{
			Type:   &libvirtxml.DomainOSType{Arch: d.arch, Machine: machineType(d.arch, m.Hints), Type: "hvm"},
			SMBios: &libvirtxml.DomainSMBios{Mode: "sysinfo"},
		},
		SysInfo:    []libvirtxml.DomainSysInfo{sysInfo(m.Mark.ServerID)},
		Features:   &libvirtxml.DomainFeatureList{ACPI: &libvirtxml.DomainFeature{}},
		Clock:      &libvirtxml.DomainClock{Offset: "utc"},
		OnPoweroff: "destroy", OnReboot: "restart", OnCrash: "destroy",
		Devices: &libvirtxml.DomainDeviceList{
			Emulator:    d.cfg.Emulator,
			MemBalloon:  &libvirtxml.DomainMemBalloon{Model: "virtio", Stats: &libvirtxml.DomainMemBalloonStats{Period: 10}},
			RNGs:        []libvirtxml.DomainRNG{{Model: "virtio", Backend: &libvirtxml.DomainRNGBackend{Random: &libvirtxml.DomainRNGBackendRandom{Device: "/dev/urandom"}}}},
			Controllers: []libvirtxml.DomainController{{Type: "usb", Model: "none"}},
		},
	}
	if x86 {
		dom.Features.APIC = &libvirtxml.DomainFeatureAPIC{}
		dom.Clock.Timer = []libvirtxml.DomainTimer{
			{Name: "rtc", TickPolicy: "catchup"}, {Name: "pit", TickPolicy: "delay"}, {Name: "hpet", Present: "no"},
		}
	}
	if d.cfg.VirtType == "qemu" {
		// QEMU's own default grows to a gibibyte of translated code per guest.
		dom.Features.TCG = &libvirtxml.DomainFeatureTCG{TBCache: &libvirtxml.DomainFeatureTCGTBCache{Unit: "MiB", Size: 128}}
	}
	if m.Hints["hw_firmware_type"] == "uefi" || d.arch == "aarch64" {
		dom.OS.Firmware = "efi"
	}
	d.consoles(dom, m)
	for _, disk := range m.Disks {
		x, err := d.disk(disk)
		if err != nil {
			return "", err
		}
		dom.Devices.Disks = append(dom.Devices.Disks, x)
	}
	if slices.ContainsFunc(m.Disks, func(d hypervisor.Disk) bool { return d.Bus == "scsi" }) {
		dom.Devices.Controllers = append(dom.Devices.Controllers, libvirtxml.DomainController{Type: "scsi", Model: "virtio-scsi"})
	}
	for _, nic := range m.NICs {
		dom.Devices.Interfaces = append(dom.Devices.Interfaces, d.nic(nic))
	}
	if yes(m.Hints["hw_qemu_guest_agent"]) {
		dom.Devices.Channels = append(dom.Devices.Channels, libvirtxml.DomainChannel{
			Source: &libvirtxml.DomainChardevSource{UNIX: &libvirtxml.DomainChardevSourceUNIX{Mode: "bind"}},
			Target: &libvirtxml.DomainChannelTarget{VirtIO: &libvirtxml.DomainChannelTargetVirtIO{Name: "org.qemu.guest_agent.0"}},
		})
	}
	return dom.Marshal()
}

// cpu is the host's own under KVM. TCG emulates what it can: stock systems
// compiled for newer processors would not start on its default model.
func (d *Driver) cpu(m hypervisor.Machine) *libvirtxml.DomainCPU {
	cpu := &libvirtxml.DomainCPU{Mode: "host-passthrough", Check: "none"}
	if d.cfg.VirtType == "qemu" {
		cpu.Mode = "maximum"
	}
	sockets, cores, threads := topology(m.VCPUs, m.Hints)
	cpu.Topology = &libvirtxml.DomainCPUTopology{Sockets: sockets, Cores: cores, Threads: threads}
	return cpu
}

// topology gives one socket per CPU, as users of OpenStack expect, unless the
// image or flavor asks for another shape that multiplies to the same number.
func topology(vcpus int, hints map[string]string) (sockets, cores, threads int) {
	get := func(names ...string) int {
		for _, n := range names {
			if v, err := strconv.Atoi(hints[n]); err == nil && v > 0 {
				return v
			}
		}
		return 0
	}
	sockets = get("hw:cpu_sockets", "hw_cpu_sockets")
	cores = get("hw:cpu_cores", "hw_cpu_cores")
	threads = max(1, get("hw:cpu_threads", "hw_cpu_threads"))
	switch {
	case sockets == 0 && cores == 0:
		sockets, cores = vcpus/threads, 1
	case sockets == 0:
		sockets = vcpus / (cores * threads)
	case cores == 0:
		cores = vcpus / (sockets * threads)
	}
	if sockets*cores*threads != vcpus {
		return vcpus, 1, 1
	}
	return sockets, cores, threads
}

// machineType defaults to the oldest and leanest: it boots fastest and takes
// hotplugged devices without prepared ports.
func machineType(arch string, hints map[string]string) string {
	if t := hints["hw_machine_type"]; t != "" {
		return t
	}
	if arch == "aarch64" {
		return "virt"
	}
	return "pc"
}

// sysInfo is what the guest reads from its firmware. The product's name is how
// cloud-init recognises that it should look for OpenStack's metadata.
func sysInfo(serverID string) libvirtxml.DomainSysInfo {
	return libvirtxml.DomainSysInfo{SMBIOS: &libvirtxml.DomainSysInfoSMBIOS{System: &libvirtxml.DomainSysInfoSystem{
		Entry: []libvirtxml.DomainSysInfoEntry{
			{Name: "manufacturer", Value: "Kumoi"},
			{Name: "product", Value: "OpenStack Compute"},
			{Name: "serial", Value: serverID},
			{Name: "uuid", Value: serverID},
			{Name: "family", Value: "Virtual Machine"},
		},
	}}}
}

// consoles gives the machine its serial port, kept in a log and open to one
// client at a time, and a screen if it should have one. The port is a socket
// rather than a terminal of the host's, which not every host lets guests have.
func (d *Driver) consoles(dom *libvirtxml.Domain, m hypervisor.Machine) {
	port := uint(0)
	log := &libvirtxml.DomainChardevLog{File: m.Console, Append: "on"}
	source := &libvirtxml.DomainChardevSource{UNIX: &libvirtxml.DomainChardevSourceUNIX{Mode: "bind", Path: m.Serial}}
	if m.Serial == "" || len(m.Serial) > maxSocket {
		source = &libvirtxml.DomainChardevSource{Pty: &libvirtxml.DomainChardevSourcePty{}}
	}
	if d.arch == "x86_64" {
		dom.Devices.Serials = []libvirtxml.DomainSerial{{
			Source: source, Log: log,
			Target: &libvirtxml.DomainSerialTarget{Type: "isa-serial", Port: &port, Model: &libvirtxml.DomainSerialTargetModel{Name: "isa-serial"}},
		}}
	}
	dom.Devices.Consoles = []libvirtxml.DomainConsole{{Source: source, Log: log, Target: &libvirtxml.DomainConsoleTarget{Type: "serial", Port: &port}}}
	if !m.Screen {
		dom.Devices.Videos = []libvirtxml.DomainVideo{{Model: libvirtxml.DomainVideoModel{Type: "none"}}}
		return
	}
	model := m.Hints["hw_video_model"]
	if model == "" {
		model = "vga"
	}
	dom.Devices.Videos = []libvirtxml.DomainVideo{{Model: libvirtxml.DomainVideoModel{Type: model}}}
	// A socket without a path: libvirt puts it beside the monitor's, where the
	// guest's user may make one.
	screen := libvirtxml.DomainGraphicListener{Socket: &libvirtxml.DomainGraphicListenerSocket{}}
	dom.Devices.Graphics = []libvirtxml.DomainGraphic{{VNC: &libvirtxml.DomainGraphicVNC{Listeners: []libvirtxml.DomainGraphicListener{screen}}}}
	dom.Devices.Controllers = []libvirtxml.DomainController{{Type: "usb", Model: "qemu-xhci"}}
	dom.Devices.Inputs = []libvirtxml.DomainInput{{Type: "tablet", Bus: "usb"}}
}

func (d *Driver) disk(disk hypervisor.Disk) (libvirtxml.DomainDisk, error) {
	x := libvirtxml.DomainDisk{
		Device: "disk",
		Driver: &libvirtxml.DomainDiskDriver{Name: "qemu", Type: disk.Format, Discard: "unmap", Cache: "writeback"},
		Target: &libvirtxml.DomainDiskTarget{Dev: disk.Device, Bus: disk.Bus},
		Serial: disk.Serial,
	}
	if disk.Direct {
		x.Driver.Cache = "none"
	}
	if disk.CDROM {
		x.Device, x.Driver.Discard = "cdrom", ""
	}
	if disk.ReadOnly || disk.CDROM {
		x.ReadOnly = &libvirtxml.DomainDiskReadOnly{}
	}
	if disk.Socket != "" {
		x.Driver.ErrorPolicy, x.Driver.RErrorPolicy = "stop", "stop"
	}
	if disk.Shareable {
		x.Shareable = &libvirtxml.DomainDiskShareable{}
	}
	if disk.BootOrder > 0 {
		x.Boot = &libvirtxml.DomainDeviceBoot{Order: uint(disk.BootOrder)}
	}
	source, err := diskSource(disk)
	if err != nil {
		return x, err
	}
	x.Source = source
	// The whole chain is spelt out, so that libvirt never looks into a file to
	// find what is below it.
	next := &x.BackingStore
	for _, b := range disk.Backing {
		*next = &libvirtxml.DomainDiskBackingStore{
			Format: &libvirtxml.DomainDiskFormat{Type: b.Format},
			Source: &libvirtxml.DomainDiskSource{File: &libvirtxml.DomainDiskSourceFile{File: b.Path}},
		}
		next = &(*next).BackingStore
	}
	*next = &libvirtxml.DomainDiskBackingStore{}
	return x, nil
}

// diskSource names the bytes: a file, or what a storage daemon offers.
func diskSource(disk hypervisor.Disk) (*libvirtxml.DomainDiskSource, error) {
	switch {
	case disk.Socket != "":
		return &libvirtxml.DomainDiskSource{Network: &libvirtxml.DomainDiskSourceNetwork{
			Protocol: "nbd", Name: disk.Export, TLS: "no",
			Hosts: []libvirtxml.DomainDiskSourceHost{{Transport: "unix", Socket: disk.Socket}},
		}}, nil
	case disk.Path != "":
		return &libvirtxml.DomainDiskSource{File: &libvirtxml.DomainDiskSourceFile{File: disk.Path}}, nil
	}
	return nil, fmt.Errorf("disk %s has no path", disk.Device)
}

func (d *Driver) nic(n hypervisor.NIC) libvirtxml.DomainInterface {
	model := n.Model
	if model == "" {
		model = "virtio"
	}
	x := libvirtxml.DomainInterface{
		MAC:    &libvirtxml.DomainInterfaceMAC{Address: n.MAC},
		Source: &libvirtxml.DomainInterfaceSource{Bridge: &libvirtxml.DomainInterfaceSourceBridge{Bridge: n.Bridge}},
		VirtualPort: &libvirtxml.DomainInterfaceVirtualPort{Params: &libvirtxml.DomainInterfaceVirtualPortParams{
			OpenVSwitch: &libvirtxml.DomainInterfaceVirtualPortParamsOpenVSwitch{InterfaceID: n.PortID},
		}},
		Target: &libvirtxml.DomainInterfaceTarget{Dev: n.Target},
		Model:  &libvirtxml.DomainInterfaceModel{Type: model},
		// The firmware's network boot would only cost time and memory.
		ROM: &libvirtxml.DomainROM{Enabled: "no"},
	}
	if n.MTU > 0 {
		x.MTU = &libvirtxml.DomainInterfaceMTU{Size: uint(n.MTU)}
	}
	if n.NoOffload && model == "virtio" {
		x.Driver = &libvirtxml.DomainInterfaceDriver{
			Name:  "qemu",
			Host:  &libvirtxml.DomainInterfaceDriverHost{CSum: "off", GSO: "off", TSO4: "off", TSO6: "off", ECN: "off", UFO: "off"},
			Guest: &libvirtxml.DomainInterfaceDriverGuest{CSum: "off", TSO4: "off", TSO6: "off", ECN: "off", UFO: "off"},
		}
	}
	return x
}

// mark is our element in a domain's metadata.
type mark struct {
	XMLName    xml.Name `xml:"server"`
	ID         string   `xml:"id,attr"`
	Name       string   `xml:"name"`
	ProjectID  string   `xml:"project"`
	UserID     string   `xml:"user"`
	Flavor     string   `xml:"flavor"`
	Generation int64    `xml:"generation"`
	Boot       int64    `xml:"boot"`
	HardBoot   int64    `xml:"hard_boot"`
	Rebuild    int64    `xml:"rebuild"`
	StartedAt  string   `xml:"started_at"`
}

// markXML writes the element with a prefix: libvirt refuses metadata that uses
// the default namespace.
func markXML(m hypervisor.Mark) string {
	fields := map[string]string{
		"name": m.Name, "project": m.ProjectID, "user": m.UserID, "flavor": m.Flavor,
		"generation": strconv.FormatInt(m.Generation, 10), "boot": strconv.FormatInt(m.Boot, 10),
		"hard_boot": strconv.FormatInt(m.HardBoot, 10), "rebuild": strconv.FormatInt(m.Rebuild, 10),
		"started_at": m.StartedAt.UTC().Format(time.RFC3339Nano),
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<kumoi:server xmlns:kumoi="%s" id="%s">`, markURI, escape(m.ServerID))
	for _, k := range slices.Sorted(maps.Keys(fields)) {
		fmt.Fprintf(&b, "<kumoi:%s>%s</kumoi:%s>", k, escape(fields[k]), k)
	}
	b.WriteString("</kumoi:server>")
	return b.String()
}

// parseMark reads our element as libvirt gives it back: alone, without its
// namespace.
func parseMark(text string) (hypervisor.Mark, bool) {
	m := &mark{}
	if xml.Unmarshal([]byte(text), m) != nil || m.ID == "" {
		return hypervisor.Mark{}, false
	}
	started, _ := time.Parse(time.RFC3339Nano, m.StartedAt)
	return hypervisor.Mark{
		ServerID: m.ID, Name: m.Name, ProjectID: m.ProjectID, UserID: m.UserID, Flavor: m.Flavor,
		Generation: m.Generation, Boot: m.Boot, HardBoot: m.HardBoot, Rebuild: m.Rebuild, StartedAt: started,
	}, true
}

func escape(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a Builder does not fail
	return b.String()
}

// printable is a name as libvirt's title takes it: one line.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
}

func yes(s string) bool { return s == "yes" || s == "true" || s == "True" || s == "1" }
