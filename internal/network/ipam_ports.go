package network

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

// freeMAC makes a MAC address that the network does not have.
func (f *ipam) freeMAC(ctx context.Context, tx *store.Tx, networkID string) (string, error) {
	for {
		var b [4]byte
		_, _ = rand.Read(b[:])
		v := binary.BigEndian.Uint32(b[:])
		mac := fmt.Sprintf("fa:16:3e:%02x:%02x:%02x", byte(v>>16), byte(v>>8), byte(v))
		used, err := f.ports.Any(ctx, tx, store.Eq("network_id", networkID), store.Eq("mac", mac))
		if err != nil || !used {
			return mac, err
		}
	}
}

// allocate gives the port its addresses: those it asks for in want, or one of
// each IP version that the network has. given tells whether it asks at all.
func (f *ipam) allocate(ctx context.Context, tx *store.Tx, p *Port, want []FixedIP, given bool) error {
	subs, err := f.subnets.table.All(ctx, tx, store.Eq("network_id", p.NetworkID))
	if err != nil {
		return err
	}
	slices.SortFunc(subs, func(a, b *Subnet) int {
		if c := a.CreatedAt.Compare(b.CreatedAt); c != 0 {
			return c
		}
		return compareText(a.ID, b.ID)
	})
	if given {
		for _, w := range want {
			if err := f.allocateOne(ctx, tx, p, subs, w); err != nil {
				return err
			}
		}
		if len(want) == 0 || p.NetworkOwned() {
			return nil
		}
		// A guest hears the advertisements of every such subnet and takes an address.
		return f.allocateSLAAC(ctx, tx, p, subs)
	}
	usable := slices.DeleteFunc(slices.Clone(subs), func(sub *Subnet) bool { return !serves(sub, p.DeviceOwner, subs) })
	var choices [2][]*Subnet // by version: 4, 6
	for _, sub := range usable {
		switch {
		case sub.Version() == 4:
			choices[0] = append(choices[0], sub)
		case !sub.SLAAC():
			choices[1] = append(choices[1], sub)
		}
	}
	for _, choice := range choices {
		if len(choice) == 0 {
			continue
		}
		found := false
		for _, sub := range choice {
			ip, err := f.freeAddress(ctx, tx, sub)
			if err != nil {
				return err
			}
			if !ip.IsValid() {
				continue
			}
			if err := f.reserve(ctx, tx, sub.ID, ip, p.ID); err != nil {
				return err
			}
			p.FixedIPs = append(p.FixedIPs, FixedIP{sub.ID, ip})
			found = true
			break
		}
		if !found {
			return fault(errs.Conflict, "IpAddressGenerationFailure", "No more IP addresses available on network %s.", p.NetworkID)
		}
	}
	if p.NetworkOwned() {
		return nil
	}
	return f.allocateSLAAC(ctx, tx, p, usable)
}

// serves tells whether the subnet gives addresses to ports of this owner:
// subnets with service types only to those, others only if none names it.
func serves(sub *Subnet, owner string, all []*Subnet) bool {
	matches := func(o *Subnet) bool {
		return slices.ContainsFunc(o.ServiceTypes, func(t string) bool {
			return owner == t || t == OwnerComputePrefix+"nova" && strings.HasPrefix(owner, OwnerComputePrefix)
		})
	}
	if len(sub.ServiceTypes) > 0 {
		return matches(sub)
	}
	return !slices.ContainsFunc(all, func(o *Subnet) bool { return o.Version() == sub.Version() && matches(o) })
}

func (f *ipam) allocateSLAAC(ctx context.Context, tx *store.Tx, p *Port, subs []*Subnet) error {
	for _, sub := range subs {
		if !sub.SLAAC() || p.hasSubnet(sub.ID) {
			continue
		}
		ip := eui64(sub.CIDR, p.MAC)
		if err := f.reserveThis(ctx, tx, sub, ip, p.ID); err != nil {
			return err
		}
		p.FixedIPs = append(p.FixedIPs, FixedIP{sub.ID, ip})
	}
	return nil
}

func (p *Port) hasSubnet(id string) bool {
	return slices.ContainsFunc(p.FixedIPs, func(f FixedIP) bool { return f.SubnetID == id })
}

// allocateOne gives the port one address that it asks for.
func (f *ipam) allocateOne(ctx context.Context, tx *store.Tx, p *Port, subs []*Subnet, w FixedIP) error {
	sub, err := f.chooseSubnet(ctx, tx, p.NetworkID, subs, w)
	if err != nil {
		return err
	}
	ip := w.IP
	switch {
	case sub.SLAAC() && !p.NetworkOwned():
		auto := eui64(sub.CIDR, p.MAC)
		if ip.IsValid() && ip != auto {
			return fault(errs.Invalid, "AllocationOnAutoAddressSubnet",
				"IPv6 address %s cannot be directly assigned to a port on subnet %s as the subnet is configured for automatic addresses", ip, sub.ID)
		}
		if p.hasSubnet(sub.ID) {
			return nil
		}
		ip = auto
		err = f.reserveThis(ctx, tx, sub, ip, p.ID)
	case ip.IsValid():
		err = f.reserveThis(ctx, tx, sub, ip, p.ID)
	default:
		ip, err = f.freeAddress(ctx, tx, sub)
		if err == nil && !ip.IsValid() {
			err = fault(errs.Conflict, "IpAddressGenerationFailure", "No more IP addresses available on network %s.", p.NetworkID)
		}
		if err == nil {
			err = f.reserve(ctx, tx, sub.ID, ip, p.ID)
		}
	}
	if err != nil {
		return err
	}
	p.FixedIPs = append(p.FixedIPs, FixedIP{sub.ID, ip})
	return nil
}

func (f *ipam) chooseSubnet(ctx context.Context, tx *store.Tx, networkID string, subs []*Subnet, w FixedIP) (*Subnet, error) {
	if w.SubnetID != "" {
		i := slices.IndexFunc(subs, func(x *Subnet) bool { return x.ID == w.SubnetID })
		if i < 0 {
			if _, err := f.subnets.visible(ctx, tx, w.SubnetID); err != nil {
				return nil, err
			}
			return nil, fault(errs.Invalid, "InvalidInput", "Invalid input for operation: Failed to create port on network %s, because fixed_ips included invalid subnet %s.", networkID, w.SubnetID)
		}
		if w.IP.IsValid() && !usableIn(subs[i].CIDR, w.IP) {
			return nil, fault(errs.Invalid, "InvalidIpForSubnet", "IP address %s is not a valid IP for the specified subnet.", w.IP)
		}
		return subs[i], nil
	}
	if !w.IP.IsValid() {
		return nil, fault(errs.Invalid, "InvalidInput", "Invalid input for operation: IP allocation requires subnet_id or ip_address.")
	}
	for _, sub := range subs {
		if usableIn(sub.CIDR, w.IP) {
			return sub, nil
		}
	}
	return nil, fault(errs.Invalid, "InvalidIpForNetwork", "IP address %s is not a valid IP for any of the subnets on the specified network.", w.IP)
}
