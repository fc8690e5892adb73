package volume

import (
	"strings"
	"time"

	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/errs"
)

// Statuses of volumes, snapshots and backups.
const (
	Creating         = "creating"
	Available        = "available"
	Reserved         = "reserved"
	Attaching        = "attaching"
	InUse            = "in-use"
	Detaching        = "detaching"
	Deleting         = "deleting"
	Error            = "error"
	ErrorDeleting    = "error_deleting"
	ErrorExtending   = "error_extending"
	ErrorRestoring   = "error_restoring"
	ErrorManaging    = "error_managing"
	Extending        = "extending"
	Uploading        = "uploading"
	Downloading      = "downloading"
	Retyping         = "retyping"
	Reverting        = "reverting"
	BackingUp        = "backing-up"
	RestoringBackup  = "restoring-backup"
	AwaitingTransfer = "awaiting-transfer"
	Maintenance      = "maintenance"
	Managing         = "managing"
	Unmanaging       = "unmanaging"
)

// Volume is a disk.
type Volume struct {
	ID, ProjectID, UserID string
	Name, Description     string
	Status                string
	// PreviousStatus is what an operation in progress returns to.
	PreviousStatus string
	SizeGiB        int
	Zone           string
	TypeID         string // "": of no type
	// TypeName is filled in by those who make or change a volume, whose answer shows it:
	// when that is committed nothing may fail any more.
	TypeName string
	// Host is where the bytes are: HOST@BACKEND#POOL; "" until the scheduler has chosen.
	Host string

	SnapshotID, SourceID, ImageID, BackupID string // what it was made of

	Bootable, Multiattach, ReadOnly, Encrypted bool
	// EncryptionKeyID names the key of an encrypted volume.
	EncryptionKeyID string
	Metadata        map[string]string
	// ImageMetadata are the properties of the image that the bytes came from.
	ImageMetadata map[string]string
	GroupID       string
	// GroupSnapshot is set while the volume is made with a group.
	MigrationStatus string // "", migrating, completing, success, error
	AttachStatus    string // attached, detached
	// Replaces is the volume that this one's bytes will become, while it migrates.
	Replaces string
	// Unmetered volumes are the cloud's own and count for no quota.
	Unmetered  bool
	CreatedAt  time.Time
	UpdatedAt  time.Time
	LaunchedAt time.Time

	Attachments []*Attachment // read with the volume
}

// Snapshot is a volume as it once was.
type Snapshot struct {
	ID, VolumeID, ProjectID, UserID string
	Name, Description               string
	Status                          string
	Progress                        string // "100%"
	SizeGiB                         int
	TypeID                          string
	EncryptionKeyID                 string
	Metadata                        map[string]string
	GroupSnapshotID                 string
	Unmetered                       bool
	CreatedAt, UpdatedAt            time.Time
}

// Attachment is a client of a volume: one that is coming, there, or going.
type Attachment struct {
	ID, VolumeID, ProjectID string
	InstanceID              string // the server; "" if a host itself attaches
	AttachedHost            string
	Mountpoint              string
	Mode                    string // rw, ro or "null" until it is known
	Status                  string // reserved, attaching, attached, detached, error_attaching
	// Connector is what the client said of itself, Connection how it opens the
	// volume. Users see neither.
	Connector  map[string]any
	Connection *Connection // nil: not connected
	// New attachments were made through the attachments API, the others by volume actions.
	New bool
	// OfServer attachments were made by compute, which alone ends them: it has a
	// device for each, and both go in one transaction.
	OfServer             bool
	AttachedAt           time.Time
	CreatedAt, UpdatedAt time.Time
}

// Transfer offers a volume to whoever knows the key.
type Transfer struct {
	ID, VolumeID, Name    string
	SourceProject         string
	DestinationProject    string
	Salt, Hash            string // of the key
	NoSnapshots, Accepted bool
	CreatedAt             time.Time
	AuthKey               string // known to the answer that made it, and kept nowhere
}

// Place is the parts of a backend's name.
type Place struct{ Host, Backend, Pool string }

// ParsePlace reads HOST@BACKEND#POOL; what is missing is "".
func ParsePlace(name string) Place {
	var p Place
	name, p.Pool, _ = strings.Cut(name, "#")
	p.Host, p.Backend, _ = strings.Cut(name, "@")
	return p
}

func (p Place) String() string {
	out := p.Host + "@" + p.Backend
	if p.Pool != "" {
		out += "#" + p.Pool
	}
	return out
}

// ref is the volume as its host knows it.
func (v *Volume) ref() hostapi.VolumeRef {
	return hostapi.VolumeRef{Backend: ParsePlace(v.Host).Backend, ID: v.ID}
}

// NotFound says that the actor knows no such volume.
func NotFound(id string) error {
	return errs.New(errs.NotFound, "Volume %s could not be found.", id)
}

func snapshotNotFound(id string) error {
	return errs.New(errs.NotFound, "Snapshot %s could not be found.", id)
}

// NoAttachment says that the actor knows no such attachment.
func NoAttachment(id string) error { return attachmentNotFound(id) }

func attachmentNotFound(id string) error {
	return errs.New(errs.NotFound, "Volume attachment could not be found with filter: attachment_id = %s.", id)
}

func transferNotFound(id string) error {
	return errs.New(errs.NotFound, "Transfer %s could not be found.", id)
}

// invalid is Cinder's answer to what the state of a volume does not allow.
func invalid(format string, args ...any) error {
	e := errs.New(errs.Invalid, format, args...)
	e.Msg = "Invalid volume: " + e.Msg
	return e
}
