package network

import (
	"context"

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
	SubPorts []SubPort `json:"-"`
	Status   string    `json:"-"`
}

// SubPort is a port that a trunk carries.
type SubPort struct {
	PortID  string
	Segment int    // VLAN tag; 0 in a request: that of the port's own network
	MAC     string // read from the port

	status string
}

// Trunks returns the trunks that the actor may see.
func (s *Service) Trunks(ctx context.Context, f Filter) ([]*Trunk, error) {
	return trunks.all(ctx, s, f)
}

// Trunk returns one trunk that the actor may see.
func (s *Service) Trunk(ctx context.Context, id string) (*Trunk, error) {
	return trunks.show(ctx, s, id)
}

// hydrateTrunks reads the sub-ports, and from all ports how the trunk is.
func hydrateTrunks(ctx context.Context, tx *store.Tx, vs []*Trunk) error {
	parents, err := portTable.WhereIn(ctx, tx, "id", idsOf(vs, func(t *Trunk) string { return t.PortID }))
	if err != nil {
		return err
	}
	bound := map[string]bool{}
	for _, p := range parents {
		bound[p.ID] = p.Host != ""
	}
	for _, t := range vs {
		if t.SubPorts, err = subPortsOf(ctx, tx, t.ID); err != nil {
			return err
		}
		t.Status = StatusActive
		for _, sub := range t.SubPorts {
			if sub.status != StatusActive {
				t.Status = StatusBuild
			}
		}
		if !bound[t.PortID] || !t.AdminStateUp {
			t.Status = StatusDown
		}
	}
	return nil
}

func subPortsOf(ctx context.Context, tx *store.Tx, trunkID string) ([]SubPort, error) {
	subs, err := store.All(ctx, tx, func(r store.Row) (x SubPort, err error) {
		var segment int64
		err = r.Scan(&x.PortID, &segment)
		x.Segment = int(segment)
		return x, err
	}, "SELECT port_id, segment FROM trunk_subport WHERE trunk_id = ? ORDER BY position, segment", trunkID)
	if err != nil || len(subs) == 0 {
		return []SubPort{}, err
	}
	for i := range subs {
		p, err := portTable.Get(ctx, tx, subs[i].PortID)
		if err != nil {
			return nil, err
		}
		subs[i].MAC, subs[i].status = p.MAC, p.Status
	}
	return subs, nil
}

// CreateTrunk makes a trunk on a port, with its first sub-ports.
func (s *Service) CreateTrunk(ctx context.Context, tx *store.Tx, t *Trunk, c Change) error {
	if err := trunks.prepare(ctx, s, t, c); err != nil {
		return err
	}
	if _, err := s.freeForTrunk(ctx, tx, t, t.PortID); err != nil {
		return err
	}
	add := t.SubPorts
	if err := trunkTable.Insert(ctx, tx, t); err != nil {
		return err
	}
	if err := s.addSubPorts(ctx, tx, t, add); err != nil {
		return err
	}
	return hydrateTrunks(ctx, tx, []*Trunk{t})
}

// freeForTrunk loads a port of the trunk's project that belongs to no trunk yet,
// in either role. The owner of a network sees ports of others on it.
func (s *Service) freeForTrunk(ctx context.Context, tx *store.Tx, t *Trunk, portID string) (*Port, error) {
	p, err := s.Ports.visible(ctx, tx, portID)
	if err != nil {
		return nil, err
	}
	if p.ProjectID != t.ProjectID && !s.isAdmin(ctx) {
		return nil, s.Ports.notFound(portID)
	}
	if p.HeldAs != "" && p.Server() == "" {
		return nil, p.free()
	}
	return p, notInTrunk(ctx, tx, portID)
}

// notInTrunk refuses ports that a trunk needs.
func notInTrunk(ctx context.Context, tx *store.Tx, portID string) error {
	found, err := pairsIn(ctx, tx, `SELECT trunk_id, role FROM (
		SELECT id AS trunk_id, port_id, 'parent' AS role FROM trunk
		UNION ALL SELECT trunk_id, port_id, 'sub' AS role FROM trunk_subport) AS used`, "port_id", []string{portID}, "role")
	switch {
	case err != nil || len(found) == 0:
		return err
	case found[0].b == "parent":
		return fault(errs.Conflict, "PortInUseAsTrunkParent", "Port %s is currently a parent port for trunk %s.", portID, found[0].a)
	}
	return fault(errs.Conflict, "PortInUseAsSubPort", "Port %s is currently a subport for trunk %s.", portID, found[0].a)
}

