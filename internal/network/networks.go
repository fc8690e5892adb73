package network

import (
	"context"
	"slices"
	"strings"

	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/change"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/policy"
	"kumoi/internal/kernel/store"
)

// Networks are the use cases of networks.
type Networks struct {
	family[Network, *Network]
	segments *store.Table[Segment]
}

func newNetworks(s *Service, t Tables) *Networks {
	n := &Networks{segments: t.Segments}
	n.family = family[Network, *Network]{
		s: s, table: t.Networks, name: "network", code: "NetworkNotFound", say: "Network %s could not be found.", hydrate: n.hydrated,
		target: func(n *Network, t policy.Target) {
			t["shared"], t["router:external"] = flag(n.Shared), flag(n.externalVisible)
		},
	}
	return n
}

// hydrated reads sharing.
func (f *Networks) hydrated(ctx context.Context, tx *store.Tx, vs []*Network) error {
	project := actor.From(ctx).ProjectID
	byID := make(map[string]*Network, len(vs))
	for _, n := range vs {
		n.Shared, n.External, n.externalVisible = false, false, false
		byID[n.ID] = n
	}
	conds := []store.Cond{store.Eq("object_type", "network")}
	if len(vs) == 1 {
		conds = append(conds, store.Eq("object_id", vs[0].ID))
	}
	gs, err := f.s.grants.table.All(ctx, tx, conds...)
	if err != nil {
		return err
	}
	for _, g := range gs {
		n, ok := byID[g.ObjectID]
		if !ok {
			continue
		}
		mine := g.Target == "*" || g.Target == project
		switch g.Action {
		case ActionShared:
			n.Shared = n.Shared || mine
		case ActionExternal:
			n.External = true
			n.externalVisible = n.externalVisible || mine
		}
	}
	return nil
}

// byID reads networks with what is shared of them.
func (f *Networks) byID(ctx context.Context, tx *store.Tx, ids []string) (map[string]*Network, error) {
	ns, err := f.table.All(ctx, tx, store.In("id", ids))
	if err == nil {
		err = f.complete(ctx, tx, ns)
	}
	out := make(map[string]*Network, len(ns))
	for _, n := range ns {
		out[n.ID] = n
	}
	return out, err
}

// Create makes a network.
func (f *Networks) Create(ctx context.Context, p change.Patch[Network]) (*Network, error) {
	return createOne(ctx, f.s, p, f.CreateTx)
}

// CreateMany makes all or none.
func (f *Networks) CreateMany(ctx context.Context, many []change.Patch[Network]) ([]*Network, error) {
	return createAll(ctx, f.s, many, f.CreateTx)
}

// CreateTx is Create inside the caller's transaction.
func (f *Networks) CreateTx(ctx context.Context, tx *store.Tx, p change.Patch[Network]) (*Network, error) {
	n := &Network{AdminStateUp: true, PortSecurity: true, SubnetIDs: []string{}}
	if err := p.To(n); err != nil {
		return nil, err
	}
	if err := f.begin(ctx, n, p.Named); err != nil {
		return nil, err
	}
	return n, f.add(ctx, tx, n, !p.Has("qos_policy_id"))
}

// add makes a network that the actor may make; inherit gives it its
// project's default limits.
func (f *Networks) add(ctx context.Context, tx *store.Tx, n *Network, inherit bool) error {
	if err := f.s.Quotas.count(ctx, tx, n.ProjectID, "network", 1); err != nil {
		return err
	}
	if err := f.s.Agents.checkHints(ctx, tx, n.AZHints); err != nil {
		return err
	}
	if err := f.placeSegment(ctx, tx, n); err != nil {
		return err
	}
	if err := f.setMTU(n); err != nil {
		return err
	}
	if n.Default {
		if err := f.oneDefault(ctx, tx, n); err != nil {
			return err
		}
	}
	if n.QoSPolicyID == "" && inherit {
		var err error
		if n.QoSPolicyID, err = f.s.QoSPolicies.defaultOf(ctx, tx, n.ProjectID); err != nil {
			return err
		}
	}
	if err := f.table.Insert(ctx, tx, n); err != nil {
		return err
	}
	if err := f.s.QoSPolicies.bind(ctx, tx, "network", n.ID, "", n.QoSPolicyID); err != nil {
		return err
	}
	if _, err := f.s.SecurityGroups.EnsureDefaultTx(ctx, tx, n.ProjectID); err != nil {
		return err
	}
	if n.Shared {
		if err := f.s.grants.grantAll(ctx, tx, "network", n.ID, n.ProjectID, ActionShared); err != nil {
			return err
		}
	}
	if n.External {
		if err := f.s.grants.grantAll(ctx, tx, "network", n.ID, n.ProjectID, ActionExternal); err != nil {
			return err
		}
	}
	f.s.projector.touchNetwork(tx, n.ID)
	return nil
}

func (f *Networks) oneDefault(ctx context.Context, tx *store.Tx, n *Network) error {
	if !n.External {
		return fault(errs.Invalid, "DefaultExternalNetworkNotExternal", "The default external network must be external.")
	}
	all, err := f.table.All(ctx, tx)
	if err != nil {
		return err
	}
	for _, o := range all {
		if o.Default && o.ID != n.ID {
			return fault(errs.Conflict, "DefaultExternalNetworkExists", "A default external network already exists: %s.", o.ID)
		}
	}
	return nil
}

