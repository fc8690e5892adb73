package network

import (
	"context"
	"slices"

	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/change"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

// NewRouter is what a request for a router says, or for a change of one.
type NewRouter struct {
	Router
	WantGateway *GatewayRequest // with GatewayGiven: nil takes it away
	// GatewayGiven tells whether the request speaks of the gateway at all.
	GatewayGiven bool
}

// GatewayRequest is external_gateway_info of a request.
type GatewayRequest struct {
	NetworkID string // "" clears the gateway
	SNAT      *bool
	FixedIPs  []FixedIP
	IPsGiven  bool
}

// Routers are the use cases of routers.
type Routers struct {
	family[Router, *Router]
}

func newRouters(s *Service, t Tables) *Routers {
	return &Routers{family[Router, *Router]{s: s, table: t.Routers, name: "router", code: "RouterNotFound", say: "Router %s could not be found"}}
}

// Create makes a router.
func (f *Routers) Create(ctx context.Context, p change.Patch[NewRouter]) (*Router, error) {
	return createOne(ctx, f.s, p, f.CreateTx)
}

// CreateMany makes all or none.
func (f *Routers) CreateMany(ctx context.Context, many []change.Patch[NewRouter]) ([]*Router, error) {
	return createAll(ctx, f.s, many, f.CreateTx)
}

// CreateTx is Create inside the caller's transaction.
func (f *Routers) CreateTx(ctx context.Context, tx *store.Tx, p change.Patch[NewRouter]) (*Router, error) {
	req := &NewRouter{Router: Router{AdminStateUp: true}}
	if err := p.To(req); err != nil {
		return nil, err
	}
	if err := f.begin(ctx, &req.Router, p.Named); err != nil {
		return nil, err
	}
	return &req.Router, f.add(ctx, tx, &req.Router, req.WantGateway)
}

func (f *Routers) add(ctx context.Context, tx *store.Tx, r *Router, gateway *GatewayRequest) error {
	if err := f.s.Quotas.count(ctx, tx, r.ProjectID, "router", 1); err != nil {
		return err
	}
	if err := f.s.Agents.checkHints(ctx, tx, r.AZHints); err != nil {
		return err
	}
	r.Status = StatusActive
	if err := f.table.Insert(ctx, tx, r); err != nil {
		return err
	}
	if gateway != nil && gateway.NetworkID != "" {
		if err := f.setGateway(ctx, tx, r, gateway); err != nil {
			return err
		}
		if err := f.table.Update(ctx, tx, r); err != nil {
			return err
		}
	}
	f.s.projector.touchRouter(tx, r.ID)
	return nil
}

// Update changes a router.
func (f *Routers) Update(ctx context.Context, id string, p change.Patch[NewRouter]) (*Router, error) {
	return changeOne(ctx, f.s, func(tx *store.Tx) (*Router, error) {
		old, err := f.open(ctx, tx, "update", id, p.Named)
		if err != nil {
			return nil, err
		}
		req := &NewRouter{Router: *old}
		if err := p.To(req); err != nil {
			return nil, err
		}
		if req.GatewayGiven {
			want := req.WantGateway
			if want == nil {
				want = &GatewayRequest{}
			}
			if err := f.setGateway(ctx, tx, &req.Router, want); err != nil {
				return nil, err
			}
		}
		if !slices.Equal(old.Routes, req.Routes) {
			if err := f.checkRoutes(ctx, tx, &req.Router); err != nil {
				return nil, err
			}
		}
		f.s.projector.touchRouter(tx, id)
		return &req.Router, f.save(ctx, tx, &req.Router)
	})
}

// Delete deletes a router without interfaces.
func (f *Routers) Delete(ctx context.Context, id string) error {
	return f.s.db.Write(ctx, func(tx *store.Tx) error { return f.DeleteTx(ctx, tx, id) })
}

// DeleteTx is Delete inside the caller's transaction.
func (f *Routers) DeleteTx(ctx context.Context, tx *store.Tx, id string) error {
	s := f.s
	r, err := f.open(ctx, tx, "delete", id, nil)
	if err != nil {
		return err
	}
	ps, err := s.Routers.ports(ctx, tx, id)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(ps, func(p *Port) bool { return p.HeldAs != OwnerRouterGateway }) {
		return fault(errs.Conflict, "RouterInUse", "Router %s still has ports", id)
	}
	if err := s.Routers.noFloatingIPs(ctx, tx, r); err != nil {
		return err
	}
	if err := s.Routers.table.Delete(ctx, tx, id); err != nil {
		return err
	}
	for _, p := range ps {
		if err := s.Ports.remove(ctx, tx, p); err != nil {
			return err
		}
	}
	s.projector.touchRouter(tx, id)
	return nil
}

// routerOwners are how routers hold ports.
var routerOwners = []string{OwnerRouterInterface, OwnerRouterGateway}

func (f *Routers) ports(ctx context.Context, tx *store.Tx, routerID string) ([]*Port, error) {
	return f.s.Ports.table.All(ctx, tx, store.Eq("held_by", routerID), store.In("held_as", routerOwners))
}

func (f *Routers) noFloatingIPs(ctx context.Context, tx *store.Tx, r *Router) error {
	if r.Gateway == nil {
		return nil
	}
	used, err := f.s.FloatingIPs.table.Any(ctx, tx, store.Eq("router_id", r.ID))
	if err == nil && used {
		return fault(errs.Conflict, "RouterExternalGatewayInUseByFloatingIp",
			"Gateway cannot be updated for router %s, since a gateway to external network %s is required by one or more floating IPs.", r.ID, r.Gateway.NetworkID)
	}
	return err
}

// setGateway gives the router the gateway asked for, or takes it away.
func (f *Routers) setGateway(ctx context.Context, tx *store.Tx, r *Router, req *GatewayRequest) error {
	if r.Gateway != nil && r.Gateway.NetworkID != req.NetworkID {
		if err := f.noFloatingIPs(ctx, tx, r); err != nil {
			return err
		}
		for _, route := range r.Routes {
			if f.routeThrough(ctx, tx, r.Gateway.FixedIPs, route) {
				return fault(errs.Conflict, "RouterInterfaceInUseByRoute",
					"Router gateway of router %s cannot be taken away, as it is required by one or more routes.", r.ID)
			}
		}
		old, err := f.s.Ports.table.Get(ctx, tx, r.Gateway.PortID)
		if err != nil && !isNotFound(err) {
			return err
		}
		if err == nil {
			if err := f.s.Ports.remove(ctx, tx, old); err != nil {
				return err
			}
		}
		r.Gateway = nil
	}
	if req.NetworkID == "" {
		return nil
	}
	n, err := f.s.Networks.visible(ctx, tx, req.NetworkID)
	if err != nil {
		return err
	}
	if !f.s.Networks.mayGoOut(ctx, n) {
		return fault(errs.Invalid, "BadRequest", "Bad router request: Network %s is not an external network.", n.ID)
	}
	if r.Gateway == nil {
		if err := f.makeGateway(ctx, tx, r, n, req); err != nil {
			return err
		}
	} else if req.IPsGiven {
		p, err := f.s.Ports.load(ctx, tx, r.Gateway.PortID)
		if err != nil {
			return err
		}
		if err := f.s.Ports.changeIPs(ctx, tx, p, req.FixedIPs); err != nil {
			return err
		}
		if err := f.s.Ports.save(ctx, tx, p); err != nil {
			return err
		}
		f.s.projector.touchPort(tx, p)
		r.Gateway.FixedIPs = p.FixedIPs
	}
	if req.SNAT != nil {
		r.Gateway.SNAT = *req.SNAT
	}
	return nil
}

// mayGoOut tells whether the network is external for the actor, not for others only.
func (f *Networks) mayGoOut(ctx context.Context, n *Network) bool {
	return n.External && (n.externalVisible || n.ProjectID == actor.From(ctx).ProjectID || f.s.Access.isAdmin(ctx))
}

func (f *Routers) makeGateway(ctx context.Context, tx *store.Tx, r *Router, n *Network, req *GatewayRequest) error {
	inside, err := f.interfaceSubnets(ctx, tx, r.ID)
	if err != nil {
		return err
	}
	outside, err := f.s.Subnets.table.All(ctx, tx, store.Eq("network_id", n.ID))
	if err != nil {
		return err
	}
	for _, o := range outside {
		for _, in := range inside {
			if in.CIDR.Overlaps(o.CIDR) {
				return overlapFault(o, in)
			}
		}
	}
	p := newOwnPort(f.s, n, OwnerRouterGateway, r.ID)
	p.Revision = 1
	if err := f.s.Ports.insert(ctx, tx, n, p, PortWants{WantIPs: req.FixedIPs, IPsGiven: req.IPsGiven && len(req.FixedIPs) > 0}); err != nil {
		return err
	}
	if len(p.FixedIPs) == 0 && len(outside) > 0 {
		return fault(errs.Conflict, "IpAddressGenerationFailure", "No more IP addresses available on network %s.", n.ID)
	}
	r.Gateway = &Gateway{NetworkID: n.ID, SNAT: true, PortID: p.ID, FixedIPs: p.FixedIPs}
	return nil
}

// gatewayMoved copies a gateway port's addresses into its router.
func (f *Routers) gatewayMoved(ctx context.Context, tx *store.Tx, p *Port) error {
	r, err := f.table.Get(ctx, tx, p.HeldBy)
	if isNotFound(err) || r != nil && r.Gateway == nil {
		return nil
	}
	if err != nil {
		return err
	}
	r.Gateway.FixedIPs = p.FixedIPs
	f.s.projector.touchRouter(tx, r.ID)
	return f.save(ctx, tx, r)
}

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

// interfaceSubnets are the subnets that the router is in, the gateway's excepted.
func (f *Routers) interfaceSubnets(ctx context.Context, tx *store.Tx, routerID string) ([]*Subnet, error) {
	ps, err := f.s.Ports.table.All(ctx, tx, store.Eq("held_by", routerID), store.Eq("held_as", OwnerRouterInterface))
	if err != nil {
		return nil, err
	}
	var in []string
	for _, p := range ps {
		in = append(in, subnetIDs(p)...)
	}
	return f.s.Subnets.table.All(ctx, tx, store.In("id", in))
}

func overlapFault(a, b *Subnet) error {
	return fault(errs.Invalid, "BadRequest", "Bad router request: Cidr %s of subnet %s overlaps with cidr %s of subnet %s.", a.CIDR, a.ID, b.CIDR, b.ID)
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
