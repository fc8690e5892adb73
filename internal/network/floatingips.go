package network

import (
	"context"
	"net/netip"
	"slices"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

// FloatingIPs returns the floating IPs that the actor may see.
func (s *Service) FloatingIPs(ctx context.Context, f Filter) ([]*FloatingIP, error) {
	return floatingIPs.all(ctx, s, f)
}

// FloatingIP returns one floating IP that the actor may see.
func (s *Service) FloatingIP(ctx context.Context, id string) (*FloatingIP, error) {
	return floatingIPs.show(ctx, s, id)
}

// FloatingIPPool is a subnet that floating IPs can come from.
type FloatingIPPool struct {
	Network *Network
	Subnet  *Subnet
}

// FloatingIPPools returns the IPv4 subnets of the external networks that the
// actor may use; the subnets themselves it may not be able to see.
func (s *Service) FloatingIPPools(ctx context.Context) ([]FloatingIPPool, error) {
	var out []FloatingIPPool
	err := s.db.Read(ctx, func(tx *store.Tx) error {
		out = nil
		ns, err := networks.list(ctx, s, tx, Filter{})
		if err != nil {
			return err
		}
		for _, n := range ns {
			if !n.External {
				continue
			}
			subs, err := subnetTable.Where(ctx, tx, "network_id", n.ID)
			if err != nil {
				return err
			}
			for _, sub := range subs {
				if sub.Version() == 4 {
					out = append(out, FloatingIPPool{n, sub})
				}
			}
		}
		return nil
	})
	return out, err
}

// CreateFloatingIP takes an address of an external network; with PortID set it
// is given to that port at once.
func (s *Service) CreateFloatingIP(ctx context.Context, tx *store.Tx, f *FloatingIP, c Change) error {
	if err := floatingIPs.prepare(ctx, s, f, c); err != nil {
		return err
	}
	n, err := networks.visible(ctx, s, tx, f.NetworkID)
	if err != nil {
		return err
	}
	if !s.mayGoOut(ctx, n) {
		return fault(errs.Invalid, "BadRequest", "Bad floatingip request: Network %s is not a valid external network.", n.ID)
	}
	if err := floatingIPs.countQuota(ctx, s, tx, f.ProjectID, 1); err != nil {
		return err
	}
	p := newOwnPort(s, n, OwnerFloatingIP, f.ID)
	p.Revision, p.Status = 1, StatusNA
	want, err := s.floatingAddress(ctx, tx, n, f)
	if err != nil {
		return err
	}
	if err := s.insertPort(ctx, tx, n, NewPort{Port: p, WantIPs: want, IPsGiven: want != nil}); err != nil {
		return err
	}
	p.Status = StatusNA
	if err := portTable.Update(ctx, tx, p); err != nil {
		return err
	}
	i := slices.IndexFunc(p.FixedIPs, func(x FixedIP) bool { return x.IP.Is4() })
	if i < 0 {
		return fault(errs.Invalid, "BadRequest", "Bad floatingip request: External network %s does not contain any IPv4 subnet.", n.ID)
	}
	f.OutsidePort, f.Address, f.Status = p.ID, p.FixedIPs[i].IP, StatusDown
	if f.PortID == "" && f.FixedIP.IsValid() {
		return fixedWithoutPort()
	}
	if f.PortID != "" {
		if err := s.associate(ctx, tx, f); err != nil {
			return err
		}
	}
	if err := floatingIPTable.Insert(ctx, tx, f); err != nil {
		return err
	}
	return s.tellServers(ctx, tx, f.PortID)
}

func fixedWithoutPort() error {
	return fault(errs.Invalid, "BadRequest", "Bad floatingip request: fixed_ip_address cannot be specified without a port_id.")
}

// tellServers lets those know whose ports have other floating IPs now.
func (s *Service) tellServers(ctx context.Context, tx *store.Tx, portIDs ...string) error {
	if s.onServer == nil {
		return nil
	}
	ps, err := portTable.WhereIn(ctx, tx, "id", portIDs)
	if err != nil {
		return err
	}
	for _, p := range ps {
		if server := p.Server(); server != "" {
			if err := s.onServer(ctx, tx, server); err != nil {
				return err
			}
		}
	}
	return nil
}

// floatingAddress says which address to take: the one named, or one of the
// subnet named, or any IPv4 one.
func (s *Service) floatingAddress(ctx context.Context, tx *store.Tx, n *Network, f *FloatingIP) ([]FixedIP, error) {
	subs, err := subnetTable.Where(ctx, tx, "network_id", n.ID)
	if err != nil {
		return nil, err
	}
	if f.SubnetID != "" {
		i := slices.IndexFunc(subs, func(x *Subnet) bool { return x.ID == f.SubnetID })
		if i < 0 {
			if _, err := subnets.visible(ctx, s, tx, f.SubnetID); err != nil {
				return nil, err
			}
			return nil, fault(errs.Invalid, "InvalidInput", "Invalid input for operation: Subnet %s is not a subnet of network %s.", f.SubnetID, n.ID)
		}
		return []FixedIP{{f.SubnetID, f.Address}}, nil
	}
	if f.Address.IsValid() {
		return []FixedIP{{"", f.Address}}, nil
	}
	v4 := slices.DeleteFunc(slices.Clone(subs), func(x *Subnet) bool { return x.Version() != 4 || !serves(x, OwnerFloatingIP, subs) })
	if len(v4) == 0 {
		return nil, fault(errs.Invalid, "BadRequest", "Bad floatingip request: Network %s does not contain any IPv4 subnet.", n.ID)
	}
	slices.SortFunc(v4, func(a, b *Subnet) int { return a.CreatedAt.Compare(b.CreatedAt) })
	for _, sub := range v4 {
		ip, err := freeAddress(ctx, tx, sub)
		if err != nil {
			return nil, err
		}
		if ip.IsValid() {
			return []FixedIP{{sub.ID, ip}}, nil
		}
	}
	return nil, fault(errs.Conflict, "IpAddressGenerationFailure", "No more IP addresses available on network %s.", n.ID)
}

// associate gives the floating IP to its port; FixedIP says which address of
// it, the zero address the only IPv4 one.
func (s *Service) associate(ctx context.Context, tx *store.Tx, f *FloatingIP) error {
	p, err := ports.visible(ctx, s, tx, f.PortID)
	if err != nil {
		return err
	}
	if p.ProjectID != f.ProjectID && !s.isAdmin(ctx) {
		return fault(errs.Invalid, "BadRequest", "Bad floatingip request: Port %s is associated with a different tenant than Floating IP %s and therefore cannot be bound.", p.ID, f.ID)
	}
	var v4 []FixedIP
	for _, x := range p.FixedIPs {
		if x.IP.Is4() {
			v4 = append(v4, x)
		}
	}
	var inside FixedIP
	switch {
	case f.FixedIP.IsValid():
		i := slices.IndexFunc(p.FixedIPs, func(x FixedIP) bool { return x.IP == f.FixedIP })
		if i < 0 {
			return fault(errs.Invalid, "BadRequest", "Bad floatingip request: Port %s does not have fixed ip %s.", p.ID, f.FixedIP)
		}
		inside = p.FixedIPs[i]
	case len(v4) == 0:
		return fault(errs.Invalid, "BadRequest", "Bad floatingip request: Cannot add floating IP to port %s that has no fixed IPv4 addresses.", p.ID)
	case len(v4) > 1:
		return fault(errs.Invalid, "BadRequest", "Bad floatingip request: Port %s has multiple fixed IPv4 addresses. Must provide a specific IPv4 address when assigning a floating IP.", p.ID)
	default:
		inside = v4[0]
	}
	router, err := s.routerBetween(ctx, tx, inside.SubnetID, f.NetworkID)
	if err != nil {
		return err
	}
	if router == "" {
		return fault(errs.NotFound, "ExternalGatewayForFloatingIPNotFound",
			"External network %s is not reachable from subnet %s. Therefore, cannot associate Port %s with a Floating IP.", f.NetworkID, inside.SubnetID, p.ID)
	}
	have, err := floatingIPTable.Where(ctx, tx, "port_id", p.ID)
	if err != nil {
		return err
	}
	for _, o := range have {
		if o.ID != f.ID && o.FixedIP == inside.IP && o.NetworkID == f.NetworkID {
			return fault(errs.Conflict, "FloatingIPPortAlreadyAssociated",
				"Cannot associate floating IP %s (%s) with port %s using fixed IP %s, as that fixed IP already has a floating IP on external network %s.",
				f.Address, f.ID, p.ID, inside.IP, f.NetworkID)
		}
	}
	n, err := forwardingTable.Count(ctx, tx, "floatingip_id = ?", f.ID)
	if err != nil {
		return err
	}
	if n > 0 {
		return fault(errs.Conflict, "FloatingIPHasPortForwarding", "Cannot associate floating IP %s, it has port forwardings.", f.ID)
	}
	f.FixedIP, f.RouterID, f.Status = inside.IP, router, StatusActive
	s.touchRouter(tx, router)
	return nil
}

// routerBetween finds the router that leads from a subnet to an external network:
// rather the one that has the gateway's address, to which guests send. On a shared
// network others may have routers too.
func (s *Service) routerBetween(ctx context.Context, tx *store.Tx, subnetID, externalID string) (string, error) {
	sub, err := subnetTable.Get(ctx, tx, subnetID)
	if err != nil {
		return "", err
	}
	gateway := ""
	if sub.Gateway.IsValid() {
		gateway = ipKey(sub.Gateway)
	}
	found, err := store.All(ctx, tx, store.Value[string],
		`SELECT r.id FROM network_router r JOIN network_port p ON p.held_by = r.id AND p.held_as = ?
		JOIN network_ip_allocation a ON a.port_id = p.id
		WHERE a.subnet_id = ? AND r.gateway_network_id = ?
		ORDER BY CASE WHEN a.ip = ? THEN 0 ELSE 1 END, r.id`, OwnerRouterInterface, subnetID, externalID, gateway)
	if err != nil || len(found) == 0 {
		return "", err
	}
	return found[0], nil
}

// UpdateFloatingIP changes a floating IP by apply; with associate set, apply has
// set PortID and FixedIP to what the request says.
func (s *Service) UpdateFloatingIP(ctx context.Context, tx *store.Tx, id string, c Change, associate bool, apply func(*FloatingIP) error) (*FloatingIP, error) {
	f, err := floatingIPs.open(ctx, s, tx, "update", id, c)
	if err != nil {
		return nil, err
	}
	old := *f
	if err := apply(f); err != nil {
		return nil, err
	}
	if associate {
		if old.RouterID != "" {
			s.touchRouter(tx, old.RouterID)
		}
		f.RouterID, f.Status = "", StatusDown
		if f.PortID == "" && f.FixedIP.IsValid() {
			return nil, fixedWithoutPort()
		}
		if f.PortID == "" {
			f.FixedIP = netip.Addr{}
		} else if err := s.associate(ctx, tx, f); err != nil {
			return nil, err
		}
	}
	if err := floatingIPs.save(ctx, s, tx, f); err != nil {
		return nil, err
	}
	if associate {
		err = s.tellServers(ctx, tx, old.PortID, f.PortID)
	}
	return f, err
}

// DeleteFloatingIP gives the address back.
func (s *Service) DeleteFloatingIP(ctx context.Context, tx *store.Tx, id string, c Change) error {
	f, err := floatingIPs.open(ctx, s, tx, "delete", id, c)
	if err != nil {
		return err
	}
	n, err := forwardingTable.Count(ctx, tx, "floatingip_id = ?", id)
	if err != nil {
		return err
	}
	if n > 0 {
		return fault(errs.Conflict, "FipInUseByPortForwarding", "Floating IP %s in use by Port Forwarding resources.", id)
	}
	if err := s.dropFloatingIP(ctx, tx, f); err != nil {
		return err
	}
	return s.tellServers(ctx, tx, f.PortID)
}

// dropSpareFloatingIPs deletes the floating IPs of a network that are given to
// nobody: they do not keep the network.
func (s *Service) dropSpareFloatingIPs(ctx context.Context, tx *store.Tx, networkID string) error {
	fs, err := floatingIPTable.Where(ctx, tx, "network_id", networkID)
	if err != nil {
		return err
	}
	for _, f := range fs {
		if f.RouterID != "" {
			continue
		}
		if err := s.dropFloatingIP(ctx, tx, f); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) dropFloatingIP(ctx context.Context, tx *store.Tx, f *FloatingIP) error {
	if _, err := tx.Exec(ctx, "DELETE FROM network_port_forwarding WHERE floatingip_id = ?", f.ID); err != nil {
		return err
	}
	if err := floatingIPTable.Delete(ctx, tx, f.ID); err != nil {
		return err
	}
	if f.RouterID != "" {
		s.touchRouter(tx, f.RouterID)
	}
	p, err := portTable.Get(ctx, tx, f.OutsidePort)
	if isNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	return s.removePort(ctx, tx, p)
}

// disassociate takes floating IPs off a port: those of one address, or all.
func (s *Service) disassociate(ctx context.Context, tx *store.Tx, portID string, fixed netip.Addr) error {
	fs, err := floatingIPTable.Where(ctx, tx, "port_id", portID)
	if err != nil {
		return err
	}
	for _, f := range fs {
		if fixed.IsValid() && f.FixedIP != fixed {
			continue
		}
		s.touchRouter(tx, f.RouterID)
		f.PortID, f.FixedIP, f.RouterID, f.Status = "", netip.Addr{}, "", StatusDown
		if err := floatingIPs.save(ctx, s, tx, f); err != nil {
			return err
		}
	}
	pfs, err := forwardingTable.Where(ctx, tx, "port_id", portID)
	if err != nil {
		return err
	}
	for _, pf := range pfs {
		if fixed.IsValid() && pf.InternalIP != fixed {
			continue
		}
		if err := s.dropForwarding(ctx, tx, pf); err != nil {
			return err
		}
	}
	return nil
}

// floatingOn returns the floating IP whose inside is the address, "" if none.
func (s *Service) floatingOn(ctx context.Context, tx *store.Tx, portID string, fixed netip.Addr) (string, error) {
	fs, err := floatingIPTable.Where(ctx, tx, "port_id", portID)
	if err != nil {
		return "", err
	}
	for _, f := range fs {
		if f.FixedIP == fixed {
			return f.ID, nil
		}
	}
	return "", nil
}
