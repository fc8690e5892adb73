package network

import (
	"context"
	"slices"

	"kumoi/internal/kernel/change"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/policy"
	"kumoi/internal/kernel/store"
)

// Forwardings are the port forwardings of all floating IPs.
type Forwardings struct {
	family[PortForwarding, *PortForwarding]
}

func newForwardings(s *Service, t Tables) *Forwardings {
	return &Forwardings{family[PortForwarding, *PortForwarding]{
		s: s, table: t.Forwardings, name: "floatingip_port_forwarding", code: "PortForwardingNotFound", say: "Port Forwarding %s could not be found.",
		target: func(f *PortForwarding, t policy.Target) {
			t["ext_parent:project_id"], t["ext_parent:tenant_id"] = f.ProjectID, f.ProjectID
		},
	}}
}

// OfMany returns the port forwardings of many floating IPs, for their views.
func (f *Forwardings) OfMany(ctx context.Context, floatingIPIDs []string) (map[string][]*PortForwarding, error) {
	out := map[string][]*PortForwarding{}
	err := f.s.db.Read(ctx, func(tx *store.Tx) error {
		all, err := f.table.All(ctx, tx, store.In("floatingip_id", floatingIPIDs))
		clear(out)
		for _, pf := range all {
			out[pf.FloatingIPID] = append(out[pf.FloatingIPID], pf)
		}
		return err
	})
	return out, err
}

// ForwardingsOf are the use cases of one floating IP's port forwardings.
type ForwardingsOf struct {
	all    *Forwardings
	parent string
}

// Of are the use cases of one floating IP's port forwardings.
func (f *Forwardings) Of(floatingIPID string) ForwardingsOf { return ForwardingsOf{f, floatingIPID} }

// within finds the floating IP if the actor may see it.
func (f ForwardingsOf) within(ctx context.Context, tx *store.Tx) (*FloatingIP, error) {
	return f.all.s.FloatingIPs.visible(ctx, tx, f.parent)
}

// List returns what the query wants of them.
func (f ForwardingsOf) List(ctx context.Context, q store.Query) (page store.Page[PortForwarding], err error) {
	err = f.all.s.db.Read(ctx, func(tx *store.Tx) error {
		if _, err := f.within(ctx, tx); err != nil {
			return err
		}
		page, err = f.all.table.List(ctx, tx, q.Within(store.Eq("floatingip_id", f.parent)))
		return err
	})
	return page, err
}

// Show returns one.
func (f ForwardingsOf) Show(ctx context.Context, id string) (pf *PortForwarding, err error) {
	err = f.all.s.db.Read(ctx, func(tx *store.Tx) error {
		if _, err := f.within(ctx, tx); err != nil {
			return err
		}
		if pf, err = f.all.load(ctx, tx, id); err == nil && pf.FloatingIPID != f.parent {
			err = f.all.notFound(id)
		}
		return err
	})
	return pf, err
}

// Create adds a port forwarding to a floating IP that is given to no port.
func (f ForwardingsOf) Create(ctx context.Context, p change.Patch[PortForwarding]) (*PortForwarding, error) {
	return createOne(ctx, f.all.s, p, func(ctx context.Context, tx *store.Tx, p change.Patch[PortForwarding]) (*PortForwarding, error) {
		pf := &PortForwarding{}
		if err := p.To(pf); err != nil {
			return nil, err
		}
		parent, err := f.within(ctx, tx)
		if err != nil {
			return nil, err
		}
		pf.FloatingIPID, pf.ProjectID = parent.ID, parent.ProjectID
		if err := f.all.begin(ctx, pf, p.Named); err != nil {
			return nil, err
		}
		return pf, f.all.s.Forwardings.add(ctx, tx, parent, pf)
	})
}

func (f *Forwardings) add(ctx context.Context, tx *store.Tx, fip *FloatingIP, pf *PortForwarding) error {
	if fip.PortID != "" {
		return fault(errs.Conflict, "FloatingIPPortAlreadyAssociated", "Floating IP %s is in use by port %s: it cannot have port forwardings.", fip.Address, fip.PortID)
	}
	if err := f.judge(ctx, tx, fip, pf); err != nil {
		return err
	}
	return f.table.Insert(ctx, tx, pf)
}

