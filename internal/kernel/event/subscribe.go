package event

import (
	"context"
	"time"

	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

// Subscriber is given events. Each process that shares the database gives its own
// subscriber of a name every event.
type Subscriber struct {
	Name string
	Filter
	// Handle takes an event in. It may see one again after a crash. If it fails
	// it is called again with the same event until it does not: nothing is
	// skipped and nothing overtakes.
	Handle func(ctx context.Context, e Event) error
	// Lost, which may be nil, is called when events were deleted before the
	// subscriber saw them; it looks at the state itself.
	Lost func(ctx context.Context) error
}

// subscription is a subscriber while the log runs.
type subscription struct {
	Subscriber
	news chan struct{} // this process has committed what the subscriber wants
}

func (s *subscription) stir() {
	select {
	case s.news <- struct{}{}:
	default:
	}
}

// Subscribe adds subscribers, before Start.
func (l *Log) Subscribe(s ...Subscriber) {
	for _, one := range s {
		l.subscribers = append(l.subscribers, &subscription{one, make(chan struct{}, 1)})
	}
}

// Start begins the delivery. A subscriber that was here before goes on where it
// stopped, a new one with the next event.
func (l *Log) Start(ctx context.Context) error {
	for _, s := range l.subscribers {
		if err := l.enrol(ctx, s.Name); err != nil {
			return err
		}
	}
	ctx, l.cancel = context.WithCancel(actor.AsSystem(context.WithoutCancel(ctx), "event"))
	for _, s := range l.subscribers {
		l.wg.Go(func() { l.deliver(ctx, s) })
	}
	return nil
}

// Stop ends the delivery and waits for handlers that run.
func (l *Log) Stop() {
	if l.cancel != nil {
		l.cancel()
	}
	l.wg.Wait()
}

func (l *Log) enrol(ctx context.Context, name string) error {
	return l.db.Write(ctx, func(tx *store.Tx) error {
		if _, err := cursor(ctx, tx, name, l.cfg.Host); !errs.Is(err, errs.NotFound) {
			return err
		}
		p, err := end(ctx, tx)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, "INSERT INTO event_cursor (name, host, transaction_id, number, seen_at) VALUES (?, ?, ?, ?, ?)",
			name, l.cfg.Host, p.Transaction, p.Number, store.Micros(l.cfg.Now()))
		return err
	})
}

func cursor(ctx context.Context, tx *store.Tx, name, host string) (Position, error) {
	return store.One(ctx, tx, scanPosition, "SELECT transaction_id, number FROM event_cursor WHERE name = ? AND host = ?", name, host)
}

// deliver gives a subscriber one batch after the other until ctx ends. A commit of
// this process that the subscriber has no interest in does not wake it: its place
// follows at the next look at what other processes have published.
func (l *Log) deliver(ctx context.Context, s *subscription) {
	pause := time.Duration(0)
	for ctx.Err() == nil {
		news := s.news
		more, err := l.round(ctx, s)
		switch {
		case err != nil && ctx.Err() == nil:
			// Again and again, at most every few seconds: order comes first.
			pause = min(max(2*pause, 50*time.Millisecond), 5*time.Second)
			l.cfg.Log.Warn("an event was not taken in and is delivered again", "subscriber", s.Name, "error", err)
			news = nil
		case more:
			pause = 0
			continue
		default:
			pause = l.cfg.Poll
		}
		select {
		case <-ctx.Done():
		case <-news:
		case <-time.After(pause):
		}
	}
}

// round delivers one batch and notes how far it came, even if not to its end. It
// tells whether there may be more.
func (l *Log) round(ctx context.Context, s *subscription) (more bool, err error) {
	var from, pruned, upto Position
	var events []Event
	err = l.db.Read(ctx, func(tx *store.Tx) (err error) {
		if from, err = cursor(ctx, tx, s.Name, l.cfg.Host); err != nil {
			return err
		}
		if pruned, err = cursor(ctx, tx, "", ""); err != nil && !errs.Is(err, errs.NotFound) {
			return err
		}
		events, upto, err = since(ctx, tx, from, s.Filter)
		return err
	})
	if err != nil {
		return false, err
	}
	if from.Before(pruned) && s.Lost != nil {
		if err := s.Lost(ctx); err != nil {
			return false, err
		}
	}
	at := from
	if at.Before(pruned) {
		at = pruned
	}
	var failed error
	for _, e := range events {
		if failed = s.Handle(ctx, e); failed != nil {
			break
		}
		at = e.At
	}
	if failed == nil && at.Before(upto) {
		at = upto
	}
	if at != from {
		ctx := context.WithoutCancel(ctx) // what was taken in is noted, also at the end
		err = l.db.Write(ctx, func(tx *store.Tx) error {
			return tx.ExecOne(ctx, "UPDATE event_cursor SET transaction_id = ?, number = ?, seen_at = ? WHERE name = ? AND host = ?",
				at.Transaction, at.Number, store.Micros(l.cfg.Now()), s.Name, l.cfg.Host)
		})
	}
	if failed != nil {
		return false, failed
	}
	return len(events) == batch, err
}
