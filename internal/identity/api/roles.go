package api

import (
	"context"
	"net/http"
	"slices"

	"kumoi/internal/identity"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/schema"
)

func (h *handlers) roleRoutes() []httpx.Route {
	const implies = "/v3/roles/{prior_role_id}/implies/{implied_role_id}"
	return slices.Concat(h.roles().routes(), []httpx.Route{
		get("/v3/roles/{prior_role_id}/implies", "identity:list_implied_roles", h.listImplied),
		route(http.MethodPut, implies, "identity:create_implied_role", h.imply),
		get(implies, "identity:get_implied_role", h.showImplied),
		route(http.MethodHead, implies, "identity:check_implied_role", done(h.checkImplied)),
		route(http.MethodDelete, implies, "identity:delete_implied_role", done(h.unimply)),
		get("/v3/role_inferences", "identity:list_role_inference_rules", h.listInferences),
	})
}

func (h *handlers) roles() resource[identity.Role] {
	return resource[identity.Role]{
		path: "/v3/roles", idVar: "role_id", key: "role", plural: "roles", create: roleCreate, update: roleUpdate,
		filters: []string{"name", "domain_id"}, id: roleID, view: roleView, apply: applyRole,
		use: verbs[identity.Role]{h.svc.ListRoles, h.svc.CreateRole, h.svc.GetRole, h.svc.UpdateRole, h.svc.DeleteRole},
	}
}

var (
	roleProperties = schema.Object{"name": name255, "description": nullText, "domain_id": nullID, "options": immutableIs}
	roleCreate     = schema.Of(schema.Object{"type": "object", "required": schema.List{"name"}, "properties": roleProperties})
	roleUpdate     = schema.Of(schema.Object{"type": "object", "minProperties": 1, "properties": roleProperties})
)

func roleID(r identity.Role) string { return r.ID }

func roleView(r *httpx.Request, role identity.Role) object {
	return with(object{
		"id": role.ID, "name": role.Name, "domain_id": orNull(role.DomainID), "description": orNull(role.Description),
		"options": attrs(role.Options), "links": self(r, "/roles/"+role.ID),
	}, role.Extra)
}

func applyRole(o object, role *identity.Role) error {
	in := patch{o}
	in.text("name", &role.Name)
	in.text("description", &role.Description)
	in.text("domain_id", &role.DomainID)
	in.options(&role.Options)
	in.extra(&role.Extra, "name", "description", "domain_id", "options")
	return nil
}

func implication(r *httpx.Request) identity.ImpliedRole {
	return identity.ImpliedRole{PriorID: r.Var("prior_role_id"), ImpliedID: r.Var("implied_role_id")}
}

func briefRole(r *httpx.Request, role identity.Role) object {
	return object{"id": role.ID, "name": role.Name, "links": self(r, "/roles/"+role.ID)}
}

func (h *handlers) listImplied(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	inf, err := h.svc.ImpliedBy(ctx, r.Var("prior_role_id"))
	if err != nil {
		return nil, err
	}
	return httpx.JSON(http.StatusOK, object{"role_inference": inferenceView(r, inf), "links": object{"self": r.PageURL(nil)}}), nil
}

func inferenceView(r *httpx.Request, inf identity.Inference) object {
	implied := make([]object, len(inf.Implied))
	for i, role := range inf.Implied {
		implied[i] = briefRole(r, role)
	}
	return object{"prior_role": briefRole(r, inf.Prior), "implies": implied}
}

func impliedView(r *httpx.Request, inf identity.Inference) object {
	return object{
		"role_inference": object{"prior_role": briefRole(r, inf.Prior), "implies": briefRole(r, inf.Implied[0])},
		"links":          object{"self": r.PageURL(nil)},
	}
}

func (h *handlers) imply(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	inf, err := h.svc.Imply(ctx, implication(r))
	if err != nil {
		return nil, err
	}
	return httpx.JSON(http.StatusCreated, impliedView(r, inf)), nil
}

func (h *handlers) showImplied(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	inf, err := h.svc.GetImplied(ctx, "identity:get_implied_role", implication(r))
	if err != nil {
		return nil, err
	}
	return httpx.JSON(http.StatusOK, impliedView(r, inf)), nil
}

func (h *handlers) checkImplied(ctx context.Context, r *httpx.Request) error {
	_, err := h.svc.GetImplied(ctx, "identity:check_implied_role", implication(r))
	return err
}

func (h *handlers) unimply(ctx context.Context, r *httpx.Request) error {
	return h.svc.Unimply(ctx, implication(r))
}

func (h *handlers) listInferences(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	list, err := h.svc.ListInferences(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]object, len(list))
	for i, inf := range list {
		out[i] = inferenceView(r, inf)
	}
	return httpx.JSON(http.StatusOK, object{"role_inferences": out, "links": object{"self": r.PageURL(nil)}}), nil
}

// grantRoutes are the routes of role assignments: {users, groups} × {projects,
// domains, system}, and the inherited ones below OS-INHERIT.
func (h *handlers) grantRoutes() []httpx.Route {
	var out []httpx.Route
	for _, actor := range []struct{ path, kind string }{{"/users/{user_id}", "user"}, {"/groups/{group_id}", "group"}} {
		for _, target := range []string{"/v3/projects/{project_id}", "/v3/domains/{domain_id}", "/v3/system"} {
			roles := target + actor.path + "/roles"
			rule := func(verb string) string {
				switch {
				case target != "/v3/system" && verb == "list":
					return "identity:list_grants"
				case target != "/v3/system":
					return "identity:" + verb + "_grant"
				case verb == "list":
					return "identity:list_system_grants_for_" + actor.kind
				}
				return "identity:" + verb + "_system_grant_for_" + actor.kind
			}
			out = append(out, get(roles, rule("list"), h.listGrants))
			out = append(out, h.grantVerbs(roles+"/{role_id}", rule)...)
			if target == "/v3/system" {
				continue
			}
			inherit := "/v3/OS-INHERIT" + roles[len("/v3"):]
			if target == "/v3/domains/{domain_id}" {
				out = append(out, get(inherit+"/inherited_to_projects", rule("list"), h.listGrants))
			}
			out = append(out, h.grantVerbs(inherit+"/{role_id}/inherited_to_projects", rule)...)
		}
	}
	return append(out, get("/v3/role_assignments", "identity:list_role_assignments", h.listAssignments))
}

func (h *handlers) grantVerbs(path string, rule func(verb string) string) []httpx.Route {
	return slices.Concat([]httpx.Route{
		route(http.MethodPut, path, rule("create"), done(func(ctx context.Context, r *httpx.Request) error {
			return h.svc.Grant(ctx, assignment(r))
		})),
		route(http.MethodDelete, path, rule("revoke"), done(func(ctx context.Context, r *httpx.Request) error {
			return h.svc.Revoke(ctx, assignment(r))
		})),
	}, check(path, rule("check"), done(func(ctx context.Context, r *httpx.Request) error {
		return h.svc.CheckGrant(ctx, assignment(r))
	})))
}
