package placement

import (
	"context"
	"slices"

	"kumoi/internal/kernel/store"
)

// ProviderTrait says that a provider has a trait.
type ProviderTrait struct{ ProviderID, Trait string }

// ProviderAggregate says that a provider is in an aggregate.
type ProviderAggregate struct{ ProviderID, AggregateID string }

// Traits returns the traits of a provider, sorted.
func (f *Providers) Traits(ctx context.Context, id string) (p *Provider, traits []string, err error) {
	p, err = f.s.readProvider(ctx, "resource_providers:traits:list", id, func(tx *store.Tx) (err error) {
		traits, err = f.s.traitsOf(ctx, tx, id)
		return err
	})
	return p, traits, err
}

// SetTraits replaces the traits of a provider.
func (f *Providers) SetTraits(ctx context.Context, id string, traits []string) (*Provider, error) {
	return f.s.changeProvider(ctx, "resource_providers:traits:update", id, func(tx *store.Tx) error {
		if err := f.s.knownTraits(ctx, tx, traits); err != nil {
			return err
		}
		return f.s.setTraits(ctx, tx, id, slices.Compact(slices.Sorted(slices.Values(traits))))
	})
}

// DeleteTraits takes all traits from a provider.
func (f *Providers) DeleteTraits(ctx context.Context, id string) error {
	_, err := f.s.changeProvider(ctx, "resource_providers:traits:delete", id, func(tx *store.Tx) error {
		return f.s.setTraits(ctx, tx, id, nil)
	})
	return err
}

func (s *Service) traitsOf(ctx context.Context, tx *store.Tx, providerID string) ([]string, error) {
	rows, err := s.tables.ProviderTraits.All(ctx, tx, store.Eq("provider_id", providerID))
	out := make([]string, len(rows))
	for i, r := range rows {
		out[i] = r.Trait
	}
	slices.Sort(out) // databases sort by their locale
	return out, err
}

// setTraits replaces a provider's traits; hosts may have some that are new.
func (s *Service) setTraits(ctx context.Context, tx *store.Tx, providerID string, traits []string) error {
	if _, err := s.tables.ProviderTraits.DeleteWhere(ctx, tx, store.Eq("provider_id", providerID)); err != nil {
		return err
	}
	for _, t := range traits {
		if _, err := s.Traits.add(ctx, tx, t); err != nil {
			return err
		}
		if err := s.tables.ProviderTraits.Insert(ctx, tx, &ProviderTrait{providerID, t}); err != nil {
			return err
		}
	}
	return nil
}

// Aggregates returns the aggregates of a provider, sorted.
func (f *Providers) Aggregates(ctx context.Context, id string) (p *Provider, aggregates []string, err error) {
	p, err = f.s.readProvider(ctx, "resource_providers:aggregates:list", id, func(tx *store.Tx) error {
		rows, err := f.s.tables.ProviderAggregates.All(ctx, tx, store.Eq("provider_id", id))
		aggregates = make([]string, len(rows))
		for i, r := range rows {
			aggregates[i] = r.AggregateID
		}
		return err
	})
	return p, aggregates, err
}

// SetAggregates replaces the aggregates of a provider, none of which is named twice.
func (f *Providers) SetAggregates(ctx context.Context, id string, aggregates []string) (*Provider, error) {
	return f.s.changeProvider(ctx, "resource_providers:aggregates:update", id, func(tx *store.Tx) error {
		if _, err := f.s.tables.ProviderAggregates.DeleteWhere(ctx, tx, store.Eq("provider_id", id)); err != nil {
			return err
		}
		for _, a := range aggregates {
			if err := f.s.tables.ProviderAggregates.Insert(ctx, tx, &ProviderAggregate{id, a}); err != nil {
				return err
			}
		}
		return nil
	})
}