func (s *Service) addSubPorts(ctx context.Context, tx *store.Tx, t *Trunk, add []SubPort) error {
	for _, sub := range add {
		if sub.PortID == t.PortID {
			return fault(errs.Conflict, "ParentPortInUse", "Port %s is currently in use and is not eligible for use as a parent port.", sub.PortID)
		}
		p, err := s.freeForTrunk(ctx, tx, t, sub.PortID)
		if err != nil {
			return err
		}
		if err := p.free(); err != nil {
			return err
		}
		if sub.Segment == 0 {
			n, err := s.Networks.table.Get(ctx, tx, p.NetworkID)
			if err != nil {
				return err
			}
			if n.Type != TypeVLAN {
				return fault(errs.Invalid, "InvalidInput", "Invalid input for operation: Cannot accept segmentation details for unspecified type: the network of port %s has no VLAN to inherit.", p.ID)
			}
			sub.Segment = n.Segment
		}
		_, err = tx.Exec(ctx, "INSERT INTO trunk_subport (port_id, trunk_id, segment, position) SELECT ?, ?, CAST(? AS BIGINT), COALESCE(MAX(position), 0) + 1 FROM trunk_subport WHERE trunk_id = ?",
			sub.PortID, t.ID, int64(sub.Segment), t.ID)
		if store.Duplicate(err) {
			return fault(errs.Conflict, "DuplicateSubPort", "segmentation_type vlan and segmentation_id %d already in use on trunk %s.", sub.Segment, t.ID)
		}
		if err != nil {
			return err
		}
		p.DeviceOwner = OwnerSubPort
		if err := s.Ports.save(ctx, tx, p); err != nil {
			return err
		}
		s.touchPort(tx, p)
	}
	return nil
}

// AddSubPorts gives a trunk more ports to carry.
func (s *Service) AddSubPorts(ctx context.Context, tx *store.Tx, id string, add []SubPort) (*Trunk, error) {
	return s.changeSubPorts(ctx, tx, "add_subports", id, func(t *Trunk) error { return s.addSubPorts(ctx, tx, t, add) })
}

