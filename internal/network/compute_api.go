package network

import (
	"cmp"
	"context"
	"net/netip"
	"slices"

	"kumoi/internal/kernel/actor"
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

// Compute is what the compute service asks of the network: ports for its servers.
type Compute struct{ s *Service }

// AllocatePortsTx makes or claims the server's ports inside the caller's
// transaction, in the order asked. With neither Networks nor None nor Auto it
// takes the project's only network; more than one is a Conflict, none gives no
// ports, or with Auto a network made for the project. Security groups apply to the ports made, not to those given.
func (f *Compute) AllocatePortsTx(ctx context.Context, tx *store.Tx, req AllocateRequest) ([]*Port, error) {
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
func (f *Compute) onlyNetwork(ctx context.Context, tx *store.Tx, req AllocateRequest) ([]RequestedNetwork, error) {
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
func (f *Compute) makePort(ctx context.Context, tx *store.Tx, req AllocateRequest, want RequestedNetwork, groupIDs []string) (*Port, error) {
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

// groupsCannotBeApplied refuses groups that would filter nothing: who asks for
// them believes the server to be protected.
func groupsCannotBeApplied(kind, id string) error {
	return fault(errs.Invalid, "SecurityGroupCannotBeApplied",
		"Security groups cannot be applied: %s %s has port security disabled (port_security_enabled), so no group would have an effect there.", kind, id)
}

// claimPort gives the server a port that its owner made before.
func (f *Compute) claimPort(ctx context.Context, tx *store.Tx, req AllocateRequest, want RequestedNetwork) (*Port, error) {
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

// findGroups finds security groups by id or name in the project.
func (f *Compute) findGroups(ctx context.Context, tx *store.Tx, projectID string, names []string) ([]string, error) {
	if len(names) == 0 {
		return nil, nil
	}
	own, err := f.s.SecurityGroups.table.All(ctx, tx, store.Is("visible", projectID))
	if err != nil {
		return nil, err
	}
	var out []string
	for _, name := range names {
		i := slices.IndexFunc(own, func(g *SecurityGroup) bool { return g.ID == name })
		if i < 0 {
			for j, g := range own {
				if g.Name != name || g.ProjectID != projectID {
					continue
				}
				if i >= 0 {
					return nil, fault(errs.Conflict, "NoUniqueMatch", "Multiple security groups found matching '%s'. Use an ID to be more specific.", name)
				}
				i = j
			}
		}
		if i < 0 && name == "default" {
			g, err := f.s.SecurityGroups.EnsureDefaultTx(ctx, tx, projectID)
			if err != nil {
				return nil, err
			}
			own, i = append(own, g), len(own)
		}
		if i < 0 {
			return nil, fault(errs.NotFound, "SecurityGroupNotFound", "Security group %s not found for project %s.", name, projectID)
		}
		if !slices.Contains(out, own[i].ID) {
			out = append(out, own[i].ID)
		}
	}
	return out, nil
}

// AttachPortTx makes or claims one more port for the server: req names exactly
// one network or port, or none for the project's only network.
func (f *Compute) AttachPortTx(ctx context.Context, tx *store.Tx, req AllocateRequest) (*Port, error) {
	ps, err := f.AllocatePortsTx(ctx, tx, req)
	if err != nil {
		return nil, err
	}
	if len(ps) == 0 {
		return nil, fault(errs.Invalid, "InterfaceAttachFailedNoNetwork", "No specific network was requested and none are available for project '%s'.", req.ProjectID)
	}
	return ps[0], nil
}

// DetachPortTx gives back one port of the server: deletes it if it was made
// for the server, else frees it.
func (f *Compute) DetachPortTx(ctx context.Context, tx *store.Tx, serverID, portID string) error {
	p, err := f.s.Ports.table.Get(ctx, tx, portID)
	if isNotFound(err) || err == nil && p.Server() != serverID {
		return f.s.Ports.notFound(portID)
	}
	if err != nil {
		return err
	}
	return f.giveBack(ctx, tx, p)
}

func (f *Compute) giveBack(ctx context.Context, tx *store.Tx, p *Port) error {
	if p.MadeFor == p.HeldBy {
		return f.s.Ports.remove(ctx, tx, p)
	}
	p.attach("", "", "")
	p.Host, p.Tag, p.Attached, p.Status = "", "", 0, StatusDown
	f.s.projector.touchPort(tx, p)
	return f.s.Ports.save(ctx, tx, p)
}

// ReleasePortsTx gives back all ports of the server; repeating it is harmless.
func (f *Compute) ReleasePortsTx(ctx context.Context, tx *store.Tx, serverID string) error {
	ps, err := f.PortsOfServerTx(ctx, tx, serverID)
	if err != nil {
		return err
	}
	for _, p := range ps {
		if err := f.giveBack(ctx, tx, p); err != nil {
			return err
		}
	}
	return nil
}

// ReleasePorts is ReleasePortsTx in a transaction of its own.
func (f *Compute) ReleasePorts(ctx context.Context, serverID string) error {
	return f.s.db.Write(ctx, func(tx *store.Tx) error { return f.ReleasePortsTx(ctx, tx, serverID) })
}

// BindPorts says on which host the server's ports will be plugged; the ports
// are in the fabric when it returns. Repeating it is harmless.
func (f *Compute) BindPorts(ctx context.Context, serverID, host string) error {
	return f.bind(ctx, serverID, host)
}

// UnbindPorts forgets the host of the server's ports.
func (f *Compute) UnbindPorts(ctx context.Context, serverID string) error {
	return f.bind(ctx, serverID, "")
}

func (f *Compute) bind(ctx context.Context, serverID, host string) error {
	err := f.s.db.Write(ctx, func(tx *store.Tx) error { return f.BindPortsTx(ctx, tx, serverID, host) })
	if err != nil {
		return err
	}
	return f.s.Sync(ctx)
}

// BindPortsTx is BindPorts inside the caller's transaction; the fabric follows
// after the commit, and Sync waits for it.
func (f *Compute) BindPortsTx(ctx context.Context, tx *store.Tx, serverID, host string) error {
	ps, err := f.PortsOfServerTx(ctx, tx, serverID)
	if err != nil {
		return err
	}
	for _, p := range ps {
		f.s.projector.touchPort(tx, p)
		if p.Host == host {
			continue
		}
		p.Host, p.Status = host, StatusDown
		if err := f.s.Ports.save(ctx, tx, p); err != nil {
			return err
		}
	}
	return nil
}

// PortsOfServer returns the server's ports in the order they were attached.
func (f *Compute) PortsOfServer(ctx context.Context, serverID string) ([]*Port, error) {
	var out []*Port
	err := f.s.db.Read(ctx, func(tx *store.Tx) (err error) {
		out, err = f.PortsOfServerTx(ctx, tx, serverID)
		return err
	})
	return out, err
}

// PortsOfServerTx is PortsOfServer inside the caller's transaction.
func (f *Compute) PortsOfServerTx(ctx context.Context, tx *store.Tx, serverID string) ([]*Port, error) {
	ps, err := f.portsOfServers(ctx, tx, []string{serverID})
	return ps[serverID], err
}

func (f *Compute) portsOfServers(ctx context.Context, tx *store.Tx, serverIDs []string) (map[string][]*Port, error) {
	ps, err := f.s.Ports.table.All(ctx, tx, store.In("held_by", serverIDs))
	if err != nil {
		return nil, err
	}
	slices.SortFunc(ps, func(a, b *Port) int {
		if a.Attached != b.Attached {
			return cmp.Compare(a.Attached, b.Attached)
		}
		return compareText(a.ID, b.ID)
	})
	out := map[string][]*Port{}
	for _, p := range ps {
		if server := p.Server(); server != "" {
			out[server] = append(out[server], p)
		}
	}
	return out, nil
}

// AddSecurityGroup puts a group (id or name in the caller's project) on all ports of the server.
func (f *Compute) AddSecurityGroup(ctx context.Context, serverID, group string) error {
	return f.changeGroups(ctx, serverID, group, func(p *Port, id string) (bool, error) {
		if !p.PortSecurity {
			return false, groupsCannotBeApplied("Port", p.ID)
		}
		if slices.Contains(p.SecurityGroups, id) {
			return false, nil
		}
		p.SecurityGroups = append(p.SecurityGroups, id)
		return true, nil
	}, nil)
}

// RemoveSecurityGroup takes a group off all ports of the server; NotFound if no port has it.
func (f *Compute) RemoveSecurityGroup(ctx context.Context, serverID, group string) error {
	return f.changeGroups(ctx, serverID, group, func(p *Port, id string) (bool, error) {
		i := slices.Index(p.SecurityGroups, id)
		if i < 0 {
			return false, nil
		}
		p.SecurityGroups = slices.Delete(p.SecurityGroups, i, i+1)
		return true, nil
	}, fault(errs.NotFound, "SecurityGroupNotFound", "Security group %s not associated with the instance %s", group, serverID))
}

func (f *Compute) changeGroups(ctx context.Context, serverID, group string, change func(*Port, string) (bool, error), none error) error {
	return f.s.db.Write(ctx, func(tx *store.Tx) error {
		found, err := f.findGroups(ctx, tx, actor.From(ctx).ProjectID, []string{group})
		if err != nil {
			return err
		}
		ps, err := f.PortsOfServerTx(ctx, tx, serverID)
		if err != nil {
			return err
		}
		changed := false
		for _, p := range ps {
			changes, err := change(p, found[0])
			if err != nil {
				return err
			}
			if !changes {
				continue
			}
			changed = true
			if err := f.s.Ports.linkGroups(ctx, tx, p); err != nil {
				return err
			}
			f.s.projector.touchPort(tx, p)
			if err := f.s.Ports.save(ctx, tx, p); err != nil {
				return err
			}
		}
		if !changed {
			return none
		}
		return nil
	})
}
