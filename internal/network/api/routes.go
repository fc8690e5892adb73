package api

import (
	"context"
	"net/http"

	"kumoi/internal/kernel/httpx"
	"kumoi/internal/network"
)

// New describes the networking API.
func New(svc *network.Service) *httpx.Service {
	return &httpx.Service{
		Name: "neutron", Type: "network", Prefix: "/network", Routes: table(&api{svc, svc}),
		Status: status, Fault: fault, StripJSON: true,
	}
}

// table is every route of the API.
func table(a *api) []httpx.Route {
	s := a.svc
	tr := trunkResource(s)
	out := []httpx.Route{
		{Method: http.MethodGet, Path: "/", Public: true, Handler: versionList},
		{Method: http.MethodGet, Path: "/v2.0/", Handler: resourceList},
		{Method: http.MethodGet, Path: "/healthcheck", Public: true, Handler: func(context.Context, *httpx.Request) (*httpx.Response, error) {
			return httpx.Text(http.StatusOK, "OK"), nil
		}},
		{Method: http.MethodGet, Path: "/v2.0/extensions", Handler: listExtensions},
		{Method: http.MethodGet, Path: "/v2.0/extensions/{alias}", Handler: showExtension},
		{Method: http.MethodGet, Path: "/v2.0/floatingip_pools", Policy: "get_floatingip_pool", Handler: a.floatingPools},
		{Method: http.MethodGet, Path: "/v2.0/floatingip-pools", Policy: "get_floatingip_pool", Handler: a.floatingPools},
		{Method: http.MethodGet, Path: "/v2.0/qos/rule-types", Policy: "get_rule_type", Handler: a.ruleTypes},
		{Method: http.MethodGet, Path: "/v2.0/qos/rule-types/{rule_type}", Policy: "get_rule_type", Handler: a.ruleType},
		{Method: http.MethodGet, Path: "/v2.0/service-providers", Policy: "get_service_provider", Handler: a.serviceProviders},
	}
	for _, more := range [][]httpx.Route{
		a.networks(), a.subnets(), a.ports(), a.routers(), a.floatingIPs(), a.forwardings(),
		a.securityGroups(), a.defaultRules(), a.addressGroups(),
		a.subnetPools(), a.addressScopes(), routes(a, rbacResource(s)),
		a.quotaRoutes(), a.topologyRoutes(), a.qosPolicies(), routes(a, tr), a.trunkActions(tr), a.qosRules(), a.agents(), routes(a, availabilityResource(s)), a.tagRoutes(),
	} {
		out = append(out, more...)
	}
	return out
}
