package placement

import (
	"context"
	"slices"
	"time"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

// Stock is the persistence of inventories.
type Stock interface {
	Inventories(ctx context.Context, tx *store.Tx, providerID string) ([]Inventory, error)
	PutInventory(ctx context.Context, tx *store.Tx, providerID string, i Inventory, now time.Time) (changed bool, err error)
	DeleteInventory(ctx context.Context, tx *store.Tx, providerID, class string) error
}

// ProviderInventories returns what a provider has, by class.
func (s *Service) ProviderInventories(ctx context.Context, id string) (Provider, []Inventory, error) {
	var out []Inventory
	p, err := s.readProvider(ctx, "resource_providers:inventories:list", id, func(tx *store.Tx, _ Provider) (err error) {
		out, err = s.store.Inventories(ctx, tx, id)
		return err
	})
	return p, out, err
}

// ProviderUsages returns what is used of a provider, with its inventories.
func (s *Service) ProviderUsages(ctx context.Context, id string) (Provider, []Inventory, error) {
	var out []Inventory
	p, err := s.readProvider(ctx, "resource_providers:usages", id, func(tx *store.Tx, _ Provider) (err error) {
		out, err = s.store.Inventories(ctx, tx, id)
		return err
	})
	return p, out, err
}

// ShowInventory returns what a provider has of one class.
func (s *Service) ShowInventory(ctx context.Context, id, class string) (Provider, Inventory, error) {
	var out Inventory
	p, err := s.readProvider(ctx, "resource_providers:inventories:show", id, func(tx *store.Tx, _ Provider) (err error) {
		out, err = s.inventory(ctx, tx, id, class)
		return err
	})
	return p, out, err
}

func (s *Service) inventory(ctx context.Context, tx *store.Tx, id, class string) (Inventory, error) {
	all, err := s.store.Inventories(ctx, tx, id)
	if err != nil {
		return Inventory{}, err
	}
	if i := slices.IndexFunc(all, func(i Inventory) bool { return i.Class == class }); i >= 0 {
		return all[i], nil
	}
	return Inventory{}, errs.New(errs.NotFound, "No inventory of class %s for %s.", class, id)
}

// AddInventory gives a provider inventory of a class of which it has none.
func (s *Service) AddInventory(ctx context.Context, id string, i Inventory) (Provider, error) {
	return s.changeProvider(ctx, "resource_providers:inventories:create", id, nil, func(tx *store.Tx, p Provider) error {
		if err := s.knownClass(ctx, tx, i.Class); err != nil {
			return err
		}
		_, err := s.inventory(ctx, tx, id, i.Class)
		if err == nil {
			return concurrent("Update conflict: provider %s has inventory of class %s already.", id, i.Class)
		}
		if !errs.Is(err, errs.NotFound) {
			return err
		}
		return s.putInventory(ctx, tx, p, i)
	})
}

// SetInventory changes what a provider has of one class.
func (s *Service) SetInventory(ctx context.Context, id string, expect int64, i Inventory) (Provider, error) {
	return s.changeProvider(ctx, "resource_providers:inventories:update", id, &expect, func(tx *store.Tx, p Provider) error {
		if _, err := s.inventory(ctx, tx, id, i.Class); err != nil {
			if errs.Is(err, errs.NotFound) {
				return errs.Wrap(errs.Invalid, err, "%s", errs.As(err).Msg)
			}
			return err
		}
		return s.putInventory(ctx, tx, p, i)
	})
}

// SetInventories replaces all that a provider has.
func (s *Service) SetInventories(ctx context.Context, id string, expect int64, list []Inventory) (Provider, error) {
	return s.changeProvider(ctx, "resource_providers:inventories:update", id, &expect, func(tx *store.Tx, p Provider) error {
		if err := s.putInventories(ctx, tx, p, list); err != nil {
			return err
		}
		return s.dropInventories(ctx, tx, p, list)
	})
}

// DeleteInventory takes a class from a provider.
func (s *Service) DeleteInventory(ctx context.Context, id, class string) error {
	_, err := s.changeProvider(ctx, "resource_providers:inventories:delete", id, nil, func(tx *store.Tx, p Provider) error {
		i, err := s.inventory(ctx, tx, id, class)
		if err != nil {
			return err
		}
		return s.dropInventory(ctx, tx, p, i)
	})
	return err
}

// DeleteInventories takes everything from a provider.
func (s *Service) DeleteInventories(ctx context.Context, id string) error {
	_, err := s.changeProvider(ctx, "resource_providers:inventories:delete", id, nil, func(tx *store.Tx, p Provider) error {
		return s.dropInventories(ctx, tx, p, nil)
	})
	return err
}

func (s *Service) putInventory(ctx context.Context, tx *store.Tx, p Provider, i Inventory) error {
	if i.Reserved > i.Total {
		return errs.New(errs.Invalid, "Unable to update inventory of %s for resource provider %s: reserved %d is more than the total %d.", i.Class, p.ID, i.Reserved, i.Total)
	}
	_, err := s.store.PutInventory(ctx, tx, p.ID, i, s.clock())
	return err
}

// putInventories makes or changes each of the list.
func (s *Service) putInventories(ctx context.Context, tx *store.Tx, p Provider, list []Inventory) error {
	for _, i := range list {
		if err := s.knownClass(ctx, tx, i.Class); err != nil {
			return errs.Wrap(errs.KindOf(err), err, "Unknown resource class in inventory for resource provider %s: %s", p.ID, errs.As(err).Msg)
		}
		if err := s.putInventory(ctx, tx, p, i); err != nil {
			return err
		}
	}
	return nil
}

// dropInventories takes every class that is not in the list to keep.
func (s *Service) dropInventories(ctx context.Context, tx *store.Tx, p Provider, keep []Inventory) error {
	have, err := s.store.Inventories(ctx, tx, p.ID)
	if err != nil {
		return err
	}
	for _, i := range have {
		if slices.ContainsFunc(keep, func(k Inventory) bool { return k.Class == i.Class }) {
			continue
		}
		if err := s.dropInventory(ctx, tx, p, i); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) dropInventory(ctx context.Context, tx *store.Tx, p Provider, i Inventory) error {
	if i.Used > 0 {
		return errs.New(errs.Conflict, "Inventory for '%s' on resource provider '%s' in use.", i.Class, p.ID).WithCode("placement.inventory.inuse")
	}
	return s.store.DeleteInventory(ctx, tx, p.ID, i.Class)
}
