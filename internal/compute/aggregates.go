package compute

import (
	"context"
	"maps"
	"slices"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/ids"
	"kumoi/internal/kernel/store"
)

// Aggregates lists all host aggregates.
func (s *Service) Aggregates(ctx context.Context) ([]*Aggregate, error) {
	if err := s.Check(ctx, "os-aggregates:index"); err != nil {
		return nil, err
	}
	var list []*Aggregate
	err := s.read(ctx, func(tx *store.Tx) (err error) {
		list, err = s.store.Aggregates(ctx, tx)
		return err
	})
	return list, err
}

// Aggregate returns one.
func (s *Service) Aggregate(ctx context.Context, id int64) (*Aggregate, error) {
	if err := s.Check(ctx, "os-aggregates:show"); err != nil {
		return nil, err
	}
	var a *Aggregate
	err := s.read(ctx, func(tx *store.Tx) error {
		list, err := s.store.Aggregates(ctx, tx)
		if err != nil {
			return err
		}
		a, err = pick(list, id)
		return err
	})
	return a, err
}

func pick(list []*Aggregate, id int64) (*Aggregate, error) {
	for _, a := range list {
		if a.ID == id {
			return a, nil
		}
	}
	return nil, errs.New(errs.NotFound, "Aggregate %d could not be found.", id)
}

// CreateAggregate adds an aggregate.
func (s *Service) CreateAggregate(ctx context.Context, name, zone string) (*Aggregate, error) {
	if err := s.Check(ctx, "os-aggregates:create"); err != nil {
		return nil, err
	}
	a := &Aggregate{UUID: ids.New(), Name: name, Metadata: map[string]string{}, Hosts: []string{}, CreatedAt: s.now().UTC()}
	if zone != "" {
		a.Metadata["availability_zone"] = zone
	}
	err := s.write(ctx, func(tx *store.Tx) error {
		list, err := s.store.Aggregates(ctx, tx)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(list, func(o *Aggregate) bool { return o.Name == name }) {
			return errs.New(errs.Exists, "Aggregate %s already exists.", name)
		}
		if a.ID, err = s.store.Next(ctx, tx, "aggregate"); err != nil {
			return err
		}
		return s.store.PutAggregate(ctx, tx, a)
	})
	return a, err
}

// pinnedElsewhere tells whether an owner insists on another zone than this one.
func pinnedElsewhere(servers []*Server, zone string) bool {
	return slices.ContainsFunc(servers, func(s *Server) bool { return s.PinnedZone != "" && s.PinnedZone != zone })
}

// ChangeAggregate lets f change an aggregate. A host does not change its zone
// while it has servers whose owners asked for the old one.
func (s *Service) ChangeAggregate(ctx context.Context, id int64, rule string, f func(tx *store.Tx, a *Aggregate, all []*Aggregate) error) (*Aggregate, error) {
	if err := s.Check(ctx, rule); err != nil {
		return nil, err
	}
	var a *Aggregate
	err := s.write(ctx, func(tx *store.Tx) error {
		list, err := s.store.Aggregates(ctx, tx)
		if err != nil {
			return err
		}
		if a, err = pick(list, id); err != nil {
			return err
		}
		zone := a.Zone()
		if err := f(tx, a, list); err != nil {
			return err
		}
		if a.Zone() != zone {
			if err := s.checkZoneChange(ctx, tx, a, list); err != nil {
				return err
			}
		}
		a.UpdatedAt = s.now().UTC()
		return s.store.PutAggregate(ctx, tx, a)
	})
	return a, exists(err, "Aggregate %s already exists.", nameOf(a))
}

func nameOf(a *Aggregate) string {
	if a == nil {
		return ""
	}
	return a.Name
}

func (s *Service) checkZoneChange(ctx context.Context, tx *store.Tx, a *Aggregate, all []*Aggregate) error {
	for _, host := range a.Hosts {
		for _, o := range all {
			if o.ID != a.ID && o.Zone() != "" && a.Zone() != "" && o.Zone() != a.Zone() && slices.Contains(o.Hosts, host) {
				return errs.New(errs.Conflict, "Cannot perform action 'update aggregate' on aggregate %d. Reason: One or more hosts already in availability zone(s) %s.", a.ID, o.Zone())
			}
		}
		servers, err := s.onHost(ctx, tx, host)
		if err != nil {
			return err
		}
		if pinnedElsewhere(servers, a.Zone()) {
			return errs.New(errs.Conflict, "Cannot perform action 'update aggregate' on aggregate %d. Reason: One or more hosts contain instances in this zone.", a.ID)
		}
	}
	return nil
}

// UpdateAggregate renames an aggregate or its zone.
func (s *Service) UpdateAggregate(ctx context.Context, id int64, name *string, zone **string) (*Aggregate, error) {
	return s.ChangeAggregate(ctx, id, "os-aggregates:update", func(_ *store.Tx, a *Aggregate, all []*Aggregate) error {
		if name != nil {
			if slices.ContainsFunc(all, func(o *Aggregate) bool { return o.Name == *name && o.ID != id }) {
				return errs.New(errs.Exists, "Aggregate %s already exists.", *name)
			}
			a.Name = *name
		}
		if zone != nil {
			a.Metadata = maps.Clone(a.Metadata)
			delete(a.Metadata, "availability_zone")
			if *zone != nil {
				a.Metadata["availability_zone"] = **zone
			}
		}
		return nil
	})
}

