package api

import (
	"context"
	"net/http"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/httpx"
)

// extensions are the aliases of what works here, with a few words each.
var extensions = []struct{ alias, name string }{
	{"address-group", "Address group"},
	{"address-scope", "Address scope"},
	{"agent", "agent"},
	{"allowed-address-pairs", "Allowed Address Pairs"},
	{"auto-allocated-topology", "Auto Allocated Topology Services"},
	{"availability_zone", "Availability Zone"},
	{"availability_zone_filter", "Availability Zone Filter Extension"},
	{"binding", "Port Binding"},
	{"default-subnetpools", "Default Subnetpools"},
	{"dns-integration", "DNS Integration"},
	{"dns-domain-ports", "dns_domain for ports"},
	{"empty-string-filtering", "Empty String Filtering Extension"},
	{"expose-port-forwarding-in-fip", "Expose Port Forwarding in FIP"},
	{"ext-gw-mode", "Neutron L3 Configurable external gateway mode"},
	{"external-net", "Neutron external network"},
	{"extra_dhcp_opt", "Neutron Extra DHCP options"},
	{"extraroute", "Neutron Extra Route"},
	{"extraroute-atomic", "Atomically add/remove extra routes"},
	{"filter-validation", "Filter parameters validation"},
	{"fip-port-details", "Floating IP Port Details Extension"},
	{"floating-ip-port-forwarding", "Floating IP Port Forwarding"},
	{"floating-ip-port-forwarding-description", "Floating IP Port Forwarding new attribute description"},
	{"floating-ip-port-forwarding-port-ranges", "Floating IP Port Forwarding support port ranges"},
	{"floating-ip-port-forwarding-detail", "Floating IP Port Forwarding more details"},
	{"floatingip-pools", "Floating IP Pools Extension"},
	{"ip_allocation", "IP Allocation"},
	{"ip-substring-filtering", "IP address substring filtering"},
	{"l2_adjacency", "L2 Adjacency"},
	{"net-mtu", "Network MTU"},
	{"net-mtu-writable", "Network MTU (writable)"},
	{"network_availability_zone", "Network Availability Zone"},
	{"network-ip-availability", "Network IP Availability"},
	{"pagination", "Pagination support"},
	{"port-mac-address-regenerate", "Port MAC address regenerate"},
	{"port-security", "Port Security"},
	{"port-security-groups-filtering", "Port filtering on security groups"},
	{"project-id", "project_id field enabled"},
	{"provider", "Provider Network"},
	{"multi-provider", "Multi Provider Network"},
	{"qos", "Quality of Service"},
	{"qos-bw-limit-direction", "Direction for QoS bandwidth limit rule"},
	{"qos-bw-minimum-ingress", "Ingress direction for QoS minimum bandwidth rule"},
	{"qos-default", "QoS default policy"},
	{"qos-port-network-policy", "QoS policy of the network in the port"},
	{"qos-rule-type-details", "Details of QoS rule types"},
	{"quota_details", "Quota details management support"},
	{"quota-check-limit", "Quota engine limit check"},
	{"quotas", "Quota management support"},
	{"rbac-address-group", "Add address_group type to RBAC"},
	{"rbac-address-scope", "Add address_scope type to RBAC"},
	{"rbac-policies", "RBAC Policies"},
	{"rbac-security-groups", "Add security_group type to network RBAC"},
	{"rbac-subnetpool", "Add subnetpool type to RBAC"},
	{"revision-if-match", "If-Match constraints based on revision_number"},
	{"router", "Neutron L3 Router"},
	{"router_availability_zone", "Router Availability Zone"},
	{"security-group", "security-group"},
	{"security-groups-default-rules", "Default rules for security groups"},
	{"security-groups-normalized-cidr", "Normalized CIDR field for security group rules"},
	{"security-groups-remote-address-group", "Remote address group id field for security group rules"},
	{"security-groups-rules-belongs-to-default-sg", "Security group rule belongs to the project's default security group"},
	{"security-groups-shared-filtering", "Security group filtering on the shared field"},
	{"service-type", "Neutron Service Type Management"},
	{"sorting", "Sorting support"},
	{"standard-attr-description", "standard-attr-description"},
	{"standard-attr-revisions", "Resource revision numbers"},
	{"standard-attr-tag", "Tag support for resources with standard attribute"},
	{"standard-attr-timestamp", "Resource timestamps"},
	{"stateful-security-group", "Stateful security group"},
	{"subnet_allocation", "Subnet Allocation"},
	{"subnet-dns-publish-fixed-ip", "Subnet DNS Publish Fixed IP"},
	{"subnet-external-network", "Subnet belongs to an external network"},
	{"subnet-service-types", "Subnet service types"},
	{"subnetpool-prefix-ops", "Subnet Pool Prefix Operations"},
	{"tag-ports-during-bulk-creation", "Tag Ports During Bulk Creation"},
	{"tag-creation", "Tag creation"},
	{"trunk", "Trunk Extension"},
	{"trunk-details", "Trunk port details"},
	{"uplink-status-propagation", "Port uplink status propagation"},
}

func extension(i int) map[string]any {
	e := extensions[i]
	return map[string]any{"alias": e.alias, "name": e.name, "description": e.name + ".", "updated": "2026-01-01T00:00:00-00:00", "links": []any{}}
}

func listExtensions(context.Context, *httpx.Request) (*httpx.Response, error) {
	out := make([]map[string]any, len(extensions))
	for i := range extensions {
		out[i] = extension(i)
	}
	return httpx.JSON(http.StatusOK, map[string]any{"extensions": out}), nil
}

func showExtension(_ context.Context, req *httpx.Request) (*httpx.Response, error) {
	for i, e := range extensions {
		if e.alias == req.Var("alias") {
			return httpx.JSON(http.StatusOK, map[string]any{"extension": extension(i)}), nil
		}
	}
	return nil, errs.New(errs.NotFound, "The resource could not be found: extension with alias %s does not exist.", req.Var("alias")).WithCode("HTTPNotFound")
}

func versionList(_ context.Context, req *httpx.Request) (*httpx.Response, error) {
	return httpx.JSON(http.StatusOK, map[string]any{"versions": []map[string]any{{
		"id": "v2.0", "status": "CURRENT", "links": []map[string]string{{"rel": "self", "href": req.Link("/v2.0/")}},
	}}}), nil
}

func resourceList(_ context.Context, req *httpx.Request) (*httpx.Response, error) {
	out := []map[string]any{}
	for _, name := range []string{"network", "subnet", "subnetpool", "port"} {
		out = append(out, map[string]any{
			"name": name, "collection": name + "s",
			"links": []map[string]string{{"rel": "self", "href": req.Link("/v2.0/%ss", name)}},
		})
	}
	return httpx.JSON(http.StatusOK, map[string]any{"resources": out}), nil
}
