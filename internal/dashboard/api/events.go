package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"kumoi/internal/dashboard"
	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/event"
	"kumoi/internal/kernel/httpx"
)

// Identity is what the stream needs of identity.
type Identity interface {
	httpx.Authenticator
	// Changed is closed when it hears of something that may void a token.
	Changed() <-chan struct{}
}

// stream is an open page's.
type stream struct {
	*dashboard.Stream
	h     *handlers
	token string
	who   *actor.Actor
	all   bool // he is told of everything
	w     http.ResponseWriter
}

// events tells an open page what changes, until the page goes or its token ends.
func (h *handlers) events(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	var after *event.Position
	if text := r.HTTP.Header.Get("Last-Event-Id"); text != "" {
		after = new(event.Position)
		if after.UnmarshalText([]byte(text)) != nil {
			*after = event.Position{Transaction: -1} // none of ours: it is told to look at everything
		}
	}
	opened, err := h.Hub.Open(ctx, actor.From(ctx).UserID, after)
	if err != nil {
		return nil, err
	}
	s := &stream{Stream: opened, h: h, token: r.HTTP.Header.Get("X-Auth-Token")}
	s.know(ctx, actor.From(ctx))
	return httpx.Stream(func(w http.ResponseWriter) error {
		defer opened.Close()
		w.Header().Set("Content-Type", "text/event-stream")
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Accel-Buffering", "no") // proxies pass it on as it comes
		w.WriteHeader(http.StatusOK)
		s.w = w
		_ = s.serve(ctx) // the page is gone, as a rule
		return nil
	}), nil
}

func (s *stream) know(ctx context.Context, who *actor.Actor) {
	s.who, s.all = who, dashboard.ToldAll(ctx, s.h.Policy, who)
}

// serve writes until something ends it. A reader that is slow slows nobody but
// itself down: what it could not take in time it is told to look at anew.
func (s *stream) serve(ctx context.Context) error {
	beat, check := time.NewTicker(s.h.Beat), time.NewTicker(s.h.Check)
	defer beat.Stop()
	defer check.Stop()
	// The bell is held until it rings, and the token looked at after that, so that
	// no change is missed: neither one since the gateway looked, nor one among hints.
	changed := s.h.Identity.Changed()
	if err := s.look(ctx); err != nil {
		return err
	}
	if err := s.write(s.Take()); err != nil {
		return err
	}
	if err := s.pulse(); err != nil { // so that the page knows where it is before anything happens
		return err
	}
	for {
		ready := s.Ready()
		select {
		case <-changed:
			changed = s.h.Identity.Changed()
			if err := s.look(ctx); err != nil {
				return err
			}
		default:
		}
		if err := s.write(s.Take()); err != nil {
			return err
		}
		var err error
		select {
		case <-ctx.Done():
			err = ctx.Err()
		case <-s.h.Hub.Closed():
			return nil
		case <-ready:
		case <-changed:
		case <-beat.C:
			err = s.pulse()
		case <-check.C:
			err = s.look(ctx)
		}
		if err != nil {
			return err
		}
	}
}

// look looks at the token again: the page of one that is no good comes again with
// another, or is told what is wrong.
func (s *stream) look(ctx context.Context) error {
	who, err := s.h.Identity.Authenticate(ctx, s.token, "")
	if err == nil {
		s.know(ctx, who)
	}
	return err
}

// pulse shows that the stream lives, and the place up to which all was told, also
// to a page to which little is.
func (s *stream) pulse() error {
	if _, err := fmt.Fprintf(s.w, ": still here\nid: %s\n\n", s.Place()); err != nil {
		return err
	}
	return s.flush()
}

func (s *stream) write(hints []dashboard.Hint, at event.Position, reset bool) error {
	var out []byte
	if reset {
		out = fmt.Appendf(out, "id: %s\nevent: reset\ndata: {}\n\n", at)
	}
	for _, h := range hints {
		if !h.For(s.who, s.all) {
			continue
		}
		text, err := json.Marshal(h)
		if err != nil {
			return err
		}
		out = fmt.Appendf(out, "id: %s\nevent: hint\ndata: %s\n\n", h.At, text)
	}
	if len(out) == 0 {
		return nil
	}
	if _, err := s.w.Write(out); err != nil {
		return err
	}
	return s.flush()
}

func (s *stream) flush() error { return http.NewResponseController(s.w).Flush() }
