package placement

import (
	"context"
	"errors"
	"time"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/policy"
	"kumoi/internal/kernel/store"
)

// Consumer is who holds allocations: a server.
type Consumer struct {
	ID, ProjectID, UserID, Type string
	Generation                  int64
	CreatedAt, UpdatedAt        time.Time
}

// Allocation is what a consumer holds of one class of one provider.
type Allocation struct {
	ConsumerID, ProviderID, Class string
	Used                          int64
	UpdatedAt                     time.Time
}

// Allocations are the use cases of what consumers hold.
type Allocations struct{ s *Service }

// Holdings are allocations with the generations of what is at their other end:
// of providers, by id, where a consumer's are asked for, and the other way round.
type Holdings struct {
	Rows        []*Allocation
	Generations map[string]int64
}

// List returns a consumer and what it holds; one without allocations is empty.
func (f *Allocations) List(ctx context.Context, consumerID string) (c *Consumer, h Holdings, err error) {
	err = f.s.read(ctx, "allocations:list", func(tx *store.Tx) error {
		if c, err = f.s.tables.Consumers.Get(ctx, tx, consumerID); errors.Is(err, store.ErrNoRows) {
			c, h = &Consumer{}, Holdings{}
			return nil
		}
		if err != nil {
			return err
		}
		if h.Rows, err = f.s.held(ctx, tx, consumerID); err != nil {
			return err
		}
		providers, err := f.s.tables.Providers.All(ctx, tx, store.Is("gives", consumerID))
		h.Generations = map[string]int64{}
		for _, p := range providers {
			h.Generations[p.ID] = p.Generation
		}
		return err
	})
	return c, h, err
}

// Of returns what consumers hold of a provider.
func (f *Allocations) Of(ctx context.Context, providerID string) (p *Provider, h Holdings, err error) {
	p, err = f.s.readProvider(ctx, "resource_providers:allocations:list", providerID, func(tx *store.Tx) error {
		if h.Rows, err = f.s.tables.Allocations.All(ctx, tx, store.Eq("provider_id", providerID)); err != nil {
			return err
		}
		consumers, err := f.s.tables.Consumers.All(ctx, tx, store.Is("holds", providerID))
		h.Generations = map[string]int64{}
		for _, c := range consumers {
			h.Generations[c.ID] = c.Generation
		}
		return err
	})
	return p, h, err
}

// Set replaces what one consumer holds.
func (f *Allocations) Set(ctx context.Context, set AllocationSet) error {
	return f.set(ctx, "allocations:update", []AllocationSet{set})
}

// SetMany replaces what several consumers hold, all or nothing.
func (f *Allocations) SetMany(ctx context.Context, sets []AllocationSet) error {
	return f.set(ctx, "allocations:manage", sets)
}

func (f *Allocations) set(ctx context.Context, rule string, sets []AllocationSet) error {
	return f.s.write(ctx, rule, func(tx *store.Tx) error { return f.s.replace(ctx, tx, sets) })
}

// Delete gives back what a consumer holds; nothing is NotFound.
func (f *Allocations) Delete(ctx context.Context, consumerID string) error {
	return f.s.write(ctx, "allocations:delete", func(tx *store.Tx) error {
		held, err := f.s.held(ctx, tx, consumerID)
		if err != nil {
			return err
		}
		if len(held) == 0 {
			return errs.New(errs.NotFound, "No allocations for consumer '%s'.", consumerID)
		}
		return f.s.giveBack(ctx, tx, consumerID, held)
	})
}

// Usage is what the consumers of one type use of one class.
type Usage struct {
	ConsumerType string // "" if unknown
	Class        string
	Used         int64
}

// UsageReport is what a project uses, by type of consumer.
type UsageReport struct {
	Usages    []Usage
	Consumers map[string]int64 // how many hold something, by type
}

// ProjectUsages returns what a project, or one user in it, uses.
func (f *Allocations) ProjectUsages(ctx context.Context, projectID, userID string) (r UsageReport, err error) {
	if err := f.s.policy.Check(ctx, "placement:usages", policy.Target{"project_id": projectID}); err != nil {
		return r, err
	}
	err = f.s.db.Read(ctx, func(tx *store.Tx) (err error) {
		r, err = f.s.tables.Ledger.ProjectUsage(ctx, tx, projectID, userID)
		return err
	})
	return r, err
}
