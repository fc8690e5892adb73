package placement

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

// AllocationSet is what a consumer shall hold from now on.
type AllocationSet struct {
	Consumer
	// Resources by provider and class; empty: nothing, the consumer is forgotten.
	Resources map[string]map[string]int64
	// Checked says that the caller saw the consumer at generation Expect; nil
	// as Expect means that it saw none.
	Checked bool
	Expect  *int64
	// KeepType leaves the type of a consumer that exists as it is.
	KeepType bool
}

// slot is one class of one provider.
type slot struct{ provider, class string }

// replace makes the consumers hold what the sets say. What is used of each
// inventory changes once, by the difference of all sets together; a growing
// difference must find room, a shrinking one is always welcome, also where an
// inventory was made smaller than what is used of it.
func (s *Service) replace(ctx context.Context, tx *store.Tx, sets []AllocationSet) error {
	delta := map[slot]int64{}
	named := map[string]bool{}
	for i := range sets {
		set := &sets[i]
		if named[set.ID] {
			return errs.New(errs.Invalid, "Consumer '%s' is named more than once.", set.ID)
		}
		named[set.ID] = true
		if err := s.prepare(ctx, tx, set, delta); err != nil {
			return err
		}
	}
	slots := slices.SortedFunc(maps.Keys(delta), func(a, b slot) int {
		return cmp.Or(cmp.Compare(a.provider, b.provider), cmp.Compare(a.class, b.class))
	})
	if err := s.settle(ctx, tx, slots, delta); err != nil {
		return err
	}
	for _, set := range sets {
		if err := s.note(ctx, tx, set); err != nil {
			return err
		}
	}
	touched := ""
	for _, sl := range slots { // sorted by provider
		if sl.provider == touched {
			continue
		}
		touched = sl.provider
		if err := s.tables.Ledger.Raise(ctx, tx, touched, s.clock()); err != nil {
			return err
		}
	}
	return nil
}

// note writes what a consumer holds now.
func (s *Service) note(ctx context.Context, tx *store.Tx, set AllocationSet) error {
	if len(set.Resources) == 0 {
		return s.forgetConsumer(ctx, tx, set.ID)
	}
	if _, err := s.tables.Allocations.DeleteWhere(ctx, tx, store.Eq("consumer_id", set.ID)); err != nil {
		return err
	}
	for provider, amounts := range set.Resources {
		for class, amount := range amounts {
			a := &Allocation{ConsumerID: set.ID, ProviderID: provider, Class: class, Used: amount, UpdatedAt: s.clock()}
			if err := s.tables.Allocations.Insert(ctx, tx, a); err != nil {
				return err
			}
		}
	}
	return s.putConsumer(ctx, tx, set.Consumer)
}

// prepare checks one set and adds its differences.
func (s *Service) prepare(ctx context.Context, tx *store.Tx, set *AllocationSet, delta map[slot]int64) error {
	old, err := s.tables.Consumers.Get(ctx, tx, set.ID)
	if err != nil && !errors.Is(err, store.ErrNoRows) {
		return err
	}
	if err := set.outdated(old); err != nil {
		return err
	}
	if set.KeepType && old != nil {
		set.Type = old.Type
	}
	held, err := s.held(ctx, tx, set.ID)
	if err != nil {
		return err
	}
	for _, a := range held {
		delta[slot{a.ProviderID, a.Class}] -= a.Used
	}
	for provider, amounts := range set.Resources {
		there, err := s.tables.Providers.Any(ctx, tx, store.Eq("id", provider))
		if err != nil {
			return err
		}
		if !there {
			return errs.New(errs.Invalid, "Allocation for resource provider '%s' that does not exist.", provider)
		}
		have, err := s.stock(ctx, tx, provider)
		if err != nil {
			return err
		}
		for class, amount := range amounts {
			if err := s.fitsUnits(ctx, tx, provider, have, class, amount); err != nil {
				return err
			}
			delta[slot{provider, class}] += amount
		}
	}
	return nil
}

// outdated refuses a set whose caller saw the consumer at another generation.
func (set *AllocationSet) outdated(old *Consumer) error {
	switch {
	case !set.Checked:
	case old != nil && set.Expect == nil:
		return concurrent("consumer generation conflict - expected %d but got null.", old.Generation)
	case old != nil && *set.Expect != old.Generation:
		return concurrent("consumer generation conflict - expected %d but got %d.", old.Generation, *set.Expect)
	case old == nil && set.Expect != nil:
		return concurrent("consumer generation conflict - expected null but got %d.", *set.Expect)
	}
	return nil
}

// fitsUnits checks an amount against the units of the inventory, not against what is free.
func (s *Service) fitsUnits(ctx context.Context, tx *store.Tx, provider string, have []*Inventory, class string, amount int64) error {
	if err := s.knownClass(ctx, tx, class); err != nil {
		return errs.Wrap(errs.KindOf(err), err, "Unable to allocate inventory: %s", errs.As(err).Msg)
	}
	i := slices.IndexFunc(have, func(i *Inventory) bool { return i.Class == class })
	if i < 0 {
		return errs.New(errs.Conflict, "Unable to allocate inventory: resource provider '%s' has no inventory of %s.", provider, class)
	}
	if why := have[i].unfit(amount); why != "" {
		return errs.New(errs.Conflict, "Unable to allocate inventory: the requested amount would violate inventory constraints of '%s' on resource provider '%s': %s.", class, provider, why)
	}
	return nil
}

// settle applies the differences: what shrinks first, so that room moves from
// one consumer to another in one request.
func (s *Service) settle(ctx context.Context, tx *store.Tx, slots []slot, delta map[slot]int64) error {
	for _, sl := range slots {
		if d := delta[sl]; d < 0 {
			if err := s.tables.Ledger.Give(ctx, tx, sl.provider, sl.class, -d); err != nil {
				return err
			}
		}
	}
	for _, sl := range slots {
		d := delta[sl]
		if d <= 0 {
			continue
		}
		ok, err := s.tables.Ledger.Take(ctx, tx, sl.provider, sl.class, d)
		if err != nil {
			return err
		}
		if !ok {
			return errs.New(errs.Conflict, "Unable to allocate inventory: the requested amount would exceed the capacity of '%s' on resource provider '%s'.", sl.class, sl.provider)
		}
	}
	return nil
}
