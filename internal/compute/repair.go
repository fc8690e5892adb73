package compute

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/store"
	"kumoi/internal/kernel/task"
)

// task keeps guests as their servers say: what a host reports is
// compared with what it should have, and the difference is ensured again.
func (s *repairs) task() task.Task {
	return task.Task{Name: repairTaskName, Every: time.Minute, Timeout: 10 * time.Minute, Run: s.run}
}

func (s *repairs) run(ctx context.Context) (string, error) {
	var hosts []*Host
	err := s.read(ctx, func(tx *store.Tx) (err error) {
		hosts, err = s.Hosts.all(ctx, tx)
		return err
	})
	if err != nil {
		return "", err
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	var report repairReport
	var all error
	for _, h := range hosts {
		if !h.Up {
			continue
		}
		wg.Go(func() {
			r, err := s.host(ctx, h.Name)
			mu.Lock()
			defer mu.Unlock()
			report.ensured += r.ensured
			report.removed += r.removed
			report.orphans += r.orphans
			if err != nil {
				all = errors.Join(all, fmt.Errorf("host %s: %w", h.Name, err))
			}
		})
	}
	wg.Wait()
	return report.String(), all
}

type repairReport struct{ ensured, removed, orphans int }

func (r repairReport) String() string {
	if r == (repairReport{}) {
		return ""
	}
	return fmt.Sprintf("%d guests ensured, %d left-overs removed, %d unknown guests seen", r.ensured, r.removed, r.orphans)
}

// host compares one host, asked now, with its servers.
func (s *repairs) host(ctx context.Context, host string) (repairReport, error) {
	var done repairReport
	report, err := s.hosts.Report(ctx, host)
	if err != nil {
		return done, err
	}
	var servers []*Server
	strangers := map[string]*Server{} // reported, but not this host's
	err = s.read(ctx, func(tx *store.Tx) (err error) {
		if servers, err = s.Reports.onHost(ctx, tx, host); err != nil {
			return err
		}
		mine := map[string]bool{}
		for _, srv := range servers {
			mine[srv.ID] = true
		}
		for _, r := range report.Servers {
			if mine[r.ServerID] {
				continue
			}
			srv, err := s.servers.Get(ctx, tx, r.ServerID)
			if err != nil && !errors.Is(err, store.ErrNoRows) {
				return err
			}
			strangers[r.ServerID] = srv
		}
		return nil
	})
	if err != nil {
		return done, err
	}
	seen := map[string]hostapi.ServerReport{}
	for _, r := range report.Servers {
		seen[r.ServerID] = r
	}
	var all error
	for _, srv := range servers {
		r, ok := seen[srv.ID]
		if ok {
			r.Host = host
			all = errors.Join(all, s.Reports.observe(ctx, host, &r))
		}
		changed, err := s.server(ctx, srv.ID, host, r, ok)
		if changed {
			done.ensured++
		}
		all = errors.Join(all, err)
	}
	for id, srv := range strangers {
		removed, err := s.stranger(ctx, host, id, srv)
		if removed {
			done.removed++
		} else {
			done.orphans++
		}
		all = errors.Join(all, err)
	}
	return done, all
}

// server ensures a server again if its host has it otherwise.
func (s *repairs) server(ctx context.Context, id, host string, r hostapi.ServerReport, present bool) (bool, error) {
	idle := false
	err := s.read(ctx, func(tx *store.Tx) error {
		srv, err := s.servers.Get(ctx, tx, id)
		if err != nil {
			return err
		}
		_, busy, err := s.sagas.Active(ctx, tx, id)
		idle = !busy && srv.Host == host && srv.TaskState == TaskNone && settled(srv) &&
			(!present || r.Generation < srv.Generation || r.Fault == "" && r.Power != srv.Power)
		return err
	})
	if err != nil || !idle {
		return false, err
	}
	s.log.InfoContext(ctx, "guest differs from its server; ensuring it again", "server", id, "host", host,
		"present", present, "power", r.Power, "generation", r.Generation)
	_, err = s.machines.ensure(ctx, host, id)
	return true, errors.Join(err, s.recall(ctx, host, id))
}

// recall takes a guest back that was ensured while a deletion or a move went
// by: its removal may have come first. One that still goes on is looked at again.
func (s *repairs) recall(ctx context.Context, host, id string) error {
	stays, busy := false, false
	err := s.read(ctx, func(tx *store.Tx) error {
		srv, err := s.servers.Get(ctx, tx, id)
		if errors.Is(err, store.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		stays = !srv.Deleted && srv.Host == host
		_, busy, err = s.sagas.Active(ctx, tx, id)
		return err
	})
	switch {
	case err != nil:
		return err
	case busy:
		s.tasks.Wake(repairTaskName)
		return nil
	case stays:
		return nil
	}
	return s.machines.removeFrom(ctx, host, id)
}

// stranger removes the guest of a server that was deleted or has moved
// away. A guest that nobody knows is left alone and reported.
func (s *repairs) stranger(ctx context.Context, host, id string, srv *Server) (bool, error) {
	if srv == nil {
		s.log.WarnContext(ctx, "a host has a guest that no server stands behind", "host", host, "guest", id)
		return false, nil
	}
	var keep bool
	err := s.read(ctx, func(tx *store.Tx) error {
		_, busy, err := s.sagas.Active(ctx, tx, id)
		if err != nil {
			return err
		}
		moves, err := s.Migrations.of(ctx, tx, id)
		keep = busy
		for _, m := range moves { // an unconfirmed resize keeps the old guest
			keep = keep || m.SourceHost == host && (m.Status == "finished" || m.Status == "running")
		}
		return err
	})
	if err != nil || keep {
		return false, err
	}
	s.log.InfoContext(ctx, "removing what is left of a server that is not here any more", "server", id, "host", host)
	err = s.hosts.RemoveServer(ctx, host, id, srv.Generation)
	return err == nil, err
}

// differs is the quick look at a heartbeat: does the host have anything otherwise?
func (s *repairs) differs(ctx context.Context, h *Host) bool {
	differs := false
	err := s.read(ctx, func(tx *store.Tx) error {
		servers, err := s.Reports.onHost(ctx, tx, h.Name)
		if err != nil {
			return err
		}
		mine := map[string]*Server{}
		for _, srv := range servers {
			if settled(srv) && srv.TaskState == TaskNone {
				mine[srv.ID] = srv
			}
		}
		for _, r := range h.Report.Servers {
			if srv, ok := mine[r.ServerID]; ok {
				delete(mine, r.ServerID)
				differs = differs || r.Power != srv.Power || r.Generation < srv.Generation || observed(r.Power) != srv.PowerState
			}
		}
		differs = differs || len(mine) > 0
		return nil
	})
	return err == nil && differs
}
