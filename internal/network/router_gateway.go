package network

import (
	"context"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

// GatewayRequest is external_gateway_info of a request.
type GatewayRequest struct {
	NetworkID string // "" clears the gateway
	SNAT      *bool
	FixedIPs  []FixedIP
	IPsGiven  bool
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
