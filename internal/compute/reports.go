package compute

import (
	"context"
	"errors"

	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/bus"
	"kumoi/internal/kernel/store"
	"kumoi/internal/network"
)

// repairTaskName is woken when a report shows a difference.
const repairTaskName = "compute-repair"

// takeHost keeps what a host says about itself.
func (s *Reports) takeHost(ctx context.Context, name string, m *bus.Msg) error {
	var r hostapi.HostReport
	if err := m.Decode(&r); err != nil {
		return err
	}
	// Whoever publishes on a host's subject is that host, whatever the body says.
	r.Host = name
	return s.TakeHost(ctx, r)
}

// TakeHost records a heartbeat, and what has changed with it.
func (s *Reports) TakeHost(ctx context.Context, r hostapi.HostReport) error {
	var host *Host
	revived := false
	err := s.write(ctx, func(tx *store.Tx) error {
		now := s.now().UTC()
		h, err := s.hostTable.Get(ctx, tx, r.Host)
		fresh := errors.Is(err, store.ErrNoRows)
		if fresh {
			h, err = s.Hosts.register(ctx, tx, r.Host, now)
		}
		if err != nil {
			return err
		}
		revived = fresh || !s.Hosts.up(h) || h.Report.StartedAt != r.StartedAt
		before := inventory(h, s.cfg)
		h.Report, h.Sequence, h.SeenAt, h.UpdatedAt = r, r.Sequence, now, now
		if after := inventory(h, s.cfg); fresh || after.Total != before.Total || after.Reserved != before.Reserved {
			if err := s.placement.SetHost(ctx, tx, after); err != nil {
				return err
			}
		}
		host = h
		if err := s.Hosts.situate(ctx, tx, []*Host{h}); err != nil {
			return err
		}
		return s.saveHost(ctx, tx, h, fresh)
	})
	if err != nil {
		return err
	}
	if err := s.network.HostReport(ctx, network.HostReport{
		Host: host.Name, AZ: host.Zone, Chassis: r.ChassisID, Mappings: r.BridgeMappings, Alive: true,
	}); err != nil {
		s.log.WarnContext(ctx, "the network did not take a host's report", "host", host.Name, "error", err)
	}
	if revived || s.repairs.differs(ctx, host) {
		s.tasks.Wake(repairTaskName)
	}
	return nil
}

// saveHost writes a host that has reported, and apart what it said of its guests.
func (s *Reports) saveHost(ctx context.Context, tx *store.Tx, h *Host, fresh bool) error {
	row := *h
	row.Report.Servers = nil
	write := s.hostTable.Update
	if fresh {
		write = s.hostTable.Insert
	}
	if err := write(ctx, tx, &row); err != nil {
		return err
	}
	return s.guests.Update(ctx, tx, &Guests{h.Name, h.Report.Servers})
}

// takeServer believes a host about one of its servers.
func (s *Reports) takeServer(ctx context.Context, host string, m *bus.Msg) error {
	var r hostapi.ServerReport
	if err := m.Decode(&r); err != nil {
		return err
	}
	r.Host = host
	return s.observe(ctx, host, &r)
}

// observe writes down what a host sees of a server, if the host is the
// server's and the news is news.
func (s *Reports) observe(ctx context.Context, host string, r *hostapi.ServerReport) error {
	return s.write(ctx, func(tx *store.Tx) error {
		srv, err := s.servers.Get(ctx, tx, r.ServerID)
		if errors.Is(err, store.ErrNoRows) {
			return nil // an orphan: the repair looks at those
		}
		if err != nil || srv.Deleted || srv.Host != host || r.Sequence != 0 && r.Sequence <= srv.HostSequence {
			return err
		}
		before := *srv
		srv.HostSequence, srv.PowerState = r.Sequence, observed(r.Power)
		if r.Domain != "" {
			srv.Domain = r.Domain
		}
		if r.Password != "" && srv.Password == "" {
			srv.Password = r.Password
		}
		if srv.TaskState == TaskNone && r.Generation >= srv.Generation {
			follow(srv, r.Power)
		}
		if before.PowerState == srv.PowerState && before.Domain == srv.Domain && before.VMState == srv.VMState && before.Password == srv.Password {
			return nil // the sequence alone is not worth a write
		}
		if before.VMState != srv.VMState {
			if err := s.journal.recordDone(ctx, tx, srv, "stop"); err != nil {
				return err
			}
		}
		return s.save(ctx, tx, srv)
	})
}

// follow accepts what a guest did by itself: one that was running and has
// stopped is stopped, as if its owner had said so.
func follow(srv *Server, p hostapi.Power) {
	if srv.VMState != VMActive && srv.VMState != VMRescued || srv.Power != hostapi.PowerRunning {
		return
	}
	switch p {
	case hostapi.PowerStopped, hostapi.PowerCrashed:
		srv.VMState, srv.Power = VMStopped, hostapi.PowerStopped
		srv.Generation++
	}
}

// onHost lists the servers whose guests are on a host.
func (s *Reports) onHost(ctx context.Context, tx *store.Tx, host string) ([]*Server, error) {
	return s.servers.All(ctx, tx, store.Eq("host", host), store.Eq("deleted", false))
}

// settled tells whether a server has a guest that nobody is making or unmaking.
func settled(srv *Server) bool {
	switch srv.VMState {
	case VMBuilding, VMDeleted, VMShelvedOffloaded, VMSoftDeleted:
		return false
	case VMError:
		return !srv.LaunchedAt.IsZero() && srv.TaskState == TaskNone
	}
	// Where a server moves to, its disks are made from what carries them: its
	// saga tells the host so, and nobody else may before.
	return srv.TaskState != TaskDeleting && srv.TaskState != TaskResizeFinish
}
