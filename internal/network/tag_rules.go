package network

import "strings"

// tagChecks say who may change the tags of which collection's resources, as in
// Neutron's defaults; who may read them is who may read the resource.
var tagChecks = map[string]string{
	"networks": adminOrMember, "subnets": portMember, "ports": adminOrMember + " or rule:context_is_advsvc",
	"routers": adminOrMember, "floatingips": adminOrMember, "subnetpools": adminOrMember, "trunks": adminOrMember,
	"policies": qosManager, "security-groups": adminOrMember,
	"security-group-rules": adminOrMember + " or (role:member and rule:sg_owner)",
	"address-groups":       adminOrMember, "address-scopes": adminOrMember, "rbac-policies": adminOrMember,
}

// renamedTags are the collections whose rules had another name before Neutron
// 2025.1: update_ports_tags is update_port:tags now. Either can be overridden.
var renamedTags = map[string]bool{
	"networks": true, "subnets": true, "ports": true, "routers": true, "floatingips": true, "subnetpools": true, "trunks": true,
	"policies": true, "security-groups": true,
}

// TagRule names the rule about a verb, get, create, update or delete, and the
// tags of a collection's resources.
func TagRule(verb, collection string) string { return verb + "_" + singular(collection) + ":tags" }

func singular(collection string) string {
	one := strings.TrimSuffix(strings.ReplaceAll(collection, "-", "_"), "s")
	if stem, ok := strings.CutSuffix(one, "ie"); ok {
		return stem + "y"
	}
	return one
}

func addTagRules(add func(check string, names ...string)) {
	for collection, change := range tagChecks {
		for _, verb := range []string{"get", "create", "update", "delete"} {
			check := change
			switch {
			case verb == "get":
				check = "rule:get_" + singular(collection)
			case verb == "delete" && collection == "ports": // also the network's owner
				check = portMember + " or rule:context_is_advsvc"
			}
			if renamedTags[collection] {
				former := verb + "_" + strings.ReplaceAll(collection, "-", "_") + "_tags"
				add(check, former)
				check = "rule:" + former
			}
			add(check, TagRule(verb, collection))
		}
	}
}
