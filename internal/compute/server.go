package compute

import (
	"time"

	"kumoi/internal/compute/flavor"
	"kumoi/internal/hostapi"
)

// Flavor is a size of servers.
type Flavor = flavor.Flavor

// Server is a virtual machine as its owner ordered it, and what has become of it.
type Server struct {
	ID, ProjectID, UserID string
	Name                  string
	Description           *string
	Hostname              string
	ReservationID         string
	LaunchIndex           int

	ImageID    string            // "" when booted from a volume
	ImageProps map[string]string // of the image, when the server was made
	Root       hostapi.RootDisk
	Flavor     *Flavor // as it was when the server was made or resized
	Local      LocalDisks

	KeyName, KeyType, PublicKey string
	UserData                    string // base64, as given
	ConfigDrive                 bool
	Metadata                    map[string]string
	Files                       []hostapi.File
	AdminPass                   string // only until the guest was first built
	SecurityGroups              []string
	Hints                       map[string][]string // scheduler hints
	Tags                        []string

	AvailabilityZone string // where it is
	PinnedZone       string // asked for by the owner; "" if not
	Host, Domain     string // the hypervisor's name of the guest
	RequestedHost    string // the owner insists on this host

	VMState    VMState
	TaskState  TaskState
	PowerState PowerState
	Progress   int
	Locked     bool
	LockedBy   string // owner or admin
	LockReason *string
	AccessIPv4 string
	AccessIPv6 string
	DiskConfig string // AUTO or MANUAL
	Fault      *Fault
	Password   string // stored by the guest, encrypted

	Generation       int64
	Boot, HardBoot   int64
	Rebuild          int64
	Power            hostapi.Power     // what the host is told
	Rescue           *hostapi.RootDisk // booted while rescued
	SnapshotImageID  string            // the image that the server's host may write now
	OldVMState       VMState           // before a resize, rescue or soft deletion
	HostSequence     int64             // of the last report believed
	CreatedAt        time.Time
	UpdatedAt        time.Time
	LaunchedAt       time.Time
	TerminatedAt     time.Time
	DeletedAt        time.Time
	Deleted          bool
	ShelvedImageID   string
	DeleteRequested  bool // a saga in progress must unwind into deletion
	GroupID          string
	AutoResizeWindow time.Time // when an unconfirmed resize began
}

// Fault is why a server is in ERROR, in words for its owner.
type Fault struct {
	Code    int       `json:"code"`
	Message string    `json:"message"`
	Details string    `json:"details,omitempty"`
	Created time.Time `json:"created"`
}

// volumeBacked tells whether the server boots from a volume.
func (s *Server) volumeBacked() bool { return s.ImageID == "" }

// resources is what the server takes from a host.
func (s *Server) resources() Resources {
	f := s.Flavor
	disk := f.Ephemeral + (f.Swap+1023)/1024
	if !s.volumeBacked() {
		disk += f.Disk
	}
	return Resources{VCPU: f.VCPUs, MemoryMB: f.RAM, DiskGB: disk}
}

// instanceName is the hypervisor's name of the guest.
func (s *Server) instanceName() string {
	if s.Domain != "" {
		return s.Domain
	}
	if len(s.ID) < 8 {
		return ""
	}
	return "instance-" + s.ID[:8]
}

// InstanceName is the hypervisor's name of the guest.
func (s *Server) InstanceName() string { return s.instanceName() }

// GuestPassword is the password that the guest has stored, encrypted; "" if
// there is none, or not any more.
func (s *Server) GuestPassword() string {
	if s.Password == passwordCleared {
		return ""
	}
	return s.Password
}
