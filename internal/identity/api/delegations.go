package api

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"

	"kumoi/internal/identity"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/rest"
	"kumoi/internal/kernel/schema"
	"kumoi/internal/kernel/store"
)

func (h *handlers) delegationRoutes() []httpx.Route {
	const trust = "/v3/OS-TRUST/trusts/{trust_id}"
	return slices.Concat(appCredentials(h.svc).Routes(), accessRules(h.svc).Routes(), trusts(h.svc).Routes(), []httpx.Route{
		get(trust+"/roles", "identity:list_roles_for_trust", h.trustRoles),
	}, check(trust+"/roles/{role_id}", "identity:get_role_for_trust", h.trustRole))
}

var (
	roleRefs = schema.Object{"type": "array", "items": schema.Object{
		"type": "object", "minProperties": 1, "properties": schema.Object{"id": idText, "name": name255},
	}}
	accessRuleIs = schema.Object{"anyOf": schema.List{
		schema.Object{"type": "object", "required": schema.List{"id"}, "properties": schema.Object{"id": idText}},
		schema.Object{"type": "object", "required": schema.List{"path", "method", "service"}, "properties": schema.Object{
			"path": schema.Object{"type": "string", "minLength": 1, "maxLength": 225, "pattern": `^\/.*`}, "service": type255,
			"method": schema.Object{"type": "string", "pattern": "^(POST|GET|HEAD|PATCH|PUT|DELETE)$"},
		}},
	}}
	appCredCreate = schema.Of(schema.Object{
		"type": "object", "required": schema.List{"name"}, "additionalProperties": false,
		"properties": schema.Object{
			"name": name255, "description": nullText, "secret": schema.Object{"type": schema.List{"string", "null"}, "minLength": 1},
			"expires_at": schema.Object{"type": schema.List{"string", "null"}}, "unrestricted": schema.Object{"type": schema.List{"boolean", "null"}}, "roles": roleRefs,
			"access_rules": schema.Object{"type": "array", "items": accessRuleIs}, "project_id": nullText, "id": text, "links": options, "system": nullText,
		},
	})
	trustCreate = schema.Of(schema.Object{
		"type": "object", "required": schema.List{"trustee_user_id", "trustor_user_id", "impersonation"},
		"properties": schema.Object{
			"trustee_user_id": idText, "trustor_user_id": idText, "impersonation": boolean, "project_id": nullID,
			"expires_at": schema.Object{"type": schema.List{"string", "null"}}, "allow_redelegation": schema.Object{"type": schema.List{"boolean", "null"}},
			"remaining_uses": schema.Object{"type": schema.List{"integer", "null"}, "minimum": 1}, "redelegated_trust_id": nullID,
			"redelegation_count": schema.Object{"type": schema.List{"integer", "null"}, "minimum": 0}, "roles": roleRefs,
		},
	})
)

type appCredResource = rest.Resource[identity.AppCredential, identity.NewAppCredential, struct{}]

func appCredentials(svc *identity.Service) *appCredResource {
	return &appCredResource{
		Path: "/v3/users/{user_id}/application_credentials", Item: "application_credential_id", One: "application_credential", Many: "application_credentials",
		Rule: rules("application_credential", "application_credentials"), Query: listOf("name"), Verbs: "list show create delete",
		Bind: func(c *appCredResource, r *httpx.Request) {
			of := svc.AppCredentials.Of(r.Var("user_id"))
			c.List, c.Show, c.Create, c.Delete = of.List, of.Show, of.Create, of.Delete
		},
		ReadNew: newAppCredential, View: view(appCredRow), ID: func(v *identity.AppCredential) string { return v.ID },
	}
}

