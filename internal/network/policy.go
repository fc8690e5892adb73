package network

import (
	"context"
	"strings"

	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/policy"
)

// The words that most rules are made of, as in Neutron's current defaults.
const (
	admin         = "rule:admin_only"
	adminOrMember = "(rule:admin_only) or (role:member and project_id:%(project_id)s)"
	adminOrReader = "(rule:admin_only) or (role:reader and project_id:%(project_id)s)"
	netMember     = "(rule:admin_only) or (role:member and rule:network_owner)"
	netReader     = "(rule:admin_only) or (role:reader and rule:network_owner)"
	portMember    = adminOrMember + " or (role:member and rule:network_owner)"
	sgMember      = "(rule:admin_only) or (role:member and rule:sg_owner)"
	parentMember  = "(rule:admin_only) or (role:member and rule:ext_parent_owner)"
	parentReader  = "(rule:admin_only) or (role:reader and rule:ext_parent_owner)"
	service       = "rule:admin_only or role:service"

	qosManager       = "(rule:admin_only) or (role:manager and project_id:%(project_id)s)"
	qosParentManager = "(rule:admin_only) or (role:manager and rule:ext_parent_owner)"
)

// attrRules holds the names of rules about single attributes, which are asked
// only when a request names the attribute.
var attrRules = func() map[string]bool {
	names := map[string]bool{}
	for _, r := range Rules() {
		names[r.Name] = true
	}
	return names
}()

