package sqlstore

import (
	"context"

	"kumoi/internal/kernel/store"
)

type counted struct {
	key string
	n   int64
}

// usage counts what a project has: RESOURCE, or RESOURCE/TYPE where types have quotas.
func usage(ctx context.Context, tx *store.Tx, project string) (map[string]int64, error) {
	rows, err := store.All(ctx, tx, func(r store.Row) (counted, error) {
		var c counted
		return c, r.Scan(&c.key, &c.n)
	}, `SELECT 'volumes/' || volume_type_id, COUNT(*) FROM volume_volume WHERE project_id = ? AND NOT unmetered GROUP BY volume_type_id
		UNION ALL SELECT 'gigabytes/' || volume_type_id, CAST(SUM(size) AS BIGINT) FROM volume_volume WHERE project_id = ? AND NOT unmetered GROUP BY volume_type_id
		UNION ALL SELECT 'snapshots/' || volume_type_id, COUNT(*) FROM volume_snapshot WHERE project_id = ? AND NOT unmetered GROUP BY volume_type_id
		UNION ALL SELECT 'gigabytes/' || volume_type_id, CAST(SUM(size) AS BIGINT) FROM volume_snapshot WHERE project_id = ? AND NOT unmetered GROUP BY volume_type_id
		UNION ALL SELECT 'backups', COUNT(*) FROM volume_backup WHERE project_id = ?
		UNION ALL SELECT 'backup_gigabytes', CAST(COALESCE(SUM(size), 0) AS BIGINT) FROM volume_backup WHERE project_id = ?
		UNION ALL SELECT 'groups', COUNT(*) FROM volume_group WHERE project_id = ?`,
		project, project, project, project, project, project, project)
	out := make(map[string]int64, len(rows))
	for _, c := range rows {
		out[c.key] += c.n
	}
	return out, err
}
