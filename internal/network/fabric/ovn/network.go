package ovn

import (
	"slices"
	"strconv"

	"kumoi/internal/network/fabric"
)

// networkRows are the logical switch, its connection to a physical network and
// the leases of its subnets.
func networkRows(n fabric.Network) []row {
	mine := owner(fabric.KindNetwork, n.ID, nameKey, n.Name, projectKey, n.ProjectID, revisionKey, revision(n.Revision))
	ls := &logicalSwitch{
		UUID: switchOf(n.ID), Name: "kumoi-" + n.ID, ExternalIDs: mine,
		OtherConfig: map[string]string{"mcast_snoop": "false", "vlan-passthru": "false"},
	}
	out := []row{ls}
	if !n.AdminUp {
		for _, direction := range []string{"from-lport", "to-lport"} {
			a := &acl{
				UUID: partOf(fabric.KindNetwork, n.ID, "down", direction), Direction: direction,
				Priority: priorityDown, Match: "1", Action: "drop", ExternalIDs: owner(fabric.KindNetwork, n.ID),
			}
			ls.ACLs = append(ls.ACLs, a.UUID)
			out = append(out, a)
		}
	}
	if n.Physical != "" {
		out = append(out, localnet(n))
	}
	for _, s := range n.Subnets {
		if l := subnetLease(n.ID, s); l != nil {
			out = append(out, l)
		}
	}
	return out
}

// localnet is the switch's port on every chassis' bridge to the physical network.
func localnet(n fabric.Network) *switchPort {
	p := &switchPort{
		UUID: partOf(fabric.KindNetwork, n.ID, "localnet"), Name: "provnet-" + n.ID, Type: "localnet",
		Options:   map[string]string{"network_name": n.Physical},
		Addresses: []string{"unknown"},
		// Nobody binds it; it is on all chassis that map the physical network.
		ExternalIDs: owner(fabric.KindNetwork, n.ID, networkKey, n.ID),
	}
	if n.VLAN > 0 {
		p.Tag = ptr(n.VLAN)
	}
	return p
}

// portRows are the port on the switch, its name in DNS and its own lease.
// Leases are those of its network's subnets, by subnet.
func portRows(p fabric.Port, leases func(subnet string) *lease) []row {
	if p.Role == fabric.RoleReserved {
		return nil
	}
	lsp := &switchPort{
		UUID: uuidOf(fabric.KindPort, p.ID), Name: p.ID, Enabled: ptr(p.AdminUp), Options: map[string]string{},
		ExternalIDs: owner(fabric.KindPort, p.ID, nameKey, p.Name, projectKey, p.ProjectID, revisionKey, revision(p.Revision),
			networkKey, p.NetworkID, deviceKey, p.DeviceID),
	}
	out := []row{lsp}
	address := p.MAC
	for _, a := range p.IPs {
		address += " " + a.IP.String()
	}
	switch p.Role {
	case fabric.RoleMetadata:
		lsp.Type, lsp.Addresses = "localport", []string{address}
	case fabric.RoleRouter:
		lsp.Type, lsp.Addresses = "router", []string{"router"}
		lsp.Options["router-port"] = routerPortName(p.ID)
		if p.Gateway {
			// Translated addresses are announced when the gateway moves, so
			// that switches outside learn its new place at once.
			lsp.Options["nat-addresses"] = "router"
		}
	case fabric.RoleGuest, fabric.RoleReserved:
		lsp.Options["requested-chassis"] = unbound
		if p.Host != "" {
			lsp.Options["requested-chassis"] = p.Host
		}
		if p.Host != "" && p.NextHost != "" && p.NextHost != p.Host {
			// Both have it plugged; the new one is silent until the guest
			// announces itself there, which ends the move without a gap.
			lsp.Options["requested-chassis"] = p.Host + "," + p.NextHost
			lsp.Options["activation-strategy"] = "rarp"
		}
		if p.Parent != "" {
			lsp.ParentName, lsp.Tag = ptr(p.Parent), ptr(p.Tag)
		}
		lsp.Addresses = []string{address}
		guestFilter(lsp, p)
		out = append(out, qosRows(p)...)
		if p.QoS != nil && p.QoS.MinKbps > 0 {
			lsp.Options["qos_min_rate"] = strconv.Itoa(1000 * p.QoS.MinKbps)
		}
		lsp.ExternalIDs = rememberLease(lsp.ExternalIDs, p)
		out = append(out, applyLease(lsp, p.ID, leases)...)
		if d := portNames(p); d != nil {
			lsp.Options["hostname"] = quote(p.DNSName)
			out = append(out, d)
		}
	}
	return out
}

// unbound is the host of ports that have none: nobody may claim them.
const unbound = "kumoi-unbound"

// guestFilter says which addresses the port may use and which groups it is in.
func guestFilter(lsp *switchPort, p fabric.Port) {
	if !p.PortSecurity {
		lsp.Addresses = append(lsp.Addresses, "unknown")
		return
	}
	own := lsp.Addresses[0]
	others := map[string]string{}
	for _, pair := range p.Pairs {
		ip := pair.IP.String()
		if pair.IP.IsSingleIP() {
			ip = pair.IP.Addr().String()
		}
		if pair.MAC == "" || pair.MAC == p.MAC {
			own += " " + ip
			continue
		}
		if others[pair.MAC] == "" {
			others[pair.MAC] = pair.MAC
		}
		others[pair.MAC] += " " + ip
	}
	lsp.PortSecurity = []string{own}
	for _, more := range others {
		lsp.PortSecurity = append(lsp.PortSecurity, more)
	}
	for mac := range others {
		// Traffic to the other MAC must find its way; its addresses may be
		// on several ports and are not answered for.
		lsp.Addresses = append(lsp.Addresses, mac)
	}
	slices.Sort(lsp.PortSecurity)
	slices.Sort(lsp.Addresses)
	lsp.ExternalIDs = with(lsp.ExternalIDs, groupsKey, joinWords(append([]string{commonGroup}, p.Groups...)))
}
