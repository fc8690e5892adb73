// Package service puts the web page together.
package service

import (
	"io/fs"
	"log/slog"
	"net/http"

	"kumoi/internal/dashboard"
	"kumoi/internal/dashboard/api"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/policy"
	"kumoi/internal/kernel/service"
)

// Deps is what the page needs of a cloud.
type Deps struct {
	Files    fs.FS // as they were built
	Session  []httpx.Route
	Fault    func(w http.ResponseWriter, r *http.Request, status int, e *errs.Error, requestID string)
	Events   dashboard.Events
	Identity api.Identity
	Policy   *policy.Engine
	Log      *slog.Logger
}

// New makes the service, and says what a cloud has to know of it.
func New(d Deps) (service.Descriptor, error) {
	if err := d.Policy.Register(dashboard.Rules()...); err != nil {
		return service.Descriptor{}, err
	}
	hub := dashboard.NewHub(d.Events, d.Log)
	return service.Descriptor{
		Name: "dashboard",
		APIs: api.New(api.Config{
			Files: func() (*dashboard.Files, error) { return dashboard.LoadFiles(d.Files) }, Session: d.Session, Fault: d.Fault,
			Hub: hub, Identity: d.Identity, Policy: d.Policy,
		}),
		Hush: hub.Close, Stop: hub.Close,
	}, nil
}
