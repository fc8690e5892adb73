// Package api speaks Cinder's HTTP API, v3 with microversions, over volume.Service.
//
// Paths stand in the table without the project, which may follow the version:
// Cinder demands it before 3.67, and takes both since. A project in the path must
// be the token's.
package api

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/micro"
	"kumoi/internal/volume"
)

// The microversions offered.
var (
	minVersion = micro.V(3, 0)
	MaxVersion = micro.V(3, 71)
)

type api struct{ svc *volume.Service }

// New returns the volume service as the gateway mounts it.
func New(svc *volume.Service) *httpx.Service {
	a := &api{svc}
	return &httpx.Service{
		Name: "cinder", Type: "block-storage", Prefix: "/volume",
		Routes: slices.Concat(
			a.versionRoutes(), a.volumeRoutes(), a.metadataRoutes(), a.snapshotRoutes(), a.attachmentRoutes(),
			a.actionRoutes(), a.connectionRoutes(), a.adminRoutes(), a.transferRoutes(), a.backupRoutes(), a.manageRoutes(),
			a.familyRoutes(),
		),
		Micro:            &micro.Range{Service: "volume", Min: minVersion, Max: MaxVersion},
		Status:           map[errs.Kind]int{errs.OverQuota: http.StatusRequestEntityTooLarge, errs.NoCapacity: http.StatusBadRequest},
		Fault:            fault,
		RequestIDHeaders: []string{"X-Compute-Request-Id"},
		ProjectAfter:     "v3",
		ExactSlash:       true,
	}
}

// since is a route that a microversion brought.
func since(minor int, r httpx.Route) httpx.Route {
	r.Min = micro.V(3, minor)
	return r
}

func route(method, path, policy string, h httpx.Handler) httpx.Route {
	return httpx.Route{Method: method, Path: path, Policy: policy, Handler: h}
}

func action(path, name, policy string, h httpx.Handler) httpx.Route {
	return httpx.Route{Method: http.MethodPost, Path: path + "/action", Action: name, Policy: policy, Handler: h}
}

var faultNames = map[int]string{
	400: "badRequest", 401: "unauthorized", 403: "forbidden", 404: "itemNotFound", 405: "badMethod",
	409: "conflictingRequest", 413: "overLimit", 415: "badMediaType", 429: "overLimit", 501: "notImplemented",
	503: "serviceUnavailable",
}

// fault writes Cinder's envelope: one key that names the status.
func fault(w http.ResponseWriter, _ *http.Request, status int, e *errs.Error, _ string) {
	name := faultNames[status]
	if name == "" {
		name = "computeFault"
	}
	body := map[string]any{"code": status, "message": e.Msg}
	if status == http.StatusRequestEntityTooLarge {
		w.Header().Set("Retry-After", "0")
		body["retryAfter"] = "0"
	}
	httpx.WriteJSON(w, status, map[string]any{name: body})
}

// bad is a request that makes no sense.
func bad(format string, args ...any) error { return errs.New(errs.Invalid, format, args...) }

// project is the project in the request's path with a slash, "" if it has none.
func project(r *httpx.Request) string {
	_, rest, _ := strings.Cut(r.HTTP.URL.Path, "/v3/")
	first, _, _ := strings.Cut(rest, "/")
	if _, after, _ := strings.Cut(r.Route.Path, "/v3/"); strings.HasPrefix(after, first+"/") || after == first {
		return ""
	}
	return first + "/"
}

// selfLinks are the addresses of a resource.
func selfLinks(r *httpx.Request, collection, id string) []map[string]string {
	tail := fmt.Sprintf("%s%s/%s", project(r), collection, id)
	return []map[string]string{
		{"rel": "self", "href": r.Link("/v3/%s", tail)},
		{"rel": "bookmark", "href": r.Link("/%s", tail)},
	}
}
