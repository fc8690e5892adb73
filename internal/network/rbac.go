package network

import (
	"context"

	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/ids"
	"kumoi/internal/kernel/store"
)

// What an RBAC policy can grant.
const (
	ActionShared   = "access_as_shared"
	ActionExternal = "access_as_external"
)

// RBACPolicies returns the policies that the actor may see.
func (s *Service) RBACPolicies(ctx context.Context, f Filter) ([]*RBACPolicy, error) {
	return rbacs.all(ctx, s, f)
}

// RBACPolicy returns one policy that the actor may see.
func (s *Service) RBACPolicy(ctx context.Context, id string) (*RBACPolicy, error) {
	return rbacs.show(ctx, s, id)
}

// grantAll lets every project use an object.
func (s *Service) grantAll(ctx context.Context, tx *store.Tx, objectType, objectID, projectID, action string) error {
	n, err := rbacTable.Count(ctx, tx, "object_type = ? AND object_id = ? AND action = ? AND target = '*'", objectType, objectID, action)
	if err != nil || n > 0 {
		return err
	}
	now := s.now()
	return rbacTable.Insert(ctx, tx, &RBACPolicy{
		Standard:   Standard{ID: ids.New(), ProjectID: projectID, Revision: 0, CreatedAt: now, UpdatedAt: now},
		ObjectType: objectType, ObjectID: objectID, Action: action, TargetProject: "*",
	})
}

// revokeAll is the inverse of grantAll.
func (s *Service) revokeAll(ctx context.Context, tx *store.Tx, objectType, objectID, action string) error {
	_, err := tx.Exec(ctx, "DELETE FROM rbac_policy WHERE object_type = ? AND object_id = ? AND action = ? AND target = '*'", objectType, objectID, action)
	return err
}

// forgetGrants removes the policies of a deleted object.
func (s *Service) forgetGrants(ctx context.Context, tx *store.Tx, objectType, objectID string) error {
	_, err := tx.Exec(ctx, "DELETE FROM rbac_policy WHERE object_type = ? AND object_id = ?", objectType, objectID)
	return err
}

// objectOwner finds who owns the object of a policy.
func (s *Service) objectOwner(ctx context.Context, tx *store.Tx, r *RBACPolicy) (string, error) {
	switch r.ObjectType {
	case "network":
		n, err := s.Networks.visible(ctx, tx, r.ObjectID)
		if err != nil {
			return "", err
		}
		return n.ProjectID, nil
	case "security_group":
		g, err := s.SecurityGroups.visible(ctx, tx, r.ObjectID)
		if err != nil {
			return "", err
		}
		return g.ProjectID, nil
	case "address_group":
		g, err := s.AddressGroups.visible(ctx, tx, r.ObjectID)
		if err != nil {
			return "", err
		}
		return g.ProjectID, nil
	case "address_scope":
		a, err := s.AddressScopes.visible(ctx, tx, r.ObjectID)
		if err != nil {
			return "", err
		}
		return a.ProjectID, nil
	case "subnetpool":
		p, err := s.SubnetPools.visible(ctx, tx, r.ObjectID)
		if err != nil {
			return "", err
		}
		return p.ProjectID, nil
	case "qos_policy":
		p, err := s.QoSPolicies.visible(ctx, tx, r.ObjectID)
		if err != nil {
			return "", err
		}
		return p.ProjectID, nil
	}
	return "", invalid("Invalid input for object_type. Reason: '%s' is not in ['address_group', 'address_scope', 'network', 'qos_policy', 'security_group', 'subnetpool'].", r.ObjectType)
}

