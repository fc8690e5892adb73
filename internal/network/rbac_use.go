package network

import (
	"context"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

// grantUses are the queries for who uses an object by a grant: project and what
// of it does.
var grantUses = map[string]string{
	"network":        "SELECT project_id, id FROM network_router WHERE gateway_network_id = ?", // as external; sharing has a check of its own
	"security_group": "SELECT p.project_id, p.id FROM network_port p JOIN network_port_security_group g ON g.port_id = p.id WHERE g.group_id = ?",
	"address_group":  "SELECT project_id, id FROM network_security_group_rule WHERE address_group_id = ?",
	"address_scope":  "SELECT project_id, id FROM network_subnetpool WHERE address_scope_id = ?",
	"subnetpool":     "SELECT project_id, id FROM network_subnet WHERE subnetpool_id = ?",
	"qos_policy": `SELECT project_id, object_id FROM (
		SELECT p.project_id, b.object_id, b.policy_id FROM network_qos_binding b JOIN network_port p ON p.id = b.object_id
		UNION ALL SELECT n.project_id, b.object_id, b.policy_id FROM network_qos_binding b JOIN network n ON n.id = b.object_id) AS used
		WHERE policy_id = ?`,
}

// revocable refuses to take back a grant that somebody relies on who has no
// other; next is its target afterwards.
func (s *Service) revocable(ctx context.Context, tx *store.Tx, r *RBACPolicy, next string) error {
	if next == "*" {
		return nil
	}
	if r.ObjectType != "network" || r.Action != ActionShared {
		return s.unused(ctx, tx, r, next)
	}
	n, err := s.Networks.load(ctx, tx, r.ObjectID)
	if err != nil {
		return err
	}
	err = s.networkUnusedByOthers(ctx, tx, n, r.TargetProject, next)
	if e, ok := asFault(err); ok && e.Code == "InvalidSharedSetting" {
		return inUse(r, e.Msg)
	}
	return err
}

func (s *Service) unused(ctx context.Context, tx *store.Tx, r *RBACPolicy, next string) error {
	used, err := store.All(ctx, tx, scanPair, grantUses[r.ObjectType], r.ObjectID)
	if err != nil {
		return err
	}
	// Of QoS policies Neutron counts the owner's use, too, and takes a change of
	// target for a removal.
	strict := r.ObjectType == "qos_policy" && r.TargetProject == "*"
	for _, u := range used {
		if !strict && (u.a == r.ProjectID || u.a == next) || r.TargetProject != "*" && u.a != r.TargetProject {
			continue
		}
		others, err := rbacTable.Count(ctx, tx, "object_type = ? AND object_id = ? AND action = ? AND target <> ? AND target IN (?, '*')",
			r.ObjectType, r.ObjectID, r.Action, r.TargetProject, u.a)
		if err != nil {
			return err
		}
		if others == 0 {
			return inUse(r, "it is used by "+u.b+" of project "+u.a+".")
		}
	}
	return nil
}

func inUse(r *RBACPolicy, what string) error {
	return fault(errs.Conflict, "RbacPolicyInUse", "RBAC policy on object %s cannot be removed because other objects depend on it. Details: %s", r.ObjectID, what)
}
