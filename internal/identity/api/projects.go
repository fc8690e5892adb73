package api

import (
	"context"
	"net/http"
	"slices"

	"kumoi/internal/identity"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/schema"
)

func (h *handlers) projectRoutes() []httpx.Route {
	const one, tags, tag = "/v3/projects/{project_id}", "/v3/projects/{project_id}/tags", "/v3/projects/{project_id}/tags/{tag}"
	return []httpx.Route{
		get("/v3/projects", "identity:list_projects", h.listProjects),
		route(http.MethodPost, "/v3/projects", "identity:create_project", h.createProject),
		get(one, "identity:get_project", h.showProject),
		route(http.MethodPatch, one, "identity:update_project", h.updateProject),
		route(http.MethodDelete, one, "identity:delete_project", done(h.deleteProject)),
		get(tags, "identity:list_project_tags", h.listTags),
		route(http.MethodPut, tags, "identity:update_project_tags", h.replaceTags),
		route(http.MethodDelete, tags, "identity:delete_project_tags", done(h.deleteTags)),
		get(tag, "identity:get_project_tag", done(h.checkTag)),
		route(http.MethodPut, tag, "identity:create_project_tag", h.addTag),
		route(http.MethodDelete, tag, "identity:delete_project_tag", done(h.deleteTag)),
		get("/v3/users/{user_id}/projects", "identity:list_user_projects", h.userProjects),

		get("/v3/domains", "identity:list_domains", h.listDomains),
		route(http.MethodPost, "/v3/domains", "identity:create_domain", h.createDomain),
		get("/v3/domains/{domain_id}", "identity:get_domain", h.showDomain),
		route(http.MethodPatch, "/v3/domains/{domain_id}", "identity:update_domain", h.updateDomain),
		route(http.MethodDelete, "/v3/domains/{domain_id}", "identity:delete_domain", done(h.deleteDomain)),
	}
}

var (
	nullText    = schema.Object{"type": schema.List{"string", "null"}}
	boolean     = schema.Object{"type": "boolean"}
	options     = schema.Object{"type": "object"}
	idText      = schema.Object{"type": "string", "minLength": 1, "maxLength": 64, "pattern": "^[a-zA-Z0-9-]+$"}
	nullID      = schema.Object{"type": schema.List{"string", "null"}, "maxLength": 64, "pattern": "^[a-zA-Z0-9-]*$"}
	name64      = schema.Object{"type": "string", "minLength": 1, "maxLength": 64, "pattern": `[\S]+`}
	name255     = schema.Object{"type": "string", "minLength": 1, "maxLength": 255, "pattern": `[\S]+`}
	immutableIs = schema.Object{"type": "object", "additionalProperties": false, "properties": schema.Object{
		"immutable": schema.Object{"type": schema.List{"boolean", "null"}},
	}}
	tagText = schema.Object{"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[^,/]*$"}
	tagList = schema.Object{"type": "array", "items": tagText, "maxItems": 80, "uniqueItems": true}

	projectProperties = schema.Object{
		"name": name64, "description": nullText, "domain_id": nullID, "enabled": boolean, "is_domain": boolean,
		"parent_id": nullID, "tags": tagList, "options": immutableIs,
	}
	projectCreate = schema.Of(schema.Object{"type": "object", "required": schema.List{"name"}, "properties": projectProperties})
	projectUpdate = schema.Of(schema.Object{"type": "object", "properties": projectProperties})
	tagsUpdate    = schema.Of(tagList)
	tagCreate     = schema.Of(tagText)

	domainProperties = schema.Object{
		"name": name64, "description": nullText, "enabled": boolean, "tags": tagList, "options": immutableIs, "explicit_domain_id": text,
	}
	domainCreate = schema.Of(schema.Object{"type": "object", "required": schema.List{"name"}, "properties": domainProperties})
	domainUpdate = schema.Of(schema.Object{"type": "object", "properties": domainProperties})
)

func attrs(a identity.Attrs) identity.Attrs {
	if a == nil {
		return identity.Attrs{}
	}
	return a
}

func projectView(r *httpx.Request, p identity.Project) object {
	tags := p.Tags
	if tags == nil {
		tags = []string{}
	}
	v := object{
		"id": p.ID, "name": p.Name, "domain_id": orNull(p.DomainID), "parent_id": orNull(p.ParentID), "is_domain": p.IsDomain,
		"enabled": p.Enabled, "description": p.Description, "tags": tags, "options": attrs(p.Options), "links": self(r, "/projects/"+p.ID),
	}
	return with(v, p.Extra)
}

