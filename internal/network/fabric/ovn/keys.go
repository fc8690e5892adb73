package ovn

import (
	"maps"
	"strconv"
	"strings"

	"kumoi/internal/kernel/ids"
	"kumoi/internal/network/fabric"
)

// The keys in external_ids that lead from a row back to what it stands for.
const (
	idKey       = "kumoi:id"
	kindKey     = "kumoi:kind"
	revisionKey = "kumoi:revision"
	nameKey     = "kumoi:name"
	projectKey  = "kumoi:project"
	networkKey  = "kumoi:network" // of a switch port
	groupsKey   = "kumoi:groups"  // the groups a port was put into
	subnetsKey  = "kumoi:subnets" // the subnets of a port's addresses
	optionsKey  = "kumoi:dhcp"    // a port's own lease options
	subnetKey   = "kumoi:subnet"  // of a lease
	deviceKey   = "kumoi:device"
	ruleKey     = "kumoi:rule"
)

// kindCommon marks the rows that belong to no resource.
const kindCommon = "common"

// owner makes the external_ids of a resource's row. Pairs with empty values
// are left out.
func owner(kind, id string, more ...string) map[string]string {
	out := map[string]string{kindKey: kind, idKey: id}
	for i := 0; i+1 < len(more); i += 2 {
		if more[i+1] != "" {
			out[more[i]] = more[i+1]
		}
	}
	return out
}

func revision(n int64) string { return strconv.FormatInt(n, 10) }

// uuidOf is the UUID of a resource's main row: its own id. Ids that OVSDB would
// not take are turned into some that it does.
func uuidOf(kind, id string) string {
	if len(id) == 36 && ids.IsUUID(id) && id == strings.ToLower(id) {
		return id
	}
	return ids.Derive("ovn", kind, id)
}

// partOf is the UUID of one more row of a resource.
func partOf(kind, id string, part ...string) string {
	return ids.Derive(append([]string{"ovn", kind, id}, part...)...)
}

func switchOf(network string) string { return uuidOf(fabric.KindNetwork, network) }
func leaseOf(subnet string) string   { return partOf("subnet", subnet, "lease") }
func groupOf(group string) string    { return uuidOf(fabric.KindGroup, group) }

// commonGroup is the group of all ports with port security: whatever no
// security group allows is dropped there.
const commonGroup = "kumoi_drop"

func commonUUID() string { return partOf(kindCommon, commonGroup) }

// Names that appear in matches may have letters, digits and underscores.
func word(id string) string { return strings.ReplaceAll(id, "-", "_") }

func groupName(group string) string { return "pg_" + word(group) }

func addressesName(id string, v6 bool) string { return "ag_" + word(id) + family(v6) }

func family(v6 bool) string {
	if v6 {
		return "_ip6"
	}
	return "_ip4"
}

func routerPortName(port string) string { return "lrp-" + port }

func ptr[T any](v T) *T { return &v }

// with returns the map with one more pair, unless the value is empty.
func with(m map[string]string, key, value string) map[string]string {
	if value == "" {
		return m
	}
	out := maps.Clone(m)
	if out == nil {
		out = map[string]string{}
	}
	out[key] = value
	return out
}
