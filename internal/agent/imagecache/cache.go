// Package imagecache keeps the images that guests of this host are based on.
//
// An image is fetched once, however many ask, verified while it flows in, and
// appears in the cache whole or not at all. Who uses one makes a hard link to
// it, and bases a disk on that: an image with links is in use and never
// dropped, and no disk depends on the cache's own name for it. When the cache
// is over its limit, the images longest unused go first.
package imagecache

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sync/singleflight"

	"kumoi/internal/agent/disk"
	"kumoi/internal/diskimage"
	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/logx"
)

// Source reads length bytes of an image at offset; fewer only at its end.
type Source func(ctx context.Context, imageID string, offset int64, length int) ([]byte, error)

// Config says where images are kept and where they come from.
type Config struct {
	Dir    string
	Limit  int64 // bytes of unused images to keep; 0 keeps all
	Source Source
	Log    *slog.Logger
}

// Cache is the cache of one host.
type Cache struct {
	cfg    Config
	log    *slog.Logger
	ctx    context.Context // of all fetches
	cancel context.CancelFunc
	flight singleflight.Group
	mu     sync.RWMutex // writers bring and drop images, readers link them
}

// Image is an image in the cache, in a format that QEMU runs.
type Image struct {
	Path        string `json:"-"`
	ID          string `json:"id"`
	Format      string `json:"format"` // "raw" or "qcow2"
	CDROM       bool   `json:"cdrom,omitempty"`
	VirtualSize int64  `json:"virtual_size"`
	SHA512      string `json:"sha512"` // of what was fetched
}

var validID = regexp.MustCompile(`^[0-9A-Za-z][0-9A-Za-z._-]{0,127}$`)

