package network

import (
	"cmp"
	"context"
	"net/netip"
	"slices"

	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/store"
)

// ServerAddress is an address of a server as server lists show it.
type ServerAddress struct {
	Network  string // name
	MAC      string
	IP       netip.Addr
	Floating bool
}

// ServerAddresses returns the addresses of many servers, by server id, fixed
// before floating.
func (f *Servers) ServerAddresses(ctx context.Context, serverIDs []string) (map[string][]ServerAddress, error) {
	out := map[string][]ServerAddress{}
	err := f.s.db.Read(ctx, func(tx *store.Tx) (err error) {
		out, err = f.ServerAddressesTx(ctx, tx, serverIDs)
		return err
	})
	return out, err
}

// FixedAddress is one address of a port that a server has. IP is ipKey's text.
type FixedAddress struct {
	Server, Port, NetworkName, MAC, IP string
	Attached                           int64
}

// ServerAddressesTx is ServerAddresses inside the caller's transaction.
func (f *Servers) ServerAddressesTx(ctx context.Context, tx *store.Tx, serverIDs []string) (map[string][]ServerAddress, error) {
	rows, err := f.s.tables.ServerAddresses(ctx, tx, serverIDs)
	if err != nil || len(rows) == 0 {
		return map[string][]ServerAddress{}, err
	}
	slices.SortFunc(rows, func(a, b FixedAddress) int {
		return cmp.Or(cmp.Compare(a.Attached, b.Attached), cmp.Compare(a.Port, b.Port), cmp.Compare(a.IP, b.IP))
	})
	out := make(map[string][]ServerAddress, len(serverIDs))
	byPort := make(map[string]int, len(rows))
	var portIDs []string
	for i, r := range rows {
		if _, known := byPort[r.Port]; !known {
			byPort[r.Port] = i
			portIDs = append(portIDs, r.Port)
		}
		out[r.Server] = append(out[r.Server], ServerAddress{r.NetworkName, r.MAC, keyIP(r.IP), false})
	}
	fs, err := f.s.FloatingIPs.table.All(ctx, tx, store.In("port_id", portIDs))
	if err != nil {
		return nil, err
	}
	for _, fip := range fs {
		r := rows[byPort[fip.PortID]]
		out[r.Server] = append(out[r.Server], ServerAddress{r.NetworkName, r.MAC, fip.Address, true})
	}
	return out, nil
}

// ServerSecurityGroups returns the groups of many servers' ports, by server id,
// each group once.
func (f *Servers) ServerSecurityGroups(ctx context.Context, serverIDs []string) (map[string][]*SecurityGroup, error) {
	out := map[string][]*SecurityGroup{}
	err := f.s.db.Read(ctx, func(tx *store.Tx) (err error) {
		out, err = f.ServerSecurityGroupsTx(ctx, tx, serverIDs)
		return err
	})
	return out, err
}

// ServerGroup says that a port of a server has a security group.
type ServerGroup struct{ Server, Group string }

// ServerSecurityGroupsTx is ServerSecurityGroups inside the caller's transaction.
func (f *Servers) ServerSecurityGroupsTx(ctx context.Context, tx *store.Tx, serverIDs []string) (map[string][]*SecurityGroup, error) {
	rows, err := f.s.tables.ServerGroups(ctx, tx, serverIDs)
	if err != nil {
		return nil, err
	}
	byID := map[string]*SecurityGroup{}
	var need []string
	for _, r := range rows {
		if _, known := byID[r.Group]; !known {
			byID[r.Group] = nil
			need = append(need, r.Group)
		}
	}
	gs, err := f.s.SecurityGroups.table.All(ctx, tx, store.In("id", need))
	if err != nil {
		return nil, err
	}
	for _, g := range gs {
		byID[g.ID] = g
	}
	out := make(map[string][]*SecurityGroup, len(serverIDs))
	for _, r := range rows {
		if g := byID[r.Group]; g != nil && !slices.Contains(out[r.Server], g) {
			out[r.Server] = append(out[r.Server], g)
		}
	}
	return out, nil
}

// NICSpecs returns the server's network cards as its host must make them.
func (f *Servers) NICSpecs(ctx context.Context, serverID string) (out []hostapi.NIC, err error) {
	err = f.s.db.Read(ctx, func(tx *store.Tx) (err error) {
		out, err = f.NICSpecsTx(ctx, tx, serverID)
		return err
	})
	return out, err
}

// NICSpecsTx is NICSpecs inside the caller's transaction.
func (f *Servers) NICSpecsTx(ctx context.Context, tx *store.Tx, serverID string) ([]hostapi.NIC, error) {
	ps, err := f.PortsOfServerTx(ctx, tx, serverID)
	if err != nil {
		return nil, err
	}
	var out []hostapi.NIC
	for _, p := range ps {
		nic, err := f.nic(ctx, tx, p)
		if err != nil {
			return nil, err
		}
		out = append(out, *nic)
	}
	return out, nil
}

func (f *Servers) nic(ctx context.Context, tx *store.Tx, p *Port) (*hostapi.NIC, error) {
	n, err := f.s.Networks.table.Get(ctx, tx, p.NetworkID)
	if err != nil {
		return nil, err
	}
	subs, err := f.s.Subnets.table.All(ctx, tx, store.Eq("network_id", n.ID))
	if err != nil {
		return nil, err
	}
	meta, err := f.s.Subnets.metadataPort(ctx, tx, n.ID)
	if err != nil {
		return nil, err
	}
	nic := &hostapi.NIC{PortID: p.ID, NetworkID: n.ID, Network: n.Name, MAC: p.MAC, MTU: n.MTU, Tag: p.Tag}
	for _, fixed := range p.FixedIPs {
		nic.FixedIPs = append(nic.FixedIPs, fixed.IP)
	}
	if meta != nil {
		nic.MetadataPort = hostapi.MetadataPort{PortID: meta.ID, MAC: meta.MAC}
	}
	for _, sub := range subs {
		if meta != nil {
			for _, fixed := range meta.FixedIPs {
				if fixed.SubnetID == sub.ID {
					nic.MetadataPort.IPs = append(nic.MetadataPort.IPs, netip.PrefixFrom(fixed.IP, sub.CIDR.Bits()))
				}
			}
		}
		if !p.hasSubnet(sub.ID) {
			continue
		}
		h := hostapi.Subnet{ID: sub.ID, CIDR: sub.CIDR, Gateway: sub.Gateway, DNS: sub.DNS, DHCP: sub.DHCP, IPv6: sub.IPv6Address}
		if len(h.DNS) == 0 {
			h.DNS = ofVersion(f.s.cfg.DNS, sub.Version())
		}
		for _, r := range sub.HostRoutes {
			h.Routes = append(h.Routes, hostapi.Route{Destination: r.Destination, NextHop: r.NextHop})
		}
		nic.Subnets = append(nic.Subnets, h)
	}
	return nic, nil
}
