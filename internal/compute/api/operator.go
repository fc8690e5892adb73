package api

import (
	"context"
	"slices"

	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/micro"
)

// operatorRoutes are for those who run the cloud.
func (a *api) operatorRoutes() []httpx.Route {
	const p = "os_compute_api:"
	return slices.Concat(a.aggregates.routes(), a.migrationRoutes(), []httpx.Route{
		{Method: "GET", Path: "/v2.1/os-hypervisors", Policy: p + "os-hypervisors:list", Handler: a.hypervisors.list(false)},
		{Method: "GET", Path: "/v2.1/os-hypervisors/detail", Policy: p + "os-hypervisors:list-detail", Handler: a.hypervisors.list(true)},
		{Method: "GET", Path: "/v2.1/os-hypervisors/statistics", Max: micro.V(2, 87), Policy: p + "os-hypervisors:statistics", Handler: a.hypervisors.statistics},
		{Method: "GET", Path: "/v2.1/os-hypervisors/{hypervisor_id}", Policy: p + "os-hypervisors:show", Handler: a.hypervisors.show},
		{Method: "GET", Path: "/v2.1/os-hypervisors/{hypervisor_id}/uptime", Max: micro.V(2, 87), Policy: p + "os-hypervisors:uptime", Handler: a.hypervisors.uptime},
		{Method: "GET", Path: "/v2.1/os-hypervisors/{hypervisor_pattern}/search", Max: micro.V(2, 52), Policy: p + "os-hypervisors:search", Handler: a.hypervisors.search("search")},
		{Method: "GET", Path: "/v2.1/os-hypervisors/{hypervisor_pattern}/servers", Max: micro.V(2, 52), Policy: p + "os-hypervisors:servers", Handler: a.hypervisors.search("servers")},

		{Method: "GET", Path: "/v2.1/os-services", Policy: p + "os-services:list", Handler: a.services.list},
		{Method: "PUT", Path: "/v2.1/os-services/enable", Max: micro.V(2, 52), Policy: p + "os-services:update", Handler: a.services.oldUpdate("enable")},
		{Method: "PUT", Path: "/v2.1/os-services/disable", Max: micro.V(2, 52), Policy: p + "os-services:update", Handler: a.services.oldUpdate("disable")},
		{Method: "PUT", Path: "/v2.1/os-services/disable-log-reason", Max: micro.V(2, 52), Policy: p + "os-services:update", Handler: a.services.oldUpdate("disable-log-reason")},
		{Method: "PUT", Path: "/v2.1/os-services/force-down", Min: micro.V(2, 11), Max: micro.V(2, 52), Policy: p + "os-services:update", Handler: a.services.oldUpdate("force-down")},
		{Method: "PUT", Path: "/v2.1/os-services/{service_id}", Min: micro.V(2, 53), Policy: p + "os-services:update", Handler: a.services.update},
		{Method: "DELETE", Path: "/v2.1/os-services/{service_id}", Policy: p + "os-services:delete", Handler: a.services.delete},

		{Method: "POST", Path: "/v2.1/os-server-external-events", Policy: p + "os-server-external-events:create", Handler: a.externalEvents},
		{Method: "GET", Path: "/v2.1/os-instance_usage_audit_log", Policy: p + "os-instance-usage-audit-log:list", Handler: a.usages.auditLog("os-instance-usage-audit-log:list")},
		{Method: "GET", Path: "/v2.1/os-instance_usage_audit_log/{before_timestamp}", Policy: p + "os-instance-usage-audit-log:show", Handler: a.usages.auditLog("os-instance-usage-audit-log:show")},
		{Method: "GET", Path: "/v2.1/os-console-auth-tokens/{console_token}", Policy: p + "os-console-auth-tokens", SecretPath: true, Handler: a.consoles.consoleToken},
		{Method: "POST", Path: "/v2.1/os-assisted-volume-snapshots", Policy: p + "os-assisted-volume-snapshots:create", Handler: a.assistedSnapshot("os-assisted-volume-snapshots:create")},
		{Method: "DELETE", Path: "/v2.1/os-assisted-volume-snapshots/{snapshot_id}", Policy: p + "os-assisted-volume-snapshots:delete", Handler: a.assistedSnapshot("os-assisted-volume-snapshots:delete")},

		{Method: "GET", Path: "/v2.1/os-hosts", Max: micro.V(2, 42), Policy: p + "os-hosts:list", Handler: a.services.listHosts},
		{Method: "GET", Path: "/v2.1/os-hosts/{host_name}", Max: micro.V(2, 42), Policy: p + "os-hosts:show", Handler: a.services.showHost},
		{Method: "PUT", Path: "/v2.1/os-hosts/{host_name}", Max: micro.V(2, 42), Policy: p + "os-hosts:update", Handler: a.services.updateHost},
		{Method: "GET", Path: "/v2.1/os-hosts/{host_name}/reboot", Max: micro.V(2, 42), Policy: p + "os-hosts:reboot", Handler: a.services.hostPower("os-hosts:reboot")},
		{Method: "GET", Path: "/v2.1/os-hosts/{host_name}/shutdown", Max: micro.V(2, 42), Policy: p + "os-hosts:shutdown", Handler: a.services.hostPower("os-hosts:shutdown")},
		{Method: "GET", Path: "/v2.1/os-hosts/{host_name}/startup", Max: micro.V(2, 42), Policy: p + "os-hosts:start", Handler: a.services.hostPower("os-hosts:start")},
	})
}

// assistedSnapshot is what volume drivers on shared files ask of compute; this
// cloud has no such drivers.
func (a *api) assistedSnapshot(rule string) httpx.Handler {
	return func(ctx context.Context, _ *httpx.Request) (*httpx.Response, error) {
		return nil, a.svc.Proxies.Assist(ctx, rule)
	}
}
