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
	return &req.FloatingIP, f.add(ctx, tx, &req.FloatingIP)
}

func (f *FloatingIPs) add(ctx context.Context, tx *store.Tx, fip *FloatingIP) error {
	n, err := f.s.Networks.visible(ctx, tx, fip.NetworkID)
	if err != nil {
		return err
	}
	if !f.s.Networks.mayGoOut(ctx, n) {
		return fault(errs.Invalid, "BadRequest", "Bad floatingip request: Network %s is not a valid external network.", n.ID)
	}
	if err := f.s.Quotas.count(ctx, tx, fip.ProjectID, "floatingip", 1); err != nil {
		return err
	}
	p := newOwnPort(f.s, n, OwnerFloatingIP, fip.ID)
	p.Revision, p.Status = 1, StatusNA
	want, err := f.address(ctx, tx, n, fip)
	if err != nil {
		return err
	}
	if err := f.s.Ports.insert(ctx, tx, n, p, PortWants{WantIPs: want, IPsGiven: want != nil}); err != nil {
		return err
	}
	p.Status = StatusNA
	if err := f.s.Ports.table.Update(ctx, tx, p); err != nil {
		return err
	}
	i := slices.IndexFunc(p.FixedIPs, func(x FixedIP) bool { return x.IP.Is4() })
	if i < 0 {
		return fault(errs.Invalid, "BadRequest", "Bad floatingip request: External network %s does not contain any IPv4 subnet.", n.ID)
	}
	fip.OutsidePort, fip.Address, fip.Status = p.ID, p.FixedIPs[i].IP, StatusDown
	if fip.PortID == "" && fip.FixedIP.IsValid() {
		return fixedWithoutPort()
	}
	if fip.PortID != "" {
		if err := f.associate(ctx, tx, fip); err != nil {
			return err
		}
	}
	if err := f.table.Insert(ctx, tx, fip); err != nil {
		return err
	}
	return f.tellServers(ctx, tx, fip.PortID)
}

func fixedWithoutPort() error {
	return fault(errs.Invalid, "BadRequest", "Bad floatingip request: fixed_ip_address cannot be specified without a port_id.")
}

// ServerChanged is the type of the event that a server has other floating IPs
// now; its resource is the server.
const ServerChanged = "network.server.update"

// tellServers publishes whose ports have other floating IPs now.
func (f *FloatingIPs) tellServers(ctx context.Context, tx *store.Tx, portIDs ...string) error {
	if f.s.events == nil {
		return nil
	}
	ps, err := f.s.Ports.table.All(ctx, tx, store.In("id", portIDs))
	if err != nil {
		return err
	}
	for _, p := range ps {
		if server := p.Server(); server != "" {
			if err := f.s.events.Publish(ctx, tx, event.Event{Type: ServerChanged, Resource: server, Project: p.ProjectID}, nil); err != nil {
				return err
			}
		}
	}
	return nil
}

