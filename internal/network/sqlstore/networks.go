package sqlstore

import (
	"context"
	"slices"

	"kumoi/internal/kernel/store"
	"kumoi/internal/network"
)

func networks() *store.Table[network.Network] {
	t := shared("network", store.NewTable("network", func(n *network.Network, c *store.Columns) {
		aged(&n.Standard, c)
		c.Text("name", &n.Name)
		c.Text("net_type", &n.Type)
		c.Text("physical", &n.Physical)
		c.Derived("segment", store.KindInt, segment(n))
		c.Doc("doc", n)
	}).Then(belongings))
	external := "EXISTS (SELECT 1 FROM network_rbac_policy r WHERE r.object_type = 'network' AND r.object_id = network.id AND r.action = 'access_as_external')"
	t.Field("external", store.KindBool, store.SQL(external)).
		Set("subnets", store.SQL("EXISTS (SELECT 1 FROM network_subnet s WHERE s.network_id = network.id AND s.id = ?)")).
		Set("ip_versions", store.Expr{
			SQLite:   "EXISTS (SELECT 1 FROM network_subnet s WHERE s.network_id = network.id AND CASE WHEN instr(json_extract(s.doc, '$.CIDR'), ':') > 0 THEN '6' ELSE '4' END = ?)",
			Postgres: "EXISTS (SELECT 1 FROM network_subnet s WHERE s.network_id = network.id AND CASE WHEN strpos(s.doc::jsonb ->> 'CIDR', ':') > 0 THEN '6' ELSE '4' END = ?)",
		}).
		Set("ipv4_address_scope", store.SQL("EXISTS ("+scopes+" WHERE s.network_id = network.id AND a.ip_version = 4 AND a.id = ?)")).
		Set("ipv6_address_scope", store.SQL("EXISTS ("+scopes+" WHERE s.network_id = network.id AND a.ip_version = 6 AND a.id = ?)"))
	texts(t, "description", "Description", "dns_domain", "DNSDomain", "qos_policy_id", "QoSPolicyID")
	flags(t, "admin_state_up", "AdminStateUp", "is_default", "Default", "port_security_enabled", "PortSecurity")
	length(t, "hints", "AZHints")
	numbers(t, "mtu", "MTU")
	return lists(t, "tags", "Tags", "availability_zone_hints", "AZHints")
}

// segment is NULL for networks without one, so that they do not collide.
func segment(n *network.Network) any {
	if n.Segment == 0 {
		return nil
	}
	return int64(n.Segment)
}

// segments are networks, as those see them who look for a free one.
func segments() *store.Table[network.Segment] {
	return store.NewTable("network", func(n *network.Segment, c *store.Columns) {
		c.Key("id", &n.NetworkID)
		c.Text("net_type", &n.Type)
		c.Text("physical", &n.Physical)
		c.NullInt64("segment", &n.ID)
	})
}

// scopes are the address scopes of subnets that come from pools.
const scopes = `SELECT s.network_id, a.id, a.ip_version FROM network_subnet s
	JOIN network_subnetpool p ON p.id = s.subnetpool_id JOIN network_address_scope a ON a.id = p.address_scope_id`

// belongings reads networks' subnets and the address scopes of those.
func belongings(ctx context.Context, tx *store.Tx, ns []*network.Network) error {
	byID := make(map[string]*network.Network, len(ns))
	ids := make([]string, len(ns))
	for i, n := range ns {
		n.SubnetIDs = []string{}
		byID[n.ID], ids[i] = n, n.ID
	}
	for some := range slices.Chunk(ids, 10_000) { // the databases bound the number of placeholders
		if err := belonging(ctx, tx, byID, some); err != nil {
			return err
		}
	}
	return nil
}

func belonging(ctx context.Context, tx *store.Tx, byID map[string]*network.Network, ids []string) error {
	pooled := false
	_, err := store.Find(ctx, tx, func(r store.Row) (struct{}, error) {
		var network, id, pool string
		err := r.Scan(&network, &id, &pool)
		if n := byID[network]; err == nil && n != nil {
			n.SubnetIDs = append(n.SubnetIDs, id)
			pooled = pooled || pool != ""
		}
		return struct{}{}, err
	}, store.Among(store.Select("SELECT network_id, id, subnetpool_id FROM network_subnet"), "network_id", ids).OrderBy("id"))
	if err != nil || !pooled {
		return err
	}
	_, err = store.Find(ctx, tx, func(r store.Row) (struct{}, error) {
		var network, scope string
		var version int
		err := r.Scan(&network, &scope, &version)
		if n := byID[network]; err == nil && n != nil && version == 4 {
			n.Scope4 = scope
		} else if err == nil && n != nil {
			n.Scope6 = scope
		}
		return struct{}{}, err
	}, store.Among(store.Select(scopes), "s.network_id", ids).OrderBy("s.id"))
	return err
}
