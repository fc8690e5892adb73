package api

import (
	"context"
	"net/http"
	"strings"

	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/micro"
	"kumoi/internal/kernel/store"
)

func fields(s string) []string { return strings.Fields(s) }

// proxyRoutes are the other services' resources that compute showed as its own
// until 2.35. Clients written then still ask here.
func (a *api) proxyRoutes() []httpx.Route {
	const p = "os_compute_api:"
	last := micro.V(2, 35)
	empty := func(rule, key string) httpx.Handler {
		return func(ctx context.Context, _ *httpx.Request) (*httpx.Response, error) {
			if _, err := a.svc.Proxies.Network(ctx, rule); err != nil {
				return nil, err
			}
			return httpx.JSON(http.StatusOK, object{key: []object{}}), nil
		}
	}
	none := func(rule, what, param string) httpx.Handler {
		return func(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
			if _, err := a.svc.Proxies.Network(ctx, rule); err != nil {
				return nil, err
			}
			return nil, notHere(what, r.Var(param))
		}
	}
	never := func(context.Context, *httpx.Request) (*httpx.Response, error) {
		return nil, bad("Command Not supported. Please use Ironic command to perform this action.")
	}
	routes := []httpx.Route{
		{Method: "GET", Path: "/v2.1/os-networks", Policy: p + "os-networks:list", Handler: a.networks.list("os-networks:list")},
		{Method: "GET", Path: "/v2.1/os-networks/{network_id}", Policy: p + "os-networks:show", Handler: a.networks.show("os-networks:show")},
		{Method: "GET", Path: "/v2.1/os-tenant-networks", Policy: p + "os-tenant-networks:list", Handler: a.networks.list("os-tenant-networks:list")},
		{Method: "GET", Path: "/v2.1/os-tenant-networks/{network_id}", Policy: p + "os-tenant-networks:show", Handler: a.networks.show("os-tenant-networks:show")},
		{Method: "GET", Path: "/v2.1/os-floating-ip-pools", Policy: p + "os-floating-ip-pools:list", Handler: a.floatingIPs.listPools},
		{Method: "GET", Path: "/v2.1/os-floating-ips", Policy: p + "os-floating-ips:list", Handler: a.floatingIPs.list},
		{Method: "POST", Path: "/v2.1/os-floating-ips", Policy: p + "os-floating-ips:create", Handler: a.floatingIPs.create},
		{Method: "GET", Path: "/v2.1/os-floating-ips/{floating_ip_id}", Policy: p + "os-floating-ips:show", Handler: a.floatingIPs.show},
		{Method: "DELETE", Path: "/v2.1/os-floating-ips/{floating_ip_id}", Policy: p + "os-floating-ips:delete", Handler: a.floatingIPs.delete},
		{Method: "GET", Path: "/v2.1/os-security-groups", Policy: p + "os-security-groups:get", Handler: a.securityGroups.list},
		{Method: "POST", Path: "/v2.1/os-security-groups", Policy: p + "os-security-groups:create", Handler: a.securityGroups.create},
		{Method: "GET", Path: "/v2.1/os-security-groups/{security_group_id}", Policy: p + "os-security-groups:show", Handler: a.securityGroups.show},
		{Method: "PUT", Path: "/v2.1/os-security-groups/{security_group_id}", Policy: p + "os-security-groups:update", Handler: a.securityGroups.update},
		{Method: "DELETE", Path: "/v2.1/os-security-groups/{security_group_id}", Policy: p + "os-security-groups:delete", Handler: a.securityGroups.delete},
		{Method: "POST", Path: "/v2.1/os-security-group-rules", Policy: p + "os-security-groups:rule:create", Handler: a.securityGroups.createRule},
		{Method: "DELETE", Path: "/v2.1/os-security-group-rules/{rule_id}", Policy: p + "os-security-groups:rule:delete", Handler: a.securityGroups.deleteRule},

		{Method: "GET", Path: "/v2.1/os-baremetal-nodes", Policy: p + "os-baremetal-nodes:list", Handler: empty("os-baremetal-nodes:list", "nodes")},
		{Method: "GET", Path: "/v2.1/os-baremetal-nodes/{node_id}", Policy: p + "os-baremetal-nodes:show", Handler: none("os-baremetal-nodes:show", "Node", "node_id")},
		{Method: "POST", Path: "/v2.1/os-baremetal-nodes", Handler: never},
		{Method: "DELETE", Path: "/v2.1/os-baremetal-nodes/{node_id}", Handler: never},
		{Method: "POST", Path: "/v2.1/os-baremetal-nodes/{node_id}/action", Action: "add_interface", Handler: never},
		{Method: "POST", Path: "/v2.1/os-baremetal-nodes/{node_id}/action", Action: "remove_interface", Handler: never},
	}
	routes = append(routes, a.volumes.routes()...)
	for i := range routes {
		routes[i].Max = last
	}
	return append(routes, a.images.routes()...)
}

// oldestFirst is the order of the network's lists.
var oldestFirst = store.Query{Sort: []store.Sort{{Field: "created_at"}, {Field: "id"}}}
