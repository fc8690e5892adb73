package network

import (
	"context"
	"net/netip"
	"slices"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/ids"
	"kumoi/internal/kernel/store"
)

func hydratePorts(ctx context.Context, tx *store.Tx, vs []*Port) error {
	nets, err := networkTable.WhereIn(ctx, tx, "id", idsOf(vs, func(p *Port) string { return p.NetworkID }))
	if err != nil {
		return err
	}
	byID := map[string]*Network{}
	for _, n := range nets {
		byID[n.ID] = n
	}
	shared := map[string]bool{}
	if err := hydrateNetworks(ctx, tx, nets); err != nil {
		return err
	}
	for _, n := range nets {
		shared[n.ID] = n.Shared
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
			p.networkProject, p.networkShared, p.NetworkQoS = n.ProjectID, shared[n.ID], n.QoSPolicyID
		}
	}
	return nil
}

// NewPort is what a request for a port says beside the port itself.
type NewPort struct {
	*Port
	WantIPs     []FixedIP // with IPsGiven: exactly these
	IPsGiven    bool
	GroupsGiven bool  // else the default group
	Security    *bool // nil: the network's default
}

// Ports returns the ports that the actor may see.
func (s *Service) Ports(ctx context.Context, f Filter) ([]*Port, error) { return ports.all(ctx, s, f) }

// Port returns one port that the actor may see.
func (s *Service) Port(ctx context.Context, id string) (*Port, error) { return ports.show(ctx, s, id) }

// newOwnPort is a port of the network's own machinery.
func newOwnPort(s *Service, n *Network, owner, device string) *Port {
	now := s.now()
	return &Port{
		Standard:  Standard{ID: ids.New(), Revision: 0, CreatedAt: now, UpdatedAt: now, Tags: []string{}},
		NetworkID: n.ID, AdminStateUp: true, Status: StatusDown, DeviceID: device, DeviceOwner: owner, VNICType: "normal",
		HeldAs: owner, HeldBy: device,
	}
}

// CreatePort makes a port on a network that the actor may see.
func (s *Service) CreatePort(ctx context.Context, tx *store.Tx, req NewPort, c Change) error {
	p := req.Port
	n, err := networks.visible(ctx, s, tx, p.NetworkID)
	if err != nil {
		return err
	}
	p.networkProject, p.networkShared, p.NetworkQoS = n.ProjectID, n.Shared, n.QoSPolicyID
	if n.External && !n.Shared && !s.isAdmin(ctx) && n.ProjectID != p.ProjectID && p.ProjectID != "" {
		return networks.notFound(n.ID)
	}
	if err := ports.prepare(ctx, s, p, c); err != nil {
		return err
	}
	if n.ProjectID != p.ProjectID && !n.Shared && !s.isAdmin(ctx) {
		return networks.notFound(n.ID)
	}
	if err := ports.countQuota(ctx, s, tx, p.ProjectID, 1); err != nil {
		return err
	}
	p.PortSecurity = n.PortSecurity
	if req.Security != nil {
		p.PortSecurity = *req.Security
	}
	return s.insertPort(ctx, tx, n, req)
}

// insertPort completes and writes a port whose right to exist is established.
func (s *Service) insertPort(ctx context.Context, tx *store.Tx, n *Network, req NewPort) error {
	p := req.Port
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
	} else if err := s.setGroups(ctx, tx, p, req.GroupsGiven); err != nil {
		return err
	}
	// The row comes first: its allocations refer to it.
	if err := portTable.Insert(ctx, tx, p); err != nil {
		if store.Duplicate(err) {
			return fault(errs.Conflict, "MacAddressInUse", "Unable to complete operation for network %s. The mac address %s is in use.", n.ID, p.MAC)
		}
		return err
	}
	if err := s.bindQoS(ctx, tx, "port", p.ID, "", p.QoSPolicyID); err != nil {
		return err
	}
	if err := s.allocate(ctx, tx, p, req.WantIPs, req.IPsGiven); err != nil {
		return err
	}
	if err := validatePort(p); err != nil {
		return err
	}
	if err := linkGroups(ctx, tx, p); err != nil {
		return err
	}
	if p.router() != "" {
		p.Status = StatusActive
	}
	if err := portTable.Update(ctx, tx, p); err != nil {
		return err
	}
	s.touchPort(tx, p)
	return nil
}

