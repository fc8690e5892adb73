package bus

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// inbox receives the answers to all requests of a connection through one
// subscription.
type inbox struct {
	prefix string

	mu      sync.Mutex
	next    uint64
	waiting map[string]chan *nats.Msg // by the last token of the reply subject
}

func openInbox(nc *nats.Conn) (*inbox, error) {
	in := &inbox{prefix: nc.NewInbox() + ".", waiting: map[string]chan *nats.Msg{}}
	if _, err := nc.Subscribe(in.prefix+"*", in.deliver); err != nil {
		return nil, fmt.Errorf("inbox: %w", err)
	}
	return in, nil
}

// expect makes a reply subject and the channel that its answers come to.
func (in *inbox) expect() (subject string, answers <-chan *nats.Msg, forget func()) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.next++
	token := strconv.FormatUint(in.next, 36)
	ch := make(chan *nats.Msg, 2)
	in.waiting[token] = ch
	return in.prefix + token, ch, func() {
		in.mu.Lock()
		defer in.mu.Unlock()
		delete(in.waiting, token)
	}
}

// deliver is called for one message after the other. A sign of life is worth
// nothing behind another message, so the answer always finds room.
func (in *inbox) deliver(m *nats.Msg) {
	in.mu.Lock()
	ch := in.waiting[strings.TrimPrefix(m.Subject, in.prefix)]
	in.mu.Unlock()
	if ch == nil || isAlive(m) && len(ch) > 0 {
		return
	}
	select {
	case ch <- m:
	default: // a second answer
	}
}

func isAlive(m *nats.Msg) bool { return m.Header.Get(headerAlive) != "" }

// exchange sends a request and waits for the answer, but not for one whose
// handler has died.
func (c *conn) exchange(ctx context.Context, msg *nats.Msg) (*nats.Msg, error) {
	subject, answers, forget := c.inbox.expect()
	defer forget()
	msg.Reply = subject
	msg.Header[headerAlive] = []string{c.alive.String()}
	if err := c.nc.PublishMsg(msg); err != nil {
		return nil, err
	}
	patience := time.NewTimer(3 * c.alive)
	defer patience.Stop()
	for {
		select {
		case m := <-answers:
			switch {
			case m.Header.Get("Status") == "503":
				return nil, nats.ErrNoResponders
			case !isAlive(m):
				return m, nil
			}
			patience.Reset(3 * c.alive)
		case <-patience.C:
			return nil, errSilent
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-c.ctx.Done():
			return nil, errors.Join(nats.ErrConnectionClosed, context.Cause(c.ctx))
		}
	}
}

// sayAlive tells the requester, until stop is called, that m is being handled.
func (c *conn) sayAlive(m *nats.Msg) (stop func()) {
	every, err := time.ParseDuration(m.Header.Get(headerAlive))
	if err != nil || every <= 0 || m.Reply == "" {
		return func() {}
	}
	var mu sync.Mutex
	stopped := false
	var timer *time.Timer
	say := func() {
		mu.Lock()
		defer mu.Unlock()
		if stopped {
			return
		}
		// Not sent while the connection is away; the requester sees nothing then.
		_ = c.nc.PublishMsg(&nats.Msg{Subject: m.Reply, Header: nats.Header{headerAlive: {"yes"}}})
		timer.Reset(every)
	}
	mu.Lock()
	timer = time.AfterFunc(every, say)
	mu.Unlock()
	return func() {
		mu.Lock()
		defer mu.Unlock()
		stopped = true
		timer.Stop()
	}
}
