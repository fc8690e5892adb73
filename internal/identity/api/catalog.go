package api

import (
	"context"
	"net/http"
	"slices"

	"kumoi/internal/identity"
	"kumoi/internal/identity/catalog"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/rest"
	"kumoi/internal/kernel/schema"
)

var (
	type255    = schema.Object{"type": "string", "minLength": 1, "maxLength": 255}
	regionBody = schema.Of(schema.Object{"type": "object", "properties": schema.Object{
		"id": schema.Object{"type": "string", "maxLength": 255}, "description": nullText, "parent_region_id": schema.Object{"type": schema.List{"string", "null"}},
	}})
	serviceProperties = schema.Object{"type": type255, "name": text, "description": text, "enabled": boolean}
	serviceCreate     = schema.Of(schema.Object{"type": "object", "required": schema.List{"type"}, "properties": serviceProperties})
	serviceUpdate     = schema.Of(schema.Object{"type": "object", "minProperties": 1, "properties": serviceProperties})

	endpointProperties = schema.Object{
		"interface": schema.Object{"enum": schema.List{"admin", "internal", "public"}}, "service_id": text,
		"region_id": schema.Object{"type": schema.List{"string", "null"}}, "region": schema.Object{"type": schema.List{"string", "null"}},
		"url":     schema.Object{"type": "string", "minLength": 0, "maxLength": 225, "pattern": `^[a-zA-Z0-9+.-]+:.+`},
		"enabled": boolean,
	}
	endpointCreate = schema.Of(schema.Object{"type": "object", "required": schema.List{"interface", "service_id", "url"}, "properties": endpointProperties})
	endpointUpdate = schema.Of(schema.Object{"type": "object", "minProperties": 1, "properties": endpointProperties})

	groupFilters = schema.Object{"type": "object", "additionalProperties": false, "properties": schema.Object{
		"service_id": text, "region_id": text, "interface": schema.Object{"enum": schema.List{"admin", "internal", "public"}},
	}}
	endpointGroupProperties = schema.Object{"name": type255, "description": nullText, "filters": groupFilters}
	endpointGroupCreate     = schema.Of(schema.Object{"type": "object", "required": schema.List{"name", "filters"}, "properties": endpointGroupProperties})
	endpointGroupUpdate     = schema.Of(schema.Object{"type": "object", "minProperties": 1, "properties": endpointGroupProperties})

	blobIs           = schema.Object{"type": schema.List{"string", "object"}}
	policyProperties = schema.Object{"type": type255, "blob": blobIs}
	policyCreate     = schema.Of(schema.Object{"type": "object", "required": schema.List{"type", "blob"}, "properties": policyProperties})
	policyUpdate     = schema.Of(schema.Object{"type": "object", "minProperties": 1, "properties": policyProperties})
)

func regions(svc *identity.Service) *resource[catalog.Region] {
	return ordinary(resource[catalog.Region]{
		Path: "/v3/regions", Item: "region_id", One: "region", Many: "regions", Query: listOf("parent_region_id"),
		View: view(func(w *rest.Writer, r *httpx.Request, v *catalog.Region) {
			w.Text("id", v.ID)
			w.TextOrNull("parent_region_id", v.ParentID)
			w.Text("description", v.Description)
			links(w, r, "/regions/"+v.ID)
			extra(w, v.Extra, "parent_region_id", "description")
		}),
	}, svc.Catalog.Regions, regionBody, regionBody, func(o object, v *catalog.Region) error {
		in := patch{o}
		in.text("parent_region_id", &v.ParentID)
		in.text("description", &v.Description)
		if v.ID == "" {
			in.text("id", &v.ID)
		}
		in.extra(&v.Extra, "parent_region_id", "description")
		return nil
	}, func(v *catalog.Region) *string { return &v.ID })
}

