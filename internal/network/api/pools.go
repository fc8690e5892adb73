package api

import (
	"context"
	"net/http"
	"net/netip"
	"strconv"

	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/store"
	"kumoi/internal/network"
)

// poolResource is /v2.0/subnetpools.
func poolResource(s *network.Service) *resource[network.SubnetPool, network.SubnetPool] {
	type P = network.SubnetPool
	std := func(p *P) *network.Standard { return &p.Standard }
	attrs := standard(std, std, "name", "description", "tags")
	length := toInt(0, 128)
	attrs = append(attrs,
		field("prefixes", post|put, unset, listOf(toPrefix), func(p *P) *[]netip.Prefix { return &p.Prefixes }, func(p *P) any { return texts(p.Prefixes) }).needed(),
		field("default_prefixlen", post|put, unset, length, func(p *P) *int { return &p.DefaultPrefixLen }, func(p *P) any { return strconv.Itoa(p.DefaultPrefixLen) }),
		field("min_prefixlen", post|put, unset, length, func(p *P) *int { return &p.MinPrefixLen }, func(p *P) any { return strconv.Itoa(p.MinPrefixLen) }),
		field("max_prefixlen", post|put, unset, length, func(p *P) *int { return &p.MaxPrefixLen }, func(p *P) any { return strconv.Itoa(p.MaxPrefixLen) }),
		field("default_quota", post|put, nil, toQuota, func(p *P) **int64 { return &p.DefaultQuota }, func(p *P) any {
			if p.DefaultQuota == nil {
				return nil
			}
			return *p.DefaultQuota
		}),
		field("address_scope_id", post|put, nil, toUUIDOrNone, func(p *P) *string { return &p.AddressScopeID }, func(p *P) any { return orNull(p.AddressScopeID) }).indexed("address_scope_id"),
		field("is_default", post|put, false, toBool, func(p *P) *bool { return &p.Default }, func(p *P) any { return p.Default }),
		field("shared", post, false, toBool, func(p *P) *bool { return &p.Shared }, func(p *P) any { return p.Shared }),
		shown[P]("ip_version", func(p *P) any { return p.IPVersion }),
	)
	return &resource[P, P]{
		member: "subnetpool", collection: "subnetpools", path: "/v2.0/subnetpools", attrs: attrs,
		id: func(p *P) string { return p.ID }, tags: func(p *P) []string { return p.Tags }, begin: func() *P { return &P{} },
		list: s.SubnetPools, paged: true, show: s.SubnetPool,
		create: func(ctx context.Context, tx *store.Tx, p *P, c network.Change) (*P, error) {
			return p, s.CreateSubnetPool(ctx, tx, p, c)
		},
		update: s.UpdateSubnetPool, remove: s.DeleteSubnetPool,
	}
}

func toQuota(v any) (*int64, error) {
	if v == nil {
		return nil, nil
	}
	n, err := toInt(0, 1<<62)(v)
	x := int64(n)
	return &x, err
}

// poolActions add and remove prefixes.
func (a *api) poolActions() []httpx.Route {
	change := func(add bool) httpx.Handler {
		return func(ctx context.Context, req *httpx.Request) (*httpx.Response, error) {
			list, err := listIn(req, "subnetpool", "prefixes")
			if err != nil {
				return nil, err
			}
			if len(list) == 0 {
				return nil, badRequest("Invalid input for prefixes. Reason: the list is empty.")
			}
			prefixes, err := listOf(toPrefix)(list)
			if err != nil {
				return nil, badRequest("Invalid input for prefixes. Reason: %s.", err)
			}
			var p *network.SubnetPool
			if err := a.db.Write(ctx, func(tx *store.Tx) (err error) {
				p, err = a.svc.ChangePrefixes(ctx, tx, idOf(req), add, prefixes)
				return err
			}); err != nil {
				return nil, err
			}
			return httpx.JSON(http.StatusOK, map[string]any{"prefixes": texts(p.Prefixes)}), nil
		}
	}
	base := "/v2.0/subnetpools/{subnetpool_id}/"
	return []httpx.Route{
		{Method: http.MethodPut, Path: base + "add_prefixes", Policy: "add_prefixes", Handler: change(true)},
		{Method: http.MethodPut, Path: base + "remove_prefixes", Policy: "remove_prefixes", Handler: change(false)},
	}
}

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
