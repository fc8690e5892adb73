package compute

import (
	"context"

	"kumoi/internal/kernel/store"
)

// HostLoad is a host with what runs on it.
type HostLoad struct {
	Host           *Host
	Used, Reserved Resources
	Count          HostCount
	Servers        []*Server // if they were asked for
}

// Loads returns all hosts with their claims and how many servers they have,
// and, if that is asked for, with the servers.
func (s *Hosts) Loads(ctx context.Context, rule string, withServers bool) (out []*HostLoad, err error) {
	if err := s.checkOwn(ctx, rule); err != nil {
		return nil, err
	}
	err = s.read(ctx, func(tx *store.Tx) error {
		out = nil
		hosts, err := s.all(ctx, tx)
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
