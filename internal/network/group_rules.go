package network

import (
	"context"
	"net/netip"
	"slices"
	"strconv"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/ids"
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

func hydrateRules(ctx context.Context, tx *store.Tx, vs []*SecurityGroupRule) error {
	gs, err := groupTable.WhereIn(ctx, tx, "id", idsOf(vs, func(r *SecurityGroupRule) string { return r.GroupID }))
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

// SecurityGroupRules returns the rules that the actor may see.
func (s *Service) SecurityGroupRules(ctx context.Context, f Filter) ([]*SecurityGroupRule, error) {
	return rules.all(ctx, s, f)
}

// SecurityGroupRule returns one rule that the actor may see.
func (s *Service) SecurityGroupRule(ctx context.Context, id string) (*SecurityGroupRule, error) {
	return rules.show(ctx, s, id)
}

// CreateSecurityGroupRule adds a rule to a group.
func (s *Service) CreateSecurityGroupRule(ctx context.Context, tx *store.Tx, r *SecurityGroupRule, c Change) error {
	if err := validateRule(r); err != nil {
		return err
	}
	g, err := groups.visible(ctx, s, tx, r.GroupID)
	if err != nil {
		return err
	}
	if r.ProjectID == "" {
		r.ProjectID = g.ProjectID
	}
	r.groupProject, r.InDefaultGroup = g.ProjectID, g.Default
	if err := rules.prepare(ctx, s, r, c); err != nil {
		return err
	}
	if g.ProjectID != r.ProjectID && !s.isAdmin(ctx) {
		return groups.notFound(g.ID)
	}
	if r.RemoteGroupID != "" {
		if _, err := groups.visible(ctx, s, tx, r.RemoteGroupID); err != nil {
			return err
		}
	}
	if r.AddressGroupID != "" {
		if _, err := s.AddressGroups.visible(ctx, tx, r.AddressGroupID); err != nil {
			return err
		}
	}
	for _, o := range g.Rules {
		if sameRule(o, r) {
			return fault(errs.Conflict, "SecurityGroupRuleExists", "Security group rule already exists. Rule id is %s.", o.ID)
		}
	}
	if err := rules.countQuota(ctx, s, tx, r.ProjectID, 1); err != nil {
		return err
	}
	if err := ruleTable.Insert(ctx, tx, r); err != nil {
		return err
	}
	s.touchGroup(tx, g.ID)
	g.UpdatedAt, g.Revision = s.now(), g.Revision+1
	return groupTable.Update(ctx, tx, g)
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

// DeleteSecurityGroupRule removes a rule.
func (s *Service) DeleteSecurityGroupRule(ctx context.Context, tx *store.Tx, id string, c Change) error {
	r, err := rules.open(ctx, s, tx, "delete", id, c)
	if err != nil {
		return err
	}
	if err := ruleTable.Delete(ctx, tx, id); err != nil {
		return err
	}
	s.touchGroup(tx, r.GroupID)
	g, err := groupTable.Get(ctx, tx, r.GroupID)
	if err != nil {
		return err
	}
	g.UpdatedAt, g.Revision = s.now(), g.Revision+1
	return groupTable.Update(ctx, tx, g)
}

// addDefaultRules gives a new group the rules that every group starts with.
func (s *Service) addDefaultRules(ctx context.Context, tx *store.Tx, g *SecurityGroup) error {
	templates, err := s.defaultRules(ctx, tx)
	if err != nil {
		return err
	}
	templates = slices.DeleteFunc(templates, func(t *SecurityGroupRule) bool {
		return g.Default && !t.InDefaultGroup || !g.Default && !t.InCustomGroup
	})
	if !g.Default {
		if err := rules.countQuota(ctx, s, tx, g.ProjectID, len(templates)); err != nil {
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
		if err := ruleTable.Insert(ctx, tx, &r); err != nil {
			return err
		}
		g.Rules = append(g.Rules, &r)
	}
	sortRules(g.Rules)
	return nil
}
