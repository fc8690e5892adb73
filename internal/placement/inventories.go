package placement

import (
	"context"
	"errors"
	"slices"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

// Inventories are the use cases of what a provider has. All that change it
// demand the provider's generation where the request names one.
type Inventories struct{ s *Service }

func (s *Service) stock(ctx context.Context, tx *store.Tx, providerID string) ([]*Inventory, error) {
	return s.tables.Inventories.All(ctx, tx, store.Eq("provider_id", providerID))
}

// List returns what a provider has, by class.
func (f *Inventories) List(ctx context.Context, provider string) (*Provider, []*Inventory, error) {
	return f.list(ctx, "resource_providers:inventories:list", provider)
}

// Usages returns what is used of a provider, with its inventories.
func (f *Inventories) Usages(ctx context.Context, provider string) (*Provider, []*Inventory, error) {
	return f.list(ctx, "resource_providers:usages", provider)
}

func (f *Inventories) list(ctx context.Context, rule, provider string) (p *Provider, out []*Inventory, err error) {
	p, err = f.s.readProvider(ctx, rule, provider, func(tx *store.Tx) (err error) {
		out, err = f.s.stock(ctx, tx, provider)
		return err
	})
	return p, out, err
}

// Show returns what a provider has of one class.
func (f *Inventories) Show(ctx context.Context, provider, class string) (p *Provider, i *Inventory, err error) {
	p, err = f.s.readProvider(ctx, "resource_providers:inventories:show", provider, func(tx *store.Tx) (err error) {
		i, err = f.one(ctx, tx, provider, class)
		return err
	})
	return p, i, err
}

func (f *Inventories) one(ctx context.Context, tx *store.Tx, provider, class string) (*Inventory, error) {
	i, err := f.s.tables.Inventories.Get(ctx, tx, provider, class)
	if errors.Is(err, store.ErrNoRows) {
		return nil, errs.New(errs.NotFound, "No inventory of class %s for %s.", class, provider)
	}
	return i, err
}

// Create gives a provider inventory of a class of which it has none.
func (f *Inventories) Create(ctx context.Context, i Inventory) (*Provider, error) {
	return f.s.changeProvider(ctx, "resource_providers:inventories:create", i.ProviderID, func(tx *store.Tx) error {
		if err := f.s.knownClass(ctx, tx, i.Class); err != nil {
			return err
		}
		_, err := f.one(ctx, tx, i.ProviderID, i.Class)
		if err == nil {
			return concurrent("Update conflict: provider %s has inventory of class %s already.", i.ProviderID, i.Class)
		}
		if !errs.Is(err, errs.NotFound) {
			return err
		}
		_, err = f.put(ctx, tx, i.ProviderID, []Inventory{i})
		return err
	})
}

// Update changes what a provider has of one class.
func (f *Inventories) Update(ctx context.Context, i Inventory) (*Provider, error) {
	return f.s.changeProvider(ctx, "resource_providers:inventories:update", i.ProviderID, func(tx *store.Tx) error {
		if _, err := f.one(ctx, tx, i.ProviderID, i.Class); err != nil {
			if errs.Is(err, errs.NotFound) {
				return errs.Wrap(errs.Invalid, err, "%s", errs.As(err).Msg)
			}
			return err
		}
		_, err := f.put(ctx, tx, i.ProviderID, []Inventory{i})
		return err
	})
}

// Replace replaces all that a provider has.
func (f *Inventories) Replace(ctx context.Context, provider string, list []Inventory) (*Provider, error) {
	return f.s.changeProvider(ctx, "resource_providers:inventories:update", provider, func(tx *store.Tx) error {
		if err := f.putKnown(ctx, tx, provider, list); err != nil {
			return err
		}
		return f.dropOthers(ctx, tx, provider, list)
	})
}

// Delete takes a class from a provider.
func (f *Inventories) Delete(ctx context.Context, provider, class string) error {
	_, err := f.s.changeProvider(ctx, "resource_providers:inventories:delete", provider, func(tx *store.Tx) error {
		i, err := f.one(ctx, tx, provider, class)
		if err != nil {
			return err
		}
		return f.drop(ctx, tx, i)
	})
	return err
}

// DeleteAll takes everything from a provider.
func (f *Inventories) DeleteAll(ctx context.Context, provider string) error {
	_, err := f.s.changeProvider(ctx, "resource_providers:inventories:delete", provider, func(tx *store.Tx) error {
		return f.dropOthers(ctx, tx, provider, nil)
	})
	return err
}

// put makes or changes each of the list, keeping what is used, and tells whether
// anything changed.
func (f *Inventories) put(ctx context.Context, tx *store.Tx, provider string, list []Inventory) (changed bool, err error) {
	have, err := f.s.stock(ctx, tx, provider)
	if err != nil {
		return false, err
	}
	for _, want := range list {
		if want.Reserved > want.Total {
			return false, errs.New(errs.Invalid, "Unable to update inventory of %s for resource provider %s: reserved %d is more than the total %d.", want.Class, provider, want.Reserved, want.Total)
		}
		write := f.s.tables.Inventories.Insert
		want.ProviderID = provider
		if at := slices.IndexFunc(have, func(i *Inventory) bool { return i.Class == want.Class }); at >= 0 {
			want.Used, want.UpdatedAt = have[at].Used, have[at].UpdatedAt
			if want == *have[at] {
				continue
			}
			write = f.s.tables.Inventories.Update
		}
		changed, want.UpdatedAt = true, f.s.clock()
		if err := write(ctx, tx, &want); err != nil {
			return false, err
		}
	}
	return changed, nil
}

// putKnown is put for classes that a request names.
func (f *Inventories) putKnown(ctx context.Context, tx *store.Tx, provider string, list []Inventory) error {
	for _, i := range list {
		if err := f.s.knownClass(ctx, tx, i.Class); err != nil {
			return errs.Wrap(errs.KindOf(err), err, "Unknown resource class in inventory for resource provider %s: %s", provider, errs.As(err).Msg)
		}
	}
	_, err := f.put(ctx, tx, provider, list)
	return err
}

// dropOthers takes every class that is not in the list to keep.
func (f *Inventories) dropOthers(ctx context.Context, tx *store.Tx, provider string, keep []Inventory) error {
	have, err := f.s.stock(ctx, tx, provider)
	if err != nil {
		return err
	}
	for _, i := range have {
		if slices.ContainsFunc(keep, func(k Inventory) bool { return k.Class == i.Class }) {
			continue
		}
		if err := f.drop(ctx, tx, i); err != nil {
			return err
		}
	}
	return nil
}

func (f *Inventories) drop(ctx context.Context, tx *store.Tx, i *Inventory) error {
	if i.Used > 0 {
		return errs.New(errs.Conflict, "Inventory for '%s' on resource provider '%s' in use.", i.Class, i.ProviderID).WithCode("placement.inventory.inuse")
	}
	return f.s.tables.Inventories.Delete(ctx, tx, i.ProviderID, i.Class)
}
