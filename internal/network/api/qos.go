package api

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/store"
	"kumoi/internal/network"
)

// qosResource is /v2.0/qos/policies.
func qosResource(s *network.Service) *resource[network.QoSPolicy, network.QoSPolicy] {
	type P = network.QoSPolicy
	std := func(p *P) *network.Standard { return &p.Standard }
	attrs := standard(std, std, "name", "description", "tags")
	attrs = append(attrs,
		field("shared", post|put, false, toBool, func(p *P) *bool { return &p.Shared }, func(p *P) any { return p.Shared }),
		field("is_default", post|put, false, toBool, func(p *P) *bool { return &p.Default }, func(p *P) any { return p.Default }),
		shown[P]("rules", func(p *P) any {
			out := make([]map[string]any, len(p.Rules))
			for i, r := range p.Rules {
				out[i] = qosRuleResource(s, p.ID, r.Kind).view(r, nil, func(string) bool { return true })
				out[i]["type"], out[i]["qos_policy_id"] = r.Kind, p.ID
			}
			return out
		}).unfiltered(),
	)
	return &resource[P, P]{
		member: "policy", collection: "policies", path: "/v2.0/qos/policies", attrs: attrs, createBulk: true,
		id: func(p *P) string { return p.ID }, tags: func(p *P) []string { return p.Tags },
		begin: func() *P { return &P{} },
		list:  s.QoSPolicies, paged: true, show: s.QoSPolicy,
		create: func(ctx context.Context, tx *store.Tx, p *P, c network.Change) (*P, error) {
			return p, s.CreateQoSPolicy(ctx, tx, p, c)
		},
		update: s.UpdateQoSPolicy, remove: s.DeleteQoSPolicy,
	}
}

// qosRuleResource is the collection of one kind of rules of one policy.
func qosRuleResource(s *network.Service, policy, kind string) *resource[network.QoSRule, network.QoSRule] {
	type R = network.QoSRule
	kbps := toInt(0, math.MaxInt32)
	direction := field("direction", post|put, network.QoSEgress, toChoice(network.QoSEgress, network.QoSIngress),
		func(r *R) *string { return &r.Direction }, func(r *R) any { return r.Direction })
	attrs := []attr[R, R]{
		shown[R]("id", func(r *R) any { return r.ID }),
		field("project_id", post, unset, toText(255), func(r *R) *string { return &r.ProjectID }, silent[R]()),
		field("tenant_id", post, unset, toText(255), func(r *R) *string { return &r.ProjectID }, silent[R]()),
	}
	switch kind {
	case network.QoSBandwidth:
		attrs = append(attrs, direction,
			field("max_kbps", post|put, unset, kbps, func(r *R) *int { return &r.MaxKbps }, func(r *R) any { return r.MaxKbps }).needed(),
			field("max_burst_kbps", post|put, "0", kbps, func(r *R) *int { return &r.BurstKbps }, func(r *R) any { return r.BurstKbps }))
	case network.QoSMinBandwidth:
		attrs = append(attrs, direction,
			field("min_kbps", post|put, unset, kbps, func(r *R) *int { return &r.MinKbps }, func(r *R) any { return r.MinKbps }).needed())
	case network.QoSDSCP:
		attrs = append(attrs, field("dscp_mark", post|put, unset, toDSCP, func(r *R) *int { return &r.DSCP }, func(r *R) any { return r.DSCP }).needed())
	}
	return &resource[R, R]{
		member: kind + "_rule", collection: kind + "_rules", attrs: attrs,
		id: func(r *R) string { return r.ID },
		begin: func() *R {
			r := &R{PolicyID: policy, Kind: kind}
			if kind != network.QoSDSCP {
				r.Direction = network.QoSEgress
			}
			return r
		},
		list: func(ctx context.Context, _ network.Filter) ([]*R, error) { return s.QoSRules(ctx, policy, kind) },
		show: func(ctx context.Context, id string) (*R, error) { return s.QoSRule(ctx, policy, kind, id) },
		create: func(ctx context.Context, tx *store.Tx, r *R, c network.Change) (*R, error) {
			return r, s.CreateQoSRule(ctx, tx, r, c)
		},
		update: func(ctx context.Context, tx *store.Tx, id string, _ network.Change, apply func(*R) error) (*R, error) {
			return s.UpdateQoSRule(ctx, tx, policy, kind, id, apply)
		},
		remove: func(ctx context.Context, tx *store.Tx, id string, _ network.Change) error {
			return s.DeleteQoSRule(ctx, tx, policy, kind, id)
		},
	}
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

// qosRoutes serve the rules of whichever policy the path names, and the kinds of rules.
func (a *api) qosRoutes() []httpx.Route {
	type H = handlers[network.QoSRule, network.QoSRule]
	out := []httpx.Route{
		{Method: http.MethodGet, Path: "/v2.0/qos/rule-types", Policy: "get_rule_type", Handler: a.ruleTypes},
		{Method: http.MethodGet, Path: "/v2.0/qos/rule-types/{rule_type}", Policy: "get_rule_type", Handler: a.ruleType},
	}
	for _, kind := range network.QoSRuleKinds() {
		of := func(serve func(*H, context.Context, *httpx.Request) (*httpx.Response, error)) httpx.Handler {
			return func(ctx context.Context, req *httpx.Request) (*httpx.Response, error) {
				r := qosRuleResource(a.svc, req.Var("policy_id"), kind)
				r.index()
				return serve(&H{a, r}, ctx, req)
			}
		}
		base := "/v2.0/qos/policies/{policy_id}/" + kind + "_rules"
		one := base + "/{rule_id}"
		rule := "policy_" + kind + "_rule"
		out = append(out,
			httpx.Route{Method: http.MethodGet, Path: base, Policy: "get_" + rule, Handler: of((*H).list)},
			httpx.Route{Method: http.MethodPost, Path: base, Policy: "create_" + rule, Handler: of((*H).create)},
			httpx.Route{Method: http.MethodGet, Path: one, Policy: "get_" + rule, Handler: of((*H).show)},
			httpx.Route{Method: http.MethodPut, Path: one, Policy: "update_" + rule, Handler: of((*H).update)},
			httpx.Route{Method: http.MethodDelete, Path: one, Policy: "delete_" + rule, Handler: of((*H).remove)},
		)
	}
	return out
}

func (a *api) ruleTypes(ctx context.Context, _ *httpx.Request) (*httpx.Response, error) {
	if err := a.svc.Allow(ctx, "get_rule_type", ""); err != nil {
		return nil, err
	}
	out := []map[string]any{}
	for _, kind := range network.QoSRuleKinds() {
		out = append(out, map[string]any{"type": kind})
	}
	return httpx.JSON(http.StatusOK, map[string]any{"rule_types": out}), nil
}

// ruleType tells administrators which values a kind of rule takes, as Neutron does.
func (a *api) ruleType(ctx context.Context, req *httpx.Request) (*httpx.Response, error) {
	if err := a.svc.Allow(ctx, "context_is_admin", ""); err != nil {
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
