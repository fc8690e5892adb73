package network

import (
	"context"
	"net/netip"
	"slices"

	"kumoi/internal/kernel/change"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/policy"
	"kumoi/internal/kernel/store"
)

// NewSubnet is what a request for a subnet says beside the subnet itself.
type NewSubnet struct {
	Subnet
	IPVersion      int
	PrefixLen      int  // of a prefix carved from a pool; 0: the pool's default
	UseDefaultPool bool // "use_default_subnetpool"
	NoGateway      bool // gateway_ip: null
}

const (
	maxDNS    = 5
	maxRoutes = 20
	minMTU6   = 1280 // what IPv6 demands of every link
)

func mtuConflict(n *Network) error {
	return fault(errs.Conflict, "NetworkMTUSubnetConflict", "The MTU %d of network %s is below %d, which its IPv6 subnets need.", n.MTU, n.ID, minMTU6)
}

// Subnets are the use cases of subnets.
type Subnets struct {
	family[Subnet, *Subnet]
}

func newSubnets(s *Service, t Tables) *Subnets {
	f := &Subnets{}
	f.family = family[Subnet, *Subnet]{
		s: s, table: t.Subnets, name: "subnet", code: "SubnetNotFound", say: "Subnet %s could not be found.", hydrate: f.hydrated,
		target: func(x *Subnet, t policy.Target) {
			t["shared"], t["router:external"] = flag(x.Shared), flag(x.External)
			t["network:project_id"], t["network:tenant_id"] = x.networkProject, x.networkProject
		},
	}
	return f
}

func (f *Subnets) hydrated(ctx context.Context, tx *store.Tx, vs []*Subnet) error {
	byID, err := f.s.Networks.byID(ctx, tx, idsOf(vs, func(s *Subnet) string { return s.NetworkID }))
	for _, x := range vs {
		if n := byID[x.NetworkID]; n != nil {
			x.Shared, x.External, x.networkProject = n.Shared, n.externalVisible, n.ProjectID
		}
	}
	return err
}

// Create makes a subnet on a network.
func (f *Subnets) Create(ctx context.Context, p change.Patch[NewSubnet]) (*Subnet, error) {
	return createOne(ctx, f.s, p, f.CreateTx)
}

// CreateMany makes all or none.
func (f *Subnets) CreateMany(ctx context.Context, many []change.Patch[NewSubnet]) ([]*Subnet, error) {
	return createAll(ctx, f.s, many, f.CreateTx)
}

// CreateTx is Create inside the caller's transaction.
func (f *Subnets) CreateTx(ctx context.Context, tx *store.Tx, p change.Patch[NewSubnet]) (*Subnet, error) {
	req := &NewSubnet{Subnet: Subnet{DHCP: true}}
	if err := p.To(req); err != nil {
		return nil, err
	}
	return &req.Subnet, f.add(ctx, tx, req, p.Named)
}

func (f *Subnets) add(ctx context.Context, tx *store.Tx, req *NewSubnet, named []string) error {
	sub := &req.Subnet
	n, err := f.s.Networks.visible(ctx, tx, sub.NetworkID)
	if err != nil {
		return err
	}
	sub.networkProject, sub.Shared = n.ProjectID, n.Shared
	if err := f.begin(ctx, sub, named); err != nil {
		return err
	}
	// A subnet on somebody else's network is for that network's owner alone.
	if n.ProjectID != sub.ProjectID && !f.s.Access.isAdmin(ctx) {
		return f.s.Networks.notFound(n.ID)
	}
	if err := f.s.Quotas.count(ctx, tx, sub.ProjectID, "subnet", 1); err != nil {
		return err
	}
	if err := f.carve(ctx, tx, req); err != nil {
		return err
	}
	if err := f.checkCIDR(ctx, tx, sub, req.IPVersion); err != nil {
		return err
	}
	if !sub.Gateway.IsValid() && !req.NoGateway {
		sub.Gateway = sub.CIDR.Addr().Next()
		if sub.CIDR.Bits() >= sub.CIDR.Addr().BitLen()-1 {
			sub.Gateway = sub.CIDR.Addr()
		}
	}
	if len(sub.Pools) == 0 {
		sub.Pools = defaultPools(sub.CIDR, sub.Gateway)
	}
	if err := validateSubnet(sub); err != nil {
		return err
	}
	if sub.Version() == 6 && n.MTU < minMTU6 {
		return mtuConflict(n)
	}
	if err := f.table.Insert(ctx, tx, sub); err != nil {
		return err
	}
	if err := f.joinSLAAC(ctx, tx, sub); err != nil {
		return err
	}
	if err := f.keepMetadataPort(ctx, tx, n); err != nil {
		return err
	}
	f.s.projector.touchNetwork(tx, n.ID)
	return f.s.Networks.bump(ctx, tx, n.ID)
}

