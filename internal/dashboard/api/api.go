// Package api serves the web page over HTTP.
package api

import (
	"cmp"
	"context"
	"net/http"
	"strings"
	"sync"
	"time"

	"kumoi/internal/dashboard"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/policy"
)

// Prefix is where the page answers.
const Prefix = "/ui"

// Config is what the page is served with.
type Config struct {
	// Files reads and compresses the page's files.
	Files func() (*dashboard.Files, error)
	// Session are the routes of the session from which the page takes its tokens,
	// and Fault its words for errors.
	Session []httpx.Route
	// Hub, Identity and Policy are for the stream of hints. A stream says that it
	// lives every Beat and has its token looked at every Check; zero: 15 s and a minute.
	Hub         *dashboard.Hub
	Identity    Identity
	Policy      *policy.Engine
	Beat, Check time.Duration
	Fault       func(w http.ResponseWriter, r *http.Request, status int, e *errs.Error, requestID string)
}

type handlers struct {
	Config
	files func() (*dashboard.Files, error)
}

// New describes the page to the gateway.
func New(c Config) []*httpx.Service {
	c.Beat, c.Check = cmp.Or(c.Beat, 15*time.Second), cmp.Or(c.Check, time.Minute)
	h := &handlers{c, sync.OnceValues(c.Files)}
	public := func(path string, f httpx.Handler) httpx.Route {
		return httpx.Route{Method: http.MethodGet, Path: path, Public: true, Handler: f}
	}
	page := &httpx.Service{
		Name: "dashboard", Type: "dashboard", Prefix: Prefix, Fault: c.Fault, OpenPaths: true, Headers: headers(),
		Status: map[errs.Kind]int{errs.OverQuota: http.StatusTooManyRequests},
		Routes: append([]httpx.Route{
			public("/", h.file), public("/{path...}", h.file), {Method: http.MethodGet, Path: "/events", Handler: h.events},
		}, c.Session...),
	}
	return []*httpx.Service{page, forHorizon()}
}

// headers are what browsers are told about everything below the page's address:
// what the page may load and send, that no other page may show it in a frame or
// hold its window, and that nobody is told where it was.
func headers() map[string]string {
	return map[string]string{
		"Content-Security-Policy": strings.Join([]string{
			"default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'", "img-src 'self' data:", "font-src 'self'",
			"worker-src 'self'", "form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'",
			"require-trusted-types-for 'script'", "trusted-types kumoi",
		}, "; "),
		"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cross-Origin-Opener-Policy": "same-origin",
		"X-Frame-Options": "DENY",
	}
}

// file answers with a file of the page.
func (h *handlers) file(_ context.Context, r *httpx.Request) (*httpx.Response, error) {
	files, err := h.files()
	if err != nil {
		return nil, err
	}
	f, err := files.Find(r.Var("path"))
	if err != nil {
		return nil, err
	}
	body, tag := f.Plain, `"`+f.Tag+`"`
	resp := httpx.Empty(http.StatusOK)
	if f.Gzip != nil {
		resp.With("Vary", "Accept-Encoding")
		if httpx.TakesGzip(r.HTTP.Header) {
			body, tag = f.Gzip, `"`+f.Tag+`-gzip"`
			resp.With("Content-Encoding", "gzip")
		}
	}
	if f.Forever {
		resp.With("Cache-Control", "public, max-age=31536000, immutable")
	} else {
		resp.With("Cache-Control", "no-cache")
	}
	resp.With("ETag", tag)
	if has(r.HTTP.Header.Values("If-None-Match"), tag) {
		resp.Status = http.StatusNotModified
		return resp, nil
	}
	resp.Raw = body
	return resp.With("Content-Type", f.Type), nil
}

// has tells whether If-None-Match names a tag.
func has(lines []string, tag string) bool {
	for _, line := range lines {
		for one := range strings.SplitSeq(line, ",") {
			if one = strings.TrimSpace(one); one == "*" || strings.TrimPrefix(one, "W/") == tag {
				return true
			}
		}
	}
	return false
}
