package sqlstore

import (
	"context"

	"kumoi/internal/compute"
	"kumoi/internal/kernel/store"
)

const migrationColumns = "id, uuid, server_id, project_id, user_id, type, status, source_host, dest_host, old_flavor, new_flavor, created_at, updated_at"

func scanMigration(r store.Row) (*compute.Migration, error) {
	m := &compute.Migration{}
	return m, r.Scan(&m.ID, &m.UUID, &m.ServerID, &m.ProjectID, &m.UserID, &m.Type, &m.Status, &m.SourceHost, &m.DestHost,
		jsonOf{&m.OldFlavor}, jsonOf{&m.NewFlavor}, timeOf{&m.CreatedAt}, timeOf{&m.UpdatedAt})
}

// InsertMigration adds a move of a server.
func (*Store) InsertMigration(ctx context.Context, tx *store.Tx, m *compute.Migration) error {
	_, err := tx.Exec(ctx, "INSERT INTO compute_migration ("+migrationColumns+") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
		m.ID, m.UUID, m.ServerID, m.ProjectID, m.UserID, m.Type, m.Status, m.SourceHost, m.DestHost,
		toJSON(m.OldFlavor), toJSON(m.NewFlavor), store.Micros(m.CreatedAt), store.Micros(m.UpdatedAt))
	return err
}

// UpdateMigration writes what changes in a move: its status and destination.
func (*Store) UpdateMigration(ctx context.Context, tx *store.Tx, m *compute.Migration) error {
	return tx.ExecOne(ctx, "UPDATE compute_migration SET status = ?, dest_host = ?, updated_at = ? WHERE id = ?",
		m.Status, m.DestHost, store.Micros(m.UpdatedAt), m.ID)
}

// Migrations lists the moves of a server, or of all with "", newest first.
func (*Store) Migrations(ctx context.Context, tx *store.Tx, serverID string) ([]*compute.Migration, error) {
	q := store.Select("SELECT " + migrationColumns + " FROM compute_migration").OrderBy("id DESC")
	if serverID != "" {
		q.Where("server_id = ?", serverID)
	}
	return store.Find(ctx, tx, scanMigration, q)
}
