package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/logx"
)

const (
	headerTimeout = "Kumoi-Timeout" // how long the requester will wait; clocks of hosts may differ
	headerError   = "Kumoi-Error"   // set if the body is an error
	headerLog     = "Kumoi-Log"     // the requester's log attributes
	// In a request: how often the handler shall say that it is still at work.
	// In an answer: it is still at work, more will come.
	headerAlive = "Kumoi-Alive"

	defaultTimeout = 30 * time.Second
	aliveEvery     = 5 * time.Second
	maxConcurrent  = 128 // handlers of one subscription
)

// errSilent ends a request whose handler has died.
var errSilent = errs.New(errs.Unavailable, "The host has stopped answering while it was at work.")

// conn is a Conn over one NATS connection.
type conn struct {
	nc  *nats.Conn
	log *slog.Logger
	// trusting connections tell the other side what an error wraps. The control
	// plane's does not: a host is shown what a user would be shown.
	trusting bool
	inbox    *inbox
	alive    time.Duration // how often handlers of our requests shall say that they live

	ctx    context.Context // of all handlers
	cancel context.CancelCauseFunc
	mu     sync.Mutex
	closed bool
	wg     sync.WaitGroup
}

func newConn(nc *nats.Conn, log *slog.Logger, trusting bool) (*conn, error) {
	in, err := openInbox(nc)
	if err != nil {
		nc.Close()
		return nil, err
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	return &conn{nc: nc, log: log, trusting: trusting, inbox: in, alive: aliveEvery, ctx: ctx, cancel: cancel}, nil
}

func (c *conn) Request(ctx context.Context, subject string, in, out any) error {
	body, err := encode(in)
	if err != nil {
		return fmt.Errorf("request %s: %w", subject, err)
	}
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = time.Now().Add(defaultTimeout)
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, deadline)
		defer cancel()
	}
	msg := &nats.Msg{Subject: subject, Data: body, Header: nats.Header{
		headerTimeout: {time.Until(deadline).String()},
	}}
	if attrs := packAttrs(ctx); attrs != "" {
		msg.Header[headerLog] = []string{attrs}
	}
	reply, err := c.exchange(ctx, msg)
	if err != nil {
		return requestError(ctx, subject, err)
	}
	if reply.Header.Get(headerError) != "" {
		return errs.Unmarshal(reply.Data)
	}
	if err := decode(reply.Data, out); err != nil {
		return fmt.Errorf("answer of %s: %w", subject, err)
	}
	return nil
}

func requestError(ctx context.Context, subject string, err error) error {
	err = fmt.Errorf("request %s: %w", subject, err)
	switch {
	case errors.Is(err, errSilent):
		return err
	case errors.Is(err, nats.ErrMaxPayload):
		return errs.Wrap(errs.TooLarge, err, "A message may have %d bytes at most.", MaxPayload)
	case errors.Is(err, nats.ErrBadSubject):
		return err
	case errors.Is(err, nats.ErrNoResponders):
		return errs.Wrap(errs.Unavailable, err, "The host that should do this is not connected.")
	case errors.Is(context.Cause(ctx), context.DeadlineExceeded), errors.Is(err, nats.ErrTimeout):
		return errs.Wrap(errs.Unavailable, err, "The host did not answer in time.")
	case ctx.Err() != nil: // given up by the caller, who wants to see its own reason
		return fmt.Errorf("request %s: %w", subject, context.Cause(ctx))
	}
	return errs.Wrap(errs.Unavailable, err, "The connection between control plane and host is away.")
}

func (c *conn) Publish(ctx context.Context, subject string, v any) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	body, err := encode(v)
	if err != nil {
		return fmt.Errorf("publish %s: %w", subject, err)
	}
	switch err := c.nc.Publish(subject, body); {
	case err == nil:
		return nil
	case errors.Is(err, nats.ErrMaxPayload):
		return errs.Wrap(errs.TooLarge, err, "A message may have %d bytes at most.", MaxPayload)
	case errors.Is(err, nats.ErrBadSubject):
		return fmt.Errorf("publish %q: %w", subject, err)
	default:
		return errs.Wrap(errs.Unavailable, err, "The connection between control plane and host is away.")
	}
}

func (c *conn) Handle(subject, queue string, h func(context.Context, *Msg) (any, error)) (Subscription, error) {
	slots := make(chan struct{}, maxConcurrent)
	return c.subscribe(subject, queue, func(m *nats.Msg) {
		select {
		case slots <- struct{}{}:
		case <-c.ctx.Done():
			return
		}
		if !c.enter() {
			return
		}
		go func() {
			defer c.wg.Done()
			defer func() { <-slots }()
			c.answer(m, h)
		}()
	})
}

