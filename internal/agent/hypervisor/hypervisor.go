// Package hypervisor is what the agent asks of whatever runs guests on a host.
//
// A hypervisor keeps definitions and runs them. It does not decide: which disk
// a machine has, when it is rebooted and what follows after a crash is the
// agent's business. Everything the agent needs after its own death is kept in
// the guest's mark, which the hypervisor stores with the definition.
//
// The libvirt driver is the real one; fake is one in memory that behaves alike.
// Both pass hypervisortest.
package hypervisor

import (
	"context"
	"net"
	"time"

	"kumoi/internal/hostapi"
)

// Machine is a guest as it should be defined.
type Machine struct {
	Mark      Mark
	VCPUs     int
	MemoryMiB int
	Disks     []Disk
	NICs      []NIC
	// Console is the file that the serial console is logged to.
	Console string
	// Serial is the path of the serial console's socket.
	Serial string
	// Screen says that the machine has one, with keyboard and mouse.
	Screen bool
	// Hints are image properties and extra specs that shape the machine.
	Hints map[string]string
}

// Mark is kept with a guest's definition and tells where it comes from. While
// a guest runs, its mark is that of the definition it was started from.
type Mark struct {
	ServerID   string
	Name       string
	ProjectID  string
	UserID     string
	Flavor     string
	Generation int64 // of the spec
	Boot       int64 // the spec's counters when this incarnation was started
	HardBoot   int64
	Rebuild    int64
	StartedAt  time.Time
}

// Disk is a block device.
type Disk struct {
	Device   string // target: "vda", "sda"
	Bus      string // "virtio", "scsi", "sata", "ide"
	CDROM    bool
	ReadOnly bool
	Format   string // "raw" or "qcow2"; never guessed from the content
	Path     string // of a file
	// Backing is the chain below Path, nearest first.
	Backing []Backing
	// Socket is a Unix socket where a storage daemon offers the disk as Export,
	// instead of a file. While it is away the guest waits.
	Socket string
	Export string
	Serial string
	// Shareable says that other guests have the disk too.
	Shareable bool
	// BootOrder is 1 for the disk to boot from, 0 for one that is not booted.
	BootOrder int
	// Shared says that the host's page cache must not come between.
	Direct bool
}

// Backing is one file that a qcow2 disk is based on.
type Backing struct {
	Path   string
	Format string
}

// NIC is a network card plugged into the integration bridge.
type NIC struct {
	PortID string
	MAC    string
	Bridge string
	Target string // the interface's name on the host
	MTU    int
	Model  string // "virtio", "e1000", ...
	// NoOffload turns checksum and segmentation offloads off, which a
	// datapath in userspace needs.
	NoOffload bool
}

// Why a guest does not run.
type Why string

// Reasons for PowerStopped.
const (
	WhyUnknown Why = ""
	WhyGuest   Why = "guest" // it shut itself down
	WhyAsked   Why = "asked" // it was switched off from outside
	WhyFailed  Why = "failed"
)

// WhyStalled is why a guest that should run does not: a disk of it is away. It
// counts as running, and goes on with Resume once the disk is back.
const WhyStalled Why = "stalled"

// Guest is what the hypervisor knows of a machine.
type Guest struct {
	Mark  Mark
	Name  string // the hypervisor's own
	Power hostapi.Power
	Why   Why
}

// Info describes the host.
type Info struct {
	Type        string // "QEMU"
	Version     int64  // 7002000
	VirtType    string // "kvm" or "qemu"
	Arch        string
	CPUModel    string
	CPUVendor   string
	CPUFeatures []string
	Sockets     int
	Cores       int
	Threads     int
	CPUs        int
	MemoryMiB   int
}

// Event says that something may have changed. An empty ServerID concerns all
// guests: events may have been missed.
type Event struct {
	ServerID string
}

// Hypervisor runs guests. All methods may be called concurrently, those about
// one guest are called one after the other. NotFound means that there is no
// such guest, Conflict that its state does not allow the call, Unavailable
// that the hypervisor itself is away.
type Hypervisor interface {
	Info(ctx context.Context) (Info, error)
	// Guests lists all guests with a mark.
	Guests(ctx context.Context) ([]Guest, error)
	Guest(ctx context.Context, serverID string) (Guest, error)

	// Define stores the machine. A running guest keeps what it was started with.
	Define(ctx context.Context, m Machine) error
	// Undefine forgets a guest that does not run, and its saved memory.
	Undefine(ctx context.Context, serverID string) error

	// Start runs the definition, or the saved memory where there is one.
	Start(ctx context.Context, serverID string, paused bool) error
	// Shutdown presses the power button; the guest may take its time, or ignore it.
	Shutdown(ctx context.Context, serverID string) error
	// Destroy switches the guest off. It is no error if it is off.
	Destroy(ctx context.Context, serverID string) error
	Pause(ctx context.Context, serverID string) error
	Resume(ctx context.Context, serverID string) error
	// Suspend saves the memory and ends the guest.
	Suspend(ctx context.Context, serverID string) error
	// DropSaved forgets saved memory. It is no error if there is none.
	DropSaved(ctx context.Context, serverID string) error

	// Devices lists what a running guest has now.
	Devices(ctx context.Context, serverID string) (Devices, error)
	AttachNIC(ctx context.Context, serverID string, nic NIC) error
	DetachNIC(ctx context.Context, serverID, mac string) error
	AttachDisk(ctx context.Context, serverID string, disk Disk) error
	DetachDisk(ctx context.Context, serverID, device string) error
	// ResizeDisk tells a running guest that a disk has at least size bytes by now.
	ResizeDisk(ctx context.Context, serverID, device string, size int64) error

	// CopyDisk writes a point-in-time copy of a running or paused guest's disk
	// to a new qcow2 file that stands alone.
	CopyDisk(ctx context.Context, serverID, device, path string) error
	Diagnostics(ctx context.Context, serverID string) (*hostapi.Diagnostics, error)

	// Console connects to a console of a running guest. Conflict also means
	// that the guest was started without one. A serial line hears one
	// connection at a time; a second one waits until the first is closed.
	Console(ctx context.Context, serverID string, kind hostapi.ConsoleKind) (net.Conn, error)

	// Watch calls f for every event until ctx ends.
	Watch(ctx context.Context, f func(Event)) error
	Close() error
}

// Devices are the changeable parts of a running guest.
type Devices struct {
	NICs  []NIC  // PortID, MAC and Target
	Disks []Disk // Device, Serial, and Path or Socket
}
