package api

import (
	"context"
	"net/http"
	"slices"

	"kumoi/internal/identity"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/rest"
	"kumoi/internal/kernel/schema"
)

func (h *handlers) roleRoutes() []httpx.Route {
	const implies = "/v3/roles/{prior_role_id}/implies/{implied_role_id}"
	return slices.Concat(h.roles.Routes(), []httpx.Route{
		get("/v3/roles/{prior_role_id}/implies", "identity:list_implied_roles", h.listImplied),
		route(http.MethodPut, implies, "identity:create_implied_role", h.imply),
		get(implies, "identity:get_implied_role", h.showImplied),
		route(http.MethodHead, implies, "identity:check_implied_role", done(h.checkImplied)),
		route(http.MethodDelete, implies, "identity:delete_implied_role", done(h.unimply)),
		get("/v3/role_inferences", "identity:list_role_inference_rules", h.listInferences),
	})
}

func roles(svc *identity.Service) *resource[identity.Role] {
	return ordinary(resource[identity.Role]{
		Path: "/v3/roles", Item: "role_id", One: "role", Many: "roles", Query: listOf("name", "domain_id"), View: view(roleRow),
	}, svc.Roles, roleCreate, roleUpdate, applyRole, func(v *identity.Role) *string { return &v.ID })
}

var (
	roleProperties = schema.Object{"name": name255, "description": nullText, "domain_id": nullID, "options": immutableIs}
	roleCreate     = schema.Of(schema.Object{"type": "object", "required": schema.List{"name"}, "properties": roleProperties})
	roleUpdate     = schema.Of(schema.Object{"type": "object", "minProperties": 1, "properties": roleProperties})
)

func roleRow(w *rest.Writer, r *httpx.Request, role *identity.Role) {
	w.Text("id", role.ID)
	w.Text("name", role.Name)
	w.TextOrNull("domain_id", role.DomainID)
	w.TextOrNull("description", role.Description)
	attrs(w, "options", role.Options)
	links(w, r, "/roles/"+role.ID)
	extra(w, role.Extra, "name", "domain_id", "description", "options")
}

// roleAmong answers with one of some roles.
func (h *handlers) roleAmong(ctx context.Context, r *httpx.Request, roles []identity.Role, err error) (*httpx.Response, error) {
	id := r.Var("role_id")
	i := slices.IndexFunc(roles, func(role identity.Role) bool { return role.ID == id })
	if err == nil && i < 0 {
		err = errs.New(errs.NotFound, "Could not find role: %s.", id)
	}
	if err != nil {
		return nil, err
	}
	return h.roles.Answer(ctx, r, http.StatusOK, &roles[i], nil)
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
	return object{"id": role.ID, "name": role.Name, "links": object{"self": v3(r, "/roles/%s", role.ID)}}
}

func (h *handlers) listImplied(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	inf, err := h.svc.Roles.ImpliedBy(ctx, r.Var("prior_role_id"))
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
	inf, err := h.svc.Roles.Imply(ctx, implication(r))
	if err != nil {
		return nil, err
	}
	return httpx.JSON(http.StatusCreated, impliedView(r, inf)), nil
}

func (h *handlers) showImplied(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	inf, err := h.svc.Roles.Implied(ctx, "identity:get_implied_role", implication(r))
	if err != nil {
		return nil, err
	}
	return httpx.JSON(http.StatusOK, impliedView(r, inf)), nil
}

func (h *handlers) checkImplied(ctx context.Context, r *httpx.Request) error {
	_, err := h.svc.Roles.Implied(ctx, "identity:check_implied_role", implication(r))
	return err
}

func (h *handlers) unimply(ctx context.Context, r *httpx.Request) error {
	return h.svc.Roles.Unimply(ctx, implication(r))
}

func (h *handlers) listInferences(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	list, err := h.svc.Roles.Inferences(ctx)
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
			return h.svc.Grants.Add(ctx, assignment(r))
		})),
		route(http.MethodDelete, path, rule("revoke"), done(func(ctx context.Context, r *httpx.Request) error {
			return h.svc.Grants.Remove(ctx, assignment(r))
		})),
	}, check(path, rule("check"), done(func(ctx context.Context, r *httpx.Request) error {
		return h.svc.Grants.Check(ctx, assignment(r))
	})))
}
