package event

import (
	"context"
	"encoding/json"
	"strings"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

// pending are the events of one transaction, written at its end.
type pending struct {
	log    *Log
	events []Event
	states []any
}

// add takes an event in, or has one of the same resource say more.
func (p *pending) add(e Event, state any) {
	for i := range p.events {
		old := &p.events[i]
		if old.Resource != e.Resource || subject(old.Type) != subject(e.Type) {
			continue
		}
		if strings.HasSuffix(e.Type, ".update") {
			e.Type, e.Notification = old.Type, old.Notification
		}
		*old, p.states[i] = e, state
		return
	}
	p.events, p.states = append(p.events, e), append(p.states, state)
}

// subject is a type without what happened.
func subject(t string) string { return t[:max(strings.LastIndexByte(t, '.'), 0)] }

// End writes the events.
func (p *pending) End(ctx context.Context, tx *store.Tx) error {
	now := store.Micros(p.log.cfg.Now())
	for i, e := range p.events {
		var text []byte
		if p.states[i] != nil {
			var err error
			if text, err = json.Marshal(p.states[i]); err != nil {
				return errs.Wrap(errs.Internal, err, "The event %s cannot be written.", e.Type)
			}
		}
		if len(text) > maxState {
			text = nil
		}
		if _, err := tx.Exec(ctx, `INSERT INTO event_log (time, type, notification, resource, project, user_id, request, state)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
			now, e.Type, e.Notification, e.Resource, e.Project, e.User, e.Request, string(text)); err != nil {
			return err
		}
	}
	tx.AfterCommit(func() { p.log.committed(p.events) })
	return nil
}
