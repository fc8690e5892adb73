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
	const one, member = "/v3/groups/{group_id}", "/v3/groups/{group_id}/users/{user_id}"
	return slices.Concat([]httpx.Route{
		get("/v3/groups", "identity:list_groups", h.listGroups),
		route(http.MethodPost, "/v3/groups", "identity:create_group", h.createGroup),
		get(one, "identity:get_group", h.showGroup),
		route(http.MethodPatch, one, "identity:update_group", h.updateGroup),
		route(http.MethodDelete, one, "identity:delete_group", done(h.deleteGroup)),
		get(one+"/users", "identity:list_users_in_group", h.groupUsers),
		route(http.MethodPut, member, "identity:add_user_to_group", done(h.addMember)),
		route(http.MethodDelete, member, "identity:remove_user_from_group", done(h.removeMember)),
	}, check(member, "identity:check_user_in_group", done(h.checkMember)))
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

func groupPatch(o object) func(g *identity.Group) error {
	return func(g *identity.Group) error {
		in := patch{o}
		in.text("name", &g.Name)
		in.text("description", &g.Description)
		in.text("domain_id", &g.DomainID)
		in.extra(&g.Extra, "name", "description", "domain_id")
		return nil
	}
}

func groupResponse(r *httpx.Request, status int, g identity.Group, err error) (*httpx.Response, error) {
	if err != nil {
		return nil, err
	}
	return httpx.JSON(status, object{"group": groupView(r, g)}), nil
}

func (h *handlers) listGroups(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	q, err := filters(r, "domain_id", "name")
	if err != nil {
		return nil, err
	}
	page, err := h.svc.ListGroups(ctx, q)
	if err != nil {
		return nil, err
	}
	return collection(r, "groups", page, groupID, groupView), nil
}

func (h *handlers) createGroup(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	o, err := body(r, "group", groupCreate)
	if err != nil {
		return nil, err
	}
	var g identity.Group
	if err := groupPatch(o)(&g); err != nil {
		return nil, err
	}
	g, err = h.svc.CreateGroup(ctx, g)
	return groupResponse(r, http.StatusCreated, g, err)
}

func (h *handlers) showGroup(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	g, err := h.svc.GetGroup(ctx, r.Var("group_id"))
	return groupResponse(r, http.StatusOK, g, err)
}

func (h *handlers) updateGroup(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	o, err := body(r, "group", groupUpdate)
	if err != nil {
		return nil, err
	}
	if err := sameID(o, r.Var("group_id"), "Group"); err != nil {
		return nil, err
	}
	g, err := h.svc.UpdateGroup(ctx, r.Var("group_id"), groupPatch(o))
	return groupResponse(r, http.StatusOK, g, err)
}

func (h *handlers) deleteGroup(ctx context.Context, r *httpx.Request) error {
	return h.svc.DeleteGroup(ctx, r.Var("group_id"))
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
