// Package hostapi is the contract between the control plane and the agents on
// the hosts: messages, subjects and a typed client. Everything crosses the bus;
// neither side knows more of the other than what stands here.
//
// Hosts are told what should be, not what to do: the verb is "ensure this server
// is like so" and repeating it is harmless. What a host observes belongs to the
// host: it alone writes a ServerReport, with a sequence of its own.
package hostapi

import (
	"net/netip"
	"time"
)

// Power is what a guest should be doing, or does.
type Power string

// Power states. Crashed and Missing are observed, never desired.
const (
	PowerRunning   Power = "running"
	PowerStopped   Power = "stopped"
	PowerPaused    Power = "paused"
	PowerSuspended Power = "suspended" // memory saved on disk
	PowerCrashed   Power = "crashed"
	PowerMissing   Power = "missing" // the host has no such guest
)

// ServerSpec is one server as it should be on its host: complete, so that an
// agent needs nothing else, also after a reboot without the control plane.
type ServerSpec struct {
	ID         string `json:"id"`
	Generation int64  `json:"generation"` // grows with every change; an older spec is refused
	Name       string `json:"name"`
	Hostname   string `json:"hostname"`
	ProjectID  string `json:"project_id"`
	UserID     string `json:"user_id"`
	FlavorName string `json:"flavor_name"`

	VCPUs     int               `json:"vcpus"`
	MemoryMiB int               `json:"memory_mib"`
	Hints     map[string]string `json:"hints,omitempty"` // image properties and flavor extra specs that shape the machine (hw_*, hw:*)

	Root      RootDisk    `json:"root"`
	Ephemeral []LocalDisk `json:"ephemeral,omitempty"`
	Swap      *LocalDisk  `json:"swap,omitempty"`
	Volumes   []Volume    `json:"volumes,omitempty"`
	NICs      []NIC       `json:"nics"`

	Power Power `json:"power"`
	// StopGrace is how long a stopping guest may take over its ACPI shutdown
	// before it is switched off; 0: at once.
	StopGrace time.Duration `json:"stop_grace"`
	// Boot and HardBoot count reboots asked for. An agent that has done fewer
	// than the spec says reboots the guest and remembers the number.
	Boot     int64 `json:"boot"`
	HardBoot int64 `json:"hard_boot"`
	// Rebuild counts replacements of the root disk by Root's image.
	Rebuild int64 `json:"rebuild"`
	// Rescue, while set, is booted instead of Root, from a fresh disk of its
	// own; Root is there as the second disk.
	Rescue *RootDisk `json:"rescue,omitempty"`

	ConfigDrive bool     `json:"config_drive"`
	Metadata    Metadata `json:"metadata"`
	// Locked-down extras.
	Console ConsoleSpec `json:"console"`
}

// RootDisk is the disk a server boots from.
type RootDisk struct {
	ImageID    string `json:"image_id"` // "" with a boot volume
	SizeGiB    int    `json:"size_gib"` // 0: as large as the image
	DiskFormat string `json:"disk_format"`
	ImageBytes int64  `json:"image_bytes"`
	SHA512     string `json:"sha512"` // hex; the agent verifies what it fetched
	Bus        string `json:"bus,omitempty"`
	Tag        string `json:"tag,omitempty"`
}

// LocalDisk is a blank disk on the host, which lives and dies with its server.
type LocalDisk struct {
	SizeMiB int    `json:"size_mib"`
	Format  string `json:"format,omitempty"` // file system; "": as guests of the image's os_type have it
	Bus     string `json:"bus,omitempty"`    // "": as the machine's other disks
	Tag     string `json:"tag,omitempty"`
	// Rebuild is the rebuild that the disk was made with: a later one makes another.
	Rebuild int64 `json:"rebuild,omitempty"`
	// From is the image that has brought the disk's content from another host.
	From *RootDisk `json:"from,omitempty"`
}

