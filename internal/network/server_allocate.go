package network

import (
	"context"
	"net/netip"
	"slices"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/ids"
	"kumoi/internal/kernel/store"
)

// RequestedNetwork is one entry of a server's networks. Exactly one of
// NetworkID and PortID is set; FixedIP and Tag are optional.
type RequestedNetwork struct {
	NetworkID string
	PortID    string
	FixedIP   string
	Tag       string
}

// AllocateRequest asks for the ports of one server.
type AllocateRequest struct {
	ServerID         string
	ProjectID        string
	AvailabilityZone string // "" is "nova"
	Hostname         string // dns_name of the ports
	Networks         []RequestedNetwork
	None             bool     // networks: "none"
	Auto             bool     // networks: "auto"
	SecurityGroups   []string // ids or names in the project; empty: the default group

	attached int64
}

func (r AllocateRequest) owner() string {
	az := r.AvailabilityZone
	if az == "" {
		az = DefaultAZ
	}
	return OwnerComputePrefix + az
}

// Servers are what the compute service asks of the network: ports for its servers, and to hear of its hosts.
type Servers struct{ s *Service }

// AllocatePortsTx makes or claims the server's ports inside the caller's
// transaction, in the order asked. With neither Networks nor None nor Auto it
// takes the project's only network; more than one is a Conflict, none gives no
// ports, or with Auto a network made for the project. Security groups apply to the ports made, not to those given.
func (f *Servers) AllocatePortsTx(ctx context.Context, tx *store.Tx, req AllocateRequest) ([]*Port, error) {
	groupIDs, err := f.findGroups(ctx, tx, req.ProjectID, req.SecurityGroups)
	if err != nil {
		return nil, err
	}
	if req.None {
		return nil, nil
	}
	if len(req.Networks) == 0 {
		if req.Networks, err = f.onlyNetwork(ctx, tx, req); err != nil {
			return nil, err
		}
	}
	var out []*Port
	for i, want := range req.Networks {
		var p *Port
		req.attached = store.Micros(f.s.now()) + int64(i)
		if want.PortID != "" {
			p, err = f.claimPort(ctx, tx, req, want)
		} else {
			p, err = f.makePort(ctx, tx, req, want, groupIDs)
		}
		if err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	return out, nil
}

// onlyNetwork is the choice when the request leaves it to us.
func (f *Servers) onlyNetwork(ctx context.Context, tx *store.Tx, req AllocateRequest) ([]RequestedNetwork, error) {
	ns, err := f.s.Networks.table.All(ctx, tx, store.Or(store.Eq("project_id", req.ProjectID), store.Is("shared", req.ProjectID)))
	if err != nil {
		return nil, err
	}
	if err := f.s.Networks.hydrated(ctx, tx, ns); err != nil {
		return nil, err
	}
	ns = slices.DeleteFunc(ns, func(n *Network) bool { return n.External && !n.Shared || len(n.SubnetIDs) == 0 })
	switch {
	case len(ns) > 1:
		return nil, fault(errs.Conflict, "NetworkAmbiguous", "Multiple possible networks found, use a Network ID to be more specific.")
	case len(ns) == 0 && req.Auto:
		id, err := f.s.AutoTopologies.EnsureTx(ctx, tx, req.ProjectID, false)
		if errs.Is(err, errs.Conflict) || errs.Is(err, errs.Forbidden) {
			return nil, errs.Wrap(errs.Invalid, err, "Unable to automatically allocate a network for project %s: %s", req.ProjectID, errs.As(err).Msg)
		}
		return []RequestedNetwork{{NetworkID: id}}, err
	case len(ns) == 0:
		return nil, nil
	}
	return []RequestedNetwork{{NetworkID: ns[0].ID}}, nil
}

// makePort makes a port for the server, deleted with it.
func (f *Servers) makePort(ctx context.Context, tx *store.Tx, req AllocateRequest, want RequestedNetwork, groupIDs []string) (*Port, error) {
	n, err := f.s.Networks.visible(ctx, tx, want.NetworkID)
	if err != nil {
		return nil, err
	}
	if n.External && !n.Shared && !f.s.Access.isAdmin(ctx) {
		return nil, fault(errs.Forbidden, "ExternalNetworkAttachForbidden", "It is not allowed to create an interface on external network %s", n.ID)
	}
	if len(n.SubnetIDs) == 0 {
		return nil, fault(errs.Invalid, "NetworkRequiresSubnet", "Network %s requires a subnet in order to boot instances on.", n.ID)
	}
	now := f.s.now()
	p := &Port{
		Standard:  Standard{ID: ids.New(), ProjectID: req.ProjectID, Tags: []string{}, Revision: 1, CreatedAt: now, UpdatedAt: now},
		NetworkID: n.ID, AdminStateUp: true, DNSName: req.Hostname,
		PortSecurity: n.PortSecurity, SecurityGroups: groupIDs, MadeFor: req.ServerID, Tag: want.Tag, PropagateUp: true, Attached: req.attached,
	}
	p.attach(HeldByServer, req.ServerID, req.owner())
	np := PortWants{GroupsGiven: len(groupIDs) > 0}
	if !n.PortSecurity {
		if np.GroupsGiven && !slices.Equal(req.SecurityGroups, []string{"default"}) {
			return nil, groupsCannotBeApplied("Network", n.ID)
		}
		p.SecurityGroups = []string{}
	}
	if want.FixedIP != "" {
		ip, err := netip.ParseAddr(want.FixedIP)
		if err != nil {
			return nil, fault(errs.Invalid, "FixedIpInvalid", "Fixed IP address %s is invalid.", want.FixedIP)
		}
		np.WantIPs, np.IPsGiven = []FixedIP{{IP: ip}}, true
		// On a network of others the address is not for the server's owner to choose.
		p.networkProject, p.networkShared = n.ProjectID, n.Shared
		if err := f.s.Access.check(ctx, "create_port:fixed_ips:ip_address", f.s.Ports.policyTarget(p)); err != nil {
			return nil, err
		}
	}
	if err := f.s.Quotas.count(ctx, tx, p.ProjectID, "port", 1); err != nil {
		return nil, err
	}
	return p, f.s.Ports.insert(ctx, tx, n, p, np)
}

// claimPort gives the server a port that its owner made before.
func (f *Servers) claimPort(ctx context.Context, tx *store.Tx, req AllocateRequest, want RequestedNetwork) (*Port, error) {
	p, err := f.s.Ports.visible(ctx, tx, want.PortID)
	if err != nil {
		return nil, err
	}
	if p.ProjectID != req.ProjectID {
		return nil, fault(errs.Invalid, "PortNotUsable", "Port %s not usable for instance %s.", p.ID, req.ServerID)
	}
	if p.free() != nil {
		return nil, fault(errs.Conflict, "PortInUse", "Port %s is still in use.", p.ID)
	}
	if len(p.FixedIPs) == 0 && len(want.FixedIP) == 0 {
		return nil, fault(errs.Invalid, "PortRequiresFixedIP", "Port %s requires a FixedIP in order to be used.", p.ID)
	}
	p.attach(HeldByServer, req.ServerID, req.owner())
	p.Tag, p.Attached = want.Tag, req.attached
	if p.DNSName == "" {
		p.DNSName = req.Hostname
	}
	f.s.projector.touchPort(tx, p)
	return p, f.s.Ports.save(ctx, tx, p)
}

// AttachPortTx makes or claims one more port for the server: req names exactly
// one network or port, or none for the project's only network.
func (f *Servers) AttachPortTx(ctx context.Context, tx *store.Tx, req AllocateRequest) (*Port, error) {
	ps, err := f.AllocatePortsTx(ctx, tx, req)
	if err != nil {
		return nil, err
	}
	if len(ps) == 0 {
		return nil, fault(errs.Invalid, "InterfaceAttachFailedNoNetwork", "No specific network was requested and none are available for project '%s'.", req.ProjectID)
	}
	return ps[0], nil
}
