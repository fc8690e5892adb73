package network

import (
	"context"
	"slices"
	"strings"

	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

// geneveOverhead is what OVN's encapsulation takes of a packet.
const geneveOverhead = 58

// hydrateNetworks reads sharing and subnets.
func hydrateNetworks(ctx context.Context, tx *store.Tx, vs []*Network) error {
	project := actor.From(ctx).ProjectID
	byID := make(map[string]*Network, len(vs))
	for _, n := range vs {
		n.Shared, n.External, n.externalVisible, n.SubnetIDs = false, false, false, []string{}
		byID[n.ID] = n
	}
	q := store.Select("SELECT object_id, action, target FROM rbac_policy").Where("object_type = 'network'")
	if len(vs) == 1 {
		q.Where("object_id = ?", vs[0].ID)
	}
	gs, err := store.Find(ctx, tx, scanGrant, q)
	if err != nil {
		return err
	}
	for _, g := range gs {
		n, ok := byID[g.object]
		if !ok {
			continue
		}
		mine := g.target == "*" || g.target == project
		switch g.action {
		case ActionShared:
			n.Shared = n.Shared || mine
		case ActionExternal:
			n.External = true
			n.externalVisible = n.externalVisible || mine
		}
	}
	subs, err := pairsIn(ctx, tx, "SELECT network_id, id FROM network_subnet", "network_id", idsOf(vs, func(n *Network) string { return n.ID }), "id")
	if err != nil {
		return err
	}
	for _, p := range subs {
		byID[p.a].SubnetIDs = append(byID[p.a].SubnetIDs, p.b)
	}
	if len(subs) == 0 {
		return nil
	}
	return hydrateScopes(ctx, tx, byID, vs)
}

// hydrateScopes reads the address scopes of networks whose subnets come from pools.
func hydrateScopes(ctx context.Context, tx *store.Tx, byID map[string]*Network, vs []*Network) error {
	found, err := pairsIn(ctx, tx, `SELECT s.network_id, a.ip_version || a.id FROM network_subnet s
		JOIN network_subnetpool p ON p.id = s.subnetpool_id JOIN network_address_scope a ON a.id = p.address_scope_id`,
		"s.network_id", idsOf(vs, func(n *Network) string { return n.ID }), "s.id")
	if err != nil || len(found) == 0 {
		return err
	}
	for _, f := range found {
		if version, id := f.b[:1], f.b[1:]; version == "4" {
			byID[f.a].Scope4 = id
		} else {
			byID[f.a].Scope6 = id
		}
	}
	return nil
}

// Networks returns the networks that the actor may see.
func (s *Service) Networks(ctx context.Context, f Filter) ([]*Network, error) {
	return networks.all(ctx, s, f)
}

// Network returns one network that the actor may see.
func (s *Service) Network(ctx context.Context, id string) (*Network, error) {
	return networks.show(ctx, s, id)
}

// CreateNetwork makes n.
func (s *Service) CreateNetwork(ctx context.Context, tx *store.Tx, n *Network, c Change) error {
	if err := networks.prepare(ctx, s, n, c); err != nil {
		return err
	}
	if err := networks.countQuota(ctx, s, tx, n.ProjectID, 1); err != nil {
		return err
	}
	if err := s.checkAZHints(ctx, tx, n.AZHints); err != nil {
		return err
	}
	if err := s.placeSegment(ctx, tx, n); err != nil {
		return err
	}
	if err := s.setMTU(n); err != nil {
		return err
	}
	if n.Default {
		if err := s.oneDefaultNetwork(ctx, tx, n); err != nil {
			return err
		}
	}
	n.SubnetIDs = []string{}
	if n.QoSPolicyID == "" && !c.Has("qos_policy_id") {
		var err error
		if n.QoSPolicyID, err = s.defaultQoS(ctx, tx, n.ProjectID); err != nil {
			return err
		}
	}
	if err := networkTable.Insert(ctx, tx, n); err != nil {
		return err
	}
	if err := s.bindQoS(ctx, tx, "network", n.ID, "", n.QoSPolicyID); err != nil {
		return err
	}
	if _, err := s.EnsureDefaultSecurityGroupTx(ctx, tx, n.ProjectID); err != nil {
		return err
	}
	if n.Shared {
		if err := s.grantAll(ctx, tx, "network", n.ID, n.ProjectID, ActionShared); err != nil {
			return err
		}
	}
	if n.External {
		if err := s.grantAll(ctx, tx, "network", n.ID, n.ProjectID, ActionExternal); err != nil {
			return err
		}
	}
	s.touchNetwork(tx, n.ID)
	return nil
}

// chooseType gives a network that names no provider its type: an external one
// is the outside network while nobody has that, so that it leads somewhere.
func (s *Service) chooseType(ctx context.Context, tx *store.Tx, n *Network) error {
	n.Type = TypeGeneve
	if !n.External || s.cfg.ExternalPhysical == "" {
		return nil
	}
	taken, err := networkTable.Count(ctx, tx, "net_type = 'flat' AND physical = ?", s.cfg.ExternalPhysical)
	if err == nil && taken == 0 {
		n.Type, n.Physical = TypeFlat, s.cfg.ExternalPhysical
	}
	return err
}

// placeSegment checks what the request says of the provider network, or chooses.
func (s *Service) placeSegment(ctx context.Context, tx *store.Tx, n *Network) error {
	if n.Type == "" {
		if n.Physical != "" || n.Segment != 0 {
			return fault(errs.Invalid, "InvalidInput", "Invalid input for operation: network_type required.")
		}
		if err := s.chooseType(ctx, tx, n); err != nil {
			return err
		}
	}
	bad := func(format string, args ...any) error {
		return fault(errs.Invalid, "InvalidInput", "Invalid input for operation: "+format+".", args...)
	}
	bounds := s.cfg.VNIs
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
		bounds = s.cfg.VLANs
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
		taken, err := networkTable.Count(ctx, tx, "net_type = 'flat' AND physical = ? AND id <> ?", n.Physical, n.ID)
		if err == nil && taken > 0 {
			return fault(errs.Conflict, "FlatNetworkInUse", "Unable to create the flat network. Physical network %s is in use.", n.Physical)
		}
		return err
	default:
		return bad("network_type value '%s' not supported", n.Type)
	}
	used, err := store.All(ctx, tx, store.Value[int64],
		"SELECT segment FROM network WHERE net_type = ? AND physical = ? AND segment IS NOT NULL AND id <> ? ORDER BY segment", n.Type, n.Physical, n.ID)
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

// maxMTU is what a network of this type can carry.
func (s *Service) maxMTU(n *Network) int {
	if n.Type == TypeGeneve {
		return s.cfg.MTU - geneveOverhead
	}
	return s.cfg.MTU
}

func (s *Service) setMTU(n *Network) error {
	top := s.maxMTU(n)
	if n.MTU == 0 {
		n.MTU = top
	}
	if n.MTU > top {
		return fault(errs.Invalid, "InvalidInput", "Invalid input for operation: Requested MTU is too big, maximum is %d.", top)
	}
	return nil
}

func (s *Service) oneDefaultNetwork(ctx context.Context, tx *store.Tx, n *Network) error {
	if !n.External {
		return fault(errs.Invalid, "DefaultExternalNetworkNotExternal", "The default external network must be external.")
	}
	all, err := networkTable.Find(ctx, tx, networkTable.Select())
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

// UpdateNetwork changes a network by apply.
func (s *Service) UpdateNetwork(ctx context.Context, tx *store.Tx, id string, c Change, apply func(*Network) error) (*Network, error) {
	n, err := networks.open(ctx, s, tx, "update", id, c)
	if err != nil {
		return nil, err
	}
	old := *n
	if err := apply(n); err != nil {
		return nil, err
	}
	if n.Type != old.Type || n.Physical != old.Physical || n.Segment != old.Segment {
		if err := s.placeSegment(ctx, tx, n); err != nil {
			return nil, err
		}
	}
	if err := s.setMTU(n); err != nil {
		return nil, err
	}
	if n.MTU < minMTU6 && n.MTU != old.MTU {
		subs, err := subnetTable.Where(ctx, tx, "network_id", id)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(subs, func(x *Subnet) bool { return x.Version() == 6 }) {
			return nil, mtuConflict(n)
		}
	}
	if n.Default && (!old.Default || !n.External && c.Has("is_default")) {
		if err := s.oneDefaultNetwork(ctx, tx, n); err != nil {
			return nil, err
		}
	}
	if n.Shared != old.Shared {
		if err := s.setShared(ctx, tx, n); err != nil {
			return nil, err
		}
	}
	if n.External != old.External {
		if err := s.setExternal(ctx, tx, n); err != nil {
			return nil, err
		}
	}
	if err := networks.save(ctx, s, tx, n); err != nil {
		return nil, err
	}
	s.touchNetwork(tx, n.ID)
	if n.QoSPolicyID != old.QoSPolicyID {
		if err := s.bindQoS(ctx, tx, "network", n.ID, old.QoSPolicyID, n.QoSPolicyID); err != nil {
			return nil, err
		}
		if err := s.touchQoSOfNetwork(ctx, tx, n.ID); err != nil {
			return nil, err
		}
	}
	if n.MTU != old.MTU {
		if err := s.touchRoutersOfNetwork(ctx, tx, n.ID); err != nil {
			return nil, err
		}
	}
	return n, nil
}

func (s *Service) setShared(ctx context.Context, tx *store.Tx, n *Network) error {
	if n.Shared {
		return s.grantAll(ctx, tx, "network", n.ID, n.ProjectID, ActionShared)
	}
	if err := s.networkUnusedByOthers(ctx, tx, n, "*", ""); err != nil {
		return err
	}
	return s.revokeAll(ctx, tx, "network", n.ID, ActionShared)
}

// bumpNetwork gives a network its next revision, because what belongs to it changed.
func (s *Service) bumpNetwork(ctx context.Context, tx *store.Tx, id string) error {
	n, err := networkTable.Get(ctx, tx, id)
	if err != nil {
		return err
	}
	return networks.save(ctx, s, tx, n)
}

// networkUnusedByOthers makes sure that sharing with target ("*" or a project)
// can end, or go over to next alone.
func (s *Service) networkUnusedByOthers(ctx context.Context, tx *store.Tx, n *Network, target, next string) error {
	q := store.Select("SELECT project_id, device_owner FROM network_port").Where("network_id = ?", n.ID).Where("project_id <> ?", n.ProjectID).
		Where("project_id <> ''").Where("project_id <> ?", next)
	if target != "*" {
		q.Where("project_id = ?", target)
	}
	users, err := store.Find(ctx, tx, scanPair, q)
	if err != nil {
		return err
	}
	for _, u := range users {
		granted, err := rbacTable.Count(ctx, tx, "object_type = 'network' AND object_id = ? AND action = ? AND target <> ? AND target IN (?, '*')",
			n.ID, ActionShared, target, u.a)
		if err != nil {
			return err
		}
		if granted == 0 {
			return fault(errs.Conflict, "InvalidSharedSetting",
				"Unable to reconfigure sharing settings for network %s. Multiple tenants are using it.", n.Name)
		}
	}
	return nil
}

func (s *Service) setExternal(ctx context.Context, tx *store.Tx, n *Network) error {
	if n.External {
		n.externalVisible = true
		return s.grantAll(ctx, tx, "network", n.ID, n.ProjectID, ActionExternal)
	}
	used, err := portTable.Count(ctx, tx, "network_id = ? AND held_as = ?", n.ID, OwnerRouterGateway)
	if err != nil {
		return err
	}
	if used > 0 {
		return fault(errs.Conflict, "ExternalNetworkInUse",
			"External network %s cannot be updated to be made non-external, since it has existing gateway ports.", n.ID)
	}
	n.Default = false
	_, err = tx.Exec(ctx, "DELETE FROM rbac_policy WHERE object_type = 'network' AND object_id = ? AND action = ?", n.ID, ActionExternal)
	return err
}

// DeleteNetwork deletes a network, its subnets and the ports that exist only to serve it.
func (s *Service) DeleteNetwork(ctx context.Context, tx *store.Tx, id string, c Change) error {
	n, err := networks.open(ctx, s, tx, "delete", id, c)
	if err != nil {
		return err
	}
	if err := s.dropSpareFloatingIPs(ctx, tx, n.ID); err != nil {
		return err
	}
	ps, err := portTable.Where(ctx, tx, "network_id", n.ID)
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
		if err := s.removePort(ctx, tx, p); err != nil {
			return err
		}
	}
	subs, err := subnetTable.Where(ctx, tx, "network_id", id)
	if err != nil {
		return err
	}
	for _, sub := range subs {
		if err := subnetTable.Delete(ctx, tx, sub.ID); err != nil {
			return err
		}
	}
	if err := s.forgetGrants(ctx, tx, "network", id); err != nil {
		return err
	}
	if err := s.unbindQoS(ctx, tx, id); err != nil {
		return err
	}
	s.touchNetwork(tx, id)
	return networkTable.Delete(ctx, tx, id)
}

// autoDeleted tells whether the port goes with its network.
func autoDeleted(p *Port) bool {
	return p.DeviceOwner == OwnerDistributed || p.DeviceOwner == OwnerDHCP
}
