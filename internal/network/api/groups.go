package api

import (
	"slices"

	"kumoi/internal/kernel/change"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/rest"
	"kumoi/internal/network"
)

// securityGroups is /v2.0/security-groups, and /v2.0/security-group-rules.
func (a *api) securityGroups() []httpx.Route {
	type G = network.SecurityGroup
	s, std := a.svc.SecurityGroups, func(v *G) *network.Standard { return &v.Standard }
	rules := groupRules()
	rule := rules.View(nil, func(string) bool { return true })
	groups := collection(a, &rest.Resource[G, change.Patch[G], change.Patch[G]]{
		Path: "/v2.0/security-groups", One: "security_group", Many: "security_groups", ID: func(v *G) string { return v.ID },
		List: s.List, Show: s.Show, Create: s.Create, CreateMany: s.CreateMany, Update: s.Update, Delete: s.Delete,
	}, rest.NewAttributes(slices.Concat(own(std, std), described(std, std), []rest.Attribute[G, G]{
		rest.Attr("stateful", rest.Both, true, toBool, func(v *G) *bool { return &v.Stateful }).By("stateful"),
		rest.ReadOnly[G]("shared", func(w *rest.Writer, key string, v *G) { w.Bool(key, v.Shared) }).By("shared").Unsorted().Read(asBool("shared")),
		rest.ReadOnly[G]("security_group_rules", func(w *rest.Writer, key string, v *G) {
			w.List(key, func() {
				for _, r := range v.Rules {
					w.Object("", func() { rule(w, r) })
				}
			})
		}),
	})...))
	type R = network.SecurityGroupRule
	r := a.svc.SecurityGroupRules
	return append(groups, collection(a, &rest.Resource[R, change.Patch[R], change.Patch[R]]{
		Path: "/v2.0/security-group-rules", One: "security_group_rule", Many: "security_group_rules", ID: func(v *R) string { return v.ID },
		List: r.List, Show: r.Show, Create: r.Create, CreateMany: r.CreateMany, Delete: r.Delete,
	}, rules)...)
}
