// Package service puts the web page together.
package service

import (
	"io/fs"
	"net/http"

	"kumoi/internal/dashboard"
	"kumoi/internal/dashboard/api"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/service"
)

// Deps is what the page needs of a cloud.
type Deps struct {
	Files   fs.FS // as they were built
	Session []httpx.Route
	Fault   func(w http.ResponseWriter, r *http.Request, status int, e *errs.Error, requestID string)
}

// New makes the service, and says what a cloud has to know of it.
func New(d Deps) service.Descriptor {
	return service.Descriptor{
		Name: "dashboard",
		APIs: api.New(api.Config{
			Files: func() (*dashboard.Files, error) { return dashboard.LoadFiles(d.Files) }, Session: d.Session, Fault: d.Fault,
		}),
	}
}
