package network

import (
	"context"
	"slices"

	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

// NewRouter is what a request for a router says beside the router itself.
type NewRouter struct {
	*Router
	Gateway *GatewayRequest
}

// GatewayRequest is external_gateway_info of a request.
type GatewayRequest struct {
	NetworkID string // "" clears the gateway
	SNAT      *bool
	FixedIPs  []FixedIP
	IPsGiven  bool
}

// Routers returns the routers that the actor may see.
func (s *Service) Routers(ctx context.Context, f Filter) ([]*Router, error) {
	return routers.all(ctx, s, f)
}

// Router returns one router that the actor may see.
func (s *Service) Router(ctx context.Context, id string) (*Router, error) {
	return routers.show(ctx, s, id)
}

// CreateRouter makes a router.
func (s *Service) CreateRouter(ctx context.Context, tx *store.Tx, req NewRouter, c Change) error {
	r := req.Router
	if err := routers.prepare(ctx, s, r, c); err != nil {
		return err
	}
	if err := routers.countQuota(ctx, s, tx, r.ProjectID, 1); err != nil {
		return err
	}
	if err := s.checkAZHints(ctx, tx, r.AZHints); err != nil {
		return err
	}
	r.Status = StatusActive
	if err := routerTable.Insert(ctx, tx, r); err != nil {
		return err
	}
	if req.Gateway != nil && req.Gateway.NetworkID != "" {
		if err := s.setGateway(ctx, tx, r, req.Gateway); err != nil {
			return err
		}
		if err := routerTable.Update(ctx, tx, r); err != nil {
			return err
		}
	}
	s.touchRouter(tx, r.ID)
	return nil
}

// UpdateRouter changes a router by apply; gateway is nil where it stays as it is.
func (s *Service) UpdateRouter(ctx context.Context, tx *store.Tx, id string, c Change, gateway *GatewayRequest, apply func(*Router) error) (*Router, error) {
	r, err := routers.open(ctx, s, tx, "update", id, c)
	if err != nil {
		return nil, err
	}
	old := *r
	if err := apply(r); err != nil {
		return nil, err
	}
	if gateway != nil {
		if err := s.setGateway(ctx, tx, r, gateway); err != nil {
			return nil, err
		}
	}
	if !slices.Equal(old.Routes, r.Routes) {
		if err := s.checkRoutes(ctx, tx, r); err != nil {
			return nil, err
		}
	}
	s.touchRouter(tx, id)
	return r, routers.save(ctx, s, tx, r)
}

// DeleteRouter deletes a router without interfaces.
func (s *Service) DeleteRouter(ctx context.Context, tx *store.Tx, id string, c Change) error {
	r, err := routers.open(ctx, s, tx, "delete", id, c)
	if err != nil {
		return err
	}
	ps, err := s.routerPorts(ctx, tx, id)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(ps, func(p *Port) bool { return p.HeldAs != OwnerRouterGateway }) {
		return fault(errs.Conflict, "RouterInUse", "Router %s still has ports", id)
	}
	if err := s.noFloatingIPs(ctx, tx, r); err != nil {
		return err
	}
	if err := routerTable.Delete(ctx, tx, id); err != nil {
		return err
	}
	for _, p := range ps {
		if err := s.removePort(ctx, tx, p); err != nil {
			return err
		}
	}
	s.touchRouter(tx, id)
	return nil
}

func (s *Service) routerPorts(ctx context.Context, tx *store.Tx, routerID string) ([]*Port, error) {
	return portTable.Find(ctx, tx, portTable.Select().Where("held_by = ?", routerID).Where("held_as LIKE 'network:router_%'").OrderBy("id"))
}

func (s *Service) noFloatingIPs(ctx context.Context, tx *store.Tx, r *Router) error {
	if r.Gateway == nil {
		return nil
	}
	n, err := floatingIPTable.Count(ctx, tx, "router_id = ?", r.ID)
	if err == nil && n > 0 {
		return fault(errs.Conflict, "RouterExternalGatewayInUseByFloatingIp",
			"Gateway cannot be updated for router %s, since a gateway to external network %s is required by one or more floating IPs.", r.ID, r.Gateway.NetworkID)
	}
	return err
}

// setGateway gives the router the gateway asked for, or takes it away.
func (s *Service) setGateway(ctx context.Context, tx *store.Tx, r *Router, req *GatewayRequest) error {
	if r.Gateway != nil && r.Gateway.NetworkID != req.NetworkID {
		if err := s.noFloatingIPs(ctx, tx, r); err != nil {
			return err
		}
		for _, route := range r.Routes {
			if s.routeThrough(ctx, tx, r.Gateway.FixedIPs, route) {
				return fault(errs.Conflict, "RouterInterfaceInUseByRoute",
					"Router gateway of router %s cannot be taken away, as it is required by one or more routes.", r.ID)
			}
		}
		old, err := portTable.Get(ctx, tx, r.Gateway.PortID)
		if err != nil && !isNotFound(err) {
			return err
		}
		if err == nil {
			if err := s.removePort(ctx, tx, old); err != nil {
				return err
			}
		}
		r.Gateway = nil
	}
	if req.NetworkID == "" {
		return nil
	}
	n, err := networks.visible(ctx, s, tx, req.NetworkID)
	if err != nil {
		return err
	}
	if !s.mayGoOut(ctx, n) {
		return fault(errs.Invalid, "BadRequest", "Bad router request: Network %s is not an external network.", n.ID)
	}
	if r.Gateway == nil {
		if err := s.makeGateway(ctx, tx, r, n, req); err != nil {
			return err
		}
	} else if req.IPsGiven {
		p, err := ports.load(ctx, tx, r.Gateway.PortID)
		if err != nil {
			return err
		}
		if err := s.changeIPs(ctx, tx, p, req.FixedIPs); err != nil {
			return err
		}
		if err := ports.save(ctx, s, tx, p); err != nil {
			return err
		}
		s.touchPort(tx, p)
		r.Gateway.FixedIPs = p.FixedIPs
	}
	if req.SNAT != nil {
		r.Gateway.SNAT = *req.SNAT
	}
	return nil
}

// mayGoOut tells whether the network is external for the actor, not for others only.
func (s *Service) mayGoOut(ctx context.Context, n *Network) bool {
	return n.External && (n.externalVisible || n.ProjectID == actor.From(ctx).ProjectID || s.isAdmin(ctx))
}

func (s *Service) makeGateway(ctx context.Context, tx *store.Tx, r *Router, n *Network, req *GatewayRequest) error {
	inside, err := s.interfaceSubnets(ctx, tx, r.ID)
	if err != nil {
		return err
	}
	outside, err := subnetTable.Where(ctx, tx, "network_id", n.ID)
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
	p := newOwnPort(s, n, OwnerRouterGateway, r.ID)
	p.Revision = 1
	if err := s.insertPort(ctx, tx, n, NewPort{Port: p, WantIPs: req.FixedIPs, IPsGiven: req.IPsGiven && len(req.FixedIPs) > 0}); err != nil {
		return err
	}
	if len(p.FixedIPs) == 0 && len(outside) > 0 {
		return fault(errs.Conflict, "IpAddressGenerationFailure", "No more IP addresses available on network %s.", n.ID)
	}
	r.Gateway = &Gateway{NetworkID: n.ID, SNAT: true, PortID: p.ID, FixedIPs: p.FixedIPs}
	return nil
}

// gatewayMoved copies a gateway port's addresses into its router.
func (s *Service) gatewayMoved(ctx context.Context, tx *store.Tx, p *Port) error {
	r, err := routerTable.Get(ctx, tx, p.HeldBy)
	if isNotFound(err) || r != nil && r.Gateway == nil {
		return nil
	}
	if err != nil {
		return err
	}
	r.Gateway.FixedIPs = p.FixedIPs
	s.touchRouter(tx, r.ID)
	return routers.save(ctx, s, tx, r)
}

// routeThrough tells whether the route's next hop is on a subnet of the addresses.
func (s *Service) routeThrough(ctx context.Context, tx *store.Tx, ips []FixedIP, route Route) bool {
	for _, f := range ips {
		sub, err := subnetTable.Get(ctx, tx, f.SubnetID)
		if err == nil && sub.CIDR.Contains(route.NextHop) {
			return true
		}
	}
	return false
}

// interfaceSubnets are the subnets that the router is in, the gateway's excepted.
func (s *Service) interfaceSubnets(ctx context.Context, tx *store.Tx, routerID string) ([]*Subnet, error) {
	idList, err := store.All(ctx, tx, store.Value[string],
		`SELECT a.subnet_id FROM network_ip_allocation a JOIN network_port p ON p.id = a.port_id
		WHERE p.held_by = ? AND p.held_as = ?`, routerID, OwnerRouterInterface)
	if err != nil {
		return nil, err
	}
	return subnetTable.WhereIn(ctx, tx, "id", idList)
}

func overlapFault(a, b *Subnet) error {
	return fault(errs.Invalid, "BadRequest", "Bad router request: Cidr %s of subnet %s overlaps with cidr %s of subnet %s.", a.CIDR, a.ID, b.CIDR, b.ID)
}

// checkRoutes makes sure that every next hop is a neighbour of the router and not itself.
func (s *Service) checkRoutes(ctx context.Context, tx *store.Tx, r *Router) error {
	if len(r.Routes) > 30 {
		return fault(errs.Invalid, "RoutesExhausted", "Unable to complete operation for %s. The number of routes exceeds the maximum 30.", r.ID)
	}
	ps, err := s.routerPorts(ctx, tx, r.ID)
	if err != nil {
		return err
	}
	for _, route := range r.Routes {
		var own []FixedIP
		for _, p := range ps {
			own = append(own, p.FixedIPs...)
		}
		if slices.ContainsFunc(own, func(f FixedIP) bool { return f.IP == route.NextHop }) {
			return fault(errs.Invalid, "InvalidRoutes", "Invalid format for routes: %v, the nexthop is used by router", route.NextHop)
		}
		if !s.routeThrough(ctx, tx, own, route) {
			return fault(errs.Invalid, "InvalidRoutes", "Invalid format for routes: %v, the nexthop is not connected with router", route.NextHop)
		}
	}
	return nil
}

// ChangeRoutes adds or removes static routes in one step.
func (s *Service) ChangeRoutes(ctx context.Context, tx *store.Tx, id string, add bool, routes []Route) (*Router, error) {
	action := "remove_extraroutes"
	if add {
		action = "add_extraroutes"
	}
	r, err := routers.load(ctx, tx, id)
	if err != nil {
		return nil, err
	}
	t := routers.policyTarget(r)
	if err := s.allow(ctx, action, nil, t); err != nil {
		if !s.permits(ctx, "get_router", t) {
			return nil, routers.notFound(id)
		}
		return nil, err
	}
	for _, route := range routes {
		has := slices.Contains(r.Routes, route)
		switch {
		case add && !has:
			r.Routes = append(r.Routes, route)
		case !add && has:
			r.Routes = slices.DeleteFunc(r.Routes, func(x Route) bool { return x == route })
		}
	}
	if add {
		if err := s.checkRoutes(ctx, tx, r); err != nil {
			return nil, err
		}
	}
	s.touchRouter(tx, id)
	return r, routers.save(ctx, s, tx, r)
}
