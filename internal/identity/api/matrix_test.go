package api_test

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sort"
	"strings"
	"testing"

	"kumoi/internal/identity"
	"kumoi/internal/identity/identitytest"
	"kumoi/internal/kernel/httpx"
)

// personas are who tries every route. Each holds one role in one scope; all
// but the foreign ones live in the domain "home" that the targets are in, and
// the sibling's project is another one there.
var personas = []string{
	"none", "forged", "expired", "sibling-member", "foreign-member", "foreign-manager", "project-reader", "project-member", "project-manager",
	"project-admin", "domain-reader", "domain-manager", "domain-admin", "system-reader", "system-admin", "service",
}

// class says who may do something to a target in the domain home that is not
// his own; all others are to get 403.
type class struct{ allowed []string }

func allow(list ...string) class { return class{list} }

var (
	admins     = []string{"project-admin", "domain-admin", "system-admin"}
	unscopedOK = []string{
		"sibling-member", "foreign-member", "foreign-manager", "project-reader", "project-member", "project-manager", "project-admin",
		"domain-reader", "domain-manager", "domain-admin", "system-reader", "system-admin", "service",
	}
)

// classes holds the expectation for every rule that a route names. A route
// whose rule is missing here fails the test: say who may do it.
func classes() map[string]class {
	noDomain := []string{"project-admin", "system-admin"} // rules for system and project tokens
	readers := append(slices.Clone(noDomain), "system-reader")
	anyReaders := append(slices.Clone(admins), "system-reader")
	domainReaders := append(slices.Clone(anyReaders), "domain-reader", "domain-manager")
	domainManagers := append(slices.Clone(admins), "domain-manager")
	c := map[string]class{}
	set := func(cl class, rules ...string) {
		for _, r := range rules {
			c["identity:"+r] = cl
		}
	}
	for _, r := range identity.Policies() {
		name, ok := strings.CutPrefix(r.Name, "identity:")
		if !ok {
			continue
		}
		switch r.Check {
		case "rule:admin_required":
			if slices.Contains(r.Scopes, "domain") {
				set(allow(admins...), name)
			} else {
				set(allow(noDomain...), name)
			}
		case "rule:admin_required or (role:reader and system_scope:all)":
			set(allow(readers...), name)
		case "":
			set(allow(unscopedOK...), name)
		}
	}
	// Consumer approvals are for project tokens alone.
	set(allow("project-admin"), "authorize_request_token", "get_access_token", "get_access_token_role", "list_access_tokens",
		"list_access_token_roles", "delete_access_token")
	set(allow(domainReaders...), "get_user", "get_group", "list_groups_for_user", "list_users_in_group", "check_user_in_group",
		"list_user_projects", "list_grants", "check_grant")
	// A foreign domain's manager lists what is in his own.
	set(allow(append(slices.Clone(domainReaders), "foreign-manager")...), "list_users", "list_projects", "list_groups", "list_role_assignments", "list_domains")
	set(allow(append(slices.Clone(domainReaders), "project-reader", "project-member", "project-manager", "service")...), "get_project", "list_project_tags", "get_project_tag")
	set(allow(append(slices.Clone(domainReaders), "sibling-member", "project-reader", "project-member", "project-manager", "service")...), "get_domain")
	set(allow(domainManagers...), "create_user", "update_user", "delete_user", "create_group", "update_group", "delete_group", "add_user_to_group",
		"remove_user_from_group", "create_project", "update_project", "delete_project", "update_project_tags", "create_project_tag",
		"delete_project_tags", "delete_project_tag")
	set(allow(domainManagers...), "create_grant", "revoke_grant")
	set(allow(append(slices.Clone(anyReaders), "domain-manager", "foreign-manager")...), "list_roles")
	set(allow(append(slices.Clone(anyReaders), "domain-manager", "project-manager", "foreign-manager")...), "get_role")
	set(allow("project-admin", "system-admin", "service"), "list_revoke_events", "revocation_list")
	set(allow("project-admin", "domain-admin", "system-admin", "service"), "ec2tokens_validate", "s3tokens_validate")
	// Of the target's owner, who is none of the personas.
	set(allow("project-admin", "domain-admin", "system-admin"), "create_credential", "update_credential", "delete_credential")
	set(allow(anyReaders...), "get_credential")
	set(allow(noDomain...), "ec2_create_credential", "ec2_delete_credential", "delete_application_credential", "delete_trust")
	set(allow(readers...), "ec2_get_credential", "ec2_list_credentials", "list_application_credentials", "get_application_credential",
		"list_trusts", "get_trust", "list_roles_for_trust", "get_role_for_trust")
	set(allow("system-reader", "system-admin"), "list_access_rules", "get_access_rule")
	set(allow("system-admin"), "delete_access_rule")
	set(allow(unscopedOK...), "list_credentials") // each his own
	set(allow(), "create_application_credential", "create_trust")
	set(allow(append(slices.Clone(anyReaders), "service")...), "validate_token")
	set(allow(anyReaders...), "check_token")
	set(allow(admins...), "revoke_token")
	set(allow(append(slices.Clone(domainReaders), "project-reader", "project-member", "project-manager", "service")...), "get_limit")
	return c
}

