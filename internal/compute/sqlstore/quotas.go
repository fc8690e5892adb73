package sqlstore

import (
	"context"

	"kumoi/internal/kernel/store"
)

// Quotas returns the limits that an owner has of its own, by resource.
func (*Store) Quotas(ctx context.Context, tx *store.Tx, kind, owner string) (map[string]int, error) {
	out := map[string]int{}
	_, err := store.All(ctx, tx, func(r store.Row) (struct{}, error) {
		var resource string
		var hard int
		err := r.Scan(&resource, &hard)
		out[resource] = hard
		return struct{}{}, err
	}, "SELECT resource, hard FROM compute_quota WHERE kind = ? AND owner = ?", kind, owner)
	return out, err
}

// SetQuota gives an owner a limit.
func (*Store) SetQuota(ctx context.Context, tx *store.Tx, kind, owner, resource string, hard int) error {
	_, err := tx.Exec(ctx, `INSERT INTO compute_quota (kind, owner, resource, hard) VALUES (?, ?, ?, ?)
		ON CONFLICT (kind, owner, resource) DO UPDATE SET hard = excluded.hard`, kind, owner, resource, hard)
	return err
}

// DeleteQuotas returns an owner to the defaults.
func (*Store) DeleteQuotas(ctx context.Context, tx *store.Tx, kind, owner string) error {
	_, err := tx.Exec(ctx, "DELETE FROM compute_quota WHERE kind = ? AND owner = ?", kind, owner)
	return err
}
