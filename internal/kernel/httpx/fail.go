package httpx

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"

	"kumoi/internal/kernel/errs"
)

// unauthorized marks an error of the layer before the service.
type unauthorized struct{ err *errs.Error }

func (u unauthorized) Error() string { return u.err.Error() }
func (u unauthorized) Unwrap() error { return u.err }

// fail writes err in the service's envelope, unless the answer has begun.
func (x *exchange) fail(err error) {
	g, w, r, s, id := x.g, x.w, x.r, x.service(), x.id
	e := errs.As(err)
	status := s.StatusOf(e.Kind)
	if status >= 500 {
		level := slog.LevelError
		if r.Context().Err() != nil {
			level = slog.LevelInfo // the client went away
		}
		g.cfg.Log.Log(r.Context(), level, "request failed", "request_id", id, "service", s.Type,
			"method", r.Method, "path", x.path, "error", err.Error())
	}
	if w.status != 0 {
		// Too late for an envelope: cut the connection so that the client sees the break.
		if rc := http.NewResponseController(w.ResponseWriter); rc != nil {
			if conn, _, herr := rc.Hijack(); herr == nil {
				conn.Close()
			}
		}
		return
	}
	for _, h := range []string{"Content-Length", "Content-Type", "Content-Encoding"} {
		w.Header().Del(h)
	}
	if x.req != nil {
		e = withoutSecrets(e, x.req.body)
	}
	e = bounded(e)
	if status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", fmt.Sprintf("Keystone uri=%q", g.endpoint(r)+"/identity"))
		var before unauthorized
		if errors.As(err, &before) {
			if s.Unauthorized != nil {
				s.Unauthorized(w, r, e)
			} else {
				ErrorEnvelope(w, r, status, e, id)
			}
			return
		}
	}
	if s.Fault == nil {
		ErrorEnvelope(w, r, status, e, id)
		return
	}
	s.Fault(w, r, status, e, id)
}

// longestMessage bounds what an error repeats of a request, whichever service words it.
const longestMessage = 2000

func bounded(e *errs.Error) *errs.Error {
	if len(e.Msg) <= longestMessage {
		return e
	}
	c := *e
	c.Msg = strings.ToValidUTF8(e.Msg[:longestMessage], "") + "…"
	return &c
}

// nobody stands for the service of paths that belong to none.
var nobody = &mounted{Service: &Service{Name: "other", Type: "other"}}

func (x *exchange) service() *mounted {
	if x.s == nil {
		return nobody
	}
	return x.s
}

// endpoint is the cloud's root URL as the client reached it.
func (g *Gateway) endpoint(r *http.Request) string {
	if g.cfg.PublicURL != "" {
		return strings.TrimSuffix(g.cfg.PublicURL, "/")
	}
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	host := r.Host
	if host == "" {
		if a, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok {
			host = a.String()
		}
	}
	return scheme + "://" + host
}
