package api

import (
	"context"
	"net/http"
	"net/netip"
	"strconv"
	"strings"

	"kumoi/internal/kernel/change"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/rest"
	"kumoi/internal/kernel/store"
	"kumoi/internal/network"
)

// securityGroupDoc is a security group in the words compute had for it: only
// rules for what comes in.
func securityGroupDoc(g *network.SecurityGroup) object {
	rules := []object{}
	for _, r := range g.Rules {
		if r.Direction == "ingress" {
			rules = append(rules, groupRuleDoc(r))
		}
	}
	return object{"id": g.ID, "name": g.Name, "description": g.Description, "tenant_id": g.ProjectID, "rules": rules}
}

func groupRuleDoc(r *network.SecurityGroupRule) object {
	doc := object{
		"id": r.ID, "parent_group_id": r.GroupID, "ip_protocol": nil, "from_port": nil, "to_port": nil, "ip_range": object{}, "group": object{},
	}
	if r.Protocol != "" {
		doc["ip_protocol"] = r.Protocol
		doc["from_port"], doc["to_port"] = -1, -1
	}
	if r.PortMin != nil {
		doc["from_port"] = *r.PortMin
	}
	if r.PortMax != nil {
		doc["to_port"] = *r.PortMax
	}
	switch {
	case r.RemoteGroupID != "":
		doc["group"] = object{"name": r.RemoteGroupID, "tenant_id": r.ProjectID}
	case r.RemotePrefix != "":
		doc["ip_range"] = object{"cidr": r.RemotePrefix}
	default:
		doc["ip_range"] = object{"cidr": "0.0.0.0/0"}
	}
	return doc
}

func (a *securityGroups) list(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	groups, _, err := a.svc.Proxies.Groups(ctx, "os-security-groups:get")
	if err != nil {
		return nil, err
	}
	all, err := groups.List(ctx, store.Query{Sort: []store.Sort{{Field: "created_at"}, {Field: "id"}}})
	if err != nil {
		return nil, err
	}
	everybody, _ := httpx.ParseBool(r.Query.Get("all_tenants"))
	docs := []object{}
	for _, g := range all.Rows {
		if everybody || g.ProjectID == ownProject(ctx) {
			docs = append(docs, securityGroupDoc(g))
		}
	}
	if docs, err = offsetPage(r, docs); err != nil {
		return nil, err
	}
	return httpx.JSON(http.StatusOK, object{"security_groups": docs}), nil
}

func groupMissing(err error, id string) error {
	if errs.Is(err, errs.NotFound) {
		return errs.New(errs.NotFound, "Security group %s not found.", id)
	}
	return err
}

func (a *securityGroups) show(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	groups, _, err := a.svc.Proxies.Groups(ctx, "os-security-groups:show")
	if err != nil {
		return nil, err
	}
	g, err := groups.Show(ctx, r.Var("security_group_id"))
	if err != nil {
		return nil, groupMissing(err, r.Var("security_group_id"))
	}
	return httpx.JSON(http.StatusOK, object{"security_group": securityGroupDoc(g)}), nil
}

var groupSchema = fixed(wrapped("security_group", object{"type": "object", "required": list{"name"}, "properties": object{
	"name": object{"type": "string", "minLength": 1, "maxLength": 255, "pattern": `\S`}, "description": object{"type": list{"string", "null"}, "maxLength": 255},
}}))

type groupBody struct {
	Group struct {
		Name        string
		Description *string
	} `json:"security_group"`
}

func (b *groupBody) set(g *network.SecurityGroup) {
	g.Name = b.Group.Name
	if b.Group.Description != nil {
		g.Description = *b.Group.Description
	}
}

func (a *securityGroups) create(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	b, err := rest.Body[groupBody](r, groupSchema)
	if err != nil {
		return nil, err
	}
	groups, _, err := a.svc.Proxies.Groups(ctx, "os-security-groups:create")
	if err != nil {
		return nil, err
	}
	g, err := groups.Create(ctx, change.New(b.set))
	if err != nil {
		return nil, err
	}
	return httpx.JSON(http.StatusOK, object{"security_group": securityGroupDoc(g)}), nil
}

func (a *securityGroups) update(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	b, err := rest.Body[groupBody](r, groupSchema)
	if err != nil {
		return nil, err
	}
	groups, _, err := a.svc.Proxies.Groups(ctx, "os-security-groups:update")
	if err != nil {
		return nil, err
	}
	p := change.New(b.set)
	p.Named = []string{"name", "description"}
	g, err := groups.Update(ctx, r.Var("security_group_id"), p)
	if err != nil {
		return nil, groupMissing(err, r.Var("security_group_id"))
	}
	return httpx.JSON(http.StatusOK, object{"security_group": securityGroupDoc(g)}), nil
}

