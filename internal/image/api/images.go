package api

import (
	"context"
	"net/http"
	"strings"

	"kumoi/internal/image"
	"kumoi/internal/kernel/httpx"
)

func join(list []string) string { return strings.Join(list, ",") }

// view shows an image, with its locations where the cloud shows them at all
// and the actor may see them.
func (a *api) view(ctx context.Context, img *image.Image) map[string]any {
	return viewImage(img, a.svc.ShowsLocations(ctx, img))
}

func (a *api) createImage(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	body, err := r.Object()
	if err != nil {
		return nil, err
	}
	img, err := a.svc.Create(ctx, body)
	if err != nil {
		return nil, err
	}
	resp := httpx.JSON(http.StatusCreated, a.view(ctx, img)).With("Location", r.Link("/v2/images/%s", img.ID))
	if methods := a.svc.Config().ImportMethods; len(methods) > 0 {
		resp.With("Openstack-Image-Import-Methods", join(methods))
	}
	var stores []string
	for _, s := range a.svc.Stores() {
		stores = append(stores, s.ID)
	}
	return resp.With("Openstack-Image-Store-Ids", join(stores)), nil
}

func (a *api) showImage(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	img, err := a.svc.Get(ctx, r.Var("image_id"))
	if err != nil {
		return nil, err
	}
	return httpx.JSON(http.StatusOK, a.view(ctx, img)), nil
}

func (a *api) deleteImage(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	return done(a.svc.Delete(ctx, r.Var("image_id")))
}

func (a *api) listImages(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	req, err := a.listRequest(r)
	if err != nil {
		return nil, err
	}
	images, more, err := a.svc.List(ctx, req)
	if err != nil {
		return nil, err
	}
	list := make([]map[string]any, len(images))
	for i, img := range images {
		list[i] = a.view(ctx, img)
	}
	last := ""
	if more && len(images) > 0 {
		last = images[len(images)-1].ID
	}
	return httpx.JSON(http.StatusOK, page(r, "images", "/v2/images", "/v2/schemas/images", list, last)), nil
}

// page is a list with its links; last is the id to go on behind, "" at the end.
func page[T any](r *httpx.Request, key, path, schema string, list []T, last string) map[string]any {
	body := map[string]any{key: list, "schema": schema}
	q := r.HTTP.URL.Query()
	q.Del("marker")
	body["first"] = withQuery(path, q.Encode())
	if last != "" {
		q.Set("marker", last)
		body["next"] = withQuery(path, q.Encode())
	}
	return body
}

func withQuery(path, query string) string {
	if query == "" {
		return path
	}
	return path + "?" + query
}
