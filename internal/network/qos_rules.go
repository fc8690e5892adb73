package network

import (
	"context"
	"slices"

	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/policy"
	"kumoi/internal/kernel/store"
	"kumoi/internal/network/fabric"
)

// The kinds of QoS rules.
const (
	QoSBandwidth    = "bandwidth_limit"
	QoSDSCP         = "dscp_marking"
	QoSMinBandwidth = "minimum_bandwidth"
)

// QoSRuleKinds are the kinds that are in force on ports of ours.
func QoSRuleKinds() []string { return []string{QoSBandwidth, QoSDSCP, QoSMinBandwidth} }

// qosParent loads the policy of a rule and asks about the rule.
func (s *Service) qosParent(ctx context.Context, tx *store.Tx, action, kind, policyID string) (*QoSPolicy, error) {
	p, err := qosPolicies.visible(ctx, s, tx, policyID)
	if errs.Is(err, errs.NotFound) {
		// Who may do it to no policy at all is told so, whichever it asks for.
		own := actor.From(ctx).ProjectID
		t := policy.Target{"project_id": own, "tenant_id": own, "ext_parent:project_id": own, "ext_parent:tenant_id": own}
		if err := s.check(ctx, action+"_policy_"+kind+"_rule", t); err != nil {
			return nil, err
		}
	}
	if err != nil {
		return nil, err
	}
	t := qosPolicies.policyTarget(p)
	t["ext_parent:project_id"], t["ext_parent:tenant_id"] = p.ProjectID, p.ProjectID
	return p, s.check(ctx, action+"_policy_"+kind+"_rule", t)
}

// QoSRules returns the rules of one kind of a policy.
func (s *Service) QoSRules(ctx context.Context, policyID, kind string) ([]*QoSRule, error) {
	var out []*QoSRule
	err := s.db.Read(ctx, func(tx *store.Tx) error {
		p, err := s.qosParent(ctx, tx, "get", kind, policyID)
		if err != nil {
			return err
		}
		out = slices.DeleteFunc(p.Rules, func(r *QoSRule) bool { return r.Kind != kind })
		return nil
	})
	return out, err
}

// QoSRule returns one rule of a policy.
func (s *Service) QoSRule(ctx context.Context, policyID, kind, id string) (*QoSRule, error) {
	var out *QoSRule
	err := s.db.Read(ctx, func(tx *store.Tx) error {
		p, err := s.qosParent(ctx, tx, "get", kind, policyID)
		if err != nil {
			return err
		}
		out, err = ruleOf(p, kind, id)
		return err
	})
	return out, err
}

func ruleOf(p *QoSPolicy, kind, id string) (*QoSRule, error) {
	i := slices.IndexFunc(p.Rules, func(r *QoSRule) bool { return r.ID == id && r.Kind == kind })
	if i < 0 {
		return nil, fault(errs.NotFound, "QosRuleNotFound", "QoS rule %s for policy %s could not be found.", id, p.ID)
	}
	return p.Rules[i], nil
}

// CreateQoSRule adds a rule to its policy.
func (s *Service) CreateQoSRule(ctx context.Context, tx *store.Tx, r *QoSRule, c Change) error {
	p, err := s.qosParent(ctx, tx, "create", r.Kind, r.PolicyID)
	if err != nil {
		return err
	}
	r.ProjectID = p.ProjectID
	qosRules.stamp(s, r)
	if err := fits(p, r); err != nil {
		return err
	}
	if err := qosRuleTable.Insert(ctx, tx, r); err != nil {
		return err
	}
	return s.qosChanged(ctx, tx, p)
}

// UpdateQoSRule changes a rule by apply.
func (s *Service) UpdateQoSRule(ctx context.Context, tx *store.Tx, policyID, kind, id string, apply func(*QoSRule) error) (*QoSRule, error) {
	p, err := s.qosParent(ctx, tx, "update", kind, policyID)
	if err != nil {
		return nil, err
	}
	r, err := ruleOf(p, kind, id)
	if err != nil {
		return nil, err
	}
	if err := apply(r); err != nil {
		return nil, err
	}
	if err := fits(p, r); err != nil {
		return nil, err
	}
	if err := qosRules.save(ctx, s, tx, r); err != nil {
		return nil, err
	}
	return r, s.qosChanged(ctx, tx, p)
}

