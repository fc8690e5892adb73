package placement

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/policy"
	"kumoi/internal/kernel/store"
)

// Held is an allocation as it is shown.
type Held struct {
	Allocation
	ProviderGeneration, ConsumerGeneration int64
	CreatedAt                              time.Time
}

// Usage is what the consumers of one type use of one class.
type Usage struct {
	ConsumerType string // "" if unknown
	Class        string
	Used         int64
}

// Accounts is the persistence of allocations as the API needs it.
type Accounts interface {
	// Held returns the allocations of a consumer or from a provider, the other being "".
	Held(ctx context.Context, tx *store.Tx, consumerID, providerID string) ([]Held, error)
	// ProjectUsage sums the allocations of a project, or of one user in it.
	ProjectUsage(ctx context.Context, tx *store.Tx, projectID, userID string) ([]Usage, error)
	// ProjectConsumers counts the consumers with allocations by type.
	ProjectConsumers(ctx context.Context, tx *store.Tx, projectID, userID string) (map[string]int64, error)
}

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

// ConsumerAllocations returns a consumer and what it holds; a consumer without
// allocations is empty.
func (s *Service) ConsumerAllocations(ctx context.Context, id string) (Consumer, []Held, error) {
	var c Consumer
	var out []Held
	if err := s.check(ctx, "allocations:list"); err != nil {
		return c, nil, err
	}
	err := s.db.Read(ctx, func(tx *store.Tx) (err error) {
		if c, err = s.store.Consumer(ctx, tx, id); errors.Is(err, store.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		out, err = s.store.Held(ctx, tx, id, "")
		return err
	})
	return c, out, err
}

// ProviderAllocations returns what consumers hold of a provider.
func (s *Service) ProviderAllocations(ctx context.Context, id string) (Provider, []Held, error) {
	var out []Held
	p, err := s.readProvider(ctx, "resource_providers:allocations:list", id, func(tx *store.Tx, _ Provider) (err error) {
		out, err = s.store.Held(ctx, tx, "", id)
		return err
	})
	return p, out, err
}

// SetAllocations replaces what one consumer holds.
func (s *Service) SetAllocations(ctx context.Context, set AllocationSet) error {
	if err := s.check(ctx, "allocations:update"); err != nil {
		return err
	}
	return s.db.Write(ctx, func(tx *store.Tx) error { return s.replace(ctx, tx, []AllocationSet{set}) })
}

// ManageAllocations replaces what several consumers hold, all or nothing.
func (s *Service) ManageAllocations(ctx context.Context, sets []AllocationSet) error {
	if err := s.check(ctx, "allocations:manage"); err != nil {
		return err
	}
	return s.db.Write(ctx, func(tx *store.Tx) error { return s.replace(ctx, tx, sets) })
}

// DeleteAllocations gives back what a consumer holds; nothing is NotFound.
func (s *Service) DeleteAllocations(ctx context.Context, consumerID string) error {
	if err := s.check(ctx, "allocations:delete"); err != nil {
		return err
	}
	return s.db.Write(ctx, func(tx *store.Tx) error {
		held, err := s.store.Allocations(ctx, tx, consumerID)
		if err != nil {
			return err
		}
		if len(held) == 0 {
			return errs.New(errs.NotFound, "No allocations for consumer '%s'.", consumerID)
		}
		return s.Release(ctx, tx, consumerID)
	})
}

// slot is one class of one provider.
type slot struct{ provider, class string }

// replace makes the consumers hold what the sets say. What is used of each
// inventory changes once, by the difference of all sets together; a growing
// difference must find room, a shrinking one is always welcome, also where an
// inventory was made smaller than what is used of it.
func (s *Service) replace(ctx context.Context, tx *store.Tx, sets []AllocationSet) error {
	now := s.clock()
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
		if err := s.store.DeleteAllocations(ctx, tx, set.ID); err != nil {
			return err
		}
		if len(set.Resources) == 0 {
			if err := s.store.DeleteConsumer(ctx, tx, set.ID); err != nil {
				return err
			}
			continue
		}
		for provider, amounts := range set.Resources {
			for class, amount := range amounts {
				a := Allocation{ConsumerID: set.ID, ProviderID: provider, Class: class, Used: amount}
				if err := s.store.PutAllocation(ctx, tx, a, now); err != nil {
					return err
				}
			}
		}
		if err := s.store.PutConsumer(ctx, tx, set.Consumer, now); err != nil {
			return err
		}
	}
	touched := ""
	for _, sl := range slots { // sorted by provider
		if sl.provider == touched {
			continue
		}
		touched = sl.provider
		if err := s.store.Bump(ctx, tx, touched, now); err != nil {
			return err
		}
	}
	return nil
}

