package attack

var identityResources = []resource{
	{name: "domain", under: []string{"identity domains"}, item: "identity /v3/domains/$that.domain"},
	{
		name: "project", under: []string{
			"identity projects", "network auto-allocated-topology", "network quotas",
			"compute os-quota-sets", "volume os-quota-sets", "volume default-types", "compute os-simple-tenant-usage",
		},
		item: "identity /v3/projects/$that.project",
	},
	{
		name: "user", under: []string{"identity users"}, item: "identity /v3/users/$that.user",
		method: "PATCH", update: `{"user":{}}`,
		uses: []string{`POST identity /v3/credentials {"credential":{"type":"cert","blob":"x","project_id":"$own.project","user_id":"$that.user"}}`},
	},
	{
		name: "group", byAdmin: true, create: "POST identity /v3/groups", body: `{"group":{"name":"$mark-group","domain_id":"$own.domain"}}`, id: "group.id",
		under: []string{"identity groups"}, item: "identity /v3/groups/$that.group",
	},
	{
		name: "credential", create: "POST identity /v3/credentials", id: "credential.id",
		body:  `{"credential":{"type":"cert","blob":"$mark-secret","project_id":"$own.project"}}`,
		under: []string{"identity credentials"}, item: "identity /v3/credentials/$that.credential",
		method: "PATCH", update: `{"credential":{"blob":"y"}}`, maySet: []string{"*"},
	},
	{
		name: "application_credential", create: "POST identity /v3/users/$own.user/application_credentials", id: "application_credential.id",
		body: `{"application_credential":{"name":"$mark-credential","secret":"$mark-secret","access_rules":[` +
			`{"service":"compute","path":"/v2.1/servers","method":"GET"}]}}`,
		then: func(w *world, t *tenant) {
			t.ids["access_rule"] = w.http.As(t.token).Want(200, "GET", "/identity/v3/users/"+t.ids["user"]+"/access_rules", nil).Text("access_rules.0.id")
		},
		under: []string{"identity application_credentials"}, item: "identity /v3/users/$that.user/application_credentials/$that.application_credential",
	},
	{name: "access_rule", under: []string{"identity access_rules"}},
	{name: "access_token", under: []string{"identity access_tokens"}},
	{
		name: "ec2", create: "POST identity /v3/users/$own.user/credentials/OS-EC2", body: `{"tenant_id":"$own.project"}`, id: "credential.access",
		under: []string{"identity OS-EC2"}, item: "identity /v3/users/$that.user/credentials/OS-EC2/$that.ec2",
	},
	{
		name: "trust", create: "POST identity /v3/OS-TRUST/trusts", id: "trust.id",
		body: `{"trust":{"trustor_user_id":"$own.user","trustee_user_id":"$own.user","impersonation":false,"project_id":"$own.project",` +
			`"roles":[{"name":"reader"}]}}`,
		under: []string{"identity trusts"}, item: "identity /v3/OS-TRUST/trusts/$that.trust", maySet: []string{"*"},
		uses: []string{
			`POST identity /v3/OS-TRUST/trusts {"trust":{"trustor_user_id":"$own.user","trustee_user_id":"$own.user",` +
				`"impersonation":false,"project_id":"$that.project","roles":[{"name":"member"}]}}`,
			`POST identity /v3/OS-TRUST/trusts {"trust":{"trustor_user_id":"$that.user","trustee_user_id":"$own.user",` +
				`"impersonation":false,"project_id":"$own.project","roles":[{"name":"member"}]}}`,
		},
	},
	{
		name: "limit", byAdmin: true, create: "POST identity /v3/limits", id: "limits.0.id",
		body:  `{"limits":[{"service_id":"$service","resource_name":"image_count_total","resource_limit":50,"project_id":"$own.project"}]}`,
		under: []string{"identity limits"}, item: "identity /v3/limits/$that.limit",
	},
}
