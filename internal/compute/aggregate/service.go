package aggregate

import (
	"context"
	"errors"
	"maps"
	"strconv"
	"time"

	"kumoi/internal/kernel/audit"
	"kumoi/internal/kernel/change"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/ids"
	"kumoi/internal/kernel/store"
)

// Deps is what the service needs.
type Deps struct {
	DB    *store.DB
	Table *store.Table[Aggregate]
	Now   func() time.Time
	// DefaultZone is that of hosts which no aggregate puts into another.
	DefaultZone string
	// Check asks a rule of compute's policy about the actor.
	Check func(ctx context.Context, rule string) error
	// Known refuses a host that there is not. Pinned tells whether a host has a
	// server whose owner insists on another zone than this one.
	Known  func(ctx context.Context, tx *store.Tx, host string) error
	Pinned func(ctx context.Context, tx *store.Tx, host, zone string) (bool, error)
	// Hosts keeps which hosts are in aggregates.
	Hosts interface {
		SetAggregateHosts(ctx context.Context, tx *store.Tx, a *Aggregate) error
	}
	// Counters gives numbers that nobody had before.
	Counters interface {
		Next(ctx context.Context, tx *store.Tx, counter string) (int64, error)
	}
}

// Service keeps aggregates.
type Service struct{ d Deps }

// New returns the service.
func New(d Deps) *Service { return &Service{d} }

// All reads all aggregates, as they were made.
func (s *Service) All(ctx context.Context, tx *store.Tx) ([]*Aggregate, error) {
	page, err := s.d.Table.List(ctx, tx, store.Query{Sort: []store.Sort{{Field: "id"}}})
	return page.Rows, err
}

// get finds an aggregate by the number that a request names.
func (s *Service) get(ctx context.Context, tx *store.Tx, id string) (*Aggregate, error) {
	n, err := strconv.ParseInt(id, 10, 64)
	if err != nil {
		return nil, errs.New(errs.Invalid, "Invalid input for field/attribute aggregate_id. Value: %s. '%s' is not an integer", id, id)
	}
	a, err := s.d.Table.First(ctx, tx, store.Eq("id", n))
	if errors.Is(err, store.ErrNoRows) {
		err = errs.New(errs.NotFound, "Aggregate %d could not be found.", n)
	}
	return a, err
}

// List lists host aggregates.
func (s *Service) List(ctx context.Context, q store.Query) (page store.Page[Aggregate], err error) {
	if err := s.d.Check(ctx, "os-aggregates:index"); err != nil {
		return page, err
	}
	err = s.d.DB.Read(ctx, func(tx *store.Tx) (err error) {
		page, err = s.d.Table.List(ctx, tx, q)
		return err
	})
	return page, err
}

// Show returns one.
func (s *Service) Show(ctx context.Context, id string) (a *Aggregate, err error) {
	if err := s.d.Check(ctx, "os-aggregates:show"); err != nil {
		return nil, err
	}
	err = s.d.DB.Read(ctx, func(tx *store.Tx) (err error) {
		a, err = s.get(ctx, tx, id)
		return err
	})
	return a, err
}

// NewAggregate is what an aggregate is made of; it may be a zone.
type NewAggregate struct{ Name, Zone string }

// Create adds an aggregate.
func (s *Service) Create(ctx context.Context, n NewAggregate) (*Aggregate, error) {
	if err := s.d.Check(ctx, "os-aggregates:create"); err != nil {
		return nil, err
	}
	a := &Aggregate{UUID: ids.New(), Name: n.Name, Metadata: map[string]string{}, Hosts: []string{}, CreatedAt: s.d.Now().UTC()}
	if n.Zone != "" {
		a.Metadata[zoneKey] = n.Zone
	}
	err := s.d.DB.Write(ctx, func(tx *store.Tx) (err error) {
		if err := s.free(ctx, tx, a.Name, 0); err != nil {
			return err
		}
		if a.ID, err = s.d.Counters.Next(ctx, tx, "aggregate"); err != nil {
			return err
		}
		audit.Created(ctx, strconv.FormatInt(a.ID, 10))
		return s.d.Table.Insert(ctx, tx, a)
	})
	return a, err
}

// free refuses a name that another aggregate has.
func (s *Service) free(ctx context.Context, tx *store.Tx, name string, but int64) error {
	taken, err := s.d.Table.Any(ctx, tx, store.Eq("name", name), store.Ne("id", but))
	if err == nil && taken {
		err = errs.New(errs.Exists, "Aggregate %s already exists.", name)
	}
	return err
}

// change lets f change an aggregate. A host does not change its zone while it
// has servers whose owners asked for the old one.
func (s *Service) change(ctx context.Context, id, rule string, f func(tx *store.Tx, a *Aggregate, all []*Aggregate) error) (a *Aggregate, err error) {
	if err := s.d.Check(ctx, rule); err != nil {
		return nil, err
	}
	err = s.d.DB.Write(ctx, func(tx *store.Tx) (err error) {
		if a, err = s.get(ctx, tx, id); err != nil {
			return err
		}
		all, err := s.All(ctx, tx)
		if err != nil {
			return err
		}
		zone := a.Zone()
		if err := f(tx, a, all); err != nil {
			return err
		}
		if a.Zone() != zone {
			if err := s.checkZoneChange(ctx, tx, a, all); err != nil {
				return err
			}
		}
		a.UpdatedAt = s.d.Now().UTC()
		return s.d.Table.Update(ctx, tx, a)
	})
	return a, err
}

// Patch is what can be changed of an aggregate itself; a null zone is none.
type Patch struct {
	Name change.Optional[string]
	Zone change.Optional[string] `json:"availability_zone"`
}

// Update renames an aggregate or its zone.
func (s *Service) Update(ctx context.Context, id string, p Patch) (*Aggregate, error) {
	return s.change(ctx, id, "os-aggregates:update", func(tx *store.Tx, a *Aggregate, _ []*Aggregate) error {
		if p.Name.Set {
			if err := s.free(ctx, tx, p.Name.Value, a.ID); err != nil {
				return err
			}
			a.Name = p.Name.Value
		}
		if p.Zone.Set {
			a.Metadata = maps.Clone(a.Metadata)
			delete(a.Metadata, zoneKey)
			if !p.Zone.Null {
				a.Metadata[zoneKey] = p.Zone.Value
			}
		}
		return nil
	})
}

// SetMetadata adds to an aggregate's metadata; a nil value removes its key.
func (s *Service) SetMetadata(ctx context.Context, id string, set map[string]*string) (*Aggregate, error) {
	return s.change(ctx, id, "os-aggregates:set_metadata", func(_ *store.Tx, a *Aggregate, _ []*Aggregate) error {
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

// Delete removes an aggregate without hosts.
func (s *Service) Delete(ctx context.Context, id string) error {
	if err := s.d.Check(ctx, "os-aggregates:delete"); err != nil {
		return err
	}
	return s.d.DB.Write(ctx, func(tx *store.Tx) error {
		a, err := s.get(ctx, tx, id)
		if err != nil {
			return err
		}
		if len(a.Hosts) > 0 {
			return errs.New(errs.Invalid, "Cannot remove aggregate %d. Reason: Host aggregate is not empty.", a.ID)
		}
		return s.d.Table.Delete(ctx, tx, a.UUID)
	})
}
