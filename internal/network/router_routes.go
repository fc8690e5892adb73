package network

import (
	"context"
	"slices"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

// routeThrough tells whether the route's next hop is on a subnet of the addresses.
func (f *Routers) routeThrough(ctx context.Context, tx *store.Tx, ips []FixedIP, route Route) bool {
	for _, fixed := range ips {
		sub, err := f.s.Subnets.table.Get(ctx, tx, fixed.SubnetID)
		if err == nil && sub.CIDR.Contains(route.NextHop) {
			return true
		}
	}
	return false
}

// checkRoutes makes sure that every next hop is a neighbour of the router and not itself.
func (f *Routers) checkRoutes(ctx context.Context, tx *store.Tx, r *Router) error {
	if len(r.Routes) > 30 {
		return fault(errs.Invalid, "RoutesExhausted", "Unable to complete operation for %s. The number of routes exceeds the maximum 30.", r.ID)
	}
	ps, err := f.ports(ctx, tx, r.ID)
	if err != nil {
		return err
	}
	for _, route := range r.Routes {
		var own []FixedIP
		for _, p := range ps {
			own = append(own, p.FixedIPs...)
		}
		if slices.ContainsFunc(own, func(fixed FixedIP) bool { return fixed.IP == route.NextHop }) {
			return fault(errs.Invalid, "InvalidRoutes", "Invalid format for routes: %v, the nexthop is used by router", route.NextHop)
		}
		if !f.routeThrough(ctx, tx, own, route) {
			return fault(errs.Invalid, "InvalidRoutes", "Invalid format for routes: %v, the nexthop is not connected with router", route.NextHop)
		}
	}
	return nil
}

// AddRoutes adds static routes.
func (f *Routers) AddRoutes(ctx context.Context, id string, routes []Route) (*Router, error) {
	return f.changeRoutes(ctx, "add_extraroutes", id, func(r *Router, tx *store.Tx) error {
		for _, route := range routes {
			if !slices.Contains(r.Routes, route) {
				r.Routes = append(r.Routes, route)
			}
		}
		return f.checkRoutes(ctx, tx, r)
	})
}

// RemoveRoutes takes static routes away; those that are not there are no error.
func (f *Routers) RemoveRoutes(ctx context.Context, id string, routes []Route) (*Router, error) {
	return f.changeRoutes(ctx, "remove_extraroutes", id, func(r *Router, _ *store.Tx) error {
		r.Routes = slices.DeleteFunc(r.Routes, func(x Route) bool { return slices.Contains(routes, x) })
		return nil
	})
}

func (f *Routers) changeRoutes(ctx context.Context, rule, id string, change func(r *Router, tx *store.Tx) error) (*Router, error) {
	return changeOne(ctx, f.s, func(tx *store.Tx) (*Router, error) {
		r, err := f.act(ctx, tx, rule, id)
		if err != nil {
			return nil, err
		}
		if err := change(r, tx); err != nil {
			return nil, err
		}
		f.s.projector.touchRouter(tx, id)
		return r, f.save(ctx, tx, r)
	})
}
