package api

import (
	"context"
	"net/http"

	"kumoi/internal/kernel/httpx"
)

// forHorizon answers where people have bookmarks of Horizon: its login is the
// page's first sight.
func forHorizon() *httpx.Service {
	return &httpx.Service{
		Name: "horizon", Type: "auth", Prefix: "/auth", OpenPaths: true,
		Routes: []httpx.Route{{Method: http.MethodGet, Path: "/login", Public: true, Handler: func(context.Context, *httpx.Request) (*httpx.Response, error) {
			return ToPage(), nil
		}}},
	}
}

// ToPage sends a browser to the page.
func ToPage() *httpx.Response {
	return httpx.Empty(http.StatusFound).With("Location", Prefix+"/").With("Cache-Control", "no-store").With("Vary", "Accept")
}
