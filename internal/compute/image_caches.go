package compute

import (
	"context"
	"slices"
	"sync"
	"time"

	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/errs"
)

// HostImages is a host with its cache of images, or why nothing is known of it.
type HostImages struct {
	Host  string
	Cache hostapi.ImageCache
	Err   error
}

const prefetchTimeout = 30 * time.Minute

// namedHosts are the hosts with these names; all that are up without any.
func (s *ImageCaches) namedHosts(ctx context.Context, names []string) ([]string, error) {
	hosts, err := s.Hosts.List(ctx, "os-hypervisors:list")
	if err != nil {
		return nil, err
	}
	var out []string
	for _, h := range hosts {
		if slices.Contains(names, h.Name) || len(names) == 0 && s.Hosts.up(h) {
			out = append(out, h.Name)
		}
	}
	for _, n := range names {
		if !slices.Contains(out, n) {
			return nil, errs.New(errs.NotFound, "There is no host %q.", n)
		}
	}
	return out, nil
}

// Prefetch brings an image into the caches of hosts, of all that are up
// without any names, and returns when it is there.
func (s *ImageCaches) Prefetch(ctx context.Context, id string, hosts []string) ([]HostImages, error) {
	hosts, err := s.namedHosts(ctx, hosts)
	if err != nil {
		return nil, err
	}
	image, err := s.images.Show(ctx, id)
	if err != nil {
		return nil, err
	}
	if err := usable(image); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, prefetchTimeout)
	defer cancel()
	out := make([]HostImages, len(hosts))
	var wg sync.WaitGroup
	for i, host := range hosts {
		s.grants.give(host, image.ID, s.now())
		wg.Go(func() { out[i] = HostImages{Host: host, Err: s.hosts.Prefetch(ctx, host, rootDisk(image, 0))} })
	}
	wg.Wait()
	return out, nil
}

// List asks hosts, all that are up without any names, what they keep.
func (s *ImageCaches) List(ctx context.Context, hosts []string) ([]HostImages, error) {
	hosts, err := s.namedHosts(ctx, hosts)
	if err != nil {
		return nil, err
	}
	out := make([]HostImages, len(hosts))
	for i, host := range hosts {
		out[i].Host = host
		cache, err := s.hosts.Images(ctx, host)
		if err != nil {
			out[i].Err = err
			continue
		}
		out[i].Cache = *cache
	}
	return out, nil
}

// OfAggregate has all hosts of an aggregate fetch images ahead of their use.
func (s *ImageCaches) OfAggregate(ctx context.Context, aggregateID string, images []string) error {
	if err := s.checkOwn(ctx, "compute:aggregates:images"); err != nil {
		return err
	}
	a, err := s.Aggregates.Show(ctx, aggregateID)
	if err != nil {
		return err
	}
	for _, id := range images {
		image, err := s.images.Show(ctx, id)
		if err != nil {
			return invalidIfMissing(err, "Image %s could not be found.", id)
		}
		if err := usable(image); err != nil {
			return err
		}
		disk := rootDisk(image, 0)
		for _, host := range a.Hosts {
			s.grants.give(host, image.ID, s.now())
			// Only a wish: a host that cannot now fetches the image when it is needed.
			if err := s.hosts.Prefetch(ctx, host, disk); err != nil && !errs.Is(err, errs.Unavailable) {
				s.log.WarnContext(ctx, "image not cached ahead", "host", host, "image", id, "error", err)
			}
		}
	}
	return nil
}
