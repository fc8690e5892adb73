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

// api answers Nova's clients: its handlers are in families, as their use cases are.
type api struct {
	svc *compute.Service

	servers        servers
	actions        actions
	aggregates     aggregates
	attachments    attachments
	consoles       consoles
	flavors        flavors
	hypervisors    hypervisors
	networks       networks
	floatingIPs    floatingIPs
	securityGroups securityGroups
	images         images
	volumes        volumes
	quotas         quotas
	serverParts    serverParts
	interfaces     interfaces
	metadata       metadata
	tags           tags
	services       services
	usages         usages
	oldExtensions  oldExtensions
}

// The families of handlers. Those of other services' resources are what versions
// before 2.36 and 2.39 showed as compute's own.
type (
	servers        struct{ *api }
	actions        struct{ *api }
	aggregates     struct{ *api }
	attachments    struct{ *api }
	consoles       struct{ *api }
	flavors        struct{ *api }
	hypervisors    struct{ *api }
	networks       struct{ *api }
	floatingIPs    struct{ *api }
	securityGroups struct{ *api }
	images         struct{ *api }
	volumes        struct{ *api }
	quotas         struct{ *api }
	serverParts    struct{ *api }
	interfaces     struct{ *api }
	metadata       struct{ *api }
	tags           struct{ *api }
	services       struct{ *api }
	usages         struct{ *api }
	oldExtensions  struct{ *api }
)

func newAPI(svc *compute.Service) *api {
	a := &api{svc: svc}
	a.servers = servers{a}
	a.actions = actions{a}
	a.aggregates = aggregates{a}
	a.attachments = attachments{a}
	a.consoles = consoles{a}
	a.flavors = flavors{a}
	a.hypervisors = hypervisors{a}
	a.networks = networks{a}
	a.floatingIPs = floatingIPs{a}
	a.securityGroups = securityGroups{a}
	a.images = images{a}
	a.volumes = volumes{a}
	a.quotas = quotas{a}
	a.serverParts = serverParts{a}
	a.interfaces = interfaces{a}
	a.metadata = metadata{a}
	a.tags = tags{a}
	a.services = services{a}
	a.usages = usages{a}
	a.oldExtensions = oldExtensions{a}
	return a
}

// New returns the compute service as the gateway mounts it.
func New(svc *compute.Service) *httpx.Service {
	a := newAPI(svc)
	return &httpx.Service{
		Name: "nova", Type: "compute", Prefix: "/compute",
		Routes: slices.Concat(
			a.versionRoutes(), a.servers.routes(), a.actions.routes(), a.serverParts.routes(), a.flavors.routes(),
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
