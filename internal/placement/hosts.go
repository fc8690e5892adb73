package placement

import (
	"context"
	"errors"
	"slices"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

// HostInventory is a host as placement should account for it.
type HostInventory struct {
	Name            string
	ProviderID      string // resource provider UUID, the hypervisor's id
	Total, Reserved Resources
	// Ratios of overcommitment; zero means 1.
	VCPURatio, MemoryRatio, DiskRatio float64
	Traits                            []string
}

// inventories are what the host has, by class.
func (h HostInventory) inventories() []Inventory {
	ratios := map[string]float64{VCPU: h.VCPURatio, MemoryMB: h.MemoryRatio, DiskGB: h.DiskRatio}
	reserved := h.Reserved.classes()
	var out []Inventory
	for i, c := range h.Total.classes() {
		if c.amount <= 0 {
			continue
		}
		ratio := ratios[c.class]
		if ratio == 0 {
			ratio = 1
		}
		out = append(out, Inventory{
			ProviderID: h.ProviderID, Class: c.class, Total: c.amount, Reserved: min(reserved[i].amount, c.amount),
			MinUnit: 1, MaxUnit: c.amount, StepSize: 1, AllocationRatio: ratio,
		})
	}
	return out
}

// SetHost records what a host has, in the caller's transaction.
func (s *Service) SetHost(ctx context.Context, tx *store.Tx, h HostInventory) error {
	if err := s.putRoot(ctx, tx, h.ProviderID, h.Name); err != nil {
		return err
	}
	changed, err := s.Inventories.put(ctx, tx, h.ProviderID, h.inventories())
	if err != nil {
		return err
	}
	have, err := s.traitsOf(ctx, tx, h.ProviderID)
	if err != nil {
		return err
	}
	if want := slices.Compact(slices.Sorted(slices.Values(h.Traits))); !slices.Equal(have, want) {
		changed = true
		if err := s.setTraits(ctx, tx, h.ProviderID, want); err != nil {
			return err
		}
	}
	if !changed {
		return nil
	}
	return s.tables.Ledger.Raise(ctx, tx, h.ProviderID, s.clock())
}

// putRoot makes or renames the root provider that is a host.
func (s *Service) putRoot(ctx context.Context, tx *store.Tx, id, name string) error {
	now := s.clock()
	p, err := s.tables.Providers.Get(ctx, tx, id)
	switch {
	case errors.Is(err, store.ErrNoRows):
		return s.tables.Providers.Insert(ctx, tx, &Provider{ID: id, Name: name, RootID: id, CreatedAt: now, UpdatedAt: now})
	case err != nil || p.Name == name:
		return err
	}
	p.Name, p.UpdatedAt = name, now
	return s.tables.Providers.Update(ctx, tx, p)
}

// RemoveHost forgets a host; one that still runs something is a Conflict, an
// unknown one is no error.
func (s *Service) RemoveHost(ctx context.Context, tx *store.Tx, host string) error {
	p, err := s.tables.Providers.First(ctx, tx, store.Eq("name", host))
	if errors.Is(err, store.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	used, err := s.tables.Allocations.Any(ctx, tx, store.Eq("provider_id", p.ID))
	if err != nil {
		return err
	}
	if used {
		return errs.New(errs.Conflict, "Host %s still has allocations; move or delete its servers first.", host)
	}
	return s.Providers.forget(ctx, tx, p.ID)
}

// Usage sums the claims on each host.
func (s *Service) Usage(ctx context.Context, tx *store.Tx) (map[string]Resources, error) {
	used, err := s.tables.Ledger.Used(ctx, tx)
	out := make(map[string]Resources, len(used))
	for host, by := range used {
		out[host] = Resources{VCPU: int(by[VCPU]), MemoryMB: int(by[MemoryMB]), DiskGB: int(by[DiskGB])}
	}
	return out, err
}
