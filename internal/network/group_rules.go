package network

import (
	"context"
	"net/netip"
	"slices"
	"strconv"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/ids"
	"kumoi/internal/kernel/policy"
	"kumoi/internal/kernel/store"
)

// Directions and ether types of rules.
const (
	Ingress = "ingress"
	Egress  = "egress"
	IPv4    = "IPv4"
	IPv6    = "IPv6"
)

// protocols are the names that rules know, with their numbers.
var protocols = map[string]int{
	"ah": 51, "dccp": 33, "egp": 8, "esp": 50, "gre": 47, "icmp": 1, "icmpv6": 58, "igmp": 2,
	"ipip": 4, "ipv6-encap": 41, "ipv6-frag": 44, "ipv6-icmp": 58, "ipv6-nonxt": 59, "ipv6-opts": 60, "ipv6-route": 43,
	"ospf": 89, "pgm": 113, "rsvp": 46, "sctp": 132, "tcp": 6, "udp": 17, "udplite": 136, "vrrp": 112, "any": -1, "0": 0,
}

// protocolNumber is a protocol's number, -1 for any.
func protocolNumber(p string) (int, bool) {
	if p == "" {
		return -1, true
	}
	if n, ok := protocols[p]; ok {
		return n, true
	}
	n, err := strconv.Atoi(p)
	return n, err == nil && n >= 0 && n <= 255
}

// SecurityGroupRules are the use cases of the rules of security groups. Nothing of
// a rule changes but its tags.
type SecurityGroupRules struct {
	family[SecurityGroupRule, *SecurityGroupRule]
}

func newSecurityGroupRules(s *Service, t *store.Table[SecurityGroupRule]) *SecurityGroupRules {
	f := &SecurityGroupRules{family[SecurityGroupRule, *SecurityGroupRule]{
		s: s, table: t, name: "security_group_rule", code: "SecurityGroupRuleNotFound", say: "Security group rule %s does not exist",
		fresh: func() SecurityGroupRule { return SecurityGroupRule{EtherType: IPv4} },
		target: func(r *SecurityGroupRule, t policy.Target) {
			t["security_group:project_id"], t["ext_parent:project_id"] = r.groupProject, r.groupProject
			t["security_group:tenant_id"], t["ext_parent:tenant_id"] = r.groupProject, r.groupProject
		},
		made: func(ctx context.Context, tx *store.Tx, r *SecurityGroupRule) error {
			return s.SecurityGroups.rulesChanged(ctx, tx, r.GroupID)
		},
		gone: func(ctx context.Context, tx *store.Tx, r *SecurityGroupRule) error {
			return s.SecurityGroups.rulesChanged(ctx, tx, r.GroupID)
		},
	}}
	f.hydrate, f.place, f.valid = f.hydrated, f.within, f.judge
	return f
}

func (f *SecurityGroupRules) hydrated(ctx context.Context, tx *store.Tx, vs []*SecurityGroupRule) error {
	gs, err := f.s.SecurityGroups.table.All(ctx, tx, store.In("id", idsOf(vs, func(r *SecurityGroupRule) string { return r.GroupID })))
	if err != nil {
		return err
	}
	byID := map[string]*SecurityGroup{}
	for _, g := range gs {
		byID[g.ID] = g
	}
	for _, r := range vs {
		if g := byID[r.GroupID]; g != nil {
			r.groupProject, r.InDefaultGroup = g.ProjectID, g.Default
		}
	}
	return nil
}

// within finds the group of a new rule.
func (f *SecurityGroupRules) within(ctx context.Context, tx *store.Tx, r *SecurityGroupRule) error {
	if err := validateRule(r); err != nil {
		return err
	}
	g, err := f.s.SecurityGroups.visible(ctx, tx, r.GroupID)
	if err != nil {
		return err
	}
	if r.ProjectID == "" {
		r.ProjectID = g.ProjectID
	}
	r.group, r.groupProject, r.InDefaultGroup = g, g.ProjectID, g.Default
	return nil
}

