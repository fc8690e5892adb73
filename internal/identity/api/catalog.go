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

func (h *handlers) regions() resource[identity.Region] {
	return resource[identity.Region]{
		path: "/v3/regions", idVar: "region_id", key: "region", plural: "regions", create: regionBody, update: regionBody,
		filters: []string{"parent_region_id"}, putCreates: true, use: h.svc.Regions(),
		id:    func(v identity.Region) string { return v.ID },
		fresh: func(id string) identity.Region { return identity.Region{ID: id} },
		view: func(r *httpx.Request, v identity.Region) object {
			return with(object{"id": v.ID, "parent_region_id": orNull(v.ParentID), "description": v.Description, "links": self(r, "/regions/"+v.ID)}, v.Extra)
		},
		apply: func(o object, v *identity.Region) error {
			in := patch{o}
			in.text("parent_region_id", &v.ParentID)
			in.text("description", &v.Description)
			if v.ID == "" {
				in.text("id", &v.ID)
			}
			in.extra(&v.Extra, "parent_region_id", "description")
			return nil
		},
	}
}

func (h *handlers) services() resource[identity.CatalogService] {
	return resource[identity.CatalogService]{
		path: "/v3/services", idVar: "service_id", key: "service", plural: "services", create: serviceCreate, update: serviceUpdate,
		filters: []string{"type", "name"}, use: h.svc.CatalogServices(),
		id:    func(v identity.CatalogService) string { return v.ID },
		fresh: func(string) identity.CatalogService { return identity.CatalogService{Enabled: true} },
		view: func(r *httpx.Request, v identity.CatalogService) object {
			o := object{"id": v.ID, "type": v.Type, "name": v.Name, "enabled": v.Enabled, "links": self(r, "/services/"+v.ID)}
			if v.Description != "" {
				o["description"] = v.Description
			}
			return with(o, v.Extra)
		},
		apply: func(o object, v *identity.CatalogService) error {
			in := patch{o}
			in.text("type", &v.Type)
			in.text("name", &v.Name)
			in.text("description", &v.Description)
			in.flag("enabled", &v.Enabled)
			in.extra(&v.Extra, "type", "name", "description", "enabled")
			return nil
		},
	}
}

func endpointID(e identity.Endpoint) string { return e.ID }

func endpointView(r *httpx.Request, v identity.Endpoint) object {
	url := v.URL
	if len(url) > 0 && url[0] == '/' {
		url = root(r) + url
	}
	return with(object{
		"id": v.ID, "service_id": v.ServiceID, "interface": v.Interface, "region": orNull(v.RegionID), "region_id": orNull(v.RegionID),
		"url": url, "enabled": v.Enabled, "links": self(r, "/endpoints/"+v.ID),
	}, v.Extra)
}

func (h *handlers) endpoints() resource[identity.Endpoint] {
	return resource[identity.Endpoint]{
		path: "/v3/endpoints", idVar: "endpoint_id", key: "endpoint", plural: "endpoints", create: endpointCreate, update: endpointUpdate,
		filters: []string{"interface", "service_id", "region_id"}, use: h.svc.Endpoints(), id: endpointID, view: endpointView,
		fresh: func(string) identity.Endpoint { return identity.Endpoint{Enabled: true} },
		apply: func(o object, v *identity.Endpoint) error {
			in := patch{o}
			in.text("interface", &v.Interface)
			in.text("service_id", &v.ServiceID)
			in.text("region", &v.RegionID)
			in.text("region_id", &v.RegionID)
			in.text("url", &v.URL)
			in.flag("enabled", &v.Enabled)
			in.extra(&v.Extra, "interface", "service_id", "region", "region_id", "url", "enabled")
			return nil
		},
	}
}

// withRegion makes the region first when an endpoint names one by the old key.
func (h *handlers) withRegion(rule string, next httpx.Handler) httpx.Handler {
	return func(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
		o, err := body(r, "endpoint", nil)
		if err != nil {
			return nil, err
		}
		if region := str(o, "region"); region != "" && str(o, "region_id") == "" {
			if err := h.svc.EnsureRegion(ctx, rule, region); err != nil {
				return nil, err
			}
		}
		return next(ctx, r)
	}
}

func endpointGroupView(r *httpx.Request, v identity.EndpointGroup) object {
	return object{
		"id": v.ID, "name": v.Name, "description": v.Description, "filters": v.Filters,
		"links": self(r, "/OS-EP-FILTER/endpoint_groups/"+v.ID),
	}
}

