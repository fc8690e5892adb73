package app

import (
	"cmp"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/httpx"
)

// ListenerSettings bound what clients may hold of the API's port. A zero means
// the default.
type ListenerSettings struct {
	MaxConnections           int           `name:"max-connections" env:"KUMOI_MAX_CONNECTIONS" help:"How many connections to the API may be open (default: 8192)."`
	MaxConnectionsPerAddress int           `name:"max-connections-per-address" env:"KUMOI_MAX_CONNECTIONS_PER_ADDRESS" help:"How many of them from one address, or one /64 of IPv6; this machine's own addresses are not bound. Raise it for a proxy on another machine (default: 1024)."`
	HeaderTimeout            time.Duration `name:"header-timeout" env:"KUMOI_HEADER_TIMEOUT" help:"How long the head of a request may take to come (default: 10s)."`
	StallTimeout             time.Duration `name:"stall-timeout" env:"KUMOI_STALL_TIMEOUT" help:"How long a request's body may stand still, and a quarter of how long a client may leave a piece of an answer unread; a slow upload that gets on is not cut (default: 30s)."`
	IdleTimeout              time.Duration `name:"idle-timeout" env:"KUMOI_IDLE_TIMEOUT" help:"How long a connection is kept for the next request (default: 2m)."`
}

func (s *ListenerSettings) validate() error {
	for name, v := range map[string]int64{
		"max-connections": int64(s.MaxConnections), "max-connections-per-address": int64(s.MaxConnectionsPerAddress),
		"header-timeout": int64(s.HeaderTimeout), "stall-timeout": int64(s.StallTimeout), "idle-timeout": int64(s.IdleTimeout),
	} {
		if v < 0 {
			return errs.New(errs.Invalid, "%s: it must not be negative", name)
		}
	}
	return nil
}

// listen opens the API's port, with TLS if there is a certificate.
func listen(cfg *Config, log *slog.Logger) (net.Listener, error) {
	l, err := net.Listen("tcp", cfg.Listen)
	if err != nil {
		return nil, cannotListen(cfg.Listen, err)
	}
	var said atomic.Int64 // the minute it was said in: whoever fills the port must not fill the log
	l = &httpx.BoundedListener{
		Listener: l, Most: cmp.Or(cfg.MaxConnections, 8192), MostPerAddress: cmp.Or(cfg.MaxConnectionsPerAddress, 1024),
		Refused: func(remote net.Addr, why string) {
			if minute := time.Now().Unix() / 60; said.Swap(minute) != minute {
				log.Warn("connections are refused", "remote", remote.String(), "reason", why)
			}
		},
	}
	if cfg.TLSCert == "" {
		return l, nil
	}
	pair, err := tls.LoadX509KeyPair(cfg.TLSCert, cfg.TLSKey)
	if err != nil {
		l.Close()
		return nil, fmt.Errorf("tls-cert and tls-key: %w", err)
	}
	return tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}), nil
}

// newServer is the API's. How long bodies and answers may take is the gateway's
// to say, since uploads and downloads take as long as they need.
func newServer(cfg *Config, h http.Handler, log *slog.Logger) *http.Server {
	s := &http.Server{
		Handler: h, ReadHeaderTimeout: cmp.Or(cfg.HeaderTimeout, 10*time.Second), IdleTimeout: cmp.Or(cfg.IdleTimeout, 2*time.Minute),
		MaxHeaderBytes: 64 << 10, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug), Protocols: new(http.Protocols),
		ConnContext: httpx.ConnContext,
	}
	s.Protocols.SetHTTP1(true) // one request at a time on a connection, as the bounds assume
	return s
}