// world is what the routes' placeholders stand for.
type world struct {
	c      *identitytest.Cloud
	vars   map[string]string
	tokens map[string]string
	bodies map[string]any
	victim string
}

func newWorld(t *testing.T, c *identitytest.Cloud) *world {
	admin := c.Admin()
	w := &world{c: c, vars: map[string]string{}, tokens: map[string]string{"none": "", "forged": strings.Repeat("A", 120)}}
	home := c.Create(admin, "/v3/domains", "domain", object{"name": "home"})
	away := c.Create(admin, "/v3/domains", "domain", object{"name": "away"})
	project := c.Create(admin, "/v3/projects", "project", object{"name": "p", "domain_id": home})
	sibling := c.Create(admin, "/v3/projects", "project", object{"name": "s", "domain_id": home})
	foreign := c.Create(admin, "/v3/projects", "project", object{"name": "f", "domain_id": away})
	for name, p := range map[string][4]string{
		"sibling-member": {home, "member", "project", sibling},
		"foreign-member": {away, "member", "project", foreign}, "foreign-manager": {away, "manager", "domain", away},
		"project-reader": {home, "reader", "project", project}, "project-member": {home, "member", "project", project},
		"project-manager": {home, "manager", "project", project}, "project-admin": {home, "admin", "project", project},
		"domain-reader": {home, "reader", "domain", home}, "domain-manager": {home, "manager", "domain", home},
		"domain-admin": {home, "admin", "domain", home}, "system-reader": {home, "reader", "system", ""},
		"system-admin": {home, "admin", "system", ""}, "service": {home, "service", "project", project},
	} {
		w.tokens[name] = c.Persona(admin, name, p[0], p[1], p[2], p[3]).Token
	}
	w.fill(admin, home, project)
	return w
}