// SetAggregateMetadata adds to an aggregate's metadata; a nil value removes its key.
func (s *Service) SetAggregateMetadata(ctx context.Context, id int64, set map[string]*string) (*Aggregate, error) {
	return s.ChangeAggregate(ctx, id, "os-aggregates:set_metadata", func(_ *store.Tx, a *Aggregate, _ []*Aggregate) error {
		for k, v := range set {
			if v == nil {
				delete(a.Metadata, k)
			} else {
				a.Metadata[k] = *v
			}
		}
		return nil
	})
}

// AddAggregateHost puts a host into an aggregate.
func (s *Service) AddAggregateHost(ctx context.Context, id int64, host string) (*Aggregate, error) {
	return s.ChangeAggregate(ctx, id, "os-aggregates:add_host", func(tx *store.Tx, a *Aggregate, all []*Aggregate) error {
		if _, err := s.store.Host(ctx, tx, host); err != nil {
			return notFound(err, "Compute host %s could not be found.", host)
		}
		if slices.Contains(a.Hosts, host) {
			return errs.New(errs.Exists, "Cannot add host to aggregate %d. Reason: Host %s already exists in the aggregate.", id, host)
		}
		for _, o := range all {
			if o.ID != id && slices.Contains(o.Hosts, host) && a.Zone() != "" && o.Zone() != "" && a.Zone() != o.Zone() {
				return errs.New(errs.Conflict, "Cannot add host to aggregate %d. Reason: One or more hosts already in availability zone(s) %s.", id, o.Zone())
			}
		}
		if a.Zone() != "" {
			if err := s.checkHostEmpty(ctx, tx, a, all, host); err != nil {
				return err
			}
		}
		a.Hosts = append(a.Hosts, host)
		slices.Sort(a.Hosts)
		return nil
	})
}

// checkHostEmpty refuses to carry servers into another zone.
func (s *Service) checkHostEmpty(ctx context.Context, tx *store.Tx, a *Aggregate, all []*Aggregate, host string) error {
	for _, o := range all {
		if o.Zone() == a.Zone() && slices.Contains(o.Hosts, host) {
			return nil
		}
	}
	if a.Zone() == s.cfg.DefaultZone {
		return nil
	}
	servers, err := s.onHost(ctx, tx, host)
	if err == nil && pinnedElsewhere(servers, a.Zone()) {
		err = errs.New(errs.Conflict, "Cannot add host to aggregate %d. Reason: Host %s contains instances, which would change their availability zone.", a.ID, host)
	}
	return err
}

// RemoveAggregateHost takes a host out of an aggregate.
func (s *Service) RemoveAggregateHost(ctx context.Context, id int64, host string) (*Aggregate, error) {
	return s.ChangeAggregate(ctx, id, "os-aggregates:remove_host", func(tx *store.Tx, a *Aggregate, all []*Aggregate) error {
		i := slices.Index(a.Hosts, host)
		if i < 0 {
			return errs.New(errs.NotFound, "Cannot remove host %s in aggregate %d: it is not in it.", host, id)
		}
		if a.Zone() != "" && a.Zone() != s.cfg.DefaultZone {
			kept := slices.ContainsFunc(all, func(o *Aggregate) bool {
				return o.ID != id && o.Zone() == a.Zone() && slices.Contains(o.Hosts, host)
			})
			servers, err := s.onHost(ctx, tx, host)
			if err != nil {
				return err
			}
			if !kept && pinnedElsewhere(servers, s.cfg.DefaultZone) {
				return errs.New(errs.Conflict, "Cannot remove host from aggregate %d. Reason: Host %s contains instances, which would change their availability zone.", id, host)
			}
		}
		a.Hosts = slices.Delete(a.Hosts, i, i+1)
		return nil
	})
}

// DeleteAggregate removes an aggregate without hosts.
func (s *Service) DeleteAggregate(ctx context.Context, id int64) error {
	if err := s.Check(ctx, "os-aggregates:delete"); err != nil {
		return err
	}
	return s.write(ctx, func(tx *store.Tx) error {
		list, err := s.store.Aggregates(ctx, tx)
		if err != nil {
			return err
		}
		a, err := pick(list, id)
		if err != nil {
			return err
		}
		if len(a.Hosts) > 0 {
			return errs.New(errs.Invalid, "Cannot remove aggregate %d. Reason: Host aggregate is not empty.", id)
		}
		return s.store.DeleteAggregate(ctx, tx, id)
	})
}

// Zone is an availability zone.
type Zone struct {
	Name  string
	Hosts []*Host
}

// Zones lists the availability zones with their hosts.
func (s *Service) Zones(ctx context.Context, rule string) ([]Zone, error) {
	if err := s.Check(ctx, rule); err != nil {
		return nil, err
	}
	var hosts []*Host
	err := s.read(ctx, func(tx *store.Tx) (err error) {
		hosts, err = s.hostsTx(ctx, tx)
		return err
	})
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
	return out, err
}