// checkCIDR checks the prefix by itself and against its neighbours.
func (f *Subnets) checkCIDR(ctx context.Context, tx *store.Tx, sub *Subnet, version int) error {
	bad := func(format string, args ...any) error {
		return fault(errs.Invalid, "InvalidInput", "Invalid input for operation: "+format, args...)
	}
	if !sub.CIDR.IsValid() {
		return fault(errs.Invalid, "BadRequest", "Bad subnet request: a subnetpool must be specified in the absence of a cidr.")
	}
	if version != 0 && version != sub.Version() {
		return bad("The requested subnet's IP version %d does not match the cidr %s.", version, sub.CIDR)
	}
	sub.CIDR = sub.CIDR.Masked()
	if sub.CIDR.Bits() == 0 {
		return bad("0 is not allowed as CIDR prefix length.")
	}
	if sub.CIDR.Addr().IsMulticast() || sub.CIDR.Addr().IsLoopback() {
		return bad("'%s' is not a network that hosts can have.", sub.CIDR)
	}
	others, err := f.table.All(ctx, tx, store.Eq("network_id", sub.NetworkID))
	if err != nil {
		return err
	}
	for _, o := range others {
		if o.Version() == sub.Version() && o.SubnetPoolID != sub.SubnetPoolID {
			return fault(errs.Invalid, "NetworkSubnetPoolAffinityError", "Subnets hosted on the same network must be allocated from the same subnet pool.")
		}
		if o.ID != sub.ID && o.CIDR.Overlaps(sub.CIDR) {
			return bad("Requested subnet with cidr: %s for network: %s overlaps with another subnet.", sub.CIDR, sub.NetworkID)
		}
	}
	return nil
}

// defaultPools are all addresses of the prefix but those that mean something.
func defaultPools(cidr netip.Prefix, gateway netip.Addr) []Pool {
	first, last := cidr.Masked().Addr(), lastAddr(cidr)
	if cidr.Bits() < first.BitLen()-1 {
		first = first.Next()
		if first.Is4() {
			last = last.Prev()
		}
	}
	if !gateway.IsValid() || !cidr.Contains(gateway) || gateway.Compare(first) < 0 || gateway.Compare(last) > 0 {
		return []Pool{{first, last}}
	}
	var out []Pool
	if gateway.Compare(first) > 0 {
		out = append(out, Pool{first, gateway.Prev()})
	}
	if gateway.Compare(last) < 0 {
		out = append(out, Pool{gateway.Next(), last})
	}
	return out
}

