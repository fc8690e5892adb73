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

// geneveOverhead is what OVN's encapsulation takes of a packet.
const geneveOverhead = 58

// Networks are the use cases of networks.
type Networks struct {
	family[Network, *Network]
	segments *store.Table[Segment]
}

// Segment is what a network takes of the fabric.
type Segment struct {
	NetworkID, Type, Physical string
	ID                        *int64 // nil: flat and local networks have none
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

// chooseType gives a network that names no provider its type: an external one
// is the outside network while nobody has that, so that it leads somewhere.
func (f *Networks) chooseType(ctx context.Context, tx *store.Tx, n *Network) error {
	n.Type = TypeGeneve
	if !n.External || f.s.cfg.ExternalPhysical == "" {
		return nil
	}
	taken, err := f.segments.Any(ctx, tx, store.Eq("net_type", TypeFlat), store.Eq("physical", f.s.cfg.ExternalPhysical))
	if err == nil && !taken {
		n.Type, n.Physical = TypeFlat, f.s.cfg.ExternalPhysical
	}
	return err
}

// placeSegment checks what the request says of the provider network, or chooses.
func (f *Networks) placeSegment(ctx context.Context, tx *store.Tx, n *Network) error {
	if n.Type == "" {
		if n.Physical != "" || n.Segment != 0 {
			return fault(errs.Invalid, "InvalidInput", "Invalid input for operation: network_type required.")
		}
		if err := f.chooseType(ctx, tx, n); err != nil {
			return err
		}
	}
	bad := func(format string, args ...any) error {
		return fault(errs.Invalid, "InvalidInput", "Invalid input for operation: "+format+".", args...)
	}
	bounds := f.s.cfg.VNIs
	switch n.Type {
	case TypeGeneve, "vxlan", "gre":
		if n.Physical != "" {
			return bad("provider:physical_network specified for %s network", n.Type)
		}
		if n.Segment < 0 || n.Segment > 1<<24-1 {
			return bad("segmentation_id %d is not between 1 and %d", n.Segment, 1<<24-1)
		}
		n.Type = TypeGeneve
	case TypeVLAN:
		bounds = f.s.cfg.VLANs
		if n.Physical == "" {
			return bad("physical_network required for vlan provider network")
		}
		if n.Segment < 0 || n.Segment > 4094 {
			return bad("segmentation_id out of range (1 through 4094)")
		}
	case TypeFlat, TypeLocal:
		if n.Segment != 0 {
			return bad("segmentation_id specified for %s network", n.Type)
		}
		if n.Type == TypeLocal {
			return nil
		}
		if n.Physical == "" {
			return bad("physical_network required for flat provider network")
		}
		taken, err := f.segments.Any(ctx, tx, store.Eq("net_type", TypeFlat), store.Eq("physical", n.Physical), store.Ne("id", n.ID))
		if err == nil && taken {
			return fault(errs.Conflict, "FlatNetworkInUse", "Unable to create the flat network. Physical network %s is in use.", n.Physical)
		}
		return err
	default:
		return bad("network_type value '%s' not supported", n.Type)
	}
	used, err := f.usedSegments(ctx, tx, n)
	if err != nil {
		return err
	}
	if n.Segment != 0 {
		if _, found := slices.BinarySearch(used, int64(n.Segment)); !found {
			return nil
		}
		if n.Type == TypeVLAN {
			return fault(errs.Conflict, "VlanIdInUse", "Unable to create the network. The VLAN %d on physical network %s is in use.", n.Segment, n.Physical)
		}
		return fault(errs.Conflict, "TunnelIdInUse", "Unable to create the network. The tunnel ID %d is in use.", n.Segment)
	}
	next := int64(bounds[0])
	for _, u := range used {
		if u == next {
			next++
		}
	}
	if next > int64(bounds[1]) {
		return fault(errs.Conflict, "NoNetworkAvailable", "Unable to create the network. No tenant network is available for allocation.")
	}
	n.Segment = int(next)
	return nil
}

// usedSegments are those that others of the network's type have, in order.
func (f *Networks) usedSegments(ctx context.Context, tx *store.Tx, n *Network) ([]int64, error) {
	taken, err := f.segments.All(ctx, tx, store.Eq("net_type", n.Type), store.Eq("physical", n.Physical), store.Ne("segment", nil), store.Ne("id", n.ID))
	out := make([]int64, len(taken))
	for i, t := range taken {
		out[i] = *t.ID
	}
	slices.Sort(out)
	return out, err
}

// maxMTU is what a network of this type can carry.
func (f *Networks) maxMTU(n *Network) int {
	if n.Type == TypeGeneve {
		return f.s.cfg.MTU - geneveOverhead
	}
	return f.s.cfg.MTU
}

func (f *Networks) setMTU(n *Network) error {
	top := f.maxMTU(n)
	if n.MTU == 0 {
		n.MTU = top
	}
	if n.MTU > top {
		return fault(errs.Invalid, "InvalidInput", "Invalid input for operation: Requested MTU is too big, maximum is %d.", top)
	}
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

func (f *Networks) setShared(ctx context.Context, tx *store.Tx, n *Network) error {
	if n.Shared {
		return f.s.grants.grantAll(ctx, tx, "network", n.ID, n.ProjectID, ActionShared)
	}
	if err := f.unusedByOthers(ctx, tx, n, "*", ""); err != nil {
		return err
	}
	return f.s.grants.revokeAll(ctx, tx, "network", n.ID, ActionShared)
}

// bump gives a network its next revision, because what belongs to it changed.
func (f *Networks) bump(ctx context.Context, tx *store.Tx, id string) error {
	n, err := f.table.Get(ctx, tx, id)
	if err != nil {
		return err
	}
	return f.save(ctx, tx, n)
}

// unusedByOthers makes sure that sharing with target ("*" or a project)
// can end, or go over to next alone.
func (f *Networks) unusedByOthers(ctx context.Context, tx *store.Tx, n *Network, target, next string) error {
	conds := []store.Cond{store.Eq("network_id", n.ID), store.Ne("project_id", n.ProjectID), store.Ne("project_id", ""), store.Ne("project_id", next)}
	if target != "*" {
		conds = append(conds, store.Eq("project_id", target))
	}
	users, err := f.s.Ports.table.All(ctx, tx, conds...)
	if err != nil {
		return err
	}
	for _, u := range users {
		otherwise, err := f.s.grants.granted(ctx, tx, "network", n.ID, store.Eq("action", ActionShared), store.Ne("target", target), reaches(u.ProjectID))
		if err != nil {
			return err
		}
		if !otherwise {
			return fault(errs.Conflict, "InvalidSharedSetting",
				"Unable to reconfigure sharing settings for network %s. Multiple tenants are using it.", n.Name)
		}
	}
	return nil
}

func (f *Networks) setExternal(ctx context.Context, tx *store.Tx, n *Network) error {
	if n.External {
		n.externalVisible = true
		return f.s.grants.grantAll(ctx, tx, "network", n.ID, n.ProjectID, ActionExternal)
	}
	used, err := f.s.Ports.table.Any(ctx, tx, store.Eq("network_id", n.ID), store.Eq("held_as", OwnerRouterGateway))
	if err != nil {
		return err
	}
	if used {
		return fault(errs.Conflict, "ExternalNetworkInUse",
			"External network %s cannot be updated to be made non-external, since it has existing gateway ports.", n.ID)
	}
	n.Default = false
	return f.s.grants.revoke(ctx, tx, "network", n.ID, store.Eq("action", ActionExternal))
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
