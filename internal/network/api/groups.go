package api

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
	"kumoi/internal/network"
)

// groupResource is /v2.0/security-groups.
func groupResource(s *network.Service, ruleView func(*network.SecurityGroupRule) map[string]any) *resource[network.SecurityGroup, network.SecurityGroup] {
	type G = network.SecurityGroup
	std := func(g *G) *network.Standard { return &g.Standard }
	attrs := standard(std, std, "name", "description", "tags")
	attrs = append(attrs,
		field("stateful", post|put, true, toBool, func(g *G) *bool { return &g.Stateful }, func(g *G) any { return g.Stateful }),
		shown[G]("shared", func(g *G) any { return g.Shared }),
		shown[G]("security_group_rules", func(g *G) any {
			out := make([]map[string]any, len(g.Rules))
			for i, r := range g.Rules {
				out[i] = ruleView(r)
			}
			return out
		}).unfiltered(),
	)
	return &resource[G, G]{
		member: "security_group", collection: "security_groups", path: "/v2.0/security-groups", attrs: attrs, createBulk: true,
		id: func(g *G) string { return g.ID }, tags: func(g *G) []string { return g.Tags },
		begin: func() *G { return &G{Stateful: true} },
		list:  s.SecurityGroups, paged: true, show: s.SecurityGroup,
		create: func(ctx context.Context, tx *store.Tx, g *G, c network.Change) (*G, error) {
			return g, s.CreateSecurityGroup(ctx, tx, g, c)
		},
		update: s.UpdateSecurityGroup, remove: s.DeleteSecurityGroup,
	}
}

// ruleAttrs are what rules and default rules have in common.
func ruleAttrs() []attr[network.SecurityGroupRule, network.SecurityGroupRule] {
	type R = network.SecurityGroupRule
	return []attr[R, R]{
		field("direction", post, unset, toChoice(network.Ingress, network.Egress), func(r *R) *string { return &r.Direction }, func(r *R) any { return r.Direction }).needed(),
		field("ethertype", post, "IPv4", toEther, func(r *R) *string { return &r.EtherType }, func(r *R) any { return r.EtherType }),
		field("protocol", post, nil, toProtocol, func(r *R) *string { return &r.Protocol }, func(r *R) any { return orNull(r.Protocol) }),
		field("port_range_min", post, nil, toPort, func(r *R) **int { return &r.PortMin }, func(r *R) any { return intOrNull(r.PortMin) }),
		field("port_range_max", post, nil, toPort, func(r *R) **int { return &r.PortMax }, func(r *R) any { return intOrNull(r.PortMax) }),
		field("remote_ip_prefix", post, nil, toRemotePrefix, func(r *R) *string { return &r.RemotePrefix }, func(r *R) any { return orNull(r.RemotePrefix) }),
		field("remote_address_group_id", post, nil, toUUIDOrNone, func(r *R) *string { return &r.AddressGroupID }, func(r *R) any { return orNull(r.AddressGroupID) }),
	}
}

// ruleResource is /v2.0/security-group-rules.
func ruleResource(s *network.Service) *resource[network.SecurityGroupRule, network.SecurityGroupRule] {
	type R = network.SecurityGroupRule
	std := func(r *R) *network.Standard { return &r.Standard }
	attrs := append(standard(std, std, "description", "tags"), ruleAttrs()...)
	attrs = append(attrs,
		field("security_group_id", post, unset, toUUID, func(r *R) *string { return &r.GroupID }, func(r *R) any { return r.GroupID }).needed().indexed("group_id"),
		field("remote_group_id", post, nil, toText(36), func(r *R) *string { return &r.RemoteGroupID }, func(r *R) any { return orNull(r.RemoteGroupID) }).indexed("remote_group_id"),
		shown[R]("normalized_cidr", func(r *R) any { return orNull(r.NormalizedCIDR()) }),
		shown[R]("belongs_to_default_sg", func(r *R) any { return r.InDefaultGroup }),
	)
	return &resource[R, R]{
		member: "security_group_rule", collection: "security_group_rules", path: "/v2.0/security-group-rules", attrs: attrs, createBulk: true,
		id: func(r *R) string { return r.ID }, tags: func(r *R) []string { return r.Tags },
		begin: func() *R { return &R{EtherType: network.IPv4} },
		list:  s.SecurityGroupRules, paged: true, show: s.SecurityGroupRule,
		create: func(ctx context.Context, tx *store.Tx, r *R, c network.Change) (*R, error) {
			return r, s.CreateSecurityGroupRule(ctx, tx, r, c)
		},
		remove: s.DeleteSecurityGroupRule,
	}
}