func validateSubnet(sub *Subnet) error {
	bad := func(format string, args ...any) error {
		return fault(errs.Invalid, "InvalidInput", "Invalid input for operation: "+format, args...)
	}
	v6 := sub.Version() == 6
	switch {
	case !v6 && (sub.IPv6RA != "" || sub.IPv6Address != ""):
		return bad("ipv6_ra_mode and ipv6_address_mode are not valid when ip_version is 4.")
	case v6 && !sub.DHCP && (sub.IPv6RA != "" || sub.IPv6Address != ""):
		return bad("ipv6_ra_mode or ipv6_address_mode cannot be set when enable_dhcp is set to False.")
	case sub.IPv6RA != "" && sub.IPv6Address != "" && sub.IPv6RA != sub.IPv6Address:
		return bad("ipv6_ra_mode set to '%s' with ipv6_address_mode set to '%s' is not valid. If both attributes are set, they must be the same value.", sub.IPv6RA, sub.IPv6Address)
	case sub.SLAAC() && sub.CIDR.Bits() != 64:
		return bad("Invalid CIDR %s for IPv6 address mode. OpenStack uses the EUI-64 address format, which requires the prefix to be /64.", sub.CIDR)
	case sub.DHCP && sub.CIDR.Addr().BitLen()-sub.CIDR.Bits() < 2:
		return bad("Subnet has a prefix length that is incompatible with DHCP service enabled.")
	case len(sub.DNS) > maxDNS:
		return fault(errs.Invalid, "DNSNameServersExhausted", "Unable to complete operation for %s. The number of DNS nameservers exceeds the limit %d.", sub.ID, maxDNS)
	case len(sub.HostRoutes) > maxRoutes:
		return fault(errs.Invalid, "HostRoutesExhausted", "Unable to complete operation for %s. The number of host routes exceeds the limit %d.", sub.ID, maxRoutes)
	}
	if sub.Gateway.IsValid() {
		if sub.Gateway.Is4() == v6 {
			return bad("gateway_ip '%s' does not match the ip_version '%d'.", sub.Gateway, sub.Version())
		}
		if sub.CIDR.Contains(sub.Gateway) && !usableIn(sub.CIDR, sub.Gateway) && sub.Gateway != sub.CIDR.Addr() {
			return bad("Gateway is not valid on subnet.")
		}
		if sub.Gateway == sub.CIDR.Addr() && sub.CIDR.Bits() < sub.Gateway.BitLen()-1 && !v6 {
			return bad("Gateway is not valid on subnet.")
		}
	}
	for _, d := range sub.DNS {
		if d.Is4() == v6 {
			return bad("dns_nameserver '%s' does not match the ip_version '%d'.", d, sub.Version())
		}
	}
	for _, r := range sub.HostRoutes {
		if r.Destination.Addr().Is4() == v6 || r.NextHop.Is4() == v6 {
			return bad("host route %s via %s does not match the ip_version '%d'.", r.Destination, r.NextHop, sub.Version())
		}
	}
	return validatePools(sub)
}

func validatePools(sub *Subnet) error {
	// In the order of addresses neighbours alone can overlap; the users' order stays.
	sorted := slices.SortedFunc(slices.Values(sub.Pools), func(a, b Pool) int { return a.Start.Compare(b.Start) })
	for i, p := range sorted {
		if p.Start.Is4() != p.End.Is4() || p.Start.Compare(p.End) > 0 {
			return fault(errs.Invalid, "InvalidAllocationPool", "The allocation pool %s-%s is not valid.", p.Start, p.End)
		}
		if !sub.CIDR.Contains(p.Start) || !sub.CIDR.Contains(p.End) {
			return fault(errs.Invalid, "OutOfBoundsAllocationPool", "The allocation pool %s-%s spans beyond the subnet cidr %s.", p.Start, p.End, sub.CIDR)
		}
		if i > 0 && sorted[i-1].End.Compare(p.Start) >= 0 {
			return fault(errs.Conflict, "OverlappingAllocationPools", "Found overlapping allocation pools: %s-%s %s-%s for subnet %s.",
				sorted[i-1].Start, sorted[i-1].End, p.Start, p.End, sub.CIDR)
		}
		if g := sub.Gateway; g.IsValid() && p.Start.Compare(g) <= 0 && g.Compare(p.End) <= 0 {
			return fault(errs.Conflict, "GatewayConflictWithAllocationPools", "Gateway ip %s conflicts with allocation pool %s-%s.", g, p.Start, p.End)
		}
	}
	return nil
}

// joinSLAAC gives the ports already on the network their address of a new SLAAC subnet.
func (f *Subnets) joinSLAAC(ctx context.Context, tx *store.Tx, sub *Subnet) error {
	if !sub.SLAAC() {
		return nil
	}
	ps, err := f.s.Ports.table.All(ctx, tx, store.Eq("network_id", sub.NetworkID))
	if err != nil {
		return err
	}
	for _, p := range ps {
		if p.NetworkOwned() {
			continue
		}
		if err := f.s.ipam.allocateSLAAC(ctx, tx, p, []*Subnet{sub}); err != nil {
			return err
		}
		if err := f.s.Ports.save(ctx, tx, p); err != nil {
			return err
		}
		f.s.projector.touchPort(tx, p)
	}
	return nil
}