// Update changes a network.
func (f *Networks) Update(ctx context.Context, id string, p change.Patch[Network]) (*Network, error) {
	return changeOne(ctx, f.s, func(tx *store.Tx) (*Network, error) {
		n, err := f.open(ctx, tx, "update", id, p.Named)
		if err != nil {
			return nil, err
		}
		old := *n
		if err := p.To(n); err != nil {
			return nil, err
		}
		return n, f.change(ctx, tx, n, &old, p.Has("is_default"))
	})
}

// change judges what became of a network, writes it and brings along
// what depends on it; asked tells whether to be the default was asked for.
func (f *Networks) change(ctx context.Context, tx *store.Tx, n, old *Network, asked bool) error {
	if n.Type != old.Type || n.Physical != old.Physical || n.Segment != old.Segment {
		if err := f.placeSegment(ctx, tx, n); err != nil {
			return err
		}
	}
	if err := f.setMTU(n); err != nil {
		return err
	}
	if n.MTU < minMTU6 && n.MTU != old.MTU {
		subs, err := f.s.Subnets.table.All(ctx, tx, store.Eq("network_id", n.ID))
		if err != nil {
			return err
		}
		if slices.ContainsFunc(subs, func(x *Subnet) bool { return x.Version() == 6 }) {
			return mtuConflict(n)
		}
	}
	if n.Default && (!old.Default || !n.External && asked) {
		if err := f.oneDefault(ctx, tx, n); err != nil {
			return err
		}
	}
	if n.Shared != old.Shared {
		if err := f.setShared(ctx, tx, n); err != nil {
			return err
		}
	}
	if n.External != old.External {
		if err := f.setExternal(ctx, tx, n); err != nil {
			return err
		}
	}
	if err := f.save(ctx, tx, n); err != nil {
		return err
	}
	f.s.projector.touchNetwork(tx, n.ID)
	if n.QoSPolicyID != old.QoSPolicyID {
		if err := f.s.QoSPolicies.bind(ctx, tx, "network", n.ID, old.QoSPolicyID, n.QoSPolicyID); err != nil {
			return err
		}
		if err := f.s.QoSPolicies.touchNetwork(ctx, tx, n.ID); err != nil {
			return err
		}
	}
	if n.MTU != old.MTU {
		if err := f.s.projector.touchRoutersOf(ctx, tx, n.ID); err != nil {
			return err
		}
	}
	return nil
}

// bump gives a network its next revision, because what belongs to it changed.
func (f *Networks) bump(ctx context.Context, tx *store.Tx, id string) error {
	n, err := f.table.Get(ctx, tx, id)
	if err != nil {
		return err
	}
	return f.save(ctx, tx, n)
}

// Delete deletes a network, its subnets and the ports that exist only to serve it.
func (f *Networks) Delete(ctx context.Context, id string) error {
	return f.s.db.Write(ctx, func(tx *store.Tx) error { return f.DeleteTx(ctx, tx, id) })
}

// DeleteTx is Delete inside the caller's transaction.
func (f *Networks) DeleteTx(ctx context.Context, tx *store.Tx, id string) error {
	s := f.s
	n, err := f.open(ctx, tx, "delete", id, nil)
	if err != nil {
		return err
	}
	if err := s.FloatingIPs.dropSpare(ctx, tx, n.ID); err != nil {
		return err
	}
	ps, err := s.Ports.table.All(ctx, tx, store.Eq("network_id", n.ID))
	if err != nil {
		return err
	}
	var inUse []string
	for _, p := range ps {
		if !autoDeleted(p) {
			inUse = append(inUse, p.ID)
		}
	}
	if len(inUse) > 0 {
		return fault(errs.Conflict, "NetworkInUse", "Unable to complete operation on network %s. There are one or more ports still in use on the network, id for these ports is %s.",
			id, strings.Join(inUse[:min(len(inUse), 10)], ","))
	}
	for _, p := range ps {
		if err := s.Ports.remove(ctx, tx, p); err != nil {
			return err
		}
	}
	subs, err := s.Subnets.table.All(ctx, tx, store.Eq("network_id", id))
	if err != nil {
		return err
	}
	for _, sub := range subs {
		if err := s.Subnets.table.Delete(ctx, tx, sub.ID); err != nil {
			return err
		}
	}
	if err := s.grants.forget(ctx, tx, "network", id); err != nil {
		return err
	}
	if err := s.QoSPolicies.unbind(ctx, tx, id); err != nil {
		return err
	}
	s.projector.touchNetwork(tx, id)
	return s.Networks.table.Delete(ctx, tx, id)
}

// autoDeleted tells whether the port goes with its network.
func autoDeleted(p *Port) bool {
	return p.DeviceOwner == OwnerDistributed || p.DeviceOwner == OwnerDHCP
}

// mayGoOut tells whether the network is external for the actor, not for others only.
func (f *Networks) mayGoOut(ctx context.Context, n *Network) bool {
	return n.External && (n.externalVisible || n.ProjectID == actor.From(ctx).ProjectID || f.s.Access.isAdmin(ctx))
}
