package attack

var computeResources = []resource{
	{
		// The name is what a path has, so it does not have the mark.
		name: "keypair", create: "POST compute /v2.1/os-keypairs 2.91", body: `{"keypair":{"name":"key-$own.project"}}`, id: "keypair.name",
		under: []string{"compute os-keypairs"}, item: "compute /v2.1/os-keypairs/$that.keypair",
		uses: []string{
			`POST compute /v2.1/servers {"server":{"name":"n","imageRef":"$own.image","flavorRef":"$flavor","networks":"none","key_name":"$that.keypair"}}`,
			`POST compute /v2.1/servers/$own.server/action {"rebuild":{"imageRef":"$own.image","key_name":"$that.keypair"}}`,
		},
	},
	{
		name: "private_flavor", byAdmin: true, create: "POST compute /v2.1/flavors", id: "flavor.id",
		body: `{"flavor":{"name":"$mark-flavor","vcpus":1,"ram":64,"disk":1,"os-flavor-access:is_public":false}}`,
		then: func(w *world, t *tenant) {
			w.http.As(w.admin).Want(200, "POST", "/compute/v2.1/flavors/"+t.ids["private_flavor"]+"/action", object{"addTenantAccess": object{"tenant": t.ids["project"]}})
		},
		under: []string{"compute flavors"}, item: "compute /v2.1/flavors/$that.private_flavor",
		uses: []string{
			`POST compute /v2.1/servers {"server":{"name":"n","imageRef":"$own.image","flavorRef":"$that.private_flavor","networks":"none"}}`,
		},
	},
	{
		name: "server_group", create: "POST compute /v2.1/os-server-groups", id: "server_group.id",
		body:  `{"server_group":{"name":"$mark-group","policy":"soft-anti-affinity"}}`,
		under: []string{"compute os-server-groups"}, item: "compute /v2.1/os-server-groups/$that.server_group",
		uses: []string{
			`POST compute /v2.1/servers {"server":{"name":"n","imageRef":"$own.image","flavorRef":"$flavor","networks":"none"},` +
				`"os:scheduler_hints":{"group":"$that.server_group"}}`,
		},
	},
	{
		name: "server", create: "POST compute /v2.1/servers", id: "server.id", then: waitServer,
		body: `{"server":{"name":"$mark-server","imageRef":"$own.image","flavorRef":"$flavor","networks":[{"port":"$own.server_port"}],` +
			`"key_name":"$own.keypair","metadata":{"k":"$mark"}}}`,
		under: []string{"compute servers", "compute os-volumes_boot", "compute os-fping", "placement allocations"},
		item:  "compute /v2.1/servers/$that.server", method: "PUT", update: `{"server":{"name":"n"}}`,
		plants: []string{
			`POST network /v2.0/ports {"port":{"network_id":"$own.network","device_owner":"compute:nova","device_id":"$that.server"}}`,
			`PUT network /v2.0/ports/$own.spare_port {"port":{"device_owner":"compute:nova","device_id":"$that.server"}}`,
		},
		views: []string{
			"compute /v2.1/servers/$that.server/os-interface", "compute /v2.1/servers/$that.server/ips", "compute /v2.1/servers/$that.server/os-security-groups",
		},
	},
}