// projectPatch applies a body to a project.
func projectPatch(o object) identity.ProjectChange {
	return func(p *identity.Project) error {
		in := patch{o}
		in.text("name", &p.Name)
		in.text("description", &p.Description)
		in.text("domain_id", &p.DomainID)
		in.text("parent_id", &p.ParentID)
		in.flag("is_domain", &p.IsDomain)
		in.flag("enabled", &p.Enabled)
		in.options(&p.Options)
		in.extra(&p.Extra, "name", "description", "domain_id", "parent_id", "is_domain", "enabled", "options", "tags", "explicit_domain_id")
		if tags, ok := o["tags"].([]any); ok {
			p.Tags = texts(tags)
		}
		return nil
	}
}

func texts(list []any) []string {
	out := make([]string, 0, len(list))
	for _, t := range list {
		if s, ok := t.(string); ok {
			out = append(out, s)
		}
	}
	return out
}

func (h *handlers) listProjects(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	q, err := filters(r, "domain_id", "name", "enabled", "parent_id", "is_domain")
	if err != nil {
		return nil, err
	}
	for _, op := range []identity.Op{identity.TagsAll, identity.TagsAny, identity.TagsNotAll, identity.TagsNotAny} {
		if v := r.Query.Get(string(op)); v != "" {
			q.Where = append(q.Where, identity.Match{Field: "tags", Op: op, Value: splitComma(v)})
		}
	}
	page, err := h.svc.ListProjects(ctx, q)
	if err != nil {
		return nil, err
	}
	return collection(r, "projects", page, func(p identity.Project) string { return p.ID }, projectView), nil
}

func (h *handlers) createProject(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	o, err := body(r, "project", projectCreate)
	if err != nil {
		return nil, err
	}
	p := identity.Project{Enabled: true}
	if err := projectPatch(o)(&p); err != nil {
		return nil, err
	}
	if p, err = h.svc.CreateProject(ctx, p); err != nil {
		return nil, err
	}
	return httpx.JSON(http.StatusCreated, object{"project": projectView(r, p)}), nil
}

func (h *handlers) showProject(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	p, err := h.svc.GetProject(ctx, r.Var("project_id"))
	if err != nil {
		return nil, err
	}
	v := projectView(r, p)
	if err := h.relatives(ctx, r, p, v); err != nil {
		return nil, err
	}
	return httpx.JSON(http.StatusOK, object{"project": v}), nil
}

// relatives adds what parents_as_list and its kin ask for.
func (h *handlers) relatives(ctx context.Context, r *httpx.Request, p identity.Project, v object) error {
	want := func(name string) bool { return flag(r.Query, name) || r.Query.Has(name) && r.Query.Get(name) == "" }
	parentsList, parentsIDs := want("parents_as_list"), want("parents_as_ids")
	subtreeList, subtreeIDs := want("subtree_as_list"), want("subtree_as_ids")
	switch {
	case parentsList && parentsIDs:
		return errs.New(errs.Invalid, "Cannot use parents_as_list and parents_as_ids query params at the same time.")
	case subtreeList && subtreeIDs:
		return errs.New(errs.Invalid, "Cannot use subtree_as_list and subtree_as_ids query params at the same time.")
	case !parentsList && !parentsIDs && !subtreeList && !subtreeIDs:
		return nil
	}
	if parentsList || subtreeList {
		rel, err := h.svc.ProjectRelatives(ctx, p, true)
		if err != nil {
			return err
		}
		if parentsList {
			slices.Reverse(rel.Parents) // nearest first
			v["parents"] = h.wrapped(ctx, r, rel.Parents)
		}
		if subtreeList {
			v["subtree"] = h.wrapped(ctx, r, rel.Subtree)
		}
	}
	if parentsIDs || subtreeIDs {
		rel, err := h.svc.ProjectRelatives(ctx, p, false)
		if err != nil {
			return err
		}
		if parentsIDs {
			v["parents"] = parentIDs(rel.Parents)
		}
		if subtreeIDs {
			v["subtree"] = childIDs(p.ID, rel.Subtree)
		}
	}
	return nil
}

func (h *handlers) wrapped(ctx context.Context, r *httpx.Request, list []identity.Project) []object {
	out := []object{}
	for _, p := range list {
		v := projectView(r, p)
		if flag(r.Query, "include_limits") {
			v["limits"] = h.projectLimits(ctx, r, p.ID)
		}
		out = append(out, object{"project": v})
	}
	return out
}

// parentIDs nests ancestors, the nearest outermost.
func parentIDs(parents []identity.Project) any {
	var v any
	for _, p := range parents {
		v = object{p.ID: v}
	}
	return v
}

// childIDs nests descendants by their parents.
func childIDs(id string, subtree []identity.Project) any {
	var v object
	for _, p := range subtree {
		if p.ParentID == id {
			if v == nil {
				v = object{}
			}
			v[p.ID] = childIDs(p.ID, subtree)
		}
	}
	if v == nil {
		return nil
	}
	return v
}

