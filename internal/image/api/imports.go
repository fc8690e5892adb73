package api

import (
	"context"
	"net/http"

	"kumoi/internal/image"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/rest"
)

func (a *api) imports() []httpx.Route {
	const one = "/v2/images/{image_id}"
	importing := route("POST", one+"/import", "modify_image", a.importImage)
	importing.Variants = []string{"glance-direct", "web-download", "copy-image", "glance-download"}
	return []httpx.Route{
		stream(route("PUT", one+"/stage", "modify_image", a.stage)),
		importing,
		route("GET", "/v2/info/import", "", a.importMethods),
		route("DELETE", "/v2/stores/{store_id}/{image_id}", "delete_image_location", a.deleteFromStore),
		route("POST", one+"/locations", "add_image_location", a.addLocation),
		route("GET", one+"/locations", "fetch_image_location", a.listLocations),
		route("GET", one+"/tasks", "get_image", a.imageTasks),
	}
}

func (a *api) stage(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	size, err := announced(r)
	if err != nil {
		return nil, err
	}
	return done(a.svc.Uploads.Stage(ctx, r.Var("image_id"), sender{r.HTTP.Body}, size))
}

func (a *api) importMethods(context.Context, *httpx.Request) (*httpx.Response, error) {
	return httpx.JSON(http.StatusOK, object{"import-methods": object{
		"description": "Import methods available.", "type": "array", "value": a.svc.Config().ImportMethods,
	}}), nil
}

func (a *api) importImage(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	var body struct {
		Method *struct {
			Name      string `json:"name"`
			URI       string `json:"uri"`
			Region    string `json:"glance_region"`
			ImageID   string `json:"glance_image_id"`
			Interface string `json:"glance_service_interface"`
		} `json:"method"`
		Stores         []string `json:"stores"`
		AllStores      bool     `json:"all_stores"`
		AllMustSucceed *bool    `json:"all_stores_must_succeed"`
	}
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	if body.Method == nil {
		return nil, errs.New(errs.Invalid, "Import request requires a 'method' field.")
	}
	if body.Method.Name == "" {
		return nil, errs.New(errs.Invalid, "Import request requires a 'name' field.")
	}
	whole, err := r.Object()
	if err != nil {
		return nil, err
	}
	req := image.ImportRequest{
		Method: body.Method.Name, URI: body.Method.URI, Region: body.Method.Region, RemoteImageID: body.Method.ImageID,
		Interface: body.Method.Interface, Stores: body.Stores, AllStores: body.AllStores,
		AllMustSucceed: body.AllMustSucceed == nil || *body.AllMustSucceed,
		StoreHeader:    r.HTTP.Header.Get("X-Image-Meta-Store"), Body: whole, Token: r.HTTP.Header.Get("X-Auth-Token"),
	}
	if req.Interface == "" {
		req.Interface = "public"
	}
	if err := a.svc.Imports.Create(ctx, r.Var("image_id"), req); err != nil {
		return nil, err
	}
	return httpx.Empty(http.StatusAccepted), nil
}

func (a *api) deleteFromStore(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	return done(a.svc.Stores.Delete(ctx, r.Var("store_id"), r.Var("image_id")))
}

func (a *api) addLocation(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	body, err := r.Object()
	if err != nil {
		return nil, err
	}
	url, ok := body["url"].(string)
	if !ok || url == "" {
		return nil, errs.New(errs.Invalid, "Provided object does not match schema 'location': 'url' is a required property")
	}
	if err := a.svc.Locations.Create(ctx, r.Var("image_id"), url, body["validation_data"]); err != nil {
		return nil, err
	}
	return httpx.Empty(http.StatusAccepted), nil
}

func (a *api) listLocations(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	locations, err := a.svc.Locations.List(ctx, r.Var("image_id"))
	if err != nil {
		return nil, err
	}
	return rest.Answer(http.StatusOK, func(w *rest.Writer) { viewLocations(w, "", locations) }), nil
}
