package audit

import (
	"context"
	"net/http"
	"strconv"
	"sync"

	"kumoi/internal/kernel/store"
)

// Pending is the event of a request that is being answered.
type Pending struct {
	trail *Trail
	ctx   context.Context // of the request, for the last word after it ended

	mu      sync.Mutex
	event   Event     // as far as it is known
	kept    bool      // the event is in the database
	telling *store.Tx // in which the service records events of its own
	told    bool      // such events are in the database
	over    bool      // the request has ended; what goes on in the background is no part of it
}

type pendingKey struct{}

func pendingOf(ctx context.Context) *Pending {
	p, _ := ctx.Value(pendingKey{}).(*Pending)
	return p
}

// Begin makes e the event of a request. Under the context that it returns, the
// first transaction that writes anything takes the event along.
func (t *Trail) Begin(ctx context.Context, e Event) (context.Context, *Pending) {
	p := &Pending{trail: t, event: e}
	p.event.Initiator = Initiator(ctx)
	p.ctx = context.WithValue(ctx, pendingKey{}, p)
	return store.BeforeCommit(p.ctx, p.commit), p
}

// Agent notes the client's program.
func (p *Pending) Agent(name string) {
	if p.event.Initiator.Host != nil {
		p.event.Initiator.Host.Agent = cut(name)
	}
}

// Created tells what a request has made, so that its event names that if the
// path names nothing. A service calls it inside the transaction. Where none
// does, the "id" of the answer is written later, at the cost of a transaction.
func Created(ctx context.Context, id string) {
	if p := pendingOf(ctx); p != nil {
		p.set(func() {
			if p.event.Target.ID == "" {
				p.event.Target.ID = id
			}
		})
	}
}

// commit runs before every commit under the request's context.
func (p *Pending) commit(ctx context.Context, tx *store.Tx) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.telling == tx {
		tx.AfterCommit(func() { p.set(func() { p.told = true }) })
		return nil
	}
	if p.kept || p.told || p.over {
		return nil
	}
	e, err := p.trail.insert(ctx, tx, p.event)
	if err != nil {
		return err
	}
	tx.AfterCommit(func() { p.set(func() { p.event, p.kept = e, true }) })
	return nil
}

func (p *Pending) set(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f()
}

// tells notes that the service records events of its own in tx, and adds to
// one of them what the request shows.
func (p *Pending) tells(ctx context.Context, tx *store.Tx, e *Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.telling = tx
	e.RequestPath = p.event.RequestPath
	if e.Initiator.TypeURI == "" {
		e.Initiator = Initiator(ctx)
	}
	if e.Initiator.Host != nil && p.event.Initiator.Host != nil {
		e.Initiator.Host.Agent = p.event.Initiator.Host.Agent
	}
}

// Finish says how the request ended: its status, and the id of what it made if
// the answer told one. It writes what the transactions did not.
func (p *Pending) Finish(status int, made string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.over = true
	failed := status >= http.StatusBadRequest
	notable := status == http.StatusUnauthorized || status == http.StatusForbidden || status >= http.StatusInternalServerError
	e := p.event
	if failed {
		e.Outcome = Failure
		e.Reason = &Reason{ReasonType: "HTTP", ReasonCode: strconv.Itoa(status)}
	}
	learnt := made != "" && (e.Target.ID == "" || e.Target.ID == unknown)
	if learnt {
		e.Target.ID = made
	}
	ctx := context.WithoutCancel(p.ctx)
	switch {
	case p.kept && (failed || learnt):
		return p.trail.db.Write(ctx, func(tx *store.Tx) error { return p.trail.replace(ctx, tx, e) })
	case p.kept, p.told && !failed, failed && !notable:
		return nil
	}
	return p.trail.db.Write(ctx, func(tx *store.Tx) error {
		_, err := p.trail.insert(ctx, tx, e)
		return err
	})
}
