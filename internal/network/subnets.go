package network

import (
	"context"
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
