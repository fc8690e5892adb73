package compute

import (
	"context"
	"maps"
	"strconv"

	"kumoi/internal/kernel/audit"
	"kumoi/internal/kernel/change"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/ids"
	"kumoi/internal/kernel/store"
)

// all reads all aggregates, as they were made.
func (g *Aggregates) all(ctx context.Context, tx *store.Tx) ([]*Aggregate, error) {
	page, err := g.table.List(ctx, tx, store.Query{Sort: []store.Sort{{Field: "id"}}})
	return page.Rows, err
}

// get finds an aggregate by the number that a request names.
func (g *Aggregates) get(ctx context.Context, tx *store.Tx, id string) (*Aggregate, error) {
	n, err := strconv.ParseInt(id, 10, 64)
	if err != nil {
		return nil, errs.New(errs.Invalid, "Invalid input for field/attribute aggregate_id. Value: %s. '%s' is not an integer", id, id)
	}
	a, err := g.table.First(ctx, tx, store.Eq("id", n))
	return a, notFound(err, "Aggregate %d could not be found.", n)
}

// List lists host aggregates.
func (g *Aggregates) List(ctx context.Context, q store.Query) (page store.Page[Aggregate], err error) {
	if err := g.checkOwn(ctx, "os-aggregates:index"); err != nil {
		return page, err
	}
	err = g.read(ctx, func(tx *store.Tx) (err error) {
		page, err = g.table.List(ctx, tx, q)
		return err
	})
	return page, err
}

// Show returns one.
func (g *Aggregates) Show(ctx context.Context, id string) (a *Aggregate, err error) {
	if err := g.checkOwn(ctx, "os-aggregates:show"); err != nil {
		return nil, err
	}
	err = g.read(ctx, func(tx *store.Tx) (err error) {
		a, err = g.get(ctx, tx, id)
		return err
	})
	return a, err
}

// NewAggregate is what an aggregate is made of; it may be a zone.
type NewAggregate struct{ Name, Zone string }

// Create adds an aggregate.
func (g *Aggregates) Create(ctx context.Context, n NewAggregate) (*Aggregate, error) {
	if err := g.checkOwn(ctx, "os-aggregates:create"); err != nil {
		return nil, err
	}
	a := &Aggregate{UUID: ids.New(), Name: n.Name, Metadata: map[string]string{}, Hosts: []string{}, CreatedAt: g.now().UTC()}
	if n.Zone != "" {
		a.Metadata[zoneKey] = n.Zone
	}
	err := g.write(ctx, func(tx *store.Tx) (err error) {
		if err := g.free(ctx, tx, a.Name, 0); err != nil {
			return err
		}
		if a.ID, err = g.store.Next(ctx, tx, "aggregate"); err != nil {
			return err
		}
		audit.Created(ctx, strconv.FormatInt(a.ID, 10))
		return g.table.Insert(ctx, tx, a)
	})
	return a, err
}

// free refuses a name that another aggregate has.
func (g *Aggregates) free(ctx context.Context, tx *store.Tx, name string, but int64) error {
	taken, err := g.table.Any(ctx, tx, store.Eq("name", name), store.Ne("id", but))
	if err == nil && taken {
		err = errs.New(errs.Exists, "Aggregate %s already exists.", name)
	}
	return err
}

// change lets f change an aggregate. A host does not change its zone while it
// has servers whose owners asked for the old one.
func (g *Aggregates) change(ctx context.Context, id, rule string, f func(tx *store.Tx, a *Aggregate, all []*Aggregate) error) (a *Aggregate, err error) {
	if err := g.checkOwn(ctx, rule); err != nil {
		return nil, err
	}
	err = g.write(ctx, func(tx *store.Tx) (err error) {
		if a, err = g.get(ctx, tx, id); err != nil {
			return err
		}
		all, err := g.all(ctx, tx)
		if err != nil {
			return err
		}
		zone := a.Zone()
		if err := f(tx, a, all); err != nil {
			return err
		}
		if a.Zone() != zone {
			if err := g.checkZoneChange(ctx, tx, a, all); err != nil {
				return err
			}
		}
		a.UpdatedAt = g.now().UTC()
		return g.table.Update(ctx, tx, a)
	})
	return a, err
}

// AggregatePatch is what can be changed of an aggregate itself; a null zone is none.
type AggregatePatch struct {
	Name change.Optional[string]
	Zone change.Optional[string] `json:"availability_zone"`
}

// Update renames an aggregate or its zone.
func (g *Aggregates) Update(ctx context.Context, id string, p AggregatePatch) (*Aggregate, error) {
	return g.change(ctx, id, "os-aggregates:update", func(tx *store.Tx, a *Aggregate, _ []*Aggregate) error {
		if p.Name.Set {
			if err := g.free(ctx, tx, p.Name.Value, a.ID); err != nil {
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
func (g *Aggregates) SetMetadata(ctx context.Context, id string, set map[string]*string) (*Aggregate, error) {
	return g.change(ctx, id, "os-aggregates:set_metadata", func(_ *store.Tx, a *Aggregate, _ []*Aggregate) error {
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
func (g *Aggregates) Delete(ctx context.Context, id string) error {
	if err := g.checkOwn(ctx, "os-aggregates:delete"); err != nil {
		return err
	}
	return g.write(ctx, func(tx *store.Tx) error {
		a, err := g.get(ctx, tx, id)
		if err != nil {
			return err
		}
		if len(a.Hosts) > 0 {
			return errs.New(errs.Invalid, "Cannot remove aggregate %d. Reason: Host aggregate is not empty.", a.ID)
		}
		return g.table.Delete(ctx, tx, a.UUID)
	})
}