// judge checks a forwarding's inside and that its outside is free.
func (f *Forwardings) judge(ctx context.Context, tx *store.Tx, fip *FloatingIP, pf *PortForwarding) error {
	p, err := f.s.Ports.visible(ctx, tx, pf.PortID)
	if err != nil {
		return err
	}
	if p.ProjectID != fip.ProjectID && !f.s.Access.isAdmin(ctx) {
		return fault(errs.Invalid, "BadRequest", "Bad port_forwarding request: Port %s is associated with a different tenant than Floating IP %s and therefore cannot be bound.", p.ID, fip.ID)
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
	router, err := f.s.Routers.between(ctx, tx, p.FixedIPs[i].SubnetID, fip.NetworkID)
	if err != nil {
		return err
	}
	if router == "" {
		return fault(errs.NotFound, "ExternalGatewayForFloatingIPNotFound",
			"External network %s is not reachable from subnet %s. Therefore, cannot associate Port %s with a Floating IP.", fip.NetworkID, p.FixedIPs[i].SubnetID, p.ID)
	}
	if have, err := f.s.FloatingIPs.on(ctx, tx, p.ID, pf.InternalIP); err != nil {
		return err
	} else if have != "" {
		return fault(errs.Conflict, "PortHasBindingFloatingIP", "Cannot create port forwarding to floating IP %s (%s) with port %s using fixed IP %s, as that port already has a binding floating IP.", fip.Address, fip.ID, p.ID, pf.InternalIP)
	}
	others, err := f.table.All(ctx, tx, store.Eq("floatingip_id", fip.ID))
	if err != nil {
		return err
	}
	for _, o := range others {
		if o.ID == pf.ID || o.Protocol != pf.Protocol {
			continue
		}
		if overlap(o.External, pf.External) {
			return fault(errs.Invalid, "BadRequest", "Bad port_forwarding request: A duplicate port forwarding entry with same attributes already exists, conflicting values are {'floatingip_id': '%s', 'external_port': %d, 'protocol': '%s'}.", fip.ID, pf.ExternalPort, pf.Protocol)
		}
		if o.PortID == pf.PortID && o.InternalIP == pf.InternalIP && overlap(o.Internal, pf.Internal) {
			return fault(errs.Invalid, "BadRequest", "Bad port_forwarding request: A duplicate port forwarding entry with same attributes already exists, conflicting values are {'floatingip_id': '%s', 'internal_port': %d, 'protocol': '%s'}.", fip.ID, pf.InternalPort, pf.Protocol)
		}
	}
	if fip.RouterID != router {
		fip.RouterID, fip.Status = router, StatusActive
		if err := f.s.FloatingIPs.save(ctx, tx, fip); err != nil {
			return err
		}
	}
	f.s.projector.touchRouter(tx, router)
	return nil
}

// overlap tells whether two ranges have a port in common.
func overlap(a, b func() (first, last int)) bool {
	aFirst, aLast := a()
	bFirst, bLast := b()
	return aFirst <= bLast && bFirst <= aLast
}

// Update changes one.
func (f ForwardingsOf) Update(ctx context.Context, id string, p change.Patch[PortForwarding]) (*PortForwarding, error) {
	return changeOne(ctx, f.all.s, func(tx *store.Tx) (*PortForwarding, error) {
		parent, pf, err := f.open(ctx, tx, "update", id, p.Named)
		if err != nil {
			return nil, err
		}
		if err := p.To(pf); err != nil {
			return nil, err
		}
		if err := f.all.s.Forwardings.judge(ctx, tx, parent, pf); err != nil {
			return nil, err
		}
		return pf, f.all.save(ctx, tx, pf)
	})
}

// Delete removes one.
func (f ForwardingsOf) Delete(ctx context.Context, id string) error {
	return f.all.s.db.Write(ctx, func(tx *store.Tx) error {
		_, pf, err := f.open(ctx, tx, "delete", id, nil)
		if err != nil {
			return err
		}
		return f.all.s.Forwardings.drop(ctx, tx, pf)
	})
}

func (f ForwardingsOf) open(ctx context.Context, tx *store.Tx, action, id string, named []string) (*FloatingIP, *PortForwarding, error) {
	parent, err := f.within(ctx, tx)
	if err != nil {
		return nil, nil, err
	}
	pf, err := f.all.open(ctx, tx, action, id, named)
	if err == nil && pf.FloatingIPID != parent.ID {
		err = f.all.notFound(id)
	}
	return parent, pf, err
}

// drop deletes one; with its last the floating IP leaves the router.
func (f *Forwardings) drop(ctx context.Context, tx *store.Tx, pf *PortForwarding) error {
	if err := f.table.Delete(ctx, tx, pf.ID); err != nil {
		return err
	}
	fip, err := f.s.FloatingIPs.table.Get(ctx, tx, pf.FloatingIPID)
	if err != nil {
		return err
	}
	f.s.projector.touchRouter(tx, fip.RouterID)
	left, err := f.table.Any(ctx, tx, store.Eq("floatingip_id", fip.ID))
	if err != nil || left {
		return err
	}
	fip.RouterID, fip.Status = "", StatusDown
	return f.s.FloatingIPs.save(ctx, tx, fip)
}
