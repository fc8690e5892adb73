package volume

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"time"

	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/audit"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/ids"
	"kumoi/internal/kernel/store"
)

// backupService names the kind of store that a record is of; clients know one by
// how its name begins.
const backupService = "cinder.backup.drivers.kumoi"

// record is what is needed to know a backup again whose row is lost.
type record struct {
	ID          string            `json:"id"`
	VolumeID    string            `json:"volume_id"`
	ParentID    string            `json:"parent_id,omitempty"`
	Name        string            `json:"display_name,omitempty"`
	Description string            `json:"display_description,omitempty"`
	SizeGiB     int               `json:"size"`
	Metadata    map[string]string `json:"metadata,omitempty"`
	OfVolume    map[string]string `json:"volume_metadata,omitempty"`
	DataAt      time.Time         `json:"data_timestamp"`
	Bytes       string            `json:"service_metadata,omitempty"` // the backup whose bytes these are; "": its own
}

// Export returns a backup's record.
func (f *Backups) Export(ctx context.Context, id string) (service, url string, err error) {
	b, err := f.showBy(ctx, "backup:export-import", id)
	if err != nil {
		return "", "", err
	}
	if b.Status != Available {
		return "", "", errs.New(errs.Invalid, "Invalid backup: Backup status must be available and not %s.", b.Status)
	}
	if b.EncryptionKeyID != "" {
		return "", "", errs.New(errs.Invalid, "Invalid backup: The key of an encrypted volume's backup is not in its record; it cannot be exported.")
	}
	text, err := json.Marshal(record{b.ID, b.VolumeID, b.ParentID, b.Name, b.Description, b.SizeGiB, b.Metadata, b.VolumeMetadata, b.DataAt, b.ID})
	return backupService, base64.StdEncoding.EncodeToString(text), err
}

// Import makes a backup known whose bytes are there.
func (f *Backups) Import(ctx context.Context, service, url string) (*Backup, error) {
	if err := f.s.Check(ctx, "backup:backup-import"); err != nil {
		return nil, err
	}
	if service != backupService {
		return nil, errs.New(errs.Invalid, "Invalid backup: The record is of the backup service %.60q; this one is %s.", service, backupService)
	}
	var r record
	text, err := base64.StdEncoding.DecodeString(url)
	if err == nil {
		err = json.Unmarshal(text, &r)
	}
	if err != nil || !ids.IsUUID(r.ID) || !ids.IsUUID(r.VolumeID) || r.ParentID != "" && !ids.IsUUID(r.ParentID) || r.SizeGiB < 1 {
		return nil, errs.New(errs.Invalid, "Invalid input received: Can't parse backup record.")
	}
	if r.Bytes != "" && r.Bytes != r.ID { // the same bytes under another id
		if err := f.s.chunks.link(r.Bytes, r.ID); err != nil {
			return nil, err
		}
	}
	size, whole, err := f.s.chunks.bytes(r.ID)
	if err != nil {
		return nil, err
	}
	if !whole {
		return nil, errs.New(errs.Invalid, "Invalid backup: The bytes of backup %s are not there.", r.ID)
	}
	who := actor.From(ctx)
	b := &Backup{
		ID: r.ID, ProjectID: who.ProjectID, UserID: who.UserID, Name: r.Name, Description: r.Description, VolumeID: r.VolumeID, ParentID: r.ParentID,
		Status: Available, SizeGiB: r.SizeGiB, Bytes: size, Metadata: r.Metadata, VolumeMetadata: r.OfVolume, CreatedAt: f.s.now(), DataAt: r.DataAt,
	}
	return b, f.s.write(ctx, func(tx *store.Tx) error {
		known, err := f.s.tables.Backups.Any(ctx, tx, store.Eq("id", b.ID))
		if err == nil && known {
			err = errs.New(errs.Invalid, "Invalid backup: Backup already exists in database.")
		}
		if err == nil && b.ParentID != "" {
			if _, err = f.s.tables.Backups.Get(ctx, tx, b.ParentID); errs.Is(err, errs.NotFound) {
				err = errs.New(errs.Invalid, "Invalid backup: It adds to backup %s, which must be imported first.", b.ParentID)
			}
		}
		if err == nil {
			err = f.s.parts.spend(ctx, tx, Demand{Project: b.ProjectID, Backups: 1, BackupGiB: b.SizeGiB})
		}
		if err != nil {
			return err
		}
		audit.Created(ctx, b.ID)
		return f.s.tables.Backups.Insert(ctx, tx, b)
	})
}