func endpointGroupID(v identity.EndpointGroup) string { return v.ID }

func (h *handlers) endpointGroups() resource[identity.EndpointGroup] {
	return resource[identity.EndpointGroup]{
		path: "/v3/OS-EP-FILTER/endpoint_groups", idVar: "endpoint_group_id", key: "endpoint_group", plural: "endpoint_groups",
		create: endpointGroupCreate, update: endpointGroupUpdate, filters: []string{"name"}, use: h.svc.EndpointGroups(),
		id: endpointGroupID, view: endpointGroupView,
		fresh: func(string) identity.EndpointGroup { return identity.EndpointGroup{} },
		apply: func(o object, v *identity.EndpointGroup) error {
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
		},
	}
}

func (h *handlers) policyDocuments() resource[identity.PolicyDocument] {
	return resource[identity.PolicyDocument]{
		path: "/v3/policies", idVar: "policy_id", key: "policy", plural: "policies", create: policyCreate, update: policyUpdate,
		filters: []string{"type"}, use: h.svc.PolicyDocuments(),
		id:    func(v identity.PolicyDocument) string { return v.ID },
		fresh: func(string) identity.PolicyDocument { return identity.PolicyDocument{} },
		view: func(r *httpx.Request, v identity.PolicyDocument) object {
			return with(object{"id": v.ID, "type": v.Type, "blob": v.Blob, "links": self(r, "/policies/"+v.ID)}, v.Extra)
		},
		apply: func(o object, v *identity.PolicyDocument) error {
			in := patch{o}
			in.text("type", &v.Type)
			if b, ok := o["blob"]; ok {
				v.Blob = b
			}
			in.extra(&v.Extra, "type", "blob")
			return nil
		},
	}
}

func (h *handlers) catalogRoutes() []httpx.Route {
	endpoints := h.endpoints().routes()
	for i := range endpoints {
		switch endpoints[i].Method {
		case http.MethodPost:
			endpoints[i].Handler = h.withRegion("identity:create_endpoint", h.endpoints().add)
		case http.MethodPatch:
			endpoints[i].Handler = h.withRegion("identity:update_endpoint", h.endpoints().change)
		}
	}
	groups := append(h.endpointGroups().routes(), httpx.Route{
		Method: http.MethodHead, Path: "/v3/OS-EP-FILTER/endpoint_groups/{endpoint_group_id}", Policy: "identity:get_endpoint_group", Handler: h.endpointGroups().show,
	})
	return slices.Concat(h.regions().routes(), h.services().routes(), endpoints, groups, h.filterRoutes(), h.policyDocuments().routes(), h.associationRoutes())
}

func link(r *httpx.Request) identity.EndpointLink {
	return identity.EndpointLink{ProjectID: r.Var("project_id"), EndpointID: r.Var("endpoint_id"), GroupID: r.Var("endpoint_group_id")}
}

func (h *handlers) filterRoutes() []httpx.Route {
	const (
		filter   = "/v3/OS-EP-FILTER"
		endpoint = filter + "/projects/{project_id}/endpoints/{endpoint_id}"
		group    = filter + "/endpoint_groups/{endpoint_group_id}/projects/{project_id}"
	)
	type edit func(context.Context, string, identity.EndpointLink) error
	do := func(f edit, rule string) httpx.Handler {
		return done(func(ctx context.Context, r *httpx.Request) error { return f(ctx, rule, link(r)) })
	}
	showGroup := func(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
		if err := h.svc.CheckLink(ctx, "identity:get_endpoint_group_in_project", link(r)); err != nil {
			return nil, err
		}
		return httpx.JSON(http.StatusOK, object{"project_endpoint_group": object{
			"endpoint_group_id": r.Var("endpoint_group_id"), "project_id": r.Var("project_id"), "links": object{"self": r.PageURL(nil)},
		}}), nil
	}
	return slices.Concat([]httpx.Route{
		route(http.MethodPut, endpoint, "identity:add_endpoint_to_project", do(h.svc.LinkEndpoint, "identity:add_endpoint_to_project")),
		route(http.MethodDelete, endpoint, "identity:remove_endpoint_from_project", do(h.svc.UnlinkEndpoint, "identity:remove_endpoint_from_project")),
		get(filter+"/projects/{project_id}/endpoints", "identity:list_endpoints_for_project", h.projectEndpoints),
		get(filter+"/endpoints/{endpoint_id}/projects", "identity:list_projects_for_endpoint", h.linkedProjects("identity:list_projects_for_endpoint")),
		route(http.MethodPut, group, "identity:add_endpoint_group_to_project", do(h.svc.LinkEndpoint, "identity:add_endpoint_group_to_project")),
		route(http.MethodDelete, group, "identity:remove_endpoint_group_from_project", do(h.svc.UnlinkEndpoint, "identity:remove_endpoint_group_from_project")),
		get(group, "identity:get_endpoint_group_in_project", showGroup),
		route(http.MethodHead, group, "identity:get_endpoint_group_in_project", showGroup),
		get(filter+"/endpoint_groups/{endpoint_group_id}/projects", "identity:list_projects_associated_with_endpoint_group",
			h.linkedProjects("identity:list_projects_associated_with_endpoint_group")),
		get(filter+"/endpoint_groups/{endpoint_group_id}/endpoints", "identity:list_endpoints_associated_with_endpoint_group", h.groupEndpoints),
		get(filter+"/projects/{project_id}/endpoint_groups", "identity:list_endpoint_groups_for_project", h.projectEndpointGroups),
	}, check(endpoint, "identity:check_endpoint_in_project", do(h.svc.CheckLink, "identity:check_endpoint_in_project")))
}

