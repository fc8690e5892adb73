// Package api is placement's REST API, microversions 1.0 to 1.39.
package api

import (
	"context"

	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/micro"
	"kumoi/internal/placement"
)

// versions is what the API speaks.
var versions = micro.Range{Service: "placement", Min: micro.V(1, 0), Max: micro.V(1, 39)}

type api struct{ svc *placement.Service }

// New describes the API of a placement service.
func New(svc *placement.Service) *httpx.Service {
	a := &api{svc: svc}
	return &httpx.Service{
		Name: "placement", Type: "placement", Prefix: "/placement",
		Micro: &versions, Fault: fault, Routes: a.routes(),
	}
}

func (a *api) routes() []httpx.Route {
	return []httpx.Route{
		{Method: "GET", Path: "/", Public: true, Handler: a.discovery},
	}
}

func (a *api) discovery(context.Context, *httpx.Request) (*httpx.Response, error) {
	return httpx.JSON(200, map[string]any{"versions": []any{map[string]any{
		"id": "v1.0", "status": "CURRENT", "min_version": versions.Min.String(), "max_version": versions.Max.String(),
		"links": []any{map[string]string{"rel": "self", "href": ""}},
	}}}), nil
}
