package compute

import (
	"context"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

// HostLoad is a host with what runs on it.
type HostLoad struct {
	Host           *Host
	Used, Reserved Resources
	Count          HostCount
	Servers        []*Server // if they were asked for
}

// HostLoads returns all hosts with their claims and how many servers they have,
// and, if that is asked for, with the servers.
func (s *Service) HostLoads(ctx context.Context, rule string, withServers bool) (out []*HostLoad, err error) {
	if err := s.Check(ctx, rule); err != nil {
		return nil, err
	}
	err = s.read(ctx, func(tx *store.Tx) error {
		out = nil
		hosts, err := s.hostsTx(ctx, tx)
		if err != nil {
			return err
		}
		used, err := s.placement.Usage(ctx, tx)
		if err != nil {
			return err
		}
		counts, err := s.store.HostCounts(ctx, tx)
		if err != nil {
			return err
		}
		by := map[string]*HostLoad{}
		for _, h := range hosts {
			l := &HostLoad{Host: h, Used: used[h.Name], Reserved: inventory(h, s.cfg).Reserved, Count: counts[h.Name]}
			by[h.Name] = l
			out = append(out, l)
		}
		if !withServers {
			return nil
		}
		servers, err := s.shownServers.List(ctx, tx, store.Query{Where: []store.Cond{store.Eq("deleted", false)}, Sort: []store.Sort{{Field: "created_at"}}})
		for _, srv := range servers.Rows {
			if l := by[srv.Host]; l != nil {
				l.Servers = append(l.Servers, srv)
			}
		}
		return err
	})
	return out, err
}

// CacheImages has all hosts of an aggregate fetch images ahead of their use.
func (s *Service) CacheImages(ctx context.Context, aggregateID string, images []string) error {
	if err := s.Check(ctx, "compute:aggregates:images"); err != nil {
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
