package api

import (
	"context"
	"net/http"
	"strconv"

	"kumoi/internal/compute"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/micro"
	"kumoi/internal/kernel/rest"
)

// operatorRoutes are for those who run the cloud.
func (a *api) operatorRoutes() []httpx.Route {
	const p = "os_compute_api:"
	aggregate := "/v2.1/os-aggregates/{aggregate_id}"
	return []httpx.Route{
		{Method: "GET", Path: "/v2.1/os-aggregates", Policy: p + "os-aggregates:index", Handler: a.listAggregates},
		{Method: "POST", Path: "/v2.1/os-aggregates", Policy: p + "os-aggregates:create", Handler: a.createAggregate},
		{Method: "GET", Path: aggregate, Policy: p + "os-aggregates:show", Handler: a.showAggregate},
		{Method: "PUT", Path: aggregate, Policy: p + "os-aggregates:update", Handler: a.updateAggregate},
		{Method: "DELETE", Path: aggregate, Policy: p + "os-aggregates:delete", Handler: a.deleteAggregate},
		{Method: "POST", Path: aggregate + "/action", Action: "add_host", Policy: p + "os-aggregates:add_host", Handler: a.aggregateHost("add_host", a.svc.AddAggregateHost)},
		{Method: "POST", Path: aggregate + "/action", Action: "remove_host", Policy: p + "os-aggregates:remove_host", Handler: a.aggregateHost("remove_host", a.svc.RemoveAggregateHost)},
		{Method: "POST", Path: aggregate + "/action", Action: "set_metadata", Policy: p + "os-aggregates:set_metadata", Handler: a.aggregateMetadata},
		{Method: "POST", Path: aggregate + "/images", Min: micro.V(2, 81), Policy: p + "compute:aggregates:images", Handler: a.aggregateImages},

		{Method: "GET", Path: "/v2.1/os-hypervisors", Policy: p + "os-hypervisors:list", Handler: a.listHypervisors(false)},
		{Method: "GET", Path: "/v2.1/os-hypervisors/detail", Policy: p + "os-hypervisors:list-detail", Handler: a.listHypervisors(true)},
		{Method: "GET", Path: "/v2.1/os-hypervisors/statistics", Max: micro.V(2, 87), Policy: p + "os-hypervisors:statistics", Handler: a.hypervisorStatistics},
		{Method: "GET", Path: "/v2.1/os-hypervisors/{hypervisor_id}", Policy: p + "os-hypervisors:show", Handler: a.showHypervisor},
		{Method: "GET", Path: "/v2.1/os-hypervisors/{hypervisor_id}/uptime", Max: micro.V(2, 87), Policy: p + "os-hypervisors:uptime", Handler: a.hypervisorUptime},
		{Method: "GET", Path: "/v2.1/os-hypervisors/{hypervisor_pattern}/search", Max: micro.V(2, 52), Policy: p + "os-hypervisors:search", Handler: a.searchHypervisors("search")},
		{Method: "GET", Path: "/v2.1/os-hypervisors/{hypervisor_pattern}/servers", Max: micro.V(2, 52), Policy: p + "os-hypervisors:servers", Handler: a.searchHypervisors("servers")},

		{Method: "GET", Path: "/v2.1/os-services", Policy: p + "os-services:list", Handler: a.listServices},
		{Method: "PUT", Path: "/v2.1/os-services/enable", Max: micro.V(2, 52), Policy: p + "os-services:update", Handler: a.oldServiceUpdate("enable")},
		{Method: "PUT", Path: "/v2.1/os-services/disable", Max: micro.V(2, 52), Policy: p + "os-services:update", Handler: a.oldServiceUpdate("disable")},
		{Method: "PUT", Path: "/v2.1/os-services/disable-log-reason", Max: micro.V(2, 52), Policy: p + "os-services:update", Handler: a.oldServiceUpdate("disable-log-reason")},
		{Method: "PUT", Path: "/v2.1/os-services/force-down", Min: micro.V(2, 11), Max: micro.V(2, 52), Policy: p + "os-services:update", Handler: a.oldServiceUpdate("force-down")},
		{Method: "PUT", Path: "/v2.1/os-services/{service_id}", Min: micro.V(2, 53), Policy: p + "os-services:update", Handler: a.updateService},
		{Method: "DELETE", Path: "/v2.1/os-services/{service_id}", Policy: p + "os-services:delete", Handler: a.deleteService},

		{Method: "GET", Path: "/v2.1/os-migrations", Policy: p + "os-migrations:index", Handler: a.listMigrations},
		{Method: "POST", Path: "/v2.1/os-server-external-events", Policy: p + "os-server-external-events:create", Handler: a.externalEvents},
		{Method: "GET", Path: "/v2.1/os-instance_usage_audit_log", Policy: p + "os-instance-usage-audit-log:list", Handler: a.auditLog("os-instance-usage-audit-log:list")},
		{Method: "GET", Path: "/v2.1/os-instance_usage_audit_log/{before_timestamp}", Policy: p + "os-instance-usage-audit-log:show", Handler: a.auditLog("os-instance-usage-audit-log:show")},
		{Method: "GET", Path: "/v2.1/os-console-auth-tokens/{console_token}", Policy: p + "os-console-auth-tokens", SecretPath: true, Handler: a.consoleToken},
		{Method: "POST", Path: "/v2.1/os-assisted-volume-snapshots", Policy: p + "os-assisted-volume-snapshots:create", Handler: a.assistedSnapshot("os-assisted-volume-snapshots:create")},
		{Method: "DELETE", Path: "/v2.1/os-assisted-volume-snapshots/{snapshot_id}", Policy: p + "os-assisted-volume-snapshots:delete", Handler: a.assistedSnapshot("os-assisted-volume-snapshots:delete")},

		{Method: "GET", Path: "/v2.1/os-hosts", Max: micro.V(2, 42), Policy: p + "os-hosts:list", Handler: a.listHosts},
		{Method: "GET", Path: "/v2.1/os-hosts/{host_name}", Max: micro.V(2, 42), Policy: p + "os-hosts:show", Handler: a.showHost},
		{Method: "PUT", Path: "/v2.1/os-hosts/{host_name}", Max: micro.V(2, 42), Policy: p + "os-hosts:update", Handler: a.updateHost},
		{Method: "GET", Path: "/v2.1/os-hosts/{host_name}/reboot", Max: micro.V(2, 42), Policy: p + "os-hosts:reboot", Handler: a.hostPower("os-hosts:reboot")},
		{Method: "GET", Path: "/v2.1/os-hosts/{host_name}/shutdown", Max: micro.V(2, 42), Policy: p + "os-hosts:shutdown", Handler: a.hostPower("os-hosts:shutdown")},
		{Method: "GET", Path: "/v2.1/os-hosts/{host_name}/startup", Max: micro.V(2, 42), Policy: p + "os-hosts:start", Handler: a.hostPower("os-hosts:start")},
	}
}

