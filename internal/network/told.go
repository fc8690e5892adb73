package network

import (
	"net/netip"

	"kumoi/internal/kernel/event"
	"kumoi/internal/kernel/store"
)

// tell has events published of what becomes of the service's resources, where
// their rows are written. Rows that go with their parent, such as the rules of a
// deleted group, have no event of their own.
func (s *Service) tell(l *event.Log, t Tables) {
	if l == nil {
		return
	}
	told(l, s.db, t.Networks.Name(), "network", func(n *Network) any {
		return networkState{n.common(), n.AdminStateUp, n.Type, n.MTU, n.Shared, n.External}
	})
	told(l, s.db, t.Subnets.Name(), "subnet", func(n *Subnet) any {
		return subnetState{n.common(), n.NetworkID, n.CIDR, n.Gateway, n.DHCP}
	})
	told(l, s.db, t.Ports.Name(), "port", func(p *Port) any {
		return portState{p.common(), p.Status, p.AdminStateUp, p.NetworkID, p.MAC, fixedIPStates(p.FixedIPs), p.DeviceID, p.DeviceOwner, p.Host, p.SecurityGroups}
	})
	told(l, s.db, t.Routers.Name(), "router", func(r *Router) any {
		st := routerState{common: r.common(), Status: r.Status, AdminStateUp: r.AdminStateUp}
		if r.Gateway != nil {
			st.Gateway = r.Gateway.NetworkID
		}
		return st
	})
	told(l, s.db, t.FloatingIPs.Name(), "floatingip", func(f *FloatingIP) any {
		return floatingIPState{f.common(), f.Status, f.Address, f.NetworkID, f.PortID, f.FixedIP, f.RouterID}
	})
	told(l, s.db, t.Forwardings.Name(), "port_forwarding", func(f *PortForwarding) any {
		return forwardingState{f.common(), f.FloatingIPID, f.PortID, f.Protocol}
	})
	told(l, s.db, t.SecurityGroups.Name(), "security_group", func(g *SecurityGroup) any { return g.common() })
	told(l, s.db, t.SecurityGroupRules.Name(), "security_group_rule", func(r *SecurityGroupRule) any {
		return ruleState{r.common(), r.GroupID, r.Direction}
	})
	told(l, s.db, t.SubnetPools.Name(), "subnetpool", func(p *SubnetPool) any { return p.common() })
	told(l, s.db, t.Trunks.Name(), "trunk", func(t *Trunk) any { return t.common() })
	told(l, s.db, t.QoSPolicies.Name(), "policy", func(p *QoSPolicy) any { return p.common() })
	told(l, s.db, t.RBACPolicies.Name(), "rbac_policy", func(p *RBACPolicy) any { return p.common() })
	told(l, s.db, t.AddressScopes.Name(), "address_scope", func(a *AddressScope) any { return a.common() })
	told(l, s.db, t.AddressGroups.Name(), "address_group", func(g *AddressGroup) any { return g.common() })
}

// told publishes network.NAME.create and so on, Neutron's NAME.create.end.
func told[T any, P resource[T]](l *event.Log, db *store.DB, table, name string, state func(v P) any) {
	event.Observe(l, db, table, "network."+name, name+".%s.end", func(v *T) event.Subject {
		std := P(v).Std()
		return event.Subject{Resource: std.ID, Project: std.ProjectID, State: state(v)}
	})
}

// common is what events say of every resource of the network.
type common struct {
	Name     string `json:"name"`
	Revision int64  `json:"revision_number"`
}

func (s *Standard) common() common { return common{s.Name, s.Revision} }

type (
	networkState struct {
		common
		AdminStateUp bool   `json:"admin_state_up"`
		Type         string `json:"network_type"`
		MTU          int    `json:"mtu"`
		Shared       bool   `json:"shared"`
		External     bool   `json:"router:external"`
	}
	subnetState struct {
		common
		NetworkID string       `json:"network_id"`
		CIDR      netip.Prefix `json:"cidr"`
		Gateway   netip.Addr   `json:"gateway_ip,omitzero"`
		DHCP      bool         `json:"enable_dhcp"`
	}
	portState struct {
		common
		Status         string         `json:"status"`
		AdminStateUp   bool           `json:"admin_state_up"`
		NetworkID      string         `json:"network_id"`
		MAC            string         `json:"mac_address"`
		FixedIPs       []fixedIPState `json:"fixed_ips"`
		DeviceID       string         `json:"device_id,omitempty"`
		DeviceOwner    string         `json:"device_owner,omitempty"`
		Host           string         `json:"host,omitempty"`
		SecurityGroups []string       `json:"security_groups,omitempty"`
	}
	fixedIPState struct {
		SubnetID string     `json:"subnet_id"`
		IP       netip.Addr `json:"ip_address"`
	}
	routerState struct {
		common
		Status       string `json:"status"`
		AdminStateUp bool   `json:"admin_state_up"`
		Gateway      string `json:"external_network_id,omitempty"`
	}
	floatingIPState struct {
		common
		Status    string     `json:"status"`
		Address   netip.Addr `json:"floating_ip_address"`
		NetworkID string     `json:"floating_network_id"`
		PortID    string     `json:"port_id,omitempty"`
		FixedIP   netip.Addr `json:"fixed_ip_address,omitzero"`
		RouterID  string     `json:"router_id,omitempty"`
	}
	forwardingState struct {
		common
		FloatingIPID string `json:"floatingip_id"`
		PortID       string `json:"internal_port_id"`
		Protocol     string `json:"protocol"`
	}
	ruleState struct {
		common
		GroupID   string `json:"security_group_id"`
		Direction string `json:"direction"`
	}
)

func fixedIPStates(ips []FixedIP) []fixedIPState {
	out := make([]fixedIPState, len(ips))
	for i, f := range ips {
		out[i] = fixedIPState(f)
	}
	return out
}
