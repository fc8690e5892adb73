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
func (s *Service) ServerAddresses(ctx context.Context, serverIDs []string) (map[string][]ServerAddress, error) {
	out := map[string][]ServerAddress{}
	err := s.db.Read(ctx, func(tx *store.Tx) (err error) {
		out, err = s.ServerAddressesTx(ctx, tx, serverIDs)
		return err
	})
	return out, err
}

// addressRow is one fixed address of a server.
type addressRow struct {
	server, port, network, mac, ip string
	attached                       int64
}

func scanAddress(r store.Row) (a addressRow, err error) {
	err = r.Scan(&a.server, &a.port, &a.network, &a.mac, &a.ip, &a.attached)
	return a, err
}

// ofServers narrows to ports that servers have.
const ofServers = "p.held_as = '" + HeldByServer + "'"

// findIn runs a query for any number of values of a column.
func findIn[T any](ctx context.Context, tx *store.Tx, scan func(store.Row) (T, error), sel, column string, values []string, where string) ([]T, error) {
	var out []T
	for len(values) > 0 {
		n := min(len(values), 500)
		part, err := store.Find(ctx, tx, scan, store.Among(store.Select(sel).Where(where), column, values[:n]))
		if err != nil {
			return nil, err
		}
		out, values = append(out, part...), values[n:]
	}
	return out, nil
}

// ServerAddressesTx is ServerAddresses inside the caller's transaction. It reads
// columns only, since lists of servers ask for thousands.
func (s *Service) ServerAddressesTx(ctx context.Context, tx *store.Tx, serverIDs []string) (map[string][]ServerAddress, error) {
	rows, err := findIn(ctx, tx, scanAddress,
		"SELECT p.held_by, p.id, p.network_id, p.mac, a.ip, p.attached FROM network_port p JOIN network_ip_allocation a ON a.port_id = p.id",
		"p.held_by", serverIDs, ofServers)
	if err != nil || len(rows) == 0 {
		return map[string][]ServerAddress{}, err
	}
	slices.SortFunc(rows, func(a, b addressRow) int {
		return cmp.Or(cmp.Compare(a.attached, b.attached), cmp.Compare(a.port, b.port), cmp.Compare(a.ip, b.ip))
	})
	out := make(map[string][]ServerAddress, len(serverIDs))
	names := map[string]string{}
	byPort := make(map[string]int, len(rows))
	var networkIDs, portIDs []string
	for i, r := range rows {
		if _, known := names[r.network]; !known {
			names[r.network] = ""
			networkIDs = append(networkIDs, r.network)
		}
		if _, known := byPort[r.port]; !known {
			byPort[r.port] = i
			portIDs = append(portIDs, r.port)
		}
	}
	found, err := pairsIn(ctx, tx, "SELECT id, name FROM network", "id", networkIDs, "id")
	if err != nil {
		return nil, err
	}
	for _, p := range found {
		names[p.a] = p.b
	}
	for _, r := range rows {
		out[r.server] = append(out[r.server], ServerAddress{names[r.network], r.mac, keyIP(r.ip), false})
	}
	fs, err := s.FloatingIPs.table.All(ctx, tx, store.In("port_id", portIDs))
	if err != nil {
		return nil, err
	}
	for _, f := range fs {
		r := rows[byPort[f.PortID]]
		out[r.server] = append(out[r.server], ServerAddress{names[r.network], r.mac, f.Address, true})
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
	rows, err := findIn(ctx, tx, scanPair,
		"SELECT p.held_by, l.group_id FROM network_port p JOIN network_port_security_group l ON l.port_id = p.id",
		"p.held_by", serverIDs, ofServers)
	if err != nil {
		return nil, err
	}
	byID := map[string]*SecurityGroup{}
	var need []string
	for _, r := range rows {
		if _, known := byID[r.b]; !known {
			byID[r.b] = nil
			need = append(need, r.b)
		}
	}
	gs, err := s.SecurityGroups.table.All(ctx, tx, store.In("id", need))
	if err != nil {
		return nil, err
	}
	for _, g := range gs {
		byID[g.ID] = g
	}
	out := make(map[string][]*SecurityGroup, len(serverIDs))
	for _, r := range rows {
		if g := byID[r.b]; g != nil && !slices.Contains(out[r.a], g) {
			out[r.a] = append(out[r.a], g)
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
	n, err := s.Networks.table.Get(ctx, tx, p.NetworkID)
	if err != nil {
		return nil, err
	}
	subs, err := s.Subnets.table.All(ctx, tx, store.Eq("network_id", n.ID))
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