// Update changes a subnet.
func (f *Subnets) Update(ctx context.Context, id string, p change.Patch[NewSubnet]) (*Subnet, error) {
	return changeOne(ctx, f.s, func(tx *store.Tx) (*Subnet, error) {
		sub, err := f.open(ctx, tx, "update", id, p.Named)
		if err != nil {
			return nil, err
		}
		req := &NewSubnet{Subnet: *sub}
		if err := p.To(req); err != nil {
			return nil, err
		}
		return &req.Subnet, f.change(ctx, tx, &req.Subnet, sub)
	})
}

func (f *Subnets) change(ctx context.Context, tx *store.Tx, sub, old *Subnet) error {
	if sub.Gateway != old.Gateway && old.Gateway.IsValid() {
		owner, err := f.s.ipam.taken(ctx, tx, sub.ID, old.Gateway)
		if err != nil {
			return err
		}
		if owner != "" {
			return fault(errs.Conflict, "GatewayIpInUse", "Current gateway ip %s already in use by port %s. Unable to update.", old.Gateway, owner)
		}
	}
	if err := validateSubnet(sub); err != nil {
		return err
	}
	if err := f.save(ctx, tx, sub); err != nil {
		return err
	}
	n, err := f.s.Networks.load(ctx, tx, sub.NetworkID)
	if err != nil {
		return err
	}
	if err := f.keepMetadataPort(ctx, tx, n); err != nil {
		return err
	}
	f.s.projector.touchNetwork(tx, sub.NetworkID)
	if err := f.s.Networks.bump(ctx, tx, sub.NetworkID); err != nil {
		return err
	}
	return f.s.projector.touchRoutersOf(ctx, tx, sub.NetworkID)
}

// Delete deletes a subnet that no port needs.
func (f *Subnets) Delete(ctx context.Context, id string) error {
	return f.s.db.Write(ctx, func(tx *store.Tx) error {
		sub, err := f.open(ctx, tx, "delete", id, nil)
		if err != nil {
			return err
		}
		return f.remove(ctx, tx, sub)
	})
}

func (f *Subnets) remove(ctx context.Context, tx *store.Tx, sub *Subnet) error {
	id := sub.ID
	given, err := f.s.ipam.allocations.All(ctx, tx, store.Eq("subnet_id", id))
	if err != nil {
		return err
	}
	users := idsOf(given, func(a *Allocation) string { return a.PortID })
	ps, err := f.s.Ports.table.All(ctx, tx, store.In("id", users))
	if err != nil {
		return err
	}
	for _, p := range ps {
		auto := autoDeleted(p) || sub.SLAAC() && p.router() == ""
		if !auto {
			return fault(errs.Conflict, "SubnetInUse", "Unable to complete operation on subnet %s: One or more ports have an IP allocation from this subnet.", id)
		}
	}
	for _, p := range ps {
		p.FixedIPs = slices.DeleteFunc(p.FixedIPs, func(fixed FixedIP) bool { return fixed.SubnetID == id })
		if err := f.s.Ports.save(ctx, tx, p); err != nil {
			return err
		}
		f.s.projector.touchPort(tx, p)
	}
	if _, err := f.s.ipam.allocations.DeleteWhere(ctx, tx, store.Eq("subnet_id", id)); err != nil {
		return err
	}
	if err := f.table.Delete(ctx, tx, id); err != nil {
		return err
	}
	n, err := f.s.Networks.load(ctx, tx, sub.NetworkID)
	if err != nil {
		return err
	}
	if err := f.keepMetadataPort(ctx, tx, n); err != nil {
		return err
	}
	f.s.projector.touchNetwork(tx, sub.NetworkID)
	return f.s.Networks.bump(ctx, tx, sub.NetworkID)
}

