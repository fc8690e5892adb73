package network

import (
	"context"
	"sync"
	"time"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
	"kumoi/internal/network/fabric"
)

// projector states to the fabric what the database says: at once what a
// transaction touched, and everything at the start, when the fabric asks for it,
// after a failure and on a timer. Statements go out one at a time, in order.
type projector struct {
	s    *Service
	wake chan struct{}

	mu      sync.Mutex
	dirty   map[fabric.Key]bool
	full    bool
	marked  uint64 // grows with every mark
	applied uint64 // the last mark that is in the fabric
	changed chan struct{}
	err     error // of the last attempt, nil after a success
}

func newProjector(s *Service) *projector {
	return &projector{s: s, wake: make(chan struct{}, 1), dirty: map[fabric.Key]bool{}, full: true, changed: make(chan struct{})}
}

// mark asks for a resource to be stated anew.
func (p *projector) mark(k fabric.Key) {
	p.mu.Lock()
	p.dirty[k] = true
	p.marked++
	p.mu.Unlock()
	p.kick()
}

// markAll asks for everything.
func (p *projector) markAll() {
	p.mu.Lock()
	p.full = true
	p.marked++
	p.mu.Unlock()
	p.kick()
}

func (p *projector) kick() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// retryAfter is how long a failed statement waits for its next attempt.
const retryAfter = time.Second

func (p *projector) run(ctx context.Context) {
	full := time.NewTicker(p.s.cfg.FullEvery)
	defer full.Stop()
	p.kick()
	for {
		select {
		case <-ctx.Done():
			return
		case <-full.C:
			p.markAll()
			continue
		case <-p.wake:
		}
		if err := p.once(ctx); err != nil && ctx.Err() == nil {
			if !errs.Is(err, errs.Unavailable) {
				p.s.log.Error("the network could not be stated to the fabric", "error", err)
			}
			select {
			case <-ctx.Done():
				return
			case <-time.After(retryAfter):
				p.kick()
			}
		}
	}
}

// once states what is marked. After a failure everything counts as marked,
// because nobody knows what of the statement arrived.
func (p *projector) once(ctx context.Context) error {
	p.mu.Lock()
	keys, full, upTo := p.dirty, p.full, p.marked
	p.dirty, p.full = map[fabric.Key]bool{}, false
	p.mu.Unlock()

	var err error
	if full || len(keys) > 0 {
		var st *fabric.Statement
		if st, err = p.statement(ctx, keys, full); err == nil && !st.Empty() {
			err = p.s.fabric.Apply(ctx, *st)
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.err = err
	if err != nil {
		p.full = true
	} else {
		p.applied = upTo
	}
	close(p.changed)
	p.changed = make(chan struct{})
	return err
}

// statement reads the marked resources as they are now.
func (p *projector) statement(ctx context.Context, keys map[fabric.Key]bool, full bool) (*fabric.Statement, error) {
	var st *fabric.Statement
	err := p.s.db.Read(ctx, func(tx *store.Tx) (err error) {
		if full {
			st, err = p.stateAll(ctx, tx)
		} else {
			st, err = p.stateSome(ctx, tx, keys)
		}
		return err
	})
	return st, err
}

// Sync returns when everything committed before the call is in the fabric, or
// with the reason why it cannot be now.
func (s *Service) Sync(ctx context.Context) error {
	p := s.projector
	p.mu.Lock()
	want := p.marked
	for p.applied < want {
		wait := p.changed
		p.mu.Unlock()
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-wait:
		}
		p.mu.Lock()
		if p.err != nil && p.applied < want {
			err := p.err
			p.mu.Unlock()
			return errs.Wrap(errs.Unavailable, err, "The network cannot be changed now; try again.")
		}
	}
	p.mu.Unlock()
	return nil
}

// Health tells whether the fabric is as the database says, and why not.
func (s *Service) Health() error {
	s.projector.mu.Lock()
	defer s.projector.mu.Unlock()
	return s.projector.err
}

// handleEvent takes what the fabric saw.
func (s *Service) handleEvent(e fabric.Event) {
	switch e.Kind {
	case fabric.Resync, fabric.ChassisNews:
		s.projector.markAll()
	case fabric.PortUp:
		s.status.note(e.PortID, StatusActive)
	case fabric.PortDown:
		s.status.note(e.PortID, StatusDown)
	}
}
