package network

import (
	"context"

	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/policy"
	"kumoi/internal/kernel/store"
)

// RBACPolicies are the use cases of RBAC policies, which let projects use what
// is another's.
type RBACPolicies struct {
	family[RBACPolicy, *RBACPolicy]
}

func newRBACPolicies(s *Service, t *store.Table[RBACPolicy]) *RBACPolicies {
	f := &RBACPolicies{family[RBACPolicy, *RBACPolicy]{
		s: s, table: t, name: "rbac_policy", code: "RbacPolicyNotFound", say: "RBAC policy of type unknown with ID %s not found",
		target: func(r *RBACPolicy, t policy.Target) {
			t["target_tenant"], t["target_project"] = r.TargetProject, r.TargetProject
		},
		place: func(_ context.Context, _ *store.Tx, r *RBACPolicy) error {
			if r.TargetProject == "" {
				return invalid("Failed to parse request. Required attribute 'target_tenant' not specified")
			}
			return nil
		},
		made: func(ctx context.Context, tx *store.Tx, r *RBACPolicy) error {
			return s.RBACPolicies.changed(ctx, tx, r)
		},
		// A grant is taken back only if nobody relies on it.
		gone: func(ctx context.Context, tx *store.Tx, r *RBACPolicy) error {
			if err := s.RBACPolicies.revocable(ctx, tx, r, ""); err != nil {
				return err
			}
			return s.RBACPolicies.changed(ctx, tx, r)
		},
	}}
	f.valid = f.judge
	return f
}

// judge makes sure that a policy says what can be said, and nothing twice.
func (f *RBACPolicies) judge(ctx context.Context, tx *store.Tx, r, old *RBACPolicy) error {
	if old == nil {
		if err := f.grantable(ctx, tx, r); err != nil {
			return err
		}
	} else if err := f.retarget(ctx, tx, r, old); err != nil {
		return err
	}
	another, err := f.table.Any(ctx, tx, store.Eq("object_type", r.ObjectType), store.Eq("object_id", r.ObjectID),
		store.Eq("action", r.Action), store.Eq("target", r.TargetProject), store.Ne("id", r.ID))
	if err != nil {
		return err
	}
	if another {
		return fault(errs.Conflict, "DuplicateRBACPolicy", "An RBAC policy already exists with those values.")
	}
	if old != nil {
		return f.changed(ctx, tx, r)
	}
	return nil
}

// grantable makes sure that the actor can grant this, and may.
func (f *RBACPolicies) grantable(ctx context.Context, tx *store.Tx, r *RBACPolicy) error {
	owner, err := f.objectOwner(ctx, tx, r)
	if err != nil {
		return err
	}
	if r.Action != ActionShared && (r.Action != ActionExternal || r.ObjectType != "network") {
		return fault(errs.Invalid, "InvalidInput", "Invalid input for operation: Invalid action '%s' for object type '%s'. Valid actions: %s", r.Action, r.ObjectType, ActionShared)
	}
	if owner != actor.From(ctx).ProjectID && !f.s.Access.isAdmin(ctx) {
		return fault(errs.Invalid, "InvalidInput", "Invalid input for operation: Only admins can manipulate policies on objects they do not own.")
	}
	if r.ObjectType == "subnetpool" {
		if err := f.scopeReaches(ctx, tx, r); err != nil {
			return err
		}
	}
	return f.s.Quotas.count(ctx, tx, r.ProjectID, "rbac_policy", 1)
}

// retarget makes sure that a policy can be about another project.
func (f *RBACPolicies) retarget(ctx context.Context, tx *store.Tx, r, old *RBACPolicy) error {
	if r.TargetProject == "*" && !f.s.Access.isAdmin(ctx) {
		return fault(errs.Forbidden, "PolicyNotAuthorized", "(rule:update_rbac_policy:target_tenant) is disallowed by policy")
	}
	return f.revocable(ctx, tx, old, r.TargetProject)
}

// objectOwner finds who owns the object of a policy.
func (f *RBACPolicies) objectOwner(ctx context.Context, tx *store.Tx, r *RBACPolicy) (string, error) {
	switch r.ObjectType {
	case "network":
		return ownerOf(f.s.Networks.visible(ctx, tx, r.ObjectID))
	case "security_group":
		return ownerOf(f.s.SecurityGroups.visible(ctx, tx, r.ObjectID))
	case "address_group":
		return ownerOf(f.s.AddressGroups.visible(ctx, tx, r.ObjectID))
	case "address_scope":
		return ownerOf(f.s.AddressScopes.visible(ctx, tx, r.ObjectID))
	case "subnetpool":
		return ownerOf(f.s.SubnetPools.visible(ctx, tx, r.ObjectID))
	case "qos_policy":
		return ownerOf(f.s.QoSPolicies.visible(ctx, tx, r.ObjectID))
	}
	return "", invalid("Invalid input for object_type. Reason: '%s' is not in ['address_group', 'address_scope', 'network', 'qos_policy', 'security_group', 'subnetpool'].", r.ObjectType)
}

func ownerOf(r Resource, err error) (string, error) {
	if err != nil {
		return "", err
	}
	return r.Std().ProjectID, nil
}

// changed gives a network whose sharing changed its next revision.
func (f *RBACPolicies) changed(ctx context.Context, tx *store.Tx, r *RBACPolicy) error {
	if r.ObjectType != "network" {
		return nil
	}
	return f.s.Networks.bump(ctx, tx, r.ObjectID)
}

// scopeReaches makes sure that who may use a subnet pool may use its address scope.
func (f *RBACPolicies) scopeReaches(ctx context.Context, tx *store.Tx, r *RBACPolicy) error {
	pool, err := f.s.SubnetPools.load(ctx, tx, r.ObjectID)
	if err != nil || pool.AddressScopeID == "" {
		return err
	}
	scope, err := f.s.AddressScopes.table.Get(ctx, tx, pool.AddressScopeID)
	if err != nil || scope.ProjectID == r.TargetProject {
		return err
	}
	reached, err := f.s.grants.granted(ctx, tx, "address_scope", scope.ID, reaches(r.TargetProject))
	if err == nil && !reached {
		err = fault(errs.Invalid, "InvalidInput", "Invalid input for operation: Subnetpool %s cannot be shared with project %s: address scope %s is not.", pool.ID, r.TargetProject, scope.ID)
	}
	return err
}
