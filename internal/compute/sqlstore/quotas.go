package sqlstore

import (
	"context"

	"kumoi/internal/compute"
	"kumoi/internal/kernel/store"
)

// ServerTotals adds up a project's servers, or one user's in it, from an index alone.
func (*Store) ServerTotals(ctx context.Context, tx *store.Tx, projectID, userID string) (compute.ServerTotals, error) {
	q := "SELECT COUNT(*), COALESCE(SUM(vcpus), 0), COALESCE(SUM(ram), 0) FROM compute_server WHERE project_id = ? AND deleted = ?"
	args := []any{projectID, false}
	if userID != "" {
		q += " AND user_id = ?"
		args = append(args, userID)
	}
	return store.One(ctx, tx, func(r store.Row) (t compute.ServerTotals, err error) {
		return t, r.Scan(&t.Instances, &t.Cores, &t.RAM)
	}, q, args...)
}
