package app

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	dashboardapi "kumoi/internal/dashboard/api"
	identityapi "kumoi/internal/identity/api"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/httpx"
	"kumoi/web"
)

// rootService answers at the cloud's own address. What it says is a version
// document of identity's too, so that clients that were given this address to
// log in at find the one that they need. Browsers are sent to the page, in a program that has it.
func rootService(apis []*httpx.Service) *httpx.Service {
	services := map[string]string{}
	for _, s := range apis {
		services[s.Type] = s.Prefix
	}
	page := web.Built()
	return &httpx.Service{
		Name: "root", Type: "root", OpenPaths: true,
		Routes: []httpx.Route{{Method: http.MethodGet, Path: "/", Public: true, Handler: func(_ context.Context, r *httpx.Request) (*httpx.Response, error) {
			if page && strings.Contains(r.HTTP.Header.Get("Accept"), "text/html") {
				return dashboardapi.ToPage(), nil
			}
			return httpx.JSON(http.StatusOK, map[string]any{
				"cloud": "kumoi", "release": Version, "services": services,
				"versions": map[string]any{"values": []any{identityapi.Version(r.Base() + identityapi.Prefix)}},
			}).With("Vary", "Accept"), nil
		}}},
	}
}

// strayHandler answers paths that belong to no service.
func strayHandler(w http.ResponseWriter, r *http.Request) {
	httpx.ErrorEnvelope(w, r, http.StatusNotFound, errs.New(errs.NotFound, "No service answers at %s; GET / lists them.", fmt.Sprintf("%.200s", r.URL.Path)), "")
}
