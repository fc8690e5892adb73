package httpx

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/ids"
	"kumoi/internal/kernel/micro"
)

// Authenticator turns a token into its actor; identity is one.
type Authenticator interface {
	// Authenticate returns the token's actor, or Unauthenticated. serviceToken
	// may be empty; with a valid one an expired user token may still pass.
	Authenticate(ctx context.Context, token, serviceToken string) (*actor.Actor, error)
}

// Config is what a Gateway needs.
type Config struct {
	Services []*Service
	Auth     Authenticator
	Log      *slog.Logger
	// PublicURL is the cloud's address as clients should see it, if it differs
	// from the Host header: "https://cloud.example.com".
	PublicURL string
	// Observe is told of every answered request, for metrics; optional.
	Observe func(service, method, path string, status int, took time.Duration)
	// Audit is told of every request that may change something before it is
	// handled, and by the function it returns what became of it; optional.
	Audit func(ctx context.Context, s *Service, r *Request) (context.Context, func(status int, answer any))
	// Extra handles paths that belong to no service (metrics, the root page); optional.
	Extra http.Handler
}

// Gateway serves all services on one port, each below its prefix.
type Gateway struct {
	cfg      Config
	services map[string]*mounted
}

type mounted struct {
	*Service
	tree *node
}

// NewGateway checks the route tables and builds the gateway.
func NewGateway(cfg Config) (*Gateway, error) {
	g := &Gateway{cfg: cfg, services: map[string]*mounted{}}
	for _, s := range cfg.Services {
		m := &mounted{Service: s, tree: &node{}}
		for i := range s.Routes {
			r := &s.Routes[i]
			if r.Handler == nil || !strings.HasPrefix(r.Path, "/") {
				return nil, fmt.Errorf("%s: route %s %s#%s has no handler or no rooted path", s.Name, r.Method, r.Path, r.Action)
			}
			m.tree.add(r)
		}
		if _, taken := g.services[strings.Trim(s.Prefix, "/")]; taken {
			return nil, fmt.Errorf("%s: prefix %s is taken", s.Name, s.Prefix)
		}
		g.services[strings.Trim(s.Prefix, "/")] = m
	}
	return g, nil
}

// recorder remembers the status for the log.
type recorder struct {
	http.ResponseWriter
	status int
	bytes  int64
	head   bool
	path   string // the request's, as the log may show it
}

func (w *recorder) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *recorder) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	w.bytes += int64(len(b))
	if w.head {
		return len(b), nil
	}
	return w.ResponseWriter.Write(b)
}

// ReadFrom lets the kernel send files by itself.
func (w *recorder) ReadFrom(r io.Reader) (int64, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	if w.head {
		return io.Copy(io.Discard, r)
	}
	n, err := io.Copy(w.ResponseWriter, r)
	w.bytes += n
	return n, err
}

// Unwrap lets http.ResponseController reach the connection.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// ServeHTTP finds the service, then lets it answer.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	rec := &recorder{ResponseWriter: w, head: r.Method == http.MethodHead, path: r.URL.Path}
	id := ids.NewRequest()
	rec.Header().Set("X-Openstack-Request-Id", id)

	prefix, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.EscapedPath(), "/"), "/")
	s, ok := g.services[prefix]
	if !ok {
		if g.cfg.Extra != nil {
			g.cfg.Extra.ServeHTTP(rec, r)
		} else {
			http.NotFound(rec, r)
		}
		return
	}
	who := &actor.Actor{RequestID: id, RemoteAddr: r.RemoteAddr}
	path := ""
	func() {
		defer func() {
			if p := recover(); p != nil {
				err := fmt.Errorf("panic: %v\n%s", p, debug.Stack())
				g.fail(rec, r, s, id, err)
			}
		}()
		route, ctx, resp, err := g.answer(rec, r, s, "/"+rest, id)
		who, path = actor.From(ctx), rec.path
		if route != nil {
			path = route.Path
		}
		if err == nil {
			err = resp.write(rec)
		}
		if err != nil {
			g.fail(rec, r, s, id, err)
		}
	}()
	if path == "" { // a panic
		path = rec.path
	}
	took := time.Since(start)
	if g.cfg.Observe != nil {
		g.cfg.Observe(s.Name, r.Method, path, rec.status, took)
	}
	g.cfg.Log.LogAttrs(r.Context(), slog.LevelInfo, "request",
		slog.String("request_id", id), slog.String("service", s.Type), slog.String("method", r.Method),
		slog.String("path", rec.path), slog.Int("status", rec.status), slog.Int64("bytes", rec.bytes),
		slog.Duration("took", took), slog.String("user_id", who.UserID), slog.String("project_id", who.ProjectID),
		slog.String("remote", r.RemoteAddr))
}