// judge makes sure that a new rule names what its project may use, and says
// something new.
func (f *SecurityGroupRules) judge(ctx context.Context, tx *store.Tx, r, old *SecurityGroupRule) error {
	if old != nil {
		return nil
	}
	if r.groupProject != r.ProjectID && !f.s.Access.isAdmin(ctx) {
		return f.s.SecurityGroups.notFound(r.GroupID)
	}
	if r.RemoteGroupID != "" {
		if _, err := f.s.SecurityGroups.visible(ctx, tx, r.RemoteGroupID); err != nil {
			return err
		}
	}
	if r.AddressGroupID != "" {
		if _, err := f.s.AddressGroups.visible(ctx, tx, r.AddressGroupID); err != nil {
			return err
		}
	}
	for _, o := range r.group.Rules {
		if sameRule(o, r) {
			return fault(errs.Conflict, "SecurityGroupRuleExists", "Security group rule already exists. Rule id is %s.", o.ID)
		}
	}
	return f.s.Quotas.count(ctx, tx, r.ProjectID, "security_group_rule", 1)
}

// sameRule tells whether two rules allow the same.
func sameRule(a, b *SecurityGroupRule) bool {
	pa, _ := protocolNumber(a.Protocol)
	pb, _ := protocolNumber(b.Protocol)
	eq := func(x, y *int) bool { return x == y || x != nil && y != nil && *x == *y }
	return a.Direction == b.Direction && a.EtherType == b.EtherType && pa == pb && eq(a.PortMin, b.PortMin) && eq(a.PortMax, b.PortMax) &&
		remotePrefix(a) == remotePrefix(b) && a.RemoteGroupID == b.RemoteGroupID && a.AddressGroupID == b.AddressGroupID
}

// NormalizedCIDR is the range of addresses that RemotePrefix, which keeps what was
// given, stands for: without the bits that do not count.
func (r *SecurityGroupRule) NormalizedCIDR() string {
	p, err := ParsePrefix(r.RemotePrefix)
	if err != nil {
		return ""
	}
	return p.Masked().String()
}

// remotePrefix is the rule's range of addresses; one that holds all counts as none.
func remotePrefix(r *SecurityGroupRule) netip.Prefix {
	p, err := ParsePrefix(r.RemotePrefix)
	if err != nil || p.Bits() == 0 {
		return netip.Prefix{}
	}
	return p.Masked()
}

func validateRule(r *SecurityGroupRule) error {
	if r.EtherType == "" {
		r.EtherType = IPv4
	}
	n, ok := protocolNumber(r.Protocol)
	if !ok {
		return fault(errs.Invalid, "SecurityGroupRuleInvalidProtocol", "Security group rule protocol %s not supported. Only protocol values [%s] and integer representations [0 to 255] are supported.", r.Protocol, "None, ah, dccp, egp, esp, gre, icmp, icmpv6, igmp, ipip, ipv6-encap, ipv6-frag, ipv6-icmp, ipv6-nonxt, ipv6-opts, ipv6-route, ospf, pgm, rsvp, sctp, tcp, udp, udplite, vrrp")
	}
	if r.Protocol == "any" {
		r.Protocol = ""
	}
	v6only := map[int]bool{41: true, 43: true, 44: true, 58: true, 59: true, 60: true}
	if r.EtherType == IPv4 && v6only[n] {
		return fault(errs.Invalid, "SecurityGroupEthertypeConflictWithProtocol", "Invalid ethertype %s for protocol %s.", r.EtherType, r.Protocol)
	}
	remotes := 0
	for _, x := range []string{r.RemotePrefix, r.RemoteGroupID, r.AddressGroupID} {
		if x != "" {
			remotes++
		}
	}
	if remotes > 1 {
		return fault(errs.Invalid, "SecurityGroupMultipleRemoteEntites", "Only one of remote_ip_prefix, remote_group_id or remote_address_group_id may be provided.")
	}
	if r.RemotePrefix != "" {
		p, err := ParsePrefix(r.RemotePrefix)
		if err != nil {
			return invalidInput("remote_ip_prefix", "'%s' is neither a valid IP address, nor is it a valid IP subnet.", r.RemotePrefix)
		}
		if p.Addr().Is4() != (r.EtherType == IPv4) {
			return fault(errs.Invalid, "SecurityGroupRuleParameterConflict", "Conflicting value ethertype %s for CIDR %s", r.EtherType, r.RemotePrefix)
		}
		r.RemotePrefix = p.String() // host bits and all, as users gave it
	}
	return validatePortRange(r, n)
}

