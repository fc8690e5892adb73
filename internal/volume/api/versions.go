package api

import (
	"context"
	"net/http"

	"kumoi/internal/kernel/httpx"
)

func (a *api) versionRoutes() []httpx.Route {
	return []httpx.Route{
		{Method: "GET", Path: "/", Public: true, Handler: versions(http.StatusMultipleChoices)},
		{Method: "GET", Path: "/v3", Public: true, Handler: versions(http.StatusOK)},
		{Method: "GET", Path: "/healthcheck", Public: true, Handler: healthcheck},
	}
}

func versions(status int) httpx.Handler {
	return func(_ context.Context, r *httpx.Request) (*httpx.Response, error) {
		return httpx.JSON(status, object{"versions": []object{{
			"id": "v3.0", "status": "CURRENT", "version": MaxVersion.String(), "min_version": minVersion.String(), "updated": "2023-08-31T00:00:00Z",
			"links": []object{
				{"rel": "describedby", "type": "text/html", "href": "https://docs.openstack.org/"},
				{"rel": "self", "href": r.Link("/v3/")},
			},
			"media-types": []object{{"base": "application/json", "type": "application/vnd.openstack.volume+json;version=3"}},
		}}}), nil
	}
}

func healthcheck(context.Context, *httpx.Request) (*httpx.Response, error) {
	return httpx.Text(http.StatusOK, "OK"), nil
}
