package network

import (
	"cmp"
	"context"
	"slices"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

// OwnerSubPort is the device owner of a port that a trunk carries.
const OwnerSubPort = "trunk:subport"

// StatusBuild is that of a trunk whose sub-ports are not all up yet.
const StatusBuild = "BUILD"

// Trunk lets one port carry the traffic of others, told apart by VLAN tags that
// only the guest and its switch see.
type Trunk struct {
	Standard
	PortID       string
	AdminStateUp bool // off: its sub-ports may not change

	// Read from ports, not stored here.
	SubPorts []SubPort
	Status   string
}

// SubPort is a port that a trunk carries.
type SubPort struct {
	PortID   string
	TrunkID  string
	Segment  int    // VLAN tag; 0 in a request: that of the port's own network
	Position int    // among the trunk's, in the order in which they were given
	MAC      string // read from the port

	status string
}

// Trunks are the use cases of trunks.
type Trunks struct {
	family[Trunk, *Trunk]
	subPorts *store.Table[SubPort]
}

func newTrunks(s *Service, t Tables) *Trunks {
	f := &Trunks{subPorts: t.SubPorts}
	f.family = family[Trunk, *Trunk]{
		s: s, table: t.Trunks, name: "trunk", code: "TrunkNotFound", say: "Trunk %s could not be found.",
		fresh: func() Trunk { return Trunk{AdminStateUp: true} }, hydrate: f.hydrated, valid: f.judge, made: f.complement, gone: f.remove,
	}
	return f
}

// ofPorts tells ports which trunk they are the parent of. Few are: for a long
// list it is cheaper to look at a cloud's first trunks, which mostly are all,
// than for each port.
func (f *Trunks) ofPorts(ctx context.Context, tx *store.Tx, ps []*Port) error {
	byID := make(map[string]*Port, len(ps))
	for _, p := range ps {
		p.Trunk, byID[p.ID] = nil, p
	}
	parents, err := f.table.List(ctx, tx, store.Query{Limit: max(1, len(ps)/16)})
	if err != nil || len(parents.Rows) == 0 {
		return err
	}
	if parents.More {
		parents.Rows, err = f.table.All(ctx, tx, store.In("port_id", idsOf(ps, func(p *Port) string { return p.ID })))
	}
	if err != nil {
		return err
	}
	mine := slices.DeleteFunc(parents.Rows, func(t *Trunk) bool { return byID[t.PortID] == nil })
	if len(mine) == 0 {
		return nil
	}
	for _, t := range mine {
		byID[t.PortID].Trunk = t
	}
	return f.hydrated(ctx, tx, mine)
}

// hydrated reads the sub-ports, and from all ports how the trunk is.
func (f *Trunks) hydrated(ctx context.Context, tx *store.Tx, ts []*Trunk) error {
	subs, err := f.subPorts.All(ctx, tx, store.In("trunk_id", idsOf(ts, func(t *Trunk) string { return t.ID })))
	if err != nil {
		return err
	}
	slices.SortFunc(subs, func(a, b *SubPort) int { return cmp.Or(a.Position-b.Position, a.Segment-b.Segment) })
	need := append(idsOf(ts, func(t *Trunk) string { return t.PortID }), idsOf(subs, func(x *SubPort) string { return x.PortID })...)
	ps, err := f.s.Ports.table.All(ctx, tx, store.In("id", need))
	if err != nil {
		return err
	}
	ports, byID := make(map[string]*Port, len(ps)), make(map[string]*Trunk, len(ts))
	for _, p := range ps {
		ports[p.ID] = p
	}
	for _, t := range ts {
		t.SubPorts = []SubPort{}
		byID[t.ID] = t
	}
	for _, x := range subs {
		p, t := ports[x.PortID], byID[x.TrunkID]
		x.MAC, x.status = p.MAC, p.Status
		t.SubPorts = append(t.SubPorts, *x)
	}
	for _, t := range ts {
		parent := ports[t.PortID]
		t.Status = t.state(parent != nil && parent.Host != "")
	}
	return nil
}

// state is the status of a trunk whose parent is on a host, or not yet. Lists
// are narrowed by the table's own expression of it.
func (t *Trunk) state(bound bool) string {
	switch {
	case !bound || !t.AdminStateUp:
		return StatusDown
	case slices.ContainsFunc(t.SubPorts, func(x SubPort) bool { return x.status != StatusActive }):
		return StatusBuild
	}
	return StatusActive
}

// judge makes sure that a new trunk's port can be one's parent.
func (f *Trunks) judge(ctx context.Context, tx *store.Tx, t, old *Trunk) error {
	if old != nil {
		return f.hydrated(ctx, tx, []*Trunk{t})
	}
	_, err := f.freePort(ctx, tx, t, t.PortID)
	return err
}

// complement gives a new trunk its first sub-ports.
func (f *Trunks) complement(ctx context.Context, tx *store.Tx, t *Trunk) error {
	first := t.SubPorts
	t.SubPorts = nil
	if err := f.add(ctx, tx, t, first); err != nil {
		return err
	}
	return f.hydrated(ctx, tx, []*Trunk{t})
}

// freePort loads a port of the trunk's project that belongs to no trunk yet,
// in either role. The owner of a network sees ports of others on it.
func (f *Trunks) freePort(ctx context.Context, tx *store.Tx, t *Trunk, portID string) (*Port, error) {
	p, err := f.s.Ports.visible(ctx, tx, portID)
	if err != nil {
		return nil, err
	}
	if p.ProjectID != t.ProjectID && !f.s.Access.isAdmin(ctx) {
		return nil, f.s.Ports.notFound(portID)
	}
	if p.HeldAs != "" && p.Server() == "" {
		return nil, p.free()
	}
	return p, f.unneeded(ctx, tx, portID)
}

// unneeded refuses ports that a trunk needs.
func (f *Trunks) unneeded(ctx context.Context, tx *store.Tx, portID string) error {
	t, err := f.table.First(ctx, tx, store.Eq("port_id", portID))
	if err == nil {
		return fault(errs.Conflict, "PortInUseAsTrunkParent", "Port %s is currently a parent port for trunk %s.", portID, t.ID)
	}
	if !isNotFound(err) {
		return err
	}
	sub, err := f.subPorts.Get(ctx, tx, portID)
	if isNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	return fault(errs.Conflict, "PortInUseAsSubPort", "Port %s is currently a subport for trunk %s.", portID, sub.TrunkID)
}

// remove ends a trunk that is not turned off.
func (f *Trunks) remove(ctx context.Context, tx *store.Tx, t *Trunk) error {
	if !t.AdminStateUp {
		return fault(errs.Conflict, "TrunkDisabled", "Trunk %s is currently disabled; enable it first.", t.ID)
	}
	return f.release(ctx, tx, t)
}

// release makes a trunk's sub-ports ordinary ports again.
func (f *Trunks) release(ctx context.Context, tx *store.Tx, t *Trunk) error {
	subs, err := f.subPorts.All(ctx, tx, store.Eq("trunk_id", t.ID))
	if err != nil || len(subs) == 0 {
		return err
	}
	if _, err := f.subPorts.DeleteWhere(ctx, tx, store.Eq("trunk_id", t.ID)); err != nil {
		return err
	}
	for _, x := range subs {
		if err := f.freeSubPort(ctx, tx, x.PortID); err != nil {
			return err
		}
	}
	return nil
}

// leave takes a port that goes, with its server, out of trunks.
func (f *Trunks) leave(ctx context.Context, tx *store.Tx, portID string) error {
	if _, err := f.subPorts.DeleteWhere(ctx, tx, store.Eq("port_id", portID)); err != nil {
		return err
	}
	own, err := f.table.All(ctx, tx, store.Eq("port_id", portID))
	if err != nil {
		return err
	}
	for _, t := range own {
		if err := f.release(ctx, tx, t); err != nil {
			return err
		}
		if err := f.table.Delete(ctx, tx, t.ID); err != nil {
			return err
		}
	}
	return nil
}