// RemoveSubPorts takes ports out of a trunk.
func (s *Service) RemoveSubPorts(ctx context.Context, tx *store.Tx, id string, remove []string) (*Trunk, error) {
	return s.changeSubPorts(ctx, tx, "remove_subports", id, func(t *Trunk) error {
		for _, port := range remove {
			n, err := tx.Exec(ctx, "DELETE FROM trunk_subport WHERE trunk_id = ? AND port_id = ?", id, port)
			if err != nil {
				return err
			}
			if n == 0 {
				return fault(errs.NotFound, "SubPortNotFound", "SubPort on trunk %s with parent port %s could not be found.", id, t.PortID)
			}
			if err := s.freeSubPort(ctx, tx, port); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *Service) changeSubPorts(ctx context.Context, tx *store.Tx, rule, id string, change func(*Trunk) error) (*Trunk, error) {
	t, err := trunks.visible(ctx, s, tx, id)
	if err != nil {
		return nil, err
	}
	if err := s.check(ctx, rule, trunks.policyTarget(t)); err != nil {
		return nil, err
	}
	if !t.AdminStateUp {
		return nil, fault(errs.Conflict, "TrunkDisabled", "Trunk %s is currently disabled.", id)
	}
	if err := change(t); err != nil {
		return nil, err
	}
	if err := trunks.save(ctx, s, tx, t); err != nil {
		return nil, err
	}
	return t, hydrateTrunks(ctx, tx, []*Trunk{t})
}

// freeSubPort makes a port that a trunk carried an ordinary one again.
func (s *Service) freeSubPort(ctx context.Context, tx *store.Tx, portID string) error {
	p, err := s.Ports.table.Get(ctx, tx, portID)
	if err != nil {
		return err
	}
	p.DeviceOwner, p.Status = "", StatusDown
	s.touchPort(tx, p)
	return s.Ports.save(ctx, tx, p)
}

// UpdateTrunk changes a trunk by apply.
func (s *Service) UpdateTrunk(ctx context.Context, tx *store.Tx, id string, c Change, apply func(*Trunk) error) (*Trunk, error) {
	t, err := trunks.open(ctx, s, tx, "update", id, c)
	if err != nil {
		return nil, err
	}
	if err := apply(t); err != nil {
		return nil, err
	}
	if err := trunks.save(ctx, s, tx, t); err != nil {
		return nil, err
	}
	return t, hydrateTrunks(ctx, tx, []*Trunk{t})
}

// DeleteTrunk ends a trunk; its ports become ordinary ones.
func (s *Service) DeleteTrunk(ctx context.Context, tx *store.Tx, id string, c Change) error {
	t, err := trunks.open(ctx, s, tx, "delete", id, c)
	if err != nil {
		return err
	}
	if !t.AdminStateUp {
		return fault(errs.Conflict, "TrunkDisabled", "Trunk %s is currently disabled; enable it first.", id)
	}
	return s.removeTrunk(ctx, tx, t)
}

func (s *Service) removeTrunk(ctx context.Context, tx *store.Tx, t *Trunk) error {
	subs, err := subPortsOf(ctx, tx, t.ID)
	if err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, "DELETE FROM trunk_subport WHERE trunk_id = ?", t.ID); err != nil {
		return err
	}
	for _, sub := range subs {
		if err := s.freeSubPort(ctx, tx, sub.PortID); err != nil {
			return err
		}
	}
	return trunkTable.Delete(ctx, tx, t.ID)
}

// leaveTrunks takes a port that goes, with its server, out of trunks.
func (s *Service) leaveTrunks(ctx context.Context, tx *store.Tx, portID string) error {
	if _, err := tx.Exec(ctx, "DELETE FROM trunk_subport WHERE port_id = ?", portID); err != nil {
		return err
	}
	own, err := trunkTable.Where(ctx, tx, "port_id", portID)
	for _, t := range own {
		if err := s.removeTrunk(ctx, tx, t); err != nil {
			return err
		}
	}
	return err
}

// carried is what a trunk makes of a port: where it is, and its tag.
type carried struct {
	parent, host string
	tag          int
}

// trunkedPorts adds to the ports those that their trunks carry, and says of each
// port that is carried by which.
func trunkedPorts(ctx context.Context, tx *store.Tx, ps []*Port) ([]*Port, map[string]carried, error) {
	type pair struct {
		parent, port string
		tag          int64
	}
	rows, err := store.All(ctx, tx, func(r store.Row) (x pair, err error) {
		err = r.Scan(&x.parent, &x.port, &x.tag)
		return x, err
	}, "SELECT t.port_id, s.port_id, s.segment FROM trunk t JOIN trunk_subport s ON s.trunk_id = t.id")
	if err != nil || len(rows) == 0 {
		return ps, nil, err
	}
	have := map[string]*Port{}
	for _, p := range ps {
		have[p.ID] = p
	}
	var more, parents []string
	for _, x := range rows {
		switch {
		case have[x.parent] != nil && have[x.port] == nil:
			more = append(more, x.port)
		case have[x.port] != nil && have[x.parent] == nil:
			parents = append(parents, x.parent)
		}
	}
	added, err := portTable.WhereIn(ctx, tx, "id", more)
	if err != nil {
		return nil, nil, err
	}
	ps = append(ps, added...)
	others, err := portTable.WhereIn(ctx, tx, "id", parents)
	if err != nil {
		return nil, nil, err
	}
	for _, p := range append(others, added...) {
		have[p.ID] = p
	}
	out := map[string]carried{}
	for _, x := range rows {
		if parent := have[x.parent]; parent != nil && have[x.port] != nil {
			out[x.port] = carried{parent: parent.ID, host: parent.Host, tag: int(x.tag)}
		}
	}
	return ps, out, nil
}
