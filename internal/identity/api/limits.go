package api

import (
	"context"
	"net/http"

	"kumoi/internal/identity"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/schema"
)

func (h *handlers) limitRoutes() []httpx.Route {
	const registered, limit = "/v3/registered_limits/{registered_limit_id}", "/v3/limits/{limit_id}"
	return []httpx.Route{
		get("/v3/registered_limits", "identity:list_registered_limits", h.listRegistered),
		route(http.MethodPost, "/v3/registered_limits", "identity:create_registered_limits", h.createRegistered),
		get(registered, "identity:get_registered_limit", h.showRegistered),
		route(http.MethodPatch, registered, "identity:update_registered_limit", h.updateRegistered),
		route(http.MethodDelete, registered, "identity:delete_registered_limit", done(func(ctx context.Context, r *httpx.Request) error {
			return h.svc.DeleteRegisteredLimit(ctx, r.Var("registered_limit_id"))
		})),
		get("/v3/limits", "identity:list_limits", h.listLimits),
		route(http.MethodPost, "/v3/limits", "identity:create_limits", h.createLimits),
		get("/v3/limits/model", "identity:get_limit_model", h.limitModel),
		get(limit, "identity:get_limit", h.showLimit),
		route(http.MethodPatch, limit, "identity:update_limit", h.updateLimit),
		route(http.MethodDelete, limit, "identity:delete_limit", done(func(ctx context.Context, r *httpx.Request) error {
			return h.svc.DeleteLimit(ctx, r.Var("limit_id"))
		})),
	}
}

var (
	count                = schema.Object{"type": "integer", "minimum": -1, "maximum": 0x7fffffff}
	registeredProperties = schema.Object{
		"service_id": idText, "region_id": schema.Object{"type": schema.List{"string", "null"}}, "resource_name": type255,
		"default_limit": count, "description": nullText,
	}
	registeredCreate = schema.Of(schema.Object{"type": "array", "minItems": 1, "items": schema.Object{
		"type": "object", "required": schema.List{"service_id", "resource_name", "default_limit"}, "additionalProperties": false, "properties": registeredProperties,
	}})
	registeredUpdate = schema.Of(schema.Object{"type": "object", "minProperties": 1, "additionalProperties": false, "properties": registeredProperties})

	limitCreate = schema.Of(schema.Object{"type": "array", "minItems": 1, "items": schema.Object{
		"type": "object", "required": schema.List{"service_id", "resource_name", "resource_limit"}, "additionalProperties": false,
		"properties": schema.Object{
			"project_id": nullID, "domain_id": nullID, "service_id": idText, "region_id": schema.Object{"type": schema.List{"string", "null"}},
			"resource_name": type255, "resource_limit": count, "description": nullText,
		},
	}})
	limitUpdate = schema.Of(schema.Object{"type": "object", "minProperties": 1, "additionalProperties": false, "properties": schema.Object{
		"resource_limit": count, "description": nullText,
	}})
)

func registeredView(r *httpx.Request, l identity.RegisteredLimit) object {
	return object{
		"id": l.ID, "service_id": l.ServiceID, "region_id": orNull(l.RegionID), "resource_name": l.ResourceName,
		"default_limit": l.DefaultLimit, "description": orNull(l.Description), "links": self(r, "/registered_limits/"+l.ID),
	}
}

func limitView(r *httpx.Request, l identity.Limit) object {
	return object{
		"id": l.ID, "project_id": orNull(l.ProjectID), "domain_id": orNull(l.DomainID), "service_id": l.ServiceID,
		"region_id": orNull(l.RegionID), "resource_name": l.ResourceName, "resource_limit": l.ResourceLimit,
		"description": orNull(l.Description), "links": self(r, "/limits/"+l.ID),
	}
}

// batch reads {"key": [...]} under a schema.
func batch(r *httpx.Request, key string, s *schema.Schema) ([]object, error) {
	o, err := r.Object()
	if err != nil {
		return nil, err
	}
	if err := s.Validate(o[key]); err != nil {
		return nil, err
	}
	list, ok := o[key].([]any)
	if !ok {
		return nil, errs.New(errs.Invalid, "Expecting to find %s in request body.", key)
	}
	out := make([]object, len(list))
	for i, x := range list {
		out[i] = x.(object)
	}
	return out, nil
}

func applyRegistered(o object, l *identity.RegisteredLimit) error {
	in := patch{o}
	in.text("service_id", &l.ServiceID)
	in.text("region_id", &l.RegionID)
	in.text("resource_name", &l.ResourceName)
	in.text("description", &l.Description)
	n, err := whole(o, "default_limit")
	if n != nil {
		l.DefaultLimit = *n
	}
	return err
}