func services(svc *identity.Service) *resource[catalog.Service] {
	return ordinary(resource[catalog.Service]{
		Path: "/v3/services", Item: "service_id", One: "service", Many: "services", Query: listOf("type", "name"),
		View: view(func(w *rest.Writer, r *httpx.Request, v *catalog.Service) {
			w.Text("id", v.ID)
			w.Text("type", v.Type)
			w.Text("name", v.Name)
			w.Bool("enabled", v.Enabled)
			links(w, r, "/services/"+v.ID)
			if v.Description != "" {
				w.Text("description", v.Description)
			}
			extra(w, v.Extra, "type", "name", "enabled", "description")
		}),
	}, svc.Catalog.Services, serviceCreate, serviceUpdate, func(o object, v *catalog.Service) error {
		in := patch{o}
		in.text("type", &v.Type)
		in.text("name", &v.Name)
		in.text("description", &v.Description)
		in.flag("enabled", &v.Enabled)
		in.extra(&v.Extra, "type", "name", "description", "enabled")
		return nil
	}, func(v *catalog.Service) *string { return &v.ID })
}

func endpoints(svc *identity.Service) *resource[catalog.Endpoint] {
	return ordinary(resource[catalog.Endpoint]{
		Path: "/v3/endpoints", Item: "endpoint_id", One: "endpoint", Many: "endpoints", Query: listOf("interface", "service_id", "region_id"),
		View: view(func(w *rest.Writer, r *httpx.Request, v *catalog.Endpoint) {
			url := v.URL
			if len(url) > 0 && url[0] == '/' {
				url = root(r) + url
			}
			w.Text("id", v.ID)
			w.Text("service_id", v.ServiceID)
			w.Text("interface", v.Interface)
			w.TextOrNull("region", v.RegionID)
			w.TextOrNull("region_id", v.RegionID)
			w.Text("url", url)
			w.Bool("enabled", v.Enabled)
			links(w, r, "/endpoints/"+v.ID)
			extra(w, v.Extra, "service_id", "interface", "region", "region_id", "url", "enabled")
		}),
	}, svc.Catalog.Endpoints, endpointCreate, endpointUpdate, func(o object, v *catalog.Endpoint) error {
		in := patch{o}
		in.text("interface", &v.Interface)
		in.text("service_id", &v.ServiceID)
		in.text("region", &v.RegionID)
		in.text("region_id", &v.RegionID)
		in.text("url", &v.URL)
		in.flag("enabled", &v.Enabled)
		in.extra(&v.Extra, "interface", "service_id", "region", "region_id", "url", "enabled")
		return nil
	}, func(v *catalog.Endpoint) *string { return &v.ID })
}

// withRegion makes the region first when an endpoint names one by the old key.
func (h *handlers) withRegion(rule string, next httpx.Handler) httpx.Handler {
	return func(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
		o, err := readObject(r, "endpoint", nil)
		if err != nil {
			return nil, err
		}
		if region := str(o, "region"); region != "" && str(o, "region_id") == "" {
			if err := h.svc.Catalog.EnsureRegion(ctx, rule, region); err != nil {
				return nil, err
			}
		}
		return next(ctx, r)
	}
}

func endpointGroups(svc *identity.Service) *resource[catalog.EndpointGroup] {
	return ordinary(resource[catalog.EndpointGroup]{
		Path: "/v3/OS-EP-FILTER/endpoint_groups", Item: "endpoint_group_id", One: "endpoint_group", Many: "endpoint_groups", Query: listOf("name"),
		View: view(func(w *rest.Writer, r *httpx.Request, v *catalog.EndpointGroup) {
			w.Text("id", v.ID)
			w.Text("name", v.Name)
			w.Text("description", v.Description)
			w.Any("filters", v.Filters)
			links(w, r, "/OS-EP-FILTER/endpoint_groups/"+v.ID)
		}),
	}, svc.Catalog.EndpointGroups, endpointGroupCreate, endpointGroupUpdate, func(o object, v *catalog.EndpointGroup) error {
		in := patch{o}
		in.text("name", &v.Name)
		in.text("description", &v.Description)
		if f, ok := o["filters"].(object); ok {
			if len(f) == 0 {
				return errs.New(errs.Invalid, "The filters of an endpoint group name at least one of service_id, region_id and interface.")
			}
			v.Filters = map[string]string{}
			for k := range f {
				v.Filters[k] = str(f, k)
			}
		}
		return nil
	}, func(v *catalog.EndpointGroup) *string { return &v.ID })
}

