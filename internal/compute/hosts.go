package compute

import (
	"context"
	"errors"
	"time"

	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/ids"
	"kumoi/internal/kernel/store"
)

// up tells whether a host counts as alive.
func (s *Service) up(h *Host) bool {
	return !h.ForcedDown && s.now().Sub(h.SeenAt) < hostapi.DownAfter
}

// silent tells whether a host has missed a heartbeat or is gone altogether.
func (s *Service) silent(ctx context.Context, name string) (bool, error) {
	var h *Host
	err := s.read(ctx, func(tx *store.Tx) (err error) {
		h, err = s.store.Host(ctx, tx, name)
		return err
	})
	if errors.Is(err, store.ErrNoRows) {
		return true, nil
	}
	return err == nil && (h.ForcedDown || s.now().Sub(h.SeenAt) > 2*hostapi.HeartbeatEvery), err
}

// hostsTx reads all hosts, with their zones and whether they are up.
func (s *Service) hostsTx(ctx context.Context, tx *store.Tx) ([]*Host, error) {
	hosts, err := s.store.Hosts(ctx, tx)
	if err != nil {
		return nil, err
	}
	zones, err := s.zones(ctx, tx)
	for _, h := range hosts {
		h.Zone, h.Up = s.zoneOf(zones, h.Name), s.up(h)
	}
	return hosts, err
}

// zones maps hosts to the zones that aggregates put them in.
func (s *Service) zones(ctx context.Context, tx *store.Tx) (map[string]string, error) {
	aggregates, err := s.store.Aggregates(ctx, tx)
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	for _, a := range aggregates {
		if zone := a.Zone(); zone != "" {
			for _, h := range a.Hosts {
				out[h] = zone
			}
		}
	}
	return out, nil
}

func (s *Service) zoneOf(zones map[string]string, host string) string {
	if z := zones[host]; z != "" {
		return z
	}
	return s.cfg.DefaultZone
}

// Hosts returns all hosts, if the actor may know them by the rule.
func (s *Service) Hosts(ctx context.Context, rule string) ([]*Host, error) {
	if err := s.Check(ctx, rule); err != nil {
		return nil, err
	}
	var hosts []*Host
	err := s.read(ctx, func(tx *store.Tx) (err error) {
		hosts, err = s.hostsTx(ctx, tx)
		return err
	})
	return hosts, err
}

// ChangeHost lets f change what the operator says about the host that match
// finds: disabled, forced down.
func (s *Service) ChangeHost(ctx context.Context, match func(*Host) bool, missing error, f func(*Host) error) (*Host, error) {
	if err := s.Check(ctx, "os-services:update"); err != nil {
		return nil, err
	}
	var host *Host
	err := s.write(ctx, func(tx *store.Tx) error {
		hosts, err := s.hostsTx(ctx, tx)
		if err != nil {
			return err
		}
		for _, h := range hosts {
			if match(h) {
				whole, err := s.store.Host(ctx, tx, h.Name)
				if err != nil {
					return err
				}
				h.Report = whole.Report
				if err := f(h); err != nil {
					return err
				}
				h.UpdatedAt = s.now().UTC()
				h.Up, host = s.up(h), h
				return s.store.PutHost(ctx, tx, h)
			}
		}
		return missing
	})
	return host, err
}

// DeleteHost forgets a host that runs no servers.
func (s *Service) DeleteHost(ctx context.Context, match func(*Host) bool, missing error) error {
	if err := s.Check(ctx, "os-services:delete"); err != nil {
		return err
	}
	return s.write(ctx, func(tx *store.Tx) error {
		hosts, err := s.store.Hosts(ctx, tx)
		if err != nil {
			return err
		}
		for _, h := range hosts {
			if !match(h) {
				continue
			}
			alive := false
			servers, err := s.store.Servers(ctx, tx, ServerFilter{Host: h.Name, Deleted: &alive, Limit: 1})
			if err != nil {
				return err
			}
			if len(servers) > 0 {
				return errs.New(errs.Conflict, "Unable to delete compute service that is hosting instances. Migrate or delete the instances first.")
			}
			if err := s.placement.RemoveHost(ctx, tx, h.Name); err != nil {
				return err
			}
			return s.store.DeleteHost(ctx, tx, h.Name)
		}
		return missing
	})
}

// registerHost makes the row of a host that reports for the first time.
func (s *Service) registerHost(ctx context.Context, tx *store.Tx, name string, now time.Time) (*Host, error) {
	number, err := s.store.Next(ctx, tx, "host")
	return &Host{
		Name: name, Number: number, CreatedAt: now,
		// Derived ids: a host that was forgotten and comes back is the same.
		ServiceID:    ids.Derive("compute-service", name),
		HypervisorID: ids.Derive("hypervisor", name),
	}, err
}

func inventory(h *Host, cfg Config) HostInventory {
	r := h.Report
	traits := []string{"COMPUTE_NODE"}
	return HostInventory{
		Name: h.Name, ProviderID: h.HypervisorID,
		Total:     Resources{VCPU: r.VCPUs, MemoryMB: r.MemoryMiB, DiskGB: r.DiskGiB},
		Reserved:  Resources{MemoryMB: min(512, r.MemoryMiB/4)},
		VCPURatio: cfg.CPURatio, MemoryRatio: cfg.RAMRatio, DiskRatio: cfg.DiskRatio,
		Traits: traits,
	}
}
