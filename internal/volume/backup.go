package volume

import (
	"time"

	"kumoi/internal/kernel/errs"
)

// Backup is a copy of a volume's bytes that lies apart from it.
type Backup struct {
	ID, ProjectID, UserID string
	Name, Description     string
	VolumeID, SnapshotID  string
	// ParentID is the backup that this one adds to; "": it is whole.
	ParentID   string
	Status     string
	FailReason string
	SizeGiB    int
	Bytes      int64 // that are kept of it
	Container  string
	Zone       string
	Metadata   map[string]string
	// VolumeMetadata was the volume's, and is again what it is restored into.
	VolumeMetadata map[string]string
	// EncryptionKeyID names the key of the volume that was encrypted.
	EncryptionKeyID string
	// RestoreID is the volume that it is being restored into.
	RestoreID string
	// Dependents tells whether others add to it; it is read with the backup.
	Dependents                   bool
	CreatedAt, UpdatedAt, DataAt time.Time
}

func backupNotFound(id string) error {
	return errs.New(errs.NotFound, "Backup %s could not be found.", id)
}