// address says which address to take: the one named, or one of the
// subnet named, or any IPv4 one.
func (f *FloatingIPs) address(ctx context.Context, tx *store.Tx, n *Network, fip *FloatingIP) ([]FixedIP, error) {
	subs, err := f.s.Subnets.table.All(ctx, tx, store.Eq("network_id", n.ID))
	if err != nil {
		return nil, err
	}
	if fip.SubnetID != "" {
		i := slices.IndexFunc(subs, func(x *Subnet) bool { return x.ID == fip.SubnetID })
		if i < 0 {
			if _, err := f.s.Subnets.visible(ctx, tx, fip.SubnetID); err != nil {
				return nil, err
			}
			return nil, fault(errs.Invalid, "InvalidInput", "Invalid input for operation: Subnet %s is not a subnet of network %s.", fip.SubnetID, n.ID)
		}
		return []FixedIP{{fip.SubnetID, fip.Address}}, nil
	}
	if fip.Address.IsValid() {
		return []FixedIP{{"", fip.Address}}, nil
	}
	v4 := slices.DeleteFunc(slices.Clone(subs), func(x *Subnet) bool { return x.Version() != 4 || !serves(x, OwnerFloatingIP, subs) })
	if len(v4) == 0 {
		return nil, fault(errs.Invalid, "BadRequest", "Bad floatingip request: Network %s does not contain any IPv4 subnet.", n.ID)
	}
	slices.SortFunc(v4, func(a, b *Subnet) int { return a.CreatedAt.Compare(b.CreatedAt) })
	for _, sub := range v4 {
		ip, err := f.s.ipam.freeAddress(ctx, tx, sub)
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
func (f *FloatingIPs) associate(ctx context.Context, tx *store.Tx, fip *FloatingIP) error {
	p, err := f.s.Ports.visible(ctx, tx, fip.PortID)
	if err != nil {
		return err
	}
	if p.ProjectID != fip.ProjectID && !f.s.Access.isAdmin(ctx) {
		return fault(errs.Invalid, "BadRequest", "Bad floatingip request: Port %s is associated with a different tenant than Floating IP %s and therefore cannot be bound.", p.ID, fip.ID)
	}
	var v4 []FixedIP
	for _, x := range p.FixedIPs {
		if x.IP.Is4() {
			v4 = append(v4, x)
		}
	}
	var inside FixedIP
	switch {
	case fip.FixedIP.IsValid():
		i := slices.IndexFunc(p.FixedIPs, func(x FixedIP) bool { return x.IP == fip.FixedIP })
		if i < 0 {
			return fault(errs.Invalid, "BadRequest", "Bad floatingip request: Port %s does not have fixed ip %s.", p.ID, fip.FixedIP)
		}
		inside = p.FixedIPs[i]
	case len(v4) == 0:
		return fault(errs.Invalid, "BadRequest", "Bad floatingip request: Cannot add floating IP to port %s that has no fixed IPv4 addresses.", p.ID)
	case len(v4) > 1:
		return fault(errs.Invalid, "BadRequest", "Bad floatingip request: Port %s has multiple fixed IPv4 addresses. Must provide a specific IPv4 address when assigning a floating IP.", p.ID)
	default:
		inside = v4[0]
	}
	router, err := f.s.Routers.between(ctx, tx, inside.SubnetID, fip.NetworkID)
	if err != nil {
		return err
	}
	if router == "" {
		return fault(errs.NotFound, "ExternalGatewayForFloatingIPNotFound",
			"External network %s is not reachable from subnet %s. Therefore, cannot associate Port %s with a Floating IP.", fip.NetworkID, inside.SubnetID, p.ID)
	}
	have, err := f.table.All(ctx, tx, store.Eq("port_id", p.ID))
	if err != nil {
		return err
	}
	for _, o := range have {
		if o.ID != fip.ID && o.FixedIP == inside.IP && o.NetworkID == fip.NetworkID {
			return fault(errs.Conflict, "FloatingIPPortAlreadyAssociated",
				"Cannot associate floating IP %s (%s) with port %s using fixed IP %s, as that fixed IP already has a floating IP on external network %s.",
				fip.Address, fip.ID, p.ID, inside.IP, fip.NetworkID)
		}
	}
	forwards, err := f.s.Forwardings.table.Any(ctx, tx, store.Eq("floatingip_id", fip.ID))
	if err != nil {
		return err
	}
	if forwards {
		return fault(errs.Conflict, "FloatingIPHasPortForwarding", "Cannot associate floating IP %s, it has port forwardings.", fip.ID)
	}
	fip.FixedIP, fip.RouterID, fip.Status = inside.IP, router, StatusActive
	f.s.projector.touchRouter(tx, router)
	return nil
}

// between finds the router that leads from a subnet to an external network:
// rather the one that has the gateway's address, to which guests send. On a shared
// network others may have routers too.
func (f *Routers) between(ctx context.Context, tx *store.Tx, subnetID, externalID string) (string, error) {
	sub, err := f.s.Subnets.table.Get(ctx, tx, subnetID)
	if err != nil {
		return "", err
	}
	ps, err := f.s.Ports.table.All(ctx, tx, store.Eq("network_id", sub.NetworkID), store.Eq("held_as", OwnerRouterInterface))
	if err != nil {
		return "", err
	}
	ps = slices.DeleteFunc(ps, func(p *Port) bool { return !p.hasSubnet(subnetID) })
	leading, err := f.table.All(ctx, tx, store.In("id", idsOf(ps, (*Port).router)), store.Eq("gateway_network_id", externalID))
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
	if err := f.reassociate(ctx, tx, now, old); err != nil {
		return nil, err
	}
	if err := f.save(ctx, tx, now); err != nil {
		return nil, err
	}
	return now, f.tellServers(ctx, tx, old.PortID, now.PortID)
}

// reassociate takes a floating IP from where it was to where its request says.
func (f *FloatingIPs) reassociate(ctx context.Context, tx *store.Tx, fip, old *FloatingIP) error {
	if old.RouterID != "" {
		f.s.projector.touchRouter(tx, old.RouterID)
	}
	fip.RouterID, fip.Status = "", StatusDown
	switch {
	case fip.PortID != "":
		return f.associate(ctx, tx, fip)
	case fip.FixedIP.IsValid():
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
	if err := f.drop(ctx, tx, v); err != nil {
		return err
	}
	return f.tellServers(ctx, tx, v.PortID)
}

// dropSpare deletes the floating IPs of a network that are given to
// nobody: they do not keep the network.
func (f *FloatingIPs) dropSpare(ctx context.Context, tx *store.Tx, networkID string) error {
	fs, err := f.table.All(ctx, tx, store.Eq("network_id", networkID))
	if err != nil {
		return err
	}
	for _, fip := range fs {
		if fip.RouterID != "" {
			continue
		}
		if err := f.drop(ctx, tx, fip); err != nil {
			return err
		}
	}
	return nil
}

func (f *FloatingIPs) drop(ctx context.Context, tx *store.Tx, fip *FloatingIP) error {
	if _, err := f.s.Forwardings.table.DeleteWhere(ctx, tx, store.Eq("floatingip_id", fip.ID)); err != nil {
		return err
	}
	if err := f.table.Delete(ctx, tx, fip.ID); err != nil {
		return err
	}
	if fip.RouterID != "" {
		f.s.projector.touchRouter(tx, fip.RouterID)
	}
	p, err := f.s.Ports.table.Get(ctx, tx, fip.OutsidePort)
	if isNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	return f.s.Ports.remove(ctx, tx, p)
}

// disassociate takes floating IPs off a port: those of one address, or all.
func (f *FloatingIPs) disassociate(ctx context.Context, tx *store.Tx, portID string, fixed netip.Addr) error {
	fs, err := f.table.All(ctx, tx, store.Eq("port_id", portID))
	if err != nil {
		return err
	}
	for _, fip := range fs {
		if fixed.IsValid() && fip.FixedIP != fixed {
			continue
		}
		f.s.projector.touchRouter(tx, fip.RouterID)
		fip.PortID, fip.FixedIP, fip.RouterID, fip.Status = "", netip.Addr{}, "", StatusDown
		if err := f.save(ctx, tx, fip); err != nil {
			return err
		}
	}
	pfs, err := f.s.Forwardings.table.All(ctx, tx, store.Eq("port_id", portID))
	if err != nil {
		return err
	}
	for _, pf := range pfs {
		if fixed.IsValid() && pf.InternalIP != fixed {
			continue
		}
		if err := f.s.Forwardings.drop(ctx, tx, pf); err != nil {
			return err
		}
	}
	return nil
}

// on returns the floating IP whose inside is the address, "" if none.
func (f *FloatingIPs) on(ctx context.Context, tx *store.Tx, portID string, fixed netip.Addr) (string, error) {
	fs, err := f.table.All(ctx, tx, store.Eq("port_id", portID))
	if err != nil {
		return "", err
	}
	for _, fip := range fs {
		if fip.FixedIP == fixed {
			return fip.ID, nil
		}
	}
	return "", nil
}