// DeleteQoSRule removes a rule.
func (s *Service) DeleteQoSRule(ctx context.Context, tx *store.Tx, policyID, kind, id string) error {
	p, err := s.qosParent(ctx, tx, "delete", kind, policyID)
	if err != nil {
		return err
	}
	if _, err := ruleOf(p, kind, id); err != nil {
		return err
	}
	if err := qosRuleTable.Delete(ctx, tx, id); err != nil {
		return err
	}
	return s.qosChanged(ctx, tx, p)
}

// qosChanged gives the policy its next revision and has its ports stated anew.
func (s *Service) qosChanged(ctx context.Context, tx *store.Tx, p *QoSPolicy) error {
	if err := qosPolicies.save(ctx, s, tx, p); err != nil {
		return err
	}
	return s.touchQoS(ctx, tx, p.ID)
}

// fits tells whether a rule goes with the others of its policy: one of a kind
// and direction, and no more promised than allowed.
func fits(p *QoSPolicy, r *QoSRule) error {
	for _, o := range p.Rules {
		if o.ID == r.ID {
			continue
		}
		if o.Kind == r.Kind && o.Direction == r.Direction {
			return fault(errs.Conflict, "QoSRulesConflict", "Rule %s conflicts with rule %s which already exists in QoS Policy %s.", r.Kind, o.ID, p.ID)
		}
		if o.Direction != r.Direction {
			continue
		}
		clash := func(value int, existing string, have int) error {
			return fault(errs.Conflict, "QoSRuleParameterConflict", "Unable to add the rule with value %d to the policy %s as the existing rule of type %s has value %d.", value, p.ID, existing, have)
		}
		switch {
		case r.Kind == QoSMinBandwidth && o.Kind == QoSBandwidth && r.MinKbps > o.MaxKbps:
			return clash(r.MinKbps, o.Kind, o.MaxKbps)
		case r.Kind == QoSBandwidth && o.Kind == QoSMinBandwidth && r.MaxKbps < o.MinKbps:
			return clash(r.MaxKbps, o.Kind, o.MinKbps)
		}
	}
	return nil
}

// qosInForce reads what limits each of the ports: its own policy, or its network's.
func qosInForce(ctx context.Context, tx *store.Tx, ps []*Port) (map[string]*fabric.QoS, error) {
	bound, err := pairsIn(ctx, tx, "SELECT object_id, policy_id FROM qos_binding", "object_type", []string{"network"}, "object_id")
	if err != nil {
		return nil, err
	}
	ofNetwork := map[string]string{}
	for _, b := range bound {
		ofNetwork[b.a] = b.b
	}
	policyOf := func(p *Port) string {
		if p.QoSPolicyID == "" && !p.NetworkOwned() {
			return ofNetwork[p.NetworkID]
		}
		return p.QoSPolicyID
	}
	found, err := qosRuleTable.WhereIn(ctx, tx, "policy_id", idsOf(ps, policyOf))
	if err != nil {
		return nil, err
	}
	out := map[string]*fabric.QoS{}
	for _, r := range found {
		q := out[r.PolicyID]
		if q == nil {
			q = &fabric.QoS{}
			out[r.PolicyID] = q
		}
		switch {
		case r.Kind == QoSDSCP:
			q.DSCP = &r.DSCP
		case r.Kind == QoSMinBandwidth && r.Direction == QoSEgress:
			q.MinKbps = r.MinKbps
		case r.Kind == QoSBandwidth && r.Direction == QoSEgress:
			q.Egress = fabric.Bandwidth{Kbps: r.MaxKbps, BurstKbit: r.BurstKbps}
		case r.Kind == QoSBandwidth:
			q.Ingress = fabric.Bandwidth{Kbps: r.MaxKbps, BurstKbit: r.BurstKbps}
		}
	}
	byPort := map[string]*fabric.QoS{}
	for _, p := range ps {
		if q := out[policyOf(p)]; q != nil {
			byPort[p.ID] = q
		}
	}
	return byPort, nil
}
