package compute

import (
	"context"

	"kumoi/internal/kernel/store"
)

// Zone is an availability zone.
type Zone struct {
	Name  string
	Hosts []*Host
}

// Zones lists the availability zones with their hosts.
func (s *Hosts) Zones(ctx context.Context, rule string) ([]Zone, error) {
	hosts, err := s.List(ctx, rule)
	if err != nil {
		return nil, err
	}
	by := map[string][]*Host{}
	for _, h := range hosts {
		by[h.Zone] = append(by[h.Zone], h)
	}
	if len(by) == 0 {
		by[s.cfg.DefaultZone] = nil
	}
	var out []Zone
	for _, name := range sortedKeys(by) {
		out = append(out, Zone{name, by[name]})
	}
	return out, nil
}

// known refuses a host that has not reported yet.
func (s *Hosts) known(ctx context.Context, tx *store.Tx, name string) error {
	_, err := s.hostStates.Get(ctx, tx, name)
	return notFound(err, "Compute host %s could not be found.", name)
}

// pinned tells whether a host has a server whose owner insists on another zone than this one.
func (s *Hosts) pinned(ctx context.Context, tx *store.Tx, host, zone string) (bool, error) {
	return s.servers.Any(ctx, tx, store.Eq("host", host), store.Eq("deleted", false), store.Ne("pinned_zone", ""), store.Ne("pinned_zone", zone))
}
