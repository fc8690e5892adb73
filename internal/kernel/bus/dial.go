package bus

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/logx"
)

// Option changes how Dial connects.
type Option func(*dialer)

// OnConnect has f called after each connection that follows a lost one. What
// was published in between is gone: a host reports afresh.
func OnConnect(f func()) Option { return func(d *dialer) { d.onConnect = f } }

type dialer struct{ onConnect func() }

// Dial connects a host to the control plane. url overrides the address in the
// credentials if it is not empty. Dial tries until ctx ends or the control plane
// refuses the credentials; once made, the connection is renewed for ever.
func Dial(ctx context.Context, url string, creds []byte, log *slog.Logger, opts ...Option) (Conn, error) {
	c, err := parseCredentials(creds)
	if err != nil {
		return nil, err
	}
	if url == "" {
		url = c.URL
	}
	log = logx.Or(log).With("component", "bus", "url", url)
	var d dialer
	for _, o := range opts {
		o(&d)
	}
	options, err := c.options()
	if err != nil {
		return nil, err
	}
	connected, refused := make(chan struct{}), make(chan struct{})
	var once, refusal sync.Once
	var mu sync.Mutex
	var last error // why the connection is not there yet
	options = append(options,
		nats.RetryOnFailedConnect(true),
		nats.ConnectHandler(func(*nats.Conn) { once.Do(func() { close(connected) }) }),
		nats.ReconnectErrHandler(func(_ *nats.Conn, err error) {
			mu.Lock()
			first := last == nil || last.Error() != err.Error()
			last = err
			mu.Unlock()
			if first { // the same again is no news
				log.WarnContext(ctx, "cannot reach the control plane, trying on", "error", err)
			}
			if errors.Is(err, nats.ErrAuthorization) {
				refusal.Do(func() { close(refused) })
			}
		}),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			log.WarnContext(ctx, "connection to the control plane lost", "error", err)
		}),
		nats.ReconnectHandler(func(*nats.Conn) {
			log.InfoContext(ctx, "connected to the control plane again")
			mu.Lock()
			last = nil
			mu.Unlock()
			if d.onConnect != nil {
				d.onConnect()
			}
		}),
		nats.ErrorHandler(reportAsync(log)),
	)
	nc, err := nats.Connect(url, options...)
	if err != nil {
		return nil, errs.Wrap(errs.Unavailable, err, "The control plane at %s cannot be reached.", url)
	}
	select {
	case <-connected:
		return newConn(nc, log, true)
	case <-refused:
		nc.Close()
		return nil, errs.New(errs.Unauthenticated, "The control plane at %s refuses the credentials of host %s: they were withdrawn or replaced; make new ones with kumoi admin host add %s.", url, c.Host, c.Host)
	case <-ctx.Done():
		nc.Close()
		mu.Lock()
		defer mu.Unlock()
		return nil, errs.Wrap(errs.Unavailable, errors.Join(last, context.Cause(ctx)), "The control plane at %s cannot be reached.", url)
	}
}

// options are those that both know the host and last for ever.
func (c credentials) options() ([]nats.Option, error) {
	key, err := nkeys.FromSeed([]byte(c.Seed))
	if err != nil {
		return nil, errs.Wrap(errs.Invalid, err, "The host's credentials hold no valid key.")
	}
	public, err := key.PublicKey()
	if err != nil {
		return nil, fmt.Errorf("host key: %w", err)
	}
	options := []nats.Option{
		nats.Name(c.Host),
		nats.Nkey(public, key.Sign),
		nats.CustomInboxPrefix(inboxPrefix(c.Host)),
		nats.MaxReconnects(-1),
		nats.IgnoreAuthErrorAbort(),
		nats.ReconnectWait(500 * time.Millisecond),
		nats.ReconnectJitter(500*time.Millisecond, 500*time.Millisecond),
		nats.ReconnectBufSize(-1), // fail while away instead of sending stale news later
		nats.PingInterval(10 * time.Second),
		nats.MaxPingsOutstanding(2),
		nats.Timeout(5 * time.Second),
	}
	if c.CA != "" {
		roots := x509.NewCertPool()
		if !roots.AppendCertsFromPEM([]byte(c.CA)) {
			return nil, errs.New(errs.Invalid, "The host's credentials hold no valid CA certificate.")
		}
		options = append(options, nats.Secure(&tls.Config{
			RootCAs: roots, ServerName: tlsName, MinVersion: tls.VersionTLS13,
		}))
	}
	return options, nil
}

// reportAsync logs what has no caller, such as a subject that is not allowed.
func reportAsync(log *slog.Logger) nats.ErrHandler {
	return func(_ *nats.Conn, sub *nats.Subscription, err error) {
		subject := ""
		if sub != nil {
			subject = sub.Subject
		}
		log.Error("bus", "subject", subject, "error", err)
	}
}
