package network

import (
	"context"
	"slices"

	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/change"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

// What a project gets when it asks for a network without saying which: a network
// with a subnet of each default subnet pool, behind a router to the default
// external network. It is made when it is first asked for.
const (
	autoNetwork = "auto_allocated_network"
	autoRouter  = "auto_allocated_router"
)

// AutoTopologies are the networks that projects get when they ask for any.
type AutoTopologies struct{ s *Service }

// Ensure returns the project's automatic network and makes it if there is
// none. A dry run makes nothing and says whether it could.
func (f *AutoTopologies) Ensure(ctx context.Context, projectID string, dryRun bool) (networkID string, err error) {
	err = f.s.db.Write(ctx, func(tx *store.Tx) error {
		networkID, err = f.EnsureTx(ctx, tx, projectID, dryRun)
		return err
	})
	return networkID, err
}

// EnsureTx is AutoTopology inside the caller's transaction.
func (f *AutoTopologies) EnsureTx(ctx context.Context, tx *store.Tx, projectID string, dryRun bool) (networkID string, err error) {
	if err := f.s.Access.Allow(ctx, "get_auto_allocated_topology", projectID); err != nil {
		return "", err
	}
	n, err := autoOf(ctx, tx, f.s.Networks.table, projectID, func(n *Network) bool { return n.AutoAllocated })
	if err != nil {
		return "", err
	}
	if n != nil && !dryRun {
		return n.ID, nil
	}
	external, pools, err := f.ground(ctx, tx)
	if err != nil || dryRun {
		return "", err
	}
	if err := f.s.Access.Allow(ctx, "create_network", projectID); err != nil {
		return "", err
	}
	return f.build(ctx, tx, projectID, external, pools)
}

// autoOf finds the resource that was made for the project.
func autoOf[T any](ctx context.Context, tx *store.Tx, t *store.Table[T], projectID string, auto func(*T) bool) (*T, error) {
	all, err := t.All(ctx, tx, store.Eq("project_id", projectID))
	if err != nil {
		return nil, err
	}
	if i := slices.IndexFunc(all, auto); i >= 0 {
		return all[i], nil
	}
	return nil, nil
}

// ground is what the operator has to have made.
func (f *AutoTopologies) ground(ctx context.Context, tx *store.Tx) (external *Network, pools []*SubnetPool, err error) {
	networks, err := f.s.Networks.table.All(ctx, tx)
	if err != nil {
		return nil, nil, err
	}
	i := slices.IndexFunc(networks, func(n *Network) bool { return n.Default })
	if i < 0 {
		return nil, nil, fault(errs.Conflict, "AutoAllocationFailure", "Deployment error: No default router:external network.")
	}
	if pools, err = f.s.SubnetPools.table.All(ctx, tx); err != nil {
		return nil, nil, err
	}
	pools = slices.DeleteFunc(pools, func(p *SubnetPool) bool { return !p.Default })
	if len(pools) == 0 {
		return nil, nil, fault(errs.Conflict, "AutoAllocationFailure", "Deployment error: No default subnetpools defined.")
	}
	slices.SortFunc(pools, func(a, b *SubnetPool) int { return a.IPVersion - b.IPVersion })
	return networks[i], pools, nil
}

// build makes it in the name of the cloud, for the pools and the
// external network may be invisible to the project, and for the project's account.
func (f *AutoTopologies) build(ctx context.Context, tx *store.Tx, projectID string, external *Network, pools []*SubnetPool) (string, error) {
	ctx = actor.AsSystem(ctx, "auto-allocated-topology")
	std := func(name string) Standard { return Standard{ProjectID: projectID, Name: name, Tags: []string{}} }
	r, err := autoOf(ctx, tx, f.s.Routers.table, projectID, func(r *Router) bool { return r.AutoAllocated })
	if err != nil {
		return "", err
	}
	if r == nil { // it may have outlived its network
		r, err = f.s.Routers.CreateTx(ctx, tx, change.New(func(r *NewRouter) {
			r.Standard, r.AutoAllocated, r.WantGateway = std(autoRouter), true, &GatewayRequest{NetworkID: external.ID}
		}))
		if err != nil {
			return "", err
		}
	}
	n, err := f.s.Networks.CreateTx(ctx, tx, change.New(func(n *Network) { n.Standard, n.AutoAllocated = std(autoNetwork), true }))
	if err != nil {
		return "", err
	}
	for _, p := range pools {
		name := "auto_allocated_subnet_v4"
		if p.IPVersion == 6 {
			name = "auto_allocated_subnet_v6"
		}
		sub, err := f.s.Subnets.CreateTx(ctx, tx, change.New(func(x *NewSubnet) {
			x.Standard, x.NetworkID, x.SubnetPoolID, x.IPVersion = std(name), n.ID, p.ID, p.IPVersion
			if p.IPVersion == 6 {
				x.IPv6RA, x.IPv6Address = "slaac", "slaac"
			}
		}))
		if err != nil {
			return "", err
		}
		if _, err := f.s.Routers.AddInterfaceTx(ctx, tx, r.ID, sub.ID, ""); err != nil {
			return "", err
		}
	}
	return n.ID, nil
}

// Delete removes what AutoTopology made; nothing is no error.
func (f *AutoTopologies) Delete(ctx context.Context, projectID string) error {
	return f.s.db.Write(ctx, func(tx *store.Tx) error { return f.remove(ctx, tx, projectID) })
}

func (f *AutoTopologies) remove(ctx context.Context, tx *store.Tx, projectID string) error {
	if err := f.s.Access.Allow(ctx, "delete_auto_allocated_topology", projectID); err != nil {
		return err
	}
	ctx = actor.AsSystem(ctx, "auto-allocated-topology")
	r, err := autoOf(ctx, tx, f.s.Routers.table, projectID, func(r *Router) bool { return r.AutoAllocated })
	if err != nil {
		return err
	}
	if r != nil {
		subs, err := f.s.Routers.interfaceSubnets(ctx, tx, r.ID)
		if err != nil {
			return err
		}
		for _, sub := range subs {
			if _, err := f.s.Routers.RemoveInterfaceTx(ctx, tx, r.ID, sub.ID, ""); err != nil {
				return err
			}
		}
		if err := f.s.Routers.DeleteTx(ctx, tx, r.ID); err != nil {
			return err
		}
	}
	n, err := autoOf(ctx, tx, f.s.Networks.table, projectID, func(n *Network) bool { return n.AutoAllocated })
	if err != nil || n == nil {
		return err
	}
	return f.s.Networks.DeleteTx(ctx, tx, n.ID)
}
