package network

import (
	"encoding/hex"
	"net/netip"

	"kumoi/internal/kernel/store"
)

type column[T any] = docColumn[T]

// std are the columns that most tables begin with.
func std[T any, P interface {
	*T
	Resource
}](more ...column[T]) []column[T] {
	return append([]column[T]{
		{Name: "id", Value: func(v *T) any { return P(v).Std().ID }},
		{Name: "project_id", Value: func(v *T) any { return P(v).Std().ProjectID }},
	}, more...)
}

func named[T any, P interface {
	*T
	Resource
}](more ...column[T]) []column[T] {
	return append(std[T, P](column[T]{Name: "name", Value: func(v *T) any { return P(v).Std().Name }}), more...)
}

// aged are the columns that orders and conditions on ages need.
func aged[T any, P interface {
	*T
	Resource
}](columns []column[T]) []column[T] {
	return append(columns,
		column[T]{Name: "revision", Value: func(v *T) any { return P(v).Std().Revision }},
		column[T]{Name: "created_at", Value: func(v *T) any { return store.Micros(P(v).Std().CreatedAt) }},
		column[T]{Name: "updated_at", Value: func(v *T) any { return store.Micros(P(v).Std().UpdatedAt) }})
}

var (
	networkTable = newDocTable("network", aged(named(
		column[Network]{Name: "net_type", Value: func(n *Network) any { return n.Type }},
		column[Network]{Name: "physical", Value: func(n *Network) any { return n.Physical }},
		column[Network]{Name: "segment", Value: func(n *Network) any {
			if n.Segment == 0 {
				return nil
			}
			return int64(n.Segment)
		}}))...)
	subnetTable = newDocTable("network_subnet", aged(named(
		column[Subnet]{Name: "network_id", Value: func(s *Subnet) any { return s.NetworkID }},
		column[Subnet]{Name: "subnetpool_id", Value: func(s *Subnet) any { return s.SubnetPoolID }}))...)
	portTable = newDocTable("network_port", aged(named(
		column[Port]{Name: "network_id", Value: func(p *Port) any { return p.NetworkID }},
		column[Port]{Name: "mac", Value: func(p *Port) any { return p.MAC }},
		column[Port]{Name: "device_id", Value: func(p *Port) any { return p.DeviceID }},
		column[Port]{Name: "device_owner", Value: func(p *Port) any { return p.DeviceOwner }},
		column[Port]{Name: "held_as", Value: func(p *Port) any { return p.HeldAs }},
		column[Port]{Name: "held_by", Value: func(p *Port) any { return p.HeldBy }},
		column[Port]{Name: "host", Value: func(p *Port) any { return p.Host }},
		column[Port]{Name: "attached", Value: func(p *Port) any { return p.Attached }}))...)
	routerTable = newDocTable("network_router", aged(named(
		column[Router]{Name: "gateway_network_id", Value: func(r *Router) any {
			if r.Gateway == nil {
				return ""
			}
			return r.Gateway.NetworkID
		}}))...)
	floatingIPTable = newDocTable("network_floatingip", aged(std(
		column[FloatingIP]{Name: "network_id", Value: func(f *FloatingIP) any { return f.NetworkID }},
		column[FloatingIP]{Name: "port_id", Value: func(f *FloatingIP) any { return f.PortID }},
		column[FloatingIP]{Name: "router_id", Value: func(f *FloatingIP) any { return f.RouterID }},
		column[FloatingIP]{Name: "outside_port", Value: func(f *FloatingIP) any { return f.OutsidePort }}))...)
	forwardingTable = newDocTable("network_port_forwarding", aged(std(
		column[PortForwarding]{Name: "floatingip_id", Value: func(f *PortForwarding) any { return f.FloatingIPID }},
		column[PortForwarding]{Name: "port_id", Value: func(f *PortForwarding) any { return f.PortID }}))...)
	poolTable = newDocTable("network_subnetpool", aged(named(
		column[SubnetPool]{Name: "address_scope_id", Value: func(p *SubnetPool) any { return p.AddressScopeID }}))...)
	rbacTable = newDocTable("rbac_policy", std(
		column[RBACPolicy]{Name: "object_type", Value: func(r *RBACPolicy) any { return r.ObjectType }},
		column[RBACPolicy]{Name: "object_id", Value: func(r *RBACPolicy) any { return r.ObjectID }},
		column[RBACPolicy]{Name: "action", Value: func(r *RBACPolicy) any { return r.Action }},
		column[RBACPolicy]{Name: "target", Value: func(r *RBACPolicy) any { return r.TargetProject }})...)
	trunkTable = newDocTable("trunk", named(
		column[Trunk]{Name: "port_id", Value: func(t *Trunk) any { return t.PortID }})...)
)

// ipKey is an address as its table keeps it: text order is address order.
func ipKey(a netip.Addr) string {
	b := a.As16()
	return hex.EncodeToString(b[:])
}

// keyIP is the inverse of ipKey.
func keyIP(key string) netip.Addr {
	b, err := hex.DecodeString(key)
	if err != nil || len(b) != 16 {
		return netip.Addr{}
	}
	return netip.AddrFrom16([16]byte(b)).Unmap()
}
