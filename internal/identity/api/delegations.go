package api

import (
	"context"
	"encoding/json"
	"net/http"

	"kumoi/internal/identity"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/schema"
)

func (h *handlers) delegationRoutes() []httpx.Route {
	const (
		creds  = "/v3/users/{user_id}/application_credentials"
		cred   = creds + "/{application_credential_id}"
		rules  = "/v3/users/{user_id}/access_rules"
		rule   = rules + "/{access_rule_id}"
		trusts = "/v3/OS-TRUST/trusts"
		trust  = trusts + "/{trust_id}"
	)
	return append([]httpx.Route{
		get(creds, "identity:list_application_credentials", h.listAppCreds),
		route(http.MethodPost, creds, "identity:create_application_credential", h.createAppCred),
		get(cred, "identity:get_application_credential", h.showAppCred),
		route(http.MethodDelete, cred, "identity:delete_application_credential", done(func(ctx context.Context, r *httpx.Request) error {
			return h.svc.DeleteAppCredential(ctx, r.Var("user_id"), r.Var("application_credential_id"))
		})),
		get(rules, "identity:list_access_rules", h.listAccessRules),
		get(rule, "identity:get_access_rule", h.showAccessRule),
		route(http.MethodDelete, rule, "identity:delete_access_rule", done(func(ctx context.Context, r *httpx.Request) error {
			return h.svc.DeleteAccessRule(ctx, r.Var("user_id"), r.Var("access_rule_id"))
		})),
		get(trusts, "identity:list_trusts", h.listTrusts),
		route(http.MethodPost, trusts, "identity:create_trust", h.createTrust),
		get(trust, "identity:get_trust", h.showTrust),
		route(http.MethodDelete, trust, "identity:delete_trust", done(func(ctx context.Context, r *httpx.Request) error {
			return h.svc.DeleteTrust(ctx, r.Var("trust_id"))
		})),
		get(trust+"/roles", "identity:list_roles_for_trust", h.trustRoles),
	}, check(trust+"/roles/{role_id}", "identity:get_role_for_trust", h.trustRole)...)
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

func accessRuleView(r *httpx.Request, a identity.AccessRule) object {
	return object{"id": a.ID, "service": a.Service, "path": a.Path, "method": a.Method, "links": self(r, "/users/"+a.UserID+"/access_rules/"+a.ID)}
}

func appCredView(r *httpx.Request, a identity.AppCredential) object {
	roles := make([]object, len(a.Roles))
	for i, role := range a.Roles {
		roles[i] = object{"id": role.ID, "name": role.Name, "domain_id": orNull(role.DomainID)}
	}
	v := object{
		"id": a.ID, "name": a.Name, "description": orNull(a.Description), "project_id": a.ProjectID, "user_id": a.UserID, "system": orNull(a.System),
		"expires_at": trimmed(a), "unrestricted": a.Unrestricted, "roles": roles,
		"links": self(r, "/users/"+a.UserID+"/application_credentials/"+a.ID),
	}
	if a.Secret != "" {
		v["secret"] = a.Secret
	}
	if len(a.AccessRules) > 0 {
		rules := make([]object, len(a.AccessRules))
		for i, rule := range a.AccessRules {
			rules[i] = object{"id": rule.ID, "service": rule.Service, "path": rule.Path, "method": rule.Method}
		}
		v["access_rules"] = rules
	}
	return v
}

// trimmed is the expiry as Keystone writes it here: without a zone.
func trimmed(a identity.AppCredential) any {
	if a.ExpiresAt.IsZero() {
		return nil
	}
	return a.ExpiresAt.UTC().Format("2006-01-02T15:04:05.000000")
}

func (h *handlers) listAppCreds(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	q, err := filters(r, "name")
	if err != nil {
		return nil, err
	}
	page, err := h.svc.ListAppCredentials(ctx, r.Var("user_id"), q)
	if err != nil {
		return nil, err
	}
	return collection(r, "application_credentials", page, func(a identity.AppCredential) string { return a.ID }, appCredView), nil
}

func (h *handlers) createAppCred(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	o, err := body(r, "application_credential", appCredCreate)
	if err != nil {
		return nil, err
	}
	a := identity.AppCredential{UserID: r.Var("user_id"), Name: str(o, "name"), Description: str(o, "description"), Secret: str(o, "secret")}
	patch{o}.flag("unrestricted", &a.Unrestricted)
	if a.ExpiresAt, err = moment(o, "expires_at"); err != nil {
		return nil, err
	}
	list, _ := o["access_rules"].([]any)
	for _, x := range list {
		rule := x.(object)
		a.AccessRules = append(a.AccessRules, identity.AccessRule{ID: str(rule, "id"), Service: str(rule, "service"), Path: str(rule, "path"), Method: str(rule, "method")})
	}
	if a, err = h.svc.CreateAppCredential(ctx, a, refs(o["roles"])); err != nil {
		return nil, err
	}
	return httpx.JSON(http.StatusCreated, object{"application_credential": appCredView(r, a)}), nil
}

func (h *handlers) showAppCred(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	a, err := h.svc.GetAppCredential(ctx, r.Var("user_id"), r.Var("application_credential_id"))
	if err != nil {
		return nil, err
	}
	return httpx.JSON(http.StatusOK, object{"application_credential": appCredView(r, a)}), nil
}

func (h *handlers) listAccessRules(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	q, err := filters(r, "service", "path", "method")
	if err != nil {
		return nil, err
	}
	page, err := h.svc.ListAccessRules(ctx, r.Var("user_id"), q)
	if err != nil {
		return nil, err
	}
	return collection(r, "access_rules", page, func(a identity.AccessRule) string { return a.ID }, accessRuleView), nil
}

func (h *handlers) showAccessRule(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	a, err := h.svc.GetAccessRule(ctx, r.Var("user_id"), r.Var("access_rule_id"))
	if err != nil {
		return nil, err
	}
	return httpx.JSON(http.StatusOK, object{"access_rule": accessRuleView(r, a)}), nil
}

func trustView(r *httpx.Request, t identity.Trust) object {
	v := object{
		"id": t.ID, "trustor_user_id": t.TrustorUserID, "trustee_user_id": t.TrusteeUserID, "project_id": orNull(t.ProjectID),
		"impersonation": t.Impersonation, "expires_at": when(t.ExpiresAt), "deleted_at": when(t.DeletedAt), "remaining_uses": nil,
		"redelegated_trust_id": orNull(t.RedelegatedTrustID), "redelegation_count": t.RedelegationCount,
		"links": self(r, "/OS-TRUST/trusts/"+t.ID),
	}
	if t.RemainingUses >= 0 {
		v["remaining_uses"] = t.RemainingUses
	}
	return with(v, t.Extra)
}

func fullTrustView(r *httpx.Request, t identity.Trust) object {
	v := trustView(r, t)
	roles := make([]object, len(t.Roles))
	for i, role := range t.Roles {
		roles[i] = roleView(r, role)
	}
	v["roles"] = roles
	v["roles_links"] = object{"self": v3(r, "/OS-TRUST/trusts/%s/roles", t.ID), "previous": nil, "next": nil}
	return v
}

func (h *handlers) listTrusts(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	q, err := filters(r)
	if err != nil {
		return nil, err
	}
	page, err := h.svc.ListTrusts(ctx, r.Query.Get("trustor_user_id"), r.Query.Get("trustee_user_id"), q)
	if err != nil {
		return nil, err
	}
	return collection(r, "trusts", page, func(t identity.Trust) string { return t.ID }, trustView), nil
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

func (h *handlers) createTrust(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	o, err := body(r, "trust", trustCreate)
	if err != nil {
		return nil, err
	}
	t := identity.Trust{TrustorUserID: str(o, "trustor_user_id"), TrusteeUserID: str(o, "trustee_user_id"), ProjectID: str(o, "project_id"), RemainingUses: -1}
	patch{o}.flag("impersonation", &t.Impersonation)
	patch{o}.flag("allow_redelegation", &t.AllowRedelegation)
	if t.ExpiresAt, err = moment(o, "expires_at"); err != nil {
		return nil, err
	}
	uses, err := whole(o, "remaining_uses")
	if err != nil {
		return nil, err
	}
	if uses != nil {
		t.RemainingUses = *uses
	}
	depth, err := whole(o, "redelegation_count")
	if err != nil {
		return nil, err
	}
	patch{o}.extra(&t.Extra, "trustor_user_id", "trustee_user_id", "project_id", "impersonation", "allow_redelegation", "expires_at",
		"remaining_uses", "redelegation_count", "redelegated_trust_id", "roles", "deleted_at", "roles_links")
	if t, err = h.svc.CreateTrust(ctx, t, refs(o["roles"]), depth); err != nil {
		return nil, err
	}
	return httpx.JSON(http.StatusCreated, object{"trust": fullTrustView(r, t)}), nil
}

func (h *handlers) showTrust(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	t, err := h.svc.GetTrust(ctx, "identity:get_trust", r.Var("trust_id"))
	if err != nil {
		return nil, err
	}
	return httpx.JSON(http.StatusOK, object{"trust": fullTrustView(r, t)}), nil
}

func (h *handlers) trustRoles(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	t, err := h.svc.GetTrust(ctx, "identity:list_roles_for_trust", r.Var("trust_id"))
	if err != nil {
		return nil, err
	}
	v := fullTrustView(r, t)
	return httpx.JSON(http.StatusOK, object{"roles": v["roles"], "links": v["roles_links"]}), nil
}

func (h *handlers) trustRole(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	t, err := h.svc.GetTrust(ctx, "identity:get_role_for_trust", r.Var("trust_id"))
	if err != nil {
		return nil, err
	}
	for _, role := range t.Roles {
		if role.ID == r.Var("role_id") {
			return httpx.JSON(http.StatusOK, object{"role": roleView(r, role)}), nil
		}
	}
	return nil, errs.New(errs.NotFound, "Could not find role: %s.", r.Var("role_id"))
}