// Rules are Neutron's policy rules with their defaults.
func Rules() []policy.Rule {
	var out []policy.Rule
	add := func(check string, names ...string) {
		for _, n := range names {
			out = append(out, policy.Rule{Name: n, Check: check, Service: "network"})
		}
	}
	add("role:admin", "context_is_admin")
	add("rule:context_is_admin", "admin_only")
	add("rule:context_is_admin or project_id:%(project_id)s", "owner", "admin_or_owner")
	add("role:advsvc", "context_is_advsvc")
	add("", "regular_user")
	add("project_id:%(network:project_id)s", "network_owner")
	add("project_id:%(security_group:project_id)s", "sg_owner")
	add("project_id:%(ext_parent:project_id)s", "ext_parent_owner")
	add("True:%(shared)s", "shared", "shared_address_groups", "shared_address_scopes", "shared_subnetpools", "shared_security_group")
	add("True:%(router:external)s", "external", "external_network")

	// networks
	add(adminOrMember, "create_network", "update_network", "delete_network", "create_network:port_security_enabled",
		"update_network:port_security_enabled")
	add(adminOrReader+" or rule:shared or rule:external", "get_network")
	add(admin, "create_network:shared", "create_network:router:external", "create_network:is_default",
		"create_network:segments", "create_network:provider:network_type", "create_network:provider:physical_network",
		"create_network:provider:segmentation_id", "update_network:shared", "update_network:router:external",
		"update_network:is_default", "update_network:segments", "update_network:provider:network_type",
		"update_network:provider:physical_network", "update_network:provider:segmentation_id",
		"get_network:segments", "get_network:provider:network_type", "get_network:provider:physical_network",
		"get_network:provider:segmentation_id", "get_network_ip_availability")

	// subnets
	add(portMember, "create_subnet", "update_subnet", "delete_subnet")
	add(admin, "create_subnet:segment_id", "update_subnet:segment_id", "get_subnet:segment_id", "create_subnet:service_types", "update_subnet:service_types")
	add(adminOrReader+" or (role:reader and rule:network_owner) or rule:shared", "get_subnet")

	// subnet pools and address scopes
	add(adminOrMember, "create_subnetpool", "update_subnetpool", "delete_subnetpool", "add_prefixes", "remove_prefixes", "onboard_network_subnets")
	add(adminOrReader+" or rule:shared", "get_subnetpool", "get_address_scope", "get_address_group", "get_security_group")
	add(admin, "create_subnetpool:shared", "create_subnetpool:is_default", "update_subnetpool:is_default",
		"create_address_scope:shared", "update_address_scope:shared")
	add(adminOrMember, "create_address_scope", "update_address_scope", "delete_address_scope")
	add(adminOrMember, "create_address_group", "update_address_group", "delete_address_group", "add_addresses", "remove_addresses")

	// ports
	add("True:%(network_device)s", "network_device")
	add(adminOrMember, "create_port", "create_port:device_id")
	add("not rule:network_device or rule:context_is_advsvc or (rule:admin_only) or role:service", "create_port:device_owner", "update_port:device_owner")
	add("rule:context_is_advsvc or role:service or (rule:admin_only) or (role:member and rule:network_owner)",
		"create_port:mac_address", "create_port:fixed_ips:ip_address", "create_port:port_security_enabled",
		"update_port:fixed_ips", "update_port:fixed_ips:ip_address", "update_port:port_security_enabled")
	add("rule:context_is_advsvc or role:service or (rule:admin_only) or (role:member and rule:network_owner) or True:%(network:shared)s",
		"create_port:fixed_ips", "create_port:fixed_ips:subnet_id", "update_port:fixed_ips:subnet_id")
	add(netMember, "create_port:allowed_address_pairs", "create_port:mac_learning_enabled", "update_port:allowed_address_pairs", "update_port:mac_learning_enabled")
	add(service, "create_port:binding:host_id", "create_port:binding:profile", "update_port:binding:host_id",
		"update_port:binding:profile", "get_port:binding:vif_type", "get_port:binding:vif_details",
		"get_port:binding:host_id", "get_port:binding:profile", "update_port:mac_address")
	add(adminOrMember+" or role:service", "create_port:binding:vnic_type", "update_port:binding:vnic_type")
	add(admin, "create_port:hints", "update_port:hints", "get_port:hints", "get_port:resource_request", "update_port:data_plane_status")
	add("(rule:admin_only) or role:service or (role:reader and project_id:%(project_id)s) or (role:reader and rule:network_owner)", "get_port")
	add(adminOrMember+" or role:service", "update_port", "update_port:device_id")
	add(portMember+" or role:service", "delete_port")
	add(admin, "get_port_binding", "create_port_binding", "update_port_binding", "delete_port_binding", "activate")

	// routers
	add(adminOrMember, "create_router", "update_router", "delete_router", "add_router_interface", "remove_router_interface",
		"add_extraroutes", "remove_extraroutes", "create_router:external_gateway_info", "create_router:external_gateway_info:network_id",
		"update_router:external_gateway_info", "update_router:external_gateway_info:network_id", "add_external_gateways", "update_external_gateways", "remove_external_gateways")
	add(adminOrReader, "get_router")
	add(admin, "create_router:distributed", "create_router:ha", "create_router:external_gateway_info:enable_snat",
		"create_router:external_gateway_info:external_fixed_ips", "update_router:distributed", "update_router:ha",
		"update_router:external_gateway_info:enable_snat", "update_router:external_gateway_info:external_fixed_ips",
		"get_router:distributed", "get_router:ha")

	// the network that a project gets when it asks for any
	add(adminOrReader, "get_auto_allocated_topology")
	add(adminOrMember, "delete_auto_allocated_topology")

	// floating IPs
	add(adminOrMember, "create_floatingip", "update_floatingip", "delete_floatingip")
	add(admin, "create_floatingip:floating_ip_address")
	add(adminOrReader, "get_floatingip", "get_floatingip_pool")
	add(parentMember, "create_floatingip_port_forwarding", "update_floatingip_port_forwarding", "delete_floatingip_port_forwarding")
	add(parentReader, "get_floatingip_port_forwarding")

	// trunks
	add(adminOrMember, "create_trunk", "update_trunk", "delete_trunk", "add_subports", "remove_subports")
	add(adminOrReader, "get_trunk", "get_subports")

	// quality of service
	add("True:%(shared)s", "shared_qos_policy")
	add(adminOrReader+" or rule:shared_qos_policy", "get_policy")
	add(qosManager, "create_policy", "update_policy", "delete_policy")
	add("role:reader or rule:admin_only", "get_rule_type")
	for _, kind := range QoSRuleKinds() {
		add(parentReader+" or rule:shared_qos_policy", "get_policy_"+kind+"_rule")
		add(qosParentManager, "create_policy_"+kind+"_rule", "update_policy_"+kind+"_rule", "delete_policy_"+kind+"_rule")
	}

	// security groups
	add(adminOrMember, "create_security_group", "update_security_group", "delete_security_group", "create_security_group_rule")
	add(adminOrReader+" or (role:reader and rule:sg_owner)", "get_security_group_rule")
	add(adminOrMember+" or (role:member and rule:sg_owner)", "delete_security_group_rule")
	add(admin, "create_default_security_group_rule", "delete_default_security_group_rule")
	add("role:reader", "get_default_security_group_rule")

	// RBAC, quotas, agents and the rest
	add("rule:admin_only or not '*':%(target_tenant)s", "restrict_wildcard")
	add(adminOrMember, "create_rbac_policy", "update_rbac_policy", "delete_rbac_policy")
	add("rule:admin_only or (not '*':%(target_tenant)s)", "create_rbac_policy:target_tenant", "update_rbac_policy:target_tenant",
		"create_rbac_policy:target_project", "update_rbac_policy:target_project")
	add(adminOrReader, "get_rbac_policy")
	add(admin, "get_quota", "update_quota", "delete_quota", "get_agent", "update_agent", "delete_agent", "get_service_profile",
		"get_dhcp-networks", "get_l3-routers", "get_dhcp-agents", "get_l3-agents")
	add(adminOrReader, "get_own_quota")
	add("role:reader or rule:admin_only", "get_availability_zone", "get_service_provider", "get_extension")
	addTagRules(add)
	return out
}

