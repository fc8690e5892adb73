package ovn

import (
	"fmt"
	"net/netip"
	"strconv"

	"kumoi/internal/network/fabric"
)

// The priorities of ACLs, above OVN's own defaults. What every guest needs is
// allowed before a group is asked, and what no group allows is dropped.
const (
	priorityDrop   = 1001
	priorityAllow  = 1002
	priorityAlways = 1003
	priorityForbid = 1004
	priorityDown   = 32000
)

// groupRows are the port group and an ACL for each rule.
func groupRows(g fabric.Group) []row {
	pg := emptyGroup(g.ID)
	pg.ExternalIDs = owner(fabric.KindGroup, g.ID, nameKey, g.Name, projectKey, g.ProjectID, revisionKey, revision(g.Revision))
	out := []row{pg}
	for _, r := range g.Rules {
		match, ok := ruleMatch(groupName(g.ID), r)
		if !ok {
			continue
		}
		a := &acl{
			UUID: partOf(fabric.KindGroup, g.ID, "rule", r.ID), Priority: priorityAllow, Direction: "from-lport", Match: match,
			Action: "allow-related", ExternalIDs: owner(fabric.KindGroup, g.ID, ruleKey, r.ID),
		}
		if r.Ingress {
			a.Direction = "to-lport"
		}
		if !g.Stateful {
			a.Action = "allow-stateless"
		}
		pg.ACLs = append(pg.ACLs, a.UUID)
		out = append(out, a)
	}
	return out
}

// emptyGroup stands for a group that ports or rules name before it is stated.
func emptyGroup(id string) *portGroup {
	return &portGroup{UUID: groupOf(id), Name: groupName(id), ExternalIDs: owner(fabric.KindGroup, id)}
}

// commonRows are the group that every port with port security is in, with what
// holds for all of them.
func commonRows() []row {
	pg := &portGroup{UUID: commonUUID(), Name: commonGroup, ExternalIDs: owner(kindCommon, commonGroup)}
	out := []row{pg}
	add := func(name, direction string, priority int, match, action string) {
		side := "inport"
		if direction == "to-lport" {
			side = "outport"
		}
		a := &acl{
			UUID: partOf(kindCommon, commonGroup, "acl", name), Direction: direction, Priority: priority,
			Match: side + " == @" + commonGroup + " && " + match, Action: action, ExternalIDs: owner(kindCommon, commonGroup, ruleKey, name),
		}
		pg.ACLs = append(pg.ACLs, a.UUID)
		out = append(out, a)
	}
	const from, to = "from-lport", "to-lport"
	add("drop out", from, priorityDrop, "ip", "drop")
	add("drop in", to, priorityDrop, "ip", "drop")
	// A lease, whatever the groups say; but no guest may give leases.
	add("dhcp", from, priorityAlways, "ip4 && udp.src == 68 && udp.dst == 67", "allow")
	add("dhcpv6", from, priorityAlways, "ip6 && udp.src == 546 && udp.dst == 547", "allow")
	add("dhcp answers", to, priorityAlways, "ip4 && udp.src == 67 && udp.dst == 68", "allow")
	add("dhcpv6 answers", to, priorityAlways, "ip6 && udp.src == 547 && udp.dst == 546", "allow")
	add("dhcp server", from, priorityForbid, "ip4 && udp.src == 67 && udp.dst == 68", "drop")
	add("dhcpv6 server", from, priorityForbid, "ip6 && udp.src == 547 && udp.dst == 546", "drop")
	// Neighbours, routers and multicast listeners; but no guest is a router.
	add("nd", from, priorityAlways, "icmp6.type == {131, 132, 133, 135, 136, 143}", "allow")
	add("nd answers", to, priorityAlways, "icmp6.type == {130, 131, 132, 134, 135, 136}", "allow")
	add("ra", from, priorityForbid, "icmp6.type == 134", "drop")
	// The metadata of the guest itself.
	add("metadata", from, priorityAlways, "ip4.dst == "+metadataAddress+" && tcp.dst == 80", "allow-related")
	return out
}

