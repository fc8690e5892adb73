// Package console is how people reach a guest's screen and serial line: a page
// that is an RFB client, and websockets that carry a console's bytes between a
// browser and the guest's host, below /console on the cloud's one port.
//
// No request here carries a token of identity's: an address that compute gave
// out (POST /servers/{id}/remote-consoles) holds a token of its own, which
// opens one console of one server for some minutes. A console that is open
// stays open when its token expires; it ends when the guest goes off, the
// browser is gone, or nothing was said for an hour.
package console

import (
	"context"
	"embed"
	"log/slog"
	"mime"
	"net/http"
	"net/url"
	"path"
	"strings"
	"sync"

	"kumoi/internal/compute"
	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/logx"
)

// Consoles is what this needs of compute.
type Consoles interface {
	Find(ctx context.Context, token string, kind hostapi.ConsoleKind) (compute.Console, error)
	Open(ctx context.Context, c compute.Console) (*compute.ConsoleSession, error)
}

// Config is the zero value, or what an operator has said.
type Config struct {
	// PublicURL is the cloud's address as browsers see it, if that is not the
	// one they connect to.
	PublicURL string
	// Dashboards are addresses whose pages may show a console in a frame.
	Dashboards []string
}

// maxOpen is how many consoles one kumoi carries at a time.
const maxOpen = 256

// Server serves pages and websockets.
type Server struct {
	consoles Consoles
	log      *slog.Logger
	origins  []string // hosts whose pages may open a console, besides the one asked
	csp      string
	places   chan struct{}

	ctx    context.Context //nolint:containedctx // of all open consoles, which outlive their requests
	cancel context.CancelFunc
	mu     sync.Mutex
	closed bool
	wg     sync.WaitGroup
}

// New makes a server. Stop ends what it has open.
func New(consoles Consoles, cfg Config, log *slog.Logger) *Server {
	s := &Server{consoles: consoles, log: logx.Or(log).With("component", "console"), places: make(chan struct{}, maxOpen)}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	if u, err := url.Parse(cfg.PublicURL); err == nil && u.Host != "" {
		s.origins = append(s.origins, u.Host)
	}
	frames := []string{"'self'"}
	for _, d := range cfg.Dashboards {
		if u, err := url.Parse(d); err == nil && u.Host != "" {
			frames = append(frames, u.Scheme+"://"+u.Host)
		}
	}
	// Images are the guest's mouse pointers.
	s.csp = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; " +
		"base-uri 'none'; form-action 'none'; frame-ancestors " + strings.Join(frames, " ")
	return s
}

// Stop ends all open consoles and waits for them.
func (s *Server) Stop() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.cancel()
	s.wg.Wait()
}

// API is what the gateway mounts.
func (s *Server) API() *httpx.Service {
	return &httpx.Service{
		Name: "console", Type: "console", Prefix: compute.ConsolePath,
		Routes: []httpx.Route{
			{Method: "GET", Path: "/vnc", Public: true, Handler: file("vnc.html")},
			{Method: "GET", Path: "/vnc/socket", Public: true, Handler: s.socket(hostapi.ConsoleScreen)},
			{Method: "GET", Path: "/serial/socket", Public: true, Handler: s.socket(hostapi.ConsoleSerial)},
			{Method: "GET", Path: "/files/{name}", Public: true, Handler: func(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
				return file(r.Var("name"))(ctx, r)
			}},
		},
		Headers: map[string]string{
			"Content-Security-Policy": s.csp, "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
			"Cache-Control": "no-store", "Cross-Origin-Opener-Policy": "same-origin",
		},
	}
}

//go:embed page
var page embed.FS

// file answers with a part of the page.
func file(name string) httpx.Handler {
	return func(context.Context, *httpx.Request) (*httpx.Response, error) {
		data, err := page.ReadFile("page/" + path.Base(name))
		if err != nil {
			return nil, errs.New(errs.NotFound, "The console's page has no file %q.", name)
		}
		kind := mime.TypeByExtension(path.Ext(name))
		if path.Ext(name) == ".js" { // whatever the machine's table says
			kind = "text/javascript; charset=utf-8"
		}
		return (&httpx.Response{Status: http.StatusOK, Raw: data}).With("Content-Type", kind), nil
	}
}

// socket carries a console over a websocket. A token that opens nothing, for
// whatever reason, is refused before there is one, without a word.
func (s *Server) socket(kind hostapi.ConsoleKind) httpx.Handler {
	return func(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
		c, err := s.consoles.Find(ctx, r.Query.Get("token"), kind)
		if errs.Is(err, errs.NotFound) {
			return httpx.Empty(http.StatusForbidden).With("Connection", "close"), nil
		}
		if err != nil {
			return nil, err
		}
		return httpx.Stream(func(w http.ResponseWriter) error {
			s.serve(w, r.HTTP, c)
			return nil
		}), nil
	}
}
