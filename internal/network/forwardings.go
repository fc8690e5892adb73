package network

import (
	"context"
	"slices"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

// Forwardings returns the port forwardings of a floating IP.
func (s *Service) Forwardings(ctx context.Context, floatingIPID string) ([]*PortForwarding, error) {
	var out []*PortForwarding
	err := s.db.Read(ctx, func(tx *store.Tx) error {
		f, err := s.parentFloatingIP(ctx, tx, floatingIPID)
		if err != nil {
			return err
		}
		out, err = forwardingTable.Where(ctx, tx, "floatingip_id", f.ID)
		return err
	})
	return out, err
}

// ForwardingsOf returns the port forwardings of many floating IPs, for their views.
func (s *Service) ForwardingsOf(ctx context.Context, floatingIPIDs []string) (map[string][]*PortForwarding, error) {
	out := map[string][]*PortForwarding{}
	err := s.db.Read(ctx, func(tx *store.Tx) error {
		all, err := forwardingTable.WhereIn(ctx, tx, "floatingip_id", floatingIPIDs)
		for _, pf := range all {
			out[pf.FloatingIPID] = append(out[pf.FloatingIPID], pf)
		}
		return err
	})
	return out, err
}

func (s *Service) parentFloatingIP(ctx context.Context, tx *store.Tx, id string) (*FloatingIP, error) {
	return floatingIPs.visible(ctx, s, tx, id)
}

// Forwarding returns one port forwarding.
func (s *Service) Forwarding(ctx context.Context, floatingIPID, id string) (*PortForwarding, error) {
	var out *PortForwarding
	err := s.db.Read(ctx, func(tx *store.Tx) (err error) {
		if _, err = s.parentFloatingIP(ctx, tx, floatingIPID); err != nil {
			return err
		}
		out, err = forwardings.load(ctx, tx, id)
		if err == nil && out.FloatingIPID != floatingIPID {
			err = forwardings.notFound(id)
		}
		return err
	})
	return out, err
}

// CreateForwarding adds a port forwarding to a floating IP that is given to no port.
func (s *Service) CreateForwarding(ctx context.Context, tx *store.Tx, pf *PortForwarding, c Change) error {
	f, err := s.parentFloatingIP(ctx, tx, pf.FloatingIPID)
	if err != nil {
		return err
	}
	pf.ProjectID = f.ProjectID
	if err := forwardings.prepare(ctx, s, pf, c); err != nil {
		return err
	}
	if f.PortID != "" {
		return fault(errs.Conflict, "FloatingIPPortAlreadyAssociated", "Floating IP %s is in use by port %s: it cannot have port forwardings.", f.Address, f.PortID)
	}
	if err := s.placeForwarding(ctx, tx, f, pf); err != nil {
		return err
	}
	return forwardingTable.Insert(ctx, tx, pf)
}

// placeForwarding checks a forwarding's inside and that its outside is free.
func (s *Service) placeForwarding(ctx context.Context, tx *store.Tx, f *FloatingIP, pf *PortForwarding) error {
	p, err := ports.visible(ctx, s, tx, pf.PortID)
	if err != nil {
		return err
	}
	if p.ProjectID != f.ProjectID && !s.isAdmin(ctx) {
		return fault(errs.Invalid, "BadRequest", "Bad port_forwarding request: Port %s is associated with a different tenant than Floating IP %s and therefore cannot be bound.", p.ID, f.ID)
	}
	inside, insideLast := pf.Internal()
	outside, outsideLast := pf.External()
	if insideLast != inside && insideLast-inside != outsideLast-outside {
		return fault(errs.Invalid, "BadRequest", "Bad port_forwarding request: The internal ports %d:%d must be one port or as many as the external ports %d:%d.", inside, insideLast, outside, outsideLast)
	}
	i := slices.IndexFunc(p.FixedIPs, func(x FixedIP) bool { return x.IP == pf.InternalIP })
	if i < 0 {
		return fault(errs.Invalid, "BadRequest", "Bad port_forwarding request: Requested internal IP address %s does not correspond to an address on the internal port %s.", pf.InternalIP, pf.PortID)
	}
	router, err := s.routerBetween(ctx, tx, p.FixedIPs[i].SubnetID, f.NetworkID)
	if err != nil {
		return err
	}
	if router == "" {
		return fault(errs.NotFound, "ExternalGatewayForFloatingIPNotFound",
			"External network %s is not reachable from subnet %s. Therefore, cannot associate Port %s with a Floating IP.", f.NetworkID, p.FixedIPs[i].SubnetID, p.ID)
	}
	if have, err := s.floatingOn(ctx, tx, p.ID, pf.InternalIP); err != nil {
		return err
	} else if have != "" {
		return fault(errs.Conflict, "PortHasBindingFloatingIP", "Cannot create port forwarding to floating IP %s (%s) with port %s using fixed IP %s, as that port already has a binding floating IP.", f.Address, f.ID, p.ID, pf.InternalIP)
	}
	others, err := forwardingTable.Where(ctx, tx, "floatingip_id", f.ID)
	if err != nil {
		return err
	}
	for _, o := range others {
		if o.ID == pf.ID || o.Protocol != pf.Protocol {
			continue
		}
		if overlap(o.External, pf.External) {
			return fault(errs.Invalid, "BadRequest", "Bad port_forwarding request: A duplicate port forwarding entry with same attributes already exists, conflicting values are {'floatingip_id': '%s', 'external_port': %d, 'protocol': '%s'}.", f.ID, pf.ExternalPort, pf.Protocol)
		}
		if o.PortID == pf.PortID && o.InternalIP == pf.InternalIP && overlap(o.Internal, pf.Internal) {
			return fault(errs.Invalid, "BadRequest", "Bad port_forwarding request: A duplicate port forwarding entry with same attributes already exists, conflicting values are {'floatingip_id': '%s', 'internal_port': %d, 'protocol': '%s'}.", f.ID, pf.InternalPort, pf.Protocol)
		}
	}
	if f.RouterID != router {
		f.RouterID, f.Status = router, StatusActive
		if err := floatingIPs.save(ctx, s, tx, f); err != nil {
			return err
		}
	}
	s.touchRouter(tx, router)
	return nil
}

// overlap tells whether two ranges have a port in common.
func overlap(a, b func() (first, last int)) bool {
	aFirst, aLast := a()
	bFirst, bLast := b()
	return aFirst <= bLast && bFirst <= aLast
}

// UpdateForwarding changes a port forwarding by apply.
func (s *Service) UpdateForwarding(ctx context.Context, tx *store.Tx, floatingIPID, id string, c Change, apply func(*PortForwarding) error) (*PortForwarding, error) {
	f, err := s.parentFloatingIP(ctx, tx, floatingIPID)
	if err != nil {
		return nil, err
	}
	pf, err := forwardings.open(ctx, s, tx, "update", id, c)
	if err != nil {
		return nil, err
	}
	if pf.FloatingIPID != f.ID {
		return nil, forwardings.notFound(id)
	}
	if err := apply(pf); err != nil {
		return nil, err
	}
	if err := s.placeForwarding(ctx, tx, f, pf); err != nil {
		return nil, err
	}
	return pf, forwardings.save(ctx, s, tx, pf)
}

// DeleteForwarding removes a port forwarding.
func (s *Service) DeleteForwarding(ctx context.Context, tx *store.Tx, floatingIPID, id string) error {
	if _, err := s.parentFloatingIP(ctx, tx, floatingIPID); err != nil {
		return err
	}
	pf, err := forwardings.open(ctx, s, tx, "delete", id, Change{})
	if err != nil {
		return err
	}
	if pf.FloatingIPID != floatingIPID {
		return forwardings.notFound(id)
	}
	return s.dropForwarding(ctx, tx, pf)
}

// dropForwarding deletes one; with its last the floating IP leaves the router.
func (s *Service) dropForwarding(ctx context.Context, tx *store.Tx, pf *PortForwarding) error {
	if err := forwardingTable.Delete(ctx, tx, pf.ID); err != nil {
		return err
	}
	f, err := floatingIPTable.Get(ctx, tx, pf.FloatingIPID)
	if err != nil {
		return err
	}
	s.touchRouter(tx, f.RouterID)
	left, err := forwardingTable.Count(ctx, tx, "floatingip_id = ?", f.ID)
	if err != nil || left > 0 {
		return err
	}
	f.RouterID, f.Status = "", StatusDown
	return floatingIPs.save(ctx, s, tx, f)
}
