package network

import (
	"context"
	"slices"

	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/ids"
	"kumoi/internal/kernel/policy"
	"kumoi/internal/kernel/store"
)

// builtinRules are the rules of new groups until the operator says otherwise:
// everything out, and inside the default group everything between members.
func builtinRules() []*SecurityGroupRule {
	var out []*SecurityGroupRule
	for _, ether := range []string{IPv4, IPv6} {
		id := func(use string) Standard {
			return Standard{ID: ids.Derive("default-rule", use, ether), Tags: []string{}}
		}
		out = append(out,
			&SecurityGroupRule{Standard: id("out"), Direction: Egress, EtherType: ether, InDefaultGroup: true, InCustomGroup: true},
			&SecurityGroupRule{Standard: id("in"), Direction: Ingress, EtherType: ether, RemoteGroupID: "PARENT", InDefaultGroup: true})
	}
	return out
}

// defaultRules reads the rules of new groups. The built-in ones are written
// down when the operator first changes them.
func (s *Service) defaultRules(ctx context.Context, tx *store.Tx) ([]*SecurityGroupRule, error) {
	out, err := defaultRuleTable.Find(ctx, tx, defaultRuleTable.Select().OrderBy("id"))
	if err != nil {
		return nil, err
	}
	if len(out) == 0 {
		return builtinRules(), nil
	}
	return slices.DeleteFunc(out, func(r *SecurityGroupRule) bool { return r.ID == defaultRulesMarker }), nil
}

// defaultRulesMarker is the row that says that the built-in rules no longer count.
const defaultRulesMarker = "own"

// DefaultRules returns the rules that new groups start with.
func (s *Service) DefaultRules(ctx context.Context) ([]*SecurityGroupRule, error) {
	if err := s.check(ctx, "get_default_security_group_rule", policy.Target{"project_id": actor.From(ctx).ProjectID}); err != nil {
		return nil, err
	}
	var out []*SecurityGroupRule
	err := s.db.Read(ctx, func(tx *store.Tx) (err error) {
		out, err = s.defaultRules(ctx, tx)
		return err
	})
	return out, err
}

// DefaultRule returns one of them.
func (s *Service) DefaultRule(ctx context.Context, id string) (*SecurityGroupRule, error) {
	all, err := s.DefaultRules(ctx)
	if err != nil {
		return nil, err
	}
	if i := slices.IndexFunc(all, func(r *SecurityGroupRule) bool { return r.ID == id }); i >= 0 {
		return all[i], nil
	}
	return nil, noDefaultRule(id)
}

func noDefaultRule(id string) error {
	return fault(errs.NotFound, "DefaultSecurityGroupRuleNotFound", "Default Security Group rule %s does not exist.", id)
}

// ownDefaultRules writes the built-in rules down so that they can be changed.
func (s *Service) ownDefaultRules(ctx context.Context, tx *store.Tx) error {
	n, err := defaultRuleTable.Count(ctx, tx, "1 = 1")
	if err != nil || n > 0 {
		return err
	}
	for _, r := range append(builtinRules(), &SecurityGroupRule{Standard: Standard{ID: defaultRulesMarker}}) {
		if err := defaultRuleTable.Insert(ctx, tx, r); err != nil {
			return err
		}
	}
	return nil
}

// CreateDefaultRule adds a rule for new groups.
func (s *Service) CreateDefaultRule(ctx context.Context, tx *store.Tx, r *SecurityGroupRule) error {
	if err := s.check(ctx, "create_default_security_group_rule", nil); err != nil {
		return err
	}
	if err := validateRule(r); err != nil {
		return err
	}
	if err := s.ownDefaultRules(ctx, tx); err != nil {
		return err
	}
	all, err := s.defaultRules(ctx, tx)
	if err != nil {
		return err
	}
	for _, o := range all {
		if sameRule(o, r) && o.InDefaultGroup == r.InDefaultGroup && o.InCustomGroup == r.InCustomGroup {
			return fault(errs.Conflict, "DefaultSecurityGroupRuleExists", "Default Security group rule already exists. Rule id is %s.", o.ID)
		}
	}
	r.ID = ids.New()
	return defaultRuleTable.Insert(ctx, tx, r)
}

// DeleteDefaultRule removes a rule for new groups.
func (s *Service) DeleteDefaultRule(ctx context.Context, tx *store.Tx, id string) error {
	if err := s.check(ctx, "delete_default_security_group_rule", nil); err != nil {
		return err
	}
	all, err := s.defaultRules(ctx, tx)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(all, func(r *SecurityGroupRule) bool { return r.ID == id }) {
		return noDefaultRule(id)
	}
	if err := s.ownDefaultRules(ctx, tx); err != nil {
		return err
	}
	return defaultRuleTable.Delete(ctx, tx, id)
}
