package sqlstore

import (
	"context"

	"kumoi/internal/image"
	"kumoi/internal/kernel/store"
)

func uploads() *store.Table[image.Upload] {
	return store.NewTable("image_upload", func(v *image.Upload, c *store.Columns) {
		c.Key("url", &v.URL)
		c.Text("store", &v.Store)
		c.Text("image_id", &v.ImageID)
		c.Text("node", &v.Node)
		c.Time("lease_until", &v.LeaseUntil)
	})
}

func garbage() *store.Table[image.Garbage] {
	return store.NewTable("image_garbage", func(v *image.Garbage, c *store.Columns) {
		c.Key("id", &v.ID)
		c.Text("store", &v.Store)
		c.Text("url", &v.URL)
		c.Text("image_id", &v.ImageID)
		c.Time("not_before", &v.NotBefore)
		c.Int("attempts", &v.Attempts)
	})
}

func cache() *store.Table[image.CacheEntry] {
	return store.NewTable("image_cache", func(v *image.CacheEntry, c *store.Columns) {
		c.Key("image_id", &v.ImageID)
		c.Key("node", &v.Node)
		c.Bool("cached", &v.Cached)
		c.Int64("size", &v.Size)
		c.Int64("hits", &v.Hits)
		c.Time("last_accessed", &v.LastAccessed)
		c.Time("last_modified", &v.LastModified)
	})
}

func tasks() *store.Table[image.Task] {
	return store.NewTable("image_task", func(v *image.Task, c *store.Columns) {
		c.Key("id", &v.ID)
		c.Text("type", &v.Type)
		c.Text("status", &v.Status)
		c.Text("owner", &v.Owner)
		c.Text("image_id", &v.ImageID)
		c.Text("user_id", &v.UserID)
		c.Text("request_id", &v.RequestID)
		c.JSON("input", &v.Input)
		c.JSON("result", &v.Result)
		c.Text("message", &v.Message)
		c.Time("created_at", &v.CreatedAt)
		c.Time("updated_at", &v.UpdatedAt)
		c.Time("expires_at", &v.ExpiresAt)
	})
}

// usage counts what a project has.
func usage(ctx context.Context, tx *store.Tx, project string) (image.Usage, error) {
	return store.One(ctx, tx, func(r store.Row) (image.Usage, error) {
		var u image.Usage
		err := r.Scan(&u.SizeTotal, &u.StageTotal, &u.CountTotal, &u.CountUploading)
		return u, err
	}, `SELECT
		CAST(COALESCE(SUM(CASE WHEN i.size > 0 AND i.status IN ('active', 'deactivated') THEN i.size *
			(SELECT COUNT(*) FROM image_location l WHERE l.image_id = i.id AND l.store <> '') ELSE 0 END), 0) AS BIGINT),
		CAST(COALESCE(SUM(CASE WHEN i.size > 0 AND i.status IN ('uploading', 'importing') THEN i.size ELSE 0 END), 0) AS BIGINT),
		COUNT(*),
		CAST(COALESCE(SUM(CASE WHEN i.status IN ('saving', 'uploading', 'importing') THEN 1 ELSE 0 END), 0) AS BIGINT)
		FROM image i WHERE i.owner = ?`, project)
}
