package api

import (
	"context"
	"net/http"
	"slices"

	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/httpx"
)

// topologyRoutes are the automatic network of a project: to get it is to make it.
func (a *api) topologyRoutes() []httpx.Route {
	const path = "/v2.0/auto-allocated-topology/{project_id}"
	return []httpx.Route{
		{Method: http.MethodGet, Path: path, Policy: "get_auto_allocated_topology", Handler: a.showTopology},
		{Method: http.MethodDelete, Path: path, Policy: "delete_auto_allocated_topology", Handler: a.deleteTopology},
	}
}

// topologyProject is the project that a request is about. Clients that know of
// none say "None", which is the token's own.
func topologyProject(ctx context.Context, req *httpx.Request) string {
	if id := req.Var("project_id"); id != "None" {
		return id
	}
	return actor.From(ctx).ProjectID
}

func (a *api) showTopology(ctx context.Context, req *httpx.Request) (*httpx.Response, error) {
	project := topologyProject(ctx, req)
	dry := slices.Contains(req.Query["fields"], "dry-run")
	id, err := a.svc.AutoTopologies.Ensure(ctx, project, dry)
	if err != nil {
		return nil, err
	}
	if dry {
		id = "dry-run=pass"
	}
	return httpx.JSON(http.StatusOK, map[string]any{"auto_allocated_topology": map[string]any{
		"id": id, "tenant_id": project, "project_id": project,
	}}), nil
}

func (a *api) deleteTopology(ctx context.Context, req *httpx.Request) (*httpx.Response, error) {
	if err := a.svc.AutoTopologies.Delete(ctx, topologyProject(ctx, req)); err != nil {
		return nil, err
	}
	return httpx.Empty(http.StatusNoContent), nil
}
