package app

import (
	"context"
	"net/http"
	"time"

	"kumoi/internal/kernel/event"
)

// EventPage is what "kumoi events" is told: events, and the place to go on from.
type EventPage struct {
	Events []event.Event
	Next   event.Position
}

// eventPatience is how long one question for events waits for them.
const eventPatience = 20 * time.Second

// listEvents answers with events after a place. Asked to wait, it answers as soon
// as there are any; asked for the end, it tells where that is.
func listEvents(ctx context.Context, k *control, r *http.Request, _ nothing) (any, error) {
	q := r.URL.Query()
	var page EventPage
	var err error
	if q.Has("end") {
		page.Next, err = k.events.End(ctx)
		return page, err
	}
	var after event.Position
	if err := after.UnmarshalText([]byte(q.Get("after"))); err != nil {
		return nil, err
	}
	ask := k.events.Since
	if q.Has("wait") {
		ask = k.events.Wait
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, eventPatience)
		defer cancel()
	}
	page.Events, page.Next, err = ask(ctx, after, event.Filter{Type: q.Get("type"), Resource: q.Get("resource"), Project: q.Get("project")})
	if ctx.Err() != nil {
		err = nil
	}
	return page, err
}
