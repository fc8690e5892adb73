package api

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"kumoi/internal/identity"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/rest"
	"kumoi/internal/kernel/schema"
	"kumoi/internal/kernel/store"
)

func (h *handlers) projectRoutes() []httpx.Route {
	const one, tags, tag = "/v3/projects/{project_id}", "/v3/projects/{project_id}/tags", "/v3/projects/{project_id}/tags/{tag}"
	return slices.Concat(h.projects.Routes(), []httpx.Route{
		get(one, "identity:get_project", h.showProject),
		get(tags, "identity:list_project_tags", h.listTags),
		route(http.MethodPut, tags, "identity:update_project_tags", h.replaceTags),
		route(http.MethodDelete, tags, "identity:delete_project_tags", done(h.deleteTags)),
		get(tag, "identity:get_project_tag", done(h.checkTag)),
		route(http.MethodPut, tag, "identity:create_project_tag", h.addTag),
		route(http.MethodDelete, tag, "identity:delete_project_tag", done(h.deleteTag)),
		get("/v3/users/{user_id}/projects", "identity:list_user_projects", h.userProjects),
	}, h.domains.Routes())
}

func projects(svc *identity.Service) *resource[identity.Project] {
	c := ordinary(resource[identity.Project]{
		Path: "/v3/projects", Item: "project_id", One: "project", Many: "projects", View: view(projectRow),
		Query: tagged(listOf("domain_id", "name", "enabled", "parent_id", "is_domain")),
	}, svc.Projects, projectCreate, projectUpdate, applyProject, projectID)
	c.Show = nil // which has more to say
	return c
}

func projectID(p *identity.Project) *string { return &p.ID }

// tagged adds the filters on tags.
func tagged(l *rest.List) *rest.List {
	for _, op := range []store.Op{store.HasAll, store.HasAny, store.NotAll, store.NotAny} {
		also(l, string(op), func(value string) ([]store.Cond, error) {
			return []store.Cond{{Field: "tags", Op: op, Value: strings.Split(value, ",")}}, nil
		})
	}
	return l
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

func projectRow(w *rest.Writer, r *httpx.Request, p *identity.Project) {
	w.Text("id", p.ID)
	w.Text("name", p.Name)
	w.TextOrNull("domain_id", p.DomainID)
	w.TextOrNull("parent_id", p.ParentID)
	w.Bool("is_domain", p.IsDomain)
	w.Bool("enabled", p.Enabled)
	w.Text("description", p.Description)
	w.Texts("tags", p.Tags)
	attrs(w, "options", p.Options)
	links(w, r, "/projects/"+p.ID)
	extra(w, p.Extra, "name", "domain_id", "parent_id", "is_domain", "enabled", "description", "tags", "options", "parents", "subtree", "limits")
}

func applyProject(o object, p *identity.Project) error {
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

func texts(list []any) []string {
	out := make([]string, 0, len(list))
	for _, t := range list {
		if s, ok := t.(string); ok {
			out = append(out, s)
		}
	}
	return out
}

func (h *handlers) showProject(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	p, err := h.svc.Projects.Show(ctx, r.Var("project_id"))
	if err != nil {
		return nil, err
	}
	more := object{}
	if err := h.relatives(ctx, r, *p, more); err != nil {
		return nil, err
	}
	return rest.Answer(http.StatusOK, func(w *rest.Writer) {
		w.Object("", func() {
			w.Object("project", func() {
				projectRow(w, r, p)
				for k, v := range more {
					w.Any(k, v)
				}
			})
		})
	}), nil
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
		rel, err := h.svc.Projects.Relatives(ctx, p, true)
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
		rel, err := h.svc.Projects.Relatives(ctx, p, false)
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

func (h *handlers) wrapped(ctx context.Context, r *httpx.Request, list []identity.Project) httpx.RawJSON {
	w := rest.NewWriter()
	w.List("", func() {
		for _, p := range list {
			w.Object("", func() {
				w.Object("project", func() {
					projectRow(w, r, &p)
					if flag(r.Query, "include_limits") {
						h.projectLimits(ctx, w, r, p.ID)
					}
				})
			})
		}
	})
	return w.Bytes()
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

// sameID refuses a body whose id is not the path's.
func sameID(o object, id, noun string) error {
	if given, ok := o["id"]; ok && given != id {
		return errs.New(errs.Invalid, "Cannot change %s ID.", noun)
	}
	return nil
}

func (h *handlers) tagsResponse(r *httpx.Request, tags []string) *httpx.Response {
	if tags == nil {
		tags = []string{}
	}
	return httpx.JSON(http.StatusOK, object{"tags": tags, "links": object{"self": r.PageURL(nil), "previous": nil, "next": nil}})
}

func (h *handlers) listTags(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	tags, err := h.svc.Projects.Tags(ctx, "identity:list_project_tags", r.Var("project_id"))
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
	tags, err := h.svc.Projects.SetTags(ctx, "identity:update_project_tags", r.Var("project_id"), func([]string) ([]string, error) { return texts(list), nil })
	if err != nil {
		return nil, err
	}
	return h.tagsResponse(r, tags), nil
}

func (h *handlers) deleteTags(ctx context.Context, r *httpx.Request) error {
	_, err := h.svc.Projects.SetTags(ctx, "identity:delete_project_tags", r.Var("project_id"), func([]string) ([]string, error) { return nil, nil })
	return err
}

func (h *handlers) checkTag(ctx context.Context, r *httpx.Request) error {
	tags, err := h.svc.Projects.Tags(ctx, "identity:get_project_tag", r.Var("project_id"))
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
	_, err := h.svc.Projects.SetTags(ctx, "identity:create_project_tag", r.Var("project_id"), func(tags []string) ([]string, error) {
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
	_, err := h.svc.Projects.SetTags(ctx, "identity:delete_project_tag", r.Var("project_id"), func(tags []string) ([]string, error) {
		i := slices.Index(tags, tag)
		if i < 0 {
			return nil, noTag(tag)
		}
		return slices.Delete(slices.Clone(tags), i, i+1), nil
	})
	return err
}

var userProjectList = listOf("name", "enabled", "domain_id")

func (h *handlers) userProjects(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	return paged(ctx, r, h.projects, userProjectList, func(ctx context.Context, q store.Query) (store.Page[identity.Project], error) {
		return h.svc.Projects.OfUser(ctx, r.Var("user_id"), q)
	})
}

func (h *handlers) myProjects(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	rows, err := h.svc.Scopes.Projects(ctx)
	return all(ctx, r, h.projects, rows, err)
}

func (h *handlers) myDomains(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	rows, err := h.svc.Scopes.Domains(ctx)
	return all(ctx, r, h.domains, rows, err)
}
