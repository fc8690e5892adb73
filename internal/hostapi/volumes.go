package hostapi

import "context"

// VolumeHost is what a host does with volumes' bytes: the contract that each
// backend (file, nfs, rbd, fake) fulfils and that one test suite judges.
// Every call may be repeated with the same arguments and then finds its work
// done; volumes and snapshots are named by their ids; what is not there is
// already deleted. Errors are typed as the Client's.
type VolumeHost interface {
	CreateVolume(ctx context.Context, c *VolumeCreate) (*VolumeBytes, error)
	DeleteVolume(ctx context.Context, v VolumeRef) error
	// ExtendVolume grows a volume to SizeGiB, also while it is exported.
	ExtendVolume(ctx context.Context, v VolumeRef, sizeGiB int) error
	CreateVolumeSnapshot(ctx context.Context, s VolumeSnapshotRef) error
	DeleteVolumeSnapshot(ctx context.Context, s VolumeSnapshotRef) error
	// RevertVolume gives a volume that is not exported the bytes of its newest snapshot.
	RevertVolume(ctx context.Context, s VolumeSnapshotRef) error
	// ExportVolume makes the volume reachable for one client, UnexportVolume ends
	// that. A volume may have several clients; LimitVolume applies to all of them.
	ExportVolume(ctx context.Context, e *VolumeExport) (*VolumeConnection, error)
	UnexportVolume(ctx context.Context, v VolumeRef, client string) error
	LimitVolume(ctx context.Context, v VolumeRef, limits VolumeLimits) error
	// UploadVolume sends the bytes as an image, with WriteImage.
	UploadVolume(ctx context.Context, u *VolumeUpload) error
	// BackupVolume sends the bytes, or those changed since the backup Since, with
	// WriteBackup; RestoreVolume writes a backup's chain into a volume that is not
	// exported, with ReadBackup. Both know the bytes as they are stored: of an
	// encrypted volume the ciphertext, for a volume with the same key.
	BackupVolume(ctx context.Context, b *VolumeBackup) (*VolumeBackupMade, error)
	RestoreVolume(ctx context.Context, r *VolumeRestore) error
	// CopyVolume copies this backend's volume From into the volume that the
	// connection reaches, while From's clients write, and returns when both are
	// equal. What is written to From after that is in both before it is
	// acknowledged, for as long as the daemons live that do it.
	CopyVolume(ctx context.Context, c *VolumeCopy) error
	// FinishCopy shuts From to all its clients and returns when both volumes are
	// equal and nothing can change that: whoever is let in to To has what From's
	// clients wrote. If it is not known that both are equal (a daemon has died since
	// CopyVolume) the answer is errs.Conflict, and the copy is to be made again.
	FinishCopy(ctx context.Context, from VolumeRef) error
	// EndCopy gives a copy up, also one that was finished: From's clients are let in
	// again. Of c it uses From and its Encryption.
	EndCopy(ctx context.Context, c *VolumeCopy) error
	// VolumeBackends says what the host's backends are and how much room they have.
	VolumeBackends(ctx context.Context) ([]VolumeBackend, error)
	// ManageableVolumes lists what lies in a backend and may be taken over.
	ManageableVolumes(ctx context.Context, backend string) ([]ManageableVolume, error)
	// AdoptVolume gives existing bytes a volume's id; ReleaseVolume forgets the id and keeps the bytes under Name.
	AdoptVolume(ctx context.Context, v VolumeRef, name string) (*VolumeBytes, error)
	ReleaseVolume(ctx context.Context, v VolumeRef, name string) error
	// ManageableSnapshots lists snapshots of a backend's volumes that may be taken over, and those that are managed.
	ManageableSnapshots(ctx context.Context, backend string) ([]ManageableSnapshot, error)
	// AdoptSnapshot gives what a volume was once, kept under Name, a snapshot's id;
	// ReleaseSnapshot forgets the id and keeps it under Name. It lives with its
	// volume: while it is there the volume is not deleted.
	AdoptSnapshot(ctx context.Context, s VolumeSnapshotRef, name string) (*VolumeBytes, error)
	ReleaseSnapshot(ctx context.Context, s VolumeSnapshotRef, name string) error
}

