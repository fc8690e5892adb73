package sqlstore

import (
	"context"

	"kumoi/internal/kernel/store"
	"kumoi/internal/volume"
)

// hasPair tells whether a JSON object has a key with a text.
func hasPair(table, column string) store.Expr {
	column = table + "." + column
	return store.Expr{
		SQLite:   "EXISTS (SELECT 1 FROM json_each(" + column + ") e WHERE e.key = ? AND e.value = ?)",
		Postgres: "(" + column + "::jsonb ->> CAST(? AS text)) = ?",
	}
}

func volumes(attachments *store.Table[volume.Attachment]) *store.Table[volume.Volume] {
	return store.NewTable("volume_volume", func(v *volume.Volume, c *store.Columns) {
		c.Key("id", &v.ID)
		c.Text("project_id", &v.ProjectID)
		c.Text("user_id", &v.UserID)
		c.Text("name", &v.Name)
		c.Text("description", &v.Description)
		c.Text("status", &v.Status)
		c.Text("previous_status", &v.PreviousStatus)
		c.Int("size", &v.SizeGiB)
		c.Text("availability_zone", &v.Zone)
		c.Text("volume_type_id", &v.TypeID)
		c.Text("host", &v.Host)
		c.Text("snapshot_id", &v.SnapshotID)
		c.Text("source_volid", &v.SourceID)
		c.Text("image_id", &v.ImageID)
		c.Text("backup_id", &v.BackupID)
		c.Bool("bootable", &v.Bootable)
		c.Bool("multiattach", &v.Multiattach)
		c.Bool("readonly", &v.ReadOnly)
		c.Bool("encrypted", &v.Encrypted)
		c.Text("encryption_key_id", &v.EncryptionKeyID)
		c.JSON("metadata", &v.Metadata)
		c.JSON("image_metadata", &v.ImageMetadata)
		c.Text("group_id", &v.GroupID)
		c.Text("migration_status", &v.MigrationStatus)
		c.Text("attach_status", &v.AttachStatus)
		c.Text("replaces", &v.Replaces)
		c.Bool("unmetered", &v.Unmetered)
		c.Time("created_at", &v.CreatedAt)
		c.Time("updated_at", &v.UpdatedAt)
		c.Time("launched_at", &v.LaunchedAt)
	}).
		Condition("metadata", hasPair("volume_volume", "metadata")).
		Condition("image_metadata", hasPair("volume_volume", "image_metadata")).
		Then(func(ctx context.Context, tx *store.Tx, rows []*volume.Volume) error {
			byID := make(map[string]*volume.Volume, len(rows))
			ids := make([]string, len(rows))
			for i, v := range rows {
				byID[v.ID], ids[i] = v, v.ID
			}
			list, err := attachments.All(ctx, tx, store.In("volume_id", ids))
			for _, a := range list {
				v := byID[a.VolumeID]
				v.Attachments = append(v.Attachments, a)
			}
			return err
		})
}

func snapshots() *store.Table[volume.Snapshot] {
	return store.NewTable("volume_snapshot", func(v *volume.Snapshot, c *store.Columns) {
		c.Key("id", &v.ID)
		c.Text("volume_id", &v.VolumeID)
		c.Text("project_id", &v.ProjectID)
		c.Text("user_id", &v.UserID)
		c.Text("name", &v.Name)
		c.Text("description", &v.Description)
		c.Text("status", &v.Status)
		c.Text("progress", &v.Progress)
		c.Int("size", &v.SizeGiB)
		c.Text("volume_type_id", &v.TypeID)
		c.Text("encryption_key_id", &v.EncryptionKeyID)
		c.JSON("metadata", &v.Metadata)
		c.Text("group_snapshot_id", &v.GroupSnapshotID)
		c.Bool("unmetered", &v.Unmetered)
		c.Time("created_at", &v.CreatedAt)
		c.Time("updated_at", &v.UpdatedAt)
	}).
		Condition("metadata", hasPair("volume_snapshot", "metadata")).
		Field("availability_zone", store.KindText, store.SQL("(SELECT v.availability_zone FROM volume_volume v WHERE v.id = volume_snapshot.volume_id)"))
}

func attachments() *store.Table[volume.Attachment] {
	return store.NewTable("volume_attachment", func(v *volume.Attachment, c *store.Columns) {
		c.Key("id", &v.ID)
		c.Text("volume_id", &v.VolumeID)
		c.Text("project_id", &v.ProjectID)
		c.Text("instance_id", &v.InstanceID)
		c.Text("attached_host", &v.AttachedHost)
		c.Text("mountpoint", &v.Mountpoint)
		c.Text("mode", &v.Mode)
		c.Text("status", &v.Status)
		c.JSON("connector", &v.Connector)
		c.JSON("connection", &v.Connection)
		c.Bool("by_api", &v.New)
		c.Bool("of_server", &v.OfServer)
		c.Time("attached_at", &v.AttachedAt)
		c.Time("created_at", &v.CreatedAt)
		c.Time("updated_at", &v.UpdatedAt)
	})
}

func transfers() *store.Table[volume.Transfer] {
	return store.NewTable("volume_transfer", func(v *volume.Transfer, c *store.Columns) {
		c.Key("id", &v.ID)
		c.Text("volume_id", &v.VolumeID)
		c.Text("name", &v.Name)
		c.Text("source_project_id", &v.SourceProject)
		c.Text("destination_project_id", &v.DestinationProject)
		c.Text("salt", &v.Salt)
		c.Text("hash", &v.Hash)
		c.Bool("no_snapshots", &v.NoSnapshots)
		c.Bool("accepted", &v.Accepted)
		c.Time("created_at", &v.CreatedAt)
	})
}

// allocated sums the volumes of each place.
func allocated(ctx context.Context, tx *store.Tx) (map[string]volume.Room, error) {
	out := map[string]volume.Room{}
	_, err := store.All(ctx, tx, func(r store.Row) (none struct{}, err error) {
		var host string
		var room volume.Room
		if err = r.Scan(&host, &room.Volumes, &room.GiB); err == nil {
			out[host] = room
		}
		return none, err
	}, "SELECT host, COUNT(*), CAST(SUM(size) AS BIGINT) FROM volume_volume WHERE host <> '' GROUP BY host")
	return out, err
}
