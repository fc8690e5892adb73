package api

import (
	"context"
	"net/http"
	"slices"

	"kumoi/internal/kernel/change"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/rest"
	"kumoi/internal/network"
)

// routers is /v2.0/routers, with what connects them.
func (a *api) routers() []httpx.Route {
	type R = network.NewRouter
	type V = network.Router
	s, std := a.svc.Routers, func(v *V) *network.Standard { return &v.Standard }
	stored := slices.Concat(own(std, std), described(std, std), []rest.Attribute[V, V]{
		rest.Attr("admin_state_up", rest.Both, true, toBool, func(v *V) *bool { return &v.AdminStateUp }).By("admin_state_up"),
		matching(rest.ReadOnly[V]("status", func(w *rest.Writer, key string, v *V) { w.Text(key, v.Status) }), "status", nil),
		rest.Asked("routes", rest.Put, rest.Unset, listOf(toRoute), func(v *V) *[]network.Route { return &v.Routes },
			func(w *rest.Writer, key string, v *V) { writeRoutes(w, key, v.Routes) }),
		rest.Attr("availability_zone_hints", rest.Post, rest.Unset, listOf(toText(255)), func(v *V) *[]string { return &v.AZHints }).Filtered(containing("availability_zone_hints", nil)),
		rest.ReadOnly[V]("availability_zones", func(w *rest.Writer, key string, v *V) { w.Texts(key, zonesOf(v.AZHints)) }).Filtered(inZones),
	})
	c := &rest.Resource[V, change.Patch[R], change.Patch[R]]{
		Path: "/v2.0/routers", One: "router", Many: "routers", ID: func(v *V) string { return v.ID },
		List: s.List, Show: s.Show, Create: s.Create, CreateMany: s.CreateMany, Update: s.Update, Delete: s.Delete,
	}
	out := collection(a, c, rest.NewAttributes(append(rest.Lift(stored, func(r *R) *V { return &r.Router }),
		rest.Set("external_gateway_info", rest.Both, nil, func(r *R, v any) (err error) {
			r.GatewayGiven = true
			r.WantGateway, err = toGateway(v)
			return err
		}, writeGateway))...))
	put := func(name string, h httpx.Handler) {
		out = append(out, httpx.Route{Method: http.MethodPut, Path: c.Path + "/{router_id}/" + name, Policy: name, Handler: h})
	}
	put("add_router_interface", connect(s.AddInterface))
	put("remove_router_interface", connect(s.RemoveInterface))
	extra := func(do func(context.Context, string, []network.Route) (*V, error)) httpx.Handler {
		return func(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
			list, err := listIn(r, "router", "routes")
			if err != nil {
				return nil, err
			}
			routes, err := listOf(toRoute)(list)
			if err != nil {
				return nil, badRequest("Invalid input for routes. Reason: %s.", err)
			}
			v, err := do(ctx, r.Var("router_id"), routes)
			return c.Answer(ctx, r, http.StatusOK, v, err)
		}
	}
	put("add_extraroutes", extra(s.AddRoutes))
	put("remove_extraroutes", extra(s.RemoveRoutes))
	return out
}

// connect answers to adding or removing an interface.
func connect(do func(ctx context.Context, routerID, subnetID, portID string) (*network.RouterInterface, error)) httpx.Handler {
	return func(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
		body, err := bodyOf(r, "subnet_id", "port_id")
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
		ri, err := do(ctx, r.Var("router_id"), subnet, port)
		if err != nil {
			return nil, err
		}
		return rest.Answer(http.StatusOK, func(w *rest.Writer) { writeInterface(w, ri) }), nil
	}
}

func writeInterface(w *rest.Writer, ri *network.RouterInterface) {
	w.Object("", func() {
		w.Text("id", ri.Router.ID)
		w.Text("tenant_id", ri.Router.ProjectID)
		w.Text("project_id", ri.Router.ProjectID)
		w.Text("port_id", ri.Port.ID)
		w.Text("network_id", ri.Port.NetworkID)
		w.Text("subnet_id", append(ri.SubnetIDs, "")[0])
		w.Texts("subnet_ids", ri.SubnetIDs)
		w.Texts("tags", ri.Router.Tags)
	})
}

func toGateway(v any) (*network.GatewayRequest, error) {
	if v == nil {
		return nil, nil
	}
	m, err := toObject(v, "network_id", "enable_snat", "external_fixed_ips")
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

func writeGateway(w *rest.Writer, key string, r *network.Router) {
	if r.Gateway == nil {
		w.Null(key)
		return
	}
	w.Object(key, func() {
		w.Text("network_id", r.Gateway.NetworkID)
		w.Bool("enable_snat", r.Gateway.SNAT)
		writeFixedIPs(w, "external_fixed_ips", r.Gateway.FixedIPs)
	})
}