// Access asks the policy what actors may do.
type Access struct{ policy *policy.Engine }

func (f *Access) permits(ctx context.Context, rule string, t policy.Target) bool {
	return f.policy.Allowed(ctx, ruleName(rule), t)
}

// ruleName is the name that the engine keeps a rule by: other services have
// rules named "owner" or "shared", too.
func ruleName(rule string) string {
	if strings.Contains(rule, ":") {
		return rule
	}
	return "network/" + rule
}

// isAdmin tells whether the actor sees everything.
func (f *Access) isAdmin(ctx context.Context) bool {
	return f.permits(ctx, "context_is_admin", nil)
}

// allow asks for an action and for each named attribute that has a rule of its own.
func (f *Access) allow(ctx context.Context, action string, attrs []string, t policy.Target) error {
	if err := f.check(ctx, action, t); err != nil {
		return err
	}
	for _, a := range attrs {
		if rule := action + ":" + a; attrRules[rule] {
			if err := f.check(ctx, rule, t); err != nil {
				return err
			}
		}
	}
	return nil
}

func (f *Access) check(ctx context.Context, rule string, t policy.Target) error {
	if f.permits(ctx, rule, t) {
		return nil
	}
	if !actor.From(ctx).Authenticated() {
		return errs.New(errs.Unauthenticated, "The request you have made requires authentication.")
	}
	return fault(errs.Forbidden, "PolicyNotAuthorized", "(rule:%s) is disallowed by policy", rule)
}

// Allow asks the policy, for handlers of operations that have no resource.
func (f *Access) Allow(ctx context.Context, rule, projectID string) error {
	return f.check(ctx, rule, policy.Target{"project_id": projectID, "tenant_id": projectID})
}

// Sees tells whether the actor may read an attribute of a resource.
func (f *Access) Sees(ctx context.Context, rule string, projectID string) bool {
	return !attrRules[rule] || f.permits(ctx, rule, policy.Target{"project_id": projectID, "tenant_id": projectID})
}