func (h *handlers) updateProject(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	o, err := body(r, "project", projectUpdate)
	if err != nil {
		return nil, err
	}
	if err := sameID(o, r.Var("project_id"), "Project"); err != nil {
		return nil, err
	}
	p, err := h.svc.UpdateProject(ctx, r.Var("project_id"), projectPatch(o))
	if err != nil {
		return nil, err
	}
	return httpx.JSON(http.StatusOK, object{"project": projectView(r, p)}), nil
}

// sameID refuses a body whose id is not the path's.
func sameID(o object, id, noun string) error {
	if given, ok := o["id"]; ok && given != id {
		return errs.New(errs.Invalid, "Cannot change %s ID.", noun)
	}
	return nil
}

func (h *handlers) deleteProject(ctx context.Context, r *httpx.Request) error {
	return h.svc.DeleteProject(ctx, r.Var("project_id"))
}

func (h *handlers) tagsResponse(r *httpx.Request, tags []string) *httpx.Response {
	if tags == nil {
		tags = []string{}
	}
	return httpx.JSON(http.StatusOK, object{"tags": tags, "links": object{"self": r.PageURL(nil), "previous": nil, "next": nil}})
}

func (h *handlers) listTags(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	tags, err := h.svc.ProjectTags(ctx, "identity:list_project_tags", r.Var("project_id"))
	if err != nil {
		return nil, err
	}
	return h.tagsResponse(r, tags), nil
}

func (h *handlers) replaceTags(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	o, err := r.Object()
	if err != nil {
		return nil, err
	}
	if err := tagsUpdate.Validate(o["tags"]); err != nil {
		return nil, err
	}
	list, _ := o["tags"].([]any)
	tags, err := h.svc.SetProjectTags(ctx, "identity:update_project_tags", r.Var("project_id"), func([]string) ([]string, error) { return texts(list), nil })
	if err != nil {
		return nil, err
	}
	return h.tagsResponse(r, tags), nil
}

func (h *handlers) deleteTags(ctx context.Context, r *httpx.Request) error {
	_, err := h.svc.SetProjectTags(ctx, "identity:delete_project_tags", r.Var("project_id"), func([]string) ([]string, error) { return nil, nil })
	return err
}

func (h *handlers) checkTag(ctx context.Context, r *httpx.Request) error {
	tags, err := h.svc.ProjectTags(ctx, "identity:get_project_tag", r.Var("project_id"))
	if err == nil && !slices.Contains(tags, r.Var("tag")) {
		err = noTag(r.Var("tag"))
	}
	return err
}

func noTag(tag string) error { return errs.New(errs.NotFound, "Could not find project tag: %s.", tag) }

func (h *handlers) addTag(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	tag := r.Var("tag")
	if err := tagCreate.Validate(tag); err != nil {
		return nil, err
	}
	_, err := h.svc.SetProjectTags(ctx, "identity:create_project_tag", r.Var("project_id"), func(tags []string) ([]string, error) {
		if slices.Contains(tags, tag) {
			return nil, errs.New(errs.Invalid, "The project has the tag %s already; tags are unique.", tag)
		}
		return append(slices.Clone(tags), tag), nil
	})
	if err != nil {
		return nil, err
	}
	return httpx.Empty(http.StatusCreated).With("Location", v3(r, "/projects/%s/tags/%s", r.Var("project_id"), tag)), nil
}

func (h *handlers) deleteTag(ctx context.Context, r *httpx.Request) error {
	tag := r.Var("tag")
	_, err := h.svc.SetProjectTags(ctx, "identity:delete_project_tag", r.Var("project_id"), func(tags []string) ([]string, error) {
		i := slices.Index(tags, tag)
		if i < 0 {
			return nil, noTag(tag)
		}
		return slices.Delete(slices.Clone(tags), i, i+1), nil
	})
	return err
}

func (h *handlers) userProjects(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	q, err := filters(r, "name", "enabled", "domain_id")
	if err != nil {
		return nil, err
	}
	page, err := h.svc.UserProjects(ctx, r.Var("user_id"), q)
	if err != nil {
		return nil, err
	}
	return collection(r, "projects", page, func(p identity.Project) string { return p.ID }, projectView), nil
}

func (h *handlers) myProjects(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	rows, err := h.svc.MyProjects(ctx)
	if err != nil {
		return nil, err
	}
	return collection(r, "projects", all(rows), func(p identity.Project) string { return p.ID }, projectView), nil
}

func (h *handlers) myDomains(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	rows, err := h.svc.MyDomains(ctx)
	if err != nil {
		return nil, err
	}
	return collection(r, "domains", all(rows), func(p identity.Project) string { return p.ID }, fullDomainView), nil
}
