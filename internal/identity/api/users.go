package api

import (
	"context"
	"net/http"
	"strings"

	"kumoi/internal/identity"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/isotime"
	"kumoi/internal/kernel/schema"
	"kumoi/internal/kernel/store"
)

func (h *handlers) userRoutes() []httpx.Route {
	const one = "/v3/users/{user_id}"
	password := route(http.MethodPost, one+"/password", "", done(h.changePassword))
	password.Public = true // an expired password gives no token to change it with
	return []httpx.Route{
		get("/v3/users", "identity:list_users", h.listUsers),
		route(http.MethodPost, "/v3/users", "identity:create_user", h.createUser),
		get(one, "identity:get_user", h.showUser),
		route(http.MethodPatch, one, "identity:update_user", h.updateUser),
		route(http.MethodDelete, one, "identity:delete_user", done(h.deleteUser)),
		password,
		get(one+"/groups", "identity:list_groups_for_user", h.userGroups),
	}
}

var (
	option      = schema.Object{"type": schema.List{"boolean", "null"}}
	userOptions = schema.Object{"type": "object", "additionalProperties": false, "properties": schema.Object{
		"ignore_change_password_upon_first_use": option, "ignore_password_expiry": option, "ignore_lockout_failure_attempts": option,
		"lock_password": option, "ignore_user_inactivity": option, "multi_factor_auth_enabled": option,
		"multi_factor_auth_rules": schema.Object{"type": schema.List{"array", "null"}, "items": schema.Object{
			"type": "array", "items": text, "minItems": 1, "uniqueItems": true,
		}},
	}}
	federatedList = schema.Object{"type": "array", "items": schema.Object{
		"type": "object", "required": schema.List{"idp_id", "protocols"},
		"properties": schema.Object{"idp_id": text, "protocols": schema.Object{"type": "array", "minItems": 1, "items": schema.Object{
			"type": "object", "required": schema.List{"protocol_id", "unique_id"},
			"properties": schema.Object{"protocol_id": text, "unique_id": text},
		}}},
	}}
	userProperties = schema.Object{
		"name": name255, "enabled": boolean, "domain_id": idText, "default_project_id": nullID, "description": nullText,
		"password": schema.Object{"type": schema.List{"string", "null"}}, "options": userOptions, "federated": federatedList,
	}
	userCreate     = schema.Of(schema.Object{"type": "object", "required": schema.List{"name"}, "properties": userProperties})
	userUpdate     = schema.Of(schema.Object{"type": "object", "minProperties": 1, "properties": userProperties})
	passwordChange = schema.Of(schema.Object{
		"type": "object", "required": schema.List{"original_password", "password"}, "additionalProperties": false,
		"properties": schema.Object{"original_password": text, "password": text},
	})
)

func userView(r *httpx.Request, u identity.User) object {
	v := object{
		"id": u.ID, "name": u.Name, "domain_id": u.DomainID, "enabled": u.Enabled, "options": attrs(u.Options),
		"password_expires_at": when(u.PasswordExpiresAt), "links": self(r, "/users/"+u.ID),
	}
	if u.DefaultProjectID != "" {
		v["default_project_id"] = u.DefaultProjectID
	}
	if len(u.Federated) > 0 {
		v["federated"] = federatedView(u.Federated)
	}
	return with(v, u.Extra)
}

func federatedView(list []identity.FederatedIdentity) []object {
	var out []object
	for _, f := range list {
		p := object{"protocol_id": f.ProtocolID, "unique_id": f.UniqueID}
		if n := len(out); n > 0 && out[n-1]["idp_id"] == f.IdPID {
			out[n-1]["protocols"] = append(out[n-1]["protocols"].([]object), p)
			continue
		}
		out = append(out, object{"idp_id": f.IdPID, "protocols": []object{p}})
	}
	return out
}