func policyDocuments(svc *identity.Service) *resource[catalog.Policy] {
	return ordinary(resource[catalog.Policy]{
		Path: "/v3/policies", Item: "policy_id", One: "policy", Many: "policies", Query: listOf("type"),
		View: view(func(w *rest.Writer, r *httpx.Request, v *catalog.Policy) {
			w.Text("id", v.ID)
			w.Text("type", v.Type)
			w.Any("blob", v.Blob)
			links(w, r, "/policies/"+v.ID)
			extra(w, v.Extra, "type", "blob")
		}),
	}, svc.Catalog.Policies, policyCreate, policyUpdate, func(o object, v *catalog.Policy) error {
		in := patch{o}
		in.text("type", &v.Type)
		if b, ok := o["blob"]; ok {
			v.Blob = b
		}
		in.extra(&v.Extra, "type", "blob")
		return nil
	}, func(v *catalog.Policy) *string { return &v.ID })
}

func (h *handlers) catalogRoutes() []httpx.Route {
	endpoints := h.endpoints.Routes()
	for i, e := range endpoints {
		switch e.Method {
		case http.MethodPost:
			endpoints[i].Handler = h.withRegion("identity:create_endpoint", e.Handler)
		case http.MethodPatch:
			endpoints[i].Handler = h.withRegion("identity:update_endpoint", e.Handler)
		}
	}
	groups := h.endpointGroups.Routes()
	for _, g := range groups {
		if g.Method == http.MethodGet && g.Path != h.endpointGroups.Path {
			g.Method = http.MethodHead
			groups = append(groups, g)
		}
	}
	regions := regions(h.svc)
	return slices.Concat(regions.Routes(), []httpx.Route{putCreates(regions)}, services(h.svc).Routes(), endpoints, groups, h.filterRoutes(),
		h.policies.Routes(), h.associationRoutes())
}

func link(r *httpx.Request) catalog.Link {
	return catalog.Link{ProjectID: r.Var("project_id"), EndpointID: r.Var("endpoint_id"), GroupID: r.Var("endpoint_group_id")}
}

func (h *handlers) filterRoutes() []httpx.Route {
	const (
		filter   = "/v3/OS-EP-FILTER"
		endpoint = filter + "/projects/{project_id}/endpoints/{endpoint_id}"
		group    = filter + "/endpoint_groups/{endpoint_group_id}/projects/{project_id}"
	)
	type edit func(context.Context, string, catalog.Link) error
	do := func(f edit, rule string) httpx.Handler {
		return done(func(ctx context.Context, r *httpx.Request) error { return f(ctx, rule, link(r)) })
	}
	showGroup := func(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
		if err := h.svc.Catalog.Links.Check(ctx, "identity:get_endpoint_group_in_project", link(r)); err != nil {
			return nil, err
		}
		return httpx.JSON(http.StatusOK, object{"project_endpoint_group": object{
			"endpoint_group_id": r.Var("endpoint_group_id"), "project_id": r.Var("project_id"), "links": object{"self": r.PageURL(nil)},
		}}), nil
	}
	return slices.Concat([]httpx.Route{
		route(http.MethodPut, endpoint, "identity:add_endpoint_to_project", do(h.svc.Catalog.Links.Link, "identity:add_endpoint_to_project")),
		route(http.MethodDelete, endpoint, "identity:remove_endpoint_from_project", do(h.svc.Catalog.Links.Unlink, "identity:remove_endpoint_from_project")),
		get(filter+"/projects/{project_id}/endpoints", "identity:list_endpoints_for_project", h.projectEndpoints),
		get(filter+"/endpoints/{endpoint_id}/projects", "identity:list_projects_for_endpoint", h.linkedProjects("identity:list_projects_for_endpoint")),
		route(http.MethodPut, group, "identity:add_endpoint_group_to_project", do(h.svc.Catalog.Links.Link, "identity:add_endpoint_group_to_project")),
		route(http.MethodDelete, group, "identity:remove_endpoint_group_from_project", do(h.svc.Catalog.Links.Unlink, "identity:remove_endpoint_group_from_project")),
		get(group, "identity:get_endpoint_group_in_project", showGroup),
		route(http.MethodHead, group, "identity:get_endpoint_group_in_project", showGroup),
		get(filter+"/endpoint_groups/{endpoint_group_id}/projects", "identity:list_projects_associated_with_endpoint_group",
			h.linkedProjects("identity:list_projects_associated_with_endpoint_group")),
		get(filter+"/endpoint_groups/{endpoint_group_id}/endpoints", "identity:list_endpoints_associated_with_endpoint_group", h.groupEndpoints),
		get(filter+"/projects/{project_id}/endpoint_groups", "identity:list_endpoint_groups_for_project", h.projectEndpointGroups),
	}, check(endpoint, "identity:check_endpoint_in_project", do(h.svc.Catalog.Links.Check, "identity:check_endpoint_in_project")))
}

