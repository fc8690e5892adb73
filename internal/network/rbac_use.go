package network

import (
	"context"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

// use says who relies on a grant: a project, with something of its own.
type use struct{ project, id string }

// usesOf finds who uses an object by a grant; the conditions narrow the projects.
func (f *RBACPolicies) usesOf(ctx context.Context, tx *store.Tx, r *RBACPolicy, conds []store.Cond) ([]use, error) {
	by := func(field string) []store.Cond { return append([]store.Cond{store.Eq(field, r.ObjectID)}, conds...) }
	among := func(ids []string) []store.Cond { return append([]store.Cond{store.In("id", ids)}, conds...) }
	switch r.ObjectType {
	case "network": // as external; sharing has a check of its own
		return usersIn(ctx, tx, f.s.Routers.table, by("gateway_network_id"))
	case "security_group":
		links, err := f.s.portGroups.All(ctx, tx, store.Eq("group_id", r.ObjectID))
		if err != nil || len(links) == 0 {
			return nil, err
		}
		return usersIn(ctx, tx, f.s.Ports.table, among(idsOf(links, func(g *PortGroup) string { return g.PortID })))
	case "address_group":
		return usersIn(ctx, tx, f.s.SecurityGroupRules.table, by("address_group_id"))
	case "address_scope":
		return usersIn(ctx, tx, f.s.SubnetPools.table, by("address_scope_id"))
	case "subnetpool":
		return usersIn(ctx, tx, f.s.Subnets.table, by("subnetpool_id"))
	}
	bound, err := f.s.QoSPolicies.bindings.All(ctx, tx, store.Eq("policy_id", r.ObjectID))
	if err != nil || len(bound) == 0 {
		return nil, err
	}
	users := idsOf(bound, func(b *QoSBinding) string { return b.ObjectID })
	ports, err := usersIn(ctx, tx, f.s.Ports.table, among(users))
	if err != nil {
		return nil, err
	}
	networks, err := usersIn(ctx, tx, f.s.Networks.table, among(users))
	return append(ports, networks...), err
}

func usersIn[T any, P resource[T]](ctx context.Context, tx *store.Tx, t *store.Table[T], conds []store.Cond) ([]use, error) {
	vs, err := t.All(ctx, tx, conds...)
	out := make([]use, len(vs))
	for i, v := range vs {
		out[i] = use{P(v).Std().ProjectID, P(v).Std().ID}
	}
	return out, err
}

// revocable refuses to take back a grant that somebody relies on who has no
// other; next is its target afterwards.
func (f *RBACPolicies) revocable(ctx context.Context, tx *store.Tx, r *RBACPolicy, next string) error {
	if next == "*" {
		return nil
	}
	if r.ObjectType != "network" || r.Action != ActionShared {
		return f.unused(ctx, tx, r, next)
	}
	n, err := f.s.Networks.load(ctx, tx, r.ObjectID)
	if err != nil {
		return err
	}
	err = f.s.Networks.unusedByOthers(ctx, tx, n, r.TargetProject, next)
	if e, ok := asFault(err); ok && e.Code == "InvalidSharedSetting" {
		return inUse(r, e.Msg)
	}
	return err
}

func (f *RBACPolicies) unused(ctx context.Context, tx *store.Tx, r *RBACPolicy, next string) error {
	var conds []store.Cond
	// Of QoS policies Neutron counts the owner's use, too, and takes a change of
	// target for a removal.
	if strict := r.ObjectType == "qos_policy" && r.TargetProject == "*"; !strict {
		conds = append(conds, store.Ne("project_id", r.ProjectID), store.Ne("project_id", next))
	}
	if r.TargetProject != "*" {
		conds = append(conds, store.Eq("project_id", r.TargetProject))
	}
	used, err := f.usesOf(ctx, tx, r, conds)
	if err != nil {
		return err
	}
	for _, u := range used {
		otherwise, err := f.s.grants.granted(ctx, tx, r.ObjectType, r.ObjectID, store.Eq("action", r.Action), store.Ne("target", r.TargetProject), reaches(u.project))
		if err != nil {
			return err
		}
		if !otherwise {
			return inUse(r, "it is used by "+u.id+" of project "+u.project+".")
		}
	}
	return nil
}

func inUse(r *RBACPolicy, what string) error {
	return fault(errs.Conflict, "RbacPolicyInUse", "RBAC policy on object %s cannot be removed because other objects depend on it. Details: %s", r.ObjectID, what)
}