func userPatch(o object) func(u *identity.User) error {
	return func(u *identity.User) error {
		in := patch{o}
		in.text("name", &u.Name)
		in.text("domain_id", &u.DomainID)
		in.text("default_project_id", &u.DefaultProjectID)
		in.flag("enabled", &u.Enabled)
		in.options(&u.Options)
		in.extra(&u.Extra, "name", "domain_id", "default_project_id", "enabled", "options", "password", "original_password",
			"federated", "password_expires_at")
		if list, ok := o["federated"].([]any); ok {
			u.Federated = []identity.FederatedIdentity{}
			for _, idp := range list {
				for _, p := range idp.(object)["protocols"].([]any) {
					u.Federated = append(u.Federated, identity.FederatedIdentity{
						IdPID: str(idp.(object), "idp_id"), ProtocolID: str(p.(object), "protocol_id"), UniqueID: str(p.(object), "unique_id"),
					})
				}
			}
		}
		return nil
	}
}

func userResponse(r *httpx.Request, status int, u identity.User, err error) (*httpx.Response, error) {
	if err != nil {
		return nil, err
	}
	return httpx.JSON(status, object{"user": userView(r, u)}), nil
}

func (h *handlers) listUsers(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	q, err := filters(r, "domain_id", "enabled", "idp_id", "name", "protocol_id", "unique_id", "default_project_id")
	if err != nil {
		return nil, err
	}
	if v := r.Query.Get("password_expires_at"); v != "" {
		m, err := timeMatch("password_expires_at", v)
		if err != nil {
			return nil, err
		}
		q.Where = append(q.Where, m, identity.Match{Field: "password_expires_at", Op: identity.Greater, Value: int64(0)})
	}
	page, err := h.svc.ListUsers(ctx, q)
	if err != nil {
		return nil, err
	}
	return collection(r, "users", page, userID, userView), nil
}

func userID(u identity.User) string { return u.ID }

// timeMatch reads "gt:2026-01-01T00:00:00Z" and its kin.
func timeMatch(field, v string) (identity.Match, error) {
	op, rest, _ := strings.Cut(v, ":")
	ops := map[string]identity.Op{
		"lt": identity.Less, "lte": identity.LessEqual, "gt": identity.Greater, "gte": identity.GreaterEq,
		"eq": identity.Equal, "neq": identity.NotEqual,
	}
	m := identity.Match{Field: field}
	var ok bool
	if m.Op, ok = ops[op]; !ok {
		rest = v
	}
	t, err := isotime.Parse(rest)
	if err != nil {
		return m, errs.New(errs.Invalid, "The filter %s=%s wants OPERATOR:TIME, with lt, lte, gt, gte, eq or neq and a time such as 2026-01-31T12:00:00Z.", field, v)
	}
	m.Value = store.Micros(t)
	return m, nil
}

func (h *handlers) createUser(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	o, err := body(r, "user", userCreate)
	if err != nil {
		return nil, err
	}
	u := identity.User{Enabled: true}
	if err := userPatch(o)(&u); err != nil {
		return nil, err
	}
	u, err = h.svc.CreateUser(ctx, u, str(o, "password"))
	return userResponse(r, http.StatusCreated, u, err)
}

func (h *handlers) showUser(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	u, err := h.svc.GetUser(ctx, r.Var("user_id"))
	return userResponse(r, http.StatusOK, u, err)
}

func (h *handlers) updateUser(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	o, err := body(r, "user", userUpdate)
	if err != nil {
		return nil, err
	}
	if err := sameID(o, r.Var("user_id"), "User"); err != nil {
		return nil, err
	}
	change := identity.UserChange{Apply: userPatch(o)}
	if _, ok := o["password"]; ok {
		p := str(o, "password")
		change.Password = &p
	}
	u, err := h.svc.UpdateUser(ctx, r.Var("user_id"), change)
	return userResponse(r, http.StatusOK, u, err)
}

func (h *handlers) deleteUser(ctx context.Context, r *httpx.Request) error {
	return h.svc.DeleteUser(ctx, r.Var("user_id"))
}

func (h *handlers) changePassword(ctx context.Context, r *httpx.Request) error {
	o, err := body(r, "user", passwordChange)
	if err != nil {
		return err
	}
	return h.svc.ChangeOwnPassword(ctx, r.Var("user_id"), str(o, "original_password"), str(o, "password"))
}

func (h *handlers) userGroups(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	q, err := filters(r, "name")
	if err != nil {
		return nil, err
	}
	page, err := h.svc.UserGroups(ctx, r.Var("user_id"), q)
	if err != nil {
		return nil, err
	}
	return collection(r, "groups", page, groupID, groupView), nil
}
