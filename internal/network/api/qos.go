package api

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"

	"kumoi/internal/kernel/change"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/rest"
	"kumoi/internal/network"
)

// qosPolicies is /v2.0/qos/policies.
func (a *api) qosPolicies() []httpx.Route {
	type P = network.QoSPolicy
	s, std := a.svc.QoSPolicies, func(v *P) *network.Standard { return &v.Standard }
	rule := map[string]func(*rest.Writer, *network.QoSRule){}
	for _, kind := range network.QoSRuleKinds() {
		rule[kind] = qosRule(kind).View(nil, func(string) bool { return true })
	}
	return collection(a, &rest.Resource[P, change.Patch[P], change.Patch[P]]{
		Path: "/v2.0/qos/policies", One: "policy", Many: "policies", ID: func(v *P) string { return v.ID },
		List: s.List, Show: s.Show, Create: s.Create, CreateMany: s.CreateMany, Update: s.Update, Delete: s.Delete,
	}, rest.NewAttributes(slices.Concat(own(std, std), described(std, std), []rest.Attribute[P, P]{
		rest.Attr("shared", rest.Both, false, toBool, func(v *P) *bool { return &v.Shared }).By("shared").Unsorted(),
		rest.Attr("is_default", rest.Both, false, toBool, func(v *P) *bool { return &v.Default }).By("is_default"),
		rest.ReadOnly[P]("rules", func(w *rest.Writer, key string, v *P) {
			w.List(key, func() {
				for _, r := range v.Rules {
					w.Object("", func() {
						rule[r.Kind](w, r)
						w.Text("type", r.Kind)
						w.Text("qos_policy_id", v.ID)
					})
				}
			})
		}),
	})...))
}

// qosRules are the rules of whichever policy the path names, a collection for each kind.
func (a *api) qosRules() []httpx.Route {
	type R = network.QoSRule
	var out []httpx.Route
	for _, kind := range network.QoSRuleKinds() {
		out = append(out, collection(a, &rest.Resource[R, change.Patch[R], change.Patch[R]]{
			Path: "/v2.0/qos/policies/{policy_id}/" + kind + "_rules", Item: "rule_id", One: kind + "_rule", Many: kind + "_rules",
			Rule: rules("policy_" + kind + "_rule"),
			ID:   func(v *R) string { return v.ID }, Verbs: "list show create update delete",
			Bind: func(c *rest.Resource[R, change.Patch[R], change.Patch[R]], r *httpx.Request) {
				s := a.svc.QoSPolicies.Of(r.Var("policy_id"), kind)
				c.List, c.Show, c.Create, c.Update, c.Delete = s.List, s.Show, s.Create, s.Update, s.Delete
			},
		}, qosRule(kind))...)
	}
	return out
}

// qosRule are the attributes of one kind of rules.
func qosRule(kind string) *rest.Attributes[network.QoSRule, network.QoSRule] {
	type R = network.QoSRule
	kbps := toInt(0, math.MaxInt32)
	direction := rest.Attr("direction", rest.Both, network.QoSEgress, toChoice(network.QoSEgress, network.QoSIngress), func(v *R) *string { return &v.Direction }).By("direction")
	silent := func(name string) rest.Attribute[R, R] {
		return rest.Asked[R, R](name, rest.Post, rest.Unset, toText(255), func(v *R) *string { return &v.ProjectID }, nil)
	}
	list := []rest.Attribute[R, R]{
		rest.ReadOnly[R]("id", func(w *rest.Writer, key string, v *R) { w.Text(key, v.ID) }).By("id"), silent("project_id"), silent("tenant_id"),
	}
	switch kind {
	case network.QoSBandwidth:
		list = append(list, direction,
			rest.Attr("max_kbps", rest.Both, rest.Unset, kbps, func(v *R) *int { return &v.MaxKbps }).Needed().By("max_kbps"),
			rest.Attr("max_burst_kbps", rest.Both, "0", kbps, func(v *R) *int { return &v.BurstKbps }).By("max_burst_kbps"))
	case network.QoSMinBandwidth:
		list = append(list, direction, rest.Attr("min_kbps", rest.Both, rest.Unset, kbps, func(v *R) *int { return &v.MinKbps }).Needed().By("min_kbps"))
	case network.QoSDSCP:
		list = append(list, rest.Attr("dscp_mark", rest.Both, rest.Unset, toDSCP, func(v *R) *int { return &v.DSCP }).Needed().By("dscp_mark"))
	}
	return rest.NewAttributes(list...)
}

// dscpMarks are those that have a meaning.
var dscpMarks = []int{0, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30, 32, 34, 36, 38, 40, 46, 48, 56}

func toDSCP(v any) (int, error) {
	n, err := toInt(0, 63)(v)
	if err != nil || !slices.Contains(dscpMarks, n) {
		return 0, fmt.Errorf("'%v' is not in %s", show(v), strings.Join(strings.Fields(fmt.Sprint(dscpMarks)), ", "))
	}
	return n, nil
}

// ruleTypes are the kinds of rules.
func (a *api) ruleTypes(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	if err := a.svc.Access.Allow(ctx, "get_rule_type", ""); err != nil {
		return nil, err
	}
	var rows []short
	for _, kind := range network.QoSRuleKinds() {
		rows = append(rows, short{{"type", kind}})
	}
	return shortList(r, "rule_types", rows, "type")
}

// ruleType tells administrators which values a kind of rule takes, as Neutron does.
func (a *api) ruleType(ctx context.Context, req *httpx.Request) (*httpx.Response, error) {
	if err := a.svc.Access.Allow(ctx, "context_is_admin", ""); err != nil {
		return nil, err
	}
	kind := req.Var("rule_type")
	span := func(name string) map[string]any {
		return map[string]any{"parameter_name": name, "parameter_type": "range", "parameter_values": map[string]any{"start": 0, "end": math.MaxInt32}}
	}
	direction := map[string]any{"parameter_name": "direction", "parameter_type": "choices", "parameter_values": []string{network.QoSEgress, network.QoSIngress}}
	parameters, ok := map[string]any{
		network.QoSBandwidth:    []any{span("max_kbps"), span("max_burst_kbps"), direction},
		network.QoSMinBandwidth: []any{span("min_kbps"), direction},
		network.QoSDSCP:         []any{map[string]any{"parameter_name": "dscp_mark", "parameter_type": "choices", "parameter_values": dscpMarks}},
	}[kind]
	if !ok {
		return nil, errs.New(errs.NotFound, "QoS rule type %s could not be found.", kind).WithCode("QosRuleTypeNotFound")
	}
	return httpx.JSON(http.StatusOK, map[string]any{"rule_type": map[string]any{
		"type": kind, "drivers": []any{map[string]any{"name": "ovn", "supported_parameters": parameters}},
	}}), nil
}
