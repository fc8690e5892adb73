package network

import (
	"context"
	"slices"

	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/audit"
	"kumoi/internal/kernel/change"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/ids"
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

// QoSRules are the use cases of the rules of one kind of one policy.
type QoSRules struct {
	f            *QoSPolicies
	policy, kind string
}

// Of is for the rules of one kind of a policy.
func (f *QoSPolicies) Of(policyID, kind string) *QoSRules { return &QoSRules{f, policyID, kind} }

// parent loads the policy and asks about the rule.
func (r *QoSRules) parent(ctx context.Context, tx *store.Tx, action string) (*QoSPolicy, error) {
	rule := action + "_policy_" + r.kind + "_rule"
	p, err := r.f.visible(ctx, tx, r.policy)
	if isNotFound(err) {
		// Who may do it to no policy at all is told so, whichever it asks for.
		own := actor.From(ctx).ProjectID
		t := policy.Target{"project_id": own, "tenant_id": own, "ext_parent:project_id": own, "ext_parent:tenant_id": own}
		if err := r.f.s.Access.check(ctx, rule, t); err != nil {
			return nil, err
		}
	}
	if err != nil {
		return nil, err
	}
	t := r.f.policyTarget(p)
	t["ext_parent:project_id"], t["ext_parent:tenant_id"] = p.ProjectID, p.ProjectID
	return p, r.f.s.Access.check(ctx, rule, t)
}

// List returns the rules that the query wants.
func (r *QoSRules) List(ctx context.Context, q store.Query) (page store.Page[QoSRule], err error) {
	q = q.Within(store.Eq("policy_id", r.policy), store.Eq("kind", r.kind))
	err = r.f.s.db.Read(ctx, func(tx *store.Tx) (err error) {
		if _, err = r.parent(ctx, tx, "get"); err != nil {
			return err
		}
		page, err = r.f.rules.List(ctx, tx, q)
		return err
	})
	return page, err
}

// Show returns one rule.
func (r *QoSRules) Show(ctx context.Context, id string) (v *QoSRule, err error) {
	err = r.f.s.db.Read(ctx, func(tx *store.Tx) error {
		p, err := r.parent(ctx, tx, "get")
		if err == nil {
			v, err = r.in(p, id)
		}
		return err
	})
	return v, err
}

// in finds a rule of this kind.
func (r *QoSRules) in(p *QoSPolicy, id string) (*QoSRule, error) {
	i := slices.IndexFunc(p.Rules, func(v *QoSRule) bool { return v.ID == id && v.Kind == r.kind })
	if i < 0 {
		return nil, fault(errs.NotFound, "QosRuleNotFound", "QoS rule %s for policy %s could not be found.", id, p.ID)
	}
	return p.Rules[i], nil
}

// Create adds a rule.
func (r *QoSRules) Create(ctx context.Context, n change.Patch[QoSRule]) (v *QoSRule, err error) {
	err = r.f.s.db.Write(ctx, func(tx *store.Tx) error {
		p, err := r.parent(ctx, tx, "create")
		if err != nil {
			return err
		}
		v = &QoSRule{PolicyID: p.ID, Kind: r.kind}
		if r.kind != QoSDSCP {
			v.Direction = QoSEgress
		}
		if err := n.To(v); err != nil {
			return err
		}
		now := r.f.s.now()
		v.ID, v.ProjectID, v.CreatedAt, v.UpdatedAt, v.Revision = ids.New(), p.ProjectID, now, now, 1
		if err := fits(p, v); err != nil {
			return err
		}
		audit.Created(ctx, v.ID)
		if err := r.f.rules.Insert(ctx, tx, v); err != nil {
			return err
		}
		return r.changed(ctx, tx, p)
	})
	return v, err
}

// Update changes a rule.
func (r *QoSRules) Update(ctx context.Context, id string, n change.Patch[QoSRule]) (v *QoSRule, err error) {
	err = r.f.s.db.Write(ctx, func(tx *store.Tx) error {
		p, err := r.parent(ctx, tx, "update")
		if err != nil {
			return err
		}
		if v, err = r.in(p, id); err != nil {
			return err
		}
		if err := n.To(v); err != nil {
			return err
		}
		if err := fits(p, v); err != nil {
			return err
		}
		v.Revision, v.UpdatedAt = v.Revision+1, r.f.s.now()
		if err := r.f.rules.Update(ctx, tx, v); err != nil {
			return err
		}
		return r.changed(ctx, tx, p)
	})
	return v, err
}

// Delete removes a rule.
func (r *QoSRules) Delete(ctx context.Context, id string) error {
	return r.f.s.db.Write(ctx, func(tx *store.Tx) error {
		p, err := r.parent(ctx, tx, "delete")
		if err != nil {
			return err
		}
		if _, err := r.in(p, id); err != nil {
			return err
		}
		if err := r.f.rules.Delete(ctx, tx, id); err != nil {
			return err
		}
		return r.changed(ctx, tx, p)
	})
}

// changed gives the policy its next revision and has its ports stated anew.
func (r *QoSRules) changed(ctx context.Context, tx *store.Tx, p *QoSPolicy) error {
	if err := r.f.save(ctx, tx, p); err != nil {
		return err
	}
	return r.f.s.QoSPolicies.touch(ctx, tx, p.ID)
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

// inForce reads what limits each of the ports: its own policy, or its network's.
func (f *QoSPolicies) inForce(ctx context.Context, tx *store.Tx, ps []*Port) (map[string]*fabric.QoS, error) {
	bound, err := f.bindings.All(ctx, tx, store.Eq("object_type", "network"))
	if err != nil {
		return nil, err
	}
	ofNetwork := map[string]string{}
	for _, b := range bound {
		ofNetwork[b.ObjectID] = b.PolicyID
	}
	policyOf := func(p *Port) string {
		if p.QoSPolicyID == "" && !p.NetworkOwned() {
			return ofNetwork[p.NetworkID]
		}
		return p.QoSPolicyID
	}
	found, err := f.rules.All(ctx, tx, store.In("policy_id", idsOf(ps, policyOf)))
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