// CreateRBACPolicy grants a project the use of the actor's resource.
func (s *Service) CreateRBACPolicy(ctx context.Context, tx *store.Tx, r *RBACPolicy, c Change) error {
	if err := rbacs.prepare(ctx, s, r, c); err != nil {
		return err
	}
	owner, err := s.objectOwner(ctx, tx, r)
	if err != nil {
		return err
	}
	if r.Action != ActionShared && (r.Action != ActionExternal || r.ObjectType != "network") {
		return fault(errs.Invalid, "InvalidInput", "Invalid input for operation: Invalid action '%s' for object type '%s'. Valid actions: %s", r.Action, r.ObjectType, ActionShared)
	}
	if owner != actor.From(ctx).ProjectID && !s.isAdmin(ctx) {
		return fault(errs.Invalid, "InvalidInput", "Invalid input for operation: Only admins can manipulate policies on objects they do not own.")
	}
	if r.ObjectType == "subnetpool" {
		if err := s.scopeReaches(ctx, tx, r); err != nil {
			return err
		}
	}
	if err := rbacs.countQuota(ctx, s, tx, r.ProjectID, 1); err != nil {
		return err
	}
	n, err := rbacTable.Count(ctx, tx, "object_type = ? AND object_id = ? AND action = ? AND target = ?", r.ObjectType, r.ObjectID, r.Action, r.TargetProject)
	if err != nil {
		return err
	}
	if n > 0 {
		return fault(errs.Conflict, "DuplicateRBACPolicy", "An RBAC policy already exists with those values.")
	}
	if err := rbacTable.Insert(ctx, tx, r); err != nil {
		return err
	}
	return s.grantsChanged(ctx, tx, r)
}

// grantsChanged gives a network whose sharing changed its next revision.
func (s *Service) grantsChanged(ctx context.Context, tx *store.Tx, r *RBACPolicy) error {
	if r.ObjectType != "network" {
		return nil
	}
	return s.bumpNetwork(ctx, tx, r.ObjectID)
}

// scopeReaches makes sure that who may use a subnet pool may use its address scope.
func (s *Service) scopeReaches(ctx context.Context, tx *store.Tx, r *RBACPolicy) error {
	pool, err := s.SubnetPools.load(ctx, tx, r.ObjectID)
	if err != nil || pool.AddressScopeID == "" {
		return err
	}
	scope, err := s.AddressScopes.table.Get(ctx, tx, pool.AddressScopeID)
	if err != nil || scope.ProjectID == r.TargetProject {
		return err
	}
	n, err := rbacTable.Count(ctx, tx, "object_type = 'address_scope' AND object_id = ? AND target IN (?, '*')", scope.ID, r.TargetProject)
	if err == nil && n == 0 {
		return fault(errs.Invalid, "InvalidInput", "Invalid input for operation: Subnetpool %s cannot be shared with project %s: address scope %s is not.", pool.ID, r.TargetProject, scope.ID)
	}
	return err
}

// UpdateRBACPolicy changes a policy's target.
func (s *Service) UpdateRBACPolicy(ctx context.Context, tx *store.Tx, id string, c Change, apply func(*RBACPolicy) error) (*RBACPolicy, error) {
	r, err := rbacs.open(ctx, s, tx, "update", id, c)
	if err != nil {
		return nil, err
	}
	old := *r
	if err := apply(r); err != nil {
		return nil, err
	}
	if r.TargetProject == "*" && !s.isAdmin(ctx) {
		return nil, fault(errs.Forbidden, "PolicyNotAuthorized", "(rule:update_rbac_policy:target_tenant) is disallowed by policy")
	}
	if err := s.revocable(ctx, tx, &old, r.TargetProject); err != nil {
		return nil, err
	}
	if err := s.grantsChanged(ctx, tx, r); err != nil {
		return nil, err
	}
	return r, rbacs.save(ctx, s, tx, r)
}

// DeleteRBACPolicy takes a grant back if nobody relies on it.
func (s *Service) DeleteRBACPolicy(ctx context.Context, tx *store.Tx, id string, c Change) error {
	r, err := rbacs.open(ctx, s, tx, "delete", id, c)
	if err != nil {
		return err
	}
	if err := s.revocable(ctx, tx, r, ""); err != nil {
		return err
	}
	if err := s.grantsChanged(ctx, tx, r); err != nil {
		return err
	}
	return rbacTable.Delete(ctx, tx, id)
}
