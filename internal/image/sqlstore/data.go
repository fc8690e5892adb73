package sqlstore

import (
	"context"
	"time"

	"kumoi/internal/image"
	"kumoi/internal/kernel/store"
)

// AddUpload notes where data will be written.
func (s Store) AddUpload(ctx context.Context, tx *store.Tx, u image.Upload) error {
	_, err := tx.Exec(ctx, "INSERT INTO image_upload (url, store, image_id, node, lease_until) VALUES (?, ?, ?, ?, ?)",
		u.URL, u.Store, u.ImageID, u.Node, store.Micros(u.LeaseUntil))
	return err
}

// RenewUpload extends the lease; NotFound says that it was lost.
func (s Store) RenewUpload(ctx context.Context, tx *store.Tx, url string, until time.Time) error {
	return tx.ExecOne(ctx, "UPDATE image_upload SET lease_until = ? WHERE url = ?", store.Micros(until), url)
}

// DeleteUpload forgets an upload; NotFound says that its lease was lost.
func (s Store) DeleteUpload(ctx context.Context, tx *store.Tx, url string) error {
	return tx.ExecOne(ctx, "DELETE FROM image_upload WHERE url = ?", url)
}

// ExpireUploads ends the leases of a process.
func (s Store) ExpireUploads(ctx context.Context, tx *store.Tx, node string) error {
	_, err := tx.Exec(ctx, "UPDATE image_upload SET lease_until = 0 WHERE node = ?", node)
	return err
}

// ExpiredUploads returns the uploads that nobody renews any more.
func (s Store) ExpiredUploads(ctx context.Context, tx *store.Tx, now time.Time) ([]image.Upload, error) {
	return store.All(ctx, tx, func(r store.Row) (image.Upload, error) {
		var u image.Upload
		var until int64
		err := r.Scan(&u.URL, &u.Store, &u.ImageID, &u.Node, &until)
		u.LeaseUntil = store.Time(until)
		return u, err
	}, "SELECT url, store, image_id, node, lease_until FROM image_upload WHERE lease_until < ? ORDER BY url", store.Micros(now))
}

// AddGarbage notes data to be removed.
func (s Store) AddGarbage(ctx context.Context, tx *store.Tx, g image.Garbage) error {
	_, err := tx.Exec(ctx, "INSERT INTO image_garbage (id, store, url, image_id, not_before, attempts) VALUES (?, ?, ?, ?, ?, ?)",
		g.ID, g.Store, g.URL, g.ImageID, store.Micros(g.NotBefore), g.Attempts)
	return err
}

// DueGarbage returns data whose removal should be tried now.
func (s Store) DueGarbage(ctx context.Context, tx *store.Tx, now time.Time, limit int) ([]image.Garbage, error) {
	return store.All(ctx, tx, func(r store.Row) (image.Garbage, error) {
		var g image.Garbage
		var due int64
		err := r.Scan(&g.ID, &g.Store, &g.URL, &g.ImageID, &due, &g.Attempts)
		g.NotBefore = store.Time(due)
		return g, err
	}, `SELECT id, store, url, image_id, not_before, attempts FROM image_garbage
		WHERE not_before <= ? ORDER BY not_before, id LIMIT ?`, store.Micros(now), limit)
}

// DelayGarbage puts off a removal that failed.
func (s Store) DelayGarbage(ctx context.Context, tx *store.Tx, g image.Garbage) error {
	return tx.ExecOne(ctx, "UPDATE image_garbage SET not_before = ?, attempts = ? WHERE id = ?",
		store.Micros(g.NotBefore), g.Attempts, g.ID)
}

// DeleteGarbage forgets data that is gone.
func (s Store) DeleteGarbage(ctx context.Context, tx *store.Tx, id string) error {
	return tx.ExecOne(ctx, "DELETE FROM image_garbage WHERE id = ?", id)
}

// URLInUse tells whether an image or an upload has the URL.
func (s Store) URLInUse(ctx context.Context, tx *store.Tx, url string) (bool, error) {
	n, err := store.One(ctx, tx, store.Value[int64], `SELECT
		(SELECT COUNT(*) FROM image_location WHERE url = ?) + (SELECT COUNT(*) FROM image_upload WHERE url = ?)`, url, url)
	return n > 0, err
}

// Usage counts what a project has.
func (s Store) Usage(ctx context.Context, tx *store.Tx, project string) (image.Usage, error) {
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
