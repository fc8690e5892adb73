package network

import (
	"encoding/hex"
	"net/netip"
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

var (
	// portTable is for trunks to read.
	portTable = newDocTable("network_port", std[Port]()...)
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