// answer is the life of a request up to its response.
func (g *Gateway) answer(w *recorder, r *http.Request, s *mounted, path, id string) (*Route, context.Context, *Response, error) {
	ctx := actor.With(r.Context(), &actor.Actor{RequestID: id, RemoteAddr: r.RemoteAddr})
	for _, h := range s.RequestIDHeaders {
		w.Header().Set(h, id)
	}
	for k, v := range s.Headers {
		w.Header().Set(k, v)
	}
	if s.StripJSON {
		path = strings.TrimSuffix(path, ".json")
	}
	req := &Request{HTTP: r, Writer: w, service: s.Service, Endpoint: g.endpoint(r) + s.Prefix}
	var err error
	if req.Query, err = url.ParseQuery(r.URL.RawQuery); err != nil {
		return nil, ctx, nil, errs.Wrap(errs.Invalid, err, "The query string is malformed: %s.", err)
	}
	if err := textual(req.Query); err != nil {
		return nil, ctx, nil, err
	}
	segs, err := unescaped(path)
	if err != nil {
		return nil, ctx, nil, errs.Wrap(errs.Invalid, err, "The path is malformed: %s.", err)
	}
	if slices.ContainsFunc(segs, func(s string) bool { return !isText(s) }) {
		return nil, ctx, nil, errs.New(errs.Invalid, "The path contains a null byte, or bytes that are not UTF-8.")
	}
	candidates := s.tree.find(segs)
	if s.ExactSlash && len(segs) > 0 && strings.HasSuffix(path, "/") {
		candidates = nil // the id behind the slash is missing
	}
	project, whole := "", segs
	if len(candidates) == 0 && s.ProjectAfter != "" && len(segs) >= 3 && segs[0] == s.ProjectAfter {
		shorter := append([]string{segs[0]}, segs[2:]...)
		if candidates = s.tree.find(shorter); len(candidates) > 0 {
			project, segs = segs[1], shorter
		}
	}

	if i := slices.IndexFunc(candidates, func(c *Route) bool { return c.SecretPath }); i >= 0 {
		w.path = candidates[i].Path
	}

	// Whoever has no token learns nothing but the public routes.
	public := slices.ContainsFunc(candidates, func(c *Route) bool { return c.Public && sameMethod(c.Method, r.Method) })
	who, err := g.authenticate(ctx, r, id)
	if err != nil && !public {
		return nil, ctx, nil, unauthorized{errs.As(err)}
	}
	if err == nil {
		ctx = actor.With(ctx, who)
		if !public && !permitted(who, s.Type, r.Method, whole) {
			return nil, ctx, nil, unauthorized{errs.New(errs.Unauthenticated, "The request you have made requires authentication.")}
		}
	}
	if project != "" && who != nil && project != who.ProjectID {
		return nil, ctx, nil, errs.New(errs.Invalid, "Malformed request URL: URL's project_id '%s' doesn't match Context's project_id '%s'", project, who.ProjectID)
	}
	if len(candidates) == 0 {
		return nil, ctx, nil, errs.New(errs.NotFound, "The resource could not be found.")
	}
	if s.Micro != nil {
		if req.Version, err = s.Micro.Negotiate(r.Header); err != nil {
			return nil, ctx, nil, err
		}
		s.Micro.Announce(w.Header(), req.Version)
	}
	route, err := g.choose(w, req, candidates)
	if err != nil {
		return nil, ctx, nil, err
	}
	req.Route, req.Vars = route, route.vars(segs)
	resp, err := g.handle(ctx, s, req)
	return route, ctx, resp, err
}

// handle lets the route's handler answer, and the audit trail know.
func (g *Gateway) handle(ctx context.Context, s *mounted, req *Request) (resp *Response, err error) {
	if g.cfg.Audit != nil && changes(req) {
		var done func(status int, answer any)
		ctx, done = g.cfg.Audit(ctx, s.Service, req)
		defer func() {
			switch {
			case err != nil:
				done(s.StatusOf(errs.As(err).Kind), nil)
			case resp == nil: // the handler panics
				done(http.StatusInternalServerError, nil)
			default:
				done(resp.Status, resp.Body)
			}
		}()
	}
	if resp, err = req.Route.Handler(ctx, req); err == nil && resp == nil {
		err = errors.New("handler returned nothing")
	}
	return resp, err
}

// changes tells whether a request is one for the audit trail.
func changes(r *Request) bool {
	return !r.Route.Unaudited && r.HTTP.Method != http.MethodGet && r.HTTP.Method != http.MethodHead && r.HTTP.Method != http.MethodOptions
}