func (a *securityGroups) delete(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	groups, _, err := a.svc.Proxies.Groups(ctx, "os-security-groups:delete")
	if err != nil {
		return nil, err
	}
	err = groups.Delete(ctx, r.Var("security_group_id"))
	if errs.Is(err, errs.Conflict) {
		return nil, bad("%s", errs.As(err).Msg)
	}
	if err != nil {
		return nil, groupMissing(err, r.Var("security_group_id"))
	}
	return httpx.Empty(http.StatusAccepted), nil
}

var groupRuleSchema = fixed(wrapped("security_group_rule", object{"type": "object", "properties": object{
	"parent_group_id": object{"type": list{"string", "integer", "null"}}, "ip_protocol": object{"type": list{"string", "null"}},
	"from_port": object{"type": list{"string", "integer", "null"}}, "to_port": object{"type": list{"string", "integer", "null"}},
	"cidr": object{"type": list{"string", "null"}}, "group_id": object{"type": list{"string", "integer", "null"}},
}}))

func (a *securityGroups) createRule(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	b, err := rest.Body[struct {
		Rule map[string]rest.Text `json:"security_group_rule"`
	}](r, groupRuleSchema)
	if err != nil {
		return nil, err
	}
	rule, err := ruleOf(b.Rule)
	if err != nil {
		return nil, err
	}
	groups, rules, err := a.svc.Proxies.Groups(ctx, "os-security-groups:rule:create")
	if err != nil {
		return nil, err
	}
	if _, err := groups.Show(ctx, rule.GroupID); err != nil {
		return nil, groupMissing(err, rule.GroupID)
	}
	made, err := rules.Create(ctx, change.New(func(r *network.SecurityGroupRule) { *r = *rule }))
	switch errs.KindOf(err) {
	case errs.NotFound, errs.Conflict, errs.Exists:
		if err != nil {
			return nil, bad("%s", errs.As(err).Msg)
		}
	}
	if err != nil {
		return nil, err
	}
	doc := groupRuleDoc(made)
	if made.RemoteGroupID != "" {
		if g, err := groups.Show(ctx, made.RemoteGroupID); err == nil {
			doc["group"] = object{"name": g.Name, "tenant_id": g.ProjectID}
		}
	}
	return httpx.JSON(http.StatusOK, object{"security_group_rule": doc}), nil
}

// ruleOf reads a rule in compute's old words.
func ruleOf(b map[string]rest.Text) (*network.SecurityGroupRule, error) {
	word := func(k string) string {
		if b[k] == "null" {
			return ""
		}
		return strings.TrimSpace(string(b[k]))
	}
	r := &network.SecurityGroupRule{
		GroupID: word("parent_group_id"), Direction: "ingress", EtherType: "IPv4", Protocol: strings.ToLower(word("ip_protocol")), RemoteGroupID: word("group_id"),
	}
	if r.GroupID == "" {
		return nil, bad("Security group id should be a uuid")
	}
	if !isUUID(r.GroupID) {
		return nil, bad("Security group id should be a uuid: %s", r.GroupID)
	}
	if r.RemoteGroupID == "" {
		r.RemotePrefix = word("cidr")
		if r.RemotePrefix == "" {
			r.RemotePrefix = "0.0.0.0/0"
		}
		prefix, err := netip.ParsePrefix(r.RemotePrefix)
		if err != nil {
			return nil, bad("Invalid cidr %s", r.RemotePrefix)
		}
		if prefix.Addr().Is6() {
			r.EtherType = "IPv6"
		}
	}
	if r.RemoteGroupID != "" && r.Protocol == "" {
		return r, nil
	}
	switch r.Protocol {
	case "tcp", "udp", "icmp":
	default:
		return nil, bad("Invalid IP protocol %s.", r.Protocol)
	}
	from, err1 := strconv.Atoi(word("from_port"))
	to, err2 := strconv.Atoi(word("to_port"))
	least := 1
	if r.Protocol == "icmp" {
		least = -1
	}
	if err1 != nil || err2 != nil || from > to || from < least || to > 65535 {
		return nil, bad("Invalid port range %s:%s. %s", word("from_port"), word("to_port"), "Ports are 1 to 65535 and the first is not after the last.")
	}
	if from >= 0 {
		r.PortMin = &from
	}
	if to >= 0 {
		r.PortMax = &to
	}
	return r, nil
}

func (a *securityGroups) deleteRule(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	_, rules, err := a.svc.Proxies.Groups(ctx, "os-security-groups:rule:delete")
	if err != nil {
		return nil, err
	}
	if err := rules.Delete(ctx, r.Var("rule_id")); err != nil {
		return nil, err
	}
	return httpx.Empty(http.StatusAccepted), nil
}
