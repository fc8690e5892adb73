package network

import (
	"cmp"
	"context"
	"slices"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/policy"
	"kumoi/internal/kernel/store"
	"kumoi/internal/network/fabric"
)

// QoSPolicies are the use cases of QoS policies.
type QoSPolicies struct {
	family[QoSPolicy, *QoSPolicy]
	rules    *store.Table[QoSRule]
	bindings *store.Table[QoSBinding]
}

// QoSBinding says which policy a network or a port has.
type QoSBinding struct{ ObjectID, ObjectType, PolicyID string }

func newQoSPolicies(s *Service, t Tables) *QoSPolicies {
	f := &QoSPolicies{family[QoSPolicy, *QoSPolicy]{
		s: s, table: t.QoSPolicies, name: "policy", code: "QosPolicyNotFound", say: "QoS policy %s could not be found.",
		target: func(p *QoSPolicy, t policy.Target) { t["shared"] = flag(p.Shared) },
	}, t.QoSRules, t.QoSBindings}
	f.hydrate, f.valid, f.gone = f.hydrated, f.judge, f.remove
	return f
}

// hydrated reads sharing and rules.
func (f *QoSPolicies) hydrated(ctx context.Context, tx *store.Tx, vs []*QoSPolicy) error {
	if err := hydrateShared(ctx, f.s, tx, "qos_policy", vs, func(p *QoSPolicy) *bool { return &p.Shared }); err != nil {
		return err
	}
	byID := map[string]*QoSPolicy{}
	for _, p := range vs {
		p.Rules = nil
		byID[p.ID] = p
	}
	all, err := f.rules.All(ctx, tx, store.In("policy_id", idsOf(vs, func(p *QoSPolicy) string { return p.ID })))
	slices.SortFunc(all, func(a, b *QoSRule) int { return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), compareText(a.ID, b.ID)) })
	for _, r := range all {
		p := byID[r.PolicyID]
		p.Rules = append(p.Rules, r)
	}
	return err
}

// judge refuses a second default policy of a project, and follows what the policy
// says of sharing: an RBAC policy for everybody.
func (f *QoSPolicies) judge(ctx context.Context, tx *store.Tx, p, old *QoSPolicy) error {
	if p.Default {
		another, err := f.table.Any(ctx, tx, store.Eq("project_id", p.ProjectID), store.Eq("is_default", true), store.Ne("id", p.ID))
		if err != nil {
			return err
		}
		if another {
			return fault(errs.Conflict, "QoSPolicyDefaultAlreadyExists", "A default QoS policy exists for project %s.", p.ProjectID)
		}
	}
	was := old != nil && old.Shared
	switch {
	case p.Shared && !was:
		return f.s.grants.grantAll(ctx, tx, "qos_policy", p.ID, p.ProjectID, ActionShared)
	case !p.Shared && was:
		all := RBACPolicy{Standard: Standard{ProjectID: p.ProjectID}, ObjectType: "qos_policy", ObjectID: p.ID, Action: ActionShared, TargetProject: "*"}
		if err := f.s.RBACPolicies.unused(ctx, tx, &all, ""); err != nil {
			return err
		}
		return f.s.grants.revokeAll(ctx, tx, "qos_policy", p.ID, ActionShared)
	}
	return nil
}

// remove clears what hangs from a policy that nothing uses.
func (f *QoSPolicies) remove(ctx context.Context, tx *store.Tx, p *QoSPolicy) error {
	used, err := f.bindings.First(ctx, tx, store.Eq("policy_id", p.ID))
	if err == nil {
		return fault(errs.Conflict, "QosPolicyInUse", "QoS Policy %s is used by %s %s.", p.ID, used.ObjectType, used.ObjectID)
	}
	if !isNotFound(err) {
		return err
	}
	if _, err := f.rules.DeleteWhere(ctx, tx, store.Eq("policy_id", p.ID)); err != nil {
		return err
	}
	return f.s.grants.forget(ctx, tx, "qos_policy", p.ID)
}

// bind gives a network or port a policy, or takes it away. What it was before
// is old.
func (f *QoSPolicies) bind(ctx context.Context, tx *store.Tx, objectType, objectID, old, policyID string) error {
	if policyID == old {
		return nil
	}
	if old != "" {
		if _, err := f.visible(ctx, tx, old); isNotFound(err) {
			return fault(errs.Forbidden, "PolicyRemoveAuthorizationError", "Failed to remove provided policy %s because you are not authorized.", old)
		} else if err != nil {
			return err
		}
	}
	if err := f.unbind(ctx, tx, objectID); err != nil || policyID == "" {
		return err
	}
	if _, err := f.visible(ctx, tx, policyID); err != nil {
		return err
	}
	return f.bindings.Insert(ctx, tx, &QoSBinding{objectID, objectType, policyID})
}

func (f *QoSPolicies) unbind(ctx context.Context, tx *store.Tx, objectID string) error {
	_, err := f.bindings.DeleteWhere(ctx, tx, store.Eq("object_id", objectID))
	return err
}

// defaultOf is the policy that new networks of a project have.
func (f *QoSPolicies) defaultOf(ctx context.Context, tx *store.Tx, projectID string) (string, error) {
	p, err := f.table.First(ctx, tx, store.Eq("project_id", projectID), store.Eq("is_default", true))
	if isNotFound(err) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	return p.ID, nil
}

// touch marks every port that a policy is in force on.
func (f *QoSPolicies) touch(ctx context.Context, tx *store.Tx, policyID string) error {
	bound, err := f.bindings.All(ctx, tx, store.Eq("policy_id", policyID))
	for _, b := range bound {
		if b.ObjectType == "port" {
			f.s.projector.touch(tx, fabric.KindPort, b.ObjectID)
		} else if err := f.touchNetwork(ctx, tx, b.ObjectID); err != nil {
			return err
		}
	}
	return err
}

// touchNetwork marks the ports of a network that has another policy now.
func (f *QoSPolicies) touchNetwork(ctx context.Context, tx *store.Tx, networkID string) error {
	ps, err := f.s.Ports.table.All(ctx, tx, store.Eq("network_id", networkID))
	for _, p := range ps {
		f.s.projector.touch(tx, fabric.KindPort, p.ID)
	}
	return err
}
