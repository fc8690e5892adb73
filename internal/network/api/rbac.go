package api

import (
	"kumoi/internal/kernel/change"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/rest"
	"kumoi/internal/network"
)

// rbacPolicies is /v2.0/rbac-policies.
func (a *api) rbacPolicies() []httpx.Route {
	type P = network.RBACPolicy
	s, std := a.svc.RBACPolicies, func(v *P) *network.Standard { return &v.Standard }
	text := func(name, field string, at func(*P) *string) rest.Attribute[P, P] {
		return rest.Attr(name, rest.Post, rest.Unset, toText(255), at).Needed().By(field)
	}
	target := func(v *P) *string { return &v.TargetProject }
	return collection(a, &rest.Resource[P, change.Patch[P], change.Patch[P]]{
		Path: "/v2.0/rbac-policies", One: "rbac_policy", Many: "rbac_policies", ID: func(v *P) string { return v.ID },
		List: s.List, Show: s.Show, Create: s.Create, Update: s.Update, Delete: s.Delete,
	}, rest.NewAttributes(append(owned(std, std),
		text("object_type", "object_type", func(v *P) *string { return &v.ObjectType }),
		rest.Attr("object_id", rest.Post, rest.Unset, toUUID, func(v *P) *string { return &v.ObjectID }).Needed().By("object_id"),
		text("action", "action", func(v *P) *string { return &v.Action }),
		rest.Attr("target_tenant", rest.Both, rest.Unset, toText(255), target).By("target"),
		rest.Asked[P, P]("target_project", rest.Both, rest.Unset, toText(255), target, nil),
	)...))
}
