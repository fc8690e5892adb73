package api

import (
	"context"
	"net/http"
	"strings"

	"kumoi/internal/identity"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/isotime"
	"kumoi/internal/kernel/rest"
	"kumoi/internal/kernel/schema"
	"kumoi/internal/kernel/store"
)

func (h *handlers) userRoutes() []httpx.Route {
	const one = "/v3/users/{user_id}"
	password := route(http.MethodPost, one+"/password", "", done(h.changePassword))
	password.Public = true // an expired password gives no token to change it with
	return append(h.users.Routes(),
		password,
		get(one+"/groups", "identity:list_groups_for_user", h.userGroups),
	)
}

func users(svc *identity.Service) *userResource {
	l := listOf("domain_id", "enabled", "idp_id", "name", "protocol_id", "unique_id", "default_project_id")
	u := svc.Users
	return &userResource{
		Path: "/v3/users", Item: "user_id", One: "user", Many: "users", Rule: rules("user", "users"), Query: also(l, "password_expires_at", passwordExpires),
		View: view(userRow), ID: func(v *identity.User) string { return v.ID },
		List: u.List, Show: u.Show, Create: u.Create, Update: u.Update, Delete: u.Delete,
		ReadNew: func(r *httpx.Request) (identity.UserChange, error) {
			return userChange(readObject(r, "user", userCreate))
		},
		ReadPatch: func(r *httpx.Request) (identity.UserChange, error) {
			o, err := readObject(r, "user", userUpdate)
			if err == nil {
				err = sameID(o, r.Var("user_id"), "User")
			}
			return userChange(o, err)
		},
	}
}

// userResource is ordinary but for the password beside a change.
type userResource = rest.Resource[identity.User, identity.UserChange, identity.UserChange]

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

func userRow(w *rest.Writer, r *httpx.Request, u *identity.User) {
	w.Text("id", u.ID)
	w.Text("name", u.Name)
	w.Text("domain_id", u.DomainID)
	w.Bool("enabled", u.Enabled)
	attrs(w, "options", u.Options)
	w.Time("password_expires_at", u.PasswordExpiresAt, rest.MicrosZ)
	links(w, r, "/users/"+u.ID)
	if u.DefaultProjectID != "" {
		w.Text("default_project_id", u.DefaultProjectID)
	}
	if len(u.Federated) > 0 {
		w.Any("federated", federatedView(u.Federated))
	}
	extra(w, u.Extra, "name", "domain_id", "enabled", "options", "password_expires_at", "default_project_id", "federated")
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

func userChange(o object, err error) (identity.UserChange, error) {
	change := identity.UserChange{}
	if _, ok := o["password"]; ok {
		p := str(o, "password")
		change.Password = &p
	}
	change.Apply = func(u *identity.User) error {
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
	return change, err
}

// timeMatch reads "gt:2026-01-01T00:00:00Z" and its kin.
func timeMatch(field, v string) (store.Cond, error) {
	op, rest, _ := strings.Cut(v, ":")
	ops := map[string]store.Op{
		"lt": store.Less, "lte": store.LessEqual, "gt": store.Greater, "gte": store.GreaterEq,
		"eq": store.Equal, "neq": store.NotEqual,
	}
	m := store.Cond{Field: field}
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

// passwordExpires are the users whose passwords end, and when.
func passwordExpires(v string) ([]store.Cond, error) {
	m, err := timeMatch("password_expires_at", v)
	return []store.Cond{m, {Field: "password_expires_at", Op: store.Greater, Value: int64(0)}}, err
}

func (h *handlers) changePassword(ctx context.Context, r *httpx.Request) error {
	o, err := readObject(r, "user", passwordChange)
	if err != nil {
		return err
	}
	return h.svc.Users.ChangeOwnPassword(ctx, r.Var("user_id"), str(o, "original_password"), str(o, "password"))
}

var userGroupList = listOf("name")

func (h *handlers) userGroups(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	return paged(ctx, r, h.groups, userGroupList, func(ctx context.Context, q store.Query) (store.Page[identity.Group], error) {
		return h.svc.Users.Groups(ctx, r.Var("user_id"), q)
	})
}