// ruleMatch writes a rule in OVN's language; false if OVN cannot express it,
// and then nothing is allowed.
func ruleMatch(group string, r fabric.Rule) (string, bool) {
	ip, end, far := "ip4", "inport", "dst"
	if r.IPv6 {
		ip = "ip6"
	}
	if r.Ingress {
		end, far = "outport", "src"
	}
	match := fmt.Sprintf("%s == @%s && %s", end, group, ip)
	remote := fmt.Sprintf(" && %s.%s == ", ip, far)
	if r.RemotePrefix.IsValid() && r.RemotePrefix.Bits() > 0 {
		match += remote + r.RemotePrefix.Masked().String()
	}
	if r.RemoteGroup != "" {
		match += remote + "$" + groupName(r.RemoteGroup) + family(r.IPv6)
	}
	if r.RemoteAddresses != "" {
		match += remote + "$" + addressesName(r.RemoteAddresses, r.IPv6)
	}
	protocol, ok := protocolMatch(r)
	return match + protocol, ok
}

// protocolMatch writes a rule's protocol and ports.
func protocolMatch(r fabric.Rule) (string, bool) {
	if r.Protocol == "" || r.Protocol == "any" || r.Protocol == "0" {
		return "", true
	}
	number, ok := protocolNumbers()[r.Protocol]
	if !ok {
		n, err := strconv.ParseUint(r.Protocol, 10, 8)
		if err != nil {
			return "", false
		}
		number = int(n)
	}
	if number == 1 && r.IPv6 {
		number = 58
	}
	switch number {
	case 1:
		return icmpMatch("icmp4", r), true
	case 58:
		return icmpMatch("icmp6", r), true
	case 6:
		return portMatch("tcp", r), true
	case 17:
		return portMatch("udp", r), true
	case 132:
		return portMatch("sctp", r), true
	}
	// OVN sees the ports of the three protocols above only.
	return " && ip.proto == " + strconv.Itoa(number), r.PortMin == nil && r.PortMax == nil
}

func icmpMatch(name string, r fabric.Rule) string {
	out := " && " + name
	if r.PortMin != nil {
		out += fmt.Sprintf(" && %s.type == %d", name, *r.PortMin)
		if r.PortMax != nil {
			out += fmt.Sprintf(" && %s.code == %d", name, *r.PortMax)
		}
	}
	return out
}

func portMatch(name string, r fabric.Rule) string {
	out := " && " + name
	low, high := 1, 65535
	if r.PortMin != nil {
		low = *r.PortMin
	}
	if r.PortMax != nil {
		high = *r.PortMax
	} else if r.PortMin != nil {
		high = low
	}
	switch {
	case low <= 1 && high >= 65535:
		return out
	case low == high:
		return fmt.Sprintf("%s && %s.dst == %d", out, name, low)
	}
	return fmt.Sprintf("%s && %s.dst >= %d && %s.dst <= %d", out, name, low, name, high)
}

// protocolNumbers are IANA's, by the names that the network API knows.
func protocolNumbers() map[string]int {
	return map[string]int{
		"icmp": 1, "igmp": 2, "ipip": 4, "tcp": 6, "egp": 8, "udp": 17, "dccp": 33, "ipv6-encap": 41, "ipv6-route": 43,
		"ipv6-frag": 44, "rsvp": 46, "gre": 47, "esp": 50, "ah": 51, "ipv6-icmp": 58, "icmpv6": 58, "ipv6-nonxt": 59,
		"ipv6-opts": 60, "ospf": 89, "vrrp": 112, "pgm": 113, "sctp": 132, "udplite": 136,
	}
}

// addressesRows are the address sets that rules name, one for each IP version.
func addressesRows(a fabric.Addresses) []row {
	v4, v6 := emptyAddresses(a.ID, false), emptyAddresses(a.ID, true)
	for _, p := range a.Prefixes {
		set := v4
		if p.Addr().Is6() {
			set = v6
		}
		set.Addresses = append(set.Addresses, prefix(p))
	}
	for _, set := range []*addressSet{v4, v6} {
		set.ExternalIDs = with(set.ExternalIDs, nameKey, a.Name)
	}
	return []row{v4, v6}
}

// emptyAddresses stands for a set that rules name before it is stated.
func emptyAddresses(id string, v6 bool) *addressSet {
	return &addressSet{
		UUID: partOf(fabric.KindAddresses, id, family(v6)), Name: addressesName(id, v6), ExternalIDs: owner(fabric.KindAddresses, id),
	}
}

// prefix writes a single address without its length.
func prefix(p netip.Prefix) string {
	if p.IsSingleIP() {
		return p.Addr().String()
	}
	return p.Masked().String()
}
