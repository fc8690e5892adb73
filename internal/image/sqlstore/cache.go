package sqlstore

import (
	"context"
	"time"

	"kumoi/internal/image"
	"kumoi/internal/kernel/store"
)

// QueueCache queues an image for a node's cache.
func (s Store) QueueCache(ctx context.Context, tx *store.Tx, e image.CacheEntry) error {
	_, err := tx.Exec(ctx, `INSERT INTO image_cache (image_id, node, cached, size, hits, last_accessed, last_modified)
		VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (image_id, node) DO NOTHING`,
		e.ImageID, e.Node, e.Cached, e.Size, e.Hits, store.Micros(e.LastAccessed), store.Micros(e.LastModified))
	return err
}

// CacheEntries lists the entries of a node, or of all.
func (s Store) CacheEntries(ctx context.Context, tx *store.Tx, node string) ([]image.CacheEntry, error) {
	sel := store.Select("SELECT image_id, node, cached, size, hits, last_accessed, last_modified FROM image_cache")
	if node != "" {
		sel.Where("node = ?", node)
	}
	return store.Find(ctx, tx, func(r store.Row) (image.CacheEntry, error) {
		var e image.CacheEntry
		var accessed, modified int64
		err := r.Scan(&e.ImageID, &e.Node, &e.Cached, &e.Size, &e.Hits, &accessed, &modified)
		e.LastAccessed, e.LastModified = store.Time(accessed), store.Time(modified)
		return e, err
	}, sel.OrderBy("last_accessed, image_id"))
}

// SaveCache records that an image is cached.
func (s Store) SaveCache(ctx context.Context, tx *store.Tx, e image.CacheEntry) error {
	_, err := tx.Exec(ctx, "UPDATE image_cache SET cached = ?, size = ?, last_modified = ? WHERE image_id = ? AND node = ?",
		e.Cached, e.Size, store.Micros(e.LastModified), e.ImageID, e.Node)
	return err
}

// TouchCache counts a use.
func (s Store) TouchCache(ctx context.Context, tx *store.Tx, imageID, node string, now time.Time) error {
	_, err := tx.Exec(ctx, "UPDATE image_cache SET hits = hits + 1, last_accessed = ? WHERE image_id = ? AND node = ?",
		store.Micros(now), imageID, node)
	return err
}

// DeleteCache forgets an entry.
func (s Store) DeleteCache(ctx context.Context, tx *store.Tx, imageID, node string) error {
	return tx.ExecOne(ctx, "DELETE FROM image_cache WHERE image_id = ? AND node = ?", imageID, node)
}
