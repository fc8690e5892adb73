package network

import (
	"context"
	"net/netip"

	"kumoi/internal/kernel/change"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/ids"
	"kumoi/internal/kernel/policy"
	"kumoi/internal/kernel/store"
)

// Ports are the use cases of ports.
type Ports struct {
	family[Port, *Port]
}

func newPorts(s *Service, t Tables) *Ports {
	f := &Ports{}
	f.family = family[Port, *Port]{
		s: s, table: t.Ports, name: "port", code: "PortNotFound", say: "Port %s could not be found.", hydrate: f.hydrated,
		target: func(p *Port, t policy.Target) {
			t["network:project_id"], t["network:tenant_id"] = p.networkProject, p.networkProject
			t["network:shared"], t["device_owner"] = flag(p.networkShared), p.DeviceOwner
			t["network_device"] = flag(p.NetworkOwned())
		},
	}
	return f
}

func (f *Ports) hydrated(ctx context.Context, tx *store.Tx, vs []*Port) error {
	byID, err := f.s.Networks.byID(ctx, tx, idsOf(vs, func(p *Port) string { return p.NetworkID }))
	if err != nil {
		return err
	}
	if err := f.s.Trunks.ofPorts(ctx, tx, vs); err != nil {
		return err
	}
	for _, p := range vs {
		if n := byID[p.NetworkID]; n != nil {
			p.networkProject, p.networkShared, p.NetworkQoS = n.ProjectID, n.Shared, n.QoSPolicyID
		}
	}
	return nil
}

// NewPort is what a request for a port says, or for a change of one.
type NewPort struct {
	Port
	PortWants
}

// PortWants is what it says beside the port itself.
type PortWants struct {
	WantIPs     []FixedIP // with IPsGiven: exactly these
	IPsGiven    bool
	GroupsGiven bool  // else the default group
	Security    *bool // nil: the network's default
}

// PortGroup says that a port has a security group.
type PortGroup struct{ PortID, GroupID string }

// newOwnPort is a port of the network's own machinery.
func newOwnPort(s *Service, n *Network, owner, device string) *Port {
	now := s.now()
	return &Port{
		Standard:  Standard{ID: ids.New(), Revision: 0, CreatedAt: now, UpdatedAt: now, Tags: []string{}},
		NetworkID: n.ID, AdminStateUp: true, Status: StatusDown, DeviceID: device, DeviceOwner: owner, VNICType: "normal",
		HeldAs: owner, HeldBy: device,
	}
}

// Create makes a port on a network that the actor may see.
func (f *Ports) Create(ctx context.Context, p change.Patch[NewPort]) (*Port, error) {
	return createOne(ctx, f.s, p, f.CreateTx)
}

// CreateMany makes all or none.
func (f *Ports) CreateMany(ctx context.Context, many []change.Patch[NewPort]) ([]*Port, error) {
	return createAll(ctx, f.s, many, f.CreateTx)
}

// CreateTx is Create inside the caller's transaction.
func (f *Ports) CreateTx(ctx context.Context, tx *store.Tx, p change.Patch[NewPort]) (*Port, error) {
	req := &NewPort{Port: Port{AdminStateUp: true, VNICType: "normal", PropagateUp: true}}
	if err := p.To(req); err != nil {
		return nil, err
	}
	return &req.Port, f.add(ctx, tx, &req.Port, req.PortWants, p.Named)
}

func (f *Ports) add(ctx context.Context, tx *store.Tx, p *Port, want PortWants, named []string) error {
	n, err := f.s.Networks.visible(ctx, tx, p.NetworkID)
	if err != nil {
		return err
	}
	p.networkProject, p.networkShared, p.NetworkQoS = n.ProjectID, n.Shared, n.QoSPolicyID
	if n.External && !n.Shared && !f.s.Access.isAdmin(ctx) && n.ProjectID != p.ProjectID && p.ProjectID != "" {
		return f.s.Networks.notFound(n.ID)
	}
	if err := f.begin(ctx, p, named); err != nil {
		return err
	}
	if n.ProjectID != p.ProjectID && !n.Shared && !f.s.Access.isAdmin(ctx) {
		return f.s.Networks.notFound(n.ID)
	}
	if err := f.s.Quotas.count(ctx, tx, p.ProjectID, "port", 1); err != nil {
		return err
	}
	p.PortSecurity = n.PortSecurity
	if want.Security != nil {
		p.PortSecurity = *want.Security
	}
	return f.insert(ctx, tx, n, p, want)
}

