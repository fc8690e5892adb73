package compute

import (
	"context"
	"errors"
	"time"

	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/change"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/ids"
	"kumoi/internal/kernel/store"
)

// up tells whether a host counts as alive.
func (s *Hosts) up(h *Host) bool {
	return !h.ForcedDown && s.now().Sub(h.SeenAt) < hostapi.DownAfter
}

// silent tells whether a host has missed a heartbeat or is gone altogether.
func (s *Hosts) silent(ctx context.Context, name string) (bool, error) {
	var h *Host
	err := s.read(ctx, func(tx *store.Tx) (err error) {
		h, err = s.hostStates.Get(ctx, tx, name)
		return err
	})
	if errors.Is(err, store.ErrNoRows) {
		return true, nil
	}
	return err == nil && (h.ForcedDown || s.now().Sub(h.SeenAt) > 2*hostapi.HeartbeatEvery), err
}

// all reads all hosts, with their zones and whether they are up.
func (s *Hosts) all(ctx context.Context, tx *store.Tx) ([]*Host, error) {
	page, err := s.hostTable.List(ctx, tx, store.Query{Sort: []store.Sort{{Field: "number"}}})
	if err != nil {
		return nil, err
	}
	return page.Rows, s.situate(ctx, tx, page.Rows)
}

// situate fills in what is read with hosts: their zones and whether they are up.
func (s *Hosts) situate(ctx context.Context, tx *store.Tx, hosts []*Host) error {
	zones, err := s.store.Zones(ctx, tx)
	for _, h := range hosts {
		h.Zone, h.Up = s.zoneOf(zones, h.Name), s.up(h)
	}
	return err
}

func (s *Hosts) zoneOf(zones map[string]string, host string) string {
	if z := zones[host]; z != "" {
		return z
	}
	return s.cfg.DefaultZone
}

// List returns all hosts, if the actor may know them by the rule.
func (s *Hosts) List(ctx context.Context, rule string) ([]*Host, error) {
	if err := s.checkOwn(ctx, rule); err != nil {
		return nil, err
	}
	var hosts []*Host
	err := s.read(ctx, func(tx *store.Tx) (err error) {
		hosts, err = s.all(ctx, tx)
		return err
	})
	return hosts, err
}

// HostPatch is what the operator says about a host.
type HostPatch struct {
	Disabled   change.Optional[bool]
	Reason     string // for being disabled
	ForcedDown change.Optional[bool]
	// Maintenance is what no host can be put into.
	Maintenance bool
}

// Change changes what the operator says about the host of which by holds.
func (s *Hosts) Change(ctx context.Context, rule string, by store.Cond, missing error, p HostPatch) (host *Host, err error) {
	if err := s.checkOwn(ctx, rule); err != nil {
		return nil, err
	}
	err = s.write(ctx, func(tx *store.Tx) error {
		h, err := s.hostTable.First(ctx, tx, by)
		if errors.Is(err, store.ErrNoRows) {
			return missing
		}
		if err != nil {
			return err
		}
		if p.Maintenance {
			return errs.New(errs.Unsupported, "Virt driver does not implement host maintenance mode.")
		}
		if p.Disabled.Set {
			h.Disabled, h.DisabledReason = p.Disabled.Value, p.Reason
		}
		p.ForcedDown.Into(&h.ForcedDown)
		h.UpdatedAt = s.now().UTC()
		host = h
		if err := s.situate(ctx, tx, []*Host{h}); err != nil {
			return err
		}
		return s.hostTable.Update(ctx, tx, h)
	})
	return host, err
}

// Delete forgets the host of which by holds, if it runs no servers.
func (s *Hosts) Delete(ctx context.Context, by store.Cond, missing error) error {
	if err := s.checkOwn(ctx, "os-services:delete"); err != nil {
		return err
	}
	return s.write(ctx, func(tx *store.Tx) error {
		h, err := s.hostTable.First(ctx, tx, by)
		if errors.Is(err, store.ErrNoRows) {
			return missing
		}
		if err != nil {
			return err
		}
		busy, err := s.servers.Any(ctx, tx, store.Eq("host", h.Name), store.Eq("deleted", false))
		if err != nil {
			return err
		}
		if busy {
			return errs.New(errs.Conflict, "Unable to delete compute service that is hosting instances. Migrate or delete the instances first.")
		}
		if err := s.placement.RemoveHost(ctx, tx, h.Name); err != nil {
			return err
		}
		if err := s.store.LeaveAggregates(ctx, tx, h.Name); err != nil {
			return err
		}
		return s.hostTable.Delete(ctx, tx, h.Name)
	})
}

// register makes the row of a host that reports for the first time.
func (s *Hosts) register(ctx context.Context, tx *store.Tx, name string, now time.Time) (*Host, error) {
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

// HostStatus is the health of a server's host in Nova's words.
func HostStatus(h *Host) string {
	switch {
	case h == nil:
		return ""
	case h.ForcedDown:
		return "DOWN"
	case h.Disabled:
		return "MAINTENANCE"
	case !h.Up:
		return "UNKNOWN"
	}
	return "UP"
}
