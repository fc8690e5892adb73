package api

import (
	"context"
	"net/http"

	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/network"
)

// quotaRoutes are /v2.0/quotas.
func (a *api) quotaRoutes() []httpx.Route {
	base := "/v2.0/quotas"
	one := base + "/{project_id}"
	return []httpx.Route{
		{Method: http.MethodGet, Path: base, Policy: "get_quota", Handler: a.listQuotas},
		{Method: http.MethodGet, Path: base + "/tenant", Policy: "get_quota", Handler: a.ownProject},
		{Method: http.MethodGet, Path: base + "/project", Policy: "get_quota", Handler: a.ownProject},
		{Method: http.MethodGet, Path: one, Policy: "get_quota", Handler: a.showQuota},
		{Method: http.MethodGet, Path: one + "/details", Policy: "get_quota", Handler: a.quotaDetails},
		{Method: http.MethodGet, Path: one + "/default", Policy: "get_quota", Handler: a.defaultQuota},
		{Method: http.MethodPut, Path: one, Policy: "update_quota", Handler: a.setQuota},
		{Method: http.MethodDelete, Path: one, Policy: "delete_quota", Handler: a.resetQuota},
	}
}

func (a *api) listQuotas(ctx context.Context, _ *httpx.Request) (*httpx.Response, error) {
	all, err := a.svc.Quotas.List(ctx)
	if err != nil {
		return nil, err
	}
	out := []map[string]any{}
	for project, limits := range all {
		m := map[string]any{"tenant_id": project, "project_id": project}
		for resource, n := range limits {
			m[resource] = n
		}
		out = append(out, m)
	}
	return httpx.JSON(http.StatusOK, map[string]any{"quotas": out}), nil
}

func (a *api) ownProject(ctx context.Context, _ *httpx.Request) (*httpx.Response, error) {
	id := actor.From(ctx).ProjectID
	return httpx.JSON(http.StatusOK, map[string]any{"tenant": map[string]any{"tenant_id": id, "project_id": id}}), nil
}

func (a *api) showQuota(ctx context.Context, req *httpx.Request) (*httpx.Response, error) {
	qs, err := a.svc.Quotas.Show(ctx, req.Var("project_id"))
	if err != nil {
		return nil, err
	}
	out := map[string]any{}
	for resource, q := range qs {
		out[resource] = q.Limit
	}
	return httpx.JSON(http.StatusOK, map[string]any{"quota": out}), nil
}

func (a *api) quotaDetails(ctx context.Context, req *httpx.Request) (*httpx.Response, error) {
	qs, err := a.svc.Quotas.Show(ctx, req.Var("project_id"))
	if err != nil {
		return nil, err
	}
	out := map[string]any{}
	for resource, q := range qs {
		out[resource] = map[string]int64{"limit": q.Limit, "used": q.InUse, "reserved": 0}
	}
	return httpx.JSON(http.StatusOK, map[string]any{"quota": out}), nil
}

func (a *api) defaultQuota(ctx context.Context, req *httpx.Request) (*httpx.Response, error) {
	limits, err := a.svc.Quotas.Defaults(ctx, req.Var("project_id"))
	if err != nil {
		return nil, err
	}
	return httpx.JSON(http.StatusOK, map[string]any{"quota": limits}), nil
}

func (a *api) setQuota(ctx context.Context, req *httpx.Request) (*httpx.Response, error) {
	body, err := bodyOf(req, "quota")
	if err != nil {
		return nil, err
	}
	m, ok := body["quota"].(map[string]any)
	if !ok {
		return nil, badRequest("Unable to find 'quota' in request body")
	}
	limits := map[string]int64{}
	check := false
	for name, v := range m {
		switch name {
		case "tenant_id", "project_id", "force":
			continue
		case "check_limit":
			if check, err = toBool(v); err != nil {
				return nil, badRequest("Invalid input for check_limit. Reason: %s.", err)
			}
			continue
		}
		if _, known := network.DefaultQuotas[name]; !known {
			return nil, badRequest("Unrecognized attribute(s) '%s'", name)
		}
		n, err := toInt(-1, 2147483647)(v)
		if err != nil {
			return nil, badRequest("Invalid input for %s. Reason: %s.", name, err)
		}
		limits[name] = int64(n)
	}
	if err := a.svc.Quotas.Set(ctx, req.Var("project_id"), limits, check); err != nil {
		return nil, err
	}
	return a.showQuota(ctx, req)
}

func (a *api) resetQuota(ctx context.Context, req *httpx.Request) (*httpx.Response, error) {
	if err := a.svc.Quotas.Reset(ctx, req.Var("project_id")); err != nil {
		return nil, err
	}
	return httpx.NoContent(), nil
}
