package api

import (
	"context"
	"net/http"

	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/network"
)

// New describes the networking API.
func New(svc *network.Service) *httpx.Service {
	return &httpx.Service{
		Name: "neutron", Type: "network", Prefix: "/network", Routes: table(&api{svc}),
		Status: status, Fault: fault, StripJSON: true,
	}
}

type api struct{ svc *network.Service }

// sees remembers what the actor may see within one answer.
func (a *api) sees(ctx context.Context) func(string) bool {
	memo := map[string]bool{}
	project := actor.From(ctx).ProjectID
	return func(rule string) bool {
		ok, known := memo[rule]
		if !known {
			ok = a.svc.Access.Sees(ctx, rule, project)
			memo[rule] = ok
		}
		return ok
	}
}

// table is every route of the API.
func table(a *api) []httpx.Route {
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
		a.securityGroups(), a.defaultRules(), a.addressGroups(), a.subnetPools(), a.addressScopes(),
		a.rbacPolicies(), a.quotaRoutes(), a.topologyRoutes(), a.qosPolicies(), a.trunks(), a.qosRules(),
		a.agents(), a.ipAvailabilities(), a.tagRoutes(),
	} {
		out = append(out, more...)
	}
	return out
}
