package sqlstore

import (
	"context"
	"time"

	"kumoi/internal/compute"
	"kumoi/internal/kernel/store"
)

// InsertConsole adds what a token opens.
func (*Store) InsertConsole(ctx context.Context, tx *store.Tx, c compute.Console) error {
	_, err := tx.Exec(ctx, "INSERT INTO compute_console (token_hash, server_id, kind, expires_at) VALUES (?, ?, ?, ?)",
		c.TokenHash, c.ServerID, string(c.Kind), store.Micros(c.ExpiresAt))
	return err
}

// Console finds what a token opens, or opened until it expired.
func (*Store) Console(ctx context.Context, tx *store.Tx, tokenHash string) (compute.Console, error) {
	return store.One(ctx, tx, func(r store.Row) (c compute.Console, err error) {
		return c, r.Scan(&c.TokenHash, &c.ServerID, &c.Kind, timeOf{&c.ExpiresAt})
	}, "SELECT token_hash, server_id, kind, expires_at FROM compute_console WHERE token_hash = ?", tokenHash)
}

// DeleteConsoles forgets all that open a server's consoles.
func (*Store) DeleteConsoles(ctx context.Context, tx *store.Tx, serverID string) error {
	_, err := tx.Exec(ctx, "DELETE FROM compute_console WHERE server_id = ?", serverID)
	return err
}

// DeleteConsolesBefore forgets those that have expired.
func (*Store) DeleteConsolesBefore(ctx context.Context, tx *store.Tx, t time.Time) error {
	_, err := tx.Exec(ctx, "DELETE FROM compute_console WHERE expires_at <= ?", store.Micros(t))
	return err
}
