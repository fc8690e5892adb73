package sqlstore

import (
	"context"

	"kumoi/internal/compute"
	"kumoi/internal/kernel/store"
)

const keypairColumns = "id, user_id, name, type, public_key, fingerprint, created_at"

func scanKeypair(r store.Row) (*compute.Keypair, error) {
	k := &compute.Keypair{}
	return k, r.Scan(&k.ID, &k.UserID, &k.Name, &k.Type, &k.PublicKey, &k.Fingerprint, timeOf{&k.CreatedAt})
}

// InsertKeypair adds a key pair; a taken name gives Exists.
func (*Store) InsertKeypair(ctx context.Context, tx *store.Tx, k *compute.Keypair) error {
	_, err := tx.Exec(ctx, "INSERT INTO compute_keypair ("+keypairColumns+") VALUES (?, ?, ?, ?, ?, ?, ?)",
		k.ID, k.UserID, k.Name, k.Type, k.PublicKey, k.Fingerprint, store.Micros(k.CreatedAt))
	return err
}

// DeleteKeypair removes a user's key pair.
func (*Store) DeleteKeypair(ctx context.Context, tx *store.Tx, userID, name string) error {
	return tx.ExecOne(ctx, "DELETE FROM compute_keypair WHERE user_id = ? AND name = ?", userID, name)
}

// Keypair finds a user's key pair.
func (*Store) Keypair(ctx context.Context, tx *store.Tx, userID, name string) (*compute.Keypair, error) {
	return store.One(ctx, tx, scanKeypair, "SELECT "+keypairColumns+" FROM compute_keypair WHERE user_id = ? AND name = ?", userID, name)
}

// Keypairs lists a user's key pairs by name.
func (*Store) Keypairs(ctx context.Context, tx *store.Tx, userID string) ([]*compute.Keypair, error) {
	return store.All(ctx, tx, scanKeypair, "SELECT "+keypairColumns+" FROM compute_keypair WHERE user_id = ? ORDER BY name", userID)
}