// New opens the cache and drops what an interrupted fetch has left.
func New(cfg Config) (*Cache, error) {
	if err := os.MkdirAll(cfg.Dir, 0o711); err != nil {
		return nil, fmt.Errorf("image cache: %w", err)
	}
	parts, err := filepath.Glob(filepath.Join(cfg.Dir, "*.part*"))
	if err != nil {
		return nil, fmt.Errorf("image cache: %w", err)
	}
	for _, p := range parts {
		if err := os.Remove(p); err != nil {
			return nil, fmt.Errorf("image cache: %w", err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	return &Cache{cfg: cfg, log: logx.Or(cfg.Log).With("component", "imagecache"), ctx: ctx, cancel: cancel}, nil
}

// Close ends fetches that are under way.
func (c *Cache) Close() { c.cancel() }

// Link makes a hard link to the image at path, fetching the image if need be.
func (c *Cache) Link(ctx context.Context, want hostapi.RootDisk, path string) (Image, error) {
	for {
		image, err := c.Get(ctx, want)
		if err != nil {
			return Image{}, err
		}
		c.mu.RLock()
		err = os.Link(image.Path, path)
		c.mu.RUnlock()
		switch {
		case err == nil:
			return image, nil
		case errors.Is(err, fs.ErrExist):
			if err := os.Remove(path); err != nil {
				return Image{}, fmt.Errorf("link image %s: %w", want.ImageID, err)
			}
		case !errors.Is(err, fs.ErrNotExist): // else dropped in between
			return Image{}, fmt.Errorf("link image %s: %w", want.ImageID, err)
		}
		if err := ctx.Err(); err != nil {
			return Image{}, err
		}
	}
}

// Extract writes the disk in an image into a raw file at path. The image has
// done its work with that, so the cache forgets it.
func (c *Cache) Extract(ctx context.Context, want hostapi.RootDisk, path string) error {
	link := path + ".image"
	defer os.Remove(link) //nolint:errcheck // whether or not it was made
	image, err := c.Link(ctx, want, link)
	if err != nil {
		return err
	}
	if err := disk.Extract(ctx, diskimage.Layer{Path: link, Format: image.Format}, image.VirtualSize, path); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.drop(image.ID)
}

// Get brings the image into the cache.
func (c *Cache) Get(ctx context.Context, want hostapi.RootDisk) (Image, error) {
	if !validID.MatchString(want.ImageID) {
		return Image{}, errs.New(errs.Invalid, "%q is no image's id.", want.ImageID)
	}
	if image, ok := c.lookup(want); ok {
		return image, nil
	}
	// The fetch belongs to the cache: it goes on when those who wait give up,
	// and the next to ask finds it further on.
	ch := c.flight.DoChan(want.ImageID, func() (any, error) {
		if image, ok := c.lookup(want); ok {
			return image, nil
		}
		return c.fetch(c.ctx, want)
	})
	select {
	case <-ctx.Done():
		return Image{}, context.Cause(ctx)
	case r := <-ch:
		if r.Err != nil {
			return Image{}, r.Err
		}
		return r.Val.(Image), nil
	}
}

func (c *Cache) path(id, suffix string) string { return filepath.Join(c.cfg.Dir, id+suffix) }

// lookup finds the image complete, and marks it as used now.
func (c *Cache) lookup(want hostapi.RootDisk) (Image, bool) {
	image, err := c.read(want.ImageID)
	if err != nil || want.SHA512 != "" && !strings.EqualFold(image.SHA512, want.SHA512) {
		return Image{}, false
	}
	now := time.Now()
	if os.Chtimes(image.Path, now, now) != nil {
		return Image{}, false
	}
	return image, true
}

func (c *Cache) read(id string) (Image, error) {
	data, err := os.ReadFile(c.path(id, ".json"))
	if err != nil {
		return Image{}, err
	}
	image := Image{Path: c.path(id, ".img")}
	return image, json.Unmarshal(data, &image)
}

// Bytes is what the cache's images take on disk.
func (c *Cache) Bytes() int64 {
	var sum int64
	for _, e := range c.entries() {
		sum += e.bytes
	}
	return sum
}

// List describes the cache, the least recently used image first.
func (c *Cache) List() hostapi.ImageCache {
	out := hostapi.ImageCache{Limit: c.cfg.Limit, Images: []hostapi.CachedImage{}}
	entries := c.entries()
	slices.SortFunc(entries, func(a, b entry) int { return a.used.Compare(b.used) })
	for _, e := range entries {
		image, err := c.read(e.id)
		if err != nil {
			continue // half in, or half out
		}
		out.Images = append(out.Images, hostapi.CachedImage{
			ID: e.id, Format: image.Format, SHA512: image.SHA512, Bytes: e.bytes, Used: e.used.UTC(), Disks: int(e.links) - 1,
		})
	}
	return out
}

type entry struct {
	id    string
	bytes int64
	used  time.Time
	links uint64
}

func (c *Cache) entries() []entry {
	names, err := filepath.Glob(c.path("*", ".img"))
	if err != nil {
		return nil
	}
	var out []entry
	for _, n := range names {
		info, err := os.Stat(n)
		if err != nil {
			continue
		}
		e := entry{id: strings.TrimSuffix(filepath.Base(n), ".img"), bytes: info.Size(), used: info.ModTime(), links: 1}
		if st, ok := info.Sys().(*syscall.Stat_t); ok {
			e.bytes, e.links = st.Blocks*512, uint64(st.Nlink)
		}
		out = append(out, e)
	}
	return out
}

// Trim drops the images longest unused until the unused ones fit the limit.
// keep, if set, stays.
func (c *Cache) Trim(keep string) error {
	if c.cfg.Limit <= 0 {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	unused := slices.DeleteFunc(c.entries(), func(e entry) bool { return e.links > 1 || e.id == keep })
	slices.SortFunc(unused, func(a, b entry) int { return b.used.Compare(a.used) })
	var sum int64
	for _, e := range unused {
		if sum += e.bytes; sum <= c.cfg.Limit {
			continue
		}
		c.log.Info("image dropped from the cache", "image", e.id, "bytes", e.bytes)
		if err := c.drop(e.id); err != nil {
			return err
		}
	}
	return nil
}

// drop removes an image. A crash may have left it without its description, and
// another may have been quicker. It needs the lock.
func (c *Cache) drop(id string) error {
	for _, suffix := range []string{".json", ".img"} {
		if err := os.Remove(c.path(id, suffix)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("image cache: %w", err)
		}
	}
	return nil
}

// publish moves a complete file into the cache. The description goes last: an
// image without one does not exist. Nobody may drop the one before the other is
// there.
func (c *Cache) publish(part string, image Image) (Image, error) {
	image.Path = c.path(image.ID, ".img")
	data, err := json.Marshal(image)
	if err != nil {
		return Image{}, err
	}
	meta := c.path(image.ID, ".part.json")
	c.mu.Lock()
	defer c.mu.Unlock()
	_ = os.Remove(c.path(image.ID, ".json"))
	if err := os.Rename(part, image.Path); err != nil {
		return Image{}, err
	}
	if err := os.WriteFile(meta, data, 0o600); err != nil {
		return Image{}, disk.Full(err)
	}
	return image, os.Rename(meta, c.path(image.ID, ".json"))
}
