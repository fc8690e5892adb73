package network

import (
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
func (s *Service) ServerAddresses(ctx context.Context, serverIDs []string) (map[string][]ServerAddress, error) {
	out := map[string][]ServerAddress{}
	err := s.db.Read(ctx, func(tx *store.Tx) (err error) {
		out, err = s.ServerAddressesTx(ctx, tx, serverIDs)
		return err
	})
	return out, err
}

// ServerAddressesTx is ServerAddresses inside the caller's transaction.
func (s *Service) ServerAddressesTx(ctx context.Context, tx *store.Tx, serverIDs []string) (map[string][]ServerAddress, error) {
	byServer, err := s.portsOfServers(ctx, tx, serverIDs)
	if err != nil {
		return nil, err
	}
	var all []*Port
	for _, ps := range byServer {
		all = append(all, ps...)
	}
	names := map[string]string{}
	ns, err := networkTable.WhereIn(ctx, tx, "id", idsOf(all, func(p *Port) string { return p.NetworkID }))
	if err != nil {
		return nil, err
	}
	for _, n := range ns {
		names[n.ID] = n.Name
	}
	fs, err := floatingIPTable.WhereIn(ctx, tx, "port_id", idsOf(all, func(p *Port) string { return p.ID }))
	if err != nil {
		return nil, err
	}
	floating := map[string][]*FloatingIP{}
	for _, f := range fs {
		floating[f.PortID] = append(floating[f.PortID], f)
	}
	out := make(map[string][]ServerAddress, len(byServer))
	for server, ps := range byServer {
		for _, p := range ps {
			for _, f := range p.FixedIPs {
				out[server] = append(out[server], ServerAddress{names[p.NetworkID], p.MAC, f.IP, false})
			}
		}
		for _, p := range ps {
			for _, f := range floating[p.ID] {
				out[server] = append(out[server], ServerAddress{names[p.NetworkID], p.MAC, f.Address, true})
			}
		}
	}
	return out, nil
}

// ServerSecurityGroups returns the groups of many servers' ports, by server id,
// each group once.
func (s *Service) ServerSecurityGroups(ctx context.Context, serverIDs []string) (map[string][]*SecurityGroup, error) {
	out := map[string][]*SecurityGroup{}
	err := s.db.Read(ctx, func(tx *store.Tx) (err error) {
		out, err = s.ServerSecurityGroupsTx(ctx, tx, serverIDs)
		return err
	})
	return out, err
}

// ServerSecurityGroupsTx is ServerSecurityGroups inside the caller's transaction.
func (s *Service) ServerSecurityGroupsTx(ctx context.Context, tx *store.Tx, serverIDs []string) (map[string][]*SecurityGroup, error) {
	byServer, err := s.portsOfServers(ctx, tx, serverIDs)
	if err != nil {
		return nil, err
	}
	var need []string
	for _, ps := range byServer {
		for _, p := range ps {
			for _, g := range p.SecurityGroups {
				if !slices.Contains(need, g) {
					need = append(need, g)
				}
			}
		}
	}
	gs, err := groupTable.WhereIn(ctx, tx, "id", need)
	if err != nil {
		return nil, err
	}
	byID := map[string]*SecurityGroup{}
	for _, g := range gs {
		byID[g.ID] = g
	}
	out := make(map[string][]*SecurityGroup, len(byServer))
	for server, ps := range byServer {
		for _, p := range ps {
			for _, id := range p.SecurityGroups {
				if g := byID[id]; g != nil && !slices.Contains(out[server], g) {
					out[server] = append(out[server], g)
				}
			}
		}
	}
	return out, nil
}

// NICSpecs returns the server's network cards as its host must make them.
func (s *Service) NICSpecs(ctx context.Context, serverID string) ([]hostapi.NIC, error) {
	var out []hostapi.NIC
	err := s.db.Read(ctx, func(tx *store.Tx) error {
		out = nil
		ps, err := s.PortsOfServerTx(ctx, tx, serverID)
		if err != nil {
			return err
		}
		for _, p := range ps {
			nic, err := s.nic(ctx, tx, p)
			if err != nil {
				return err
			}
			out = append(out, *nic)
		}
		return nil
	})
	return out, err
}

func (s *Service) nic(ctx context.Context, tx *store.Tx, p *Port) (*hostapi.NIC, error) {
	n, err := networkTable.Get(ctx, tx, p.NetworkID)
	if err != nil {
		return nil, err
	}
	subs, err := subnetTable.Where(ctx, tx, "network_id", n.ID)
	if err != nil {
		return nil, err
	}
	meta, err := s.metadataPort(ctx, tx, n.ID)
	if err != nil {
		return nil, err
	}
	nic := &hostapi.NIC{PortID: p.ID, NetworkID: n.ID, Network: n.Name, MAC: p.MAC, MTU: n.MTU, Tag: p.Tag}
	for _, f := range p.FixedIPs {
		nic.FixedIPs = append(nic.FixedIPs, f.IP)
	}
	if meta != nil {
		nic.MetadataPort = hostapi.MetadataPort{PortID: meta.ID, MAC: meta.MAC}
	}
	for _, sub := range subs {
		if meta != nil {
			for _, f := range meta.FixedIPs {
				if f.SubnetID == sub.ID {
					nic.MetadataPort.IPs = append(nic.MetadataPort.IPs, netip.PrefixFrom(f.IP, sub.CIDR.Bits()))
				}
			}
		}
		if !p.hasSubnet(sub.ID) {
			continue
		}
		h := hostapi.Subnet{ID: sub.ID, CIDR: sub.CIDR, Gateway: sub.Gateway, DNS: sub.DNS, DHCP: sub.DHCP, IPv6: sub.IPv6Address}
		if len(h.DNS) == 0 {
			h.DNS = ofVersion(s.cfg.DNS, sub.Version())
		}
		for _, r := range sub.HostRoutes {
			h.Routes = append(h.Routes, hostapi.Route{Destination: r.Destination, NextHop: r.NextHop})
		}
		nic.Subnets = append(nic.Subnets, h)
	}
	return nic, nil
}
