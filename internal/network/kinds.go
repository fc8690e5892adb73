package network

import (
	"context"

	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/policy"
	"kumoi/internal/kernel/store"
)

// sharedScope lets a project see its own and what RBAC policies grant it.
func sharedScope(objectType string) func(*store.Selection, string) {
	return func(q *store.Selection, projectID string) {
		q.Where("project_id = ? OR id IN (SELECT object_id FROM rbac_policy WHERE object_type = ? AND target IN (?, '*'))",
			projectID, objectType, projectID)
	}
}

var (
	networks = &kind[Network, *Network]{
		name: "network", plural: "networks", code: "NetworkNotFound", say: "Network %s could not be found.", quota: "network",
		table: networkTable, scope: sharedScope("network"), hydrate: hydrateNetworks,
		target: func(n *Network, t policy.Target) {
			t["shared"], t["router:external"] = flag(n.Shared), flag(n.externalVisible)
		},
	}
	subnets = &kind[Subnet, *Subnet]{
		name: "subnet", plural: "subnets", code: "SubnetNotFound", say: "Subnet %s could not be found.", quota: "subnet",
		table: subnetTable, scope: func(q *store.Selection, projectID string) {
			q.Where(`project_id = ? OR network_id IN (SELECT object_id FROM rbac_policy WHERE object_type = 'network' AND action = 'access_as_shared' AND target IN (?, '*'))
				OR network_id IN (SELECT id FROM network WHERE project_id = ?)`, projectID, projectID, projectID)
		},
		hydrate: hydrateSubnets,
		target: func(s *Subnet, t policy.Target) {
			t["shared"], t["router:external"] = flag(s.Shared), flag(s.External)
			t["network:project_id"], t["network:tenant_id"] = s.networkProject, s.networkProject
		},
	}
	ports = &kind[Port, *Port]{
		name: "port", plural: "ports", code: "PortNotFound", say: "Port %s could not be found.", quota: "port",
		table: portTable, scope: func(q *store.Selection, projectID string) {
			q.Where("project_id = ? OR network_id IN (SELECT id FROM network WHERE project_id = ?)", projectID, projectID)
		},
		hydrate: hydratePorts,
		target: func(p *Port, t policy.Target) {
			t["network:project_id"], t["network:tenant_id"] = p.networkProject, p.networkProject
			t["network:shared"], t["device_owner"] = flag(p.networkShared), p.DeviceOwner
			t["network_device"] = flag(p.NetworkOwned())
		},
	}
	routers = &kind[Router, *Router]{
		name: "router", plural: "routers", code: "RouterNotFound", say: "Router %s could not be found", quota: "router",
		table: routerTable, scope: ownScope,
	}
	floatingIPs = &kind[FloatingIP, *FloatingIP]{
		name: "floatingip", plural: "floatingips", code: "FloatingIPNotFound", say: "Floating IP %s could not be found", quota: "floatingip",
		table: floatingIPTable, scope: ownScope,
	}
	forwardings = &kind[PortForwarding, *PortForwarding]{
		name: "floatingip_port_forwarding", plural: "port_forwardings", code: "PortForwardingNotFound", say: "Port Forwarding %s could not be found.",
		table: forwardingTable, scope: ownScope,
		target: func(f *PortForwarding, t policy.Target) {
			t["ext_parent:project_id"], t["ext_parent:tenant_id"] = f.ProjectID, f.ProjectID
		},
	}
	pools = &kind[SubnetPool, *SubnetPool]{
		name: "subnetpool", plural: "subnetpools", code: "SubnetPoolNotFound", say: "Subnet pool %s could not be found.", quota: "subnetpool",
		table: poolTable, scope: sharedScope("subnetpool"),
		hydrate: func(ctx context.Context, tx *store.Tx, vs []*SubnetPool) error {
			return hydrateShared(ctx, tx, "subnetpool", vs, func(v *SubnetPool) *bool { return &v.Shared })
		},
		target: func(g *SubnetPool, t policy.Target) { t["shared"] = flag(g.Shared) },
	}
	trunks = &kind[Trunk, *Trunk]{
		name: "trunk", plural: "trunks", code: "TrunkNotFound", say: "Trunk %s could not be found.",
		table: trunkTable, scope: ownScope, hydrate: hydrateTrunks,
	}
	rbacs = &kind[RBACPolicy, *RBACPolicy]{
		name: "rbac_policy", plural: "rbac_policies", code: "RbacPolicyNotFound", say: "RBAC policy of type unknown with ID %s not found", quota: "rbac_policy",
		table: rbacTable, scope: ownScope,
		target: func(r *RBACPolicy, t policy.Target) {
			t["target_tenant"], t["target_project"] = r.TargetProject, r.TargetProject
		},
	}
)

func flag(b bool) string {
	if b {
		return "True"
	}
	return "False"
}

// grant is one RBAC policy as hydration reads it.
type grant struct{ object, action, target string }

func scanGrant(r store.Row) (g grant, err error) {
	err = r.Scan(&g.object, &g.action, &g.target)
	return g, err
}

// grantsFor reads which objects of a type are granted to the context's project.
func grantsFor(ctx context.Context, tx *store.Tx, objectType string, id string) ([]grant, error) {
	q := store.Select("SELECT object_id, action, target FROM rbac_policy").
		Where("object_type = ?", objectType).
		Where("target IN (?, '*')", actor.From(ctx).ProjectID)
	if id != "" {
		q.Where("object_id = ?", id)
	}
	return store.Find(ctx, tx, scanGrant, q)
}

func hydrateShared[T any, P resource[T]](ctx context.Context, tx *store.Tx, objectType string, vs []P, shared func(P) *bool) error {
	one := ""
	if len(vs) == 1 {
		one = vs[0].Std().ID
	}
	gs, err := grantsFor(ctx, tx, objectType, one)
	if err != nil {
		return err
	}
	granted := map[string]bool{}
	for _, g := range gs {
		if g.action == ActionShared {
			granted[g.object] = true
		}
	}
	for _, v := range vs {
		*shared(v) = granted[v.Std().ID]
	}
	return nil
}

// pair is two columns of text.
type pair struct{ a, b string }

func scanPair(r store.Row) (p pair, err error) {
	err = r.Scan(&p.a, &p.b)
	return p, err
}

// pairsIn runs "sel WHERE column IN (ids)" for two columns of text.
func pairsIn(ctx context.Context, tx *store.Tx, sel, column string, idList []string, order string) ([]pair, error) {
	var out []pair
	for len(idList) > 0 {
		n := min(len(idList), 500)
		part, err := store.Find(ctx, tx, scanPair, store.Among(store.Select(sel), column, idList[:n]).OrderBy(order))
		if err != nil {
			return nil, err
		}
		out, idList = append(out, part...), idList[n:]
	}
	return out, nil
}

// idsOf lists ids once each, in the order met.
func idsOf[T any](vs []*T, id func(*T) string) []string {
	seen := map[string]bool{}
	var out []string
	for _, v := range vs {
		if k := id(v); k != "" && !seen[k] {
			seen[k] = true
			out = append(out, k)
		}
	}
	return out
}
