package api

import (
	"context"
	"net/http"
	"slices"

	"kumoi/internal/compute"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/rest"
)

// projectRoutes are what projects and users have beside servers.
func (a *api) projectRoutes() []httpx.Route {
	const p = "os_compute_api:"
	quotas := "/v2.1/os-quota-sets/{project_id}"
	routes := []httpx.Route{
		{Method: "GET", Path: "/v2.1/limits", Policy: p + "limits", Handler: a.quotas.limits},
		{Method: "GET", Path: quotas, Policy: p + "os-quota-sets:show", Handler: a.quotas.show},
		{Method: "GET", Path: quotas + "/detail", Policy: p + "os-quota-sets:detail", Handler: a.quotas.detail},
		{Method: "GET", Path: quotas + "/defaults", Policy: p + "os-quota-sets:defaults", Handler: a.quotas.defaults},
		{Method: "PUT", Path: quotas, Policy: p + "os-quota-sets:update", Handler: a.quotas.update},
		{Method: "DELETE", Path: quotas, Policy: p + "os-quota-sets:delete", Handler: a.quotas.delete},
		{Method: "GET", Path: "/v2.1/os-quota-class-sets/{quota_class}", Policy: p + "os-quota-class-sets:show", Handler: a.quotas.showClass},
		{Method: "PUT", Path: "/v2.1/os-quota-class-sets/{quota_class}", Policy: p + "os-quota-class-sets:update", Handler: a.quotas.updateClass},
		{Method: "GET", Path: "/v2.1/os-availability-zone", Policy: p + "os-availability-zone:list", Handler: a.listZones(false)},
		{Method: "GET", Path: "/v2.1/os-availability-zone/detail", Policy: p + "os-availability-zone:detail", Handler: a.listZones(true)},
		{Method: "GET", Path: "/v2.1/os-simple-tenant-usage", Policy: p + "os-simple-tenant-usage:list", Handler: a.usages.list},
		{Method: "GET", Path: "/v2.1/os-simple-tenant-usage/{project_id}", Policy: p + "os-simple-tenant-usage:show", Handler: a.usages.show},
	}
	return slices.Concat(routes, a.keypairRoutes(), a.serverGroupRoutes())
}

func (a *api) listZones(detail bool) httpx.Handler {
	rule := "os-availability-zone:list"
	if detail {
		rule = "os-availability-zone:detail"
	}
	return func(ctx context.Context, _ *httpx.Request) (*httpx.Response, error) {
		zones, err := a.svc.Hosts.Zones(ctx, rule)
		if err != nil {
			return nil, err
		}
		docs := []object{}
		for _, z := range zones {
			doc := object{"zoneName": z.Name, "zoneState": object{"available": len(z.Hosts) == 0 || usable(z.Hosts)}, "hosts": nil}
			if detail {
				hosts := object{}
				for _, h := range z.Hosts {
					hosts[h.Name] = object{"nova-compute": object{"active": !h.Disabled, "available": h.Up, "updated_at": rest.Micros.Of(h.SeenAt)}}
				}
				doc["hosts"] = hosts
			}
			docs = append(docs, doc)
		}
		return httpx.JSON(http.StatusOK, object{"availabilityZoneInfo": docs}), nil
	}
}

// usable tells whether a zone has a host that is enabled.
func usable(hosts []*compute.Host) bool {
	for _, h := range hosts {
		if !h.Disabled {
			return true
		}
	}
	return false
}
