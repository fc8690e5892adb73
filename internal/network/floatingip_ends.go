package network

import (
	"context"
	"net/netip"
	"slices"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

func fixedWithoutPort() error {
	return fault(errs.Invalid, "BadRequest", "Bad floatingip request: fixed_ip_address cannot be specified without a port_id.")
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