// VolumeRef names a volume in one of a host's backends.
type VolumeRef struct {
	Backend string `json:"backend"` // as the host calls it: "file", "nfs", "ceph"
	ID      string `json:"id"`
}

// BackendName is the backend that a message is for.
func (v VolumeRef) BackendName() string { return v.Backend }

// VolumeSnapshotRef names a snapshot of a volume.
type VolumeSnapshotRef struct {
	VolumeRef
	SnapshotID string `json:"snapshot_id"`
}

// VolumeCreate orders a volume. At most one of the sources is set; none: zeros.
type VolumeCreate struct {
	VolumeRef
	SizeGiB    int               `json:"size_gib"`
	Thick      bool              `json:"thick,omitempty"` // take all the room at once
	Encryption *VolumeEncryption `json:"encryption,omitempty"`

	Image    *RootDisk          `json:"image,omitempty"`    // through the host's image cache; copy on write where the backend can
	Snapshot *VolumeSnapshotRef `json:"snapshot,omitempty"` // in the same backend
	Volume   *VolumeRef         `json:"volume,omitempty"`   // in the same backend, as it is now, also while it is written
}

// VolumeEncryption is LUKS by QEMU: the backend's bytes are ciphertext.
type VolumeEncryption struct {
	Cipher  string `json:"cipher"`   // aes-xts-plain64
	KeySize int    `json:"key_size"` // bits
	Key     []byte `json:"key"`
}

// VolumeBytes is what became of an order.
type VolumeBytes struct {
	SizeGiB   int   `json:"size_gib"`
	UsedBytes int64 `json:"used_bytes"`
}

// VolumeExport asks that a client may open a volume.
type VolumeExport struct {
	VolumeRef
	Client     string            `json:"client"` // who: the attachment's id
	Host       string            `json:"host"`   // where the client is
	ReadOnly   bool              `json:"read_only,omitempty"`
	Encryption *VolumeEncryption `json:"encryption,omitempty"`
	Limits     VolumeLimits      `json:"limits"`
}

// VolumeConnection says how a volume is reached. It opens the volume, so users
// never see it.
type VolumeConnection struct {
	VolumeID string `json:"volume_id"`
	Backend  string `json:"backend"`
	Host     string `json:"host"`              // whose storage daemon serves it
	Address  string `json:"address,omitempty"` // HOST:PORT of its NBD server with TLS-PSK; "": only on Host
	Export   string `json:"export"`
	Key      []byte `json:"key,omitempty"` // TLS-PSK of the user "kumoi"
	ReadOnly bool   `json:"read_only,omitempty"`
}

// VolumeLimits are what a volume's clients may do a second; 0: no limit.
// Bursts are allowed for Length seconds.
type VolumeLimits struct {
	TotalIOPS, ReadIOPS, WriteIOPS          int64
	TotalBytes, ReadBytes, WriteBytes       int64
	TotalIOPSMax, ReadIOPSMax, WriteIOPSMax int64
	TotalBytesMax, ReadBytesMax             int64
	WriteBytesMax                           int64
	TotalIOPSMaxLength, ReadIOPSMaxLength   int64
	WriteIOPSMaxLength, TotalBytesMaxLength int64
	ReadBytesMaxLength, WriteBytesMaxLength int64
	SizeIOPS                                int64
}

// VolumeUpload asks for a volume's bytes as an image that the control plane has
// made: plain with the volume's Encryption, without it those that are stored.
type VolumeUpload struct {
	VolumeRef
	ImageID    string            `json:"image_id"`
	DiskFormat string            `json:"disk_format"` // raw, qcow2, vmdk, vdi, vhd, vhdx
	Encryption *VolumeEncryption `json:"encryption,omitempty"`
}

