package image

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
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

// CacheStore is the persistence of the cache.
type CacheStore interface {
	// QueueCache queues an image unless it is cached or queued there already.
	QueueCache(ctx context.Context, tx *store.Tx, e CacheEntry) error
	// CacheEntries lists a node's entries, the least recently used first; those
	// of all nodes with "".
	CacheEntries(ctx context.Context, tx *store.Tx, node string) ([]CacheEntry, error)
	SaveCache(ctx context.Context, tx *store.Tx, e CacheEntry) error
	TouchCache(ctx context.Context, tx *store.Tx, imageID, node string, now time.Time) error
	DeleteCache(ctx context.Context, tx *store.Tx, imageID, node string) error
}

const (
	cacheTask = "image.cache"
	// cachePause lets a series of requests gather before the cache begins to
	// fetch, and lets whoever asked see his request in the queue.
	cachePause = time.Second
)

func (s *Service) cachedPath(id string) string { return filepath.Join(s.cacheDir(), id) }

// openCached opens this node's copy of an image, if it has one. A copy has its
// name only when it is whole, and its hash was right then.
func (s *Service) openCached(img *Image) backend.Object {
	f, err := os.Open(s.cachedPath(img.ID))
	if err != nil {
		return nil
	}
	info, err := f.Stat()
	if err != nil || img.Size == nil || info.Size() != *img.Size {
		f.Close()
		return nil
	}
	s.touched.Store(img.ID, true)
	return &cachedFile{f: f, size: info.Size()}
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

// wantCached queues an image that was read from far away.
func (s *Service) wantCached(ctx context.Context, img *Image, l Location) {
	n, ok := s.named(l.Store)
	if !ok || n.Backend.Type() == "file" || img.Size == nil || *img.Size > s.cfg.CacheSize {
		return
	}
	if err := s.queueCache(context.WithoutCancel(ctx), img.ID); err != nil {
		s.log.WarnContext(ctx, "image not queued for the cache", "image_id", img.ID, "error", err)
	}
}

func (s *Service) queueCache(ctx context.Context, id string) error {
	now := s.now()
	return s.db.Write(ctx, func(tx *store.Tx) error {
		tx.AfterCommit(func() { time.AfterFunc(cachePause, func() { s.tasks.Wake(cacheTask) }) })
		return s.store.QueueCache(ctx, tx, CacheEntry{ImageID: id, Node: s.cfg.Node, LastAccessed: now, LastModified: now})
	})
}

// dropCached removes this node's copy of an image.
func (s *Service) dropCached(id string) {
	if err := os.Remove(s.cachedPath(id)); err != nil && !os.IsNotExist(err) {
		s.log.Warn("cached image not removed", "image_id", id, "error", err)
	}
}

func (s *Service) cacheEntries(ctx context.Context, node string) ([]CacheEntry, error) {
	var out []CacheEntry
	err := s.db.Read(ctx, func(tx *store.Tx) (err error) {
		out, err = s.store.CacheEntries(ctx, tx, node)
		return err
	})
	return out, err
}

// fillCache is the cache's upkeep: it fetches what is queued, forgets what is
// gone, and keeps the size.
func (s *Service) fillCache(ctx context.Context) (string, error) {
	if err := s.countHits(ctx); err != nil {
		return "", err
	}
	entries, err := s.cacheEntries(ctx, s.cfg.Node)
	if err != nil {
		return "", err
	}
	fetched := 0
	for _, e := range entries {
		img, err := s.image(ctx, e.ImageID)
		_, statErr := os.Stat(s.cachedPath(e.ImageID))
		switch {
		case errs.Is(err, errs.NotFound), err == nil && e.Cached && statErr != nil, err == nil && !e.Cached && img.Status != Active:
			s.dropCached(e.ImageID)
			err = s.forgetCached(ctx, e.ImageID)
		case err == nil && !e.Cached:
			if ferr := s.fetchCached(ctx, img, e); ferr != nil {
				s.log.WarnContext(ctx, "image not cached", "image_id", e.ImageID, "error", ferr)
				err = s.forgetCached(ctx, e.ImageID)
				break
			}
			fetched++
		}
		if err != nil {
			return "", err
		}
	}
	files, bytes, err := s.pruneCache(ctx)
	return fmt.Sprintf("%d images cached, %d with %d bytes dropped", fetched, files, bytes), err
}

// countHits writes down which copies were read since last time.
func (s *Service) countHits(ctx context.Context) error {
	var ids []string
	s.touched.Range(func(id, _ any) bool {
		s.touched.Delete(id)
		ids = append(ids, id.(string))
		return true
	})
	if len(ids) == 0 {
		return nil
	}
	return s.db.Write(ctx, func(tx *store.Tx) error {
		for _, id := range ids {
			if err := s.store.TouchCache(ctx, tx, id, s.cfg.Node, s.now()); err != nil {
				return ignoreMissing(err)
			}
		}
		return nil
	})
}

func (s *Service) forgetCached(ctx context.Context, id string) error {
	return s.db.Write(ctx, func(tx *store.Tx) error { return ignoreMissing(s.store.DeleteCache(ctx, tx, id, s.cfg.Node)) })
}

// fetchCached copies an image into the cache and believes it only if its hash
// is right.
func (s *Service) fetchCached(ctx context.Context, img *Image, e CacheEntry) error {
	data, err := s.open(ctx, img, nil)
	if err != nil {
		return err
	}
	defer data.Close()
	r, err := data.Range(ctx, 0, data.Size())
	if err != nil {
		return err
	}
	defer r.Close()
	part := s.cachedPath(img.ID) + ".part"
	f, err := os.OpenFile(part, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer os.Remove(part)
	defer f.Close()
	m := newMeter(&bounded{ctx: ctx, r: r, left: s.cfg.SizeCap}, s.cfg.SizeCap, nil)
	_, err = io.CopyBuffer(f, onlyReader{m}, make([]byte, blockSize))
	sum := m.sum()
	if err != nil {
		return err
	}
	if img.HashAlgo == hashAlgo && img.HashValue != sum.hash {
		return errs.New(errs.Unavailable, "The data that was read is not the image's: its hash differs.")
	}
	if err := os.Rename(part, s.cachedPath(img.ID)); err != nil {
		return err
	}
	e.Cached, e.Size, e.LastModified = true, sum.size, s.now()
	return s.db.Write(ctx, func(tx *store.Tx) error { return s.store.SaveCache(ctx, tx, e) })
}

// onlyReader hides all methods but Read.
type onlyReader struct{ io.Reader }

// pruneCache drops the least recently used copies until the rest fits.
func (s *Service) pruneCache(ctx context.Context) (files int, bytes int64, err error) {
	entries, err := s.cacheEntries(ctx, s.cfg.Node)
	if err != nil {
		return 0, 0, err
	}
	var total int64
	for _, e := range entries {
		total += e.Size
	}
	for _, e := range entries {
		if total <= s.cfg.CacheSize {
			break
		}
		if !e.Cached {
			continue
		}
		s.dropCached(e.ImageID)
		if err := s.forgetCached(ctx, e.ImageID); err != nil {
			return files, bytes, err
		}
		files, bytes, total = files+1, bytes+e.Size, total-e.Size
	}
	return files, bytes, nil
}

// Cache lists what the cache of this node holds and what is queued for it.
func (s *Service) Cache(ctx context.Context) ([]CacheEntry, error) {
	if err := s.policy.Check(ctx, "cache_list", own(ctx)); err != nil {
		return nil, err
	}
	if err := s.countHits(ctx); err != nil {
		return nil, err
	}
	return s.cacheEntries(ctx, s.cfg.Node)
}

// QueueForCache has an image copied into the cache soon.
func (s *Service) QueueForCache(ctx context.Context, id string) error {
	img, err := s.Get(ctx, id)
	if err != nil {
		return err
	}
	if err := s.check(ctx, "cache_image", img); err != nil {
		return err
	}
	if img.Status != Active {
		return errs.New(errs.Invalid, "Only images with status active can be targeted for queueing")
	}
	return s.queueCache(ctx, img.ID)
}

// DropFromCache takes an image out of the cache and its queue.
func (s *Service) DropFromCache(ctx context.Context, id string) error {
	if err := s.policy.Check(ctx, "cache_delete", own(ctx)); err != nil {
		return err
	}
	entries, err := s.cacheEntries(ctx, s.cfg.Node)
	if err != nil {
		return err
	}
	known := false
	for _, e := range entries {
		known = known || e.ImageID == id
	}
	if _, err := s.image(ctx, id); err != nil && !known {
		return errs.New(errs.NotFound, "Image %s not found.", quotable(id))
	}
	if !known {
		return nil
	}
	s.dropCached(id)
	return s.forgetCached(ctx, id)
}

// ClearCache empties the cache, its queue, or both, and tells how many images
// that dropped.
func (s *Service) ClearCache(ctx context.Context, cached, queued bool) (dropped int, err error) {
	if err := s.policy.Check(ctx, "cache_delete", own(ctx)); err != nil {
		return 0, err
	}
	entries, err := s.cacheEntries(ctx, s.cfg.Node)
	if err != nil {
		return 0, err
	}
	for _, e := range entries {
		if e.Cached && cached || !e.Cached && queued {
			s.dropCached(e.ImageID)
			if err := s.forgetCached(ctx, e.ImageID); err != nil {
				return dropped, err
			}
			dropped++
		}
	}
	return dropped, nil
}

// CleanCache removes unfinished and unknown files from the cache's folder.
func (s *Service) CleanCache(ctx context.Context) error {
	if err := s.policy.Check(ctx, "cache_clean", own(ctx)); err != nil {
		return err
	}
	entries, err := s.cacheEntries(ctx, s.cfg.Node)
	if err != nil {
		return err
	}
	known := map[string]bool{}
	for _, e := range entries {
		known[e.ImageID] = e.Cached
	}
	files, err := os.ReadDir(s.cacheDir())
	if err != nil {
		return err
	}
	for _, f := range files {
		info, err := f.Info()
		fresh := err == nil && s.now().Sub(info.ModTime()) < time.Minute // may be on its way in
		if !known[f.Name()] && !fresh {
			s.dropCached(f.Name())
		}
	}
	return nil
}

// PruneCache shrinks the cache to its limit and tells what that dropped.
func (s *Service) PruneCache(ctx context.Context) (files int, bytes int64, err error) {
	if err := s.policy.Check(ctx, "cache_prune", own(ctx)); err != nil {
		return 0, 0, err
	}
	return s.pruneCache(ctx)
}

// CachedNodes lists the nodes that have a copy of the image.
func (s *Service) CachedNodes(ctx context.Context, id string) ([]string, error) {
	if err := s.policy.Check(ctx, "list_cached_nodes", own(ctx)); err != nil {
		return nil, err
	}
	if _, err := s.Get(ctx, id); err != nil {
		return nil, err
	}
	entries, err := s.cacheEntries(ctx, "")
	nodes := []string{}
	for _, e := range entries {
		if e.ImageID == id && e.Cached {
			nodes = append(nodes, e.Node)
		}
	}
	return nodes, err
}
