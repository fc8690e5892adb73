package compute

import (
	"context"

	"kumoi/internal/hostapi"
	"kumoi/internal/image"
	"kumoi/internal/kernel/store"
	"kumoi/internal/network"
	"kumoi/internal/placement"
)

// Placement decides which host takes a server and keeps the account of what
// each host has left.
type Placement interface {
	// SetHost records what a host has: called with every change of a host's report.
	SetHost(ctx context.Context, tx *store.Tx, h HostInventory) error
	// RemoveHost forgets a host that runs nothing.
	RemoveHost(ctx context.Context, tx *store.Tx, host string) error
	// Claim picks a host for the consumer and takes the resources from it, in
	// the caller's transaction. A consumer that holds a claim already keeps it
	// if its host is among the request's, else it is replaced. No host: NoCapacity,
	// together with a Decision that says why each was passed over.
	Claim(ctx context.Context, tx *store.Tx, r ClaimRequest) (*Decision, error)
	// Candidates answers as Claim would decide, best host first, and takes nothing.
	Candidates(ctx context.Context, tx *store.Tx, r ClaimRequest) (*Decision, error)
	// Move gives a consumer's claim to another consumer (a migration holds the
	// old host's while a resize is not confirmed).
	Move(ctx context.Context, tx *store.Tx, from, to string) error
	// Release gives everything of the consumer back; no claim is no error.
	Release(ctx context.Context, tx *store.Tx, consumerID string) error
	// Usage sums the claims on each host.
	Usage(ctx context.Context, tx *store.Tx) (map[string]Resources, error)
}

// Placement's words, under compute's roof.
type (
	Resources     = placement.Resources
	HostInventory = placement.HostInventory
	ClaimRequest  = placement.ClaimRequest
	Decision      = placement.Decision
	Verdict       = placement.Verdict
)

// Images is what compute needs to know of images, and how it makes one.
// The actor of the context decides what is visible; what is not gives NotFound.
type Images interface {
	Show(ctx context.Context, id string) (*Image, error)
	// CreateSnapshot makes an image in status queued, owned by the actor's
	// project, that ImageData.WriteImage will fill.
	CreateSnapshot(ctx context.Context, tx *store.Tx, s NewImage) error
	Delete(ctx context.Context, id string) error
	DeleteTx(ctx context.Context, tx *store.Tx, id string) error
	// ListBackups returns ids of the owner's images of a server's rotating
	// backup, newest first.
	ListBackups(ctx context.Context, owner, serverID, kind string) ([]string, error)
}

// Images' words, under compute's roof.
type (
	Image    = image.Image
	NewImage = image.Snapshot
)

// ImageData moves an image's bytes for hosts.
type ImageData interface {
	ReadImage(ctx context.Context, id string, offset int64, length int) ([]byte, error)
	// WriteImage appends at the offset; done closes the image, a non-empty abort drops it.
	WriteImage(ctx context.Context, id string, offset int64, data []byte, done bool, abort string) error
}

// ImageProxy is the part of the image service that versions before 2.39 showed
// as compute's own; *image.Service is one.
type ImageProxy interface {
	Images
	List(ctx context.Context, q store.Query) (store.Page[Image], error)
	ChangeProperties(ctx context.Context, id string, set map[string]string, remove []string) error
}

// Identity tells which projects there are; *identity.Service is one.
type Identity interface {
	ProjectExists(ctx context.Context, tx *store.Tx, id string) (bool, error)
}

// Volumes attaches block devices. A cloud without a volume service has none:
// requests that name volumes are refused.
type Volumes interface {
	// Reserve takes the volume for the server, in the request's transaction.
	Reserve(ctx context.Context, tx *store.Tx, volumeID, serverID string) (*VolumeInfo, error)
	// Connect returns how the host reaches the volume; repeating is harmless.
	Connect(ctx context.Context, volumeID, serverID, host string) (driver string, source map[string]string, err error)
	// Release undoes both.
	Release(ctx context.Context, volumeID, serverID string) error
}

// VolumeInfo is a volume as compute sees it.
type VolumeInfo struct {
	ID       string
	SizeGiB  int
	Bootable bool
	ImageID  string
}

// Network makes, binds and describes ports; *network.Service is one.
type Network interface {
	AllocatePortsTx(ctx context.Context, tx *store.Tx, req network.AllocateRequest) ([]*network.Port, error)
	AttachPortTx(ctx context.Context, tx *store.Tx, req network.AllocateRequest) (*network.Port, error)
	DetachPortTx(ctx context.Context, tx *store.Tx, serverID, portID string) error
	ReleasePortsTx(ctx context.Context, tx *store.Tx, serverID string) error
	ReleasePorts(ctx context.Context, serverID string) error
	BindPorts(ctx context.Context, serverID, host string) error
	UnbindPorts(ctx context.Context, serverID string) error
	WaitPortsUp(ctx context.Context, serverID string) error
	PortsOfServer(ctx context.Context, serverID string) ([]*network.Port, error)
	PortsOfServerTx(ctx context.Context, tx *store.Tx, serverID string) ([]*network.Port, error)
	ServerAddresses(ctx context.Context, serverIDs []string) (map[string][]network.ServerAddress, error)
	ServerSecurityGroups(ctx context.Context, serverIDs []string) (map[string][]*network.SecurityGroup, error)
	NICSpecs(ctx context.Context, serverID string) ([]hostapi.NIC, error)
	AddSecurityGroup(ctx context.Context, serverID, group string) error
	RemoveSecurityGroup(ctx context.Context, serverID, group string) error
	HostReport(ctx context.Context, r network.HostReport) error
}
