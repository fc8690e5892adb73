package network

import (
	"context"
	"slices"
	"sync"
	"time"

	"kumoi/internal/kernel/store"
)

// statusKeeper writes down which ports are up, many in one transaction, and
// wakes who waits for them.
type statusKeeper struct {
	s    *Service
	wake chan struct{}

	mu      sync.Mutex
	pending map[string]string // port → status
	changed chan struct{}
}

func newStatusKeeper(s *Service) *statusKeeper {
	return &statusKeeper{s: s, wake: make(chan struct{}, 1), pending: map[string]string{}, changed: make(chan struct{})}
}

// note takes a port's newest status.
func (k *statusKeeper) note(portID, status string) {
	k.mu.Lock()
	k.pending[portID] = status
	k.mu.Unlock()
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

func (k *statusKeeper) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-k.wake:
		}
		k.mu.Lock()
		batch := k.pending
		k.pending = map[string]string{}
		k.mu.Unlock()
		if err := k.write(ctx, batch); err != nil && ctx.Err() == nil {
			k.s.log.Error("port statuses could not be written", "error", err)
			k.mu.Lock()
			for id, status := range batch {
				if _, newer := k.pending[id]; !newer {
					k.pending[id] = status
				}
			}
			k.mu.Unlock()
			time.AfterFunc(retryAfter, func() {
				select {
				case k.wake <- struct{}{}:
				default:
				}
			})
			continue
		}
		k.broadcast()
	}
}

func (k *statusKeeper) write(ctx context.Context, batch map[string]string) error {
	idList := make([]string, 0, len(batch))
	for id := range batch {
		idList = append(idList, id)
	}
	differs := func(p *Port) bool { return !p.NetworkOwned() && p.Status != batch[p.ID] }
	any := false
	// Most news at a start is none: look before taking the writer's lock.
	err := k.s.db.Read(ctx, func(tx *store.Tx) error {
		ps, err := k.s.Ports.table.All(ctx, tx, store.In("id", idList))
		for _, p := range ps {
			any = any || differs(p)
		}
		return err
	})
	if err != nil || !any {
		return err
	}
	return k.s.db.Write(ctx, func(tx *store.Tx) error {
		ps, err := k.s.Ports.table.All(ctx, tx, store.In("id", idList))
		if err != nil {
			return err
		}
		for _, p := range ps {
			if !differs(p) {
				continue
			}
			p.Status = batch[p.ID]
			if err := k.s.Ports.save(ctx, tx, p); err != nil {
				return err
			}
		}
		return nil
	})
}

func (k *statusKeeper) broadcast() {
	k.mu.Lock()
	close(k.changed)
	k.changed = make(chan struct{})
	k.mu.Unlock()
}

// next is closed at the next change of any port's status.
func (k *statusKeeper) next() <-chan struct{} {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.changed
}

// lookAgain is how often a waiter reads for itself: another process may have
// written what it waits for.
const lookAgain = time.Second

// WaitPortsUp returns when all ports of the server are ACTIVE, or with the context's error.
func (f *Servers) WaitPortsUp(ctx context.Context, serverID string) error {
	for {
		next := f.s.status.next()
		ps, err := f.PortsOfServer(ctx, serverID)
		if err != nil {
			return err
		}
		// A port that is switched off never comes up.
		if !slices.ContainsFunc(ps, func(p *Port) bool { return p.Status != StatusActive && p.AdminStateUp }) {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-next:
		case <-time.After(lookAgain):
		}
	}
}