func appCredRow(w *rest.Writer, r *httpx.Request, a *identity.AppCredential) {
	w.Text("id", a.ID)
	w.Text("name", a.Name)
	w.TextOrNull("description", a.Description)
	w.Text("project_id", a.ProjectID)
	w.Text("user_id", a.UserID)
	w.TextOrNull("system", a.System)
	w.Time("expires_at", a.ExpiresAt, rest.Micros) // without a zone, here alone
	w.Bool("unrestricted", a.Unrestricted)
	w.List("roles", func() {
		for _, role := range a.Roles {
			w.Object("", func() {
				w.Text("id", role.ID)
				w.Text("name", role.Name)
				w.TextOrNull("domain_id", role.DomainID)
			})
		}
	})
	links(w, r, "/users/"+a.UserID+"/application_credentials/"+a.ID)
	if a.Secret != "" {
		w.Text("secret", a.Secret)
	}
	if len(a.AccessRules) > 0 {
		w.List("access_rules", func() {
			for _, rule := range a.AccessRules {
				w.Object("", func() { ruleRow(w, &rule) })
			}
		})
	}
}

func ruleRow(w *rest.Writer, a *identity.AccessRule) {
	w.Text("id", a.ID)
	w.Text("service", a.Service)
	w.Text("path", a.Path)
	w.Text("method", a.Method)
}

func newAppCredential(r *httpx.Request) (n identity.NewAppCredential, err error) {
	o, err := readObject(r, "application_credential", appCredCreate)
	if err != nil {
		return n, err
	}
	n.AppCredential = identity.AppCredential{Name: str(o, "name"), Description: str(o, "description"), Secret: str(o, "secret")}
	n.RoleRefs = refs(o["roles"])
	patch{o}.flag("unrestricted", &n.Unrestricted)
	list, _ := o["access_rules"].([]any)
	for _, x := range list {
		rule := x.(object)
		n.AccessRules = append(n.AccessRules, identity.AccessRule{ID: str(rule, "id"), Service: str(rule, "service"), Path: str(rule, "path"), Method: str(rule, "method")})
	}
	n.ExpiresAt, err = moment(o, "expires_at")
	return n, err
}

type ruleResource = rest.Resource[identity.AccessRule, struct{}, struct{}]

func accessRules(svc *identity.Service) *ruleResource {
	return &ruleResource{
		Path: "/v3/users/{user_id}/access_rules", Item: "access_rule_id", One: "access_rule", Many: "access_rules",
		Rule: rules("access_rule", "access_rules"), Query: listOf("service", "path", "method"), Verbs: "list show delete",
		Bind: func(c *ruleResource, r *httpx.Request) {
			of := svc.AccessRules.Of(r.Var("user_id"))
			c.List, c.Show, c.Delete = of.List, of.Show, of.Delete
		},
		View: view(func(w *rest.Writer, r *httpx.Request, a *identity.AccessRule) {
			ruleRow(w, a)
			links(w, r, "/users/"+a.UserID+"/access_rules/"+a.ID)
		}),
		ID: func(v *identity.AccessRule) string { return v.ID },
	}
}

type trustResource = rest.Resource[identity.Trust, identity.NewTrust, struct{}]

func trusts(svc *identity.Service) *trustResource {
	who := func(field string) func(string) ([]store.Cond, error) {
		return func(id string) ([]store.Cond, error) { return []store.Cond{store.Eq(field, id)}, nil }
	}
	use := svc.Trusts
	return &trustResource{
		Path: "/v3/OS-TRUST/trusts", Item: "trust_id", One: "trust", Many: "trusts", Rule: rules("trust", "trusts"),
		Query: also(also(listOf(), "trustor_user_id", who("trustor_user_id")), "trustee_user_id", who("trustee_user_id")),
		List:  use.List, Show: use.Show, Create: use.Create, Delete: use.Delete,
		ReadNew: newTrust, View: view(trustRow), ID: func(v *identity.Trust) string { return v.ID },
	}
}