// fill makes one of everything that a route can be about.
func (w *world) fill(admin, home, project string) {
	c := w.c
	owner := c.Persona(admin, "owner", home, "member", "project", project)
	group := c.Create(admin, "/v3/groups", "group", object{"name": "g", "domain_id": home})
	c.Must(204, "PUT", "/v3/groups/"+group+"/users/"+owner.UserID, admin, nil)
	service := c.Create(admin, "/v3/services", "service", object{"type": "t", "name": "s"})
	reg := c.Must(201, "POST", "/v3/registered_limits", admin, object{"registered_limits": []object{{"service_id": service, "resource_name": "r", "default_limit": 5}}})
	lim := c.Must(201, "POST", "/v3/limits", admin, object{"limits": []object{{"service_id": service, "resource_name": "r", "resource_limit": 5, "project_id": project}}})
	app := c.Create(owner.Token, "/v3/users/"+owner.UserID+"/application_credentials", "application_credential", object{
		"name":         "a",
		"access_rules": []object{{"service": "compute", "path": "/v2.1/servers", "method": "GET"}},
	})
	rules := c.Must(200, "GET", "/v3/users/"+owner.UserID+"/access_rules", owner.Token, nil)
	other := c.Create(admin, "/v3/users", "user", object{"name": "other", "domain_id": home, "password": "pw"})
	ec2 := c.Must(201, "POST", "/v3/users/"+owner.UserID+"/credentials/OS-EC2", owner.Token, object{"tenant_id": project})
	c.Must(201, "PUT", "/v3/OS-FEDERATION/identity_providers/idp", admin, object{"identity_provider": object{"enabled": true}})
	mapping := object{"mapping": object{"rules": []object{{"local": []object{{"user": object{"name": "{0}"}}}, "remote": []object{{"type": "U"}}}}}}
	c.Must(201, "PUT", "/v3/OS-FEDERATION/mappings/m", admin, mapping)
	c.Must(201, "PUT", "/v3/OS-FEDERATION/identity_providers/idp/protocols/proto", admin, object{"protocol": object{"mapping_id": "m"}})
	sp := object{"service_provider": object{"auth_url": "https://a.example.org/", "sp_url": "https://b.example.org/"}}
	c.Must(201, "PUT", "/v3/OS-FEDERATION/service_providers/sp", admin, sp)
	c.Must(201, "PUT", "/v3/regions/region", admin, object{"region": object{}})
	first := func(a identitytest.Answer, key string) string { return a.Body[key].([]any)[0].(object)["id"].(string) }
	w.vars = map[string]string{
		"user_id": owner.UserID, "project_id": project, "domain_id": home, "group_id": group, "role_id": c.Role(admin, "reader"),
		"prior_role_id": c.Role(admin, "member"), "implied_role_id": c.Role(admin, "reader"), "service_id": service, "region_id": "region",
		"endpoint_id":       c.Create(admin, "/v3/endpoints", "endpoint", object{"service_id": service, "interface": "public", "url": "https://e.example.org/"}),
		"endpoint_group_id": c.Create(admin, "/v3/OS-EP-FILTER/endpoint_groups", "endpoint_group", object{"name": "eg", "filters": object{"service_id": service}}),
		"policy_id":         c.Create(admin, "/v3/policies", "policy", object{"type": "t", "blob": "{}"}),
		"credential_id":     c.Create(owner.Token, "/v3/credentials", "credential", object{"type": "cert", "blob": "x", "project_id": project}),
		"ec2":               ec2.Text("credential", "access"), "registered_limit_id": first(reg, "registered_limits"), "limit_id": first(lim, "limits"),
		"application_credential_id": app, "access_rule_id": first(rules, "access_rules"),
		"trust_id": c.Create(owner.Token, "/v3/OS-TRUST/trusts", "trust", object{
			"trustor_user_id": owner.UserID, "trustee_user_id": other,
			"impersonation": false, "project_id": project, "roles": []object{{"name": "member"}},
		}),
		"idp_id": "idp", "protocol_id": "proto", "mapping_id": "m", "sp_id": "sp", "tag": "red", "group": "ldap", "option": "url",
		"consumer_id":      c.Create(admin, "/v3/OS-OAUTH1/consumers", "consumer", object{"description": "d"}),
		"request_token_id": strings.Repeat("0", 32), "access_token_id": strings.Repeat("0", 32),
	}
	w.victim = owner.Token
	c.Must(200, "PUT", "/v3/projects/"+project+"/tags", admin, object{"tags": []string{"red"}})
	c.Must(201, "PUT", "/v3/domains/"+home+"/config", admin, object{"config": object{"ldap": object{"url": "ldap://l"}}})
	w.bodies = map[string]any{
		"POST /v3/users": object{"user": object{"name": "n", "domain_id": home}}, "POST /v3/groups": object{"group": object{"name": "n", "domain_id": home}},
		"POST /v3/projects": object{"project": object{"name": "n", "domain_id": home}}, "POST /v3/domains": object{"domain": object{"name": "n"}},
		"POST /v3/roles": object{"role": object{"name": "n"}}, "POST /v3/regions": object{"region": object{"id": "n"}},
		"POST /v3/services":                     object{"service": object{"type": "n"}},
		"POST /v3/endpoints":                    object{"endpoint": object{"service_id": service, "interface": "admin", "url": "https://n.example.org/"}},
		"POST /v3/policies":                     object{"policy": object{"type": "n", "blob": "{}"}},
		"POST /v3/OS-EP-FILTER/endpoint_groups": object{"endpoint_group": object{"name": "n", "filters": object{"interface": "public"}}},
		"POST /v3/credentials":                  object{"credential": object{"type": "cert", "blob": "n", "user_id": owner.UserID, "project_id": project}},
		"POST /v3/registered_limits":            object{"registered_limits": []object{{"service_id": service, "resource_name": "n", "default_limit": 1}}},
		"POST /v3/limits":                       object{"limits": []object{{"service_id": service, "resource_name": "n", "resource_limit": 1, "project_id": project}}},
		"POST /v3/OS-OAUTH1/consumers":          object{"consumer": object{}},
		"POST /v3/OS-TRUST/trusts": object{"trust": object{
			"trustor_user_id": owner.UserID, "trustee_user_id": other, "impersonation": false,
			"project_id": project, "roles": []object{{"name": "member"}},
		}},
		"POST /v3/users/{user_id}/application_credentials": object{"application_credential": object{"name": "n"}},
		"POST /v3/users/{user_id}/credentials/OS-EC2":      object{"tenant_id": project},
		"PUT /v3/OS-FEDERATION/mappings/{mapping_id}":      mapping, "PATCH /v3/OS-FEDERATION/mappings/{mapping_id}": mapping,
		"PUT /v3/OS-FEDERATION/service_providers/{sp_id}":                             sp,
		"PUT /v3/OS-FEDERATION/identity_providers/{idp_id}/protocols/{protocol_id}":   object{"protocol": object{"mapping_id": "m"}},
		"PATCH /v3/OS-FEDERATION/identity_providers/{idp_id}/protocols/{protocol_id}": object{"protocol": object{"mapping_id": "m"}},
		"PUT /v3/projects/{project_id}/tags":                                          object{"tags": []string{"red"}},
		"PUT /v3/domains/{domain_id}/config":                                          object{"config": object{"ldap": object{"url": "ldap://l"}}},
		"PATCH /v3/domains/{domain_id}/config":                                        object{"config": object{"ldap": object{"url": "ldap://l"}}},
		"PATCH /v3/domains/{domain_id}/config/{group}":                                object{"config": object{"ldap": object{"url": "ldap://l"}}},
		"PATCH /v3/domains/{domain_id}/config/{group}/{option}":                       object{"config": object{"ldap": object{"url": "ldap://l"}}},
		"PUT /v3/OS-OAUTH1/authorize/{request_token_id}":                              object{"roles": []object{{"name": "reader"}}},
		"POST /v3/ec2tokens":                                                          object{"credentials": object{"access": "a", "signature": "s"}},
		"POST /v3/s3tokens":                                                           object{"credentials": object{"access": "a", "signature": "s", "token": "dA=="}},
		"PATCH /v3/registered_limits/{registered_limit_id}":                           object{"registered_limit": object{"default_limit": 6}},
		"PATCH /v3/limits/{limit_id}":                                                 object{"limit": object{"resource_limit": 5}},
	}
}