// insert completes and writes a port whose right to exist is established.
func (f *Ports) insert(ctx context.Context, tx *store.Tx, n *Network, p *Port, want PortWants) error {
	if p.Tags == nil {
		p.Tags = []string{}
	}
	if err := f.setMAC(ctx, tx, p); err != nil {
		return err
	}
	if p.VNICType == "" {
		p.VNICType = "normal"
	}
	p.Status = StatusDown
	if p.NetworkOwned() {
		p.PortSecurity, p.SecurityGroups = false, nil
	} else if err := f.setGroups(ctx, tx, p, want.GroupsGiven); err != nil {
		return err
	}
	// The row comes first: its allocations refer to it.
	if err := f.table.Insert(ctx, tx, p); err != nil {
		if store.Duplicate(err) {
			return fault(errs.Conflict, "MacAddressInUse", "Unable to complete operation for network %s. The mac address %s is in use.", n.ID, p.MAC)
		}
		return err
	}
	if err := f.s.QoSPolicies.bind(ctx, tx, "port", p.ID, "", p.QoSPolicyID); err != nil {
		return err
	}
	if err := f.s.ipam.allocate(ctx, tx, p, want.WantIPs, want.IPsGiven); err != nil {
		return err
	}
	if err := validatePort(p); err != nil {
		return err
	}
	if err := f.linkGroups(ctx, tx, p); err != nil {
		return err
	}
	if p.router() != "" {
		p.Status = StatusActive
	}
	if err := f.table.Update(ctx, tx, p); err != nil {
		return err
	}
	f.s.projector.touchPort(tx, p)
	return nil
}

// Delete deletes a port that nothing of the network depends on.
func (f *Ports) Delete(ctx context.Context, id string) error {
	return f.s.db.Write(ctx, func(tx *store.Tx) error {
		p, err := f.open(ctx, tx, "delete", id, nil)
		if err != nil {
			return err
		}
		if err := f.deletable(ctx, tx, p); err != nil {
			return err
		}
		if err := f.s.Trunks.unneeded(ctx, tx, id); err != nil {
			return err
		}
		return f.remove(ctx, tx, p)
	})
}

// deletable refuses to take away a port that a router or floating IP still has.
func (f *Ports) deletable(ctx context.Context, tx *store.Tx, p *Port) error {
	used := false
	var err error
	switch p.HeldAs {
	case OwnerRouterInterface, OwnerRouterGateway:
		used, err = f.s.Routers.table.Any(ctx, tx, store.Eq("id", p.HeldBy))
	case OwnerFloatingIP:
		used, err = f.s.FloatingIPs.table.Any(ctx, tx, store.Eq("id", p.HeldBy))
	}
	if err == nil && used {
		return fault(errs.Conflict, "ServicePortInUse", "Port %s cannot be deleted directly via the port API: has device owner %s.", p.ID, p.DeviceOwner)
	}
	return err
}

// remove deletes a port and everything that hangs on it.
func (f *Ports) remove(ctx context.Context, tx *store.Tx, p *Port) error {
	if err := f.s.FloatingIPs.disassociate(ctx, tx, p.ID, netip.Addr{}); err != nil {
		return err
	}
	if err := f.s.Trunks.leave(ctx, tx, p.ID); err != nil {
		return err
	}
	of := store.Eq("port_id", p.ID)
	if _, err := f.s.Forwardings.table.DeleteWhere(ctx, tx, of); err != nil {
		return err
	}
	if _, err := f.s.ipam.allocations.DeleteWhere(ctx, tx, of); err != nil {
		return err
	}
	if _, err := f.s.portGroups.DeleteWhere(ctx, tx, of); err != nil {
		return err
	}
	if err := f.s.QoSPolicies.unbind(ctx, tx, p.ID); err != nil {
		return err
	}
	f.s.projector.touchPort(tx, p)
	return f.table.Delete(ctx, tx, p.ID)
}
