package network

import (
	"context"
	"net/netip"
	"slices"

	"kumoi/internal/kernel/change"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/event"
	"kumoi/internal/kernel/store"
)

// NewFloatingIP is what a request for a floating IP says, or for a change of one.
type NewFloatingIP struct {
	FloatingIP
	// Associate tells whether the request speaks of the port inside; its PortID
	// and FixedIP are then what it says.
	Associate bool
}

// FloatingIPs are the use cases of floating IPs.
type FloatingIPs struct {
	family[FloatingIP, *FloatingIP]
}

func newFloatingIPs(s *Service, t Tables) *FloatingIPs {
	return &FloatingIPs{family[FloatingIP, *FloatingIP]{
		s: s, table: t.FloatingIPs, name: "floatingip", code: "FloatingIPNotFound", say: "Floating IP %s could not be found",
	}}
}

// FloatingIPPool is a subnet that floating IPs can come from.
type FloatingIPPool struct {
	Network *Network
	Subnet  *Subnet
}

// Pools returns the IPv4 subnets of the external networks that the
// actor may use; the subnets themselves it may not be able to see.
func (f *FloatingIPs) Pools(ctx context.Context) ([]FloatingIPPool, error) {
	var out []FloatingIPPool
	s := f.s
	err := s.db.Read(ctx, func(tx *store.Tx) error {
		out = nil
		ns, err := s.Networks.listTx(ctx, tx, store.Query{Sort: oldestFirst})
		if err != nil {
			return err
		}
		for _, n := range ns.Rows {
			if !n.External {
				continue
			}
			subs, err := s.Subnets.table.All(ctx, tx, store.Eq("network_id", n.ID))
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

// Create takes an address of an external network; with PortID set it is given
// to that port at once.
func (f *FloatingIPs) Create(ctx context.Context, p change.Patch[NewFloatingIP]) (*FloatingIP, error) {
	return createOne(ctx, f.s, p, f.CreateTx)
}

// CreateMany makes all or none.
func (f *FloatingIPs) CreateMany(ctx context.Context, many []change.Patch[NewFloatingIP]) ([]*FloatingIP, error) {
	return createAll(ctx, f.s, many, f.CreateTx)
}

// CreateTx is Create inside the caller's transaction.
func (f *FloatingIPs) CreateTx(ctx context.Context, tx *store.Tx, p change.Patch[NewFloatingIP]) (*FloatingIP, error) {
	req := &NewFloatingIP{}
	if err := p.To(req); err != nil {
		return nil, err
	}
	if err := f.begin(ctx, &req.FloatingIP, p.Named); err != nil {
		return nil, err
	}
	return &req.FloatingIP, f.s.createFloatingIP(ctx, tx, &req.FloatingIP)
}

func (s *Service) createFloatingIP(ctx context.Context, tx *store.Tx, f *FloatingIP) error {
	n, err := s.Networks.visible(ctx, tx, f.NetworkID)
	if err != nil {
		return err
	}
	if !s.mayGoOut(ctx, n) {
		return fault(errs.Invalid, "BadRequest", "Bad floatingip request: Network %s is not a valid external network.", n.ID)
	}
	if err := s.countQuota(ctx, tx, f.ProjectID, "floatingip", 1); err != nil {
		return err
	}
	p := newOwnPort(s, n, OwnerFloatingIP, f.ID)
	p.Revision, p.Status = 1, StatusNA
	want, err := s.floatingAddress(ctx, tx, n, f)
	if err != nil {
		return err
	}
	if err := s.insertPort(ctx, tx, n, p, PortWants{WantIPs: want, IPsGiven: want != nil}); err != nil {
		return err
	}
	p.Status = StatusNA
	if err := s.Ports.table.Update(ctx, tx, p); err != nil {
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
	if err := s.FloatingIPs.table.Insert(ctx, tx, f); err != nil {
		return err
	}
	return s.tellServers(ctx, tx, f.PortID)
}

func fixedWithoutPort() error {
	return fault(errs.Invalid, "BadRequest", "Bad floatingip request: fixed_ip_address cannot be specified without a port_id.")
}

// ServerChanged is the type of the event that a server has other floating IPs
// now; its resource is the server.
const ServerChanged = "network.server.update"

// tellServers publishes whose ports have other floating IPs now.
func (s *Service) tellServers(ctx context.Context, tx *store.Tx, portIDs ...string) error {
	if s.events == nil {
		return nil
	}
	ps, err := s.Ports.table.All(ctx, tx, store.In("id", portIDs))
	if err != nil {
		return err
	}
	for _, p := range ps {
		if server := p.Server(); server != "" {
			if err := s.events.Publish(ctx, tx, event.Event{Type: ServerChanged, Resource: server, Project: p.ProjectID}, nil); err != nil {
				return err
			}
		}
	}
	return nil
}

// floatingAddress says which address to take: the one named, or one of the
// subnet named, or any IPv4 one.
func (s *Service) floatingAddress(ctx context.Context, tx *store.Tx, n *Network, f *FloatingIP) ([]FixedIP, error) {
	subs, err := s.Subnets.table.All(ctx, tx, store.Eq("network_id", n.ID))
	if err != nil {
		return nil, err
	}
	if f.SubnetID != "" {
		i := slices.IndexFunc(subs, func(x *Subnet) bool { return x.ID == f.SubnetID })
		if i < 0 {
			if _, err := s.Subnets.visible(ctx, tx, f.SubnetID); err != nil {
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
		ip, err := s.freeAddress(ctx, tx, sub)
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
	p, err := s.Ports.visible(ctx, tx, f.PortID)
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
	have, err := s.FloatingIPs.table.All(ctx, tx, store.Eq("port_id", p.ID))
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
	forwards, err := s.Forwardings.table.Any(ctx, tx, store.Eq("floatingip_id", f.ID))
	if err != nil {
		return err
	}
	if forwards {
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
	sub, err := s.Subnets.table.Get(ctx, tx, subnetID)
	if err != nil {
		return "", err
	}
	ps, err := s.Ports.table.All(ctx, tx, store.Eq("network_id", sub.NetworkID), store.Eq("held_as", OwnerRouterInterface))
	if err != nil {
		return "", err
	}
	ps = slices.DeleteFunc(ps, func(p *Port) bool { return !p.hasSubnet(subnetID) })
	leading, err := s.Routers.table.All(ctx, tx, store.In("id", idsOf(ps, (*Port).router)), store.Eq("gateway_network_id", externalID))
	if err != nil || len(leading) == 0 {
		return "", err
	}
	at := slices.IndexFunc(leading, func(r *Router) bool {
		return slices.ContainsFunc(ps, func(p *Port) bool {
			return p.router() == r.ID && slices.Contains(p.FixedIPs, FixedIP{subnetID, sub.Gateway})
		})
	})
	return leading[max(at, 0)].ID, nil
}

// Update changes a floating IP.
func (f *FloatingIPs) Update(ctx context.Context, id string, p change.Patch[NewFloatingIP]) (*FloatingIP, error) {
	return changeOne(ctx, f.s, func(tx *store.Tx) (*FloatingIP, error) { return f.UpdateTx(ctx, tx, id, p) })
}

// UpdateTx is Update inside the caller's transaction.
func (f *FloatingIPs) UpdateTx(ctx context.Context, tx *store.Tx, id string, p change.Patch[NewFloatingIP]) (*FloatingIP, error) {
	old, err := f.open(ctx, tx, "update", id, p.Named)
	if err != nil {
		return nil, err
	}
	req := &NewFloatingIP{FloatingIP: *old}
	if err := p.To(req); err != nil {
		return nil, err
	}
	now := &req.FloatingIP
	if !req.Associate {
		return now, f.save(ctx, tx, now)
	}
	if err := f.s.reassociate(ctx, tx, now, old); err != nil {
		return nil, err
	}
	if err := f.save(ctx, tx, now); err != nil {
		return nil, err
	}
	return now, f.s.tellServers(ctx, tx, old.PortID, now.PortID)
}

// reassociate takes a floating IP from where it was to where its request says.
func (s *Service) reassociate(ctx context.Context, tx *store.Tx, f, old *FloatingIP) error {
	if old.RouterID != "" {
		s.touchRouter(tx, old.RouterID)
	}
	f.RouterID, f.Status = "", StatusDown
	switch {
	case f.PortID != "":
		return s.associate(ctx, tx, f)
	case f.FixedIP.IsValid():
		return fixedWithoutPort()
	}
	return nil
}

// Delete gives the address back.
func (f *FloatingIPs) Delete(ctx context.Context, id string) error {
	return f.s.db.Write(ctx, func(tx *store.Tx) error { return f.DeleteTx(ctx, tx, id) })
}

// DeleteTx is Delete inside the caller's transaction.
func (f *FloatingIPs) DeleteTx(ctx context.Context, tx *store.Tx, id string) error {
	v, err := f.open(ctx, tx, "delete", id, nil)
	if err != nil {
		return err
	}
	forwards, err := f.s.Forwardings.table.Any(ctx, tx, store.Eq("floatingip_id", id))
	if err != nil {
		return err
	}
	if forwards {
		return fault(errs.Conflict, "FipInUseByPortForwarding", "Floating IP %s in use by Port Forwarding resources.", id)
	}
	if err := f.s.dropFloatingIP(ctx, tx, v); err != nil {
		return err
	}
	return f.s.tellServers(ctx, tx, v.PortID)
}

// dropSpareFloatingIPs deletes the floating IPs of a network that are given to
// nobody: they do not keep the network.
func (s *Service) dropSpareFloatingIPs(ctx context.Context, tx *store.Tx, networkID string) error {
	fs, err := s.FloatingIPs.table.All(ctx, tx, store.Eq("network_id", networkID))
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
	if _, err := s.Forwardings.table.DeleteWhere(ctx, tx, store.Eq("floatingip_id", f.ID)); err != nil {
		return err
	}
	if err := s.FloatingIPs.table.Delete(ctx, tx, f.ID); err != nil {
		return err
	}
	if f.RouterID != "" {
		s.touchRouter(tx, f.RouterID)
	}
	p, err := s.Ports.table.Get(ctx, tx, f.OutsidePort)
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
	fs, err := s.FloatingIPs.table.All(ctx, tx, store.Eq("port_id", portID))
	if err != nil {
		return err
	}
	for _, f := range fs {
		if fixed.IsValid() && f.FixedIP != fixed {
			continue
		}
		s.touchRouter(tx, f.RouterID)
		f.PortID, f.FixedIP, f.RouterID, f.Status = "", netip.Addr{}, "", StatusDown
		if err := s.FloatingIPs.save(ctx, tx, f); err != nil {
			return err
		}
	}
	pfs, err := s.Forwardings.table.All(ctx, tx, store.Eq("port_id", portID))
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
	fs, err := s.FloatingIPs.table.All(ctx, tx, store.Eq("port_id", portID))
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