func (w *world) path(p string) string {
	for name, v := range w.vars {
		if name == "credential_id" && strings.Contains(p, "OS-EC2") {
			v = w.vars["ec2"]
		}
		p = strings.ReplaceAll(p, "{"+name+"}", v)
	}
	return p
}

// body is what a route needs to get past its schema; PATCH repeats an attribute.
func (w *world) body(r httpx.Route) any {
	if b, ok := w.bodies[r.Method+" "+r.Path]; ok {
		return b
	}
	if r.Method != "PATCH" && r.Method != "PUT" {
		return nil
	}
	segs := strings.Split(r.Path, "/")
	noun := strings.TrimSuffix(segs[len(segs)-2], "s")
	noun = map[string]string{"policie": "policy", "identity_provider": "identity_provider"}[noun] + map[bool]string{true: "", false: noun}[noun == "policie" || noun == "identity_provider"]
	fields := object{"description": "new"}
	if noun == "policy" {
		fields = object{"type": "new"}
	}
	if noun == "credential" {
		fields = object{"blob": "new"}
	}
	return object{noun: fields}
}

// TestRoleMatrix tries every route as every persona. Routes that change
// something are tried by those who must be refused; that they work for the
// others is tested where their effects are.
func TestRoleMatrix(t *testing.T) { each(t, roleMatrix) }

