package network

import (
	"context"
	"net/netip"
	"slices"

	"kumoi/internal/kernel/change"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

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
		return &req.Port, f.change(ctx, tx, &req.Port, old, req.PortWants)
	})
}

// change judges what became of a port, writes it and brings along what
// depends on it.
func (f *Ports) change(ctx context.Context, tx *store.Tx, p, old *Port, want PortWants) error {
	var ips *[]FixedIP // nil: as they are
	if want.IPsGiven {
		ips = &want.WantIPs
	}
	if err := f.relabelled(ctx, p, old); err != nil {
		return err
	}
	if p.MAC != old.MAC {
		if old.Bound() && old.Server() != "" {
			return fault(errs.Conflict, "PortBound", "Unable to complete operation on port %s, port is already bound, port type: ovs, old_mac %s, new_mac %s.", p.ID, old.MAC, p.MAC)
		}
		if err := f.setMAC(ctx, tx, p); err != nil {
			return err
		}
	}
	if want.GroupsGiven {
		if p.NetworkOwned() {
			p.SecurityGroups = nil
		} else if err := f.setGroups(ctx, tx, p, true); err != nil {
			return err
		}
	}
	if !p.PortSecurity && old.PortSecurity && !want.GroupsGiven && len(p.SecurityGroups) > 0 {
		return fault(errs.Conflict, "PortSecurityPortHasSecurityGroup", "Port has security group associated. Cannot disable port security or IP address until security group is removed.")
	}
	if p.MAC != old.MAC && ips == nil {
		automatic, err := f.automatic(ctx, tx, old, old.FixedIPs)
		if err != nil {
			return err
		}
		if len(automatic) > 0 { // they follow from the MAC
			rest := slices.DeleteFunc(slices.Clone(p.FixedIPs), func(fixed FixedIP) bool { return slices.Contains(automatic, fixed) })
			for _, fixed := range automatic {
				rest = append(rest, FixedIP{SubnetID: fixed.SubnetID, IP: netip.Addr{}})
			}
			if err := f.s.ipam.release(ctx, tx, p.ID, automatic...); err != nil {
				return err
			}
			p.FixedIPs = rest[:len(rest)-len(automatic)]
			ips = &rest
		}
	}
	if ips != nil {
		if err := f.changeIPs(ctx, tx, p, *ips); err != nil {
			return err
		}
	}
	if err := validatePort(p); err != nil {
		return err
	}
	if want.GroupsGiven {
		if err := f.linkGroups(ctx, tx, p); err != nil {
			return err
		}
	}
	if err := f.s.QoSPolicies.bind(ctx, tx, "port", p.ID, old.QoSPolicyID, p.QoSPolicyID); err != nil {
		return err
	}
	if p.Host != old.Host {
		p.Status = StatusDown
	}
	if err := f.save(ctx, tx, p); err != nil {
		return err
	}
	f.s.projector.touchPort(tx, p)
	if ips != nil || p.MAC != old.MAC {
		return f.afterAddressChange(ctx, tx, p, old)
	}
	return nil
}

// relabelled checks what a request writes into device_id and device_owner: the
// network's own owners are not for users, and what the network itself has
// attached says so.
func (f *Ports) relabelled(ctx context.Context, p, old *Port) error {
	if p.DeviceID == old.DeviceID && p.DeviceOwner == old.DeviceOwner {
		return nil
	}
	if p.HeldAs != "" && p.HeldAs != HeldByServer {
		return fault(errs.Conflict, "PortInUse", "Unable to complete operation on port %s for network %s. Port already has an attached device %s.", p.ID, p.NetworkID, p.HeldBy)
	}
	if p.DeviceOwner == old.DeviceOwner {
		return nil
	}
	return f.s.Access.check(ctx, "update_port:device_owner", f.policyTarget(p))
}
