package volume

import (
	"context"

	"kumoi/internal/kernel/store"
)

// Tables are where the service keeps what it knows; package sqlstore declares
// them. Volumes are read with their attachments. Volumes and snapshots have the
// conditions "metadata" (one of it has a value; takes []any{key, value}) and
// volumes "image_metadata".
type Tables struct {
	Volumes     *store.Table[Volume]
	Snapshots   *store.Table[Snapshot]
	Attachments *store.Table[Attachment]
	Transfers   *store.Table[Transfer]
	Backups     *store.Table[Backup]
	Backends    *store.Table[Backend]
	// Allocated counts the volumes of each place.
	Allocated func(ctx context.Context, tx *store.Tx) (map[string]Room, error)
	// Keys are the sealed keys of encrypted volumes.
	Keys *store.Table[Key]
	FamilyTables
}

// Key is the key of an encrypted volume, sealed.
type Key struct {
	ID, ProjectID string
	Sealed        []byte
}

// Room is what a place has promised.
type Room struct{ Volumes, GiB int }