// VolumeBackup asks for a backup of a volume, or of one of its snapshots.
type VolumeBackup struct {
	VolumeRef
	BackupID   string `json:"backup_id"`
	SnapshotID string `json:"snapshot_id,omitempty"`
	Since      string `json:"since,omitempty"` // the backup that this one adds to; "": all
}

// VolumeBackupMade says what was sent. Full is true if the host could not tell
// what had changed since the older backup, so that all was sent.
type VolumeBackupMade struct {
	Full  bool  `json:"full"`
	Bytes int64 `json:"bytes"`
}

// VolumeRestore fills a volume from backups, oldest first.
type VolumeRestore struct {
	VolumeRef
	Backups []string `json:"backups"`
}

// VolumeCopy fills To, which is exported to From's host and at least as large, from From.
type VolumeCopy struct {
	From       VolumeRef         `json:"from"`
	To         VolumeConnection  `json:"to"`
	Encryption *VolumeEncryption `json:"encryption,omitempty"` // of From
}

// BackendName is the backend that a copy is made from.
func (c VolumeCopy) BackendName() string { return c.From.Backend }

// VolumeControl is what a host asks of the control plane for its volumes.
type VolumeControl interface {
	ReadImage(ctx context.Context, imageID string, offset int64, length int) ([]byte, error)
	WriteImage(ctx context.Context, w ImageWrite) error
	// WriteBackup takes the parts of a backup in the order of their offsets; one
	// that comes again is known by its offset.
	WriteBackup(ctx context.Context, w BackupWrite) error
	ReadBackup(ctx context.Context, r BackupRead) (*BackupWrite, error)
}

// BackupWrite carries a part of a backup; Zero says that Length bytes are zero.
type BackupWrite struct {
	BackupID string `json:"backup_id"`
	Offset   int64  `json:"offset"`
	Length   int64  `json:"length"`
	Zero     bool   `json:"zero,omitempty"`
	Data     []byte `json:"data,omitempty"` // at most MaxChunk
	Done     bool   `json:"done,omitempty"`
}

// BackupRead asks for the next part of a backup at or after Offset; the answer
// is a BackupWrite, with Done after the last.
type BackupRead struct {
	BackupID string `json:"backup_id"`
	Offset   int64  `json:"offset"`
}

// VolumeReport is a host's heartbeat for its volumes: all its backends.
type VolumeReport struct {
	Backends []VolumeBackend `json:"backends"`
}

// VolumeBackend is a backend of a host.
type VolumeBackend struct {
	Name     string `json:"name"`
	Driver   string `json:"driver"` // file, nfs, rbd, fake
	Pool     string `json:"pool"`
	TotalGiB int    `json:"total_gib"`
	FreeGiB  int    `json:"free_gib"`
	UsedGiB  int    `json:"used_gib"`
	// Shared backends are the same bytes on every host that reports them.
	Shared bool `json:"shared,omitempty"`
	Thin   bool `json:"thin"`
	Thick  bool `json:"thick"`
	// ReservedPercent of the room are to be kept free; a thin backend promises its
	// room OverSubscription times, 0: as often as the cloud has it.
	ReservedPercent  int     `json:"reserved_percent,omitempty"`
	OverSubscription float64 `json:"over_subscription,omitempty"`
	// Fault is why the backend cannot be used now, for people; "" if it can.
	Fault string `json:"fault,omitempty"`
}

// ManageableVolume is something in a backend that no volume owns.
type ManageableVolume struct {
	Name    string `json:"name"`
	SizeGiB int    `json:"size_gib"`
	Safe    bool   `json:"safe"`
	Reason  string `json:"reason,omitempty"` // why not
	Volume  string `json:"volume,omitempty"` // the volume that owns it
}

// ManageableSnapshot is a snapshot of a backend's volume.
type ManageableSnapshot struct {
	Name     string `json:"name"`
	Volume   string `json:"volume"` // whose it is
	SizeGiB  int    `json:"size_gib"`
	Safe     bool   `json:"safe"`
	Reason   string `json:"reason,omitempty"`   // why not
	Snapshot string `json:"snapshot,omitempty"` // the id that it is managed by
}