// setMAC checks the port's MAC address or makes one.
func (s *Service) setMAC(ctx context.Context, tx *store.Tx, p *Port) (err error) {
	if p.MAC == "" {
		p.MAC, err = freeMAC(ctx, tx, p.NetworkID)
		return err
	}
	if p.MAC, err = ParseMAC(p.MAC); err != nil {
		return invalid("Invalid input for mac_address. Reason: %s.", err)
	}
	used, err := portTable.Count(ctx, tx, "network_id = ? AND mac = ? AND id <> ?", p.NetworkID, p.MAC, p.ID)
	if err == nil && used > 0 {
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

func linkGroups(ctx context.Context, tx *store.Tx, p *Port) error {
	if _, err := tx.Exec(ctx, "DELETE FROM network_port_security_group WHERE port_id = ?", p.ID); err != nil {
		return err
	}
	for _, g := range p.SecurityGroups {
		if _, err := tx.Exec(ctx, "INSERT INTO network_port_security_group (port_id, group_id) VALUES (?, ?)", p.ID, g); err != nil {
			return err
		}
	}
	return nil
}

// PortUpdate is what a request changes beside plain attributes.
type PortUpdate struct {
	Apply   func(*Port) error
	IPs     *[]FixedIP // nil: as they are
	Groups  bool       // Apply sets security groups
	Private bool       // on behalf of another service: no policy
}

// UpdatePort changes a port.
func (s *Service) UpdatePort(ctx context.Context, tx *store.Tx, id string, c Change, u PortUpdate) (*Port, error) {
	var p *Port
	var err error
	if u.Private {
		p, err = ports.load(ctx, tx, id)
	} else {
		p, err = ports.open(ctx, s, tx, "update", id, c)
	}
	if err != nil {
		return nil, err
	}
	old := *p
	if err := u.Apply(p); err != nil {
		return nil, err
	}
	if err := s.relabelled(ctx, p, &old); err != nil {
		return nil, err
	}
	if p.MAC != old.MAC {
		if old.Bound() && old.Server() != "" {
			return nil, fault(errs.Conflict, "PortBound", "Unable to complete operation on port %s, port is already bound, port type: ovs, old_mac %s, new_mac %s.", id, old.MAC, p.MAC)
		}
		if err := s.setMAC(ctx, tx, p); err != nil {
			return nil, err
		}
	}
	if u.Groups {
		if p.NetworkOwned() {
			p.SecurityGroups = nil
		} else if err := s.setGroups(ctx, tx, p, true); err != nil {
			return nil, err
		}
	}
	if !p.PortSecurity && old.PortSecurity && !u.Groups && len(p.SecurityGroups) > 0 {
		return nil, fault(errs.Conflict, "PortSecurityPortHasSecurityGroup", "Port has security group associated. Cannot disable port security or IP address until security group is removed.")
	}
	if p.MAC != old.MAC && u.IPs == nil {
		automatic, err := s.automatic(ctx, tx, &old, old.FixedIPs)
		if err != nil {
			return nil, err
		}
		if len(automatic) > 0 { // they follow from the MAC
			rest := slices.DeleteFunc(slices.Clone(p.FixedIPs), func(f FixedIP) bool { return slices.Contains(automatic, f) })
			for _, f := range automatic {
				rest = append(rest, FixedIP{SubnetID: f.SubnetID, IP: netip.Addr{}})
			}
			if err := release(ctx, tx, p.ID, automatic...); err != nil {
				return nil, err
			}
			p.FixedIPs = rest[:len(rest)-len(automatic)]
			u.IPs = &rest
		}
	}
	if u.IPs != nil {
		if err := s.changeIPs(ctx, tx, p, *u.IPs); err != nil {
			return nil, err
		}
	}
	if err := validatePort(p); err != nil {
		return nil, err
	}
	if u.Groups {
		if err := linkGroups(ctx, tx, p); err != nil {
			return nil, err
		}
	}
	if err := s.bindQoS(ctx, tx, "port", id, old.QoSPolicyID, p.QoSPolicyID); err != nil {
		return nil, err
	}
	if p.Host != old.Host {
		p.Status = StatusDown
	}
	if err := ports.save(ctx, s, tx, p); err != nil {
		return nil, err
	}
	s.touchPort(tx, p)
	if u.IPs != nil || p.MAC != old.MAC {
		return p, s.afterAddressChange(ctx, tx, p, &old)
	}
	return p, nil
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
	return s.check(ctx, "update_port:device_owner", ports.policyTarget(p))
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
		if err := release(ctx, tx, p.ID, f); err != nil {
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
		sub, err := subnetTable.Get(ctx, tx, f.SubnetID)
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

// DeletePort deletes a port that nothing of the network depends on.
func (s *Service) DeletePort(ctx context.Context, tx *store.Tx, id string, c Change) error {
	p, err := ports.open(ctx, s, tx, "delete", id, c)
	if err != nil {
		return err
	}
	if err := s.deletable(ctx, tx, p); err != nil {
		return err
	}
	if err := notInTrunk(ctx, tx, id); err != nil {
		return err
	}
	return s.removePort(ctx, tx, p)
}

// deletable refuses to take away a port that a router or floating IP still has.
func (s *Service) deletable(ctx context.Context, tx *store.Tx, p *Port) error {
	var n int64
	var err error
	switch p.HeldAs {
	case OwnerRouterInterface, OwnerRouterGateway:
		n, err = routerTable.Count(ctx, tx, "id = ?", p.HeldBy)
	case OwnerFloatingIP:
		n, err = floatingIPTable.Count(ctx, tx, "id = ?", p.HeldBy)
	}
	if err == nil && n > 0 {
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
	for _, stmt := range []string{
		"DELETE FROM network_port_forwarding WHERE port_id = ?",
		"DELETE FROM network_ip_allocation WHERE port_id = ?",
		"DELETE FROM network_port_security_group WHERE port_id = ?",
		"DELETE FROM network_qos_binding WHERE object_id = ?",
	} {
		if _, err := tx.Exec(ctx, stmt, p.ID); err != nil {
			return err
		}
	}
	s.touchPort(tx, p)
	return portTable.Delete(ctx, tx, p.ID)
}