func (h *handlers) listRegistered(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	q, err := filters(r, "service_id", "region_id", "resource_name")
	if err != nil {
		return nil, err
	}
	page, err := h.svc.ListRegisteredLimits(ctx, q)
	if err != nil {
		return nil, err
	}
	return collection(r, "registered_limits", page, func(l identity.RegisteredLimit) string { return l.ID }, registeredView), nil
}

func (h *handlers) createRegistered(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	list, err := batch(r, "registered_limits", registeredCreate)
	if err != nil {
		return nil, err
	}
	limits := make([]identity.RegisteredLimit, len(list))
	for i, o := range list {
		if err := applyRegistered(o, &limits[i]); err != nil {
			return nil, err
		}
	}
	if limits, err = h.svc.CreateRegisteredLimits(ctx, limits); err != nil {
		return nil, err
	}
	out := make([]object, len(limits))
	for i, l := range limits {
		out[i] = registeredView(r, l)
	}
	return httpx.JSON(http.StatusCreated, object{"registered_limits": out}), nil
}

func registeredResponse(r *httpx.Request, l identity.RegisteredLimit, err error) (*httpx.Response, error) {
	if err != nil {
		return nil, err
	}
	return httpx.JSON(http.StatusOK, object{"registered_limit": registeredView(r, l)}), nil
}

func (h *handlers) showRegistered(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	l, err := h.svc.GetRegisteredLimit(ctx, r.Var("registered_limit_id"))
	return registeredResponse(r, l, err)
}

func (h *handlers) updateRegistered(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	o, err := body(r, "registered_limit", registeredUpdate)
	if err != nil {
		return nil, err
	}
	if err := applyRegistered(o, &identity.RegisteredLimit{}); err != nil {
		return nil, err
	}
	l, err := h.svc.UpdateRegisteredLimit(ctx, r.Var("registered_limit_id"), func(l *identity.RegisteredLimit) { _ = applyRegistered(o, l) })
	return registeredResponse(r, l, err)
}

func (h *handlers) listLimits(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	q, err := filters(r, "service_id", "region_id", "resource_name", "project_id", "domain_id")
	if err != nil {
		return nil, err
	}
	page, err := h.svc.ListLimits(ctx, q)
	if err != nil {
		return nil, err
	}
	return collection(r, "limits", page, func(l identity.Limit) string { return l.ID }, limitView), nil
}

func (h *handlers) createLimits(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	list, err := batch(r, "limits", limitCreate)
	if err != nil {
		return nil, err
	}
	limits := make([]identity.Limit, len(list))
	for i, o := range list {
		limits[i] = identity.Limit{
			ProjectID: str(o, "project_id"), DomainID: str(o, "domain_id"), ServiceID: str(o, "service_id"),
			RegionID: str(o, "region_id"), ResourceName: str(o, "resource_name"), Description: str(o, "description"),
		}
		n, err := whole(o, "resource_limit")
		if err != nil {
			return nil, err
		}
		if n != nil {
			limits[i].ResourceLimit = *n
		}
		if (limits[i].ProjectID == "") == (limits[i].DomainID == "") {
			return nil, errs.New(errs.Invalid, "A limit is for exactly one of project_id and domain_id.")
		}
	}
	if limits, err = h.svc.CreateLimits(ctx, limits); err != nil {
		return nil, err
	}
	out := make([]object, len(limits))
	for i, l := range limits {
		out[i] = limitView(r, l)
	}
	return httpx.JSON(http.StatusCreated, object{"limits": out}), nil
}

func limitResponse(r *httpx.Request, l identity.Limit, err error) (*httpx.Response, error) {
	if err != nil {
		return nil, err
	}
	return httpx.JSON(http.StatusOK, object{"limit": limitView(r, l)}), nil
}

func (h *handlers) showLimit(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	l, err := h.svc.GetLimit(ctx, r.Var("limit_id"))
	return limitResponse(r, l, err)
}

func (h *handlers) updateLimit(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	o, err := body(r, "limit", limitUpdate)
	if err != nil {
		return nil, err
	}
	n, err := whole(o, "resource_limit")
	if err != nil {
		return nil, err
	}
	l, err := h.svc.UpdateLimit(ctx, r.Var("limit_id"), func(l *identity.Limit) {
		if n != nil {
			l.ResourceLimit = *n
		}
		patch{o}.text("description", &l.Description)
	})
	return limitResponse(r, l, err)
}

func (h *handlers) limitModel(ctx context.Context, _ *httpx.Request) (*httpx.Response, error) {
	name, description, err := h.svc.LimitModel(ctx)
	if err != nil {
		return nil, err
	}
	return httpx.JSON(http.StatusOK, object{"model": object{"name": name, "description": description}}), nil
}

func (h *handlers) projectLimits(ctx context.Context, r *httpx.Request, id string) []object {
	rows, err := h.svc.ProjectLimits(ctx, id)
	out := make([]object, 0, len(rows))
	if err != nil {
		return out
	}
	for _, l := range rows {
		out = append(out, limitView(r, l))
	}
	return out
}