// answer runs a handler and sends what it returns.
func (c *conn) answer(m *nats.Msg, h func(context.Context, *Msg) (any, error)) {
	ctx := c.ctx
	if limit, err := time.ParseDuration(m.Header.Get(headerTimeout)); err == nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	ctx = unpackAttrs(ctx, m.Header.Get(headerLog))
	stopAlive := c.sayAlive(m)
	result, err := c.call(ctx, m, h)
	stopAlive()
	var body []byte
	if err == nil {
		body, err = encode(result)
	}
	if err == nil && len(body) > MaxPayload {
		err = errs.New(errs.TooLarge, "The answer has %d bytes; a message may have %d at most.", len(body), MaxPayload)
	}
	if m.Reply == "" {
		return
	}
	reply := &nats.Msg{Subject: m.Reply, Data: body}
	if err != nil {
		if errs.Is(err, errs.Internal) {
			c.log.ErrorContext(ctx, "handler failed", "subject", m.Subject, "error", err)
		}
		if !c.trusting {
			e := *errs.As(err)
			e.Err = nil
			err = &e
		}
		reply.Header = nats.Header{headerError: {errs.KindOf(err).String()}}
		reply.Data = errs.Marshal(err)
	}
	if err := c.nc.PublishMsg(reply); err != nil && c.ctx.Err() == nil {
		c.log.WarnContext(ctx, "answer not sent", "subject", m.Subject, "error", err)
	}
}

// call runs h; a panic becomes an error.
func (c *conn) call(ctx context.Context, m *nats.Msg, h func(context.Context, *Msg) (any, error)) (v any, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("handler of %s: panic: %v\n%s", m.Subject, p, debug.Stack())
		}
	}()
	return h(ctx, &Msg{Subject: m.Subject, Data: m.Data})
}

func (c *conn) Subscribe(subject, queue string, h func(context.Context, *Msg)) (Subscription, error) {
	return c.subscribe(subject, queue, func(m *nats.Msg) {
		if !c.enter() {
			return
		}
		defer c.wg.Done()
		_, err := c.call(c.ctx, m, func(ctx context.Context, m *Msg) (any, error) {
			h(ctx, m)
			return nil, nil
		})
		if err != nil {
			c.log.ErrorContext(c.ctx, "subscriber failed", "error", err)
		}
	})
}

// enter counts a handler in, unless the connection is closed.
func (c *conn) enter() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return false
	}
	c.wg.Add(1)
	return true
}

func (c *conn) subscribe(subject, queue string, cb nats.MsgHandler) (Subscription, error) {
	var sub *nats.Subscription
	var err error
	if queue == "" {
		sub, err = c.nc.Subscribe(subject, cb)
	} else {
		sub, err = c.nc.QueueSubscribe(subject, queue, cb)
	}
	if err != nil {
		return nil, fmt.Errorf("subscribe to %q: %w", subject, err)
	}
	// Wait until the server knows; a connection that is away subscribes again
	// by itself when it is back.
	if c.nc.IsConnected() {
		if err := c.nc.FlushTimeout(5 * time.Second); err != nil && c.nc.IsClosed() {
			return nil, fmt.Errorf("subscribe to %q: %w", subject, err)
		}
	}
	return sub, nil
}

func (c *conn) Close() error {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.cancel(errs.New(errs.Unavailable, "The connection is being closed."))
	c.wg.Wait() // handlers still answer, so the connection goes last
	if c.nc.IsConnected() {
		_ = c.nc.FlushTimeout(time.Second)
	}
	c.nc.Close()
	return nil
}

// logged are the attributes that travel: a host must not invent others.
var logged = map[string]bool{"request_id": true, "project_id": true, "saga_id": true}

func packAttrs(ctx context.Context) string {
	m := map[string]string{}
	for _, a := range logx.Attrs(ctx) {
		if logged[a.Key] {
			m[a.Key] = a.Value.String()
		}
	}
	if len(m) == 0 {
		return ""
	}
	data, err := json.Marshal(m)
	if err != nil {
		return ""
	}
	return string(data)
}

func unpackAttrs(ctx context.Context, text string) context.Context {
	var m map[string]string
	if text == "" || json.Unmarshal([]byte(text), &m) != nil {
		return ctx
	}
	for k, v := range m {
		if logged[k] {
			ctx = logx.With(ctx, slog.String(k, v))
		}
	}
	return ctx
}
