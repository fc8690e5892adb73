package api

import (
	"context"
	"net/http"

	"kumoi/internal/image"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/rest"
)

// imageRows has what all routes of images share: how a row and a list are
// written, and their query string. Bodies are JSON objects with open keys, and
// patches.
func (a *api) imageRows() *rest.Resource[image.Image, map[string]any, []image.Change] {
	list := a.list("/v2/schemas/images", sortKeys)
	return &rest.Resource[image.Image, map[string]any, []image.Change]{
		Path: "/v2/images", Item: "image_id", Many: "images", Query: list,
		Rule: func(verb string) string {
			return map[string]string{"show": "get_image", "update": "modify_image", "delete": "delete_image"}[verb]
		},
		Show: a.svc.Images.Show, Update: a.svc.Images.Update, Delete: a.svc.Images.Delete,
		ReadPatch: readPatch, View: a.viewImages, ID: func(img *image.Image) string { return img.ID },
	}
}

func (a *api) images() []httpx.Route {
	const one = "/v2/images/{image_id}"
	a.rows = a.imageRows()
	return append(a.rows.Routes(),
		route("GET", "/v2/images", "get_images", a.listImages),
		route("POST", "/v2/images", "add_image", a.createImage),
		route("POST", one+"/actions/deactivate", "deactivate", a.deactivate),
		route("POST", one+"/actions/reactivate", "reactivate", a.reactivate),
		route("PUT", one+"/tags/{tag}", "modify_image", a.addTag),
		route("DELETE", one+"/tags/{tag}", "modify_image", a.removeTag),
	)
}

func (a *api) listImages(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	q, err := a.rows.Query.Query(r)
	if err != nil {
		return nil, err
	}
	if q.Where, err = filters(r.Query); err != nil {
		return nil, err
	}
	page, err := a.svc.Images.List(ctx, q)
	if err != nil {
		return nil, err
	}
	return a.rows.Rows(ctx, r, http.StatusOK, page, q)
}

func (a *api) createImage(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	body, err := r.Object()
	if err != nil {
		return nil, err
	}
	img, err := a.svc.Images.Create(ctx, body)
	resp, err := a.rows.Answer(ctx, r, http.StatusCreated, img, err)
	if err != nil {
		return nil, err
	}
	resp.With("Location", r.Link("/v2/images/%s", img.ID))
	if methods := a.svc.Config().ImportMethods; len(methods) > 0 {
		resp.With("Openstack-Image-Import-Methods", join(methods))
	}
	var stores []string
	for _, s := range a.svc.Stores.List() {
		stores = append(stores, s.ID)
	}
	return resp.With("Openstack-Image-Store-Ids", join(stores)), nil
}

func (a *api) deactivate(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	return done(a.svc.Images.Deactivate(ctx, r.Var("image_id")))
}

func (a *api) reactivate(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	return done(a.svc.Images.Reactivate(ctx, r.Var("image_id")))
}

func (a *api) addTag(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	return done(a.svc.Images.AddTag(ctx, r.Var("image_id"), r.Var("tag")))
}

func (a *api) removeTag(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	return done(a.svc.Images.RemoveTag(ctx, r.Var("image_id"), r.Var("tag")))
}

func done(err error) (*httpx.Response, error) {
	if err != nil {
		return nil, err
	}
	return httpx.NoContent(), nil
}
