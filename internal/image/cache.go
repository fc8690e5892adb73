package image

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"kumoi/internal/image/backend"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

// CacheEntry is an image in a node's cache, or in the queue for it.
type CacheEntry struct {
	ImageID      string
	Node         string
	Cached       bool // false: queued
	Size         int64
	Hits         int64
	LastAccessed time.Time
	LastModified time.Time
}

// List are this node's copies of images that lie far away, and the queue for
// them. Only administrators deal with it.
type Cache struct {
	s       *Service
	table   *store.Table[CacheEntry]
	touched sync.Map // images that were read since their hits were counted
}

const (
	cacheTask = "image.cache"
	// cachePause lets a series of requests gather before the cache begins to
	// fetch, and lets whoever asked see his request in the queue.
	cachePause = time.Second
)

func (f *Cache) path(id string) string { return filepath.Join(f.s.cacheDir(), id) }

// open opens this node's copy of an image, if it has one. A copy has its
// name only when it is whole, and its hash was right then.
func (f *Cache) open(img *Image) backend.Object {
	file, err := os.Open(f.path(img.ID))
	if err != nil {
		return nil
	}
	info, err := file.Stat()
	if err != nil || info.Size() != img.Bytes() {
		file.Close()
		return nil
	}
	f.touched.Store(img.ID, true)
	return &cachedFile{f: file, size: info.Size()}
}

// cachedFile is a cached image, open for reading.
type cachedFile struct {
	f    *os.File
	size int64
}

var _ backend.Filer = (*cachedFile)(nil)

func (c *cachedFile) ReadAt(p []byte, off int64) (int, error) { return c.f.ReadAt(p, off) }
func (c *cachedFile) Close() error                            { return c.f.Close() }
func (c *cachedFile) Size() int64                             { return c.size }
func (c *cachedFile) File() *os.File                          { return c.f }
func (c *cachedFile) Range(_ context.Context, off, n int64) (io.ReadCloser, error) {
	return io.NopCloser(io.NewSectionReader(c.f, off, n)), nil
}

// want queues an image that was read from far away.
func (f *Cache) want(ctx context.Context, img *Image, l Location) {
	n, ok := f.s.Stores.named(l.Store)
	if !ok || n.Backend.Type() == "file" || img.Size == nil || *img.Size > f.s.cfg.CacheSize {
		return
	}
	if err := f.queue(context.WithoutCancel(ctx), img.ID); err != nil {
		f.s.log.WarnContext(ctx, "image not queued for the cache", "image_id", img.ID, "error", err)
	}
}

func (f *Cache) queue(ctx context.Context, id string) error {
	now := f.s.now()
	err := f.s.db.Write(ctx, func(tx *store.Tx) error {
		tx.AfterCommit(func() { time.AfterFunc(cachePause, func() { f.s.upkeep.Wake(cacheTask) }) })
		if _, err := f.table.Get(ctx, tx, id, f.s.cfg.Node); !errs.Is(err, errs.NotFound) {
			return err // it is cached or queued already
		}
		return f.table.Insert(ctx, tx, &CacheEntry{ImageID: id, Node: f.s.cfg.Node, LastAccessed: now, LastModified: now})
	})
	if store.Duplicate(err) { // somebody else was faster
		return nil
	}
	return err
}

// drop removes this node's copy of an image.
func (f *Cache) drop(id string) {
	if err := os.Remove(f.path(id)); err != nil && !os.IsNotExist(err) {
		f.s.log.Warn("cached image not removed", "image_id", id, "error", err)
	}
}

// entries lists a node's entries, the least recently used first; those of all
// nodes with "".
func (f *Cache) entries(ctx context.Context, node string) ([]*CacheEntry, error) {
	q := store.Query{Sort: []store.Sort{{Field: "last_accessed"}, {Field: "image_id"}}}
	if node != "" {
		q.Where = []store.Cond{store.Eq("node", node)}
	}
	var page store.Page[CacheEntry]
	err := f.s.db.Read(ctx, func(tx *store.Tx) (err error) {
		page, err = f.table.List(ctx, tx, q)
		return err
	})
	return page.Rows, err
}