// Volume is an attached volume: a disk that outlives its server.
type Volume struct {
	ID string `json:"id"`
	// AttachmentID is the client that the volume is exported to.
	AttachmentID string `json:"attachment_id"`
	Device       string `json:"device"` // "vdb"; "" lets the agent choose
	Boot         bool   `json:"boot"`
	Bus          string `json:"bus,omitempty"`
	DeviceType   string `json:"device_type,omitempty"` // disk, cdrom; default disk
	Tag          string `json:"tag,omitempty"`
	Shareable    bool   `json:"shareable,omitempty"` // other guests may write to it too
	// SizeGiB is what a running guest is to find, once it has grown; 0: unknown.
	SizeGiB    int              `json:"size_gib,omitempty"`
	Connection VolumeConnection `json:"connection"`
}

// NIC is one network card and all the agent must know of its network.
type NIC struct {
	PortID    string       `json:"port_id"`
	NetworkID string       `json:"network_id"`
	Network   string       `json:"network"` // name, for people
	MAC       string       `json:"mac"`
	MTU       int          `json:"mtu"`
	Model     string       `json:"model,omitempty"` // default virtio
	FixedIPs  []netip.Addr `json:"fixed_ips"`
	Subnets   []Subnet     `json:"subnets"`
	Tag       string       `json:"tag,omitempty"`
	// MetadataPort is the network's port on every host behind which the agent
	// answers 169.254.169.254; empty when the network has none.
	MetadataPort MetadataPort `json:"metadata_port"`
}

// MetadataPort is a network's OVN localport.
type MetadataPort struct {
	PortID string         `json:"port_id"`
	MAC    string         `json:"mac"`
	IPs    []netip.Prefix `json:"ips"` // with the subnet's length
}

// Subnet is a network's address range as guests see it.
type Subnet struct {
	ID      string       `json:"id"`
	CIDR    netip.Prefix `json:"cidr"`
	Gateway netip.Addr   `json:"gateway"` // zero: none
	DNS     []netip.Addr `json:"dns,omitempty"`
	Routes  []Route      `json:"routes,omitempty"`
	DHCP    bool         `json:"dhcp"`
	IPv6    string       `json:"ipv6,omitempty"` // address mode
}

// Route is a host route of a subnet.
type Route struct {
	Destination netip.Prefix `json:"destination"`
	NextHop     netip.Addr   `json:"next_hop"`
}

// Metadata is what the guest may read about itself; the agent renders the
// OpenStack and EC2 documents from it and from the spec.
type Metadata struct {
	AvailabilityZone string            `json:"availability_zone"`
	LaunchIndex      int               `json:"launch_index"`
	ReservationID    string            `json:"reservation_id"`
	KeyName          string            `json:"key_name,omitempty"`
	PublicKey        string            `json:"public_key,omitempty"`
	KeyType          string            `json:"key_type,omitempty"`
	AdminPass        string            `json:"admin_pass,omitempty"`
	Meta             map[string]string `json:"meta,omitempty"`
	UserData         []byte            `json:"user_data,omitempty"` // decoded
	SecurityGroups   []string          `json:"security_groups,omitempty"`
	Files            []File            `json:"files,omitempty"` // personality, until 2.57
	PublicIPs        []netip.Addr      `json:"public_ips,omitempty"`
	ImageID          string            `json:"image_id,omitempty"`
	RandomSeed       []byte            `json:"random_seed,omitempty"`
	CreatedAt        time.Time         `json:"created_at"`
}

// File is a file put into the guest by the config drive.
type File struct {
	Path    string `json:"path"`
	Content []byte `json:"content"`
}

// ConsoleSpec says which consoles the guest has.
type ConsoleSpec struct {
	VNC bool `json:"vnc"`
}

