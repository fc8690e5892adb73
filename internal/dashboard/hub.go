package dashboard

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/event"
	"kumoi/internal/kernel/logx"
)

const (
	behind  = 1000 // hints that a reader may be behind
	perUser = 8    // streams
	pause   = time.Second
)

// Events is the log of events.
type Events interface {
	Since(ctx context.Context, after event.Position, f event.Filter) ([]event.Event, event.Position, error)
	Wait(ctx context.Context, after event.Position, f event.Filter) ([]event.Event, event.Position, error)
	End(ctx context.Context) (event.Position, error)
	Kept(ctx context.Context) (event.Position, error)
}

// Hub reads the log of events once for all open streams, and not at all while
// there is none. It keeps the newest hints in memory; a reader that is so slow that
// what it has to read next is gone begins anew.
type Hub struct {
	log    *slog.Logger
	events Events

	mu      sync.Mutex
	ring    [behind]Hint
	total   int // how many hints came since the first stream was opened
	place   event.Position
	wake    chan struct{} // closed at the next hint
	streams map[string]int
	stop    context.CancelFunc // of the run that reads; nil: there is none
	run     int
	closed  chan struct{}
	once    sync.Once
	runs    sync.WaitGroup
}

// NewHub returns a hub of a log.
func NewHub(events Events, log *slog.Logger) *Hub {
	return &Hub{
		log: logx.Or(log).With("component", "dashboard"), events: events, wake: make(chan struct{}), streams: map[string]int{}, closed: make(chan struct{}),
	}
}

// Close ends all streams and waits for what reads.
func (h *Hub) Close() {
	h.once.Do(func() { close(h.closed) })
	h.mu.Lock()
	if h.stop != nil {
		h.stop()
	}
	h.mu.Unlock()
	h.runs.Wait()
}

// Closed is closed when streams are to end.
func (h *Hub) Closed() <-chan struct{} { return h.closed }

// Stream is one reader's place.
type Stream struct {
	hub   *Hub
	user  string
	early []Hint // of the log, from before the stream was opened
	next  int    // in the hub's count
	at    event.Position
	reset bool
	gone  sync.Once
}

// Open begins a stream of a user: with the next hint, or behind the place that an
// earlier one had come to.
func (h *Hub) Open(ctx context.Context, user string, after *event.Position) (*Stream, error) {
	s, err := h.join(ctx, user)
	if err != nil || after == nil {
		return s, err
	}
	if err := s.resume(ctx, *after); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

func (h *Hub) join(ctx context.Context, user string) (*Stream, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.streams[user] >= perUser {
		return nil, errs.New(errs.OverQuota, "You have %d streams open already; close pages, or wait until those that are gone are noticed.", perUser)
	}
	if h.stop == nil {
		end, err := h.events.End(ctx)
		if err != nil {
			return nil, err
		}
		var run context.Context
		run, h.stop = context.WithCancel(context.WithoutCancel(ctx))
		h.place = end
		h.run++
		n := h.run
		h.runs.Go(func() { h.follow(run, n, end) })
	}
	h.streams[user]++
	return &Stream{hub: h, user: user, next: h.total, at: h.place}, nil
}

// resume reads what came between a place and the stream's beginning, unless that
// is no longer there, or too much.
func (s *Stream) resume(ctx context.Context, after event.Position) error {
	kept, err := s.hub.events.Kept(ctx)
	if err != nil {
		return err
	}
	end, err := s.hub.events.End(ctx)
	if err != nil {
		return err
	}
	if s.reset = after.Before(kept) || end.Before(after); s.reset {
		return nil
	}
	for from := after; from.Before(s.at); {
		events, looked, err := s.hub.events.Since(ctx, from, event.Filter{})
		if err != nil {
			return err
		}
		for _, e := range events {
			if !s.at.Before(e.At) {
				s.early = append(s.early, hintOf(e))
			}
		}
		if len(s.early) > behind {
			s.early, s.reset = nil, true
			return nil
		}
		if looked == from {
			break
		}
		from = looked
	}
	return nil
}

// Close ends a stream. The last one ends the reading.
func (s *Stream) Close() {
	s.gone.Do(func() {
		h := s.hub
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.streams[s.user]--; h.streams[s.user] == 0 {
			delete(h.streams, s.user)
		}
		if len(h.streams) == 0 {
			h.stop()
			h.stop = nil
		}
	})
}

// Ready is closed when there is more than Take has given; ask before it.
func (s *Stream) Ready() <-chan struct{} {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	return s.hub.wake
}

// Take gives the hints that have come, and the place up to which they went. reset
// tells that some are missing before them: the reader looks at everything anew.
func (s *Stream) Take() (hints []Hint, at event.Position, reset bool) {
	h := s.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	hints, reset, s.early, s.reset = s.early, s.reset, nil, false
	if s.next < h.total-behind {
		hints, reset, s.next = nil, true, h.total
	}
	for ; s.next < h.total; s.next++ {
		hints = append(hints, h.ring[s.next%behind])
	}
	if s.at.Before(h.place) {
		s.at = h.place
	}
	return hints, s.at, reset
}

// Place is the place up to which Take has given all.
func (s *Stream) Place() event.Position { return s.at }

// follow reads the log until the run is over.
func (h *Hub) follow(ctx context.Context, run int, from event.Position) {
	for ctx.Err() == nil {
		events, looked, err := h.events.Wait(ctx, from, event.Filter{})
		if err != nil {
			if ctx.Err() == nil {
				h.log.Warn("the log of events cannot be read; pages learn of changes later", "error", err)
			}
			select {
			case <-ctx.Done():
			case <-time.After(pause):
			}
			continue
		}
		from = looked
		h.add(run, events, looked)
	}
}

func (h *Hub) add(run int, events []event.Event, looked event.Position) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if run != h.run {
		return
	}
	h.place = looked
	for _, e := range events {
		h.ring[h.total%behind] = hintOf(e)
		h.total++
	}
	if len(events) > 0 {
		close(h.wake)
		h.wake = make(chan struct{})
	}
}