// fill is the cache's upkeep: it fetches what is queued, forgets what is
// gone, and keeps the size.
func (f *Cache) fill(ctx context.Context) (string, error) {
	if err := f.countHits(ctx); err != nil {
		return "", err
	}
	entries, err := f.entries(ctx, f.s.cfg.Node)
	if err != nil {
		return "", err
	}
	fetched := 0
	for _, e := range entries {
		img, err := f.s.Images.get(ctx, e.ImageID)
		_, statErr := os.Stat(f.path(e.ImageID))
		switch {
		case errs.Is(err, errs.NotFound), err == nil && e.Cached && statErr != nil, err == nil && !e.Cached && img.Status != Active:
			f.drop(e.ImageID)
			err = f.forget(ctx, e.ImageID)
		case err == nil && !e.Cached:
			if ferr := f.fetch(ctx, img); ferr != nil {
				f.s.log.WarnContext(ctx, "image not cached", "image_id", e.ImageID, "error", ferr)
				err = f.forget(ctx, e.ImageID)
				break
			}
			fetched++
		}
		if err != nil {
			return "", err
		}
	}
	files, bytes, err := f.prune(ctx)
	return fmt.Sprintf("%d images cached, %d with %d bytes dropped", fetched, files, bytes), err
}

// countHits writes down which copies were read since last time.
func (f *Cache) countHits(ctx context.Context) error {
	var ids []string
	f.touched.Range(func(id, _ any) bool {
		f.touched.Delete(id)
		ids = append(ids, id.(string))
		return true
	})
	if len(ids) == 0 {
		return nil
	}
	return f.s.db.Write(ctx, func(tx *store.Tx) error {
		for _, id := range ids {
			e, err := f.table.Get(ctx, tx, id, f.s.cfg.Node)
			if errs.Is(err, errs.NotFound) {
				continue
			}
			if err != nil {
				return err
			}
			e.Hits, e.LastAccessed = e.Hits+1, f.s.now()
			if err := f.table.Update(ctx, tx, e); err != nil {
				return err
			}
		}
		return nil
	})
}

func (f *Cache) forget(ctx context.Context, id string) error {
	return f.s.db.Write(ctx, func(tx *store.Tx) error { return ignoreMissing(f.table.Delete(ctx, tx, id, f.s.cfg.Node)) })
}

