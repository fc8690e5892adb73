package sqlstore

import (
	"database/sql/driver"
	"encoding/base64"
	"fmt"

	"kumoi/internal/kernel/store"
	"kumoi/internal/volume"
)

func backups() *store.Table[volume.Backup] {
	return store.NewTable("volume_backup", func(v *volume.Backup, c *store.Columns) {
		c.Key("id", &v.ID)
		c.Text("project_id", &v.ProjectID)
		c.Text("user_id", &v.UserID)
		c.Text("name", &v.Name)
		c.Text("description", &v.Description)
		c.Text("volume_id", &v.VolumeID)
		c.Text("snapshot_id", &v.SnapshotID)
		c.Text("parent_id", &v.ParentID)
		c.Text("status", &v.Status)
		c.Text("fail_reason", &v.FailReason)
		c.Int("size", &v.SizeGiB)
		c.Int64("bytes", &v.Bytes)
		c.Text("container", &v.Container)
		c.Text("availability_zone", &v.Zone)
		c.JSON("metadata", &v.Metadata)
		c.JSON("volume_metadata", &v.VolumeMetadata)
		c.Text("encryption_key_id", &v.EncryptionKeyID)
		c.Text("restore_id", &v.RestoreID)
		c.Time("created_at", &v.CreatedAt)
		c.Time("updated_at", &v.UpdatedAt)
		c.Time("data_at", &v.DataAt)
	}).Condition("metadata", hasPair("volume_backup", "metadata"))
}

func backends() *store.Table[volume.Backend] {
	return store.NewTable("volume_backend", func(v *volume.Backend, c *store.Columns) {
		c.Key("host", &v.Host)
		c.Key("name", &v.Name)
		c.Text("service_id", &v.ServiceID)
		c.Int64("number", &v.Number)
		c.JSON("report", &v.Report)
		c.Time("seen_at", &v.SeenAt)
		c.Bool("disabled", &v.Disabled)
		c.Text("reason", &v.Reason)
		c.Bool("frozen", &v.Frozen)
		c.Time("created_at", &v.CreatedAt)
		c.Time("updated_at", &v.UpdatedAt)
	})
}

func keys() *store.Table[volume.Key] {
	return store.NewTable("volume_key", func(v *volume.Key, c *store.Columns) {
		c.Key("id", &v.ID)
		c.Text("project_id", &v.ProjectID)
		c.Custom("sealed", store.KindText, sealed{&v.Sealed})
	})
}

// sealed are bytes as text.
type sealed struct{ p *[]byte }

func (s sealed) Value() (driver.Value, error) { return base64.StdEncoding.EncodeToString(*s.p), nil }

func (s sealed) Scan(src any) (err error) {
	switch v := src.(type) {
	case string:
		*s.p, err = base64.StdEncoding.DecodeString(v)
	case []byte:
		*s.p, err = base64.StdEncoding.DecodeString(string(v))
	default:
		err = fmt.Errorf("scan %T as sealed bytes", src)
	}
	return err
}
