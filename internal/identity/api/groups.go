package api

import (
	"context"
	"net/http"
	"slices"

	"kumoi/internal/identity"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/schema"
)

func (h *handlers) groupRoutes() []httpx.Route {
	const users, member = "/v3/groups/{group_id}/users", "/v3/groups/{group_id}/users/{user_id}"
	return slices.Concat(h.groups().routes(), []httpx.Route{
		get(users, "identity:list_users_in_group", h.groupUsers),
		route(http.MethodPut, member, "identity:add_user_to_group", done(h.addMember)),
		route(http.MethodDelete, member, "identity:remove_user_from_group", done(h.removeMember)),
	}, check(member, "identity:check_user_in_group", done(h.checkMember)))
}

func (h *handlers) groups() resource[identity.Group] {
	return resource[identity.Group]{
		path: "/v3/groups", idVar: "group_id", key: "group", plural: "groups", create: groupCreate, update: groupUpdate,
		filters: []string{"domain_id", "name"}, id: groupID, view: groupView, apply: applyGroup,
		use: verbs[identity.Group]{h.svc.ListGroups, h.svc.CreateGroup, h.svc.GetGroup, h.svc.UpdateGroup, h.svc.DeleteGroup},
	}
}

var (
	groupProperties = schema.Object{"name": name64, "description": nullText, "domain_id": idText}
	groupCreate     = schema.Of(schema.Object{"type": "object", "required": schema.List{"name"}, "properties": groupProperties})
	groupUpdate     = schema.Of(schema.Object{"type": "object", "minProperties": 1, "properties": groupProperties})
)

func groupID(g identity.Group) string { return g.ID }

func groupView(r *httpx.Request, g identity.Group) object {
	return with(object{
		"id": g.ID, "name": g.Name, "domain_id": g.DomainID, "description": g.Description, "links": self(r, "/groups/"+g.ID),
	}, g.Extra)
}

func applyGroup(o object, g *identity.Group) error {
	in := patch{o}
	in.text("name", &g.Name)
	in.text("description", &g.Description)
	in.text("domain_id", &g.DomainID)
	in.extra(&g.Extra, "name", "description", "domain_id")
	return nil
}

func (h *handlers) groupUsers(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	q, err := filters(r, "domain_id", "enabled", "name", "password_expires_at")
	if err != nil {
		return nil, err
	}
	page, err := h.svc.GroupUsers(ctx, r.Var("group_id"), q)
	if err != nil {
		return nil, err
	}
	return collection(r, "users", page, userID, userView), nil
}

func (h *handlers) addMember(ctx context.Context, r *httpx.Request) error {
	return h.svc.AddMember(ctx, r.Var("group_id"), r.Var("user_id"))
}

func (h *handlers) removeMember(ctx context.Context, r *httpx.Request) error {
	return h.svc.RemoveMember(ctx, r.Var("group_id"), r.Var("user_id"))
}

func (h *handlers) checkMember(ctx context.Context, r *httpx.Request) error {
	return h.svc.IsMember(ctx, r.Var("group_id"), r.Var("user_id"))
}