func aggregateDoc(r *httpx.Request, g *compute.Aggregate) object {
	doc := object{
		"id": g.ID, "name": g.Name, "hosts": g.Hosts, "metadata": g.Metadata, "availability_zone": any(nil),
		"created_at": rest.Micros.Of(g.CreatedAt), "updated_at": rest.Micros.OrNull(g.UpdatedAt), "deleted": false, "deleted_at": nil,
	}
	if z := g.Zone(); z != "" {
		doc["availability_zone"] = z
	}
	if r.AtLeast(2, 41) {
		doc["uuid"] = g.UUID
	}
	return doc
}

func aggregateID(r *httpx.Request) (int64, error) {
	id, err := strconv.ParseInt(r.Var("aggregate_id"), 10, 64)
	if err != nil {
		return 0, bad("Invalid input for field/attribute aggregate_id. Value: %s. '%s' is not an integer", r.Var("aggregate_id"), r.Var("aggregate_id"))
	}
	return id, nil
}

func (a *api) listAggregates(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	all, err := a.svc.Aggregates(ctx)
	if err != nil {
		return nil, err
	}
	docs := make([]object, len(all))
	for i, g := range all {
		docs[i] = aggregateDoc(r, g)
	}
	return httpx.JSON(http.StatusOK, object{"aggregates": docs}), nil
}

func aggregateResponse(r *httpx.Request, g *compute.Aggregate, err error) (*httpx.Response, error) {
	if err != nil {
		return nil, err
	}
	return httpx.JSON(http.StatusOK, object{"aggregate": aggregateDoc(r, g)}), nil
}

func (a *api) showAggregate(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	if err := a.svc.Check(ctx, "os-aggregates:show"); err != nil {
		return nil, err
	}
	id, err := aggregateID(r)
	if err != nil {
		return nil, err
	}
	g, err := a.svc.Aggregate(ctx, id)
	return aggregateResponse(r, g, err)
}

var (
	zoneName              = object{"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[^:]*$", "format": "name"}
	createAggregateSchema = fixed(wrapped("aggregate", strict(list{"name"}, object{"name": nameType, "availability_zone": nullable(zoneName)})))
	updateAggregateSchema = fixed(wrapped("aggregate", with(strict(nil, object{"name": nameType, "availability_zone": nullable(zoneName)}), object{"minProperties": 1})))
)

