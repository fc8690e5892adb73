package network

import (
	"context"
	"net/netip"
	"slices"

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
	for _, p := range vs {
		p.Trunk = nil
	}
	parents, err := trunkTable.WhereIn(ctx, tx, "port_id", idsOf(vs, func(p *Port) string { return p.ID }))
	if err != nil {
		return err
	}
	if err := hydrateTrunks(ctx, tx, parents); err != nil {
		return err
	}
	for _, t := range parents {
		for _, p := range vs {
			if p.ID == t.PortID {
				p.Trunk = t
			}
		}
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

// setMAC checks the port's MAC address or makes one.
func (s *Service) setMAC(ctx context.Context, tx *store.Tx, p *Port) (err error) {
	if p.MAC == "" {
		p.MAC, err = s.freeMAC(ctx, tx, p.NetworkID)
		return err
	}
	if p.MAC, err = ParseMAC(p.MAC); err != nil {
		return invalid("Invalid input for mac_address. Reason: %s.", err)
	}
	used, err := s.Ports.table.Any(ctx, tx, store.Eq("network_id", p.NetworkID), store.Eq("mac", p.MAC), store.Ne("id", p.ID))
	if err == nil && used {
		err = fault(errs.Conflict, "MacAddressInUse", "Unable to complete operation for network %s. The mac address %s is in use.", p.NetworkID, p.MAC)
	}
	return err
}

// setGroups checks the port's security groups or gives it the default one.
func (s *Service) setGroups(ctx context.Context, tx *store.Tx, p *Port, given bool) error {
	if !given {
		p.SecurityGroups = []string{}
		g, err := s.EnsureDefaultSecurityGroupTx(ctx, tx, p.ProjectID)
		if err != nil {
			return err
		}
		if p.PortSecurity {
			p.SecurityGroups = []string{g.ID}
		}
		return nil
	}
	seen := map[string]bool{}
	p.SecurityGroups = slices.DeleteFunc(slices.Clone(p.SecurityGroups), func(id string) bool {
		dup := seen[id]
		seen[id] = true
		return dup
	})
	for _, id := range p.SecurityGroups {
		g, err := s.SecurityGroups.load(ctx, tx, id)
		if err != nil {
			return err
		}
		if g.ProjectID != p.ProjectID && !g.Shared && !s.isAdmin(ctx) {
			return s.SecurityGroups.notFound(id)
		}
	}
	return nil
}

// maxPairs bounds the allowed address pairs of a port.
const maxPairs = 10

func validatePort(p *Port) error {
	if !p.PortSecurity && len(p.SecurityGroups) > 0 {
		return fault(errs.Invalid, "PortSecurityAndIPRequiredForSecurityGroups",
			"Port security must be enabled and port must have an IP address in order to use security groups.")
	}
	if !p.PortSecurity && len(p.AddressPairs) > 0 {
		return fault(errs.Conflict, "AddressPairAndPortSecurityRequired",
			"Port Security must be enabled in order to have allowed address pairs on a port.")
	}
	if len(p.AddressPairs) > maxPairs {
		return fault(errs.Invalid, "AllowedAddressPairExhausted", "The number of allowed address pairs exceeds the maximum %d.", maxPairs)
	}
	seen := map[AddressPair]bool{}
	for i, a := range p.AddressPairs {
		if a.MAC == "" {
			p.AddressPairs[i].MAC = p.MAC
			a.MAC = p.MAC
		}
		if seen[a] {
			return fault(errs.Invalid, "DuplicateAddressPairInRequest", "Request contains duplicate address pair: mac_address %s ip_address %s.", a.MAC, a.IP)
		}
		seen[a] = true
	}
	return nil
}

// linkGroups writes down which security groups a port has.
func (s *Service) linkGroups(ctx context.Context, tx *store.Tx, p *Port) error {
	if _, err := s.portGroups.DeleteWhere(ctx, tx, store.Eq("port_id", p.ID)); err != nil {
		return err
	}
	for _, g := range p.SecurityGroups {
		if err := s.portGroups.Insert(ctx, tx, &PortGroup{p.ID, g}); err != nil {
			return err
		}
	}
	return nil
}

// Update changes a port.
func (f *Ports) Update(ctx context.Context, id string, p change.Patch[NewPort]) (*Port, error) {
	return changeOne(ctx, f.s, func(tx *store.Tx) (*Port, error) {
		old, err := f.open(ctx, tx, "update", id, p.Named)
		if err != nil {
			return nil, err
		}
		req := &NewPort{Port: *old}
		if err := p.To(req); err != nil {
			return nil, err
		}
		return &req.Port, f.s.updatePort(ctx, tx, &req.Port, old, req.PortWants)
	})
}

// updatePort judges what became of a port, writes it and brings along what
// depends on it.
func (s *Service) updatePort(ctx context.Context, tx *store.Tx, p, old *Port, want PortWants) error {
	var ips *[]FixedIP // nil: as they are
	if want.IPsGiven {
		ips = &want.WantIPs
	}
	if err := s.relabelled(ctx, p, old); err != nil {
		return err
	}
	if p.MAC != old.MAC {
		if old.Bound() && old.Server() != "" {
			return fault(errs.Conflict, "PortBound", "Unable to complete operation on port %s, port is already bound, port type: ovs, old_mac %s, new_mac %s.", p.ID, old.MAC, p.MAC)
		}
		if err := s.setMAC(ctx, tx, p); err != nil {
			return err
		}
	}
	if want.GroupsGiven {
		if p.NetworkOwned() {
			p.SecurityGroups = nil
		} else if err := s.setGroups(ctx, tx, p, true); err != nil {
			return err
		}
	}
	if !p.PortSecurity && old.PortSecurity && !want.GroupsGiven && len(p.SecurityGroups) > 0 {
		return fault(errs.Conflict, "PortSecurityPortHasSecurityGroup", "Port has security group associated. Cannot disable port security or IP address until security group is removed.")
	}
	if p.MAC != old.MAC && ips == nil {
		automatic, err := s.automatic(ctx, tx, old, old.FixedIPs)
		if err != nil {
			return err
		}
		if len(automatic) > 0 { // they follow from the MAC
			rest := slices.DeleteFunc(slices.Clone(p.FixedIPs), func(f FixedIP) bool { return slices.Contains(automatic, f) })
			for _, f := range automatic {
				rest = append(rest, FixedIP{SubnetID: f.SubnetID, IP: netip.Addr{}})
			}
			if err := s.release(ctx, tx, p.ID, automatic...); err != nil {
				return err
			}
			p.FixedIPs = rest[:len(rest)-len(automatic)]
			ips = &rest
		}
	}
	if ips != nil {
		if err := s.changeIPs(ctx, tx, p, *ips); err != nil {
			return err
		}
	}
	if err := validatePort(p); err != nil {
		return err
	}
	if want.GroupsGiven {
		if err := s.linkGroups(ctx, tx, p); err != nil {
			return err
		}
	}
	if err := s.bindQoS(ctx, tx, "port", p.ID, old.QoSPolicyID, p.QoSPolicyID); err != nil {
		return err
	}
	if p.Host != old.Host {
		p.Status = StatusDown
	}
	if err := s.Ports.save(ctx, tx, p); err != nil {
		return err
	}
	s.touchPort(tx, p)
	if ips != nil || p.MAC != old.MAC {
		return s.afterAddressChange(ctx, tx, p, old)
	}
	return nil
}

// relabelled checks what a request writes into device_id and device_owner: the
// network's own owners are not for users, and what the network itself has
// attached says so.
func (s *Service) relabelled(ctx context.Context, p, old *Port) error {
	if p.DeviceID == old.DeviceID && p.DeviceOwner == old.DeviceOwner {
		return nil
	}
	if p.HeldAs != "" && p.HeldAs != HeldByServer {
		return fault(errs.Conflict, "PortInUse", "Unable to complete operation on port %s for network %s. Port already has an attached device %s.", p.ID, p.NetworkID, p.HeldBy)
	}
	if p.DeviceOwner == old.DeviceOwner {
		return nil
	}
	return s.check(ctx, "update_port:device_owner", s.Ports.policyTarget(p))
}

// changeIPs makes the port's addresses those wanted, in their order, keeping what
// stays. A guest keeps the addresses that it gives itself, asked for or not.
func (s *Service) changeIPs(ctx context.Context, tx *store.Tx, p *Port, want []FixedIP) error {
	have := slices.Clone(p.FixedIPs)
	kept := make([]FixedIP, len(want))
	var add []FixedIP
	for n, w := range want {
		i := slices.IndexFunc(have, func(f FixedIP) bool {
			return (w.IP.IsValid() && f.IP == w.IP && (w.SubnetID == "" || w.SubnetID == f.SubnetID)) || (!w.IP.IsValid() && f.SubnetID == w.SubnetID)
		})
		if i < 0 {
			add = append(add, w)
			continue
		}
		kept[n] = have[i]
		have = slices.Delete(have, i, i+1)
	}
	automatic, err := s.automatic(ctx, tx, p, have)
	if err != nil {
		return err
	}
	p.FixedIPs = automatic // so that they are not given twice
	for _, f := range have {
		if slices.Contains(automatic, f) {
			continue
		}
		inUse, err := s.floatingOn(ctx, tx, p.ID, f.IP)
		if err != nil {
			return err
		}
		if inUse != "" && p.HeldAs == OwnerRouterInterface {
			return fault(errs.Conflict, "RouterInterfaceInUseByFloatingIP", "Router interface for subnet %s on router %s cannot be deleted, as it is required by one or more floating IPs.", f.SubnetID, p.HeldBy)
		}
		if err := s.release(ctx, tx, p.ID, f); err != nil {
			return err
		}
	}
	for _, f := range kept {
		if f.IP.IsValid() {
			p.FixedIPs = append(p.FixedIPs, f)
		}
	}
	if len(add) > 0 {
		if err := s.allocate(ctx, tx, p, add, true); err != nil {
			return err
		}
	}
	p.FixedIPs = inOrder(p.FixedIPs, kept, want)
	return nil
}

// automatic are those of the addresses that a guest gives itself.
func (s *Service) automatic(ctx context.Context, tx *store.Tx, p *Port, ips []FixedIP) ([]FixedIP, error) {
	if p.NetworkOwned() {
		return nil, nil
	}
	var out []FixedIP
	for _, f := range ips {
		sub, err := s.Subnets.table.Get(ctx, tx, f.SubnetID)
		if err != nil {
			return nil, err
		}
		if sub.SLAAC() && f.IP == eui64(sub.CIDR, p.MAC) {
			out = append(out, f)
		}
	}
	return out, nil
}

// inOrder sorts a port's addresses as they were wanted: kept has those that stayed
// at their places, new ones fill the others, and what nobody named comes last.
func inOrder(have, kept, want []FixedIP) []FixedIP {
	out := make([]FixedIP, 0, len(have))
	left := slices.Clone(have)
	take := func(fits func(FixedIP) bool) {
		if i := slices.IndexFunc(left, fits); i >= 0 {
			out = append(out, left[i])
			left = slices.Delete(left, i, i+1)
		}
	}
	for i, w := range want {
		take(func(f FixedIP) bool {
			if kept[i].IP.IsValid() {
				return f == kept[i]
			}
			return !slices.Contains(kept, f) && (w.SubnetID == "" || f.SubnetID == w.SubnetID) && (!w.IP.IsValid() || f.IP == w.IP)
		})
	}
	return append(out, left...)
}

// afterAddressChange brings along what depends on a port's addresses.
func (s *Service) afterAddressChange(ctx context.Context, tx *store.Tx, p, old *Port) error {
	for _, f := range old.FixedIPs {
		if slices.ContainsFunc(p.FixedIPs, func(x FixedIP) bool { return x.IP == f.IP }) {
			continue
		}
		if err := s.disassociate(ctx, tx, p.ID, f.IP); err != nil {
			return err
		}
	}
	if p.HeldAs == OwnerRouterGateway {
		return s.gatewayMoved(ctx, tx, p)
	}
	if p.HeldAs == OwnerRouterInterface {
		s.touchRouter(tx, p.HeldBy)
	}
	if p.HeldAs == OwnerDistributed {
		s.touchNetwork(tx, p.NetworkID)
	}
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
		if err := notInTrunk(ctx, tx, id); err != nil {
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
	if err := s.leaveTrunks(ctx, tx, p.ID); err != nil {
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
