package sqlstore

import (
	"context"
	"slices"

	"kumoi/internal/kernel/store"
	"kumoi/internal/network"
)

// ofServers narrows to ports that servers have.
const ofServers = "p.held_as = '" + network.HeldByServer + "'"

// serverAddresses reads columns of three tables at once, since lists of servers
// ask for thousands.
func serverAddresses(ctx context.Context, tx *store.Tx, servers []string) ([]network.FixedAddress, error) {
	return ofEach(ctx, tx, func(r store.Row) (a network.FixedAddress, err error) {
		err = r.Scan(&a.Server, &a.Port, &a.NetworkName, &a.MAC, &a.IP, &a.Attached)
		return a, err
	}, "SELECT p.held_by, p.id, n.name, p.mac, a.ip, p.attached FROM network_port p JOIN network_ip_allocation a ON a.port_id = p.id JOIN network n ON n.id = p.network_id", servers)
}

// serverGroups are the security groups of servers' ports.
func serverGroups(ctx context.Context, tx *store.Tx, servers []string) ([]network.ServerGroup, error) {
	return ofEach(ctx, tx, func(r store.Row) (g network.ServerGroup, err error) {
		err = r.Scan(&g.Server, &g.Group)
		return g, err
	}, "SELECT p.held_by, l.group_id FROM network_port p JOIN network_port_security_group l ON l.port_id = p.id", servers)
}

// ofEach runs a query about ports for any number of servers.
func ofEach[T any](ctx context.Context, tx *store.Tx, scan func(store.Row) (T, error), sel string, servers []string) ([]T, error) {
	var out []T
	for some := range slices.Chunk(servers, 500) {
		part, err := store.Find(ctx, tx, scan, store.Among(store.Select(sel).Where(ofServers), "p.held_by", some))
		if err != nil {
			return nil, err
		}
		out = append(out, part...)
	}
	return out, nil
}
