package placement

import (
	"context"
	"errors"
	"maps"
	"slices"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

// Reshaping is a new state of several providers and consumers.
type Reshaping struct {
	Inventories map[string]ReshapedProvider // by provider
	Allocations []AllocationSet
}

// ReshapedProvider is what a provider shall have.
type ReshapedProvider struct {
	Expect      int64 // the generation the caller saw
	Inventories []Inventory
}

// Reshape moves inventories and the allocations against them between providers
// at once. New inventories come first and old ones go last, so that at no time
// an allocation is without its inventory.
func (s *Service) Reshape(ctx context.Context, r Reshaping) error {
	order := slices.Sorted(maps.Keys(r.Inventories))
	return s.write(ctx, "reshaper:reshape", func(tx *store.Tx) error {
		for _, id := range order {
			p, err := s.tables.Providers.Get(ctx, tx, id)
			if errors.Is(err, store.ErrNoRows) {
				return errs.New(errs.Invalid, "Resource provider '%s' in the inventories does not exist.", id).WithCode("placement.resource_provider.not_found")
			}
			if err != nil {
				return err
			}
			if want := r.Inventories[id].Expect; p.Generation != want {
				return outdated(p, want)
			}
			if err := s.Inventories.putKnown(ctx, tx, id, r.Inventories[id].Inventories); err != nil {
				return err
			}
		}
		if err := s.replace(ctx, tx, r.Allocations); err != nil {
			return err
		}
		for _, id := range order {
			if err := s.Inventories.dropOthers(ctx, tx, id, r.Inventories[id].Inventories); err != nil {
				return err
			}
			if err := s.tables.Ledger.Raise(ctx, tx, id, s.clock()); err != nil {
				return err
			}
		}
		return nil
	})
}
