package api

import (
	"context"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/httpx"
)

// goneRoutes are APIs that Nova has removed: their paths answer 410 for ever.
func (a *api) goneRoutes() []httpx.Route {
	gone := func(context.Context, *httpx.Request) (*httpx.Response, error) {
		return nil, errs.New(errs.Gone, "This resource is no longer available. No forwarding address is given.") // Nova's words
	}
	var routes []httpx.Route
	for _, p := range []struct{ methods, path string }{
		{"GET POST", "/servers/{server_id}/consoles"},
		{"GET DELETE", "/servers/{server_id}/consoles/{console_id}"},
		{"GET", "/servers/{server_id}/os-virtual-interfaces"},
		{"GET POST", "/os-agents"},
		{"PUT DELETE", "/os-agents/{agent_id}"},
		{"GET POST", "/os-cells"},
		{"GET", "/os-cells/capacities"},
		{"GET", "/os-cells/detail"},
		{"GET", "/os-cells/info"},
		{"POST", "/os-cells/sync_instances"},
		{"GET PUT DELETE", "/os-cells/{cell_name}"},
		{"GET", "/os-cells/{cell_name}/capacities"},
		{"POST", "/os-certificates"},
		{"GET", "/os-certificates/root"},
		{"GET POST", "/os-cloudpipe"},
		{"PUT", "/os-cloudpipe/configure-project"},
		{"GET", "/os-fping"},
		{"GET", "/os-fping/{server_id}"},
		{"GET", "/os-floating-ip-dns"},
		{"PUT DELETE", "/os-floating-ip-dns/{domain}"},
		{"GET", "/os-floating-ip-dns/{domain}/entries/{ip_or_name}"},
		{"PUT DELETE", "/os-floating-ip-dns/{domain}/entries/{name}"},
		{"GET POST", "/os-floating-ips-bulk"},
		{"GET", "/os-floating-ips-bulk/{host_name}"},
		{"PUT", "/os-floating-ips-bulk/delete"},
		{"GET", "/os-fixed-ips/{fixed_ip}"},
		{"GET POST", "/os-security-group-default-rules"},
		{"GET DELETE", "/os-security-group-default-rules/{rule_id}"},
		{"POST", "/os-networks"},
		{"POST", "/os-networks/add"},
		{"DELETE", "/os-networks/{network_id}"},
		{"POST", "/os-tenant-networks"},
		{"DELETE", "/os-tenant-networks/{network_id}"},
	} {
		for _, m := range fields(p.methods) {
			routes = append(routes, httpx.Route{Method: m, Path: "/v2.1" + p.path, Handler: gone})
		}
	}
	for path, actions := range map[string][]string{
		"/os-fixed-ips/{fixed_ip}/action":  {"reserve", "unreserve"},
		"/os-networks/{network_id}/action": {"disassociate", "disassociate_host", "disassociate_project", "associate_host"},
	} {
		for _, action := range actions {
			routes = append(routes, httpx.Route{Method: "POST", Path: "/v2.1" + path, Action: action, Handler: gone})
		}
	}
	return append(routes, a.proxyRoutes()...)
}
