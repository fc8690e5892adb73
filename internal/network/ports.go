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
	return &Ports{family[Port, *Port]{
		s: s, table: t.Ports, name: "port", code: "PortNotFound", say: "Port %s could not be found.", hydrate: s.hydratePorts,
		target: func(p *Port, t policy.Target) {
			t["network:project_id"], t["network:tenant_id"] = p.networkProject, p.networkProject
			t["network:shared"], t["device_owner"] = flag(p.networkShared), p.DeviceOwner
			t["network_device"] = flag(p.NetworkOwned())
		},
	}}
}

func (s *Service) hydratePorts(ctx context.Context, tx *store.Tx, vs []*Port) error {
	byID, err := s.Networks.byID(ctx, tx, idsOf(vs, func(p *Port) string { return p.NetworkID }))
	if err != nil {
		return err
	}
	if err := s.Trunks.ofPorts(ctx, tx, vs); err != nil {
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
	return &req.Port, f.s.createPort(ctx, tx, &req.Port, req.PortWants, p.Named)
}

func (s *Service) createPort(ctx context.Context, tx *store.Tx, p *Port, want PortWants, named []string) error {
	n, err := s.Networks.visible(ctx, tx, p.NetworkID)
	if err != nil {
		return err
	}
	p.networkProject, p.networkShared, p.NetworkQoS = n.ProjectID, n.Shared, n.QoSPolicyID
	if n.External && !n.Shared && !s.isAdmin(ctx) && n.ProjectID != p.ProjectID && p.ProjectID != "" {
		return s.Networks.notFound(n.ID)
	}
	if err := s.Ports.begin(ctx, p, named); err != nil {
		return err
	}
	if n.ProjectID != p.ProjectID && !n.Shared && !s.isAdmin(ctx) {
		return s.Networks.notFound(n.ID)
	}
	if err := s.countQuota(ctx, tx, p.ProjectID, "port", 1); err != nil {
		return err
	}
	p.PortSecurity = n.PortSecurity
	if want.Security != nil {
		p.PortSecurity = *want.Security
	}
	return s.insertPort(ctx, tx, n, p, want)
}

// insertPort completes and writes a port whose right to exist is established.
func (s *Service) insertPort(ctx context.Context, tx *store.Tx, n *Network, p *Port, want PortWants) error {
	if p.Tags == nil {
		p.Tags = []string{}
	}
	if err := s.setMAC(ctx, tx, p); err != nil {
		return err
	}
	if p.VNICType == "" {
		p.VNICType = "normal"
	}
	p.Status = StatusDown
	if p.NetworkOwned() {
		p.PortSecurity, p.SecurityGroups = false, nil
	} else if err := s.setGroups(ctx, tx, p, want.GroupsGiven); err != nil {
		return err
	}
	// The row comes first: its allocations refer to it.
	if err := s.Ports.table.Insert(ctx, tx, p); err != nil {
		if store.Duplicate(err) {
			return fault(errs.Conflict, "MacAddressInUse", "Unable to complete operation for network %s. The mac address %s is in use.", n.ID, p.MAC)
		}
		return err
	}
	if err := s.bindQoS(ctx, tx, "port", p.ID, "", p.QoSPolicyID); err != nil {
		return err
	}
	if err := s.allocate(ctx, tx, p, want.WantIPs, want.IPsGiven); err != nil {
		return err
	}
	if err := validatePort(p); err != nil {
		return err
	}
	if err := s.linkGroups(ctx, tx, p); err != nil {
		return err
	}
	if p.router() != "" {
		p.Status = StatusActive
	}
	if err := s.Ports.table.Update(ctx, tx, p); err != nil {
		return err
	}
	s.touchPort(tx, p)
	return nil
}

// Delete deletes a port that nothing of the network depends on.
func (f *Ports) Delete(ctx context.Context, id string) error {
	return f.s.db.Write(ctx, func(tx *store.Tx) error {
		p, err := f.open(ctx, tx, "delete", id, nil)
		if err != nil {
			return err
		}
		if err := f.s.deletable(ctx, tx, p); err != nil {
			return err
		}
		if err := f.s.Trunks.unneeded(ctx, tx, id); err != nil {
			return err
		}
		return f.s.removePort(ctx, tx, p)
	})
}

// deletable refuses to take away a port that a router or floating IP still has.
func (s *Service) deletable(ctx context.Context, tx *store.Tx, p *Port) error {
	used := false
	var err error
	switch p.HeldAs {
	case OwnerRouterInterface, OwnerRouterGateway:
		used, err = s.Routers.table.Any(ctx, tx, store.Eq("id", p.HeldBy))
	case OwnerFloatingIP:
		used, err = s.FloatingIPs.table.Any(ctx, tx, store.Eq("id", p.HeldBy))
	}
	if err == nil && used {
		return fault(errs.Conflict, "ServicePortInUse", "Port %s cannot be deleted directly via the port API: has device owner %s.", p.ID, p.DeviceOwner)
	}
	return err
}

// removePort deletes a port and everything that hangs on it.
func (s *Service) removePort(ctx context.Context, tx *store.Tx, p *Port) error {
	if err := s.disassociate(ctx, tx, p.ID, netip.Addr{}); err != nil {
		return err
	}
	if err := s.Trunks.leave(ctx, tx, p.ID); err != nil {
		return err
	}
	of := store.Eq("port_id", p.ID)
	if _, err := s.Forwardings.table.DeleteWhere(ctx, tx, of); err != nil {
		return err
	}
	if _, err := s.allocations.DeleteWhere(ctx, tx, of); err != nil {
		return err
	}
	if _, err := s.portGroups.DeleteWhere(ctx, tx, of); err != nil {
		return err
	}
	if err := s.unbindQoS(ctx, tx, p.ID); err != nil {
		return err
	}
	s.touchPort(tx, p)
	return s.Ports.table.Delete(ctx, tx, p.ID)
}
