package api

import (
	"context"
	"net/http"

	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/store"
	"kumoi/internal/network"
)

// routerResource is /v2.0/routers.
func routerResource(s *network.Service) *resource[network.NewRouter, network.Router] {
	type R = network.NewRouter
	type V = network.Router
	attrs := standard(func(r *R) *network.Standard { return &r.Standard }, func(v *V) *network.Standard { return &v.Standard }, "name", "description", "tags")
	attrs = append(attrs,
		field("admin_state_up", post|put, true, toBool, func(r *R) *bool { return &r.AdminStateUp }, func(v *V) any { return v.AdminStateUp }),
		shown[R]("status", func(v *V) any { return v.Status }),
		field("external_gateway_info", post|put, nil, toGateway, func(r *R) **network.GatewayRequest { return &r.Gateway }, func(v *V) any { return gatewayInfo(v) }).unfiltered(),
		field("routes", put, unset, listOf(toRoute), func(r *R) *[]network.Route { return &r.Routes }, func(v *V) any { return routeList(v.Routes) }).unfiltered(),
		field("availability_zone_hints", post, unset, listOf(toText(255)), func(r *R) *[]string { return &r.AZHints }, func(v *V) any { return orEmpty(v.AZHints) }),
		shown[R]("availability_zones", func(v *V) any {
			if len(v.AZHints) > 0 {
				return v.AZHints
			}
			return []string{network.DefaultAZ}
		}),
	)
	return &resource[R, V]{
		member: "router", collection: "routers", path: "/v2.0/routers", attrs: attrs, createBulk: true,
		id: func(v *V) string { return v.ID }, tags: func(v *V) []string { return v.Tags },
		begin: func() *R { return &R{Router: &V{AdminStateUp: true}} },
		list:  s.Routers, paged: true, show: s.Router,
		create: func(ctx context.Context, tx *store.Tx, r *R, c network.Change) (*V, error) {
			return r.Router, s.CreateRouter(ctx, tx, *r, c)
		},
		update: func(ctx context.Context, tx *store.Tx, id string, c network.Change, apply func(*R) error) (*V, error) {
			scratch := R{Router: &V{}}
			if err := apply(&scratch); err != nil {
				return nil, err
			}
			gateway := scratch.Gateway
			if gateway == nil && c.Has("external_gateway_info") {
				gateway = &network.GatewayRequest{}
			}
			return s.UpdateRouter(ctx, tx, id, c, gateway, func(v *V) error { return apply(&R{Router: v}) })
		},
		remove: s.DeleteRouter,
	}
}

func toGateway(v any) (*network.GatewayRequest, error) {
	if v == nil {
		return nil, nil
	}
	m, err := object(v, "network_id", "enable_snat", "external_fixed_ips")
	if err != nil {
		return nil, err
	}
	g := &network.GatewayRequest{}
	if len(m) == 0 {
		return g, nil
	}
	if g.NetworkID, err = toUUIDOrNone(m["network_id"]); err != nil {
		return nil, err
	}
	if x, ok := m["enable_snat"]; ok && x != nil {
		b, err := toBool(x)
		if err != nil {
			return nil, err
		}
		g.SNAT = &b
	}
	if x, ok := m["external_fixed_ips"]; ok && x != nil {
		g.IPsGiven = true
		g.FixedIPs, err = toFixedIPs(x)
	}
	return g, err
}

func gatewayInfo(r *network.Router) any {
	if r.Gateway == nil {
		return nil
	}
	return map[string]any{
		"network_id": r.Gateway.NetworkID, "enable_snat": r.Gateway.SNAT, "external_fixed_ips": fixedList(r.Gateway.FixedIPs),
	}
}

// routerActions are the member actions of routers.
func (a *api) routerActions(r *resource[network.NewRouter, network.Router]) []httpx.Route {
	h := &handlers[network.NewRouter, network.Router]{a, r}
	connect := func(f func(context.Context, *store.Tx, string, string, string) (*network.RouterInterface, error)) httpx.Handler {
		return func(ctx context.Context, req *httpx.Request) (*httpx.Response, error) {
			body, err := bodyOf(req, "subnet_id", "port_id")
			if err != nil {
				return nil, err
			}
			subnet, err := toUUIDOrNone(body["subnet_id"])
			if err != nil {
				return nil, badRequest("Invalid input for subnet_id. Reason: %s.", err)
			}
			port, err := toUUIDOrNone(body["port_id"])
			if err != nil {
				return nil, badRequest("Invalid input for port_id. Reason: %s.", err)
			}
			var ri *network.RouterInterface
			if err := a.db.Write(ctx, func(tx *store.Tx) (err error) {
				ri, err = f(ctx, tx, idOf(req), subnet, port)
				return err
			}); err != nil {
				return nil, err
			}
			first := ""
			if len(ri.SubnetIDs) > 0 {
				first = ri.SubnetIDs[0]
			}
			return httpx.JSON(http.StatusOK, map[string]any{
				"id": ri.Router.ID, "tenant_id": ri.Router.ProjectID, "project_id": ri.Router.ProjectID, "port_id": ri.Port.ID,
				"network_id": ri.Port.NetworkID, "subnet_id": first, "subnet_ids": ri.SubnetIDs, "tags": orEmpty(ri.Router.Tags),
			}), nil
		}
	}
	extra := func(add bool) httpx.Handler {
		return func(ctx context.Context, req *httpx.Request) (*httpx.Response, error) {
			list, err := listIn(req, "router", "routes")
			if err != nil {
				return nil, err
			}
			routes, err := listOf(toRoute)(list)
			if err != nil {
				return nil, badRequest("Invalid input for routes. Reason: %s.", err)
			}
			var v *network.Router
			if err := a.db.Write(ctx, func(tx *store.Tx) (err error) {
				v, err = a.svc.ChangeRoutes(ctx, tx, idOf(req), add, routes)
				return err
			}); err != nil {
				return nil, err
			}
			return h.answer(ctx, http.StatusOK, v, nil)
		}
	}
	base := "/v2.0/routers/{router_id}/"
	return []httpx.Route{
		{Method: http.MethodPut, Path: base + "add_router_interface", Policy: "add_router_interface", Handler: connect(a.svc.AddRouterInterface)},
		{Method: http.MethodPut, Path: base + "remove_router_interface", Policy: "remove_router_interface", Handler: connect(a.svc.RemoveRouterInterface)},
		{Method: http.MethodPut, Path: base + "add_extraroutes", Policy: "add_extraroutes", Handler: extra(true)},
		{Method: http.MethodPut, Path: base + "remove_extraroutes", Policy: "remove_extraroutes", Handler: extra(false)},
	}
}
