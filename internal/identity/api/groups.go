package api

import (
	"context"
	"net/http"
	"slices"

	"kumoi/internal/identity"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/rest"
	"kumoi/internal/kernel/schema"
	"kumoi/internal/kernel/store"
)

func (h *handlers) groupRoutes() []httpx.Route {
	const users, member = "/v3/groups/{group_id}/users", "/v3/groups/{group_id}/users/{user_id}"
	return slices.Concat(h.groups.Routes(), []httpx.Route{
		get(users, "identity:list_users_in_group", h.groupUsers),
		route(http.MethodPut, member, "identity:add_user_to_group", done(h.addMember)),
		route(http.MethodDelete, member, "identity:remove_user_from_group", done(h.removeMember)),
	}, check(member, "identity:check_user_in_group", done(h.checkMember)))
}

func groups(svc *identity.Service) *resource[identity.Group] {
	return ordinary(resource[identity.Group]{
		Path: "/v3/groups", Item: "group_id", One: "group", Many: "groups", Query: listOf("domain_id", "name"), View: view(groupRow),
	}, svc.Groups, groupCreate, groupUpdate, applyGroup, func(v *identity.Group) *string { return &v.ID })
}

var (
	groupProperties = schema.Object{"name": name64, "description": nullText, "domain_id": idText}
	groupCreate     = schema.Of(schema.Object{"type": "object", "required": schema.List{"name"}, "properties": groupProperties})
	groupUpdate     = schema.Of(schema.Object{"type": "object", "minProperties": 1, "properties": groupProperties})
)

func groupRow(w *rest.Writer, r *httpx.Request, g *identity.Group) {
	w.Text("id", g.ID)
	w.Text("name", g.Name)
	w.Text("domain_id", g.DomainID)
	w.Text("description", g.Description)
	links(w, r, "/groups/"+g.ID)
	extra(w, g.Extra, "name", "domain_id", "description")
}

func applyGroup(o object, g *identity.Group) error {
	in := patch{o}
	in.text("name", &g.Name)
	in.text("description", &g.Description)
	in.text("domain_id", &g.DomainID)
	in.extra(&g.Extra, "name", "description", "domain_id")
	return nil
}

var groupUserList = also(listOf("domain_id", "enabled", "name"), "password_expires_at", passwordExpires)

func (h *handlers) groupUsers(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	return paged(ctx, r, h.users, groupUserList, func(ctx context.Context, q store.Query) (store.Page[identity.User], error) {
		return h.svc.Groups.Users(ctx, r.Var("group_id"), q)
	})
}

func (h *handlers) addMember(ctx context.Context, r *httpx.Request) error {
	return h.svc.Groups.AddMember(ctx, r.Var("group_id"), r.Var("user_id"))
}

func (h *handlers) removeMember(ctx context.Context, r *httpx.Request) error {
	return h.svc.Groups.RemoveMember(ctx, r.Var("group_id"), r.Var("user_id"))
}

func (h *handlers) checkMember(ctx context.Context, r *httpx.Request) error {
	return h.svc.Groups.IsMember(ctx, r.Var("group_id"), r.Var("user_id"))
}
