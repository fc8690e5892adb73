package volume

import (
	"context"
	"errors"
	"fmt"
	"slices"
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

// TakeReport records what a host says of its backends. Those that it says
// nothing of any more are down when what it said last is old.
func (s *Service) TakeReport(ctx context.Context, host string, r hostapi.VolumeReport) error {
	return s.write(ctx, func(tx *store.Tx) error {
		for _, b := range r.Backends {
			if err := s.seen(ctx, tx, host, b); err != nil {
				return err
			}
		}
		return nil
	})
}

// askHosts has the known hosts say now what they would say with their next
// report. One that does not answer keeps what it said last.
func (s *Service) askHosts(ctx context.Context) error {
	list, err := s.BackendStates(ctx)
	if err != nil {
		return err
	}
	hosts := map[string]bool{}
	for _, b := range list {
		hosts[b.Host] = true
	}
	var all error
	for h := range hosts {
		all = errors.Join(all, s.askHost(ctx, h))
	}
	return all
}

func (s *Service) askHost(ctx context.Context, host string) error {
	asking, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	list, err := s.hosts.Volumes(host).VolumeBackends(asking)
	if errs.Is(err, errs.Unavailable) || errs.Is(err, errs.NotFound) {
		return nil // it is away: its age says so
	}
	if err != nil {
		return fmt.Errorf("backends of %s: %w", host, err)
	}
	return s.TakeReport(ctx, host, hostapi.VolumeReport{Backends: list})
}

// HostSeenSince tells whether a host has reported its backends at or after a moment.
func (s *Service) HostSeenSince(ctx context.Context, host string, since time.Time) (seen bool, err error) {
	err = s.read(ctx, func(tx *store.Tx) error {
		list, err := s.tables.Backends.All(ctx, tx, store.Eq("host", host))
		seen = slices.ContainsFunc(list, func(b *Backend) bool { return !b.SeenAt.Before(since) })
		return err
	})
	return seen, err
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

// BackendsTx are all backends, by their names.
func (s *Service) BackendsTx(ctx context.Context, tx *store.Tx) ([]*Backend, error) {
	return s.tables.Backends.All(ctx, tx)
}

// BackendStates are all backends as their hosts have last reported them, for those who run the cloud.
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
