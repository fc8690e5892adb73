package api

import (
	"context"
	"fmt"
	"net/http"

	"kumoi/internal/image"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/rest"
)

// newest is the minor version of the Image API v2 that is spoken.
const newest = 18

func (a *api) discovery() []httpx.Route {
	return []httpx.Route{
		public(route("GET", "/", "", versions(http.StatusMultipleChoices))),
		public(route("GET", "/versions", "", versions(http.StatusOK))),
		public(route("GET", "/healthcheck", "", a.healthcheck)),
		route("GET", "/v2/info/stores", "", a.listStores),
		route("GET", "/v2/info/stores/detail", "stores_info_detail", a.listStoresDetail),
		route("GET", "/v2/info/usage", "", a.usage),
	}
}

// versionName is what clients call a minor version, in documents and in paths.
func versionName(minor int) string { return fmt.Sprintf("v2.%d", minor) }

func versions(status int) httpx.Handler {
	return func(_ context.Context, r *httpx.Request) (*httpx.Response, error) {
		list := []map[string]any{}
		for minor := newest; minor >= 0; minor-- {
			state := "SUPPORTED"
			if minor == newest {
				state = "CURRENT"
			}
			list = append(list, map[string]any{
				"id": versionName(minor), "status": state,
				"links": []map[string]string{{"rel": "self", "href": r.Link("/v2/")}},
			})
		}
		return httpx.JSON(status, map[string]any{"versions": list}), nil
	}
}

// healthcheck says OK as long as the default store can be written to.
func (a *api) healthcheck(ctx context.Context, _ *httpx.Request) (*httpx.Response, error) {
	if err := a.svc.Stores.Healthy(ctx); err != nil {
		return httpx.Text(http.StatusServiceUnavailable, err.Error()), nil
	}
	return httpx.Text(http.StatusOK, "OK"), nil
}

func (a *api) listStores(context.Context, *httpx.Request) (*httpx.Response, error) {
	return answerStores(a.svc.Stores.List(), false), nil
}

func (a *api) listStoresDetail(ctx context.Context, _ *httpx.Request) (*httpx.Response, error) {
	stores, err := a.svc.Stores.Detail(ctx)
	if err != nil {
		return nil, err
	}
	return answerStores(stores, true), nil
}

func answerStores(stores []image.StoreInfo, details bool) *httpx.Response {
	return rest.Answer(http.StatusOK, func(w *rest.Writer) {
		w.Object("", func() {
			w.List("stores", func() {
				for _, s := range stores {
					viewStore(w, s, details)
				}
			})
		})
	})
}

func (a *api) usage(ctx context.Context, _ *httpx.Request) (*httpx.Response, error) {
	usage, err := a.svc.ProjectUsage(ctx)
	if err != nil {
		return nil, err
	}
	return rest.Answer(http.StatusOK, func(w *rest.Writer) {
		w.Object("", func() {
			w.Object("usage", func() {
				for _, name := range image.Resources {
					w.Object(name, func() {
						w.Int("usage", usage[name].Usage)
						w.Int("limit", usage[name].Limit)
					})
				}
			})
		})
	}), nil
}
