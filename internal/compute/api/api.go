// Package api speaks Nova's HTTP API, v2.1 with microversions, over compute.Service.
//
// Handlers check a body against the schema of the microversion spoken, lift it
// to the service's newest request, call one method and lower the answer. What a
// microversion changes is marked where it matters, with Request.AtLeast.
package api

import (
	"net/http"
	"slices"

	"kumoi/internal/compute"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/micro"
)

// The microversions offered.
var (
	minVersion = micro.V(2, 1)
	MaxVersion = micro.V(2, 100)
)

type api struct{ svc *compute.Service }

// New returns the compute service as the gateway mounts it.
func New(svc *compute.Service) *httpx.Service {
	a := &api{svc}
	return &httpx.Service{
		Name: "nova", Type: "compute", Prefix: "/compute",
		Routes: slices.Concat(
			a.versionRoutes(), a.serverRoutes(), a.actionRoutes(), a.serverPartRoutes(), a.flavorRoutes(),
			a.projectRoutes(), a.operatorRoutes(), a.goneRoutes(),
		),
		Micro: &micro.Range{
			Service: "compute", LegacyHeader: "X-OpenStack-Nova-API-Version", Min: minVersion, Max: MaxVersion,
		},
		Status:           map[errs.Kind]int{errs.NoCapacity: http.StatusBadRequest},
		Fault:            fault,
		RequestIDHeaders: []string{"X-Compute-Request-Id"},
		ProjectAfter:     "v2.1",
		Versions:         map[string]string{"v2": "v2.1"},
	}
}

var faultNames = map[int]string{
	400: "badRequest", 401: "unauthorized", 403: "forbidden", 404: "itemNotFound", 405: "badMethod",
	409: "conflictingRequest", 413: "overLimit", 415: "badMediaType", 429: "overLimit", 501: "notImplemented",
	503: "serviceUnavailable",
}

// fault writes Nova's envelope: one key that names the status.
func fault(w http.ResponseWriter, _ *http.Request, status int, e *errs.Error, _ string) {
	name := faultNames[status]
	if name == "" {
		name = "computeFault"
	}
	httpx.WriteJSON(w, status, map[string]any{name: map[string]any{"code": status, "message": e.Msg}})
}
