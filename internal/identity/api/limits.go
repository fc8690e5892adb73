package api

import (
	"context"
	"net/http"
	"slices"

	"kumoi/internal/identity"
	"kumoi/internal/identity/limit"
	"kumoi/internal/kernel/change"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/rest"
	"kumoi/internal/kernel/schema"
	"kumoi/internal/kernel/store"
)

func (h *handlers) limitRoutes() []httpx.Route {
	registered, limits := registeredLimits(h.svc), limits(h.svc)
	return slices.Concat(registered.Routes(), limits.Routes(), []httpx.Route{
		route(http.MethodPost, "/v3/registered_limits", "identity:create_registered_limits", many(registered, registeredCreate, applyRegistered, h.svc.Limit.Registered.CreateMany)),
		route(http.MethodPost, "/v3/limits", "identity:create_limits", many(limits, limitCreate, applyLimit, h.svc.Limit.Limits.CreateMany)),
		get("/v3/limits/model", "identity:get_limit_model", h.limitModel),
	})
}

func registeredLimits(svc *identity.Service) *resource[limit.RegisteredLimit] {
	use := svc.Limit.Registered
	return &resource[limit.RegisteredLimit]{
		Path: "/v3/registered_limits", Item: "registered_limit_id", One: "registered_limit", Many: "registered_limits",
		Rule: rules("registered_limit", "registered_limits"), Query: listOf("service_id", "region_id", "resource_name"),
		List: use.List, Show: use.Show, Update: use.Update, Delete: use.Delete,
		View: view(registeredRow), ID: func(v *limit.RegisteredLimit) string { return v.ID },
		ReadPatch: patchOf("registered_limit", registeredUpdate, applyRegistered),
	}
}

func limits(svc *identity.Service) *resource[limit.Limit] {
	use := svc.Limit.Limits
	return &resource[limit.Limit]{
		Path: "/v3/limits", Item: "limit_id", One: "limit", Many: "limits", Rule: rules("limit", "limits"),
		Query: listOf("service_id", "region_id", "resource_name", "project_id", "domain_id"),
		List:  use.List, Show: use.Show, Update: use.Update, Delete: use.Delete,
		View: view(limitRow), ID: func(v *limit.Limit) string { return v.ID },
		ReadPatch: patchOf("limit", limitUpdate, func(o object, l *limit.Limit) error {
			patch{o}.text("description", &l.Description)
			return integer(o, "resource_limit", &l.ResourceLimit)
		}),
	}
}

// patchOf reads the body of a change.
func patchOf[T any](key string, s *schema.Schema, apply func(o object, v *T) error) func(r *httpx.Request) (change.Patch[T], error) {
	return func(r *httpx.Request) (change.Patch[T], error) {
		o, err := readObject(r, key, s)
		if err == nil {
			err = apply(o, new(T)) // what is wrong with a body is said before anything is asked
		}
		return change.Patch[T]{Apply: func(v *T) error { return apply(o, v) }}, err
	}
}

// many is a handler that makes all that a body lists, or nothing.
func many[T any](c *resource[T], s *schema.Schema, apply func(o object, v *T) error, make func(context.Context, []T) ([]*T, error)) httpx.Handler {
	return func(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
		list, err := batch(r, c.Many, s)
		if err != nil {
			return nil, err
		}
		var rows []T
		for _, o := range list {
			var v T
			if err := apply(o, &v); err != nil {
				return nil, err
			}
			rows = append(rows, v)
		}
		made, err := make(ctx, rows)
		if err != nil {
			return nil, err
		}
		plain := *c
		plain.Query = nil // these answers have no links
		return plain.Rows(ctx, r, http.StatusCreated, store.Page[T]{Rows: made}, store.Query{})
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

func registeredRow(w *rest.Writer, r *httpx.Request, l *limit.RegisteredLimit) {
	w.Text("id", l.ID)
	w.Text("service_id", l.ServiceID)
	w.TextOrNull("region_id", l.RegionID)
	w.Text("resource_name", l.ResourceName)
	w.Int("default_limit", l.DefaultLimit)
	w.TextOrNull("description", l.Description)
	links(w, r, "/registered_limits/"+l.ID)
}

func limitRow(w *rest.Writer, r *httpx.Request, l *limit.Limit) {
	w.Text("id", l.ID)
	w.TextOrNull("project_id", l.ProjectID)
	w.TextOrNull("domain_id", l.DomainID)
	w.Text("service_id", l.ServiceID)
	w.TextOrNull("region_id", l.RegionID)
	w.Text("resource_name", l.ResourceName)
	w.Int("resource_limit", l.ResourceLimit)
	w.TextOrNull("description", l.Description)
	links(w, r, "/limits/"+l.ID)
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

func applyRegistered(o object, l *limit.RegisteredLimit) error {
	in := patch{o}
	in.text("service_id", &l.ServiceID)
	in.text("region_id", &l.RegionID)
	in.text("resource_name", &l.ResourceName)
	in.text("description", &l.Description)
	return integer(o, "default_limit", &l.DefaultLimit)
}

func applyLimit(o object, l *limit.Limit) error {
	in := patch{o}
	in.text("project_id", &l.ProjectID)
	in.text("domain_id", &l.DomainID)
	in.text("service_id", &l.ServiceID)
	in.text("region_id", &l.RegionID)
	in.text("resource_name", &l.ResourceName)
	in.text("description", &l.Description)
	if err := integer(o, "resource_limit", &l.ResourceLimit); err != nil {
		return err
	}
	if (l.ProjectID == "") == (l.DomainID == "") {
		return errs.New(errs.Invalid, "A limit is for exactly one of project_id and domain_id.")
	}
	return nil
}

// integer takes a whole number out of a body, if it is there.
func integer(o object, key string, dst *int64) error {
	n, err := whole(o, key)
	if n != nil {
		*dst = *n
	}
	return err
}

func (h *handlers) limitModel(ctx context.Context, _ *httpx.Request) (*httpx.Response, error) {
	name, description, err := h.svc.Limit.Limits.Model(ctx)
	if err != nil {
		return nil, err
	}
	return httpx.JSON(http.StatusOK, object{"model": object{"name": name, "description": description}}), nil
}

func (h *handlers) projectLimits(ctx context.Context, w *rest.Writer, r *httpx.Request, id string) {
	rows, _ := h.svc.Limit.Limits.OfProject(ctx, id) // a project without them is still a project
	w.List("limits", func() {
		for _, l := range rows {
			w.Object("", func() { limitRow(w, r, &l) })
		}
	})
}
