package api

import (
	"context"
	"net/http"
	"strings"

	"kumoi/internal/kernel/httpx"
)

func (h *handlers) discoveryRoutes() []httpx.Route {
	public := func(path string, f httpx.Handler) httpx.Route {
		return httpx.Route{Method: http.MethodGet, Path: path, Public: true, Handler: f}
	}
	v3 := public("/v3", h.version)
	v3.Variants = []string{"json-home"}
	return []httpx.Route{public("/", h.versions), v3, public("/healthcheck", h.health)}
}

// Version describes the one version there is, at an endpoint of the service.
func Version(endpoint string) map[string]any {
	return object{
		"id": "v3.14", "status": "stable", "updated": "2020-04-07T00:00:00Z",
		"links": []object{{"rel": "self", "href": endpoint + "/v3/"}},
		"media-types": []object{{
			"base": "application/json", "type": "application/vnd.openstack.identity-v3+json",
		}},
	}
}

func (h *handlers) versions(_ context.Context, r *httpx.Request) (*httpx.Response, error) {
	if wantsHome(r) {
		return h.home(r), nil
	}
	return httpx.JSON(http.StatusMultipleChoices, object{"versions": object{"values": []object{Version(r.Endpoint)}}}).
		With("Location", r.Link("/v3/")), nil
}

func (h *handlers) version(_ context.Context, r *httpx.Request) (*httpx.Response, error) {
	if wantsHome(r) {
		return h.home(r), nil
	}
	return httpx.JSON(http.StatusOK, object{"version": Version(r.Endpoint)}), nil
}

func wantsHome(r *httpx.Request) bool {
	return strings.Contains(r.HTTP.Header.Get("Accept"), "application/json-home")
}

// home lists every resource with its address, made from the route table.
func (h *handlers) home(r *httpx.Request) *httpx.Response {
	resources := object{}
	for _, rt := range New(h.svc).Routes {
		path, ok := strings.CutPrefix(rt.Path, "/v3/")
		if !ok {
			continue
		}
		name, vars := relation(path)
		if len(vars) == 0 {
			resources[name] = object{"href": v3(r, "/%s", path)}
			continue
		}
		resources[name] = object{"href-template": v3(r, "/%s", path), "href-vars": vars}
	}
	return httpx.JSON(http.StatusOK, object{"resources": resources}).With("Content-Type", "application/json-home")
}

const docs = "https://docs.openstack.org/api/openstack-identity/3"

// relation names a path by its fixed words, as "rel/projects" or "rel/user_groups".
func relation(path string) (string, object) {
	vars := object{}
	var words []string
	extension := ""
	for seg := range strings.SplitSeq(path, "/") {
		switch {
		case strings.HasPrefix(seg, "{"):
			v := strings.Trim(seg, "{}")
			vars[v] = docs + "/param/" + v
			if n := len(words); n > 0 {
				words[n-1] = strings.TrimSuffix(words[n-1], "s")
			}
		case strings.HasPrefix(seg, "OS-"):
			extension = "/ext/" + seg + "/1.0"
		default:
			words = append(words, seg)
		}
	}
	return docs + extension + "/rel/" + strings.Join(words, "_"), vars
}

func (h *handlers) health(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	if err := h.svc.Ping(ctx); err != nil {
		return httpx.Text(http.StatusServiceUnavailable, "The database does not answer."), nil
	}
	if strings.Contains(r.HTTP.Header.Get("Accept"), "application/json") {
		return httpx.JSON(http.StatusOK, object{"detailed": false, "reasons": []string{"OK"}}), nil
	}
	return httpx.Text(http.StatusOK, "OK"), nil
}