type aggregateBody struct {
	Aggregate struct {
		Name *string
		Zone optional[string] `json:"availability_zone"`
	} `json:"aggregate"`
}

func (a *api) createAggregate(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	if err := a.svc.Check(ctx, "os-aggregates:create"); err != nil {
		return nil, err
	}
	var b aggregateBody
	if err := body(r, createAggregateSchema, &b); err != nil {
		return nil, err
	}
	zone := ""
	if b.Aggregate.Zone.Value != nil {
		zone = *b.Aggregate.Zone.Value
	}
	g, err := a.svc.CreateAggregate(ctx, *b.Aggregate.Name, zone)
	if err != nil {
		return nil, err
	}
	doc := aggregateDoc(r, g)
	delete(doc, "hosts") // Nova's answer has neither
	delete(doc, "metadata")
	return httpx.JSON(http.StatusOK, object{"aggregate": doc}), nil
}

func (a *api) updateAggregate(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	if err := a.svc.Check(ctx, "os-aggregates:update"); err != nil {
		return nil, err
	}
	id, err := aggregateID(r)
	if err != nil {
		return nil, err
	}
	var b aggregateBody
	if err := body(r, updateAggregateSchema, &b); err != nil {
		return nil, err
	}
	g, err := a.svc.UpdateAggregate(ctx, id, b.Aggregate.Name, b.Aggregate.Zone.pointer())
	return aggregateResponse(r, g, err)
}

func (a *api) deleteAggregate(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	if err := a.svc.Check(ctx, "os-aggregates:delete"); err != nil {
		return nil, err
	}
	id, err := aggregateID(r)
	if err != nil {
		return nil, err
	}
	if err := a.svc.DeleteAggregate(ctx, id); err != nil {
		return nil, err
	}
	return httpx.Empty(http.StatusOK), nil
}

func (a *api) aggregateHost(action string, do func(ctx context.Context, id int64, host string) (*compute.Aggregate, error)) httpx.Handler {
	s := fixed(wrapped(action, strict(list{"host"}, object{"host": hostType})))
	return func(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
		if err := a.svc.Check(ctx, "os-aggregates:"+action); err != nil {
			return nil, err
		}
		id, err := aggregateID(r)
		if err != nil {
			return nil, err
		}
		var b map[string]struct{ Host string }
		if err := body(r, s, &b); err != nil {
			return nil, err
		}
		g, err := do(ctx, id, b[action].Host)
		return aggregateResponse(r, g, err)
	}
}

var aggregateMetadataSchema = fixed(wrapped("set_metadata", strict(list{"metadata"}, object{
	"metadata": object{"type": "object", "propertyNames": metaKey, "additionalProperties": object{"type": list{"string", "null"}, "maxLength": 255}},
})))

func (a *api) aggregateMetadata(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	if err := a.svc.Check(ctx, "os-aggregates:set_metadata"); err != nil {
		return nil, err
	}
	id, err := aggregateID(r)
	if err != nil {
		return nil, err
	}
	var b struct {
		Set struct{ Metadata map[string]*string } `json:"set_metadata"`
	}
	if err := body(r, aggregateMetadataSchema, &b); err != nil {
		return nil, err
	}
	g, err := a.svc.SetAggregateMetadata(ctx, id, b.Set.Metadata)
	return aggregateResponse(r, g, err)
}

var aggregateImagesSchema = fixed(strict(list{"cache"}, object{"cache": object{
	"type": "array", "minItems": 1, "items": strict(list{"id"}, object{"id": uuidType}),
}}))

func (a *api) aggregateImages(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	id, err := aggregateID(r)
	if err != nil {
		return nil, err
	}
	var b struct{ Cache []struct{ ID string } }
	if err := body(r, aggregateImagesSchema, &b); err != nil {
		return nil, err
	}
	var images []string
	for _, c := range b.Cache {
		if contains(images, c.ID) {
			return nil, bad("Duplicate images in request")
		}
		images = append(images, c.ID)
	}
	if err := a.svc.CacheImages(ctx, id, images); err != nil {
		return nil, err
	}
	return httpx.Empty(http.StatusAccepted), nil
}

// assistedSnapshot is what volume drivers on shared files ask of compute; this
// cloud has no such drivers.
func (a *api) assistedSnapshot(rule string) httpx.Handler {
	return func(ctx context.Context, _ *httpx.Request) (*httpx.Response, error) {
		if err := a.svc.Check(ctx, rule); err != nil {
			return nil, err
		}
		return nil, bad("This cloud's volumes do not need compute to make or delete their snapshots.")
	}
}