// defaultRuleResource is /v2.0/default-security-group-rules.
func defaultRuleResource(s *network.Service) *resource[network.SecurityGroupRule, network.SecurityGroupRule] {
	type R = network.SecurityGroupRule
	attrs := append(ruleAttrs(),
		shown[R]("id", func(r *R) any { return r.ID }),
		field("description", post, "", toText(255), func(r *R) *string { return &r.Description }, func(r *R) any { return r.Description }),
		field("remote_group_id", post, nil, toParentOrUUID, func(r *R) *string { return &r.RemoteGroupID }, func(r *R) any { return orNull(r.RemoteGroupID) }),
		field("used_in_default_sg", post, false, toBool, func(r *R) *bool { return &r.InDefaultGroup }, func(r *R) any { return r.InDefaultGroup }),
		field("used_in_non_default_sg", post, true, toBool, func(r *R) *bool { return &r.InCustomGroup }, func(r *R) any { return r.InCustomGroup }),
	)
	return &resource[R, R]{
		member: "default_security_group_rule", collection: "default_security_group_rules", path: "/v2.0/default-security-group-rules", attrs: attrs,
		id: func(r *R) string { return r.ID }, begin: func() *R { return &R{EtherType: network.IPv4, InCustomGroup: true} },
		list: func(ctx context.Context, f network.Filter) ([]*R, error) {
			all, err := s.DefaultRules(ctx)
			return byID(all, f), err
		},
		show: s.DefaultRule,
		create: func(ctx context.Context, tx *store.Tx, r *R, _ network.Change) (*R, error) {
			return r, s.CreateDefaultRule(ctx, tx, r)
		},
		remove: func(ctx context.Context, tx *store.Tx, id string, _ network.Change) error {
			return s.DeleteDefaultRule(ctx, tx, id)
		},
	}
}

// byID applies the only filter that the database of such a small list does not.
func byID(all []*network.SecurityGroupRule, f network.Filter) []*network.SecurityGroupRule {
	if f.IDs == nil {
		return all
	}
	var out []*network.SecurityGroupRule
	for _, r := range all {
		for _, id := range f.IDs {
			if r.ID == id {
				out = append(out, r)
			}
		}
	}
	return out
}

func toEther(v any) (string, error) {
	s, _ := v.(string)
	switch {
	case v == nil || strings.EqualFold(s, network.IPv4):
		return network.IPv4, nil
	case strings.EqualFold(s, network.IPv6):
		return network.IPv6, nil
	}
	return "", fmt.Errorf("'%v' is not in ['IPv4', 'IPv6']", show(v))
}

func toProtocol(v any) (string, error) {
	switch x := v.(type) {
	case nil:
		return "", nil
	case json.Number:
		return x.String(), nil
	case string:
		return strings.ToLower(x), nil
	}
	return "", fmt.Errorf("'%v' is not a protocol", show(v))
}

func toPort(v any) (*int, error) {
	if v == nil || v == "" {
		return nil, nil
	}
	n, err := toInt(0, 65535)(v)
	if err != nil {
		return nil, errs.New(errs.Invalid, "Invalid value for port %s", show(v)).WithCode("SecurityGroupInvalidPortValue")
	}
	return &n, nil
}

func toParentOrUUID(v any) (string, error) {
	if v == "PARENT" {
		return "PARENT", nil
	}
	return toUUIDOrNone(v)
}

func intOrNull(n *int) any {
	if n == nil {
		return nil
	}
	return *n
}