// carve takes the subnet's prefix from its pool, if it names one.
func (f *Subnets) carve(ctx context.Context, tx *store.Tx, req *NewSubnet) error {
	if req.UseDefaultPool {
		all, err := f.s.SubnetPools.table.All(ctx, tx)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(all, func(p *SubnetPool) bool { return p.Default && p.IPVersion == req.IPVersion })
		if i < 0 {
			return fault(errs.Invalid, "BadRequest", "Bad subnet request: No default subnetpool found for IPv%d.", req.IPVersion)
		}
		req.SubnetPoolID = all[i].ID
	}
	if req.SubnetPoolID == "" {
		return nil
	}
	if req.SubnetPoolID == "prefix_delegation" {
		return fault(errs.Invalid, "BadRequest", "Bad subnet request: prefix delegation is not supported.")
	}
	pool, err := f.s.SubnetPools.load(ctx, tx, req.SubnetPoolID)
	if err != nil {
		return err
	}
	if !f.s.Access.permits(ctx, "get_subnetpool", f.s.SubnetPools.policyTarget(pool)) {
		return f.s.SubnetPools.notFound(req.SubnetPoolID)
	}
	if req.IPVersion != 0 && req.IPVersion != pool.IPVersion {
		return fault(errs.Invalid, "BadRequest", "Bad subnet request: Cannot allocate IPv%d subnet from IPv%d subnet pool.", req.IPVersion, pool.IPVersion)
	}
	return f.s.SubnetPools.carve(ctx, tx, pool, req)
}

// keepMetadataPort makes the port behind which the metadata service answers on
// this network, with an address in each subnet that hands out leases.
func (f *Subnets) keepMetadataPort(ctx context.Context, tx *store.Tx, n *Network) error {
	subs, err := f.table.All(ctx, tx, store.Eq("network_id", n.ID))
	if err != nil {
		return err
	}
	var want []*Subnet
	for _, sub := range subs {
		if sub.DHCP && sub.Version() == 4 {
			want = append(want, sub)
		}
	}
	p, err := f.metadataPort(ctx, tx, n.ID)
	if err != nil {
		return err
	}
	if p == nil {
		if len(want) == 0 {
			return nil
		}
		mac, err := f.s.ipam.freeMAC(ctx, tx, n.ID)
		if err != nil {
			return err
		}
		p = newOwnPort(f.s, n, OwnerDistributed, "ovnmeta-"+n.ID)
		p.MAC, p.ProjectID, p.PortSecurity = mac, n.ProjectID, false
		if err := f.s.Ports.table.Insert(ctx, tx, p); err != nil {
			return err
		}
	}
	for _, fixed := range slices.Clone(p.FixedIPs) {
		if !slices.ContainsFunc(want, func(x *Subnet) bool { return x.ID == fixed.SubnetID }) {
			if err := f.s.ipam.release(ctx, tx, p.ID, fixed); err != nil {
				return err
			}
			p.FixedIPs = slices.DeleteFunc(p.FixedIPs, func(x FixedIP) bool { return x == fixed })
		}
	}
	for _, sub := range want {
		if p.hasSubnet(sub.ID) {
			continue
		}
		ip, err := f.s.ipam.freeAddress(ctx, tx, sub)
		if err != nil {
			return err
		}
		if !ip.IsValid() {
			continue // a subnet too small for it has no metadata, but it works
		}
		if err := f.s.ipam.reserve(ctx, tx, sub.ID, ip, p.ID); err != nil {
			return err
		}
		p.FixedIPs = append(p.FixedIPs, FixedIP{sub.ID, ip})
	}
	f.s.projector.touchPort(tx, p)
	return f.s.Ports.save(ctx, tx, p)
}

// metadataPort returns the network's metadata port, nil if there is none.
func (f *Subnets) metadataPort(ctx context.Context, tx *store.Tx, networkID string) (*Port, error) {
	p, err := f.s.Ports.table.First(ctx, tx, store.Eq("network_id", networkID), store.Eq("held_as", OwnerDistributed))
	if isNotFound(err) {
		return nil, nil
	}
	return p, err
}
