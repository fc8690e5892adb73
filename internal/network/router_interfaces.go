package network

import (
	"context"
	"slices"

	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

// RouterInterface is the answer to adding or removing one.
type RouterInterface struct {
	Router    *Router
	Port      *Port
	SubnetIDs []string
}

// AddInterface connects a subnet, or a port made before, to a router.
func (f *Routers) AddInterface(ctx context.Context, routerID, subnetID, portID string) (*RouterInterface, error) {
	return changeOne(ctx, f.s, func(tx *store.Tx) (*RouterInterface, error) {
		return f.AddInterfaceTx(ctx, tx, routerID, subnetID, portID)
	})
}

// AddInterfaceTx is AddInterface inside the caller's transaction.
func (f *Routers) AddInterfaceTx(ctx context.Context, tx *store.Tx, routerID, subnetID, portID string) (*RouterInterface, error) {
	s := f.s
	r, err := f.act(ctx, tx, "add_router_interface", routerID)
	if err != nil {
		return nil, err
	}
	var ri *RouterInterface
	switch {
	case subnetID != "" && portID != "":
		return nil, fault(errs.Invalid, "BadRequest", "Bad router request: Cannot specify both subnet-id and port-id.")
	case subnetID != "":
		ri, err = s.Routers.addSubnet(ctx, tx, r, subnetID)
	case portID != "":
		ri, err = s.Routers.addPort(ctx, tx, r, portID)
	default:
		return nil, fault(errs.Invalid, "BadRequest", "Bad router request: Either subnet_id or port_id must be specified.")
	}
	if err != nil {
		return nil, err
	}
	s.projector.touchRouter(tx, r.ID)
	return ri, f.save(ctx, tx, r)
}

// connectable refuses subnets that collide with those the router has.
func (f *Routers) connectable(ctx context.Context, tx *store.Tx, r *Router, subs ...*Subnet) error {
	ps, err := f.ports(ctx, tx, r.ID)
	if err != nil {
		return err
	}
	for _, p := range ps {
		for _, fixed := range p.FixedIPs {
			have, err := f.s.Subnets.table.Get(ctx, tx, fixed.SubnetID)
			if err != nil {
				return err
			}
			for _, sub := range subs {
				if have.ID == sub.ID {
					return fault(errs.Invalid, "BadRequest", "Bad router request: Router already has a port on subnet %s.", sub.ID)
				}
				if have.CIDR.Overlaps(sub.CIDR) {
					return overlapFault(sub, have)
				}
			}
		}
	}
	return nil
}

func (f *Routers) addSubnet(ctx context.Context, tx *store.Tx, r *Router, subnetID string) (*RouterInterface, error) {
	sub, err := f.s.Subnets.visible(ctx, tx, subnetID)
	if err != nil {
		return nil, err
	}
	if !sub.Gateway.IsValid() {
		return nil, fault(errs.Invalid, "BadRequest", "Bad router request: Subnet for router interface must have a gateway IP.")
	}
	if sub.Version() == 6 && sub.IPv6RA == "" && sub.IPv6Address != "" {
		return nil, fault(errs.Invalid, "BadRequest", "Bad router request: IPv6 subnet %s configured to receive RAs from an external router cannot be added to Neutron Router.", sub.ID)
	}
	if err := f.mayLead(ctx, tx, sub); err != nil {
		return nil, err
	}
	if err := f.connectable(ctx, tx, r, sub); err != nil {
		return nil, err
	}
	n, err := f.s.Networks.load(ctx, tx, sub.NetworkID)
	if err != nil {
		return nil, err
	}
	want := []FixedIP{{sub.ID, sub.Gateway}}
	if sub.Version() == 6 {
		// IPv6 prefixes of one network share the router's port on it.
		ps, err := f.ports(ctx, tx, r.ID)
		if err != nil {
			return nil, err
		}
		for _, p := range ps {
			if p.NetworkID == n.ID && p.HeldAs == OwnerRouterInterface && !slices.ContainsFunc(p.FixedIPs, func(fixed FixedIP) bool { return fixed.IP.Is4() }) {
				if err := f.s.ipam.allocate(ctx, tx, p, want, true); err != nil {
					return nil, err
				}
				f.s.projector.touchPort(tx, p)
				return &RouterInterface{r, p, subnetIDs(p)}, f.s.Ports.save(ctx, tx, p)
			}
		}
	}
	p := newOwnPort(f.s, n, OwnerRouterInterface, r.ID)
	p.ProjectID, p.Revision = r.ProjectID, 1
	if err := f.s.Quotas.count(ctx, tx, p.ProjectID, "port", 1); err != nil {
		return nil, err
	}
	if err := f.s.Ports.insert(ctx, tx, n, p, PortWants{WantIPs: want, IPsGiven: true}); err != nil {
		return nil, err
	}
	return &RouterInterface{r, p, []string{sub.ID}}, nil
}

// mayLead lets a router take the gateway's address of the actor's own subnets, and
// of those whose network is granted to its project by name. Who shares with
// everybody does not mean that anybody may become the way out.
func (f *Routers) mayLead(ctx context.Context, tx *store.Tx, sub *Subnet) error {
	project := actor.From(ctx).ProjectID
	if sub.ProjectID == project || sub.networkProject == project || f.s.Access.isAdmin(ctx) {
		return nil
	}
	granted, err := f.s.grants.granted(ctx, tx, "network", sub.NetworkID, store.Eq("action", ActionShared), store.Eq("target", project))
	if err == nil && !granted {
		err = fault(errs.Invalid, "BadRequest", "Bad router request: Cannot add interface to router because subnet %s is not owned by project making the request.", sub.ID)
	}
	return err
}

func (f *Routers) addPort(ctx context.Context, tx *store.Tx, r *Router, portID string) (*RouterInterface, error) {
	p, err := f.s.Ports.visible(ctx, tx, portID)
	if err != nil {
		return nil, err
	}
	if p.ProjectID != r.ProjectID && !f.s.Access.isAdmin(ctx) {
		return nil, f.s.Ports.notFound(portID)
	}
	if err := p.free(); err != nil {
		return nil, err
	}
	if err := f.s.Trunks.unneeded(ctx, tx, p.ID); err != nil {
		return nil, err
	}
	if len(p.FixedIPs) == 0 {
		return nil, fault(errs.Invalid, "BadRequest", "Bad router request: Router port must have at least one fixed IP.")
	}
	subs, err := f.s.Subnets.table.All(ctx, tx, store.In("id", subnetIDs(p)))
	if err != nil {
		return nil, err
	}
	v4 := 0
	for _, sub := range subs {
		if sub.Version() == 4 {
			v4++
		}
	}
	if v4 > 1 {
		return nil, fault(errs.Invalid, "BadRequest", "Bad router request: Cannot have multiple IPv4 subnets on router port.")
	}
	if err := f.connectable(ctx, tx, r, subs...); err != nil {
		return nil, err
	}
	p.attach(OwnerRouterInterface, r.ID, OwnerRouterInterface)
	p.Status = StatusActive
	p.SecurityGroups, p.PortSecurity, p.AddressPairs = nil, false, nil
	if err := f.s.Ports.linkGroups(ctx, tx, p); err != nil {
		return nil, err
	}
	f.s.projector.touchPort(tx, p)
	return &RouterInterface{r, p, subnetIDs(p)}, f.s.Ports.save(ctx, tx, p)
}

func subnetIDs(p *Port) []string {
	var out []string
	for _, f := range p.FixedIPs {
		if !slices.Contains(out, f.SubnetID) {
			out = append(out, f.SubnetID)
		}
	}
	return out
}

// RemoveInterface disconnects a subnet or port from a router and deletes the port.
func (f *Routers) RemoveInterface(ctx context.Context, routerID, subnetID, portID string) (*RouterInterface, error) {
	return changeOne(ctx, f.s, func(tx *store.Tx) (*RouterInterface, error) {
		return f.RemoveInterfaceTx(ctx, tx, routerID, subnetID, portID)
	})
}

// RemoveInterfaceTx is RemoveInterface inside the caller's transaction.
func (f *Routers) RemoveInterfaceTx(ctx context.Context, tx *store.Tx, routerID, subnetID, portID string) (*RouterInterface, error) {
	s := f.s
	r, err := f.act(ctx, tx, "remove_router_interface", routerID)
	if err != nil {
		return nil, err
	}
	if subnetID == "" && portID == "" {
		return nil, fault(errs.Invalid, "BadRequest", "Bad router request: Either subnet_id or port_id must be specified.")
	}
	p, err := s.Routers.findInterface(ctx, tx, r, subnetID, portID)
	if err != nil {
		return nil, err
	}
	going := subnetIDs(p)
	if subnetID != "" && portID == "" && len(going) > 1 {
		going = []string{subnetID}
	}
	for _, id := range going {
		if err := s.Routers.disconnectable(ctx, tx, r, id); err != nil {
			return nil, err
		}
	}
	ri := &RouterInterface{r, p, going}
	if len(going) < len(subnetIDs(p)) {
		keep := slices.Clone(p.FixedIPs)
		keep = slices.DeleteFunc(keep, func(f FixedIP) bool { return f.SubnetID == subnetID })
		err = s.Ports.changeIPs(ctx, tx, p, keep)
		if err == nil {
			err = s.Ports.save(ctx, tx, p)
		}
		s.projector.touchPort(tx, p)
	} else {
		err = s.Ports.remove(ctx, tx, p)
	}
	if err != nil {
		return nil, err
	}
	s.projector.touchRouter(tx, r.ID)
	return ri, s.Routers.save(ctx, tx, r)
}

func (f *Routers) findInterface(ctx context.Context, tx *store.Tx, r *Router, subnetID, portID string) (*Port, error) {
	ps, err := f.ports(ctx, tx, r.ID)
	if err != nil {
		return nil, err
	}
	ps = slices.DeleteFunc(ps, func(p *Port) bool { return p.HeldAs != OwnerRouterInterface })
	if portID != "" {
		i := slices.IndexFunc(ps, func(p *Port) bool { return p.ID == portID })
		if i < 0 {
			return nil, fault(errs.NotFound, "RouterInterfaceNotFound", "Router %s does not have an interface with id %s", r.ID, portID)
		}
		if subnetID != "" && !ps[i].hasSubnet(subnetID) {
			return nil, fault(errs.Conflict, "SubnetMismatchForPort", "Subnet on port %s does not match the requested subnet %s", portID, subnetID)
		}
		return ps[i], nil
	}
	i := slices.IndexFunc(ps, func(p *Port) bool { return p.hasSubnet(subnetID) })
	if i >= 0 {
		return ps[i], nil
	}
	if _, err := f.s.Subnets.visible(ctx, tx, subnetID); err != nil {
		return nil, err
	}
	return nil, fault(errs.NotFound, "RouterInterfaceNotFoundForSubnet", "Router %s has no interface on subnet %s", r.ID, subnetID)
}

// disconnectable refuses to cut a subnet whose floating IPs or routes need it.
func (f *Routers) disconnectable(ctx context.Context, tx *store.Tx, r *Router, subnetID string) error {
	sub, err := f.s.Subnets.table.Get(ctx, tx, subnetID)
	if err != nil {
		return err
	}
	fs, err := f.s.FloatingIPs.table.All(ctx, tx, store.Eq("router_id", r.ID))
	if err != nil {
		return err
	}
	for _, fip := range fs {
		if fip.PortID == "" || !sub.CIDR.Contains(fip.FixedIP) {
			continue
		}
		return fault(errs.Conflict, "RouterInterfaceInUseByFloatingIP",
			"Router interface for subnet %s on router %s cannot be deleted, as it is required by one or more floating IPs.", subnetID, r.ID)
	}
	if slices.ContainsFunc(r.Routes, func(x Route) bool { return sub.CIDR.Contains(x.NextHop) }) {
		return fault(errs.Conflict, "RouterInterfaceInUseByRoute",
			"Router interface for subnet %s on router %s cannot be deleted, as it is required by one or more routes.", subnetID, r.ID)
	}
	return nil
}

// between finds the router that leads from a subnet to an external network:
// rather the one that has the gateway's address, to which guests send. On a shared
// network others may have routers too.
func (f *Routers) between(ctx context.Context, tx *store.Tx, subnetID, externalID string) (string, error) {
	sub, err := f.s.Subnets.table.Get(ctx, tx, subnetID)
	if err != nil {
		return "", err
	}
	ps, err := f.s.Ports.table.All(ctx, tx, store.Eq("network_id", sub.NetworkID), store.Eq("held_as", OwnerRouterInterface))
	if err != nil {
		return "", err
	}
	ps = slices.DeleteFunc(ps, func(p *Port) bool { return !p.hasSubnet(subnetID) })
	leading, err := f.table.All(ctx, tx, store.In("id", idsOf(ps, (*Port).router)), store.Eq("gateway_network_id", externalID))
	if err != nil || len(leading) == 0 {
		return "", err
	}
	at := slices.IndexFunc(leading, func(r *Router) bool {
		return slices.ContainsFunc(ps, func(p *Port) bool {
			return p.router() == r.ID && slices.Contains(p.FixedIPs, FixedIP{subnetID, sub.Gateway})
		})
	})
	return leading[max(at, 0)].ID, nil
}
