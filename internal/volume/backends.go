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
func (f *Backends) Fault(b *Backend) string {
	switch {
	case b.Disabled:
		return "it is disabled"
	case b.Frozen:
		return "it is frozen"
	case b.Report.Fault != "":
		return b.Report.Fault
	case !b.Up(f.s.now()):
		return "its host does not answer"
	}
	return ""
}

// Backends are where volumes lie, as hosts report it.
type Backends struct{ s *Service }

// TakeReport records what a host says of its backends. Those that it says
// nothing of any more are down when what it said last is old.
func (f *Backends) TakeReport(ctx context.Context, host string, r hostapi.VolumeReport) error {
	return f.s.write(ctx, func(tx *store.Tx) error {
		for _, b := range r.Backends {
			if err := f.seen(ctx, tx, host, b); err != nil {
				return err
			}
		}
		return nil
	})
}

// ask has the known hosts say now what they would say with their next
// report. One that does not answer keeps what it said last.
func (f *Backends) ask(ctx context.Context) error {
	list, err := f.States(ctx)
	if err != nil {
		return err
	}
	hosts := map[string]bool{}
	for _, b := range list {
		hosts[b.Host] = true
	}
	var all error
	for h := range hosts {
		all = errors.Join(all, f.askHost(ctx, h))
	}
	return all
}

func (f *Backends) askHost(ctx context.Context, host string) error {
	asking, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	list, err := f.s.hosts.Volumes(host).VolumeBackends(asking)
	if errs.Is(err, errs.Unavailable) || errs.Is(err, errs.NotFound) {
		return nil // it is away: its age says so
	}
	if err != nil {
		return fmt.Errorf("backends of %s: %w", host, err)
	}
	return f.TakeReport(ctx, host, hostapi.VolumeReport{Backends: list})
}

// SeenSince tells whether a host has reported its backends at or after a moment.
func (f *Backends) SeenSince(ctx context.Context, host string, since time.Time) (seen bool, err error) {
	err = f.s.read(ctx, func(tx *store.Tx) error {
		list, err := f.s.tables.Backends.All(ctx, tx, store.Eq("host", host))
		seen = slices.ContainsFunc(list, func(b *Backend) bool { return !b.SeenAt.Before(since) })
		return err
	})
	return seen, err
}

// seen records what a host said of a backend.
func (f *Backends) seen(ctx context.Context, tx *store.Tx, host string, r hostapi.VolumeBackend) error {
	b, err := f.s.tables.Backends.Get(ctx, tx, host, r.Name)
	switch {
	case err == nil:
		b.Report, b.SeenAt = r, f.s.now()
		return f.s.tables.Backends.Update(ctx, tx, b)
	case !errs.Is(err, errs.NotFound):
		return err
	}
	n, err := f.s.tables.Backends.Count(ctx, tx)
	if err != nil {
		return err
	}
	return f.s.tables.Backends.Insert(ctx, tx, &Backend{
		Host: host, Name: r.Name, ServiceID: ids.New(), Number: n + 1, Report: r, SeenAt: f.s.now(), CreatedAt: f.s.now(), UpdatedAt: f.s.now(),
	})
}

// all are all backends, by their names.
func (f *Backends) all(ctx context.Context, tx *store.Tx) ([]*Backend, error) {
	return f.s.tables.Backends.All(ctx, tx)
}

// States are all backends as their hosts have last reported them, for those who run the cloud.
func (f *Backends) States(ctx context.Context) (list []*Backend, err error) {
	err = f.s.read(ctx, func(tx *store.Tx) (err error) {
		list, err = f.all(ctx, tx)
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
