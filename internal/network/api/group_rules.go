package api

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"kumoi/internal/kernel/change"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/rest"
	"kumoi/internal/network"
)

// groupRules are the attributes of a security group's rules.
func groupRules() *rest.Attributes[network.SecurityGroupRule, network.SecurityGroupRule] {
	type R = network.SecurityGroupRule
	std := func(v *R) *network.Standard { return &v.Standard }
	return rest.NewAttributes(slices.Concat(unnamed(std, std), described(std, std), ruleAttributes(toText(36)), []rest.Attribute[R, R]{
		rest.Attr("security_group_id", rest.Post, rest.Unset, toUUID, func(v *R) *string { return &v.GroupID }).Needed().By("group_id"),
		rest.ReadOnly[R]("belongs_to_default_sg", func(w *rest.Writer, key string, v *R) { w.Bool(key, v.InDefaultGroup) }).
			By("belongs_to_default_sg").Unsorted().Read(asBool("belongs_to_default_sg")),
		rest.ReadOnly[R]("normalized_cidr", func(w *rest.Writer, key string, v *R) { w.TextOrNull(key, v.NormalizedCIDR()) }).By("normalized_cidr").Read(wants(toText(64))),
	})...)
}

// defaultRules is /v2.0/default-security-group-rules.
func (a *api) defaultRules() []httpx.Route {
	type R = network.SecurityGroupRule
	s := a.svc.DefaultRules
	return collection(a, &rest.Resource[R, change.Patch[R], change.Patch[R]]{
		Path: "/v2.0/default-security-group-rules", One: "default_security_group_rule", Many: "default_security_group_rules", ID: func(v *R) string { return v.ID },
		List: s.List, Show: s.Show, Create: s.Create, Delete: s.Delete,
	}, rest.NewAttributes(append(ruleAttributes(toParentOrUUID),
		rest.ReadOnly[R]("id", func(w *rest.Writer, key string, v *R) { w.Text(key, v.ID) }).By("id"),
		rest.Attr("description", rest.Post, "", toText(255), func(v *R) *string { return &v.Description }).By("description"),
		rest.Attr("used_in_default_sg", rest.Post, false, toBool, func(v *R) *bool { return &v.InDefaultGroup }).By("in_default_group"),
		rest.Attr("used_in_non_default_sg", rest.Post, true, toBool, func(v *R) *bool { return &v.InCustomGroup }).By("in_custom_group"),
	)...))
}

// ruleAttributes are what both kinds of rules have; group reads the group at the other end.
func ruleAttributes(group func(any) (string, error)) []rest.Attribute[network.SecurityGroupRule, network.SecurityGroupRule] {
	type R = network.SecurityGroupRule
	text := func(name string, convert func(any) (string, error), at func(*R) *string) rest.Attribute[R, R] {
		return rest.Asked(name, rest.Post, nil, convert, at, func(w *rest.Writer, key string, v *R) { w.TextOrNull(key, *at(v)) }).By(name).Read(wants(convert))
	}
	port := func(name string, at func(*R) **int) rest.Attribute[R, R] {
		return rest.Asked(name, rest.Post, nil, toPort, at, func(w *rest.Writer, key string, v *R) {
			if p := *at(v); p != nil {
				w.Int(key, int64(*p))
			} else {
				w.Null(key)
			}
		}).By(name).Read(numberOrNone(name))
	}
	return []rest.Attribute[R, R]{
		rest.Attr("direction", rest.Post, rest.Unset, toChoice(network.Ingress, network.Egress), func(v *R) *string { return &v.Direction }).Needed().By("direction"),
		rest.Attr("ethertype", rest.Post, "IPv4", toEther, func(v *R) *string { return &v.EtherType }).By("ethertype").Read(wants(toEther)),
		text("protocol", toProtocol, func(v *R) *string { return &v.Protocol }),
		port("port_range_min", func(v *R) **int { return &v.PortMin }), port("port_range_max", func(v *R) **int { return &v.PortMax }),
		text("remote_ip_prefix", toRemotePrefix, func(v *R) *string { return &v.RemotePrefix }),
		text("remote_group_id", group, func(v *R) *string { return &v.RemoteGroupID }),
		rest.Asked("remote_address_group_id", rest.Post, nil, toUUIDOrNone, func(v *R) *string { return &v.AddressGroupID },
			func(w *rest.Writer, key string, v *R) { w.TextOrNull(key, v.AddressGroupID) }).By("address_group_id").Read(wants(toText(36))),
	}
}

// numberOrNone reads a filter by a number that may be absent.
func numberOrNone(name string) func(text string) (any, error) {
	return func(text string) (any, error) {
		switch text {
		case "", "None", "null":
			return nil, nil
		}
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return nil, badRequest("Invalid input for %s. Reason: '%s' is not an integer.", name, text)
		}
		return n, nil
	}
}

func toEther(v any) (string, error) {
	s, _ := v.(string)
	switch {
	case v == nil || strings.EqualFold(s, network.IPv4):
		return network.IPv4, nil
	case strings.EqualFold(s, network.IPv6):
		return network.IPv6, nil
	}
	return "", fmt.Errorf("'%v' is not in ['IPv4', 'IPv6']", show(v))
}

func toProtocol(v any) (string, error) {
	switch x := v.(type) {
	case nil:
		return "", nil
	case json.Number:
		return x.String(), nil
	case string:
		return strings.ToLower(x), nil
	}
	return "", fmt.Errorf("'%v' is not a protocol", show(v))
}

func toPort(v any) (*int, error) {
	if v == nil || v == "" {
		return nil, nil
	}
	n, err := toInt(0, 65535)(v)
	if err != nil {
		return nil, errs.New(errs.Invalid, "Invalid value for port %s", show(v)).WithCode("SecurityGroupInvalidPortValue")
	}
	return &n, nil
}

func toParentOrUUID(v any) (string, error) {
	if v == "PARENT" {
		return "PARENT", nil
	}
	return toUUIDOrNone(v)
}