func (h *handlers) projectEndpoints(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	rows, err := h.svc.Catalog.Links.Endpoints(ctx, r.Var("project_id"))
	return all(ctx, r, h.endpoints, rows, err)
}

func (h *handlers) groupEndpoints(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	rows, err := h.svc.Catalog.Links.OfGroup(ctx, r.Var("endpoint_group_id"))
	return all(ctx, r, h.endpoints, rows, err)
}

func (h *handlers) projectEndpointGroups(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	rows, err := h.svc.Catalog.Links.Groups(ctx, r.Var("project_id"))
	return all(ctx, r, h.endpointGroups, rows, err)
}

func (h *handlers) linkedProjects(rule string) httpx.Handler {
	return func(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
		rows, err := h.svc.Projects.Linked(ctx, rule, link(r))
		return all(ctx, r, h.projects, rows, err)
	}
}

func association(r *httpx.Request) catalog.Association {
	return catalog.Association{PolicyID: r.Var("policy_id"), EndpointID: r.Var("endpoint_id"), ServiceID: r.Var("service_id"), RegionID: r.Var("region_id")}
}

func (h *handlers) associationRoutes() []httpx.Route {
	const base = "/v3/policies/{policy_id}/OS-ENDPOINT-POLICY"
	do := func(f func(context.Context, catalog.Association) error) httpx.Handler {
		return done(func(ctx context.Context, r *httpx.Request) error { return f(ctx, association(r)) })
	}
	out := []httpx.Route{
		get(base+"/endpoints", "identity:list_endpoints_for_policy", func(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
			rows, err := h.svc.Catalog.Associations.Endpoints(ctx, r.Var("policy_id"))
			return all(ctx, r, h.endpoints, rows, err)
		}),
		get("/v3/endpoints/{endpoint_id}/OS-ENDPOINT-POLICY/policy", "identity:get_policy_for_endpoint", func(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
			p, err := h.svc.Catalog.Associations.PolicyOf(ctx, r.Var("endpoint_id"))
			return h.policies.Answer(ctx, r, http.StatusOK, &p, err)
		}),
	}
	for path, what := range map[string]string{
		"/endpoints/{endpoint_id}": "endpoint", "/services/{service_id}": "service",
		"/services/{service_id}/regions/{region_id}": "region_and_service",
	} {
		rule := func(verb string) string { return "identity:" + verb + "_policy_association_for_" + what }
		out = append(out, route(http.MethodPut, base+path, rule("create"), do(h.svc.Catalog.Associations.Create)),
			route(http.MethodDelete, base+path, rule("delete"), do(h.svc.Catalog.Associations.Delete)))
		out = append(out, check(base+path, rule("check"), do(h.svc.Catalog.Associations.Check))...)
	}
	return out
}