// choose picks the route by method, version and action.
func (g *Gateway) choose(w http.ResponseWriter, req *Request, candidates []*Route) (*Route, error) {
	var allow []string
	var matching []*Route
	for _, c := range candidates {
		if !slices.Contains(allow, c.Method) {
			allow = append(allow, c.Method)
		}
		if c.Method == req.HTTP.Method {
			matching = append(matching, c)
		}
	}
	if len(matching) == 0 && req.HTTP.Method == http.MethodHead {
		for _, c := range candidates {
			if c.Method == http.MethodGet {
				matching = append(matching, c)
			}
		}
	}
	if len(matching) == 0 && strings.HasSuffix(req.HTTP.URL.Path, "/") { // an item with an empty name
		return nil, errs.New(errs.NotFound, "The resource could not be found.")
	}
	if len(matching) == 0 {
		slices.Sort(allow)
		w.Header().Set("Allow", strings.Join(allow, ", "))
		return nil, errs.New(errs.Method, "The method %s is not allowed for this resource; allowed: %s.", req.HTTP.Method, strings.Join(allow, ", "))
	}
	limit := int64(DefaultBodyLimit)
	for _, c := range matching {
		if c.BodyLimit != 0 {
			limit = c.BodyLimit
		}
	}
	if limit >= 0 {
		req.HTTP.Body = http.MaxBytesReader(w, req.HTTP.Body, limit)
	}
	if slices.ContainsFunc(matching, func(c *Route) bool { return c.Action != "" }) {
		return g.chooseAction(req, matching)
	}
	for _, c := range matching {
		if offered(c, req.Version) {
			return c, nil
		}
	}
	return nil, errs.New(errs.NotFound, "The resource could not be found in version %s of this API.", req.Version)
}

func (g *Gateway) chooseAction(req *Request, matching []*Route) (*Route, error) {
	body, err := req.Object()
	if err != nil {
		return nil, err
	}
	var unoffered bool
	var plain *Route
	for _, c := range matching {
		if c.Action == "" {
			plain = c
			continue
		}
		if _, ok := body[c.Action]; ok && len(body) == 1 {
			if offered(c, req.Version) {
				return c, nil
			}
			unoffered = true
		}
	}
	if plain != nil {
		return plain, nil
	}
	if unoffered {
		return nil, errs.New(errs.NotFound, "The action is not in version %s of this API.", req.Version)
	}
	keys := make([]string, 0, len(body))
	for k := range body {
		keys = append(keys, k)
	}
	if len(keys) != 1 {
		return nil, errs.New(errs.Invalid, "The body of an action must have exactly one key, the action's name.")
	}
	return nil, errs.New(errs.Invalid, "There is no such action: %.100s", keys[0])
}

func offered(c *Route, v micro.Version) bool {
	return v.IsZero() || (c.Min.IsZero() || v.AtLeast(c.Min)) && (c.Max.IsZero() || c.Max.AtLeast(v))
}

func sameMethod(route, request string) bool {
	return route == request || route == http.MethodGet && request == http.MethodHead
}

func (g *Gateway) authenticate(ctx context.Context, r *http.Request, id string) (*actor.Actor, error) {
	token := r.Header.Get("X-Auth-Token")
	if token == "" {
		token = r.Header.Get("X-Storage-Token")
	}
	if token == "" {
		return nil, errs.New(errs.Unauthenticated, "The request you have made requires authentication.")
	}
	a, err := g.cfg.Auth.Authenticate(ctx, token, r.Header.Get("X-Service-Token"))
	if err != nil {
		return nil, err
	}
	c := *a // the authenticator may hand out a shared one
	c.RequestID, c.RemoteAddr = id, r.RemoteAddr
	if global := r.Header.Get("X-Openstack-Request-Id"); strings.HasPrefix(global, "req-") && len(global) <= 64 {
		c.GlobalRequestID = global
	}
	return &c, nil
}

// unauthorized marks an error of the layer before the service.
type unauthorized struct{ err *errs.Error }

func (u unauthorized) Error() string { return u.err.Error() }
func (u unauthorized) Unwrap() error { return u.err }

// fail writes err in the service's envelope, unless the answer has begun.
func (g *Gateway) fail(w *recorder, r *http.Request, s *mounted, id string, err error) {
	e := errs.As(err)
	status := s.StatusOf(e.Kind)
	if status >= 500 {
		level := slog.LevelError
		if r.Context().Err() != nil {
			level = slog.LevelInfo // the client went away
		}
		g.cfg.Log.Log(r.Context(), level, "request failed", "request_id", id, "service", s.Type,
			"method", r.Method, "path", w.path, "error", err.Error())
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
