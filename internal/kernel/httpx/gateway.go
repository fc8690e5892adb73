package httpx

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/errs"
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
	// Stall is how long a client may let a request's body stand still, see
	// pacedBody; zero means DefaultStall.
	Stall time.Duration
	// Observe is told of every answered request, for metrics; optional. Its
	// words come from the route tables, or are "other".
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
	cfg.Stall = cmp.Or(cfg.Stall, DefaultStall)
	g := &Gateway{cfg: cfg, services: map[string]*mounted{}}
	for _, s := range cfg.Services {
		m := &mounted{Service: s, tree: &node{}}
		for i := range s.Routes {
			r := &s.Routes[i]
			if r.Handler == nil || !strings.HasPrefix(r.Path, "/") || strings.Contains(r.Path, "{}") {
				return nil, fmt.Errorf("%s: route %s %s#%s has no handler, no rooted path, or a placeholder without a name", s.Name, r.Method, r.Path, r.Action)
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

// answer is the life of a service's request up to its response.
func (x *exchange) answer() (*Response, error) {
	s, w, r := x.s, x.w, x.r
	for _, h := range s.RequestIDHeaders {
		w.Header().Set(h, x.id)
	}
	for k, v := range s.Headers {
		w.Header().Set(k, v)
	}
	req := &Request{HTTP: r, Writer: w, service: s.Service, Endpoint: x.g.endpoint(r) + s.Prefix}
	x.req = req
	var err error
	if req.Query, err = parseQuery(r.URL.RawQuery); err != nil {
		return nil, err
	}
	m, err := s.match(r.Method, x.rest)
	if err != nil {
		return nil, err
	}
	if i := slices.IndexFunc(m.routes, func(c *Route) bool { return c.SecretPath }); i >= 0 {
		x.path = m.routes[i].Path
	}

	// Whoever has no token learns nothing but the public routes.
	public := slices.ContainsFunc(m.routes, func(c *Route) bool { return c.Public && sameMethod(c.Method, r.Method) }) ||
		s.OpenPaths && !slices.ContainsFunc(m.routes, func(c *Route) bool { return sameMethod(c.Method, r.Method) })
	who, err := x.g.authenticate(x.ctx, r, x.id)
	if err != nil && !public {
		return nil, unauthorized{errs.As(err)}
	}
	if err == nil {
		x.ctx = actor.With(x.ctx, who)
		if !public && !permitted(who, s.Type, r.Method, m.whole) {
			return nil, unauthorized{errs.New(errs.Unauthenticated, "The request you have made requires authentication.")}
		}
	}
	if m.project != "" && who != nil && m.project != who.ProjectID {
		return nil, errs.New(errs.Invalid, "Malformed request URL: URL's project_id '%s' doesn't match Context's project_id '%s'", m.project, who.ProjectID)
	}
	if len(m.routes) == 0 {
		return nil, errs.New(errs.NotFound, "The resource could not be found.")
	}
	switch {
	case s.Micro == nil:
	case m.plain:
		req.Version = s.Micro.Min
	default:
		if req.Version, err = s.Micro.Negotiate(r.Header); err != nil {
			return nil, err
		}
		s.Micro.Announce(w.Header(), req.Version)
	}
	x.boundBody(m.routes, err == nil && who != nil)
	if x.route, err = choose(w, req, m.routes); err != nil {
		return nil, err
	}
	req.Route, req.Vars = x.route, x.route.vars(m.segments)
	w.secret = x.route.SecretAnswer
	return x.g.handle(x.ctx, s, req)
}

// boundBody bounds the body by the routes of the path, and by less for those
// who have shown no token: what anybody may send must cost little.
func (x *exchange) boundBody(routes []*Route, known bool) {
	limit := int64(DefaultBodyLimit)
	for _, c := range routes {
		if sameMethod(c.Method, x.r.Method) && c.BodyLimit != 0 {
			limit = c.BodyLimit
		}
	}
	if !known && limit == DefaultBodyLimit {
		limit = PublicBodyLimit
	}
	x.w.pace()
	if limit >= 0 {
		x.r.Body = http.MaxBytesReader(x.w, x.r.Body, limit)
	}
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
