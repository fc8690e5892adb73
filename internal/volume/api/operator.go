package api

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/rest"
	"kumoi/internal/volume"
)

// operatorRoutes are for those who run the cloud, and what every client may ask of it.
func (a *api) operatorRoutes() []httpx.Route {
	const update = "volume_extension:services:update"
	services := "/v3/os-services"
	return slices.Concat(a.quotaRoutes(), a.backendRoutes(), []httpx.Route{
		route("GET", services, "volume_extension:services:index", a.listServices),
		route("PUT", services+"/enable", update, a.switchService(false, false)),
		route("PUT", services+"/disable", update, a.switchService(true, false)),
		route("PUT", services+"/disable-log-reason", update, a.switchService(true, true)),
		route("PUT", services+"/freeze", "volume:freeze_host", a.freezeBackend(a.svc.Operator.Freeze)),
		route("PUT", services+"/thaw", "volume:thaw_host", a.freezeBackend(a.svc.Operator.Thaw)),
		route("PUT", services+"/failover_host", "volume:failover_host", a.failoverHost),
		since(32, route("PUT", services+"/get-log", update, a.getLog)),
		since(32, route("PUT", services+"/set-log", update, a.setLog)),
		since(7, route("GET", "/v3/clusters", "clusters:get_all", a.listClusters)),
		since(7, route("GET", "/v3/clusters/detail", "clusters:get_all", a.listClusters)),
		since(7, route("GET", "/v3/clusters/{cluster_name}", "clusters:get", a.showCluster)),
		since(7, route("PUT", "/v3/clusters/enable", "clusters:update", a.updateCluster)),
		since(7, route("PUT", "/v3/clusters/disable", "clusters:update", a.updateCluster)),
		since(24, route("POST", "/v3/workers/cleanup", "workers:cleanup", a.cleanup)),
		since(33, route("GET", "/v3/resource_filters", "", a.listResourceFilters)),
		route("GET", "/v3/os-availability-zone", "", a.listZones),
		route("GET", "/v3/extensions", "", listExtensions),
	})
}

// word is "up" or "down", "enabled" or "disabled" and the like.
func word(b bool, yes, no string) string {
	if b {
		return yes
	}
	return no
}

func (a *api) listServices(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	all, err := a.svc.Operator.Services(ctx)
	if err != nil {
		return nil, err
	}
	wanted := func(name, have string) bool { return !r.Query.Has(name) || r.Query.Get(name) == have }
	return rest.Answer(http.StatusOK, func(w *rest.Writer) {
		w.Object("", func() {
			w.List("services", func() {
				for _, s := range all {
					h, _, _ := strings.Cut(s.Host, "@")
					if wanted("binary", s.Binary) && (wanted("host", s.Host) || wanted("host", h)) {
						w.Object("", func() { writeService(w, r, s) })
					}
				}
			})
		})
	}), nil
}

func writeService(w *rest.Writer, r *httpx.Request, s volume.ServiceState) {
	w.Text("binary", s.Binary)
	w.Text("host", s.Host)
	w.Text("zone", s.Zone)
	w.Text("status", word(s.Disabled, "disabled", "enabled"))
	w.Text("state", word(s.Up, "up", "down"))
	w.Time("updated_at", s.UpdatedAt, rest.Micros)
	if s.Binary == volume.BinaryVolume && r.AtLeast(3, 49) {
		w.Text("backend_state", word(s.Up && s.Fault == "", "up", "down"))
	}
	if r.AtLeast(3, 7) {
		w.Null("cluster")
	}
	w.TextOrNull("disabled_reason", s.Reason)
	if s.Binary == volume.BinaryVolume {
		w.Text("replication_status", "disabled")
		w.Null("active_backend_id")
		w.Bool("frozen", s.Frozen)
	}
}

// serviceSchema is a body that names a service.
func serviceSchema(more object) *rest.Schema {
	part := object{"type": "string", "minLength": 1, "maxLength": 255}
	return fixed(merged(closed(nil, merged(object{"binary": part, "service": part, "host": hostType, "cluster": optionalText}, more)),
		object{"anyOf": list{object{"required": list{"binary"}}, object{"required": list{"service"}}}}))
}

var switchSchemas = map[bool]*rest.Schema{
	false: serviceSchema(nil), true: serviceSchema(object{"disabled_reason": object{"type": "string", "minLength": 1, "maxLength": 255, "pattern": `\S`}}),
}

type serviceBody struct {
	Binary  string
	Service string
	Host    string
	Cluster string
	Reason  string `json:"disabled_reason"`
}

