package attack

var networkResources = []resource{
	{
		name: "network", create: "POST network /v2.0/networks", body: `{"network":{"name":"$mark-net"}}`, id: "network.id",
		under: []string{"network networks", "network network-ip-availabilities", "compute os-networks", "compute os-tenant-networks"},
		item:  "network /v2.0/networks/$that.network", method: "PUT", update: `{"network":{"name":"n"}}`,
		uses: []string{
			`POST network /v2.0/subnets {"subnet":{"network_id":"$that.network","cidr":"10.66.0.0/24","ip_version":4}}`,
			`POST network /v2.0/ports {"port":{"network_id":"$that.network"}}`,
			`POST network /v2.0/rbac-policies {"rbac_policy":{"object_type":"network","object_id":"$that.network","action":"access_as_shared","target_tenant":"$friend"}}`,
			`POST compute /v2.1/servers {"server":{"name":"n","imageRef":"$own.image","flavorRef":"$flavor","networks":[{"uuid":"$that.network"}]}}`,
			`POST compute /v2.1/servers/$own.server/os-interface {"interfaceAttachment":{"net_id":"$that.network"}}`,
		},
	},
	{
		name: "subnet", create: "POST network /v2.0/subnets", id: "subnet.id",
		body:  `{"subnet":{"name":"$mark-subnet","network_id":"$own.network","cidr":"10.9.0.0/24","ip_version":4}}`,
		under: []string{"network subnets"}, item: "network /v2.0/subnets/$that.subnet", method: "PUT", update: `{"subnet":{"name":"n"}}`,
		uses: []string{
			`POST network /v2.0/ports {"port":{"network_id":"$own.network","fixed_ips":[{"subnet_id":"$that.subnet"}]}}`,
		},
	},
	{
		name: "security_group", create: "POST network /v2.0/security-groups", body: `{"security_group":{"name":"$mark-group"}}`, id: "security_group.id",
		under: []string{"network security-groups", "compute os-security-groups"},
		item:  "network /v2.0/security-groups/$that.security_group", method: "PUT", update: `{"security_group":{"name":"n"}}`,
		uses: []string{
			`POST network /v2.0/ports {"port":{"network_id":"$own.network","security_groups":["$that.security_group"]}}`,
			`PUT network /v2.0/ports/$own.port {"port":{"security_groups":["$that.security_group"]}}`,
			`POST network /v2.0/security-group-rules {"security_group_rule":{"security_group_id":"$that.security_group","direction":"ingress","protocol":"udp"}}`,
			`POST network /v2.0/security-group-rules {"security_group_rule":{"security_group_id":"$own.security_group","direction":"ingress",` +
				`"protocol":"udp","remote_group_id":"$that.security_group"}}`,
			`POST compute /v2.1/servers/$own.server/action {"addSecurityGroup":{"name":"$that.security_group"}}`,
		},
	},
	{
		name: "security_group_rule", create: "POST network /v2.0/security-group-rules", id: "security_group_rule.id",
		body: `{"security_group_rule":{"security_group_id":"$own.security_group","direction":"ingress","protocol":"tcp",` +
			`"port_range_min":22,"port_range_max":22,"description":"$mark"}}`,
		under: []string{"network security-group-rules", "compute os-security-group-rules"},
		item:  "network /v2.0/security-group-rules/$that.security_group_rule",
	},
	{
		name: "router", create: "POST network /v2.0/routers", id: "router.id",
		body: `{"router":{"name":"$mark-router","external_gateway_info":{"network_id":"$outside"}}}`,
		then: func(w *world, t *tenant) {
			w.http.As(t.token).Want(200, "PUT", "/network/v2.0/routers/"+t.ids["router"]+"/add_router_interface", object{"subnet_id": t.ids["subnet"]})
		},
		under: []string{"network routers"}, item: "network /v2.0/routers/$that.router", method: "PUT", update: `{"router":{"name":"n"}}`,
		plants: []string{
			`POST network /v2.0/ports {"port":{"network_id":"$own.network","device_owner":"network:router_interface","device_id":"$that.router"}}`,
			`POST network /v2.0/ports {"port":{"network_id":"$own.network","device_owner":"network:router_gateway","device_id":"$that.router"}}`,
			`POST network /v2.0/ports {"port":{"network_id":"$own.network","device_id":"$that.router"}}`,
			`PUT network /v2.0/ports/$own.spare_port {"port":{"device_owner":"network:router_interface","device_id":"$that.router"}}`,
		},
		views: []string{"network /v2.0/ports?device_id=$that.router"},
	},
	{
		name: "port", create: "POST network /v2.0/ports", id: "port.id",
		body: `{"port":{"network_id":"$own.network","name":"$mark-port","security_groups":["$own.security_group"]}}`,
		then: func(w *world, t *tenant) {
			t.ids["port_ip"] = w.http.As(t.token).Want(200, "GET", "/network/v2.0/ports/"+t.ids["port"], nil).Text("port.fixed_ips.0.ip_address")
		},
		under: []string{"network ports"}, item: "network /v2.0/ports/$that.port", method: "PUT", update: `{"port":{"name":"n"}}`,
		uses: []string{
			`POST network /v2.0/floatingips {"floatingip":{"floating_network_id":"$outside","port_id":"$that.spare_port"}}`,
			`POST network /v2.0/trunks {"trunk":{"port_id":"$that.spare_port"}}`,
			`PUT network /v2.0/trunks/$own.trunk/add_subports {"sub_ports":[{"port_id":"$that.subport","segmentation_type":"vlan","segmentation_id":7}]}`,
			`POST compute /v2.1/servers {"server":{"name":"n","imageRef":"$own.image","flavorRef":"$flavor","networks":[{"port":"$that.boot_port"}]}}`,
			`POST compute /v2.1/servers/$own.server/os-interface {"interfaceAttachment":{"port_id":"$that.attach_port"}}`,
		},
	},
	port("spare_port"), port("parent_port"), port("subport"), port("boot_port"), port("attach_port"), port("forward_port"),
	{
		name: "server_port", create: "POST network /v2.0/ports", body: `{"port":{"network_id":"$own.network","name":"$mark-server"}}`, id: "port.id",
		under: []string{"compute os-interface"}, item: "network /v2.0/ports/$that.server_port",
	},
	{
		name: "floatingip", create: "POST network /v2.0/floatingips", id: "floatingip.id",
		body:  `{"floatingip":{"floating_network_id":"$outside","description":"$mark"}}`,
		under: []string{"network floatingips", "compute os-floating-ips"},
		item:  "network /v2.0/floatingips/$that.floatingip", method: "PUT", update: `{"floatingip":{"description":"n"}}`,
	},
	{
		name: "attached_ip", create: "POST network /v2.0/floatingips", id: "floatingip.id", item: "network /v2.0/floatingips/$that.attached_ip",
		body: `{"floatingip":{"floating_network_id":"$outside","port_id":"$own.port"}}`,
		then: func(w *world, t *tenant) {
			ip := w.http.As(t.token).Want(200, "GET", "/network/v2.0/ports/"+t.ids["forward_port"], nil).Text("port.fixed_ips.0.ip_address")
			t.ids["forward_port_ip"] = ip
		},
	},
	{
		name: "port_forwarding", create: "POST network /v2.0/floatingips/$own.floatingip/port_forwardings", id: "port_forwarding.id",
		body: `{"port_forwarding":{"internal_port_id":"$own.forward_port","internal_ip_address":"$own.forward_port_ip","internal_port":22,` +
			`"external_port":2222,"protocol":"tcp","description":"$mark"}}`,
		under: []string{"network port_forwardings"}, item: "network /v2.0/floatingips/$that.floatingip/port_forwardings/$that.port_forwarding",
		uses: []string{`POST network /v2.0/floatingips/$own.floatingip/port_forwardings {"port_forwarding":{"internal_port_id":"$that.forward_port",` +
			`"internal_ip_address":"$that.forward_port_ip","internal_port":23,"external_port":2223,"protocol":"tcp"}}`},
	},
	{
		name: "address_scope", create: "POST network /v2.0/address-scopes", body: `{"address_scope":{"name":"$mark-scope","ip_version":4}}`, id: "address_scope.id",
		under: []string{"network address-scopes"}, item: "network /v2.0/address-scopes/$that.address_scope", method: "PUT", update: `{"address_scope":{"name":"n"}}`,
		uses: []string{`POST network /v2.0/subnetpools {"subnetpool":{"name":"n","prefixes":["10.66.0.0/16"],"address_scope_id":"$that.address_scope"}}`},
	},
	{
		name: "subnetpool", create: "POST network /v2.0/subnetpools", id: "subnetpool.id",
		body:  `{"subnetpool":{"name":"$mark-pool","prefixes":["2001:db8:77::/48"],"default_prefixlen":64}}`,
		under: []string{"network subnetpools"}, item: "network /v2.0/subnetpools/$that.subnetpool", method: "PUT", update: `{"subnetpool":{"name":"n"}}`,
		uses: []string{`POST network /v2.0/subnets {"subnet":{"network_id":"$own.network","subnetpool_id":"$that.subnetpool","ip_version":6}}`},
	},
	{
		name: "address_group", create: "POST network /v2.0/address-groups", id: "address_group.id",
		body:  `{"address_group":{"name":"$mark-addresses","addresses":["10.1.0.0/24"]}}`,
		under: []string{"network address-groups"}, item: "network /v2.0/address-groups/$that.address_group", method: "PUT", update: `{"address_group":{"name":"n"}}`,
		uses: []string{`POST network /v2.0/security-group-rules {"security_group_rule":{"security_group_id":"$own.security_group","direction":"ingress",` +
			`"protocol":"icmp","remote_address_group_id":"$that.address_group"}}`},
	},
	{
		name: "trunk", create: "POST network /v2.0/trunks", body: `{"trunk":{"port_id":"$own.parent_port","name":"$mark-trunk"}}`, id: "trunk.id",
		under: []string{"network trunks"}, item: "network /v2.0/trunks/$that.trunk", method: "PUT", update: `{"trunk":{"name":"n"}}`,
	},
	{
		name: "rbac_policy", create: "POST network /v2.0/rbac-policies", id: "rbac_policy.id",
		body:  `{"rbac_policy":{"object_type":"security_group","object_id":"$own.security_group","action":"access_as_shared","target_tenant":"$friend"}}`,
		under: []string{"network rbac-policies"}, item: "network /v2.0/rbac-policies/$that.rbac_policy",
		uses: []string{`POST network /v2.0/rbac-policies {"rbac_policy":{"object_type":"address_scope","object_id":"$that.address_scope",` +
			`"action":"access_as_shared","target_tenant":"$friend"}}`},
	},
	{
		name: "qos_policy", byAdmin: true, create: "POST network /v2.0/qos/policies", id: "policy.id",
		body:  `{"policy":{"name":"$mark-qos","project_id":"$own.project"}}`,
		under: []string{"network policies"}, item: "network /v2.0/qos/policies/$that.qos_policy",
		uses: []string{
			`PUT network /v2.0/networks/$own.network {"network":{"qos_policy_id":"$that.qos_policy"}}`,
			`PUT network /v2.0/ports/$own.spare_port {"port":{"qos_policy_id":"$that.qos_policy"}}`,
		},
	},
	qosRule("bandwidth_limit_rule", `"max_kbps":1000`), qosRule("dscp_marking_rule", `"dscp_mark":10`), qosRule("minimum_bandwidth_rule", `"min_kbps":100`),
}

// port is one more port of a tenant, for an attempt that needs one of its own.
func port(name string) resource {
	return resource{
		name: name, create: "POST network /v2.0/ports", body: `{"port":{"network_id":"$own.network","name":"$mark-port"}}`, id: "port.id",
		item: "network /v2.0/ports/$that." + name,
	}
}

func qosRule(kind, value string) resource {
	path := "/v2.0/qos/policies/$own.qos_policy/" + kind + "s"
	return resource{
		name: kind, byAdmin: true, create: "POST network " + path, body: `{"` + kind + `":{` + value + `}}`, id: kind + ".id",
		under: []string{"network " + kind + "s"}, item: "network /v2.0/qos/policies/$that.qos_policy/" + kind + "s/$that." + kind,
	}
}
