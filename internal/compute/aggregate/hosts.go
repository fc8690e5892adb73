package aggregate

import (
	"context"
	"slices"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

func (s *Service) checkZoneChange(ctx context.Context, tx *store.Tx, a *Aggregate, all []*Aggregate) error {
	for _, host := range a.Hosts {
		for _, o := range all {
			if o.ID != a.ID && o.Zone() != "" && a.Zone() != "" && o.Zone() != a.Zone() && slices.Contains(o.Hosts, host) {
				return errs.New(errs.Conflict, "Cannot perform action 'update aggregate' on aggregate %d. Reason: One or more hosts already in availability zone(s) %s.", a.ID, o.Zone())
			}
		}
		pinned, err := s.d.Pinned(ctx, tx, host, a.Zone())
		if err != nil {
			return err
		}
		if pinned {
			return errs.New(errs.Conflict, "Cannot perform action 'update aggregate' on aggregate %d. Reason: One or more hosts contain instances in this zone.", a.ID)
		}
	}
	return nil
}

// AddHost puts a host into an aggregate.
func (s *Service) AddHost(ctx context.Context, id, host string) (*Aggregate, error) {
	return s.change(ctx, id, "os-aggregates:add_host", func(tx *store.Tx, a *Aggregate, all []*Aggregate) error {
		if err := s.d.Known(ctx, tx, host); err != nil {
			return err
		}
		if slices.Contains(a.Hosts, host) {
			return errs.New(errs.Exists, "Cannot add host to aggregate %d. Reason: Host %s already exists in the aggregate.", a.ID, host)
		}
		for _, o := range all {
			if o.ID != a.ID && slices.Contains(o.Hosts, host) && a.Zone() != "" && o.Zone() != "" && a.Zone() != o.Zone() {
				return errs.New(errs.Conflict, "Cannot add host to aggregate %d. Reason: One or more hosts already in availability zone(s) %s.", a.ID, o.Zone())
			}
		}
		if a.Zone() != "" && a.Zone() != s.d.DefaultZone && !inZone(all, a.Zone(), host, 0) {
			pinned, err := s.d.Pinned(ctx, tx, host, a.Zone())
			if err != nil {
				return err
			}
			if pinned {
				return errs.New(errs.Conflict, "Cannot add host to aggregate %d. Reason: Host %s contains instances, which would change their availability zone.", a.ID, host)
			}
		}
		a.Hosts = append(a.Hosts, host)
		slices.Sort(a.Hosts)
		return s.d.Hosts.SetAggregateHosts(ctx, tx, a)
	})
}

// inZone tells whether an aggregate, another than one, puts a host into a zone.
func inZone(all []*Aggregate, zone, host string, but int64) bool {
	return slices.ContainsFunc(all, func(o *Aggregate) bool { return o.ID != but && o.Zone() == zone && slices.Contains(o.Hosts, host) })
}

// RemoveHost takes a host out of an aggregate.
func (s *Service) RemoveHost(ctx context.Context, id, host string) (*Aggregate, error) {
	return s.change(ctx, id, "os-aggregates:remove_host", func(tx *store.Tx, a *Aggregate, all []*Aggregate) error {
		i := slices.Index(a.Hosts, host)
		if i < 0 {
			return errs.New(errs.NotFound, "Cannot remove host %s in aggregate %d: it is not in it.", host, a.ID)
		}
		if a.Zone() != "" && a.Zone() != s.d.DefaultZone && !inZone(all, a.Zone(), host, a.ID) {
			pinned, err := s.d.Pinned(ctx, tx, host, s.d.DefaultZone)
			if err != nil {
				return err
			}
			if pinned {
				return errs.New(errs.Conflict, "Cannot remove host from aggregate %d. Reason: Host %s contains instances, which would change their availability zone.", a.ID, host)
			}
		}
		a.Hosts = slices.Delete(a.Hosts, i, i+1)
		return s.d.Hosts.SetAggregateHosts(ctx, tx, a)
	})
}