// switchService disables a service, perhaps with a reason, or enables it.
func (a *api) switchService(disabled, reason bool) httpx.Handler {
	return func(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
		b, err := rest.Body[serviceBody](r, switchSchemas[reason])
		if err != nil {
			return nil, err
		}
		if b.Host == "" {
			return nil, bad("Invalid input received: Host field is missing.")
		}
		binary := b.Binary
		if binary == "" {
			binary = b.Service
		}
		if err := a.svc.Operator.Disable(ctx, binary, b.Host, b.Reason, disabled); err != nil {
			return nil, err
		}
		out := object{"host": b.Host, "service": b.Service, "binary": b.Binary, "status": word(disabled, "disabled", "enabled"), "disabled": disabled}
		if reason {
			out["disabled_reason"] = b.Reason
		}
		return httpx.JSON(http.StatusOK, out), nil
	}
}

var freezeSchema = fixed(closed(nil, object{"cluster": optionalText, "host": hostType}))

// hostOf reads which backend a body names; clusters, which there are none of, are named since 3.26.
func hostOf(r *httpx.Request, s *rest.Schema) (string, error) {
	b, err := rest.Body[serviceBody](r, s)
	if err != nil {
		return "", err
	}
	if !r.AtLeast(3, 26) {
		b.Cluster = ""
	}
	if (b.Host == "") == (b.Cluster == "") {
		return "", bad("Invalid input received: %s", word(r.AtLeast(3, 26), "One and only one of cluster and host must be set.", "Host field is missing."))
	}
	if b.Cluster != "" {
		return "", bad("Invalid input received: Cluster %s could not be found.", b.Cluster)
	}
	return b.Host, nil
}

func (a *api) freezeBackend(do func(ctx context.Context, host string) error) httpx.Handler {
	return func(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
		host, err := hostOf(r, freezeSchema)
		if err != nil {
			return nil, err
		}
		if err := do(ctx, host); err != nil {
			return nil, err
		}
		return httpx.Empty(http.StatusOK), nil
	}
}

var failoverSchema = fixed(closed(nil, object{"cluster": optionalText, "host": hostType, "backend_id": optionalText}))

func (a *api) failoverHost(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	host, err := hostOf(r, failoverSchema)
	if err != nil {
		return nil, err
	}
	return accepted(a.svc.Operator.Failover(ctx, host))
}

func (a *api) listClusters(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	known := []string{"name", "binary", "is_up", "disabled", "num_hosts", "num_down_hosts"}
	if r.AtLeast(3, 26) {
		known = append(known, "replication_status", "frozen", "active_backend_id")
	}
	if err := a.svc.Operator.Clusters(ctx, "get_all", ""); err != nil {
		return nil, err
	}
	for name := range r.Query {
		if !slices.Contains(known, name) {
			return nil, bad("Invalid input received: Invalid filter keys: %s", name)
		}
	}
	return httpx.JSON(http.StatusOK, object{"clusters": list{}}), nil
}

func (a *api) showCluster(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	return nil, a.svc.Operator.Clusters(ctx, "get", r.Var("cluster_name"))
}

var clusterSchema = fixed(closed(list{"name"}, object{"name": nameType, "binary": optionalText, "disabled_reason": optionalText}))

func (a *api) updateCluster(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	b, err := rest.Body[struct{ Name string }](r, clusterSchema)
	if err != nil {
		return nil, err
	}
	return nil, a.svc.Operator.Clusters(ctx, "update", b.Name)
}

var cleanupSchema = fixed(closed(nil, object{
	"cluster_name": hostType, "disabled": boolType, "host": hostType, "is_up": boolType, "binary": object{"enum": list{"cinder-volume", "cinder-scheduler"}},
	"resource_id": optionalID, "resource_type": object{"type": list{"string", "null"}, "maxLength": 40},
	"service_id": object{"type": list{"integer", "string", "null"}, "pattern": "^[0-9]*$", "maxLength": 11},
}))

func (a *api) cleanup(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	if _, err := cleanupSchema.Check(r); err != nil {
		return nil, err
	}
	if err := a.svc.Operator.Cleanup(ctx); err != nil {
		return nil, err
	}
	return httpx.JSON(http.StatusAccepted, object{"cleaning": list{}, "unavailable": list{}}), nil
}

func (a *api) listZones(ctx context.Context, _ *httpx.Request) (*httpx.Response, error) {
	zones, err := a.svc.Operator.Zones(ctx)
	if err != nil {
		return nil, err
	}
	return rest.Answer(http.StatusOK, func(w *rest.Writer) {
		w.Object("", func() {
			w.List("availabilityZoneInfo", func() {
				for _, z := range zones {
					w.Object("", func() {
						w.Text("zoneName", z)
						w.Object("zoneState", func() { w.Bool("available", true) })
					})
				}
			})
		})
	}), nil
}
