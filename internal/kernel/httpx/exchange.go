package httpx

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/ids"
)

// exchange is one request and its answer, from the first byte to the last line
// of the log. Everything it does runs guarded: a panic anywhere is an answer
// and a line like any other fault.
type exchange struct {
	g     *Gateway
	s     *mounted // nil: the path belongs to no service
	w     *recorder
	r     *http.Request
	ctx   context.Context //nolint:containedctx // the request's own, with its actor once that is known
	id    string
	rest  string   // the path below the service's prefix, escaped
	req   *Request // nil until there is one
	route *Route   // nil until one is chosen
	path  string   // the request's, as the log may show it
	start time.Time
}

// ServeHTTP finds the service, lets it answer, and tells the log and the figures.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := &exchange{g: g, r: r, id: ids.NewRequest(), start: time.Now()}
	x.w = newRecorder(w, r, g.cfg.Stall)
	x.ctx = actor.With(r.Context(), &actor.Actor{RequestID: x.id, RemoteAddr: r.RemoteAddr})
	x.path = loggable(r.URL.Path)
	err := guarded(x.serve)
	if err != nil {
		err = guarded(func() error { x.fail(err); return nil })
	}
	if err != nil { // the envelope itself panicked
		g.cfg.Log.ErrorContext(r.Context(), "an error could not be answered", "request_id", x.id, "path", x.path, "error", err)
		if x.w.status == 0 {
			x.w.WriteHeader(http.StatusInternalServerError)
		}
	}
	if err := guarded(x.tell); err != nil {
		g.cfg.Log.ErrorContext(r.Context(), "a request could not be logged", "request_id", x.id, "path", x.path, "error", err)
	}
}

// guarded runs f; a panic is its error.
func guarded(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return f()
}

func (x *exchange) serve() error {
	x.w.Header().Set("X-Openstack-Request-Id", x.id)
	prefix, rest, _ := strings.Cut(strings.TrimLeft(x.r.URL.EscapedPath(), "/"), "/")
	if s, ok := x.g.services[prefix]; ok {
		x.s, x.rest = s, "/"+rest
		resp, err := x.answer()
		if err != nil {
			return err
		}
		return resp.write(x.w)
	}
	if !isText(x.r.URL.Path) {
		return errNotText
	}
	if x.g.cfg.Extra == nil {
		http.NotFound(x.w, x.r)
		return nil
	}
	x.g.cfg.Extra.ServeHTTP(x.w, x.r)
	return nil
}

// methods are those that figures name.
var methods = map[string]bool{
	http.MethodGet: true, http.MethodHead: true, http.MethodPost: true, http.MethodPut: true, http.MethodPatch: true,
	http.MethodDelete: true, http.MethodOptions: true,
}

// tell logs and counts the request. Labels come from the route table or are
// "other": what a client makes up must not stay in memory.
func (x *exchange) tell() error {
	took := time.Since(x.start)
	who := actor.From(x.ctx)
	service, kind, path, method := "other", "other", "other", "other"
	if x.s != nil {
		service, kind = x.s.Name, x.s.Type
	}
	if x.route != nil {
		path = x.route.Path
	}
	if methods[x.r.Method] {
		method = x.r.Method
	}
	x.g.cfg.Log.LogAttrs(x.ctx, slog.LevelInfo, "request",
		slog.String("service", kind), slog.String("method", x.r.Method), slog.String("path", x.path),
		slog.Int("status", x.w.status), slog.Int64("bytes", x.w.bytes), slog.Duration("took", took),
		slog.String("user_id", who.UserID), slog.String("remote", x.r.RemoteAddr)) // request and project are added by logx
	if x.g.cfg.Observe != nil {
		x.g.cfg.Observe(service, method, path, x.w.status, took)
	}
	return nil
}

// loggable bounds a text from outside for one line of the log.
func loggable(s string) string {
	const longest = 512
	if len(s) > longest {
		s = s[:longest] + "…"
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}
