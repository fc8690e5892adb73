package saga

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/store"
)

// keep renews this engine's leases and looks for expired ones of others.
func (e *Engine) keep() {
	ticker := time.NewTicker(e.cfg.Lease / 3)
	defer ticker.Stop()
	for {
		select {
		case <-e.ctx.Done():
			return
		case <-ticker.C:
			e.tick(e.ctx)
		}
	}
}

func (e *Engine) tick(ctx context.Context) {
	if err := e.renew(ctx); err != nil && ctx.Err() == nil {
		e.log.WarnContext(ctx, "leases not renewed", "error", err)
	}
	if err := e.takeOver(ctx, false); err != nil && ctx.Err() == nil {
		e.log.WarnContext(ctx, "expired sagas not taken over", "error", err)
	}
}

// renew extends the leases of what runs here. A saga that turns out to be
// another's, or cancelled by way of another process, has its step ended.
func (e *Engine) renew(ctx context.Context) error {
	e.mu.Lock()
	runs := make([]*run, 0, len(e.active))
	for _, r := range e.active {
		runs = append(runs, r)
	}
	e.mu.Unlock()
	for part := range slices.Chunk(runs, 200) {
		if err := e.renewSome(ctx, part); err != nil {
			return err
		}
	}
	return nil
}

func (e *Engine) renewSome(ctx context.Context, runs []*run) error {
	marks := "?" + strings.Repeat(", ?", len(runs)-1)
	which := make([]any, len(runs))
	for i, r := range runs {
		which[i] = r.id
	}
	found := map[string]row{}
	err := e.db.Write(ctx, func(tx *store.Tx) error {
		clear(found)
		rows, err := store.All(ctx, tx, scanRow, rowColumns+" WHERE id IN ("+marks+")", which...)
		if err != nil {
			return err
		}
		for _, x := range rows {
			found[x.ID] = x
		}
		_, err = tx.Exec(ctx, `UPDATE saga SET lease_until = ? WHERE owner = ? AND state IN ('running', 'unwinding')
			AND id IN (`+marks+")", append([]any{store.Micros(e.cfg.Clock().Add(e.cfg.Lease)), e.cfg.Owner}, which...)...)
		return err
	})
	if err != nil {
		return err
	}
	for _, r := range runs {
		switch x := found[r.id]; {
		case x.owner != e.cfg.Owner || x.term != r.term:
			r.stop(ErrLeaseLost)
		case x.cancel:
			r.interrupt(errCancelled)
		}
	}
	return nil
}

// takeOver claims sagas whose lease has expired, at boot also those that an
// earlier life of this owner held, and runs them.
func (e *Engine) takeOver(ctx context.Context, boot bool) error {
	now := store.Micros(e.cfg.Clock())
	q := store.Select(rowColumns).Where("state IN ('running', 'unwinding')").OrderBy("created_at")
	if boot {
		q.Where("lease_until < ? OR owner = ?", now, e.cfg.Owner)
	} else {
		q.Where("lease_until < ?", now)
	}
	var candidates []row
	err := e.db.Read(ctx, func(tx *store.Tx) (err error) {
		candidates, err = store.Find(ctx, tx, scanRow, q)
		return err
	})
	if err != nil {
		return err
	}
	for _, x := range candidates {
		e.mu.Lock()
		mine := e.active[x.ID] != nil
		e.mu.Unlock()
		def := e.definition(x.Kind, x.Version)
		if mine || def == nil { // unknown: begun by a newer release beside this one
			continue
		}
		r, err := e.claim(ctx, x, def)
		if err != nil {
			e.log.ErrorContext(ctx, "saga cannot be resumed", "saga_id", x.ID, "saga_kind", x.Kind, "error", err)
			continue
		}
		if r != nil {
			e.log.InfoContext(ctx, "saga resumed", "saga_id", x.ID, "saga_kind", x.Kind, "step", x.Step, "term", r.term, "from", x.owner)
			e.launch(r)
		}
	}
	return nil
}

// claim takes the lease of a saga as it was read, and reads its log; nil if
// somebody else was faster.
func (e *Engine) claim(ctx context.Context, x row, def *definition) (*run, error) {
	var r *run
	err := e.db.Write(ctx, func(tx *store.Tx) error {
		r = nil
		n, err := tx.Exec(ctx, `UPDATE saga SET owner = ?, term = term + 1, lease_until = ?
			WHERE id = ? AND term = ? AND lease_until = ? AND state IN ('running', 'unwinding')`,
			e.cfg.Owner, store.Micros(e.cfg.Clock().Add(e.cfg.Lease)), x.ID, x.term, x.lease)
		if err != nil || n == 0 {
			return err
		}
		r, err = e.load(ctx, tx, x.ID, def)
		return err
	})
	return r, err
}

// load makes a run from what is stored.
func (e *Engine) load(ctx context.Context, tx *store.Tx, id string, def *definition) (*run, error) {
	x, err := getRow(ctx, tx, id)
	if err != nil {
		return nil, err
	}
	log, err := getEvents(ctx, tx, id)
	if err != nil {
		return nil, err
	}
	c, next, err := replay(def, log)
	if err != nil {
		return nil, err
	}
	s, err := def.decode(c.data)
	if err != nil {
		return nil, fmt.Errorf("variables of saga %s: %w", id, err)
	}
	var who actor.Actor
	if err := json.Unmarshal(x.actor, &who); err != nil {
		return nil, fmt.Errorf("actor of saga %s: %w", id, err)
	}
	return e.newRun(x, def, c, next, s, &who), nil
}
