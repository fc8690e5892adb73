package api

import (
	"context"

	"kumoi/internal/kernel/store"
	"kumoi/internal/network"
)

// rbacResource is /v2.0/rbac-policies.
func rbacResource(s *network.Service) *resource[network.RBACPolicy, network.RBACPolicy] {
	type P = network.RBACPolicy
	attrs := []attr[P, P]{
		shown[P]("id", func(p *P) any { return p.ID }).indexed("id"),
		field("project_id", post, unset, toText(255), func(p *P) *string { return &p.ProjectID }, func(p *P) any { return p.ProjectID }).indexed("project_id"),
		field("tenant_id", post, unset, toText(255), func(p *P) *string { return &p.ProjectID }, func(p *P) any { return p.ProjectID }).indexed("project_id"),
		field("object_type", post, unset, toText(255), func(p *P) *string { return &p.ObjectType }, func(p *P) any { return p.ObjectType }).needed().indexed("object_type"),
		field("object_id", post, unset, toUUID, func(p *P) *string { return &p.ObjectID }, func(p *P) any { return p.ObjectID }).needed().indexed("object_id"),
		field("action", post, unset, toText(255), func(p *P) *string { return &p.Action }, func(p *P) any { return p.Action }).needed().indexed("action"),
		field("target_tenant", post|put, unset, toText(255), func(p *P) *string { return &p.TargetProject }, func(p *P) any { return p.TargetProject }).indexed("target"),
		field("target_project", post|put, unset, toText(255), func(p *P) *string { return &p.TargetProject }, silent[P]()),
	}
	return &resource[P, P]{
		member: "rbac_policy", collection: "rbac_policies", path: "/v2.0/rbac-policies", attrs: attrs,
		id: func(p *P) string { return p.ID }, begin: func() *P { return &P{} },
		list: s.RBACPolicies, paged: true, show: s.RBACPolicy,
		create: func(ctx context.Context, tx *store.Tx, p *P, c network.Change) (*P, error) {
			if p.TargetProject == "" {
				return nil, badRequest("Failed to parse request. Required attribute 'target_tenant' not specified")
			}
			return p, s.CreateRBACPolicy(ctx, tx, p, c)
		},
		update: s.UpdateRBACPolicy, remove: s.DeleteRBACPolicy,
	}
}