func (h *handlers) projectEndpoints(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	rows, err := h.svc.ProjectEndpoints(ctx, r.Var("project_id"))
	if err != nil {
		return nil, err
	}
	return collection(r, "endpoints", all(rows), endpointID, endpointView), nil
}

func (h *handlers) groupEndpoints(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	rows, err := h.svc.GroupEndpoints(ctx, r.Var("endpoint_group_id"))
	if err != nil {
		return nil, err
	}
	return collection(r, "endpoints", all(rows), endpointID, endpointView), nil
}

func (h *handlers) projectEndpointGroups(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	rows, err := h.svc.ProjectEndpointGroups(ctx, r.Var("project_id"))
	if err != nil {
		return nil, err
	}
	return collection(r, "endpoint_groups", all(rows), endpointGroupID, endpointGroupView), nil
}

func (h *handlers) linkedProjects(rule string) httpx.Handler {
	return func(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
		rows, err := h.svc.LinkedProjects(ctx, rule, link(r))
		if err != nil {
			return nil, err
		}
		return collection(r, "projects", all(rows), nil, projectView), nil
	}
}

func association(r *httpx.Request) identity.PolicyAssociation {
	return identity.PolicyAssociation{PolicyID: r.Var("policy_id"), EndpointID: r.Var("endpoint_id"), ServiceID: r.Var("service_id"), RegionID: r.Var("region_id")}
}

func (h *handlers) associationRoutes() []httpx.Route {
	const base = "/v3/policies/{policy_id}/OS-ENDPOINT-POLICY"
	do := func(f func(context.Context, identity.PolicyAssociation) error) httpx.Handler {
		return done(func(ctx context.Context, r *httpx.Request) error { return f(ctx, association(r)) })
	}
	out := []httpx.Route{
		get(base+"/endpoints", "identity:list_endpoints_for_policy", func(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
			rows, err := h.svc.PolicyEndpoints(ctx, r.Var("policy_id"))
			if err != nil {
				return nil, err
			}
			return collection(r, "endpoints", all(rows), endpointID, endpointView), nil
		}),
		get("/v3/endpoints/{endpoint_id}/OS-ENDPOINT-POLICY/policy", "identity:get_policy_for_endpoint", func(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
			p, err := h.svc.PolicyOfEndpoint(ctx, r.Var("endpoint_id"))
			return h.policyDocuments().answer(r, http.StatusOK, p, err)
		}),
	}
	for path, what := range map[string]string{
		"/endpoints/{endpoint_id}": "endpoint", "/services/{service_id}": "service",
		"/services/{service_id}/regions/{region_id}": "region_and_service",
	} {
		rule := func(verb string) string { return "identity:" + verb + "_policy_association_for_" + what }
		out = append(out, route(http.MethodPut, base+path, rule("create"), do(h.svc.AssociatePolicy)),
			route(http.MethodDelete, base+path, rule("delete"), do(h.svc.DissociatePolicy)))
		out = append(out, check(base+path, rule("check"), do(h.svc.CheckPolicyAssociation))...)
	}
	return out
}