// prepare checks one set and adds its differences.
func (s *Service) prepare(ctx context.Context, tx *store.Tx, set *AllocationSet, delta map[slot]int64) error {
	old, err := s.store.Consumer(ctx, tx, set.ID)
	exists := err == nil
	if err != nil && !errors.Is(err, store.ErrNoRows) {
		return err
	}
	if set.Checked {
		switch {
		case exists && set.Expect == nil:
			return concurrent("consumer generation conflict - expected %d but got null.", old.Generation)
		case exists && *set.Expect != old.Generation:
			return concurrent("consumer generation conflict - expected %d but got %d.", old.Generation, *set.Expect)
		case !exists && set.Expect != nil:
			return concurrent("consumer generation conflict - expected null but got %d.", *set.Expect)
		}
	}
	if set.KeepType {
		set.Type = old.Type
	}
	held, err := s.store.Allocations(ctx, tx, set.ID)
	if err != nil {
		return err
	}
	for _, a := range held {
		delta[slot{a.ProviderID, a.Class}] -= a.Used
	}
	for provider, amounts := range set.Resources {
		if _, err := s.store.Provider(ctx, tx, provider); err != nil {
			if errors.Is(err, store.ErrNoRows) {
				return errs.New(errs.Invalid, "Allocation for resource provider '%s' that does not exist.", provider)
			}
			return err
		}
		have, err := s.store.Inventories(ctx, tx, provider)
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

// fitsUnits checks an amount against the units of the inventory, not against what is free.
func (s *Service) fitsUnits(ctx context.Context, tx *store.Tx, provider string, have []Inventory, class string, amount int64) error {
	if err := s.knownClass(ctx, tx, class); err != nil {
		return errs.Wrap(errs.KindOf(err), err, "Unable to allocate inventory: %s", errs.As(err).Msg)
	}
	i := slices.IndexFunc(have, func(i Inventory) bool { return i.Class == class })
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
			if err := s.store.Give(ctx, tx, sl.provider, sl.class, -d); err != nil {
				return err
			}
		}
	}
	for _, sl := range slots {
		d := delta[sl]
		if d <= 0 {
			continue
		}
		ok, err := s.store.Take(ctx, tx, sl.provider, sl.class, d)
		if err != nil {
			return err
		}
		if !ok {
			return errs.New(errs.Conflict, "Unable to allocate inventory: the requested amount would exceed the capacity of '%s' on resource provider '%s'.", sl.class, sl.provider)
		}
	}
	return nil
}

// UsageReport is what a project uses, by type of consumer.
type UsageReport struct {
	Usages    []Usage
	Consumers map[string]int64 // by type
}

// ProjectUsages returns what a project, or one user in it, uses.
func (s *Service) ProjectUsages(ctx context.Context, projectID, userID string) (UsageReport, error) {
	var r UsageReport
	if err := s.policy.Check(ctx, "placement:usages", policy.Target{"project_id": projectID}); err != nil {
		return r, err
	}
	err := s.db.Read(ctx, func(tx *store.Tx) (err error) {
		if r.Usages, err = s.store.ProjectUsage(ctx, tx, projectID, userID); err != nil {
			return err
		}
		r.Consumers, err = s.store.ProjectConsumers(ctx, tx, projectID, userID)
		return err
	})
	return r, err
}

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
	if err := s.check(ctx, "reshaper:reshape"); err != nil {
		return err
	}
	order := slices.Sorted(maps.Keys(r.Inventories))
	return s.db.Write(ctx, func(tx *store.Tx) error {
		providers := map[string]Provider{}
		for _, id := range order {
			p, err := s.store.Provider(ctx, tx, id)
			if errors.Is(err, store.ErrNoRows) {
				return errs.New(errs.Invalid, "Resource provider '%s' in the inventories does not exist.", id).WithCode("placement.resource_provider.not_found")
			}
			if err != nil {
				return err
			}
			if want := r.Inventories[id].Expect; p.Generation != want {
				return concurrent("resource provider generation conflict: provider %s is at %d, the request at %d.", id, p.Generation, want)
			}
			if err := s.putInventories(ctx, tx, p, r.Inventories[id].Inventories); err != nil {
				return err
			}
			providers[id] = p
		}
		if err := s.replace(ctx, tx, r.Allocations); err != nil {
			return err
		}
		for _, id := range order {
			if err := s.dropInventories(ctx, tx, providers[id], r.Inventories[id].Inventories); err != nil {
				return err
			}
			if err := s.store.Bump(ctx, tx, id, s.clock()); err != nil {
				return err
			}
		}
		return nil
	})
}