func roleMatrix(t *testing.T, c *identitytest.Cloud) {
	w := newWorld(t, c)
	expect := classes()
	public := map[string]bool{}
	var routes []httpx.Route
	for _, r := range w.c.API.Routes {
		if r.Public {
			public[r.Path] = true
			continue
		}
		if _, ok := expect[r.Policy]; !ok {
			t.Errorf("%s %s: nobody has said who may do %q; add it to classes", r.Method, r.Path, r.Policy)
		}
		routes = append(routes, r)
	}
	trials := 0
	for _, r := range routes {
		for _, p := range personas {
			if p == "expired" {
				continue // below: the clock moves for all
			}
			allowed := slices.Contains(expect[r.Policy].allowed, p)
			if allowed && r.Method != http.MethodGet && r.Method != http.MethodHead {
				continue // what it does is tested elsewhere; here it would undo the world
			}
			headers := []string{}
			if strings.HasPrefix(r.Path, "/v3/auth/tokens") {
				headers = append(headers, "X-Subject-Token", w.victim)
			}
			path := w.path(r.Path)
			a := w.c.Do(r.Method, path, w.tokens[p], w.body(r), headers...)
			trials++
			want := "allowed"
			ok := a.Status < 500 && a.Status != 401 && a.Status != 403
			switch {
			case p == "none" || p == "forged":
				want, ok = "401", a.Status == 401
			case !allowed:
				want, ok = "403", a.Status == 403
			}
			if !ok {
				t.Errorf("%-6s %s (%s) as %s: %d, want %s: %.160s", r.Method, r.Path, r.Policy, p, a.Status, want, a.Raw)
			}
		}
	}
	w.c.Clock.Advance(2 * 60 * 60 * 1e9)
	for _, r := range routes {
		if a := w.c.Do(r.Method, w.path(r.Path), w.tokens["system-admin"], w.body(r), "X-Subject-Token", w.victim); a.Status != 401 {
			t.Errorf("%s %s with an expired token: %d", r.Method, r.Path, a.Status)
		}
		trials++
	}
	open := slices.Collect(maps.Keys(public))
	sort.Strings(open)
	want := []string{
		"/", "/healthcheck", "/v3", "/v3/OS-FEDERATION/identity_providers/{idp_id}/protocols/{protocol_id}/auth",
		"/v3/OS-FEDERATION/identity_providers/{idp_id}/protocols/{protocol_id}/metadata", "/v3/OS-FEDERATION/saml2/metadata",
		"/v3/OS-OAUTH1/access_token", "/v3/OS-OAUTH1/request_token", "/v3/OS-OAUTH2/token", "/v3/OS-SIMPLE-CERT/ca", "/v3/OS-SIMPLE-CERT/certificates",
		"/v3/auth/OS-FEDERATION/identity_providers/{idp_id}/protocols/{protocol_id}/websso", "/v3/auth/OS-FEDERATION/saml2", "/v3/auth/OS-FEDERATION/saml2/ecp",
		"/v3/auth/OS-FEDERATION/websso/{protocol_id}", "/v3/auth/tokens", "/v3/users/{user_id}/password",
	}
	if fmt.Sprint(open) != fmt.Sprint(want) {
		t.Errorf("open without a token:\n got %v\nwant %v", open, want)
	}
	t.Logf("%d routes, %d trials", len(routes), trials)
}
