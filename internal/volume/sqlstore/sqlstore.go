// Package sqlstore keeps the volume service's records in SQL.
package sqlstore

import (
	"embed"

	"kumoi/internal/kernel/quota"
	"kumoi/internal/kernel/store"
	"kumoi/internal/volume"
)

//go:embed migrations/*.sql
var files embed.FS

// Migrations returns the service's schema history.
func Migrations() store.Migrations { return store.Migrations{Service: "volume", FS: files} }

// Tables are where the service keeps what it knows.
func Tables() volume.Tables {
	t := volume.Tables{
		Snapshots: snapshots(), Attachments: attachments(), Transfers: transfers(), Backups: backups(), Backends: backends(), Keys: keys(), Allocated: allocated,
	}
	t.Volumes = volumes(t.Attachments)
	t.FamilyTables = volume.FamilyTables{
		Types: types(), QoS: qosSpecs(), Groups: groups(), Messages: messages(), Quotas: quota.Table("volume_quota"), Usage: usage,
	}
	return t
}