// ServerReport is a server as its host sees it. Fault is empty when the last
// ensure succeeded.
type ServerReport struct {
	ServerID   string    `json:"server_id"`
	Host       string    `json:"host"`
	Sequence   int64     `json:"sequence"` // of the host; only ever grows
	Generation int64     `json:"generation"`
	Power      Power     `json:"power"`
	Fault      string    `json:"fault,omitempty"` // for people
	Domain     string    `json:"domain"`          // the hypervisor's name of the guest
	StartedAt  time.Time `json:"started_at"`
	// Password is what the guest has posted to its metadata service: a password
	// encrypted with the owner's key.
	Password string `json:"password,omitempty"`
	// Steps is what the last ensure did and how long each part took, for
	// "kumoi explain server".
	Steps []StepTime `json:"steps,omitempty"`
	// Tainted guests were found running by the agent without a spec it knows.
	Orphan bool `json:"orphan,omitempty"`
}

// StepTime is one part of an ensure.
type StepTime struct {
	Name string        `json:"name"`
	Took time.Duration `json:"took"`
}

// HostReport is an agent's heartbeat: what the host is and what it has.
type HostReport struct {
	Host            string            `json:"host"`
	StartedAt       time.Time         `json:"started_at"` // of the agent
	BootID          string            `json:"boot_id"`
	At              time.Time         `json:"at"`
	Sequence        int64             `json:"sequence"`
	Version         string            `json:"version"`
	HypervisorType  string            `json:"hypervisor_type"`    // QEMU
	HypervisorVer   int64             `json:"hypervisor_version"` // 7002000
	VirtType        string            `json:"virt_type"`          // kvm or qemu
	Arch            string            `json:"arch"`
	CPUModel        string            `json:"cpu_model"`
	CPUVendor       string            `json:"cpu_vendor"`
	CPUFeatures     []string          `json:"cpu_features,omitempty"`
	CPUSockets      int               `json:"cpu_sockets"`
	CPUCores        int               `json:"cpu_cores"`
	CPUThreads      int               `json:"cpu_threads"`
	VCPUs           int               `json:"vcpus"`
	MemoryMiB       int               `json:"memory_mib"`
	MemoryUsedMiB   int               `json:"memory_used_mib"`
	DiskGiB         int               `json:"disk_gib"`
	DiskUsedGiB     int               `json:"disk_used_gib"`
	DiskFreeGiB     int               `json:"disk_free_gib"`
	Address         string            `json:"address"`
	ChassisID       string            `json:"chassis_id"`
	BridgeMappings  map[string]string `json:"bridge_mappings,omitempty"`
	UptimeSeconds   int64             `json:"uptime_seconds"`
	Load            string            `json:"load"`
	Servers         []ServerReport    `json:"servers"`
	ImageCacheBytes int64             `json:"image_cache_bytes"`
}

// ImageCache is what a host keeps of images.
type ImageCache struct {
	Limit  int64         `json:"limit"` // bytes that unused images may take; 0: no limit
	Images []CachedImage `json:"images"`
}

// CachedImage is an image in a host's cache.
type CachedImage struct {
	ID     string    `json:"id"`
	Format string    `json:"format"`
	SHA512 string    `json:"sha512"`
	Bytes  int64     `json:"bytes"` // on the host's disk
	Used   time.Time `json:"used"`  // last
	Disks  int       `json:"disks"` // of guests that are based on it; it stays as long as there are some
}

// ImageChunk asks for a part of an image.
type ImageChunk struct {
	ImageID string `json:"image_id"`
	Offset  int64  `json:"offset"`
	Length  int    `json:"length"` // at most MaxChunk
}

// MaxChunk is the most bytes of an image in one message.
const MaxChunk = 1 << 20

// ConsoleLogRequest asks for the end of a server's console log.
type ConsoleLogRequest struct {
	ServerID string `json:"server_id"`
	Lines    int    `json:"lines"` // 0: all that is kept
}

// ConsoleLog is a console's text.
type ConsoleLog struct {
	Text string `json:"text"`
}