// fetch copies an image into the cache and believes it only if its hash
// is right.
func (f *Cache) fetch(ctx context.Context, img *Image) error {
	data, err := f.s.Downloads.open(ctx, img, nil)
	if err != nil {
		return err
	}
	defer data.Close()
	r, err := data.Range(ctx, 0, data.Size())
	if err != nil {
		return err
	}
	defer r.Close()
	part := f.path(img.ID) + ".part"
	file, err := os.OpenFile(part, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer os.Remove(part)
	defer file.Close()
	m := newMeter(&bounded{ctx: ctx, r: r, left: f.s.cfg.SizeCap}, f.s.cfg.SizeCap, nil)
	_, err = io.CopyBuffer(file, onlyReader{m}, make([]byte, blockSize))
	sum := m.sum()
	if err != nil {
		return err
	}
	if img.HashAlgo == hashAlgo && img.HashValue != sum.hash {
		return errs.New(errs.Unavailable, "The data that was read is not the image's: its hash differs.")
	}
	if err := os.Rename(part, f.path(img.ID)); err != nil {
		return err
	}
	return f.s.db.Write(ctx, func(tx *store.Tx) error {
		_, err := f.table.Patch(ctx, tx, store.Changes{"cached": true, "size": sum.size, "last_modified": f.s.now()},
			store.Eq("image_id", img.ID), store.Eq("node", f.s.cfg.Node))
		return err
	})
}

// onlyReader hides all methods but Read.
type onlyReader struct{ io.Reader }

// prune drops the least recently used copies until the rest fits.
func (f *Cache) prune(ctx context.Context) (files int, bytes int64, err error) {
	entries, err := f.entries(ctx, f.s.cfg.Node)
	if err != nil {
		return 0, 0, err
	}
	var total int64
	for _, e := range entries {
		total += e.Size
	}
	for _, e := range entries {
		if total <= f.s.cfg.CacheSize {
			break
		}
		if !e.Cached {
			continue
		}
		f.drop(e.ImageID)
		if err := f.forget(ctx, e.ImageID); err != nil {
			return files, bytes, err
		}
		files, bytes, total = files+1, bytes+e.Size, total-e.Size
	}
	return files, bytes, nil
}

// List lists what the cache of this node holds and what is queued for it.
func (f *Cache) List(ctx context.Context) ([]*CacheEntry, error) {
	if err := f.s.policy.Check(ctx, "cache_list", own(ctx)); err != nil {
		return nil, err
	}
	if err := f.countHits(ctx); err != nil {
		return nil, err
	}
	return f.entries(ctx, f.s.cfg.Node)
}

// Queue has an image copied into the cache soon.
func (f *Cache) Queue(ctx context.Context, id string) error {
	img, err := f.s.Images.Show(ctx, id)
	if err != nil {
		return err
	}
	if err := f.s.check(ctx, "cache_image", img); err != nil {
		return err
	}
	if img.Status != Active {
		return errs.New(errs.Invalid, "Only images with status active can be targeted for queueing")
	}
	return f.queue(ctx, img.ID)
}

// Drop takes an image out of the cache and its queue.
func (f *Cache) Drop(ctx context.Context, id string) error {
	if err := f.s.policy.Check(ctx, "cache_delete", own(ctx)); err != nil {
		return err
	}
	entries, err := f.entries(ctx, f.s.cfg.Node)
	if err != nil {
		return err
	}
	known := false
	for _, e := range entries {
		known = known || e.ImageID == id
	}
	if !known {
		_, err := f.s.Images.get(ctx, id)
		return err
	}
	f.drop(id)
	return f.forget(ctx, id)
}

// Clear empties the cache, its queue, or both, and tells how many images
// that dropped.
func (f *Cache) Clear(ctx context.Context, cached, queued bool) (dropped int, err error) {
	if err := f.s.policy.Check(ctx, "cache_delete", own(ctx)); err != nil {
		return 0, err
	}
	entries, err := f.entries(ctx, f.s.cfg.Node)
	if err != nil {
		return 0, err
	}
	for _, e := range entries {
		if e.Cached && cached || !e.Cached && queued {
			f.drop(e.ImageID)
			if err := f.forget(ctx, e.ImageID); err != nil {
				return dropped, err
			}
			dropped++
		}
	}
	return dropped, nil
}

// Clean removes unfinished and unknown files from the cache's folder.
func (f *Cache) Clean(ctx context.Context) error {
	if err := f.s.policy.Check(ctx, "cache_clean", own(ctx)); err != nil {
		return err
	}
	entries, err := f.entries(ctx, f.s.cfg.Node)
	if err != nil {
		return err
	}
	known := map[string]bool{}
	for _, e := range entries {
		known[e.ImageID] = e.Cached
	}
	files, err := os.ReadDir(f.s.cacheDir())
	if err != nil {
		return err
	}
	for _, file := range files {
		info, err := file.Info()
		fresh := err == nil && f.s.now().Sub(info.ModTime()) < time.Minute // may be on its way in
		if !known[file.Name()] && !fresh {
			f.drop(file.Name())
		}
	}
	return nil
}

// Prune shrinks the cache to its limit and tells what that dropped.
func (f *Cache) Prune(ctx context.Context) (files int, bytes int64, err error) {
	if err := f.s.policy.Check(ctx, "cache_prune", own(ctx)); err != nil {
		return 0, 0, err
	}
	return f.prune(ctx)
}

// Nodes lists the nodes that have a copy of the image.
func (f *Cache) Nodes(ctx context.Context, id string) ([]string, error) {
	if err := f.s.policy.Check(ctx, "list_cached_nodes", own(ctx)); err != nil {
		return nil, err
	}
	if _, err := f.s.Images.Show(ctx, id); err != nil {
		return nil, err
	}
	entries, err := f.entries(ctx, "")
	nodes := []string{}
	for _, e := range entries {
		if e.ImageID == id && e.Cached {
			nodes = append(nodes, e.Node)
		}
	}
	return nodes, err
}
