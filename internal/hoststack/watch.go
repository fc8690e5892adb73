package hoststack

import (
	"context"
	"time"
)

const (
	watchEvery = 500 * time.Millisecond
	maxPause   = 30 * time.Second
	steadyTime = time.Minute // a daemon that ran this long starts with a clean slate
)

// watch keeps every daemon of ours running until Close.
func (s *Stack) watch() {
	for _, d := range s.daemons {
		s.watching.Go(func() { d.watch(s.ctx) })
	}
	if s.cfg.Host {
		s.watching.Go(func() { s.watchOutside(s.ctx) })
	}
}

// watch restarts a daemon that dies, at once the first time and then with a pause
// that doubles while it keeps dying.
func (d *daemon) watch(ctx context.Context) {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	var pause time.Duration
	var since time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if d.isAlive() {
			continue
		}
		if time.Since(since) > steadyTime {
			pause = 0
		}
		d.logger.Warn("died; restarting", "component", d.name, "pause", pause)
		if !sleep(ctx, pause) {
			return
		}
		pause = min(max(2*pause, time.Second), maxPause)
		since = time.Now()
		if err := d.ensure(ctx); err != nil && ctx.Err() == nil {
			d.logger.Error("restart failed", "component", d.name, "error", err, "next", pause)
		}
	}
}

func (d *daemon) isAlive() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.current.alive()
}

// watchOutside repairs the outside bridge, which may have been made anew or have
// lost its address to somebody who tidied up.
func (s *Stack) watchOutside(ctx context.Context) {
	tick := time.NewTicker(2 * time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if s.outsideIntact() || !linkExists(s.cfg.OutsideBridge) {
			continue
		}
		if err := s.ensureNetwork(ctx); err != nil && ctx.Err() == nil {
			s.log.Error("the host's network cannot be repaired", "error", err)
		}
	}
}

func sleep(ctx context.Context, d time.Duration) bool {
	if d == 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