// trustRow shows a trust, in lists without its roles.
func trustRow(w *rest.Writer, r *httpx.Request, t *identity.Trust) {
	w.Text("id", t.ID)
	w.Text("trustor_user_id", t.TrustorUserID)
	w.Text("trustee_user_id", t.TrusteeUserID)
	w.TextOrNull("project_id", t.ProjectID)
	w.Bool("impersonation", t.Impersonation)
	w.Time("expires_at", t.ExpiresAt, rest.MicrosZ)
	w.Time("deleted_at", t.DeletedAt, rest.MicrosZ)
	w.TextOrNull("redelegated_trust_id", t.RedelegatedTrustID)
	w.Int("redelegation_count", t.RedelegationCount)
	if t.RemainingUses >= 0 {
		w.Int("remaining_uses", t.RemainingUses)
	} else {
		w.Null("remaining_uses")
	}
	links(w, r, "/OS-TRUST/trusts/"+t.ID)
	extra(w, t.Extra, "trustor_user_id", "trustee_user_id", "project_id", "impersonation", "expires_at", "deleted_at", "redelegated_trust_id",
		"redelegation_count", "remaining_uses", "roles", "roles_links")
	if r.Var("trust_id") != "" || r.HTTP.Method == http.MethodPost {
		trustRolesOf(w, r, t, "roles_links")
	}
}

// trustRolesOf writes a trust's roles, and their links under a key.
func trustRolesOf(w *rest.Writer, r *httpx.Request, t *identity.Trust, key string) {
	w.List("roles", func() {
		for _, role := range t.Roles {
			w.Object("", func() { roleRow(w, r, &role) })
		}
	})
	w.Object(key, func() {
		w.Text("self", v3(r, "/OS-TRUST/trusts/%s/roles", t.ID))
		w.Null("previous")
		w.Null("next")
	})
}

// whole reads an integer of a body; absent or null gives nil.
func whole(o object, key string) (*int64, error) {
	n, ok := o[key].(json.Number)
	if !ok {
		return nil, nil
	}
	v, err := n.Int64()
	if err != nil {
		return nil, errs.New(errs.Invalid, "Invalid input for field/attribute %s. Value: %s. It is not a whole number in range.", key, n)
	}
	return &v, nil
}

func newTrust(r *httpx.Request) (n identity.NewTrust, err error) {
	o, err := readObject(r, "trust", trustCreate)
	if err != nil {
		return n, err
	}
	t := &n.Trust
	*t = identity.Trust{TrustorUserID: str(o, "trustor_user_id"), TrusteeUserID: str(o, "trustee_user_id"), ProjectID: str(o, "project_id"), RemainingUses: -1}
	n.RoleRefs = refs(o["roles"])
	in := patch{o}
	in.flag("impersonation", &t.Impersonation)
	in.flag("allow_redelegation", &t.AllowRedelegation)
	in.extra(&t.Extra, "trustor_user_id", "trustee_user_id", "project_id", "impersonation", "allow_redelegation", "expires_at",
		"remaining_uses", "redelegation_count", "redelegated_trust_id", "roles", "deleted_at", "roles_links")
	if t.ExpiresAt, err = moment(o, "expires_at"); err != nil {
		return n, err
	}
	if err := integer(o, "remaining_uses", &t.RemainingUses); err != nil {
		return n, err
	}
	n.Depth, err = whole(o, "redelegation_count")
	return n, err
}

func (h *handlers) trustRoles(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	t, err := h.svc.Trusts.Under(ctx, "identity:list_roles_for_trust", r.Var("trust_id"))
	if err != nil {
		return nil, err
	}
	return rest.Answer(http.StatusOK, func(w *rest.Writer) {
		w.Object("", func() { trustRolesOf(w, r, t, "links") })
	}), nil
}

func (h *handlers) trustRole(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	t, err := h.svc.Trusts.Under(ctx, "identity:get_role_for_trust", r.Var("trust_id"))
	if err != nil {
		return nil, err
	}
	return h.roleAmong(ctx, r, t.Roles, nil)
}
