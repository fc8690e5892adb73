package network

import (
	"context"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

// AddSubPorts gives a trunk more ports to carry.
func (f *Trunks) AddSubPorts(ctx context.Context, id string, add []SubPort) (*Trunk, error) {
	return f.changeSubPorts(ctx, "add_subports", id, func(tx *store.Tx, t *Trunk) error { return f.add(ctx, tx, t, add) })
}

// RemoveSubPorts takes ports out of a trunk.
func (f *Trunks) RemoveSubPorts(ctx context.Context, id string, remove []string) (*Trunk, error) {
	return f.changeSubPorts(ctx, "remove_subports", id, func(tx *store.Tx, t *Trunk) error {
		for _, port := range remove {
			n, err := f.subPorts.DeleteWhere(ctx, tx, store.Eq("trunk_id", id), store.Eq("port_id", port))
			if err != nil {
				return err
			}
			if n == 0 {
				return fault(errs.NotFound, "SubPortNotFound", "SubPort on trunk %s with parent port %s could not be found.", id, t.PortID)
			}
			if err := f.freeSubPort(ctx, tx, port); err != nil {
				return err
			}
		}
		return nil
	})
}

func (f *Trunks) changeSubPorts(ctx context.Context, rule, id string, change func(*store.Tx, *Trunk) error) (*Trunk, error) {
	return changeOne(ctx, f.s, func(tx *store.Tx) (*Trunk, error) {
		t, err := f.visible(ctx, tx, id)
		if err != nil {
			return nil, err
		}
		if err := f.s.Access.check(ctx, rule, f.policyTarget(t)); err != nil {
			return nil, err
		}
		if !t.AdminStateUp {
			return nil, fault(errs.Conflict, "TrunkDisabled", "Trunk %s is currently disabled.", id)
		}
		if err := change(tx, t); err != nil {
			return nil, err
		}
		if err := f.save(ctx, tx, t); err != nil {
			return nil, err
		}
		return t, f.hydrated(ctx, tx, []*Trunk{t})
	})
}

// add puts ports behind those that the trunk carries.
func (f *Trunks) add(ctx context.Context, tx *store.Tx, t *Trunk, add []SubPort) error {
	last := 0
	if n := len(t.SubPorts); n > 0 {
		last = t.SubPorts[n-1].Position
	}
	for i, x := range add {
		if x.PortID == t.PortID {
			return fault(errs.Conflict, "ParentPortInUse", "Port %s is currently in use and is not eligible for use as a parent port.", x.PortID)
		}
		p, err := f.freePort(ctx, tx, t, x.PortID)
		if err != nil {
			return err
		}
		if err := p.free(); err != nil {
			return err
		}
		if x.Segment == 0 {
			if x.Segment, err = f.inherited(ctx, tx, p); err != nil {
				return err
			}
		}
		x.TrunkID, x.Position = t.ID, last+i+1
		err = f.subPorts.Insert(ctx, tx, &x)
		if store.Duplicate(err) {
			return fault(errs.Conflict, "DuplicateSubPort", "segmentation_type vlan and segmentation_id %d already in use on trunk %s.", x.Segment, t.ID)
		}
		if err != nil {
			return err
		}
		p.DeviceOwner = OwnerSubPort
		if err := f.s.Ports.save(ctx, tx, p); err != nil {
			return err
		}
		f.s.projector.touchPort(tx, p)
	}
	return nil
}

// inherited is the VLAN of a port's own network.
func (f *Trunks) inherited(ctx context.Context, tx *store.Tx, p *Port) (int, error) {
	n, err := f.s.Networks.table.Get(ctx, tx, p.NetworkID)
	if err != nil {
		return 0, err
	}
	if n.Type != TypeVLAN {
		return 0, fault(errs.Invalid, "InvalidInput", "Invalid input for operation: Cannot accept segmentation details for unspecified type: the network of port %s has no VLAN to inherit.", p.ID)
	}
	return n.Segment, nil
}

// freeSubPort makes a port that a trunk carried an ordinary one again.
func (f *Trunks) freeSubPort(ctx context.Context, tx *store.Tx, portID string) error {
	p, err := f.s.Ports.table.Get(ctx, tx, portID)
	if err != nil {
		return err
	}
	p.DeviceOwner, p.Status = "", StatusDown
	f.s.projector.touchPort(tx, p)
	return f.s.Ports.save(ctx, tx, p)
}

// carried is what a trunk makes of a port: where it is, and its tag.
type carried struct {
	parent, host string
	tag          int
}

// carriedAmong adds to the ports those that their trunks carry, and says of each
// port that is carried by which.
func (f *Trunks) carriedAmong(ctx context.Context, tx *store.Tx, ps []*Port) ([]*Port, map[string]carried, error) {
	subs, err := f.subPorts.All(ctx, tx)
	if err != nil || len(subs) == 0 {
		return ps, nil, err
	}
	ts, err := f.table.All(ctx, tx, store.In("id", idsOf(subs, func(x *SubPort) string { return x.TrunkID })))
	if err != nil {
		return nil, nil, err
	}
	parentOf, have := make(map[string]string, len(ts)), make(map[string]*Port, len(ps))
	for _, t := range ts {
		parentOf[t.ID] = t.PortID
	}
	for _, p := range ps {
		have[p.ID] = p
	}
	var more, parents []string
	for _, x := range subs {
		switch parent := parentOf[x.TrunkID]; {
		case have[parent] != nil && have[x.PortID] == nil:
			more = append(more, x.PortID)
		case have[x.PortID] != nil && have[parent] == nil:
			parents = append(parents, parent)
		}
	}
	added, err := f.s.Ports.table.All(ctx, tx, store.In("id", more))
	if err != nil {
		return nil, nil, err
	}
	others, err := f.s.Ports.table.All(ctx, tx, store.In("id", parents))
	if err != nil {
		return nil, nil, err
	}
	ps = append(ps, added...)
	for _, p := range append(others, added...) {
		have[p.ID] = p
	}
	out := map[string]carried{}
	for _, x := range subs {
		if parent := have[parentOf[x.TrunkID]]; parent != nil && have[x.PortID] != nil {
			out[x.PortID] = carried{parent: parent.ID, host: parent.Host, tag: x.Segment}
		}
	}
	return ps, out, nil
}
