package network

import (
	"context"
	"errors"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

// QoSPolicies returns the QoS policies that the actor may see.
func (s *Service) QoSPolicies(ctx context.Context, f Filter) ([]*QoSPolicy, error) {
	return qosPolicies.all(ctx, s, f)
}

// QoSPolicy returns one QoS policy that the actor may see.
func (s *Service) QoSPolicy(ctx context.Context, id string) (*QoSPolicy, error) {
	return qosPolicies.show(ctx, s, id)
}

// hydrateQoS reads sharing and rules.
func hydrateQoS(ctx context.Context, tx *store.Tx, vs []*QoSPolicy) error {
	if err := hydrateShared(ctx, tx, "qos_policy", vs, func(p *QoSPolicy) *bool { return &p.Shared }); err != nil {
		return err
	}
	byID := map[string]*QoSPolicy{}
	for _, p := range vs {
		p.Rules = nil
		byID[p.ID] = p
	}
	all, err := qosRuleTable.WhereIn(ctx, tx, "policy_id", idsOf(vs, func(p *QoSPolicy) string { return p.ID }))
	for _, r := range all {
		p := byID[r.PolicyID]
		p.Rules = append(p.Rules, r)
	}
	return err
}

// CreateQoSPolicy makes a policy without rules.
func (s *Service) CreateQoSPolicy(ctx context.Context, tx *store.Tx, p *QoSPolicy, c Change) error {
	if err := qosPolicies.prepare(ctx, s, p, c); err != nil {
		return err
	}
	if err := s.oneDefaultQoS(ctx, tx, p); err != nil {
		return err
	}
	if err := qosPolicyTable.Insert(ctx, tx, p); err != nil {
		return err
	}
	if p.Shared {
		return s.grantAll(ctx, tx, "qos_policy", p.ID, p.ProjectID, ActionShared)
	}
	return nil
}

// oneDefaultQoS refuses a second default policy of a project.
func (s *Service) oneDefaultQoS(ctx context.Context, tx *store.Tx, p *QoSPolicy) error {
	if !p.Default {
		return nil
	}
	n, err := qosPolicyTable.Count(ctx, tx, "project_id = ? AND is_default AND id <> ?", p.ProjectID, p.ID)
	if err == nil && n > 0 {
		err = fault(errs.Conflict, "QoSPolicyDefaultAlreadyExists", "A default QoS policy exists for project %s.", p.ProjectID)
	}
	return err
}

// UpdateQoSPolicy changes a policy by apply.
func (s *Service) UpdateQoSPolicy(ctx context.Context, tx *store.Tx, id string, c Change, apply func(*QoSPolicy) error) (*QoSPolicy, error) {
	p, err := qosPolicies.open(ctx, s, tx, "update", id, c)
	if err != nil {
		return nil, err
	}
	wasShared := p.Shared
	if err := apply(p); err != nil {
		return nil, err
	}
	if err := s.oneDefaultQoS(ctx, tx, p); err != nil {
		return nil, err
	}
	switch {
	case p.Shared && !wasShared:
		err = s.grantAll(ctx, tx, "qos_policy", id, p.ProjectID, ActionShared)
	case !p.Shared && wasShared:
		all := RBACPolicy{Standard: Standard{ProjectID: p.ProjectID}, ObjectType: "qos_policy", ObjectID: id, Action: ActionShared, TargetProject: "*"}
		if err = s.unused(ctx, tx, &all, ""); err == nil {
			err = s.revokeAll(ctx, tx, "qos_policy", id, ActionShared)
		}
	}
	if err != nil {
		return nil, err
	}
	return p, qosPolicies.save(ctx, s, tx, p)
}

// DeleteQoSPolicy deletes a policy that nothing uses.
func (s *Service) DeleteQoSPolicy(ctx context.Context, tx *store.Tx, id string, c Change) error {
	if _, err := qosPolicies.open(ctx, s, tx, "delete", id, c); err != nil {
		return err
	}
	used, err := pairsIn(ctx, tx, "SELECT object_type, object_id FROM qos_binding", "policy_id", []string{id}, "object_id")
	if err != nil {
		return err
	}
	if len(used) > 0 {
		return fault(errs.Conflict, "QosPolicyInUse", "QoS Policy %s is used by %s %s.", id, used[0].a, used[0].b)
	}
	if err := s.forgetGrants(ctx, tx, "qos_policy", id); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, "DELETE FROM qos_rule WHERE policy_id = ?", id); err != nil {
		return err
	}
	return qosPolicyTable.Delete(ctx, tx, id)
}

// bindQoS gives a network or port a policy, or takes it away. What it was before
// is old.
func (s *Service) bindQoS(ctx context.Context, tx *store.Tx, objectType, objectID, old, policyID string) error {
	if policyID == old {
		return nil
	}
	if old != "" {
		if _, err := qosPolicies.visible(ctx, s, tx, old); errs.Is(err, errs.NotFound) {
			return fault(errs.Forbidden, "PolicyRemoveAuthorizationError", "Failed to remove provided policy %s because you are not authorized.", old)
		} else if err != nil {
			return err
		}
	}
	if err := unbindQoS(ctx, tx, objectID); err != nil || policyID == "" {
		return err
	}
	if _, err := qosPolicies.visible(ctx, s, tx, policyID); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, "INSERT INTO qos_binding (object_id, object_type, policy_id) VALUES (?, ?, ?)", objectID, objectType, policyID)
	return err
}

func unbindQoS(ctx context.Context, tx *store.Tx, objectID string) error {
	_, err := tx.Exec(ctx, "DELETE FROM qos_binding WHERE object_id = ?", objectID)
	return err
}

// defaultQoS is the policy that new networks of a project have.
func defaultQoS(ctx context.Context, tx *store.Tx, projectID string) (string, error) {
	id, err := store.One(ctx, tx, store.Value[string], "SELECT id FROM qos_policy WHERE project_id = ? AND is_default", projectID)
	if errors.Is(err, store.ErrNoRows) {
		return "", nil
	}
	return id, err
}

// touchQoS marks every port that a policy is in force on.
func (s *Service) touchQoS(ctx context.Context, tx *store.Tx, policyID string) error {
	return s.touchPorts(ctx, tx, `SELECT id FROM network_port WHERE id IN (SELECT object_id FROM qos_binding WHERE policy_id = ?)
		OR network_id IN (SELECT object_id FROM qos_binding WHERE policy_id = ?)`, policyID, policyID)
}

// touchQoSOfNetwork marks the ports of a network that has another policy now.
func (s *Service) touchQoSOfNetwork(ctx context.Context, tx *store.Tx, networkID string) error {
	return s.touchPorts(ctx, tx, "SELECT id FROM network_port WHERE network_id = ?", networkID)
}
