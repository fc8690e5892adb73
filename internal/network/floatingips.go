package network

import (
	"context"
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
