package volume

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"

	"kumoi/internal/hostapi"
)

// Start serves again what has clients, and has it served from now on: a daemon
// that has died is followed by another.
func (b *Backend) Start(ctx context.Context) {
	ctx, b.cancel = context.WithCancel(context.WithoutCancel(ctx))
	b.running.Go(func() {
		tick := time.NewTicker(watchEvery)
		defer tick.Stop()
		for {
			b.Watch(ctx)
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	})
}

// watchEvery is how soon a dead daemon is noticed.
const watchEvery = time.Second

// Stop ends the watch. Daemons go on.
func (b *Backend) Stop() {
	if b.cancel != nil {
		b.cancel()
	}
	b.running.Wait()
}

// Watch looks once after all volumes that have clients.
func (b *Backend) Watch(ctx context.Context) {
	ids, err := b.store.served(ctx)
	if err != nil {
		b.log.WarnContext(ctx, "volumes cannot be seen", "error", err)
		return
	}
	var g errgroup.Group
	g.SetLimit(8)
	for _, id := range ids {
		g.Go(func() error { b.tend(ctx, id); return nil })
	}
	_ = g.Wait()
}

// tend has one volume served if it has clients.
func (b *Backend) tend(ctx context.Context, id string) {
	known := b.settled(id, time.Now())
	if ctx.Err() != nil || known != nil && (&volume{b: b, rec: &record{ID: id, Clients: known}}).served() {
		return
	}
	err := b.with(ctx, hostapi.VolumeRef{Backend: b.cfg.Name, ID: id}, func(v *volume) error {
		if v.served() {
			return nil
		}
		b.log.WarnContext(ctx, "a storage daemon is not there; it is started again", "volume", id)
		return v.serving(ctx, func(q *qmp) error { return v.export(ctx, q) })
	})
	if err != nil && ctx.Err() == nil {
		b.log.ErrorContext(ctx, "volume not served", "volume", id, "error", err)
	}
}

// served tells whether all daemons that the volume's clients need are there.
func (v *volume) served() bool {
	if len(v.rec.Clients) == 0 || v.rec.Copied {
		return true
	}
	if _, ok := v.daemon().pid(); !ok || !exists(v.daemon().socket()) {
		return false
	}
	for id, c := range v.rec.Clients {
		if c.Key == nil {
			continue
		}
		if _, ok := v.gateway(id).pid(); !ok {
			return false
		}
	}
	return true
}
