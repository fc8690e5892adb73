package volume

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"time"

	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/errs"
)

// A volume of a shared backend is served by one host at a time: no other opens
// it. Which one, its record says; the control plane decides it by asking another
// host to export the volume, when the one before has no clients or is down.

// elsewhere tells whether another host serves the volume.
func (v *volume) elsewhere() bool {
	return v.b.shared && len(v.rec.Clients) > 0 && v.rec.Server != "" && v.rec.Server != v.b.cfg.Host
}

// leave ends what this host still does for a volume that another has taken over,
// and says so.
func (v *volume) leave(ctx context.Context) error {
	var failures []error
	if known := v.state.clients.Load(); known != nil {
		for id := range *known {
			failures = append(failures, v.gateway(id).stop(ctx))
		}
	}
	failures = append(failures, v.daemon().stop(ctx))
	if err := os.Remove(filepath.Join(v.b.cfg.Dir, servingDir, v.rec.ID)); err != nil && !errors.Is(err, os.ErrNotExist) {
		failures = append(failures, err)
	}
	v.state.clients.Store(&map[string]client{})
	return errors.Join(append(failures, errs.New(errs.Unavailable, "Volume %s is served by host %s.", v.rec.ID, v.rec.Server))...)
}

// take works on a volume that this host serves from now on. Whoever the clients
// of another host were, they are its clients no more.
func (b *Backend) take(ctx context.Context, ref hostapi.VolumeRef, f func(v *volume) error) error {
	return b.loaded(ctx, ref, func(v *volume) error {
		if v.elsewhere() {
			b.log.WarnContext(ctx, "a volume is taken over from a host that has served it", "volume", ref.ID, "host", v.rec.Server)
			v.rec.Clients = map[string]client{}
		}
		return f(v)
	})
}

// lookEvery is how often a host looks whether a volume is still its own.
const lookEvery = 10 * time.Second

// settled are the clients of a volume that needs no look now; nil: it needs one.
func (b *Backend) settled(id string, now time.Time) map[string]client {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.states[id]
	if s == nil {
		return nil
	}
	if b.shared && now.Sub(s.looked) > lookEvery {
		s.looked = now
		return nil
	}
	if known := s.clients.Load(); known != nil {
		return maps.Clone(*known)
	}
	return nil
}