func validatePortRange(r *SecurityGroupRule, protocol int) error {
	if r.PortMin == nil && r.PortMax == nil {
		return nil
	}
	switch protocol {
	case 6, 17, 132, 136, 33: // TCP, UDP, SCTP, UDP-Lite, DCCP
		if r.PortMin == nil || r.PortMax == nil || *r.PortMin > *r.PortMax {
			return fault(errs.Invalid, "SecurityGroupInvalidPortRange", "For TCP/UDP protocols, port_range_min must be <= port_range_max")
		}
		if *r.PortMin == 0 {
			return fault(errs.Invalid, "SecurityGroupInvalidPortValue", "Invalid value for port 0")
		}
	case 1, 58:
		for name, v := range map[string]*int{"port_range_min": r.PortMin, "port_range_max": r.PortMax} {
			if v != nil && (*v < 0 || *v > 255) {
				field := "type"
				if name == "port_range_max" {
					field = "code"
				}
				return fault(errs.Invalid, "SecurityGroupInvalidIcmpValue", "Invalid value for ICMP %s (%s) %d. It must be 0 to 255.", field, name, *v)
			}
		}
		if r.PortMin == nil {
			return fault(errs.Invalid, "SecurityGroupMissingIcmpType", "ICMP code (port-range-max) %d is provided but ICMP type (port-range-min) is missing.", *r.PortMax)
		}
	case -1:
		return fault(errs.Invalid, "SecurityGroupProtocolRequiredWithPorts", "Must also specify protocol if port range is given.")
	default:
		return fault(errs.Invalid, "SecurityGroupInvalidProtocolForPort", "Ports can only be set for TCP, UDP, SCTP, DCCP, UDP-Lite and ICMP, not for protocol %s.", r.Protocol)
	}
	return nil
}

// addDefaultRules gives a new group the rules that every group starts with.
func (f *SecurityGroups) addDefaultRules(ctx context.Context, tx *store.Tx, g *SecurityGroup) error {
	templates, err := f.s.DefaultRules.table.All(ctx, tx)
	if err != nil {
		return err
	}
	templates = slices.DeleteFunc(templates, func(t *SecurityGroupRule) bool {
		return g.Default && !t.InDefaultGroup || !g.Default && !t.InCustomGroup
	})
	if !g.Default {
		if err := f.s.Quotas.count(ctx, tx, g.ProjectID, "security_group_rule", int64(len(templates))); err != nil {
			return err
		}
	}
	g.Rules = []*SecurityGroupRule{}
	for _, t := range templates {
		r := *t
		r.Standard = Standard{ID: ids.New(), ProjectID: g.ProjectID, Description: t.Description, Tags: []string{}, Revision: 0, CreatedAt: g.CreatedAt, UpdatedAt: g.CreatedAt}
		r.GroupID, r.groupProject, r.InDefaultGroup, r.InCustomGroup = g.ID, g.ProjectID, g.Default, false
		if r.RemoteGroupID == "PARENT" {
			r.RemoteGroupID = g.ID
		}
		if err := f.s.SecurityGroupRules.table.Insert(ctx, tx, &r); err != nil {
			return err
		}
		g.Rules = append(g.Rules, &r)
	}
	sortRules(g.Rules)
	return nil
}
