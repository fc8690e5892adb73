package compute

import (
	"context"
	"sync"
	"time"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

// imageGrants remembers which host may read which image, so that a large image
// is not asked about once for each of its parts.
type imageGrants struct {
	mu    sync.Mutex
	until map[[2]string]time.Time
}

const grantFor = 10 * time.Minute

func (g *imageGrants) give(host, image string, now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for k, t := range g.until {
		if t.Before(now) {
			delete(g.until, k)
		}
	}
	if g.until == nil {
		g.until = map[[2]string]time.Time{}
	}
	g.until[[2]string{host, image}] = now.Add(grantFor)
}

func (g *imageGrants) has(host, image string, now time.Time) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.until[[2]string{host, image}].After(now)
}

// mayRead tells whether a host has a reason to read an image: one of its
// servers or volumes is made from it, it was told to fetch it ahead, or everybody may. A
// host that was broken into does not get at the images of all projects.
func (s *answers) mayRead(ctx context.Context, host, image string) error {
	if s.grants.has(host, image, s.now()) {
		return nil
	}
	ok := false
	err := s.read(ctx, func(tx *store.Tx) error {
		list, err := s.Reports.onHost(ctx, tx, host)
		for _, srv := range list {
			ok = ok || srv.Root.ImageID == image || srv.carries(image) || srv.ShelvedImageID == image ||
				srv.Rescue != nil && srv.Rescue.ImageID == image
		}
		return err
	})
	if err != nil {
		return err
	}
	if !ok && s.volumes != nil {
		if ok, err = s.volumes.Reads(ctx, host, image); err != nil {
			return err
		}
	}
	if !ok {
		img, err := s.images.Show(ctx, image)
		if err != nil && !errs.Is(err, errs.NotFound) {
			return err
		}
		ok = err == nil && img.Visibility == "public"
	}
	if !ok {
		return errs.New(errs.Forbidden, "Host %s has no server that needs image %s.", host, image)
	}
	s.grants.give(host, image, s.now())
	return nil
}

// mayWrite tells whether a host is just now making a snapshot into the image.
func (s *answers) mayWrite(ctx context.Context, host, image string) error {
	var ok bool
	err := s.read(ctx, func(tx *store.Tx) error {
		list, err := s.Reports.onHost(ctx, tx, host)
		for _, srv := range list {
			ok = ok || srv.carries(image)
		}
		return err
	})
	if err == nil && !ok && s.volumes != nil {
		ok, err = s.volumes.Fills(ctx, host, image)
	}
	if err == nil && !ok {
		err = errs.New(errs.Forbidden, "Host %s is not making image %s.", host, image)
	}
	return err
}
