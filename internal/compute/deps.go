package compute

import (
	"context"

	"kumoi/internal/hostapi"
	"kumoi/internal/image"
	"kumoi/internal/kernel/store"
	"kumoi/internal/network"
	"kumoi/internal/placement"
	"kumoi/internal/volume"
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
// as compute's own; *image.Images is one.
type ImageProxy interface {
	Images
	List(ctx context.Context, q store.Query) (store.Page[Image], error)
	ChangeProperties(ctx context.Context, id string, set map[string]string, remove []string) error
}

// Identity tells which projects there are; *identity.Service is one.
type Identity interface {
	ProjectExists(ctx context.Context, tx *store.Tx, id string) (bool, error)
}

// Volumes makes, finds and attaches volumes; *volume.Servers is one. A cloud
// without a volume service has none: requests that name volumes are refused.
// What is reserved is known by the id of the attachment, which compute chooses,
// and only compute changes it. Every call but CreateTx may be repeated.
type Volumes interface {
	// VolumeTx and SnapshotTx find what the actor may use; what not gives NotFound.
	VolumeTx(ctx context.Context, tx *store.Tx, id string) (*volume.Volume, error)
	SnapshotTx(ctx context.Context, tx *store.Tx, id string) (*volume.Snapshot, error)
	// CreateTx begins to make a volume of the actor; img is the image of n.ImageID.
	CreateTx(ctx context.Context, tx *store.Tx, n volume.NewVolume, img *image.Image) (*volume.Volume, error)
	// AwaitVolume waits until a volume is made, and says why if it is not.
	AwaitVolume(ctx context.Context, id string) error
	// Reads and Fills tell whether a host makes a volume from an image just now,
	// or an image from a volume.
	Reads(ctx context.Context, host, imageID string) (bool, error)
	Fills(ctx context.Context, host, imageID string) (bool, error)
	// ReserveTx takes a volume for a server.
	ReserveTx(ctx context.Context, tx *store.Tx, a volume.ServerAttachment) error
	// ConnectVolume makes a reserved volume reachable from a host, and from no
	// other, and tells whether CompleteTx was said of it already.
	ConnectVolume(ctx context.Context, attachmentID, host string) (complete bool, err error)
	// Connections are how a server's host reaches its volumes, by attachment.
	Connections(ctx context.Context, serverID string) (map[string]volume.ServerConnection, error)
	// CompleteTx says that the server's guest has the volume.
	CompleteTx(ctx context.Context, tx *store.Tx, attachmentID string) error
	// DetachingTx says that the guest is about to lose the volume, or does not after all.
	DetachingTx(ctx context.Context, tx *store.Tx, attachmentID string, going bool) error
	// DisconnectVolume ends what ConnectVolume began on this host, "" for any; the volume stays reserved.
	DisconnectVolume(ctx context.Context, attachmentID, host string) error
	// DetachTx gives the volume back.
	DetachTx(ctx context.Context, tx *store.Tx, attachmentID string) error
	// DeleteTx begins the deletion of a volume that is given back.
	DeleteTx(ctx context.Context, tx *store.Tx, id string) error
	// SnapshotVolumeTx begins a snapshot; AwaitSnapshot waits for it, and
	// DeleteSnapshotTx begins its deletion.
	SnapshotVolumeTx(ctx context.Context, tx *store.Tx, n volume.NewSnapshot) (*volume.Snapshot, error)
	AwaitSnapshot(ctx context.Context, id string) error
	DeleteSnapshotTx(ctx context.Context, tx *store.Tx, id string) error
}

// Network makes, binds and describes ports; *network.Servers is one.
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
	ServerAddressesTx(ctx context.Context, tx *store.Tx, serverIDs []string) (map[string][]network.ServerAddress, error)
	ServerSecurityGroups(ctx context.Context, serverIDs []string) (map[string][]*network.SecurityGroup, error)
	ServerSecurityGroupsTx(ctx context.Context, tx *store.Tx, serverIDs []string) (map[string][]*network.SecurityGroup, error)
	NICSpecsTx(ctx context.Context, tx *store.Tx, serverID string) ([]hostapi.NIC, error)
	AddSecurityGroup(ctx context.Context, serverID, group string) error
	RemoveSecurityGroup(ctx context.Context, serverID, group string) error
	HostReport(ctx context.Context, r network.HostReport) error
}
