package volume

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/ids"
	"kumoi/internal/kernel/store"
)

// Backend is a place for volumes on a host, as the host last reported it and as
// the operator wants it used.
type Backend struct {
	Host, Name string // of the key
	ServiceID  string // a UUID
	Number     int64  // of the service, in the order of appearance
	Report     hostapi.VolumeBackend
	SeenAt     time.Time
	Disabled   bool
	Reason     string // for being disabled
	Frozen     bool   // no new volumes, and none is changed
	CreatedAt  time.Time
	UpdatedAt  time.Time
}

// Place is the backend's full name.
func (b *Backend) Place() Place { return Place{b.Host, b.Name, b.Report.Pool} }

// Up tells whether the backend can be used, by what its host last said.
func (b *Backend) Up(now time.Time) bool {
	return b.Report.Fault == "" && now.Sub(b.SeenAt) < hostapi.DownAfter
}

// Fault is why the backend takes no volumes now; "" if it does.
func (s *Service) Fault(b *Backend) string {
	switch {
	case b.Disabled:
		return "it is disabled"
	case b.Frozen:
		return "it is frozen"
	case b.Report.Fault != "":
		return b.Report.Fault
	case !b.Up(s.now()):
		return "its host does not answer"
	}
	return ""
}

// backendCache is when hosts were last asked.
type backendCache struct {
	mu sync.Mutex
	at time.Time
}

// pollBackends asks every host what its backends are. One that does not answer
// keeps what it said last, and is down when that is old.
func (s *Service) pollBackends(ctx context.Context) (string, error) {
	s.backends.mu.Lock()
	defer s.backends.mu.Unlock()
	hosts, err := s.hosts.Names(ctx)
	if err != nil {
		return "", err
	}
	var all error
	for _, h := range hosts {
		all = errors.Join(all, s.pollHost(ctx, h))
	}
	s.backends.at = s.now()
	return fmt.Sprintf("%d hosts", len(hosts)), all
}

func (s *Service) pollHost(ctx context.Context, host string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	list, err := s.hosts.Volumes(host).VolumeBackends(ctx)
	if err != nil {
		if errs.Is(err, errs.Unavailable) || errs.Is(err, errs.NotFound) {
			return nil // it is away: its age says so
		}
		return fmt.Errorf("backends of %s: %w", host, err)
	}
	return s.write(ctx, func(tx *store.Tx) error {
		for _, r := range list {
			if err := s.seen(ctx, tx, host, r); err != nil {
				return err
			}
		}
		return nil
	})
}

// seen records what a host said of a backend.
func (s *Service) seen(ctx context.Context, tx *store.Tx, host string, r hostapi.VolumeBackend) error {
	b, err := s.tables.Backends.Get(ctx, tx, host, r.Name)
	switch {
	case err == nil:
		b.Report, b.SeenAt = r, s.now()
		return s.tables.Backends.Update(ctx, tx, b)
	case !errs.Is(err, errs.NotFound):
		return err
	}
	n, err := s.tables.Backends.Count(ctx, tx)
	if err != nil {
		return err
	}
	return s.tables.Backends.Insert(ctx, tx, &Backend{
		Host: host, Name: r.Name, ServiceID: ids.New(), Number: n + 1, Report: r, SeenAt: s.now(), CreatedAt: s.now(), UpdatedAt: s.now(),
	})
}

// freshBackends has hosts asked if that has not happened for a while.
func (s *Service) freshBackends(ctx context.Context) error {
	s.backends.mu.Lock()
	old := s.now().Sub(s.backends.at) > 2*s.cfg.BackendsEvery
	s.backends.mu.Unlock()
	if !old {
		return nil
	}
	_, err := s.pollBackends(ctx)
	return err
}

// BackendsTx are all backends, by their names.
func (s *Service) BackendsTx(ctx context.Context, tx *store.Tx) ([]*Backend, error) {
	return s.tables.Backends.All(ctx, tx)
}

// BackendStates are all backends as upkeep has last found them, for those who run the cloud.
func (s *Service) BackendStates(ctx context.Context) (list []*Backend, err error) {
	err = s.read(ctx, func(tx *store.Tx) (err error) {
		list, err = s.BackendsTx(ctx, tx)
		return err
	})
	return list, err
}

// backendOf is the backend in which a place is; nil if it is not known.
func backendOf(list []*Backend, place string) *Backend {
	p := ParsePlace(place)
	i := slices.IndexFunc(list, func(b *Backend) bool { return b.Host == p.Host && b.Name == p.Backend })
	if i < 0 {
		return nil
	}
	return list[i]
}