// ConsoleKind is a way to sit down in front of a guest.
type ConsoleKind string

// Consoles of a guest.
const (
	ConsoleScreen ConsoleKind = "vnc"    // its screen, keyboard and mouse, as RFB (RFC 6143)
	ConsoleSerial ConsoleKind = "serial" // its first serial line, as it is
)

// A console's bytes go over the bus by requests alone: nothing is lost or
// reordered, and whoever is slow slows the other side down.
const (
	// MaxConsoleChunk is the most bytes in one message of a console.
	MaxConsoleChunk = 256 << 10
	// ConsolePoll is how long a read waits for bytes.
	ConsolePoll = 15 * time.Second
	// ConsoleIdle is when a host gives a session up that nobody asks about.
	ConsoleIdle = time.Minute
	// MaxConsoles is how many sessions a guest may have.
	MaxConsoles = 8
)

// ConsoleOpen asks for a session on a console of a guest.
type ConsoleOpen struct {
	ServerID string      `json:"server_id"`
	Kind     ConsoleKind `json:"kind"`
}

// ConsoleSession is a connection to a guest's console, kept by its host.
type ConsoleSession struct {
	ID string `json:"id"` // random
}

// ConsoleInput carries bytes to a guest's console, MaxConsoleChunk at most.
type ConsoleInput struct {
	Session ConsoleSession `json:"session"`
	Data    []byte         `json:"data"`
}

// ServerRef names a server.
type ServerRef struct {
	ServerID string `json:"server_id"`
	// Generation is, in a removal, that of the server at the time. Messages may
	// overtake each other: what is told late of it, or of an older one, is not
	// made again. 0 if unknown.
	Generation int64 `json:"generation,omitempty"`
}

// SnapshotRequest asks a host to copy a disk of a server into an image that
// the control plane has made; the host sends the bytes with WriteImage.
type SnapshotRequest struct {
	ServerID string `json:"server_id"`
	ImageID  string `json:"image_id"`
	// Ephemeral is 1 for the server's first ephemeral disk, and so on; 0 for its root disk.
	Ephemeral int  `json:"ephemeral,omitempty"`
	Live      bool `json:"live"` // without pausing the guest for longer than its disk's pivot
}

// ImageWrite carries a part of a snapshot; Done ends the image, Abort drops it.
// The bytes follow the header in the same message.
type ImageWrite struct {
	ImageID string `json:"image_id"`
	Offset  int64  `json:"offset"`
	Data    []byte `json:"data"`
	Done    bool   `json:"done"`
	Abort   string `json:"abort,omitempty"` // the reason
	Size    int64  `json:"size,omitempty"`  // with Done
}

// Diagnostics is what the hypervisor measures of a running guest.
type Diagnostics struct {
	Power       Power            `json:"power"`
	UptimeSec   int64            `json:"uptime_sec"`
	CPUTimeNs   []int64          `json:"cpu_time_ns"`
	MemoryMiB   int              `json:"memory_mib"`
	MemoryUsed  int              `json:"memory_used_mib"`
	Disks       []DiskCounters   `json:"disks"`
	NICs        []NICCounters    `json:"nics"`
	ConfigDrive bool             `json:"config_drive"`
	Driver      string           `json:"driver"`
	Hypervisor  string           `json:"hypervisor"`
	Extra       map[string]int64 `json:"extra,omitempty"`
}

// DiskCounters are since the guest's start.
type DiskCounters struct {
	Device                  string `json:"device"`
	ReadBytes, ReadRequests int64
	WriteBytes, WriteReqs   int64
	Errors                  int64
}

// NICCounters are since the guest's start.
type NICCounters struct {
	MAC                string `json:"mac"`
	RxBytes, RxPackets int64
	RxDrop, RxErrors   int64
	TxBytes, TxPackets int64
	TxDrop, TxErrors   int64
}
