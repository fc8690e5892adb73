package api

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"kumoi/internal/kernel/change"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/rest"
	"kumoi/internal/volume/group"
)

// groupTypeRoutes are /group_types and what lies below.
func (a *api) groupTypeRoutes() []httpx.Route {
	types := a.svc.Groups.Types
	c := rest.Resource[group.Type, group.NewType, group.TypePatch]{
		Path: "/v3/group_types", Item: "group_type_id", One: "group_type", Many: "group_types", Query: groupTypeList,
		Rule: func(verb string) string {
			if verb == "show" {
				return "" // everybody may look
			}
			return "group:group_types:" + verb
		},
		Show: types.Show, Create: types.Create, Update: types.Update, Delete: types.Delete,
		ReadNew: newGroupType, ReadPatch: groupTypePatch, View: a.viewGroupType, ID: func(t *group.Type) string { return t.ID },
		UpdateMethod: http.MethodPut, Created: answers(http.StatusAccepted), Deleted: answers(http.StatusAccepted),
	}
	specs := c.Path + "/{group_type_id}/group_specs"
	const p = "group:group_types_specs:"
	routes := slices.Concat(c.Routes(), []httpx.Route{
		route("GET", c.Path, "", lists(&c, types.List)),
		route("GET", c.Path+"/default", "", a.defaultGroupType),
		route("GET", specs, p+"get_all", a.listGroupSpecs),
		route("POST", specs, p+"create", a.setGroupSpecs),
		route("GET", specs+"/{key}", p+"get", a.showGroupSpec),
		route("PUT", specs+"/{key}", p+"update", a.updateGroupSpec),
		route("DELETE", specs+"/{key}", p+"delete", a.deleteGroupSpec),
	})
	return allSince(11, routes)
}

// allSince are routes that a microversion brought.
func allSince(minor int, routes []httpx.Route) []httpx.Route {
	for i := range routes {
		routes[i] = since(minor, routes[i])
	}
	return routes
}

var groupTypeList = &rest.List{
	Dialect: under("group_type", "Group type", nil), Also: everywhere, Sort: newestFirst, Everyone: "is_public",
	Fields: []rest.Field{{Name: "is_public", Filter: isPublic}, sorted("id"), sorted("name"), sorted("description"), sorted("created_at"), sorted("updated_at")},
}

func (a *api) viewGroupType(ctx context.Context, _ *httpx.Request, _ []*group.Type) (func(*rest.Writer, *group.Type), error) {
	specs := a.svc.Groups.Shown(ctx).Specs
	return func(w *rest.Writer, t *group.Type) {
		w.Text("id", t.ID)
		w.Text("name", t.Name)
		w.TextPointer("description", t.Description)
		w.Bool("is_public", t.Public)
		if specs {
			w.TextMap("group_specs", t.Specs)
		}
	}, nil
}

var newGroupTypeSchema = fixed(wrapped("group_type", closed(list{"name"}, object{
	"name": nameType, "description": descText, "is_public": boolType, "group_specs": metaOrNull,
})))

func newGroupType(r *httpx.Request) (n group.NewType, err error) {
	b, err := rest.Body[struct {
		Type struct {
			Name        string
			Description *string
			Public      change.Optional[rest.Bool] `json:"is_public"`
			Specs       map[string]string          `json:"group_specs"`
		} `json:"group_type"`
	}](r, newGroupTypeSchema)
	t := b.Type
	return group.NewType{Name: t.Name, Description: t.Description, Public: bool(t.Public.Or(true)), Specs: t.Specs}, err
}

var groupTypePatchSchema = fixed(wrapped("group_type", closed(nil, object{"name": optionalText, "description": descText, "is_public": boolType})))

func groupTypePatch(r *httpx.Request) (p group.TypePatch, err error) {
	b, err := rest.Body[struct {
		Type struct {
			Name, Description change.Optional[string]
			Public            change.Optional[rest.Bool] `json:"is_public"`
		} `json:"group_type"`
	}](r, groupTypePatchSchema)
	if err != nil {
		return p, err
	}
	t := b.Type
	switch {
	case strings.TrimSpace(t.Name.Or("-")) == "":
		return p, bad("Group type name can not be empty.")
	case !said(t.Name) && !said(t.Description) && !t.Public.Set:
		return p, bad("Specify group type name, description or a combination thereof.")
	}
	return group.TypePatch{Name: t.Name, Description: t.Description, Public: truthOf(t.Public)}, nil
}

func (a *api) defaultGroupType(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	t, err := a.svc.Groups.Types.Show(ctx, "default")
	c := rest.Resource[group.Type, struct{}, struct{}]{One: "group_type", View: a.viewGroupType}
	return c.Answer(ctx, r, http.StatusOK, t, err)
}

func (a *api) listGroupSpecs(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	specs, err := a.svc.Groups.Types.Specs(ctx, r.Var("group_type_id"))
	return texts("group_specs", specs, err)
}

var groupSpecsSchema = fixed(wrapped("group_specs", specsPlain))

func (a *api) setGroupSpecs(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	b, err := rest.Body[struct {
		Specs map[string]string `json:"group_specs"`
	}](r, groupSpecsSchema)
	if err != nil {
		return nil, err
	}
	resp, err := texts("group_specs", b.Specs, a.svc.Groups.Types.SetSpecs(ctx, r.Var("group_type_id"), b.Specs))
	if err == nil {
		resp.Status = http.StatusAccepted
	}
	return resp, err
}

func (a *api) showGroupSpec(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	v, err := a.svc.Groups.Types.Spec(ctx, r.Var("group_type_id"), r.Var("key"))
	return oneText(r.Var("key"), v, err)
}

func (a *api) updateGroupSpec(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	b, err := specOf(r)
	if err != nil {
		return nil, err
	}
	return oneText(r.Var("key"), b[r.Var("key")], a.svc.Groups.Types.UpdateSpec(ctx, r.Var("group_type_id"), b))
}

func (a *api) deleteGroupSpec(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	return accepted(a.svc.Groups.Types.DeleteSpec(ctx, r.Var("group_type_id"), r.Var("key")))
}
